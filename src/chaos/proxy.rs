//! A proxy: a listener, where it leads, and the toxics of its connections.
//!
//! **Why "down" is a state and not a toxic.** `enabled: false` closes the listener and every connection, which is what a
//! dead broker looks like from outside. A change of address does the same and starts again; a change of a toxic reaches
//! connections that are open, through a watch.
//!
//! ```text
//!   Proxy ── owns ──▶ one accept task ── owns ──▶ one task per connection
//!     └ stop() tells them to end and joins them; dropping the injector tells them to end
//! ```
//!
//! Neighbours: [`super::injector`] holds the collection, [`super::toxic_list`] the toxics, [`super::accept`] the tasks.
//! Not here: names and their uniqueness.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::chaos::accept;
use crate::chaos::brokers::{Addresses, Brokers};
use crate::chaos::connection::Published;
use crate::chaos::core::Core;
use crate::chaos::definition::Protocol;
use crate::chaos::dial::{parse_upstream, resolve_listen};
use crate::chaos::error::ChaosError;
use crate::chaos::events::{ChaosEvent, ChaosEventKind};
use crate::chaos::kafka::proxy::{AdvertisedBroker, KafkaProxy};
use crate::chaos::listen::bind;
use crate::chaos::toxic_list::ToxicList;
use crate::chaos::view::{NewProxy, ProxyChange, ProxyView};
use crate::config::HostPort;
use crate::lab::tasks;

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) name: Arc<str>,
    pub(crate) core: Arc<Core>,
    pub(crate) published: watch::Sender<Arc<Published>>,
    /// The Kafka toxics and addresses; a child's are its parent's.
    pub(crate) kafka: Arc<KafkaProxy>,
    pub(crate) parent: Option<Weak<Self>>,
    state: Mutex<State>,
}

/// What may change.
#[derive(Debug)]
pub(crate) struct State {
    /// Where it listens, or did last, or was asked to.
    pub(crate) listen: String,
    pub(crate) upstream: String,
    pub(crate) servers: Vec<HostPort>,
    pub(crate) protocol: Protocol,
    pub(crate) has_half_close: bool,
    pub(crate) running: Option<Running>,
    pub(crate) toxics: ToxicList,
    pub(crate) brokers: Brokers,
    /// Whether a port was asked for by its number; then those of brokers follow it.
    pub(crate) has_fixed_port: bool,
}

