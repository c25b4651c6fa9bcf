//! Points on the monotonic clock, as plain numbers.
//!
//! **Why not `std::time::Instant`.** The engine reads no clock: time is handed to it, so that a simulation can run
//! hours in milliseconds and twice the same. This type has no `now`; the one place that makes it from the operating
//! system's clock is `runtime::environment`. Not here: record timestamps, which are wall-clock milliseconds (`i64`).

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: nanoseconds since the producer's own beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The beginning.
    pub const ZERO: Self = Self(0);
    /// A point that is never reached: the deadline of what has none.
    pub const NEVER: Self = Self(u64::MAX);

    /// A point `nanos` after the beginning.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A point `millis` after the beginning.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the beginning.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::NEVER`], so that an endless timeout cannot overflow (scenario E11).
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}
