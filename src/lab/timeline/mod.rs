//! What happened lately, from four witnesses: façade, producers, broker, injector; and the story of one event from it.
//!
//! **Why a ring of raw events.** A story is asked for rarely and events come by tens of thousands a second, so coming
//! must be cheap: an event is kept as its witness told it, words are made when somebody reads. No payload is parsed and
//! no record carries anything for it (D-63): the façade notes which batch took the record, and the rest is joined by
//! what the witnesses call the same thing ([`join`]). The ring has a bound; the oldest go first, and what went is
//! counted.
//!
//! Neighbours: [`watch`] fills it, [`story`] tells it, `routes/trace` and `routes/events` answer from it. Not here:
//! counters, which are the metrics', and outcomes, which are [`crate::lab::status_store`]'s.

pub mod event;
pub mod join;
pub mod story;
pub mod watch;
pub mod words;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch as latest;

pub use event::{CallNote, CallStep, Settled, TimelineEvent, What, Witness};

use crate::lab::clock;

/// Most events that are kept.
pub const CAPACITY: usize = 100_000;

/// The ring.
#[derive(Debug)]
pub struct Timeline {
    capacity: usize,
    ring: Mutex<Ring>,
    newest: latest::Sender<u64>,
    calls: AtomicU64,
    lost_producer: AtomicU64,
    lost_broker: AtomicU64,
    lost_injector: AtomicU64,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<TimelineEvent>,
    /// The id of the newest event; ids count from 1.
    newest: u64,
}

/// Events that a witness told and that were gone before they could be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Of the producers.
    pub producer: u64,
    /// Of the embedded broker.
    pub broker: u64,
    /// Of the injector.
    pub injector: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Timeline {
    /// A ring for so many events; 0 is taken as 1.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            ring: Mutex::default(),
            newest: latest::Sender::new(0),
            calls: AtomicU64::new(0),
            lost_producer: AtomicU64::new(0),
            lost_broker: AtomicU64::new(0),
            lost_injector: AtomicU64::new(0),
        }
    }

    /// A call came: the notes about it bear its number.
    pub fn call(self: &Arc<Self>, event_id: &str) -> CallLog {
        let number = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        CallLog { timeline: Arc::clone(self), number, event_id: event_id.into() }
    }

    /// Adds events in the order in which they are given; each has its time in microseconds since the Unix epoch.
    pub fn extend(&self, events: impl IntoIterator<Item = (i64, What)>) {
        let newest = {
            let mut ring = self.ring();
            for (at_us, what) in events {
                ring.newest = ring.newest.wrapping_add(1);
                if ring.events.len() >= self.capacity {
                    ring.events.pop_front();
                }
                let id = ring.newest;
                ring.events.push_back(TimelineEvent { id, at_us, what });
            }
            ring.newest
        };
        self.newest.send_if_modified(|known| {
            let is_news = *known < newest;
            *known = (*known).max(newest);
            is_news
        });
    }

    /// Up to `limit` events after the one of this id, oldest first, and how many between the two are gone already.
    pub fn since(&self, id: u64, limit: usize) -> (Vec<TimelineEvent>, u64) {
        let ring = self.ring();
        let first = ring.events.front().map_or_else(|| ring.newest.wrapping_add(1), |event| event.id);
        let gone = first.saturating_sub(id.saturating_add(1));
        let skip = usize::try_from(id.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        (ring.events.iter().skip(skip).take(limit).cloned().collect(), gone)
    }

    /// All that is kept, oldest first: a copy of counts, so that whoever reads long does not hold the lock.
    pub fn snapshot(&self) -> VecDeque<TimelineEvent> {
        self.ring().events.clone()
    }

    /// The id of the newest event; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.ring().newest
    }

    /// Tells when there are newer events.
    pub fn subscribe(&self) -> latest::Receiver<u64> {
        self.newest.subscribe()
    }

    /// How many events are kept now.
    pub fn len(&self) -> usize {
        self.ring().events.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the beginning is gone: then a missing event may have been there.
    pub fn has_forgotten(&self) -> bool {
        let ring = self.ring();
        ring.events.front().is_some_and(|oldest| oldest.id > 1)
    }

    /// What witnesses told too fast.
    pub fn lost(&self) -> Lost {
        Lost {
            producer: self.lost_producer.load(Ordering::Relaxed),
            broker: self.lost_broker.load(Ordering::Relaxed),
            injector: self.lost_injector.load(Ordering::Relaxed),
        }
    }

    /// A witness says how many of its events are gone in all.
    pub fn set_lost(&self, witness: Witness, count: u64) {
        match witness {
            Witness::Producer => self.lost_producer.store(count, Ordering::Relaxed),
            Witness::Broker => self.lost_broker.store(count, Ordering::Relaxed),
            Witness::Injector => self.lost_injector.store(count, Ordering::Relaxed),
            Witness::Call => {}
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A panic while it was held leaves whole events behind.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the façade notes about one call.
#[derive(Debug, Clone)]
pub struct CallLog {
    timeline: Arc<Timeline>,
    number: u64,
    event_id: Arc<str>,
}

impl CallLog {
    /// Notes a step, now.
    pub fn note(&self, step: CallStep) {
        let note = CallNote { call: self.number, event_id: Arc::clone(&self.event_id), step };
        self.timeline.extend([(clock::unix_time_us(), What::Call(Arc::new(note)))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(timeline: &Arc<Timeline>, count: u16) {
        for status in 0..count {
            timeline.call("E").note(CallStep::Answered { status });
        }
    }

    fn ids(timeline: &Timeline, since: u64) -> (Vec<u64>, u64) {
        let (events, gone) = timeline.since(since, 100);
        (events.iter().map(|event| event.id).collect(), gone)
    }

    // D-63's store lives as long as the lab: it must stay at its bound, lose the oldest, and say that it did.
    #[test]
    fn at_the_bound_the_oldest_events_go_and_it_is_told() {
        let timeline = Arc::new(Timeline::with_capacity(3));
        notes(&timeline, 3);
        assert!(!timeline.has_forgotten());

        notes(&timeline, 2);

        assert_eq!((timeline.len(), timeline.newest()), (3, 5));
        assert!(timeline.has_forgotten());
        assert_eq!(ids(&timeline, 0), (vec![3, 4, 5], 2));
        assert_eq!(ids(&timeline, 3), (vec![4, 5], 0));
        assert_eq!(ids(&timeline, 5), (vec![], 0));
        assert_eq!(ids(&timeline, 99), (vec![], 0));
    }

    // A reader that comes back with the last id it saw gets what is newer, in pieces, without a repetition.
    #[test]
    fn a_reader_goes_on_where_it_stopped() {
        let timeline = Arc::new(Timeline::with_capacity(10));
        notes(&timeline, 5);

        let (first, _) = timeline.since(0, 2);
        let (second, gone) = timeline.since(first[1].id, 2);

        assert_eq!((first[0].id, first[1].id), (1, 2));
        assert_eq!((second[0].id, second[1].id, gone), (3, 4, 0));
        assert!(timeline.subscribe().borrow().eq(&5));
    }
}
