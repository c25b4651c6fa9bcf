//! What all connections of a Kafka-mode proxy share: the armed toxics, and who knows the proxy's addresses.
//!
//! **Why claims.** A one-shot toxic must hit exactly one request. A request *claims* the toxic when it comes; the claim
//! *fires* when the fault happens. A connection that ends in between gives the claim back, so the next request is hit
//! instead: otherwise an experiment would now and then prove nothing. A toxic that was removed in between does not
//! fire: what is not listed any more must not act.
//!
//! Neighbours: [`super::session`] claims and fires; the core arms, lists and removes by the toxic's name. Not here: what
//! a toxic does to bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{RngExt as _, SeedableRng as _};

use crate::chaos::kafka::toxic::{KafkaAction, KafkaToxic};
use crate::config::HostPort;

/// A broker as an answer advertises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisedBroker {
    /// Its id.
    pub node_id: i32,
    /// Where the cluster says it is.
    pub address: HostPort,
}

/// Who knows where clients must be sent instead.
pub trait Advertiser: Send + Sync {
    /// One address for each of the brokers of one answer, in their order. May bind listeners; must not block long. Where
    /// fewer come back, the rest is not changed.
    fn addresses_for(&self, brokers: &[AdvertisedBroker]) -> Vec<HostPort>;
}

/// The shared part of a proxy. All methods are quick and take the lock themselves.
pub struct KafkaProxy {
    advertiser: Arc<dyn Advertiser>,
    armed: Mutex<Vec<Armed>>,
    /// How many toxics are armed: what a connection without faults pays for them is one load.
    armed_count: AtomicUsize,
    next_id: AtomicU64,
    cluster: Mutex<Cluster>,
    draws: Mutex<rand::rngs::StdRng>,
}

struct Armed {
    id: u64,
    name: Arc<str>,
    toxic: KafkaToxic,
    toxicity: f64,
    seen: u64,
    claimed: u64,
    fired: u64,
}

/// What answers said about the cluster: a topic filter needs names for ids, an invented answer needs brokers.
#[derive(Debug, Default)]
struct Cluster {
    topics: BTreeMap<[u8; 16], Arc<str>>,
    brokers: Vec<AdvertisedBroker>,
}

/// A toxic as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct KafkaToxicStatus {
    /// Its name, unique in the proxy.
    pub name: Arc<str>,
    /// Its definition.
    pub toxic: KafkaToxic,
    /// The probability with which a matching request is hit.
    pub toxicity: f64,
    /// How often it has acted.
    pub fired: u64,
}

/// A request as toxics see it.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// Its API's key.
    pub api: i16,
    /// The client's name for itself.
    pub client_id: Option<&'a str>,
    /// The topics in it.
    pub topics: &'a [Arc<str>],
    /// Whether it will be answered.
    pub expects_answer: bool,
}

/// A toxic that waits for its moment on one request. Dropping it gives the turn back.
pub struct Claim {
    proxy: Arc<KafkaProxy>,
    id: u64,
    action: KafkaAction,
    has_fired: bool,
}

