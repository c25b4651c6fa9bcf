//! The sticky, adaptive choice for records without a key (KIP-794), as a state machine without locks or randomness.
//!
//! **Why it exists.** Keyless records that were spread one by one would make many small batches. So they stay with one
//! partition for about `batch.size` bytes and then move on, more often to partitions whose queues are short.
//!
//! ```text
//!            choose                    record_appended: switch point reached
//!   (none) ─────────▶ partition p ──────────────────────────────────────────▶ partition q, 0 bytes
//!                      ▲      │ record_appended: not yet
//!                      └──────┘
//! ```
//!
//! Neighbours: [`super::SharedSticky`] is the same machine for many threads; the lanes say how full a batch is. Not here:
//! keys, and records that name their partition: they never touch this state.

use std::time::Duration;

use crate::mutants::{self, Nudge};
use crate::time::Instant;

/// The partitions there are to choose from.
#[derive(Debug, Clone, Copy)]
pub struct Choices<'a> {
    /// The load of the partitions, if it is known and uneven.
    pub load: Option<&'a LoadTable>,
    /// The partitions that have a leader, in ascending order.
    pub available: &'a [i32],
    /// How many partitions the topic has.
    pub partition_count: i32,
}

impl Choices<'_> {
    /// The partition that this random number means: by load if it is known, else uniformly. At least partition 0.
    #[must_use]
    pub fn pick(&self, random: u32) -> i32 {
        match self.load {
            Some(table) => table.pick(random),
            None => self.uniform(random),
        }
    }

    /// Uniformly over the partitions with a leader; if none has one, over all.
    #[must_use]
    pub fn uniform(&self, random: u32) -> i32 {
        // Java's random numbers are non-negative 32-bit integers.
        let random = random & 0x7fff_ffff;
        let place = |count: usize| usize::try_from(random).unwrap_or(0).checked_rem(count);
        if let Some(partition) = place(self.available.len()).and_then(|place| self.available.get(place)) {
            return *partition;
        }
        i32::try_from(random).unwrap_or(0).checked_rem(self.partition_count.max(1)).unwrap_or(0)
    }
}

/// How often each partition should be chosen: the longer its queue, the less often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadTable {
    /// Partitions with the running sum of their weights, which are the longest queue + 1 − their own.
    cumulative: Vec<(i32, u64)>,
}

impl LoadTable {
    /// The table for `queue_sizes` (batches waiting, one entry for every partition of the topic, by its number), of which
    /// only the partitions in `included` may be chosen: those with a leader that is not stuck.
    ///
    /// `None` is "choose uniformly": fewer than two partitions, none included, or all equal and none left out.
    #[must_use]
    pub fn build(queue_sizes: &[usize], included: &[i32]) -> Option<Self> {
        let sizes: Vec<(i32, usize)> = included
            .iter()
            .filter_map(|partition| {
                let size = queue_sizes.get(usize::try_from(*partition).ok()?)?;
                Some((*partition, *size))
            })
            .collect();
        let longest = sizes.iter().map(|(_, size)| *size).max()?;
        let are_equal = sizes.iter().all(|(_, size)| *size == longest);
        if queue_sizes.len() < 2 || (are_equal && sizes.len() == queue_sizes.len()) {
            return None;
        }
        let mut sum = 0_u64;
        let cumulative = sizes
            .into_iter()
            .map(|(partition, size)| {
                let weight = longest.saturating_sub(size).saturating_add(1);
                sum = sum.saturating_add(u64::try_from(weight).unwrap_or(u64::MAX));
                (partition, sum)
            })
            .collect();
        Some(Self { cumulative })
    }

    /// The partition that this random number means: the first whose running sum is above `random % total`.
    #[must_use]
    pub fn pick(&self, random: u32) -> i32 {
        let total = self.cumulative.last().map_or(1, |(_, sum)| *sum).max(1);
        let wanted = u64::from(random & 0x7fff_ffff) % total;
        let place = self.cumulative.partition_point(|(_, sum)| *sum <= wanted);
        self.cumulative.get(place).map_or(0, |(partition, _)| *partition)
    }

    /// The running sums, for tests and displays.
    pub fn sums(&self) -> impl Iterator<Item = (i32, u64)> {
        self.cumulative.iter().copied()
    }
}

/// Whether this is a good moment to move on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchPoint {
    /// The partition's queue is empty or its last batch is full: no half-filled batch stays behind.
    Clean,
    /// The last batch still has room: stay, unless twice `batch.size` has been produced.
    HalfFilled,
}

/// The sticky partition of one topic (or of one shard of its threads, D-51) and the bytes produced to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StickyState {
    current: Option<i32>,
    produced_bytes: usize,
}

impl StickyState {
    /// No partition chosen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { current: None, produced_bytes: 0 }
    }

    /// The sticky partition, if there is one.
    #[must_use]
    pub const fn current(&self) -> Option<i32> {
        self.current
    }

    /// The sticky partition; the first call chooses it by the random number.
    pub fn choose(&mut self, choices: Choices<'_>, random: impl FnOnce() -> u32) -> i32 {
        match self.current {
            Some(partition) => partition,
            None => self.next(choices, random()),
        }
    }

    /// Moves to the next partition.
    pub fn next(&mut self, choices: Choices<'_>, random: u32) -> i32 {
        let partition = choices.pick(random);
        *self = Self { current: Some(partition), produced_bytes: 0 };
        partition
    }

    /// To be called after each append of a keyless record, with what it added to the batch's estimated size (for a new
    /// batch its header too). Moves on, and returns the new partition, when `batch.size` bytes were produced at a clean
    /// point, or twice as many anywhere. With 0 bytes it settles a switch that was held back (a full batch was found at the
    /// next append). A call about a partition that is no longer the sticky one changes nothing.
    pub fn record_appended(
        &mut self,
        partition: i32,
        bytes: usize,
        point: SwitchPoint,
        batch_size: usize,
        next: impl FnOnce() -> i32,
    ) -> Option<i32> {
        if self.current != Some(partition) {
            return None;
        }
        self.produced_bytes = self.produced_bytes.saturating_add(bytes);
        if !is_due(self.produced_bytes, point, batch_size) {
            return None;
        }
        let partition = next();
        *self = Self { current: Some(partition), produced_bytes: 0 };
        Some(partition)
    }
}

/// KIP-794's rule. The bound of twice the size stops one partition from holding on for ever, which matters where batches
/// leave before they are full.
pub(super) fn is_due(produced_bytes: usize, point: SwitchPoint, batch_size: usize) -> bool {
    let is_clean = matches!(point, SwitchPoint::Clean);
    (produced_bytes >= batch_size && is_clean)
        || produced_bytes >= batch_size.saturating_mul(2)
        || mutants::buggify(Nudge::StickyAgain)
}

/// Since when a broker that has data waiting could take no request (`partitioner.availability.timeout.ms`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeAvailability {
    ready: Instant,
    drained: Instant,
}

impl NodeAvailability {
    /// A broker that first had data at `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { ready: now, drained: now }
    }

    /// The broker has data, and its connection can take a request.
    pub const fn could_drain(&mut self, now: Instant) {
        *self = Self { ready: now, drained: now };
    }

    /// The broker has data, but its connection can take no request.
    pub const fn could_not_drain(&mut self, now: Instant) {
        self.ready = now;
    }

    /// Whether keyless records should avoid its partitions. Keyed ones still go there: a key never moves.
    #[must_use]
    pub fn is_stuck(&self, timeout: Duration) -> bool {
        self.ready.since(self.drained) > timeout
    }
}
