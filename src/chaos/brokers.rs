//! Where clients of a Kafka-mode proxy are sent: to the proxy itself, or to a listener per broker (D-60).
//!
//! **Why a listener per broker.** One port in front of three brokers sends every request to the wrong leader. With one
//! broker the proxy's own port is enough; as soon as a second one is seen, each gets a listener `<proxy>-<id>` on the
//! ports after the proxy's. They share the proxy's toxics, Kafka toxics and on-off switch, can have toxics of their own,
//! and go with it.
//!
//! Neighbours: `kafka/` asks while it rewrites an answer, [`super::proxy`] holds the children. Not here: rewriting.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};

use crate::chaos::error::ChaosError;
use crate::chaos::events::ChaosEventKind;
use crate::chaos::kafka::proxy::{AdvertisedBroker, Advertiser};
use crate::chaos::listen::bind;
use crate::chaos::proxy::Proxy;
use crate::config::HostPort;

/// The most brokers that get a listener of their own.
pub const MOST_BROKERS: usize = 64;
/// Ports that are tried for a broker's listener before any free one is taken.
const PORTS_TRIED: u16 = 200;

/// What a proxy knows of the brokers behind it.
#[derive(Debug, Default)]
pub(crate) struct Brokers {
    /// Every broker that an answer named, and where it said it was.
    known: BTreeMap<i32, HostPort>,
    pub(crate) children: BTreeMap<i32, Arc<Proxy>>,
}

/// Answers for a proxy.
#[derive(Debug)]
pub(crate) struct Addresses(pub(crate) Weak<Proxy>);

impl Advertiser for Addresses {
    fn addresses_for(&self, brokers: &[AdvertisedBroker]) -> Vec<HostPort> {
        let Some(proxy) = self.0.upgrade() else { return Vec::new() };
        brokers_seen(&proxy, brokers);
        brokers.iter().map_while(|broker| address_for(&proxy, broker)).collect()
    }
}

fn brokers_seen(proxy: &Proxy, brokers: &[AdvertisedBroker]) {
    let mut state = proxy.state();
    for broker in brokers {
        let known = &mut state.brokers.known;
        if known.len() < MOST_BROKERS || known.contains_key(&broker.node_id) {
            known.insert(broker.node_id, broker.address.clone());
        }
    }
}

fn address_for(proxy: &Arc<Proxy>, broker: &AdvertisedBroker) -> Option<HostPort> {
    let (is_single, child, own) = {
        let state = proxy.state();
        let child = state.brokers.children.get(&broker.node_id).cloned();
        (state.brokers.known.len() <= 1, child, state.running.as_ref().map(|running| running.address))
    };
    if is_single {
        return own.map(|address| advertised(proxy, address));
    }
    let child = match child {
        Some(child) => child,
        None => match open(proxy, broker) {
            Ok(child) => child,
            Err(error) => {
                // Better the wrong broker on the faulty path than the right one beside it.
                tracing::warn!(target: "facteur::chaos", %error, node = broker.node_id, "no listener for a broker");
                return own.map(|address| advertised(proxy, address));
            }
        },
    };
    child.lead_to(&broker.address);
    child.address().or(own).map(|address| advertised(proxy, address))
}

/// What clients are told: a wildcard is no address.
fn advertised(proxy: &Proxy, address: SocketAddr) -> HostPort {
    let host = match &proxy.core.options.advertised_host {
        Some(host) => host.clone(),
        None if address.ip().is_unspecified() => "localhost".to_owned(),
        None => address.ip().to_string(),
    };
    HostPort { host, port: address.port() }
}

fn open(parent: &Arc<Proxy>, broker: &AdvertisedBroker) -> Result<Arc<Proxy>, ChaosError> {
    let listener = listener_for(parent)?;
    let child = Proxy::child(parent, broker);
    child.start_on(listener)?;
    {
        let mut state = parent.state();
        if let Some(other) = state.brokers.children.get(&broker.node_id) {
            // Another connection was quicker.
            let other = Arc::clone(other);
            child.tell_to_stop();
            return Ok(other);
        }
        state.brokers.children.insert(broker.node_id, Arc::clone(&child));
    }
    parent.publish_toxics();
    let view = child.view();
    child
        .publish(ChaosEventKind::ProxyCreated { listen: view.listen.into(), upstream: view.upstream.into() });
    Ok(child)
}

/// A port after the parent's, or any free one if the parent's was any free one, or those are taken.
fn listener_for(parent: &Proxy) -> Result<TcpListener, ChaosError> {
    let (own, is_fixed) = {
        let state = parent.state();
        (state.running.as_ref().map(|running| running.address), state.has_fixed_port)
    };
    let own = own.ok_or_else(|| ChaosError::listen("the proxy does not listen"))?;
    let purpose = format!("a broker behind proxy {:?}", parent.name);
    if is_fixed {
        let ports = (own.port()..).skip(1).take(usize::from(PORTS_TRIED));
        for port in ports {
            if let Ok(listener) = TcpListener::bind(SocketAddr::new(own.ip(), port)) {
                return Ok(listener);
            }
        }
    }
    bind(SocketAddr::new(own.ip(), 0), &purpose)
}