/// A listener and its connections.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy that does not listen yet.
    pub(crate) fn new(core: Arc<Core>, wanted: &NewProxy) -> Result<Arc<Self>, ChaosError> {
        let servers = parse_upstream(&core, &wanted.upstream)?;
        let state = State {
            listen: wanted.listen.clone(),
            upstream: wanted.upstream.clone(),
            servers,
            protocol: wanted.protocol,
            has_half_close: wanted.half_close,
            running: None,
            toxics: ToxicList::default(),
            brokers: Brokers::default(),
            has_fixed_port: has_fixed_port(&wanted.listen),
        };
        let seed = core.seed_of(&wanted.name, 0, "");
        Ok(Arc::new_cyclic(|this: &Weak<Self>| Self {
            name: wanted.name.as_str().into(),
            core,
            published: watch::Sender::new(Arc::default()),
            kafka: KafkaProxy::new(Arc::new(Addresses(Weak::clone(this))), seed),
            parent: None,
            state: Mutex::new(state),
        }))
    }

    /// A listener for one of the brokers behind `parent`, which does not listen yet.
    pub(crate) fn child(parent: &Arc<Self>, broker: &AdvertisedBroker) -> Arc<Self> {
        let state = {
            let parent = parent.state();
            State {
                listen: String::new(),
                upstream: broker.address.to_string(),
                servers: vec![broker.address.clone()],
                protocol: parent.protocol,
                has_half_close: parent.has_half_close,
                running: None,
                toxics: ToxicList::of_child(),
                brokers: Brokers::default(),
                has_fixed_port: false,
            }
        };
        Arc::new(Self {
            name: format!("{}-{}", parent.name, broker.node_id).into(),
            core: Arc::clone(&parent.core),
            published: watch::Sender::new(Arc::clone(&parent.published.borrow())),
            kafka: Arc::clone(&parent.kafka),
            parent: Some(Arc::downgrade(parent)),
            state: Mutex::new(state),
        })
    }

    /// Who arms Kafka toxics, or why there are none here.
    pub(crate) fn kafka_for_toxics(&self) -> Result<&KafkaProxy, &'static str> {
        if self.parent.is_some() {
            return Err("Kafka toxics belong to the proxy and act on all of its brokers; add it there");
        }
        if self.state().protocol == Protocol::Tcp {
            return Err(
                "the proxy's protocol is tcp, so it knows no requests; set protocol to auto or kafka",
            );
        }
        Ok(&self.kafka)
    }

    /// The listeners of the brokers behind it.
    pub(crate) fn children(&self) -> Vec<Arc<Self>> {
        self.state().brokers.children.values().map(Arc::clone).collect()
    }

    /// Changes where a broker is; connections that are open stay where they are.
    pub(crate) fn lead_to(&self, server: &HostPort) {
        let mut state = self.state();
        if state.servers.first() != Some(server) {
            state.upstream = server.to_string();
            state.servers = vec![server.clone()];
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens where it was asked to, if it does not; so do those of its brokers.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<(), ChaosError> {
        let listen = {
            let state = self.state();
            if state.running.is_some() {
                return Ok(());
            }
            state.listen.clone()
        };
        let address = resolve_listen(&listen).await?;
        self.start_on(bind(address, &format!("proxy {:?}", self.name))?)
    }

    /// Serves a listener.
    pub(crate) fn start_on(self: &Arc<Self>, listener: TcpListener) -> Result<(), ChaosError> {
        let failed = |error: std::io::Error| ChaosError::listen(format!("listen: {error}"));
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let stop = watch::Sender::new(false);
        // Ends when it is told to; `stop` joins it, and dropping the injector tells it as well.
        let accepting = tasks::spawn(accept::accept(Arc::clone(self), listener, address, stop.subscribe()));
        let mut state = self.state();
        // A free port that was found once is kept while the proxy is down, so that clients find it again.
        state.listen = address.to_string();
        state.running = Some(Running { address, stop, accepting });
        Ok(())
    }

    /// Closes the listener and every connection, those of its brokers too, and waits until they are closed.
    pub(crate) async fn stop(&self) {
        self.tell_to_stop();
        for child in self.children() {
            child.stop_alone().await;
        }
        self.stop_alone().await;
    }

    async fn stop_alone(&self) {
        let running = self.state().running.take();
        if let Some(running) = running {
            running.stop.send_replace(true);
            drop(running.accepting.await);
        }
    }

    /// Tells listeners and connections to end, without waiting.
    pub(crate) fn tell_to_stop(&self) {
        for child in self.children() {
            child.tell_to_stop();
        }
        if let Some(running) = &self.state().running {
            running.stop.send_replace(true);
        }
    }

    /// The listeners of brokers listen again; one whose port was taken meanwhile is opened anew when it is needed.
    fn start_children(&self) {
        for child in self.children() {
            if child.address().is_none() && child.listen_again().is_err() {
                self.state().brokers.children.retain(|_, known| !Arc::ptr_eq(known, &child));
            }
        }
    }

    fn listen_again(self: &Arc<Self>) -> Result<(), ChaosError> {
        let listen = self.state().listen.clone();
        let address = listen.parse().map_err(|_| ChaosError::listen(format!("{listen:?} is no address")))?;
        self.start_on(bind(address, &format!("proxy {:?}", self.name))?)
    }

    /// Where it listens, if it does.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.state().running.as_ref().map(|running| running.address)
    }

    /// Changes what is wanted; connections are closed only if the address or the upstream differs.
    pub(crate) async fn change(self: &Arc<Self>, change: &ProxyChange) -> Result<(), ChaosError> {
        let (old_listen, old_upstream, bound) = {
            let state = self.state();
            (state.listen.clone(), state.upstream.clone(), state.running.as_ref().map(|r| r.address))
        };
        let upstream = change.upstream.clone().unwrap_or_else(|| old_upstream.clone());
        let servers = parse_upstream(&self.core, &upstream)?;
        let is_enabled = change.enabled.unwrap_or_else(|| bound.is_some());
        let moves = match &change.listen {
            Some(listen) if *listen != old_listen => {
                let address = resolve_listen(listen).await?;
                let old = resolve_listen(&old_listen).await.ok();
                (bound.or(old) != Some(address)).then_some(address)
            }
            Some(_) | None => None,
        };
        // The new address is taken before the old one is given up, so that a refusal changes nothing.
        let listener = match moves {
            Some(address) if is_enabled => Some(bind(address, &format!("proxy {:?}", self.name))?),
            Some(_) | None => None,
        };
        let is_different = moves.is_some() || upstream != old_upstream;
        if is_different || !is_enabled {
            self.stop().await;
        }
        if is_different {
            // Another cluster, perhaps: its brokers are met anew.
            self.state().brokers = Brokers::default();
        }
        self.apply(change, upstream, servers);
        let was_enabled = bound.is_some();
        if is_enabled {
            match listener {
                Some(listener) => self.start_on(listener)?,
                None => self.restart(bound).await?,
            }
            self.start_children();
        }
        if is_different {
            let view = self.view();
            let (listen, upstream) = (view.listen.into(), view.upstream.into());
            self.publish(ChaosEventKind::ProxyChanged { listen, upstream });
        }
        match (was_enabled, is_enabled) {
            (false, true) => self.publish(ChaosEventKind::ProxyEnabled),
            (true, false) => self.publish(ChaosEventKind::ProxyDisabled),
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    /// Listens again: where it did, or where it was asked to.
    async fn restart(self: &Arc<Self>, bound: Option<SocketAddr>) -> Result<(), ChaosError> {
        match bound {
            Some(address) if self.address().is_none() => {
                self.start_on(bind(address, &format!("proxy {:?}", self.name))?)
            }
            Some(_) | None => self.start().await,
        }
    }

    fn apply(&self, change: &ProxyChange, upstream: String, servers: Vec<HostPort>) {
        let mut state = self.state();
        if let Some(listen) = &change.listen
            && state.running.is_none()
        {
            state.listen.clone_from(listen);
        }
        if let Some(listen) = &change.listen {
            state.has_fixed_port = has_fixed_port(listen);
        }
        (state.upstream, state.servers) = (upstream, servers);
        state.protocol = change.protocol.unwrap_or(state.protocol);
        state.has_half_close = change.half_close.unwrap_or(state.has_half_close);
    }

    /// As the API shows it.
    pub(crate) fn view(&self) -> ProxyView {
        let state = self.state();
        ProxyView {
            name: self.name.to_string(),
            listen: state.listen.clone(),
            upstream: state.upstream.clone(),
            enabled: state.running.is_some(),
            toxics: state.toxics.views(&self.kafka),
            protocol: state.protocol.name(),
            half_close: state.has_half_close,
            parent: self.parent.as_ref().and_then(Weak::upgrade).map(|parent| parent.name.to_string()),
        }
    }

    /// Hands the toxics to the connections: to those of its brokers as well, before these one's own.
    pub(crate) fn publish_toxics(&self) {
        let own = self.state().toxics.published();
        let inherited = self.parent.as_ref().and_then(Weak::upgrade);
        let all = match inherited {
            Some(parent) => parent.state().toxics.published().followed_by(own),
            None => own,
        };
        self.published.send_replace(Arc::new(all));
        for child in self.children() {
            child.publish_toxics();
        }
    }

    /// Publishes an event about this proxy.
    pub(crate) fn publish(&self, kind: ChaosEventKind) {
        self.core.publish(ChaosEvent::new(kind).on(&self.name));
    }
}

/// Whether a port is asked for by its number.
fn has_fixed_port(listen: &str) -> bool {
    listen.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).is_some_and(|port| port != 0)
}
