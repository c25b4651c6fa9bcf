//! The injector: its proxies by name, and everything that can be asked of it.
//!
//! **Why one handle.** The admin API, the façade's own routes and tests do the same things; here is what they share. Changes
//! come one after the other, so that two of them cannot take one name or one port; reading never waits for them.
//!
//! Neighbours: `api/` is its HTTP, [`super::proxy`] what it holds. Not here: JSON, ports of the admin API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::chaos::core::{Core, InjectorOptions};
use crate::chaos::dial::resolve_listen;
use crate::chaos::error::ChaosError;
use crate::chaos::events::{ChaosEvent, ChaosEventKind};
use crate::chaos::proxy::Proxy;
use crate::chaos::toxic_list::{Entry, check_name};
use crate::chaos::view::{NewProxy, NewToxic, ProxyChange, ProxyView, ToxicChange, ToxicView, Warned};

/// The most proxies.
pub const MOST_PROXIES: usize = 64;

/// A fault injector; cheap to clone. Its proxies end with [`Injector::stop`], or with the last clone.
#[derive(Debug, Clone)]
pub struct Injector {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: Arc<Core>,
    proxies: Mutex<BTreeMap<String, Arc<Proxy>>>,
    /// Held by whoever changes proxies.
    changes: tokio::sync::Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for proxy in self.proxies.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            proxy.tell_to_stop();
        }
    }
}

/// Why a list of proxies was not made as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct PopulateError {
    /// What went wrong.
    pub error: ChaosError,
    /// Those made before.
    pub created: Vec<ProxyView>,
}

impl Injector {
    /// An injector without proxies.
    #[must_use]
    pub fn new(options: InjectorOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                core: Arc::new(Core::new(options)),
                proxies: Mutex::default(),
                changes: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Decides every draw.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.inner.core.options.seed
    }

