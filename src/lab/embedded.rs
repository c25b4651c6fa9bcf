//! The embedded broker behind the façade.
//!
//! **Why.** A lab that starts with one command, without Docker or a JVM (spec, fact 5). Neighbours: [`crate::broker`] is
//! the broker, [`crate::lab::running`] starts it here, `cli::broker` runs it alone. Not here: an outside Kafka.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::broker::{
    Broker, BrokerConfig, BrokerError, BrokerHandle, CompactionTiming, GroupSettings, Listener,
};
use crate::config::HostPort;
use crate::lab::busy_port;
use crate::lab::running::LabSettings;

/// Ports and topics of an embedded broker.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// Where to listen, with the listener's name.
    pub listeners: Vec<(&'static str, SocketAddr)>,
    /// What clients are told instead of the bound address.
    pub advertised_host: Option<String>,
    /// Topics from the start.
    pub topics: Vec<(String, i32)>,
}

/// How an embedded broker behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerBehaviour {
    /// When compacted topics are compacted.
    pub compaction: CompactionTiming,
    /// Highest version per API key, see [`BrokerConfig::caps`].
    pub caps: BTreeMap<i16, i16>,
    /// How long an empty consumer group waits for more members after its first one.
    pub initial_rebalance_delay: Duration,
}

impl EmbeddedSettings {
    /// The broker's part of a lab's settings.
    pub fn of(settings: &LabSettings) -> Self {
        let names = ["HOST", "INTERNAL"];
        let ports = settings.kafka_ports.iter();
        Self {
            listeners: names
                .into_iter()
                .zip(ports)
                .map(|(name, port)| (name, SocketAddr::new(settings.listen, *port)))
                .collect(),
            advertised_host: settings.advertised_host.clone(),
            topics: settings.topics.clone(),
        }
    }
}

/// A broker in this process.
#[derive(Debug)]
pub struct EmbeddedBroker {
    broker: Broker,
}

impl EmbeddedBroker {
    /// Starts it with the lab's own behaviour.
    ///
    /// # Errors
    ///
    /// Its own words, such as which port is taken.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn start(settings: EmbeddedSettings) -> Result<Self, String> {
        Self::start_with(settings, BrokerBehaviour::default()).await
    }

    /// Starts it with another behaviour.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::start`].
    pub async fn start_with(settings: EmbeddedSettings, behaviour: BrokerBehaviour) -> Result<Self, String> {
        let listeners = settings.listeners.iter().map(|(name, bind)| Listener {
            name: (*name).to_owned(),
            bind: *bind,
            // A free port is known only once it is bound; then the address itself is told.
            advertised: settings
                .advertised_host
                .clone()
                .filter(|_| bind.port() != 0)
                .map(|host| HostPort { host, port: bind.port() }),
        });
        let listeners = listeners.collect();
        let config = BrokerConfig {
            listeners,
            topics: settings.topics,
            compaction: behaviour.compaction,
            caps: behaviour.caps,
            groups: GroupSettings {
                initial_rebalance_delay: behaviour.initial_rebalance_delay,
                ..GroupSettings::default()
            },
            ..BrokerConfig::default()
        };
        let broker = Broker::start(config).await.map_err(|error| in_words(&error))?;
        Ok(Self { broker })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.broker.addresses().into_iter().map(|(_, address)| address).collect()
    }

    /// What a client on this machine should use.
    pub fn bootstrap(&self) -> String {
        self.broker.bootstrap().to_string()
    }

    /// A way to look into it and to arm faults.
    pub fn handle(&self) -> BrokerHandle {
        self.broker.handle()
    }

    /// Stops it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it at once.
    pub async fn stop(self) {
        self.broker.stop().await;
    }
}

/// With who has the port, where it is taken.
fn in_words(error: &BrokerError) -> String {
    match error {
        BrokerError::PortInUse { port, .. } => format!("{error} ({})", busy_port::owner(*port)),
        BrokerError::Listen { .. } | BrokerError::Topic { .. } | BrokerError::Config(_) => error.to_string(),
    }
}
