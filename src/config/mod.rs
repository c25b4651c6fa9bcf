//! Settings of a producer. (Being written.)
use std::sync::Arc;
use std::time::Duration;

/// How many replicas must have a batch before the broker answers (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// `0`
    None,
    /// `1`
    Leader,
    /// `all`, `-1`
    All,
}
/// `compression.type` and its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `none`
    None,
    /// `gzip`; level 1..=9
    Gzip(u8),
    /// `snappy`
    Snappy,
    /// `lz4`
    Lz4,
    /// `zstd`; level
    Zstd(i32),
}
/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// host
    pub host: String,
    /// port
    pub port: u16,
}
/// How a partition is chosen for a record that names none (`partitioner.class`).
#[derive(Debug, Clone)]
pub enum PartitionerChoice {
    /// Java's: murmur2 for keys, sticky and adaptive for the rest (KIP-794).
    Default,
    /// librdkafka's `consistent_random`: CRC-32 for keys, sticky for the rest.
    Crc32,
    /// One partition after the other.
    RoundRobin,
    /// The user's own.
    Custom(Arc<dyn crate::accumulator::partitioner::Partitioner>),
}
/// `metadata.recovery.strategy`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataRecovery {
    /// `none`
    None,
    /// `rebootstrap`
    Rebootstrap,
}
/// Settings, checked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProducerConfig {
    /// `bootstrap.servers`
    pub bootstrap_servers: Vec<HostPort>,
    /// `client.id`
    pub client_id: String,
    /// `acks`
    pub acks: Acks,
    /// `enable.idempotence`
    pub enable_idempotence: bool,
    /// `max.in.flight.requests.per.connection`
    pub max_in_flight: usize,
    /// `retries`
    pub retries: u32,
    /// `retry.backoff.ms`
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`
    pub retry_backoff_max: Duration,
    /// `delivery.timeout.ms`
    pub delivery_timeout: Duration,
    /// `request.timeout.ms`
    pub request_timeout: Duration,
    /// `linger.ms`
    pub linger: Duration,
    /// `batch.size`
    pub batch_size: usize,
    /// `buffer.memory`
    pub buffer_memory: usize,
    /// `max.block.ms`
    pub max_block: Duration,
    /// `max.request.size`
    pub max_request_size: usize,
    /// `compression.type`, `compression.*.level`
    pub compression: Compression,
    /// `partitioner.class`
    pub partitioner: PartitionerChoice,
    /// `partitioner.ignore.keys`
    pub partitioner_ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`
    pub partitioner_adaptive: bool,
    /// `partitioner.availability.timeout.ms`; `None` is 0, off
    pub partitioner_availability_timeout: Option<Duration>,
    /// `reconnect.backoff.ms`
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`
    pub connection_setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`
    pub connection_setup_timeout_max: Duration,
    /// `connections.max.idle.ms`; `None` is never
    pub connections_max_idle: Option<Duration>,
    /// `send.buffer.bytes`; `None` is the system's default (-1)
    pub send_buffer_bytes: Option<usize>,
    /// `receive.buffer.bytes`; `None` is the system's default (-1)
    pub receive_buffer_bytes: Option<usize>,
    /// `metadata.max.age.ms`
    pub metadata_max_age: Duration,
    /// `metadata.max.idle.ms`
    pub metadata_max_idle: Duration,
    /// `metadata.recovery.strategy`
    pub metadata_recovery: MetadataRecovery,
    /// `metadata.recovery.rebootstrap.trigger.ms`
    pub rebootstrap_trigger: Duration,
    /// `facteur.late.resolution.ms`
    pub late_resolution: Duration,
    /// `facteur.batch.growth.enable`
    pub batch_growth: bool,
    /// `facteur.allow.auto.create.topics`
    pub allow_auto_create_topics: bool,
    /// `facteur.receive.max.bytes`: the largest answer that is read
    pub receive_max_bytes: usize,
    /// `facteur.address.map`: `from=to` pairs applied when dialling an advertised address
    pub address_map: Vec<(HostPort, HostPort)>,
    /// What the checks changed or found worth a warning; said once when the producer starts.
    pub warnings: Vec<Arc<str>>,
}