    /// Events from now on. A subscriber that lags behind loses the oldest and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<ChaosEvent> {
        self.inner.core.subscribe()
    }

    /// The counters of `/metrics`, as text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.inner.core.metrics.text().unwrap_or_default()
    }

    /// All proxies, by name.
    #[must_use]
    pub fn proxies(&self) -> Vec<ProxyView> {
        let all = self.map();
        let with_children =
            all.values().flat_map(|proxy| std::iter::once(Arc::clone(proxy)).chain(proxy.children()));
        with_children.map(|proxy| proxy.view()).collect()
    }

    /// A proxy.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn proxy(&self, name: &str) -> Result<ProxyView, ChaosError> {
        Ok(self.find(name)?.view())
    }

    /// Creates a proxy.
    ///
    /// # Errors
    ///
    /// A missing or wrong member, a name that is taken, an address that cannot be listened on; nothing was created.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the proxy created.
    pub async fn create(&self, wanted: NewProxy) -> Result<Warned<ProxyView>, ChaosError> {
        let _changing = self.inner.changes.lock().await;
        self.create_alone(&wanted).await
    }

    async fn create_alone(&self, wanted: &NewProxy) -> Result<Warned<ProxyView>, ChaosError> {
        check_fields(wanted)?;
        check_name("proxy", &wanted.name)?;
        if self.find(&wanted.name).is_ok() {
            return Err(ChaosError::proxy_exists());
        }
        if self.map().len() >= MOST_PROXIES {
            return Err(ChaosError::bad_request(format!(
                "there are at most {MOST_PROXIES} proxies; delete one first"
            )));
        }
        let proxy = Proxy::new(Arc::clone(&self.inner.core), wanted)?;
        if wanted.enabled {
            proxy.start().await?;
        } else {
            resolve_listen(&wanted.listen).await?;
        }
        let view = proxy.view();
        self.map().insert(wanted.name.clone(), Arc::clone(&proxy));
        let (listen, upstream) = (view.listen.as_str().into(), view.upstream.as_str().into());
        proxy.publish(ChaosEventKind::ProxyCreated { listen, upstream });
        Ok(Warned { warnings: exposure(&proxy), value: view })
    }

    /// Creates proxies; one that is there with the same addresses is left alone, another one is replaced.
    ///
    /// # Errors
    ///
    /// A missing name or upstream before anything is made; later failures with those that were made.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave some of them created.
    pub async fn populate(&self, wanted: &[NewProxy]) -> Result<Vec<ProxyView>, PopulateError> {
        let nothing = |error| PopulateError { error, created: Vec::new() };
        for (at, proxy) in wanted.iter().enumerate() {
            check_fields(proxy).map_err(|error| {
                nothing(ChaosError::bad_request(format!("{} at proxy {}", error.message, at + 1)))
            })?;
        }
        let _changing = self.inner.changes.lock().await;
        let mut created = Vec::new();
        for proxy in wanted {
            match self.populate_one(proxy).await {
                Ok(view) => created.push(view),
                Err(error) => return Err(PopulateError { error, created }),
            }
        }
        Ok(created)
    }

    async fn populate_one(&self, wanted: &NewProxy) -> Result<ProxyView, ChaosError> {
        let known = self.map().get(&wanted.name).cloned();
        if let Some(known) = known {
            let view = known.view();
            let is_same_listen = view.listen == wanted.listen
                || resolve_listen(&wanted.listen)
                    .await
                    .is_ok_and(|address| address.to_string() == view.listen);
            if is_same_listen && view.upstream == wanted.upstream {
                return Ok(view);
            }
            self.delete_alone(&wanted.name).await?;
        }
        Ok(self.create_alone(wanted).await?.value)
    }

    /// Changes a proxy. A new address or upstream closes its connections.
    ///
    /// # Errors
    ///
    /// An unknown name, a wrong member, an address that cannot be listened on; then nothing changed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the proxy stopped.
    pub async fn update(&self, name: &str, change: &ProxyChange) -> Result<Warned<ProxyView>, ChaosError> {
        let proxy = self.find(name)?;
        let _changing = self.inner.changes.lock().await;
        proxy.change(change).await?;
        let warnings = if change.listen.is_some() { exposure(&proxy) } else { Vec::new() };
        Ok(Warned { value: proxy.view(), warnings })
    }

    /// Deletes a proxy and closes its connections.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves its connections closing.
    pub async fn delete(&self, name: &str) -> Result<(), ChaosError> {
        let _changing = self.inner.changes.lock().await;
        self.delete_alone(name).await
    }

    async fn delete_alone(&self, name: &str) -> Result<(), ChaosError> {
        let proxy = self.find(name)?;
        self.map().remove(name);
        for parent in self.map().values() {
            parent.state().brokers.children.retain(|_, child| !Arc::ptr_eq(child, &proxy));
        }
        proxy.stop().await;
        self.inner.core.metrics.forget(name);
        proxy.publish(ChaosEventKind::ProxyDeleted);
        Ok(())
    }

    /// The toxics of a proxy.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn toxics(&self, proxy: &str) -> Result<Vec<ToxicView>, ChaosError> {
        let proxy = self.find(proxy)?;
        Ok(proxy.state().toxics.views(&proxy.kafka))
    }

    /// A toxic.
    ///
    /// # Errors
    ///
    /// If there is no such proxy or toxic.
    pub fn toxic(&self, proxy: &str, toxic: &str) -> Result<ToxicView, ChaosError> {
        let proxy = self.find(proxy)?;
        proxy.state().toxics.view(toxic, &proxy.kafka)
    }

    /// Adds a toxic; it acts on open connections at once.
    ///
    /// # Errors
    ///
    /// An unknown proxy, a wrong type, stream or attribute, a name that is taken.
    pub fn add_toxic(&self, proxy: &str, wanted: &NewToxic) -> Result<Warned<ToxicView>, ChaosError> {
        let proxy = self.find(proxy)?;
        let kafka = proxy.kafka_for_toxics();
        let (entry, warnings) = proxy.state().toxics.add(wanted, kafka)?;
        let kind = ChaosEventKind::ToxicAdded { definition: entry.words().into() };
        self.toxics_changed(&proxy, &entry, kind);
        Ok(Warned { value: proxy.state().toxics.view(&entry.name, &proxy.kafka)?, warnings })
    }

    /// Changes a toxic; it acts on open connections at once.
    ///
    /// # Errors
    ///
    /// An unknown proxy or toxic, a wrong attribute.
    pub fn update_toxic(
        &self,
        proxy: &str,
        toxic: &str,
        change: &ToxicChange,
    ) -> Result<Warned<ToxicView>, ChaosError> {
        let proxy = self.find(proxy)?;
        let (entry, warnings) = proxy.state().toxics.change(toxic, change, &proxy.kafka)?;
        let kind = ChaosEventKind::ToxicChanged { definition: entry.words().into() };
        self.toxics_changed(&proxy, &entry, kind);
        Ok(Warned { value: proxy.state().toxics.view(&entry.name, &proxy.kafka)?, warnings })
    }

    /// Removes a toxic; what it held goes on at once, except where bytes are missing: there the connection closes.
    ///
    /// # Errors
    ///
    /// If there is no such proxy or toxic.
    pub fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), ChaosError> {
        let proxy = self.find(proxy)?;
        let entry = proxy.state().toxics.remove(toxic, &proxy.kafka)?;
        self.toxics_changed(&proxy, &entry, ChaosEventKind::ToxicRemoved);
        Ok(())
    }

    /// Enables every proxy and removes every toxic.
    ///
    /// # Errors
    ///
    /// If a proxy cannot listen; the others are reset all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave some proxies as they were.
    pub async fn reset(&self) -> Result<(), ChaosError> {
        let _changing = self.inner.changes.lock().await;
        let all: Vec<Arc<Proxy>> = self.map().values().map(Arc::clone).collect();
        let mut first_error = None;
        for proxy in all {
            for affected in std::iter::once(Arc::clone(&proxy)).chain(proxy.children()) {
                let removed = affected.state().toxics.clear(&affected.kafka);
                affected.publish_toxics();
                for entry in removed {
                    let event = ChaosEvent::new(ChaosEventKind::ToxicRemoved).by(&entry.name, entry.stream);
                    self.inner.core.publish(event.on(&affected.name));
                }
            }
            let enable = ProxyChange { enabled: Some(true), ..ProxyChange::default() };
            if let Err(error) = proxy.change(&enable).await {
                first_error.get_or_insert(error);
            }
        }
        self.inner.core.publish(ChaosEvent::new(ChaosEventKind::Reset));
        first_error.map_or(Ok(()), Err)
    }

    /// Closes every listener and connection, and waits until they are closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest closing.
    pub async fn stop(&self) {
        let _changing = self.inner.changes.lock().await;
        let all = std::mem::take(&mut *self.map());
        for proxy in all.values() {
            proxy.tell_to_stop();
        }
        for proxy in all.values() {
            proxy.stop().await;
        }
    }

    fn toxics_changed(&self, proxy: &Proxy, entry: &Entry, kind: ChaosEventKind) {
        proxy.publish_toxics();
        let event = ChaosEvent::new(kind).by(&entry.name, entry.stream);
        self.inner.core.publish(event.on(&proxy.name));
    }

    fn find(&self, name: &str) -> Result<Arc<Proxy>, ChaosError> {
        let map = self.map();
        let known = map.get(name).cloned();
        let child = || map.values().flat_map(|proxy| proxy.children()).find(|child| &*child.name == name);
        known.or_else(child).ok_or_else(ChaosError::no_proxy)
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Proxy>>> {
        self.inner.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_fields(wanted: &NewProxy) -> Result<(), ChaosError> {
    if wanted.name.is_empty() {
        return Err(ChaosError::missing("name"));
    }
    if wanted.upstream.is_empty() {
        return Err(ChaosError::missing("upstream"));
    }
    Ok(())
}

/// A warning if others can reach the proxy (D-62).
fn exposure(proxy: &Proxy) -> Vec<String> {
    let address = proxy.address().filter(|address| !address.ip().is_loopback());
    address
        .map(|address| {
            format!(
                "proxy {:?} listens on {address}: everyone who reaches this machine can use it",
                proxy.name
            )
        })
        .into_iter()
        .collect()
}
