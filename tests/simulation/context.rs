//! What everything in a run shares: time, tape, evidence.
//!
//! **Why one struct.** The producer's body, the network and the workload all plan events, draw choices and leave
//! evidence; handing five references around would say the same five times. Neighbours: `world` owns it.

use facteur::time::Instant;

use super::queue::{Happening, Queue};
use super::tape::{Draw, Tape};
use super::trace::Trace;
use super::wiretap::Wiretap;
use crate::oracle::{History, Lane, RecordId};

/// An acknowledgement that was just told: Q9 asks the cluster about it at this very moment.
#[derive(Debug, Clone, Copy)]
pub struct Acked {
    pub id: RecordId,
    pub lane: Lane,
    pub offset: i64,
}

/// Counts for the report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub accepted: u64,
    pub acknowledged: u64,
    pub rejected: u64,
    pub unknown: u64,
    pub refused: u64,
    pub cancelled: u64,
    pub waited_for_memory: u64,
    pub waited_for_metadata: u64,
    pub waited_for_progress: u64,
    pub delayed_seals: u64,
    pub partial_writes: u64,
    pub zombies: u64,
    pub flushes: u64,
    pub closes: u64,
    /// Connections given up for want of an answer that had come by then (K16).
    pub given_up_with_answer: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Context {
    pub now: Instant,
    /// Wall clock at the beginning of time, milliseconds; jumps are added.
    pub wall_start_ms: i64,
    pub tape: Tape,
    pub queue: Queue,
    pub trace: Trace,
    pub history: History,
    pub wiretap: Wiretap,
    pub next_record: u64,
    pub counts: Counts,
    pub acked: Vec<Acked>,
    /// Peace: nothing is delayed and nobody is troubled any more.
    pub is_healed: bool,
    /// Brokers have been made to invent leader epochs.
    pub epochs_were_invented: bool,
}

impl Context {
    pub fn plan(&mut self, at: Instant, happening: Happening) {
        self.queue.plan(at, happening, &mut self.tape);
    }

    /// Not a second time at the very moment at which it is `planned`; the choice is made all the same, so that a tape of before
    /// means what it meant.
    pub fn plan_once(&mut self, planned: Instant, at: Instant, happening: Happening) {
        if planned == at {
            self.queue.pass(&mut self.tape);
        } else {
            self.plan(at, happening);
        }
    }

    /// `after_us` microseconds from now.
    pub fn plan_after(&mut self, after_us: u64, happening: Happening) {
        let at = self.now + std::time::Duration::from_micros(after_us);
        self.plan(at, happening);
    }

    /// True with this chance while there are faults.
    pub fn trouble(&mut self, per_mille: u64) -> bool {
        !self.is_healed && self.tape.chance(per_mille)
    }

    pub fn wall_ms(&self, at: Instant) -> i64 {
        self.wall_start_ms + i64::try_from(at.as_nanos() / 1_000_000).expect("a run is short")
    }

    pub fn new_id(&mut self) -> RecordId {
        let id = RecordId(self.next_record);
        self.next_record += 1;
        id
    }
}
