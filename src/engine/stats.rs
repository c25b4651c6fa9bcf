//! Counters of the engine.
//!
//! **Why plain numbers.** The engine is owned by one thread; whoever wants a snapshot asks for a copy. Neighbours:
//! [`crate::Statistics`] shows them together with the handle's own. Not here: rates, which are the reader's.

use crate::engine::distribution::Distributions;

/// Counters since the beginning, and gauges of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Batches handed to a connection for the first time.
    pub batches_sent: u64,
    /// Records in batches handed to a connection, retries included, as Kafka counts them.
    pub records_sent: u64,
    /// Records in batches handed to a connection again.
    pub records_retried: u64,
    /// Batches handed to a connection again.
    pub batches_retried: u64,
    /// Batches that a broker had already seen, where it can be known.
    pub batches_deduplicated: u64,
    /// Batches cut in parts.
    pub batches_split: u64,
    /// Bytes of batches handed to connections, retries included.
    pub bytes_sent: u64,
    /// Produce requests.
    pub requests_sent: u64,
    /// Produce requests without an answer now.
    pub requests_in_flight: u64,
    /// Sum of the times from a batch's first record to its first sending, in microseconds.
    pub queue_time_sum_us: u64,
    /// Sum of the times from sending a request to its answer, in microseconds.
    pub request_latency_sum_us: u64,
    /// Largest of these.
    pub request_latency_max_us: u64,
    /// Produce answers.
    pub responses: u64,
    /// Lanes that started their sequences anew.
    pub lane_resets: u64,
    /// Epochs raised.
    pub epoch_bumps: u64,
    /// Batches acknowledged after their caller had been told "unknown".
    pub late_acknowledgements: u64,
    /// Batches in doubt that were given up.
    pub batches_abandoned: u64,
    /// Acknowledgements at an offset below an earlier one of the same partition: the cluster has lost records.
    pub offset_regressions: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Metadata requests.
    pub metadata_requests: u64,
    /// How times and sizes are spread.
    pub distributions: Distributions,
}