impl KafkaProxy {
    /// A proxy without toxics; `seed` decides all draws of toxics with a toxicity below 1.
    pub fn new(advertiser: Arc<dyn Advertiser>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            advertiser,
            armed: Mutex::new(Vec::new()),
            armed_count: AtomicUsize::new(0),
            next_id: AtomicU64::new(0),
            cluster: Mutex::new(Cluster::default()),
            draws: Mutex::new(rand::rngs::StdRng::seed_from_u64(seed)),
        })
    }

    /// Arms a toxic for requests that come from now on, on open connections too. The core keeps names unique; one that
    /// is armed already is replaced.
    pub fn arm(&self, name: &Arc<str>, toxic: KafkaToxic, toxicity: f64) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut armed = lock(&self.armed);
        armed.retain(|armed| armed.name != *name);
        armed.push(Armed { id, name: Arc::clone(name), toxic, toxicity, seen: 0, claimed: 0, fired: 0 });
        self.armed_count.store(armed.len(), Ordering::Release);
    }

    /// Changes a toxic's definition; its counters start again, as a one-shot toxic that is updated should act again.
    /// `false` if there is none of that name.
    pub fn update(&self, name: &str, toxic: KafkaToxic, toxicity: f64) -> bool {
        let mut armed = lock(&self.armed);
        let Some(found) = armed.iter_mut().find(|armed| *armed.name == *name) else { return false };
        // Claims of the old definition neither fire nor give anything back.
        found.id = self.next_id.fetch_add(1, Ordering::Relaxed);
        found.toxic = toxic;
        found.toxicity = toxicity;
        (found.seen, found.claimed, found.fired) = (0, 0, 0);
        true
    }

    /// Disarms a toxic; requests that it was to hit go unharmed. `false` if there is none of that name.
    pub fn remove(&self, name: &str) -> bool {
        let mut armed = lock(&self.armed);
        let before = armed.len();
        armed.retain(|armed| *armed.name != *name);
        self.armed_count.store(armed.len(), Ordering::Release);
        armed.len() < before
    }

    /// Disarms all.
    pub fn clear(&self) {
        lock(&self.armed).clear();
        self.armed_count.store(0, Ordering::Release);
    }

    /// All toxics in the order in which they were armed.
    #[must_use]
    pub fn list(&self) -> Vec<KafkaToxicStatus> {
        lock(&self.armed).iter().map(Armed::status).collect()
    }

    /// One toxic.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<KafkaToxicStatus> {
        lock(&self.armed).iter().find(|armed| *armed.name == *name).map(Armed::status)
    }

    /// Where clients must be sent instead of these brokers.
    pub(crate) fn addresses_for(&self, brokers: &[AdvertisedBroker]) -> Vec<HostPort> {
        self.advertiser.addresses_for(brokers)
    }

    /// Whether a toxic may act on such a request, so that it must be read whole.
    pub(crate) fn may_hit(&self, api: i16, client_id: Option<&str>) -> bool {
        self.armed_count.load(Ordering::Acquire) > 0
            && lock(&self.armed)
                .iter()
                .any(|armed| armed.has_turns_left() && armed.toxic.concerns(api, client_id))
    }

    /// The toxics that act on this request, at most one of each kind, in the order in which they were armed. An error
    /// answer excludes everything else: there is no request any more.
    pub(crate) fn claim(self: &Arc<Self>, facts: &RequestFacts<'_>) -> Vec<Claim> {
        let mut claims: Vec<Claim> = Vec::new();
        for armed in &mut *lock(&self.armed) {
            let is_error = matches!(armed.toxic.action, KafkaAction::ErrorResponse { .. });
            let has_kind = |claim: &Claim| claim.action.type_name() == armed.toxic.action.type_name();
            if claims.iter().any(has_kind) || (is_error && !claims.is_empty()) || !armed.matches(facts) {
                continue;
            }
            if armed.toxicity < 1.0 && lock(&self.draws).random::<f64>() >= armed.toxicity {
                continue;
            }
            armed.seen = armed.seen.saturating_add(1);
            if armed.seen <= armed.toxic.after || !armed.has_turns_left() {
                continue;
            }
            armed.claimed = armed.claimed.saturating_add(1);
            claims.push(Claim {
                proxy: Arc::clone(self),
                id: armed.id,
                action: armed.toxic.action,
                has_fired: false,
            });
            if is_error {
                break;
            }
        }
        claims
    }

    /// Remembers what a Metadata answer said.
    pub(crate) fn learn_brokers(&self, brokers: Vec<AdvertisedBroker>) {
        if brokers.len() <= MAX_REMEMBERED {
            lock(&self.cluster).brokers = brokers;
        }
    }

    /// Remembers which topic has which id.
    pub(crate) fn learn_topic(&self, id: [u8; 16], name: &str) {
        let mut cluster = lock(&self.cluster);
        if cluster.topics.len() < MAX_REMEMBERED || cluster.topics.contains_key(&id) {
            cluster.topics.insert(id, name.into());
        }
    }

    /// The name of a topic, if an answer has told it.
    pub(crate) fn topic_name(&self, id: &[u8; 16]) -> Option<Arc<str>> {
        lock(&self.cluster).topics.get(id).cloned()
    }

    /// The brokers of the last Metadata answer, as clients were told of them.
    pub(crate) fn brokers(&self) -> Vec<AdvertisedBroker> {
        lock(&self.cluster).brokers.clone()
    }
}

impl Armed {
    fn status(&self) -> KafkaToxicStatus {
        KafkaToxicStatus {
            name: Arc::clone(&self.name),
            toxic: self.toxic.clone(),
            toxicity: self.toxicity,
            fired: self.fired,
        }
    }

    fn has_turns_left(&self) -> bool {
        self.toxic.count.is_none_or(|count| self.claimed < count)
    }

    fn matches(&self, facts: &RequestFacts<'_>) -> bool {
        self.toxic.concerns(facts.api, facts.client_id)
            && (facts.expects_answer || !self.toxic.action.needs_answer())
            && self
                .toxic
                .topic
                .as_ref()
                .is_none_or(|topic| facts.topics.iter().any(|named| **named == **topic))
    }
}

impl Claim {
    /// What is to happen.
    pub(crate) const fn action(&self) -> KafkaAction {
        self.action
    }

    /// The moment has come: counts, and tells the toxic's name. `None` if the toxic was removed meanwhile.
    pub(crate) fn fire(&mut self) -> Option<Arc<str>> {
        let mut armed = lock(&self.proxy.armed);
        let found = armed.iter_mut().find(|armed| armed.id == self.id)?;
        found.fired = found.fired.saturating_add(1);
        self.has_fired = true;
        Some(Arc::clone(&found.name))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.has_fired {
            return;
        }
        if let Some(found) = lock(&self.proxy.armed).iter_mut().find(|armed| armed.id == self.id) {
            found.claimed = found.claimed.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("id", &self.id).field("action", &self.action).finish_non_exhaustive()
    }
}

impl fmt::Debug for KafkaProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaProxy").field("toxics", &self.list()).finish_non_exhaustive()
    }
}

/// A poisoned lock means that another thread panicked between two assignments of counters: they stay usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Topics and brokers that are remembered, each; a topic filter does not find by id what is beyond.
const MAX_REMEMBERED: usize = 10_000;
