//! The fault injector in front of the lab's Kafka: proxy `kafka`, and the admin API.
//!
//! **Why on the default path.** In the original course the APIs went past the injector, so that no fault ever bit. Here the
//! façade's own producers use the proxy `kafka`, with an outside Kafka too; `KAFKA_ADDRESS_MAP` or `--no-chaos` say
//! otherwise. The proxy is made at each start, so that no script has to.
//!
//! Neighbours: [`crate::chaos`] is the injector, [`crate::lab::running`] starts this. Not here: faults.

use std::net::{IpAddr, SocketAddr};

use crate::chaos::api::server::AdminServer;
use crate::chaos::core::{Alias, InjectorOptions, UpstreamPolicy};
use crate::chaos::injector::Injector;
use crate::chaos::listen::bind;
use crate::chaos::view::NewProxy;
use crate::config::HostPort;
use crate::lab::embedded::EmbeddedBroker;
use crate::lab::running::LabSettings;
use crate::runtime::environment::entropy;

/// The proxy that the façade uses.
pub const PROXY: &str = "kafka";

/// Ports and seed of the lab's injector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectorSettings {
    /// The port of the admin API; 0 takes any free one.
    pub admin_port: u16,
    /// The port of the proxy `kafka`; 0 takes any free one.
    pub proxy_port: u16,
    /// Decides every draw; `None` draws one.
    pub seed: Option<u64>,
}

impl Default for InjectorSettings {
    fn default() -> Self {
        Self { admin_port: 8474, proxy_port: 29_093, seed: None }
    }
}

/// The injector of a lab.
#[derive(Debug)]
pub struct LabInjector {
    admin: AdminServer,
    proxy: SocketAddr,
}

impl LabInjector {
    /// Starts it in front of the embedded broker, or of an outside Kafka.
    ///
    /// # Errors
    ///
    /// Which port is taken, by whom, and what to do; or what is wrong with the outside Kafka's address.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn start(
        settings: &LabSettings,
        own: InjectorSettings,
        broker: Option<&EmbeddedBroker>,
    ) -> Result<Self, String> {
        let outside = settings.bootstrap.clone().unwrap_or_default();
        let (upstream, aliases) = match broker {
            Some(broker) => embedded(broker),
            None => (outside.clone(), Vec::new()),
        };
        let known = outside.split(',').filter_map(|server| server.parse::<HostPort>().ok()).collect();
        let options = InjectorOptions {
            seed: own.seed.unwrap_or_else(|| entropy() % SHORT_SEEDS),
            upstreams: UpstreamPolicy::LocalAnd(known),
            aliases,
            advertised_host: settings.advertised_host.clone(),
            ..InjectorOptions::default()
        };
        let admin_at = SocketAddr::new(settings.listen, own.admin_port);
        let listener = bind(admin_at, "the injector's admin API")
            .map_err(|error| with_flag(&error, "--toxiproxy-port"))?;
        let injector = Injector::new(options);
        let listen = SocketAddr::new(settings.listen, own.proxy_port).to_string();
        let created = injector.create(NewProxy::new(PROXY, listen, upstream)).await;
        let view = created.map_err(|error| with_flag(&error, "--proxy-port"))?.value;
        let proxy =
            view.listen.parse().map_err(|_| format!("the proxy's address {:?} is none", view.listen))?;
        let admin = AdminServer::start(listener, injector).map_err(|error| error.to_string())?;
        Ok(Self { admin, proxy })
    }

    /// The injector itself.
    pub const fn injector(&self) -> &Injector {
        self.admin.injector()
    }

    /// Where the admin API listens.
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Where the proxy `kafka` listened at the start.
    pub const fn proxy_address(&self) -> SocketAddr {
        self.proxy
    }

    /// The proxy's address for clients on this machine.
    pub fn bootstrap(&self) -> String {
        reachable(self.proxy).to_string()
    }

    /// Closes everything.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest closing.
    pub async fn stop(self) {
        self.admin.stop().await;
    }
}

/// The embedded broker as `kafka:<internal port>`: what the course's text shows, and its POST names (D-62).
fn embedded(broker: &EmbeddedBroker) -> (String, Vec<Alias>) {
    let mut listeners: Vec<SocketAddr> = broker.addresses().into_iter().map(reachable).collect();
    // The internal one first: it stands for every port that is not one of the broker's.
    listeners.reverse();
    let port = listeners.first().map_or(0, SocketAddr::port);
    (format!("{PROXY}:{port}"), vec![Alias { host: PROXY.to_owned(), listeners }])
}

/// An address of this machine for a bound socket: a wildcard is not one.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// A seed is read aloud and typed again.
const SHORT_SEEDS: u64 = 1_000_000;

fn with_flag(error: &crate::chaos::ChaosError, flag: &str) -> String {
    format!("{error}. Its port is {flag}; --no-chaos starts without the injector")
}
