//! The only clock and the only entropy.
//!
//! **Why one file.** Everything below the runtime is told the time and handed a seed; this is where both come from, so
//! that a lint can forbid them everywhere else. Application threads read a *shared* clock that the I/O thread
//! publishes while batches are open, because a clock read per record would be the dearest step of an append (D-50).
//!
//! Neighbours: `driver` publishes, `lanes` reads. Not here: sleeping, which is the driver's.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::accumulator::partition_queue::AppendTime;
use crate::time::Instant;

/// The process's clocks, and their last published reading.
#[derive(Debug)]
pub(crate) struct Environment {
    #[allow(clippy::disallowed_types, reason = "the only monotonic clock of the crate")]
    beginning: std::time::Instant,
    /// Time is the test's: tokio's, which it has paused.
    #[cfg(test)]
    is_paused: bool,
    shared_now: AtomicU64,
    shared_wall_ms: AtomicI64,
}

impl Environment {
    pub(crate) fn new() -> Self {
        #[allow(
            clippy::disallowed_methods,
            clippy::disallowed_types,
            reason = "the only monotonic clock of the crate"
        )]
        let beginning = std::time::Instant::now();
        let environment = Self {
            beginning,
            #[cfg(test)]
            is_paused: false,
            shared_now: AtomicU64::new(0),
            shared_wall_ms: AtomicI64::new(0),
        };
        environment.publish();
        environment
    }

    /// The clock of a runtime whose time is paused.
    #[cfg(test)]
    pub(crate) fn paused() -> Self {
        let mut environment = Self::new();
        environment.beginning = Self::paused_now().into_std();
        environment.is_paused = true;
        environment.publish();
        environment
    }

    /// The time of a runtime whose time is paused.
    #[cfg(test)]
    #[allow(clippy::disallowed_methods, reason = "the tests' own clock")]
    pub(crate) fn paused_now() -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    /// Whether time is a test's, and stands still.
    #[allow(clippy::unused_self, reason = "it is a test's only in tests")]
    pub(crate) const fn is_paused(&self) -> bool {
        #[cfg(test)]
        return self.is_paused;
        #[cfg(not(test))]
        false
    }

    /// The monotonic clock, read now.
    pub(crate) fn now(&self) -> Instant {
        #[cfg(test)]
        if self.is_paused {
            let elapsed = Self::paused_now().into_std() - self.beginning;
            return Instant::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        }
        Instant::from_nanos(u64::try_from(self.beginning.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Milliseconds since the Unix epoch, read now.
    #[allow(clippy::unused_self, reason = "a clock is asked, not a module")]
    pub(crate) fn wall_ms(&self) -> i64 {
        #[allow(clippy::disallowed_methods, reason = "the only wall clock of the crate")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// Microseconds since the Unix epoch, read now: for those who watch.
    #[allow(clippy::unused_self, reason = "a clock is asked, not a module")]
    pub(crate) fn wall_us(&self) -> i64 {
        #[allow(clippy::disallowed_methods, reason = "the only wall clock of the crate")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// Reads both clocks for everybody.
    pub(crate) fn publish(&self) -> AppendTime {
        let time = AppendTime { now: self.now(), wall_ms: self.wall_ms() };
        // Two readers may see the two halves of different readings; both are right to a millisecond, which is all
        // that is promised.
        self.shared_now.store(time.now.as_nanos(), Ordering::Relaxed);
        self.shared_wall_ms.store(time.wall_ms, Ordering::Relaxed);
        time
    }

    /// The last published reading: at most a millisecond old while a batch is open.
    pub(crate) fn shared(&self) -> AppendTime {
        AppendTime {
            now: Instant::from_nanos(self.shared_now.load(Ordering::Relaxed)),
            wall_ms: self.shared_wall_ms.load(Ordering::Relaxed),
        }
    }

    /// A point of our clock as tokio's timers want it.
    #[allow(clippy::disallowed_types, reason = "the only conversion to the timer's clock")]
    pub(crate) fn to_timer(&self, at: Instant) -> Option<tokio::time::Instant> {
        self.beginning.checked_add(Duration::from_nanos(at.as_nanos())).map(tokio::time::Instant::from_std)
    }
}

/// A seed from the operating system.
pub(crate) fn entropy() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "the only entropy of the crate")]
    rand::random()
}
