//! The handle users hold. (Being written; the signatures stand.)
use std::time::Duration;

use crate::config::{Acks, ProducerConfig};
use crate::error::Error;
use crate::record::Record;
use crate::runtime::delivery::{Delivery, DeliveryReport};

/// A producer. Cheap to clone; all clones are one producer.
#[derive(Debug, Clone)]
pub struct Producer {}

/// A topic, looked up once.
#[derive(Debug, Clone)]
pub struct TopicHandle {}

/// Why `try_send` did not take the record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError {
    /// Metadata of the topic is not there yet; it has been asked for.
    NotReady,
    /// No room now, or others are waiting.
    Full,
    /// It can never fit.
    TooLarge(Error),
    /// Anything else: closed, invalid.
    Failed(Error),
}

/// What `close` saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Records acknowledged during the close.
    pub acknowledged: u64,
    /// Records that ended rejected during the close.
    pub rejected: u64,
    /// Records whose outcome is unknown.
    pub unknown: u64,
}

/// What these settings promise (D-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guarantees {
    /// No record twice in the log by the producer's own retries.
    pub no_duplicates: bool,
    /// In the order of `send`, per partition.
    pub ordered: bool,
    /// What "acknowledged" means.
    pub acks: Acks,
}

/// Counters since the start, and gauges of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Records accepted.
    pub records_accepted: u64,
    /// Records acknowledged.
    pub records_acknowledged: u64,
    /// Records rejected.
    pub records_rejected: u64,
    /// Records whose outcome is unknown.
    pub records_unknown: u64,
    /// Batches sent for the first time.
    pub batches_sent: u64,
    /// Batches sent again.
    pub batches_retried: u64,
    /// Batches that a broker had already seen (where it can be known).
    pub batches_deduplicated: u64,
    /// Batch bytes handed to connections, retries included.
    pub bytes_sent: u64,
    /// Produce requests sent.
    pub requests_sent: u64,
    /// Produce requests waiting for an answer.
    pub requests_in_flight: u64,
    /// Free bytes of `buffer.memory`.
    pub buffer_available_bytes: u64,
    /// `buffer.memory`.
    pub buffer_total_bytes: u64,
    /// Mean time from a batch's first record to its first sending, microseconds.
    pub queue_time_mean_us: u64,
    /// Mean time from sending a request to its answer, microseconds.
    pub request_latency_mean_us: u64,
    /// Largest of these.
    pub request_latency_max_us: u64,
}

impl Producer {
    /// A producer with these settings.
    pub fn new(config: ProducerConfig) -> Result<Self, Error> {
        let _ = config;
        unimplemented!()
    }
    /// From Java property names.
    pub fn from_properties<I, K, V>(properties: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let _ = properties;
        unimplemented!()
    }
    /// Its settings.
    pub fn config(&self) -> &ProducerConfig {
        unimplemented!()
    }
    /// Waits for metadata and, if idempotent, a producer id.
    pub async fn ready(&self, timeout: Duration) -> Result<(), Error> {
        let _ = timeout;
        unimplemented!()
    }
    /// Resolves a topic's metadata and connects to the leaders.
    pub async fn topic(&self, name: &str) -> Result<TopicHandle, Error> {
        let _ = name;
        unimplemented!()
    }
    /// Accepts the record (waits for metadata or memory up to `max.block.ms`).
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        let _ = record;
        unimplemented!()
    }
    /// Accepts and waits for the outcome.
    pub async fn send_and_wait(&self, record: Record<'_>) -> Result<DeliveryReport, Error> {
        let _ = record;
        unimplemented!()
    }
    /// Never waits.
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, TrySendError> {
        let _ = record;
        unimplemented!()
    }
    /// As `send`, on a thread without a runtime.
    pub fn send_blocking(&self, record: Record<'_>) -> Result<Delivery, Error> {
        let _ = record;
        unimplemented!()
    }
    /// As `send_and_wait`, on a thread without a runtime.
    pub fn send_and_wait_blocking(&self, record: Record<'_>) -> Result<DeliveryReport, Error> {
        let _ = record;
        unimplemented!()
    }
    /// As `send`; the outcome goes to `callback`, on the callback thread.
    pub async fn send_with_callback<F>(&self, record: Record<'_>, callback: F) -> Result<(), Error>
    where
        F: FnOnce(Result<DeliveryReport, Error>) + Send + 'static,
    {
        let _ = (record, callback);
        unimplemented!()
    }
    /// Waits until everything accepted before has an outcome.
    pub async fn flush(&self) -> Result<(), Error> {
        unimplemented!()
    }
    /// As `flush`, on a thread without a runtime.
    pub fn flush_blocking(&self) -> Result<(), Error> {
        unimplemented!()
    }
    /// Refuses new sends, waits for outcomes at most so long.
    pub async fn close(&self, timeout: Duration) -> CloseReport {
        let _ = timeout;
        unimplemented!()
    }
    /// As `close`, on a thread without a runtime.
    pub fn close_blocking(&self, timeout: Duration) -> CloseReport {
        let _ = timeout;
        unimplemented!()
    }
    /// What these settings promise.
    pub fn guarantees(&self) -> Guarantees {
        unimplemented!()
    }
    /// A snapshot of the counters.
    pub fn statistics(&self) -> Statistics {
        unimplemented!()
    }
}

impl TopicHandle {
    /// Its name.
    pub fn name(&self) -> &str {
        unimplemented!()
    }
    /// How many partitions it has now.
    pub fn partition_count(&self) -> i32 {
        unimplemented!()
    }
    /// As `Producer::send`; the record's topic is ignored.
    pub async fn send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        let _ = record;
        unimplemented!()
    }
    /// As `Producer::try_send`.
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, TrySendError> {
        let _ = record;
        unimplemented!()
    }
    /// As `Producer::send_blocking`.
    pub fn send_blocking(&self, record: Record<'_>) -> Result<Delivery, Error> {
        let _ = record;
        unimplemented!()
    }
}
