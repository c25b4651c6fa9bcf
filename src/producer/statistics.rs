//! A snapshot of what a producer has done.
//!
//! **Why one struct.** What an operator asks in one glance stands in one place, named as Kafka's metrics are where a
//! name exists (semantics 10). Neighbours: the engine counts what it does, the lanes what they accept. Not here: rates.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::engine::Distributions;
use crate::runtime::shared::Shared;

/// Counters since the start, and gauges of now. Times are microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Records accepted.
    pub records_accepted: u64,
    /// Records acknowledged.
    pub records_acknowledged: u64,
    /// Records certainly not in the log.
    pub records_rejected: u64,
    /// Records of which nobody knows.
    pub records_unknown: u64,
    /// Records in batches handed to a connection, retries included, as Kafka counts them.
    pub records_sent: u64,
    /// Records in batches handed to a connection again.
    pub records_retried: u64,
    /// Batches handed to a connection for the first time.
    pub batches_sent: u64,
    /// Batches handed to a connection again.
    pub batches_retried: u64,
    /// Batches that a broker had already seen, where it can be known.
    pub batches_deduplicated: u64,
    /// Batches cut in parts because a broker found them too large.
    pub batches_split: u64,
    /// Batches acknowledged after their caller had been told "unknown".
    pub late_acknowledgements: u64,
    /// Batch bytes handed to connections, retries included.
    pub bytes_sent: u64,
    /// Produce requests sent.
    pub requests_sent: u64,
    /// Produce requests waiting for an answer now.
    pub requests_in_flight: u64,
    /// Partitions that gave up their identity and started their sequences anew.
    pub lane_resets: u64,
    /// Epochs raised (KIP-360).
    pub epoch_bumps: u64,
    /// Acknowledgements at an offset below an earlier one of the same partition: the cluster has lost records, for example
    /// by an unclean leader election. Seen only with idempotence.
    pub offset_regressions: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Metadata requests sent.
    pub metadata_requests: u64,
    /// Free bytes of `buffer.memory` now.
    pub buffer_available_bytes: u64,
    /// `buffer.memory`.
    pub buffer_total_bytes: u64,
    /// Mean time from a batch's first record to its first sending.
    pub queue_time_mean_us: u64,
    /// Mean time from sending a Produce request to its answer.
    pub request_latency_mean_us: u64,
    /// Largest of these.
    pub request_latency_max_us: u64,
    /// How times and sizes are spread.
    pub distributions: Distributions,
}

impl Statistics {
    pub(super) fn of(shared: &Shared) -> Self {
        let engine = *shared.stats.lock().unwrap_or_else(PoisonError::into_inner);
        let mean = |sum: u64, count: u64| sum.checked_div(count).unwrap_or(0);
        Self {
            records_accepted: shared.all_lanes().iter().map(|lane| lane.accepted()).sum(),
            records_acknowledged: shared.counters.acknowledged.load(Ordering::Relaxed),
            records_rejected: shared.counters.rejected.load(Ordering::Relaxed),
            records_unknown: shared.counters.unknown.load(Ordering::Relaxed),
            records_sent: engine.records_sent,
            records_retried: engine.records_retried,
            batches_sent: engine.batches_sent,
            batches_retried: engine.batches_retried,
            batches_deduplicated: engine.batches_deduplicated,
            batches_split: engine.batches_split,
            late_acknowledgements: engine.late_acknowledgements,
            bytes_sent: engine.bytes_sent,
            requests_sent: engine.requests_sent,
            requests_in_flight: engine.requests_in_flight,
            lane_resets: engine.lane_resets,
            epoch_bumps: engine.epoch_bumps,
            offset_regressions: engine.offset_regressions,
            connections_opened: engine.connections_opened,
            metadata_requests: engine.metadata_requests,
            buffer_available_bytes: shared.memory.available_bytes() as u64,
            buffer_total_bytes: shared.memory.total_bytes() as u64,
            queue_time_mean_us: mean(engine.queue_time_sum_us, engine.batches_sent),
            request_latency_mean_us: mean(engine.request_latency_sum_us, engine.responses),
            request_latency_max_us: engine.request_latency_max_us,
            distributions: engine.distributions,
        }
    }

    /// Adds what another producer has done. Means become the means over both.
    pub fn add(&mut self, other: &Self) {
        let mean = |(one, count): (u64, u64), (other, others): (u64, u64)| {
            let sum = one.saturating_mul(count).saturating_add(other.saturating_mul(others));
            sum.checked_div(count.saturating_add(others)).unwrap_or(0)
        };
        self.queue_time_mean_us = mean(
            (self.queue_time_mean_us, self.batches_sent),
            (other.queue_time_mean_us, other.batches_sent),
        );
        self.request_latency_mean_us = mean(
            (self.request_latency_mean_us, self.distributions.request_latency_us.count()),
            (other.request_latency_mean_us, other.distributions.request_latency_us.count()),
        );
        self.request_latency_max_us = self.request_latency_max_us.max(other.request_latency_max_us);
        self.distributions.add(&other.distributions);
        self.records_accepted += other.records_accepted;
        self.records_acknowledged += other.records_acknowledged;
        self.records_rejected += other.records_rejected;
        self.records_unknown += other.records_unknown;
        self.records_sent += other.records_sent;
        self.records_retried += other.records_retried;
        self.batches_sent += other.batches_sent;
        self.batches_retried += other.batches_retried;
        self.batches_deduplicated += other.batches_deduplicated;
        self.batches_split += other.batches_split;
        self.late_acknowledgements += other.late_acknowledgements;
        self.bytes_sent += other.bytes_sent;
        self.requests_sent += other.requests_sent;
        self.requests_in_flight += other.requests_in_flight;
        self.lane_resets += other.lane_resets;
        self.epoch_bumps += other.epoch_bumps;
        self.offset_regressions += other.offset_regressions;
        self.connections_opened += other.connections_opened;
        self.metadata_requests += other.metadata_requests;
        self.buffer_available_bytes += other.buffer_available_bytes;
        self.buffer_total_bytes += other.buffer_total_bytes;
    }
}
