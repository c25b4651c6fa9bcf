//! The sticky choice of one topic: one for all threads, and others for threads that met there.
//!
//! **Why shards.** One shared choice sends all threads to one lane, and there they wait for each other's lock. A thread that
//! finds the lane taken goes its own way for a millisecond: it uses a shard of the choice, with a partition of its own, and
//! then comes back. So threads that seldom meet share batches, which stay large, and threads that always meet share nothing
//! (D-51). Each shard obeys KIP-794.
//!
//! Which way a thread goes is its own to know, whatever the topic: two that met over one topic will meet over the next.
//!
//! Neighbours: `topics` has one per topic, `producer::send` says when two have met. Not here: the rules of stickiness
//! ([`SharedSticky`]).

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::accumulator::partitioner::SharedSticky;
use crate::time::Instant;

/// Shards beside the common one.
const OTHERS: u8 = 8;
/// How long a thread goes its own way: long against the cost of meeting, short against a lingering batch.
const AWAY: Duration = Duration::from_millis(1);

/// A shard's number: 0 is the common one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard(u8);

impl Shard {
    const COMMON: Self = Self(0);
}

/// Where a thread goes.
#[derive(Debug, Clone, Copy)]
struct Way {
    shard: Shard,
    /// It comes back then. Its shard is its own again the next time, so that its batches go on.
    away_until: Option<Instant>,
}

thread_local! {
    static WAY: Cell<Way> = const { Cell::new(Way { shard: Shard::COMMON, away_until: None }) };
}

/// Alone in its cache line: each is written by another thread.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Apart(SharedSticky);

/// The choices of one topic.
#[derive(Debug, Default)]
pub(crate) struct StickyShards {
    common: SharedSticky,
    /// Made when two threads first meet: most topics never need them.
    others: OnceLock<Box<[Apart; OTHERS as usize]>>,
}

impl StickyShards {
    /// The shard of the calling thread.
    #[inline]
    pub(crate) fn of_this_thread(now: Instant) -> Shard {
        match WAY.with(Cell::get).away_until {
            None => Shard::COMMON,
            Some(until) => Self::while_away(until, now),
        }
    }

    #[cold]
    fn while_away(until: Instant, now: Instant) -> Shard {
        WAY.with(|way| {
            let Way { shard, .. } = way.get();
            // Each producer's clock has its own beginning: a time far ahead is another one's.
            if now < until && until <= now + AWAY {
                return shard;
            }
            way.set(Way { shard, away_until: None });
            Shard::COMMON
        })
    }

    /// The calling thread has met another one in `shard`: where it goes now.
    pub(crate) fn leave(met_in: Shard, now: Instant) -> Shard {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        WAY.with(|way| {
            let Way { shard: own, .. } = way.get();
            let shard =
                if own == met_in { Shard(NEXT.fetch_add(1, Ordering::Relaxed) % OTHERS + 1) } else { own };
            way.set(Way { shard, away_until: Some(now + AWAY) });
            shard
        })
    }

    /// The choice of a shard.
    #[inline]
    pub(crate) fn get(&self, shard: Shard) -> &SharedSticky {
        match shard.0.checked_sub(1) {
            None => &self.common,
            Some(place) => self.other(place),
        }
    }

    #[cold]
    fn other(&self, place: u8) -> &SharedSticky {
        let others = self.others.get_or_init(Box::default);
        others.get(usize::from(place)).map_or(&self.common, |apart| &apart.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D-51: a thread that met another stays away for a while, in a shard of its own, and comes back. Fails if it never goes, never
    // comes back (its batches would stay small), or goes to a new shard each time (and leaves a small batch in each).
    #[test]
    fn a_thread_that_met_another_goes_its_own_way_and_comes_back() {
        let met_at = Instant::from_millis(10);
        assert_eq!(StickyShards::of_this_thread(met_at), Shard::COMMON);

        let own = StickyShards::leave(Shard::COMMON, met_at);
        assert_ne!(own, Shard::COMMON);
        assert_eq!(StickyShards::of_this_thread(met_at), own);
        assert_eq!(StickyShards::of_this_thread(met_at + AWAY), Shard::COMMON);
        assert_eq!(StickyShards::leave(Shard::COMMON, met_at + AWAY), own);

        let next = StickyShards::leave(own, met_at + AWAY);
        assert_ne!(next, Shard::COMMON, "another one is in its shard: it goes to the next");
        assert_ne!(next, own);
        assert_eq!(StickyShards::of_this_thread(met_at + AWAY), next);
    }

    // A thread that uses two producers: their clocks began at different times. Fails if what an old producer's clock said keeps
    // the thread away from a young one's common choice, for as long as the first has been there longer.
    #[test]
    fn another_producers_clock_does_not_keep_a_thread_away() {
        let an_hour = Instant::from_millis(3_600_000);
        let own = StickyShards::leave(Shard::COMMON, an_hour);
        assert_eq!(StickyShards::of_this_thread(an_hour), own);
        assert_eq!(StickyShards::of_this_thread(Instant::from_millis(5)), Shard::COMMON);
    }

    // Fails if the shards share a choice: whoever goes elsewhere would be where he was.
    #[test]
    fn each_shard_has_a_choice_of_its_own() {
        let shards = StickyShards::default();
        let shard = |number: u8| Shard(number);
        for number in 0..=OTHERS {
            assert_eq!(shards.get(shard(number)).choose(|| i32::from(number)), i32::from(number));
        }
        for number in 0..=OTHERS {
            assert_eq!(shards.get(shard(number)).current(), Some(i32::from(number)));
        }
    }
}
