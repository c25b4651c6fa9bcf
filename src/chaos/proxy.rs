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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::chaos::accept;
use crate::chaos::connection::Published;
use crate::chaos::core::Core;
use crate::chaos::definition::Protocol;
use crate::chaos::dial::{parse_upstream, resolve_listen};
use crate::chaos::error::ChaosError;
use crate::chaos::events::{ChaosEvent, ChaosEventKind};
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
        Ok(Arc::new(Self {
            name: wanted.name.as_str().into(),
            core,
            published: watch::Sender::new(Arc::default()),
            state: Mutex::new(State {
                listen: wanted.listen.clone(),
                upstream: wanted.upstream.clone(),
                servers,
                protocol: wanted.protocol,
                has_half_close: wanted.half_close,
                running: None,
                toxics: ToxicList::default(),
            }),
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens where it was asked to, if it does not.
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

    /// Closes the listener and every connection, and waits until they are closed.
    pub(crate) async fn stop(&self) {
        let running = self.state().running.take();
        if let Some(running) = running {
            running.stop.send_replace(true);
            drop(running.accepting.await);
        }
    }

    /// Tells listener and connections to end, without waiting.
    pub(crate) fn tell_to_stop(&self) {
        if let Some(running) = &self.state().running {
            running.stop.send_replace(true);
        }
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
        self.apply(change, upstream, servers);
        let was_enabled = bound.is_some();
        if is_enabled {
            match listener {
                Some(listener) => self.start_on(listener)?,
                None => self.restart(bound).await?,
            }
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
            toxics: state.toxics.views(),
            protocol: state.protocol.name(),
            half_close: state.has_half_close,
            parent: None,
        }
    }

    /// Hands the toxics to the connections.
    pub(crate) fn publish_toxics(&self) {
        let published = Arc::new(self.state().toxics.published());
        self.published.send_replace(published);
    }

    /// Publishes an event about this proxy.
    pub(crate) fn publish(&self, kind: ChaosEventKind) {
        self.core.publish(ChaosEvent::new(kind).on(&self.name));
    }
}
