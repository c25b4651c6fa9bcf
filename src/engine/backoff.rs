//! Exponential backoff with jitter (KIP-580).
//!
//! **Why drawn once.** Java draws the jitter anew at each check, which biases the wait short; here it is drawn when
//! the attempt fails (spec 5.1). Neighbours: lanes, connections and metadata all wait by it. Not here: what is retried.

use std::time::Duration;

use rand::Rng;
use rand::RngExt as _;

/// A backoff between two bounds.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
}

impl Backoff {
    /// A backoff that starts at `initial` and never exceeds `max`. If `initial` is not below `max` it is constant.
    #[must_use]
    pub const fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max }
    }

    /// The wait after the `failures`-th failure, counted from 0: 80 to 120 percent of the doubled initial wait.
    pub fn after<R: Rng>(&self, failures: u32, random: &mut R) -> Duration {
        if self.initial >= self.max {
            return self.max;
        }
        let doubled = self.initial.saturating_mul(1_u32.checked_shl(failures.min(20)).unwrap_or(u32::MAX));
        let factor: f64 = random.random_range(0.8..1.2);
        doubled.min(self.max).mul_f64(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    // A6: about 100, 200, 400, 800, then at most 1000 ms, each within 20 percent. Fails if the exponent starts at 1.
    #[test]
    fn a6_backoff_doubles_from_the_initial_wait_up_to_the_maximum() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(1000));
        let mut random = StdRng::seed_from_u64(1);
        for (failures, low, high) in
            [(0, 80, 120), (1, 160, 240), (2, 320, 480), (3, 640, 960), (4, 800, 1000), (60, 800, 1000)]
        {
            for _ in 0..100 {
                let wait = backoff.after(failures, &mut random).as_millis();
                assert!((low..=high).contains(&wait), "after {failures} failures: {wait} ms");
            }
        }
    }
}
