//! The settings of a producer: checked once, then plain data.
//!
//! **Why it exists.** Kafka users know their settings by the Java names, and most incidents begin with a setting that was
//! misspelt, ignored or in contradiction with another. So every way in (typed builder, Java property names, properties
//! files) ends in one [`ProducerConfig`], and whatever is wrong is said at once, with its origin. Names and defaults are
//! those of the Java client 4.x (KIP-1030); `docs/configuration.md` is generated from [`catalogue`].
//!
//! Neighbours: [`crate::producer`] takes a [`ProducerConfig`]; [`crate::runtime`] and [`crate::engine`] read its fields. Not
//! here: reading files or the environment, and settings of single topics.

pub mod address;
mod assemble;
pub mod builder;
pub mod catalogue;
mod checks;
pub mod listing;
pub mod names_of_others;
mod nearest;
pub mod not_honoured;
mod properties_file;
pub mod setting;
pub mod settings_text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use address::HostPort;
pub use builder::ProducerConfigBuilder;
pub use listing::SettingLine;
pub use setting::Origin;

use crate::accumulator::partitioner::Partitioner;
use crate::error::Error;

/// How many replicas must have a batch before the broker answers (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// `0`: no answer at all.
    None,
    /// `1`: the leader.
    Leader,
    /// `all` or `-1`: all in-sync replicas.
    All,
}

impl Acks {
    /// As one writes it in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Leader => "1",
            Self::All => "all",
        }
    }
}

/// `compression.type` and its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `none`
    None,
    /// `gzip`, with a level of 1 to 9.
    Gzip(u8),
    /// `snappy`
    Snappy,
    /// `lz4`
    Lz4,
    /// `zstd`, with a level of -131072 to 22.
    Zstd(i32),
}

impl Compression {
    /// The codec's name, as one writes it in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip(_) => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd(_) => "zstd",
        }
    }
}

/// How a partition is chosen for a record that names none (`partitioner.class`).
#[derive(Debug, Clone)]
pub enum PartitionerChoice {
    /// Java's: murmur2 for keys, sticky and adaptive for the rest (KIP-794).
    Default,
    /// librdkafka's `consistent_random`: CRC-32 for keys, sticky for the rest.
    Crc32,
    /// One partition after the other, keys or not, as Java's `RoundRobinPartitioner`.
    RoundRobin,
    /// The user's own.
    Custom(Arc<dyn Partitioner>),
}

/// What to do when no known broker answers (`metadata.recovery.strategy`, KIP-899).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataRecovery {
    /// `none`: keep trying the known brokers.
    None,
    /// `rebootstrap`: ask the bootstrap servers again.
    Rebootstrap,
}

impl MetadataRecovery {
    /// As one writes it in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rebootstrap => "rebootstrap",
        }
    }
}

/// Settings, checked. Made by [`ProducerConfig::builder`], [`ProducerConfig::from_properties`] or
/// [`ProducerConfig::from_properties_file`]; each field is documented at its setter in [`ProducerConfigBuilder`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProducerConfig {
    /// `bootstrap.servers`; never empty.
    pub bootstrap_servers: Vec<HostPort>,
    /// `client.id`; empty means that the producer numbers itself.
    pub client_id: String,
    /// `acks`
    pub acks: Acks,
    /// `enable.idempotence`, after the checks: `acks` below all or `retries=0` may have switched it off.
    pub enable_idempotence: bool,
    /// `max.in.flight.requests.per.connection`; at least 1.
    pub max_in_flight: usize,
    /// `retries`
    pub retries: u32,
    /// `retry.backoff.ms`
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`
    pub retry_backoff_max: Duration,
    /// `delivery.timeout.ms`; at least `linger.ms` + `request.timeout.ms`.
    pub delivery_timeout: Duration,
    /// `request.timeout.ms`
    pub request_timeout: Duration,
    /// `linger.ms`
    pub linger: Duration,
    /// `batch.size`; at least 1.
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
    /// `partitioner.availability.timeout.ms`; `None` is 0, off.
    pub partitioner_availability_timeout: Option<Duration>,
    /// `reconnect.backoff.ms`
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`
    pub connection_setup_timeout: Duration,
    /// `socket.connection.setup.timeout.max.ms`
    pub connection_setup_timeout_max: Duration,
    /// `connections.max.idle.ms`; `None` is never.
    pub connections_max_idle: Option<Duration>,
    /// `send.buffer.bytes`; `None` is the system's default (-1).
    pub send_buffer_bytes: Option<usize>,
    /// `receive.buffer.bytes`; `None` is the system's default (-1).
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
    /// `facteur.receive.max.bytes`: the largest answer that is read.
    pub receive_max_bytes: usize,
    /// `facteur.address.map`: `from=to` pairs applied when dialling an advertised address.
    pub address_map: Vec<(HostPort, HostPort)>,
    /// What the checks changed or found worth a warning; said once when the producer starts.
    pub warnings: Vec<Arc<str>>,
    /// Where each setting came from.
    origins: BTreeMap<&'static str, Origin>,
}

impl ProducerConfig {
    /// A builder with these bootstrap servers: `host:port`, several of them separated by commas.
    ///
    /// ```
    /// use std::time::Duration;
    /// use facteur::{Acks, ProducerConfig};
    ///
    /// let config = ProducerConfig::builder("localhost:9092")
    ///     .client_id("billing")
    ///     .acks(Acks::All)
    ///     .linger(Duration::from_millis(20))
    ///     .property("compression.type", "lz4")
    ///     .build()?;
    /// assert_eq!(config.bootstrap_servers[0].port, 9092);
    /// # Ok::<(), facteur::Error>(())
    /// ```
    pub fn builder(bootstrap_servers: &str) -> ProducerConfigBuilder {
        ProducerConfigBuilder::new().bootstrap_servers(bootstrap_servers)
    }

    /// Settings by their Java names.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names every setting that is unknown, refused, out of range or in contradiction with another.
    pub fn from_properties<I, K, V>(properties: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        ProducerConfigBuilder::new().properties(properties).build()
    }

    /// Settings from the text of a Java properties file. `file` is what the messages call it.
    ///
    /// # Errors
    ///
    /// As [`Self::from_properties`], with the line of each setting; and for a text that is no properties file.
    pub fn from_properties_file(text: &str, file: &str) -> Result<Self, Error> {
        ProducerConfigBuilder::new().properties_file(text, file).build()
    }

    /// Every setting with its value, default, unit and origin, in the order of the reference page.
    #[must_use]
    pub fn settings(&self) -> Vec<SettingLine> {
        listing::lines(self)
    }

    /// Where the value of a setting came from; `None` if there is no such setting.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.origins.get(name)
    }
}
