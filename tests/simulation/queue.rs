//! What will happen: events keyed by time, and by the tape among those of one moment.
//!
//! **Why the tape breaks ties.** Two things that happen at once have no order in reality; a fixed one would hide the bugs
//! that live in the other. Zero is the order of planning.
//!
//! Neighbours: `world` takes events out, everybody puts them in. Not here: the engine's own deadlines, which are asked
//! for each time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use facteur::time::Instant;

use super::tape::Draw;

/// Something that happens by itself at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A connection attempt ends, well or not.
    Dialled { link: u32, opens: bool },
    /// The operating system takes bytes of what the producer writes.
    Drain { link: u32 },
    /// Bytes arrive at the broker.
    ArriveUp { link: u32 },
    /// Bytes arrive at the producer.
    ArriveDown { link: u32 },
    /// The producer learns that the connection has ended.
    ClientEnd { link: u32 },
    /// The broker learns that the connection has ended.
    ServerEnd { link: u32 },
    /// A rule of the network for a node ends or may have ended.
    Unstall { node: i32 },
    /// The codec is done with a batch.
    Codec { producer: u8, job: u32 },
    /// A sender that waits runs out of patience.
    TaskDeadline { producer: u8, task: u32 },
    /// A suspended process goes on.
    Resume { producer: u8 },
    /// The application does something.
    Work { producer: u8 },
    /// `close(timeout)` runs out of patience.
    CloseDeadline { producer: u8 },
    /// A window of the schedule begins.
    Window,
    /// A fault begins.
    Fault,
    /// A fault of a broker that lasts ends.
    FaultEnd { index: u32 },
    /// The model cluster has something to do.
    Cluster,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: u64,
    tie: u64,
    happening: Happening,
}

/// The events to come.
#[derive(Debug, Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    planned: u64,
}

/// One choice in so many decides the order of simultaneous events.
const TIE_CHOICES: u64 = 4;
/// The choice stands above the order of planning.
const TIE_SHIFT: u32 = 56;

impl Queue {
    pub fn plan(&mut self, at: Instant, happening: Happening, tape: &mut dyn Draw) {
        self.planned += 1;
        let tie = (tape.below(TIE_CHOICES) << TIE_SHIFT) | self.planned;
        self.heap.push(Reverse(Entry { at: at.as_nanos(), tie, happening }));
    }

    /// As if something had been planned.
    pub fn pass(&mut self, tape: &mut dyn Draw) {
        self.planned += 1;
        tape.below(TIE_CHOICES);
    }

    /// When the next one is.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| Instant::from_nanos(entry.0.at))
    }

    /// The next one, if it is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<Happening> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.happening)
    }
}
