//! The embedded broker behind the façade.
//!
//! **Why.** A lab that starts with one command, without Docker or a JVM (spec, fact 5). Neighbours: [`crate::broker`] is
//! the broker, [`crate::lab::running`] starts it here, `cli::broker` runs it alone. Not here: an outside Kafka.

use std::net::SocketAddr;

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
    addresses: Vec<SocketAddr>,
}

impl EmbeddedBroker {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Its own words, such as which port is taken.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn start(settings: EmbeddedSettings) -> Result<Self, String> {
        let _ = settings;
        Err("not in this build".to_owned())
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// What a client on this machine should use.
    pub fn bootstrap(&self) -> String {
        self.addresses.first().map(ToString::to_string).unwrap_or_default()
    }

    /// Stops it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it running until the runtime ends.
    pub async fn stop(self) {}
}
