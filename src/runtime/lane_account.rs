//! What one lane holds of `buffer.memory`, and whether it may hold more.
//!
//! **Why a lane has a share.** A partition whose leader is gone fills the buffer with records that cannot leave, and
//! would stop every other partition with it. So a lane that has made no progress for one request timeout may hold at
//! most half of the buffer; appends to it then wait, or are refused, without standing in the queue of the others (D-35).
//!
//! Neighbours: `lanes` has one per lane, `memory` is the account of all. Not here: waiting, which `producer::send` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::accumulator::producer_batch::MemoryOwner;
use crate::runtime::memory::Memory;
use crate::runtime::sync::Notify;
use crate::runtime::wakers::notify_all;
use crate::time::Instant;

/// A lane's share.
#[derive(Debug)]
pub(crate) struct LaneAccount {
    memory: Arc<Memory>,
    held_bytes: AtomicUsize,
    /// Nanoseconds: the last outcome that was not time running out, or the first segment after a time without any.
    last_progress: AtomicU64,
    /// Time ran out for a batch, and nothing has moved since.
    is_overdue: AtomicBool,
    /// Woken when the lane holds less or makes progress.
    pub(crate) changed: Notify,
}

impl LaneAccount {
    pub(crate) fn new(memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self {
            memory,
            held_bytes: AtomicUsize::new(0),
            last_progress: AtomicU64::new(0),
            is_overdue: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// Whether the lane may take `bytes` more now.
    pub(crate) fn may_hold(&self, bytes: usize, now: Instant, request_timeout: Duration) -> bool {
        let held = self.held_bytes.load(Ordering::Relaxed);
        let last = Instant::from_nanos(self.last_progress.load(Ordering::Relaxed));
        held == 0 || held + bytes <= self.memory.total_bytes() / 2 || now.since(last) <= request_timeout
    }

    /// Whether the lane has had something to send for so long without any outcome (KIP-794's availability).
    pub(crate) fn is_stuck(&self, now: Instant, timeout: Duration) -> bool {
        let last = Instant::from_nanos(self.last_progress.load(Ordering::Relaxed));
        self.held_bytes.load(Ordering::Relaxed) > 0 && now.since(last) > timeout
    }

    /// A segment of this size was given to the lane. One that was empty is as good as new, unless time emptied it.
    pub(crate) fn took(&self, bytes: usize, now: Instant) {
        let was_empty = self.held_bytes.fetch_add(bytes, Ordering::Relaxed) == 0;
        if was_empty && !self.is_overdue.load(Ordering::Relaxed) {
            self.progressed(now);
        }
    }

    /// A batch of the lane ended because its time ran out: that is no progress.
    pub(crate) fn ran_out_of_time(&self) {
        self.is_overdue.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// A batch of the lane has got an outcome that shows that it moves.
    pub(crate) fn progressed(&self, now: Instant) {
        self.last_progress.store(now.as_nanos(), Ordering::Relaxed);
        notify_all(&self.changed);
    }
}

impl MemoryOwner for LaneAccount {
    fn give_back(&self, buffer: Vec<u8>, reserved_bytes: usize) {
        self.held_bytes.fetch_sub(reserved_bytes, Ordering::Relaxed);
        self.memory.give_back(buffer, reserved_bytes);
        notify_all(&self.changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D-35: a dead lane must leave half of the buffer to the others, and a lively one may have it all. Fails if the cap
    // holds for lanes that make progress, or never.
    #[test]
    fn a_lane_without_progress_may_hold_half() {
        let account = LaneAccount::new(Memory::new(1000));
        let timeout = Duration::from_secs(1);
        account.took(400, Instant::ZERO);

        assert!(account.may_hold(500, Instant::from_millis(900), timeout), "it is not dead yet");
        assert!(!account.may_hold(500, Instant::from_millis(1500), timeout), "dead, and beyond half");
        assert!(account.may_hold(100, Instant::from_millis(1500), timeout), "dead, but within half");
        assert!(
            account.is_stuck(Instant::from_millis(1500), timeout)
                && !account.is_stuck(Instant::from_millis(900), timeout)
        );
        account.progressed(Instant::from_millis(1400));
        assert!(!account.is_stuck(Instant::from_millis(1500), timeout));
        assert!(account.may_hold(500, Instant::from_millis(1500), timeout), "alive again");
    }

    // D-35, C25: the records of a dead lane expire, and new ones come. Fails if the emptied lane counts as a new one: it would
    // have all of the buffer once per delivery timeout.
    #[test]
    fn a_lane_that_time_has_emptied_is_not_a_new_one() {
        let account = LaneAccount::new(Memory::new(1000));
        let timeout = Duration::from_secs(1);
        account.took(400, Instant::ZERO);
        account.ran_out_of_time();
        account.held_bytes.store(0, Ordering::Relaxed);
        account.took(400, Instant::from_millis(9_000));
        assert!(!account.may_hold(500, Instant::from_millis(9_001), timeout));
        account.progressed(Instant::from_millis(9_002));
        assert!(
            account.may_hold(500, Instant::from_millis(9_003), timeout),
            "the first acknowledgement ends it"
        );
    }
}
