//! One table of timers: what is due, and when to come back.
//!
//! **Why a table.** Timers fire only in [`super::Engine::poll`], in a fixed order, so that a run is reproducible.
//! Neighbours: every part of the engine sets them. Not here: what a timer means, which is the part's own matter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::identifiers::{ConnectionId, LaneId};
use crate::time::Instant;

/// So many outdated entries are never worth a cleaning.
const OUTDATED_ENTRIES: usize = 64;

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

/// When a timer fires, and where it stands in line.
#[derive(Debug, Clone, Copy)]
struct Slot {
    at: Instant,
    /// The time of its entry in line: never later than `at`.
    queued_at: Instant,
}

impl Slot {
    const EMPTY: Self = Self { at: Instant::NEVER, queued_at: Instant::NEVER };
}

/// Timers by who and by when.
///
/// **Why the line is not exact.** Nearly every timer is moved to later, again and again, before it fires: a request's
/// deadline with each answer, a lane's with each batch. Such a move writes one number; the entry in line stays where it
/// is and is moved when its turn comes. The head of the line alone is always exact.
#[derive(Debug)]
pub(crate) struct TimerTable {
    /// With entries that are too early, or of timers that were moved to earlier meanwhile; never so at its head.
    line: BinaryHeap<Reverse<(Instant, Timer)>>,
    lanes: Vec<Slot>,
    /// By number.
    connections: Vec<(ConnectionId, Slot)>,
    metadata: Slot,
    producer_id: Slot,
}

impl Default for TimerTable {
    fn default() -> Self {
        Self {
            line: BinaryHeap::new(),
            lanes: Vec::new(),
            connections: Vec::new(),
            metadata: Slot::EMPTY,
            producer_id: Slot::EMPTY,
        }
    }
}

impl TimerTable {
    /// Sets `timer` to `at`, in place of any earlier setting. [`Instant::NEVER`] clears it.
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        if at == Instant::NEVER && self.slot(timer).is_none() {
            return;
        }
        let Some(slot) = self.slot_mut(timer) else { return };
        if slot.at == at {
            return;
        }
        slot.at = at;
        if at < slot.queued_at {
            slot.queued_at = at;
            self.line.push(Reverse((at, timer)));
            self.drop_outdated();
        }
        self.settle();
    }

    /// Takes the next timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let Reverse((at, timer)) = *self.line.peek()?;
        if at > now {
            return None;
        }
        self.line.pop();
        self.clear(timer);
        self.settle();
        Some(timer)
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.line.peek().map(|Reverse((at, _))| *at)
    }

    /// Makes the head of the line exact.
    fn settle(&mut self) {
        while let Some(Reverse((at, timer))) = self.line.peek().copied() {
            let slot = self.slot(timer).unwrap_or(Slot::EMPTY);
            if slot.queued_at == at && slot.at == at {
                return;
            }
            if slot.queued_at != at {
                self.line.pop();
            } else if slot.at == Instant::NEVER {
                self.line.pop();
                self.clear(timer);
            } else {
                if let Some(mut head) = self.line.peek_mut() {
                    *head = Reverse((slot.at, timer));
                }
                if let Some(slot) = self.slot_mut(timer) {
                    slot.queued_at = slot.at;
                }
            }
        }
    }

    /// Entries of timers that were moved to earlier are forgotten before there are more of them than others.
    fn drop_outdated(&mut self) {
        if self.line.len() <= OUTDATED_ENTRIES + 2 * (self.lanes.len() + self.connections.len()) {
            return;
        }
        let mut entries = std::mem::take(&mut self.line).into_vec();
        entries.retain(|Reverse((at, timer))| self.slot(*timer).is_some_and(|slot| slot.queued_at == *at));
        entries.sort_unstable();
        entries.dedup();
        self.line = BinaryHeap::from(entries);
    }

    fn clear(&mut self, timer: Timer) {
        if let Timer::Connection(connection) = timer {
            if let Ok(place) = self.place(connection) {
                self.connections.remove(place);
            }
        } else if let Some(slot) = self.slot_mut(timer) {
            *slot = Slot::EMPTY;
        }
    }

    fn place(&self, connection: ConnectionId) -> Result<usize, usize> {
        self.connections.binary_search_by_key(&connection, |(id, _)| *id)
    }

    fn slot(&self, timer: Timer) -> Option<Slot> {
        match timer {
            Timer::Connection(connection) => {
                let place = self.place(connection).ok()?;
                self.connections.get(place).map(|(_, slot)| *slot)
            }
            Timer::Lane(lane) => self.lanes.get(lane.index()).copied(),
            Timer::Metadata => Some(self.metadata),
            Timer::ProducerId => Some(self.producer_id),
        }
    }

    /// The slot, made if there is none yet.
    fn slot_mut(&mut self, timer: Timer) -> Option<&mut Slot> {
        match timer {
            Timer::Connection(connection) => {
                let place = self.place(connection).unwrap_or_else(|place| {
                    self.connections.insert(place, (connection, Slot::EMPTY));
                    place
                });
                self.connections.get_mut(place).map(|(_, slot)| slot)
            }
            Timer::Lane(lane) => {
                if self.lanes.len() <= lane.index() {
                    self.lanes.resize(lane.index() + 1, Slot::EMPTY);
                }
                self.lanes.get_mut(lane.index())
            }
            Timer::Metadata => Some(&mut self.metadata),
            Timer::ProducerId => Some(&mut self.producer_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    // The line is lazy, what it tells must not be: against a plain map, over settings to earlier, to later and to never.
    // Fails if a timer fires early, late, twice, out of order or not at all, or if outdated entries pile up.
    #[test]
    fn a_lazy_line_fires_like_an_exact_one() {
        let mut random = StdRng::seed_from_u64(5);
        let (mut table, mut exact) = (TimerTable::default(), BTreeMap::new());
        let mut now = 0;
        for _ in 0..50_000 {
            let timer = match random.random_range(0..12_u32) {
                0 => Timer::Metadata,
                1 => Timer::ProducerId,
                number @ 2..=6 => Timer::Lane(LaneId(number)),
                number => Timer::Connection(ConnectionId(u64::from(number))),
            };
            let at = match random.random_range(0..4_u32) {
                0 => Instant::NEVER,
                1 => Instant::from_nanos(now + random.random_range(0..5)),
                _ => Instant::from_nanos(now + random.random_range(0..100)),
            };
            table.set(timer, at);
            exact.remove(&timer);
            if at != Instant::NEVER {
                exact.insert(timer, at);
            }
            now += random.random_range(0..3);
            loop {
                let next = exact.iter().map(|(timer, at)| (*at, *timer)).min();
                assert_eq!(table.next(), next.map(|(at, _)| at));
                let due = next.filter(|(at, _)| *at <= Instant::from_nanos(now));
                assert_eq!(table.pop_due(Instant::from_nanos(now)), due.map(|(_, timer)| timer));
                let Some((_, timer)) = due else { break };
                exact.remove(&timer);
            }
            assert!(table.line.len() <= OUTDATED_ENTRIES + 2 * 20, "{} entries", table.line.len());
        }
    }
}
