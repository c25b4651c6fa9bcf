//! What all proxies of an injector share: settings, event bus, counters.
//!
//! **Why.** A connection's task outlives no injector, but it must not hold the collection that holds it; so what it
//! needs stands apart. Neighbours: [`super::injector`] owns it, proxies and connections use it. Not here: proxies.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::chaos::events::ChaosEvent;
use crate::chaos::metrics::Metrics;
use crate::config::HostPort;
use crate::lab::clock;

/// Settings of an injector.
#[derive(Debug, Clone)]
pub struct InjectorOptions {
    /// Decides every draw: toxicity, jitter, slices.
    pub seed: u64,
    /// Where proxies may lead.
    pub upstreams: UpstreamPolicy,
    /// Host names that mean something here, without any name service.
    pub aliases: Vec<Alias>,
    /// What clients are told instead of a bound address, by proxies that speak Kafka.
    pub advertised_host: Option<String>,
    /// Time to connect to a server.
    pub dial_timeout: Duration,
    /// Events that a slow subscriber may lag behind.
    pub event_capacity: usize,
}

impl Default for InjectorOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            upstreams: UpstreamPolicy::Any,
            aliases: Vec::new(),
            advertised_host: None,
            dial_timeout: Duration::from_secs(5),
            event_capacity: 4096,
        }
    }
}

/// Where proxies may lead. The admin API takes any address, so in a lab it must not be a door to other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamPolicy {
    /// Anywhere, as Toxiproxy.
    Any,
    /// This machine, the aliases, and these.
    LocalAnd(Vec<HostPort>),
}

/// A host name that stands for listeners of this process (D-62: `kafka` is the embedded broker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name.
    pub host: String,
    /// The listeners: one with the port that was asked for, or else the first.
    pub listeners: Vec<SocketAddr>,
}

/// What all proxies share.
#[derive(Debug)]
pub struct Core {
    /// The settings.
    pub options: InjectorOptions,
    /// The counters of `/metrics`.
    pub metrics: Metrics,
    events: broadcast::Sender<ChaosEvent>,
}

impl Core {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(options: InjectorOptions) -> Self {
        let events = broadcast::Sender::new(options.event_capacity.max(1));
        Self { options, metrics: Metrics::default(), events }
    }

    /// Hands an event to the subscribers, with the time.
    pub fn publish(&self, mut event: ChaosEvent) {
        event.at_ms = clock::unix_time_ms();
        tracing::debug!(target: "facteur::chaos", name = event.kind.name(), "{event}");
        let _no_subscriber = self.events.send(event);
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<ChaosEvent> {
        self.events.subscribe()
    }

    /// What an alias stands for.
    #[must_use]
    pub fn alias(&self, address: &HostPort) -> Option<SocketAddr> {
        let alias =
            self.options.aliases.iter().find(|alias| alias.host.eq_ignore_ascii_case(&address.host))?;
        let same_port = alias.listeners.iter().find(|listener| listener.port() == address.port);
        same_port.or_else(|| alias.listeners.first()).copied()
    }

    /// Whether a proxy may lead there.
    #[must_use]
    pub fn allows(&self, address: &HostPort) -> bool {
        let UpstreamPolicy::LocalAnd(more) = &self.options.upstreams else { return true };
        let host = address.host.to_ascii_lowercase();
        let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        is_local || self.alias(address).is_some() || more.iter().any(|known| known.host == address.host)
    }

    /// The seed of a toxic on a connection: the same for the same run, different for each.
    #[must_use]
    pub fn seed_of(&self, proxy: &str, connection: u64, toxic: &str) -> u64 {
        let parts = [proxy.as_bytes(), &[0], &connection.to_le_bytes(), toxic.as_bytes()];
        let start = 0xcbf2_9ce4_8422_2325 ^ self.options.seed;
        // FNV-1a: short, and the same on every platform and in every version.
        parts
            .iter()
            .flat_map(|part| part.iter())
            .fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}
