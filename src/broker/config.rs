//! What an embedded broker can be told, and why it may refuse to start.
//!
//! **Why plain fields.** A broker in a test or a lab is configured in one expression: start from the default and change
//! what matters. The default is one listener on a free port of the loopback interface.
//!
//! Neighbours: [`super::server`] takes it apart: listeners and limits of connections for itself, the rest as
//! [`super::cluster::ClusterSettings`]. Not here: settings of topics, which are in [`super::topic_config`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::cluster::ClusterSettings;
use super::groups::GroupSettings;
use super::producer_state_manager::Personality;
use crate::config::HostPort;

/// One address to listen on, and the address that clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The listener's name, such as `PLAINTEXT` or `proxy`.
    pub name: String,
    /// Where to listen; port 0 takes a free port.
    pub bind: SocketAddr,
    /// What Metadata tells clients that came in here; `None` is the bound address, or `localhost` for a wildcard (D-65).
    pub advertised: Option<HostPort>,
}

impl Listener {
    /// A listener on this address that advertises itself.
    #[must_use]
    pub fn new(name: &str, bind: SocketAddr) -> Self {
        Self { name: name.to_owned(), bind, advertised: None }
    }

    /// A listener on a free port of 127.0.0.1.
    #[must_use]
    pub fn loopback(name: &str) -> Self {
        Self::new(name, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
    }

    /// What clients of this listener are told, once the port is known.
    #[must_use]
    pub fn advertised_for(&self, bound: SocketAddr) -> HostPort {
        self.advertised.clone().unwrap_or_else(|| {
            let ip = bound.ip();
            let host = if ip.is_unspecified() { "localhost".to_owned() } else { ip.to_string() };
            HostPort { host, port: bound.port() }
        })
    }
}

/// When compacted topics are compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompactionTiming {
    /// A teaching shortcut: soon after a write the active segment is closed and the log compacted, if it is small.
    #[default]
    Soon,
    /// As Kafka: closed segments only, by `min.cleanable.dirty.ratio` and `max.compaction.lag.ms`.
    Kafka,
}

/// Settings of an embedded broker.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The broker's id.
    pub node_id: i32,
    /// Where to listen; at least one.
    pub listeners: Vec<Listener>,
    /// Whether Metadata creates the topics that it is asked for (D-47).
    pub auto_create_topics: bool,
    /// Partitions of topics that are created without a number.
    pub default_partitions: i32,
    /// Topics that exist from the start, with their partitions.
    pub topics: Vec<(String, i32)>,
    /// Which broker is imitated.
    pub personality: Personality,
    /// Highest version per API key, below what this broker can do: `{0: 9}` makes it speak Produce up to 9.
    pub caps: BTreeMap<i16, i16>,
    /// Bytes of records kept per partition; then its oldest segment goes (D-56).
    pub partition_memory_bytes: u64,
    /// Bytes of records kept in all; then the oldest segment of all goes (D-56).
    pub total_memory_bytes: u64,
    /// Producers remembered, over all partitions; then the least recently used is forgotten.
    pub max_producers: usize,
    /// Age, by record time, at which a producer is forgotten (`producer.id.expiration.ms`).
    pub producer_expiration: Duration,
    /// Partitions in all; creating more is refused.
    pub max_partitions: usize,
    /// Consumer groups: times and limits.
    pub groups: GroupSettings,
    /// The largest request; a longer one closes the connection before anything is allocated.
    pub max_frame_bytes: usize,
    /// Connections at once over all listeners; further ones are closed at once.
    pub max_connections: usize,
    /// How long a connection may say nothing (`connections.max.idle.ms`).
    pub max_idle: Duration,
    /// How long nothing may move while a request arrives or an answer is taken.
    pub frame_timeout: Duration,
    /// Events that a slow subscriber may lag behind before it loses the oldest.
    pub event_capacity: usize,
    /// When compacted topics are compacted.
    pub compaction: CompactionTiming,
    /// Fixes cluster id, topic ids and producer ids, for tests; `None` draws them anew at every start (D-53).
    pub seed: Option<u64>,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            node_id: 1,
            listeners: vec![Listener::loopback("PLAINTEXT")],
            auto_create_topics: true,
            default_partitions: 1,
            topics: Vec::new(),
            personality: Personality::default(),
            caps: BTreeMap::new(),
            partition_memory_bytes: 256 * 1024 * 1024,
            total_memory_bytes: 1024 * 1024 * 1024,
            max_producers: 1_000_000,
            producer_expiration: Duration::from_secs(86_400),
            max_partitions: 100_000,
            groups: GroupSettings::default(),
            max_frame_bytes: 100 * 1024 * 1024,
            max_connections: 1_000,
            max_idle: Duration::from_secs(600),
            frame_timeout: Duration::from_secs(30),
            event_capacity: 10_000,
            compaction: CompactionTiming::default(),
            seed: None,
        }
    }
}

impl BrokerConfig {
    /// The part that the state machines need.
    #[must_use]
    pub fn cluster_settings(&self) -> ClusterSettings {
        ClusterSettings {
            node_id: self.node_id,
            auto_create_topics: self.auto_create_topics,
            default_partitions: self.default_partitions.max(1),
            personality: self.personality,
            caps: self.caps.clone(),
            partition_memory_bytes: self.partition_memory_bytes,
            total_memory_bytes: self.total_memory_bytes,
            max_producers: self.max_producers,
            producer_expiration_ms: i64::try_from(self.producer_expiration.as_millis()).unwrap_or(i64::MAX),
            max_partitions: self.max_partitions,
            compaction: self.compaction,
            groups: self.groups,
        }
    }
}

/// Why a broker did not start, or a call to one failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A port is taken. Stop whoever has it, or choose another.
    #[error(
        "port {port} ({address}, listener {listener}) is taken by another program: stop it, or give the listener another \
         port (0 takes a free one)"
    )]
    PortInUse {
        /// The listener.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// Its port.
        port: u16,
    },
    /// An address cannot be listened on for another reason.
    #[error("listener {listener} cannot listen on {address}: {source}")]
    Listen {
        /// The listener.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A setting is impossible.
    #[error("{0}")]
    Config(String),
    /// A topic could not be created, deleted or compacted.
    #[error("topic {topic:?}: {why}")]
    Topic {
        /// The topic.
        topic: String,
        /// Why.
        why: String,
    },
}
