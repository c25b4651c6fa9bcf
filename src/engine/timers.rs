//! One table of timers: what is due, and when to come back.
//!
//! **Why a table.** Timers fire only in [`super::Engine::poll`], in a fixed order, so that a run is reproducible.
//! Neighbours: every part of the engine sets them. Not here: what a timer means, which is the part's own matter.

use std::collections::{BTreeMap, BTreeSet};

use crate::identifiers::{ConnectionId, LaneId};
use crate::time::Instant;

/// Who is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection's request or setup timeout, idle limit, or end of throttling.
    Connection(ConnectionId),
    /// A lane's linger, backoff or deadline.
    Lane(LaneId),
    /// The next metadata refresh or connection attempt to the cluster.
    Metadata,
    /// The next InitProducerId.
    ProducerId,
}

/// Timers by who and by when.
#[derive(Debug, Default)]
pub(crate) struct TimerTable {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl TimerTable {
    /// Sets `timer` to `at`, in place of any earlier setting. [`Instant::NEVER`] clears it.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        if let Some(before) = self.by_timer.get(&timer) {
            if *before == at {
                return;
            }
            self.by_time.remove(&(*before, timer));
        }
        if at == Instant::NEVER {
            self.by_timer.remove(&timer);
        } else {
            self.by_timer.insert(timer, at);
            self.by_time.insert((at, timer));
        }
    }

    /// Takes the next timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_timer.remove(&timer);
        Some(timer)
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
