//! How values are spread: counts between fixed bounds, kept per batch or request and never per record.
//!
//! **Why fixed bounds in plain numbers.** A mean hides the one slow answer in a hundred, which is what an operator looks
//! for. Sixteen bounds are a few hundred bytes that are copied with the other counters; no lock, no allocation, and the
//! sum of two producers' counts is the count of both. Neighbours: [`super::stats`] holds them, the lab's `/metrics`
//! shows them as histograms. Not here: quantiles, which are the reader's.

/// Bounds for times, in microseconds: 100 µs to 30 s.
const TIME_BOUNDS_US: [u64; BOUNDS] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 30_000_000,
];
/// Bounds for sizes, in bytes: 128 B to 4 MiB.
const SIZE_BOUNDS_BYTES: [u64; BOUNDS] = [
    128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576,
    2_097_152, 4_194_304,
];
const BOUNDS: usize = 16;

/// Counts of values between bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    bounds: &'static [u64; BOUNDS],
    /// The last one counts what is above the last bound.
    counts: [u64; BOUNDS + 1],
    sum: u64,
}

impl Distribution {
    /// Nothing yet; times in microseconds.
    #[must_use]
    pub const fn of_times() -> Self {
        Self { bounds: &TIME_BOUNDS_US, counts: [0; BOUNDS + 1], sum: 0 }
    }

    /// Nothing yet; sizes in bytes.
    #[must_use]
    pub const fn of_sizes() -> Self {
        Self { bounds: &SIZE_BOUNDS_BYTES, counts: [0; BOUNDS + 1], sum: 0 }
    }

    /// Counts a value.
    pub fn observe(&mut self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds the counts of another distribution of the same kind.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.bounds, other.bounds, "times and sizes do not add up");
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Each upper bound, which is included, with the number of values between it and the one before; the last bound is
    /// [`u64::MAX`].
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.bounds.iter().copied().chain([u64::MAX]).zip(self.counts)
    }
}

/// What a producer's engine measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Distributions {
    /// From sending a Produce request to its answer, in microseconds.
    pub request_latency_us: Distribution,
    /// From a batch's first record to its first sending, in microseconds.
    pub queue_time_us: Distribution,
    /// Sizes of batches at their first sending, in bytes.
    pub batch_size_bytes: Distribution,
    /// How long brokers asked for quiet, in microseconds, when they did.
    pub throttle_time_us: Distribution,
}

impl Default for Distributions {
    fn default() -> Self {
        Self {
            request_latency_us: Distribution::of_times(),
            queue_time_us: Distribution::of_times(),
            batch_size_bytes: Distribution::of_sizes(),
            throttle_time_us: Distribution::of_times(),
        }
    }
}

impl Distributions {
    /// Adds what another producer has measured.
    pub fn add(&mut self, other: &Self) {
        self.request_latency_us.add(&other.request_latency_us);
        self.queue_time_us.add(&other.queue_time_us);
        self.batch_size_bytes.add(&other.batch_size_bytes);
        self.throttle_time_us.add(&other.throttle_time_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A bound belongs to its bucket (Prometheus: `le`); one off and every quantile is off by a bucket.
    #[test]
    fn a_value_at_a_bound_belongs_below_it_and_nothing_is_lost_above_the_last() {
        let mut times = Distribution::of_times();
        for value in [0, 100, 101, 30_000_000, 30_000_001, u64::MAX] {
            times.observe(value);
        }

        let buckets: Vec<(u64, u64)> = times.buckets().filter(|(_, count)| *count > 0).collect();

        assert_eq!(buckets, [(100, 2), (250, 1), (30_000_000, 1), (u64::MAX, 2)]);
        assert_eq!((times.count(), times.sum()), (6, u64::MAX));
    }

    // The lab shows one line for all producers of a mode: their counts must add up.
    #[test]
    fn two_distributions_add_up() {
        let (mut one, mut other) = (Distribution::of_sizes(), Distribution::of_sizes());
        one.observe(1);
        other.observe(1);
        other.observe(1_000_000);

        one.add(&other);

        assert_eq!((one.count(), one.sum()), (3, 1_000_002));
    }
}
