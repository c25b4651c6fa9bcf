//! The broker's body: listeners, connections, clocks, and the lock around the [`Cluster`].
//!
//! **Why so thin.** Every decision is in the state machines; here are only effects. Each connection is served one request
//! at a time, and the next is read after the answer is written, as Kafka's muting does (D-54); so a slow answer holds up
//! what is behind it on the same connection, and nothing else.
//!
//! ```text
//!   Broker ── owns ──▶ one accept task per listener ── owns ──▶ one task per connection
//!     └ stop() tells them to end and joins them; dropping the Broker aborts them
//! ```
//!
//! **What a stranger can cost.** Frames have a limit that is checked before anything is allocated, and memory grows only
//! with the bytes that arrived; connections are limited in number, in silence and in the time a frame may take.
//!
//! Neighbours: [`super::handlers`] below, tests and the lab above. Not here: TLS, SASL.

mod connection;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinSet;

use super::cluster::cleaner::{CompactionReport, DueCompaction};
use super::cluster::{Cluster, Now};
use super::config::{BrokerConfig, BrokerError, Listener};
use super::events::BrokerEvent;
use super::faults::{ArmedFault, Fault, FaultId};
use super::groups::{GroupDescription, GroupListing};
use super::log::StoredBatch;
use super::topic_config::TopicConfig;
use crate::config::HostPort;
use crate::error::ErrorCode;
use crate::time::Instant;

/// How often producers expire and old segments go. Kafka looks every 5 to 10 minutes; a lab should not have to wait.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How often is looked whether a small compacted log waits for its early compaction.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The shortest time between two looks at groups that are due.
const GROUP_TIMER_STEP: Duration = Duration::from_millis(5);

/// A running broker. Dropping it ends it at once; [`Broker::stop`] ends it in order.
#[derive(Debug)]
pub struct Broker {
    handle: BrokerHandle,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    addresses: Vec<(String, SocketAddr)>,
    bootstrap: HostPort,
}

/// A way to look into a running broker and to arm faults; cheap to clone, and outlives the [`Broker`].
#[derive(Debug, Clone)]
pub struct BrokerHandle {
    shared: Arc<Shared>,
}

/// What the tasks share.
#[derive(Debug)]
struct Shared {
    cluster: Mutex<Cluster>,
    events: broadcast::Sender<BrokerEvent>,
    /// Changes with each append, for those who wait for data.
    appends: watch::Sender<u64>,
    /// Follows [`super::groups::Groups::changes`], for members that wait for others and for the group timer.
    group_changes: watch::Sender<u64>,
    connections: Arc<Semaphore>,
    clock: Clock,
    limits: Limits,
    caps: std::collections::BTreeMap<i16, i16>,
}

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
struct Limits {
    max_frame_bytes: usize,
    max_idle: Duration,
    frame_timeout: Duration,
}

/// The broker's two clocks.
#[derive(Debug, Clone, Copy)]
#[allow(
    clippy::disallowed_types,
    reason = "this file is the broker's clock, as runtime/environment.rs is the producer's"
)]
struct Clock {
    began: std::time::Instant,
}

#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this file is the broker's clock, as runtime/environment.rs is the producer's"
)]
impl Clock {
    fn start() -> Self {
        Self { began: std::time::Instant::now() }
    }

    fn now(self) -> Now {
        let nanos = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Now {
            instant: Instant::from_nanos(nanos),
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

impl Shared {
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        // A panic of another task while it held the lock is reported by that task; the state is still usable.
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands events to the subscribers; without any, they are dropped.
    fn publish(&self, events: Vec<BrokerEvent>) {
        for event in events {
            tracing::debug!(target: "facteur::broker", name = event.kind.name(), "{event}");
            let _no_subscriber = self.events.send(event);
        }
    }

    fn with_cluster<T>(&self, change: impl FnOnce(&mut Cluster, Now) -> T) -> T {
        let now = self.clock.now();
        let (result, events, changes) = {
            let mut cluster = self.cluster();
            let result = change(&mut cluster, now);
            (result, cluster.take_events(), cluster.groups.changes())
        };
        self.publish(events);
        self.tell_groups(changes);
        result
    }

    /// Wakes members that wait and the group timer, if something has changed.
    fn tell_groups(&self, changes: u64) {
        self.group_changes.send_if_modified(|seen| std::mem::replace(seen, changes) != changes);
    }
}

impl Broker {
    /// Starts a broker on the runtime that this is called in. The ports are open when it returns.
    ///
    /// # Errors
    /// [`BrokerError`] if a port is taken, an address cannot be used, or a topic of the configuration cannot be made.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        if config.listeners.is_empty() {
            return Err(BrokerError::Config("a broker needs at least one listener".to_owned()));
        }
        let clock = Clock::start();
        let mut cluster =
            Cluster::new(config.cluster_settings(), clock.now(), config.seed.unwrap_or_else(entropy));
        for (topic, partitions) in &config.topics {
            cluster
                .create_topic(topic, *partitions, TopicConfig::default(), clock.now())
                .map_err(|(_, why)| BrokerError::Topic { topic: topic.clone(), why })?;
        }
        // Nobody can have subscribed yet.
        drop(cluster.take_events());
        let mut bound = Vec::new();
        for listener in &config.listeners {
            let socket = bind(listener).await?;
            let address = socket.local_addr().map_err(|source| BrokerError::Listen {
                listener: listener.name.clone(),
                address: listener.bind,
                source,
            })?;
            bound.push((socket, listener.name.clone(), address, listener.advertised_for(address)));
        }
        let shared = Arc::new(Shared {
            cluster: Mutex::new(cluster),
            events: broadcast::Sender::new(config.event_capacity.max(1)),
            appends: watch::Sender::new(0),
            group_changes: watch::Sender::new(0),
            connections: Arc::new(Semaphore::new(config.max_connections.min(Semaphore::MAX_PERMITS))),
            clock,
            limits: Limits {
                max_frame_bytes: config.max_frame_bytes,
                max_idle: config.max_idle,
                frame_timeout: config.frame_timeout,
            },
            caps: config.caps,
        });
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        let mut bootstrap = None;
        for (socket, name, address, advertised) in bound {
            bootstrap.get_or_insert_with(|| reachable(address));
            addresses.push((name, address));
            tasks.spawn(accept(socket, Arc::clone(&shared), Arc::new(advertised), stop.subscribe()));
        }
        tasks.spawn(sweep(Arc::clone(&shared), stop.subscribe()));
        tasks.spawn(watch_groups(Arc::clone(&shared), stop.subscribe()));
        let bootstrap = bootstrap.ok_or_else(|| BrokerError::Config("no listener".to_owned()))?;
        Ok(Self { handle: BrokerHandle { shared }, stop, tasks, addresses, bootstrap })
    }

    /// The listeners' names and the addresses they are bound to, with real ports.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.addresses.clone()
    }

    /// The address to give a client on this machine: that of the first listener.
    #[must_use]
    pub fn bootstrap(&self) -> HostPort {
        self.bootstrap.clone()
    }

    /// A way to look in and to arm faults, for whoever does not own the broker.
    #[must_use]
    pub fn handle(&self) -> BrokerHandle {
        self.handle.clone()
    }

    /// Ends the broker: no new connections, open ones are closed after the request they are at, all tasks are joined.
    ///
    /// # Cancel safety
    /// Dropping the future ends the tasks at once.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl std::ops::Deref for Broker {
    type Target = BrokerHandle;

    fn deref(&self) -> &BrokerHandle {
        &self.handle
    }
}

impl BrokerHandle {
    /// Events from now on. A subscriber that lags behind loses the oldest and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<BrokerEvent> {
        self.shared.events.subscribe()
    }

    /// The faults of this broker: arm, clear, ask how often they fired.
    #[must_use]
    pub fn faults(&self) -> FaultSwitches<'_> {
        FaultSwitches { shared: &self.shared }
    }

    /// Every batch of a partition, oldest first; empty if there is no such partition.
    #[must_use]
    pub fn log(&self, topic: &str, partition: i32) -> Vec<StoredBatch> {
        self.shared.cluster().batches(topic, partition)
    }

    /// The offset that the next record of the partition gets; `None` if there is no such partition.
    #[must_use]
    pub fn high_watermark(&self, topic: &str, partition: i32) -> Option<i64> {
        self.shared.cluster().partition(topic, partition).map(|found| found.log.end_offset())
    }

    /// The first offset of the partition that is still there; `None` if there is no such partition.
    #[must_use]
    pub fn log_start_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.shared.cluster().partition(topic, partition).map(|found| found.log.start_offset())
    }

    /// Every topic with its number of partitions, by name.
    #[must_use]
    pub fn topics(&self) -> Vec<(String, usize)> {
        let cluster = self.shared.cluster();
        cluster.topics().map(|topic| (topic.name.to_string(), topic.partitions.len())).collect()
    }

    /// What is remembered of a partition's producers: id, epoch, last sequence.
    #[must_use]
    pub fn producers(&self, topic: &str, partition: i32) -> Vec<(i64, i16, i32)> {
        let cluster = self.shared.cluster();
        let number = cluster.partition(topic, partition).map(|found| found.number);
        number.map_or_else(Vec::new, |number| cluster.producers().producers(number).collect())
    }

    /// Every consumer group, by name.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupListing> {
        self.shared.cluster().groups.list().collect()
    }

    /// A consumer group with its members; one that is not there is `Dead`.
    #[must_use]
    pub fn group(&self, group: &str) -> GroupDescription {
        self.shared.cluster().groups.describe(group)
    }

    /// The offset that a group committed for a partition: the next that it will read.
    #[must_use]
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let cluster = self.shared.cluster();
        cluster.groups.offsets(group)?.get(topic, partition).map(|committed| committed.offset)
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        self.shared.cluster().cluster_id().to_owned()
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// [`BrokerError::Topic`] if it exists, its name is invalid, or the number of partitions is.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), BrokerError> {
        self.create_topic_with(topic, partitions, &[])
    }

    /// Creates a topic with settings.
    ///
    /// # Errors
    /// As [`Self::create_topic`], and for settings that a topic cannot have.
    pub fn create_topic_with(
        &self,
        topic: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<(), BrokerError> {
        let refused = |why| BrokerError::Topic { topic: topic.to_owned(), why };
        let pairs: Vec<(String, Option<String>)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        let config = TopicConfig::from_pairs(&pairs).map_err(refused)?;
        self.shared
            .with_cluster(|cluster, now| cluster.create_topic(topic, partitions, config, now))
            .map_err(|(_, why)| refused(why))
    }

    /// Closes the active segments of a compacted topic and compacts its partitions at once, whatever the timing.
    ///
    /// # Errors
    /// [`BrokerError::Topic`] if there is none of that name, or its `cleanup.policy` does not name `compact`.
    pub fn compact(&self, topic: &str) -> Result<CompactionReport, BrokerError> {
        let report = self.shared.with_cluster(|cluster, now| cluster.compact_topic(topic, now));
        report.ok_or_else(|| {
            let why = "there is no topic of that name whose cleanup.policy names compact".to_owned();
            BrokerError::Topic { topic: topic.to_owned(), why }
        })
    }

    /// Deletes a topic with its records.
    ///
    /// # Errors
    /// [`BrokerError::Topic`] if there is none of that name.
    pub fn delete_topic(&self, topic: &str) -> Result<(), BrokerError> {
        let deleted = self.shared.with_cluster(|cluster, now| cluster.delete_topic(topic, now));
        // Consumers that wait for data of this topic must be told.
        self.shared.appends.send_modify(|count| *count = count.wrapping_add(1));
        deleted.map_err(|(_, why)| BrokerError::Topic { topic: topic.to_owned(), why })
    }
}

/// The faults of a running broker.
#[derive(Debug)]
pub struct FaultSwitches<'a> {
    shared: &'a Shared,
}

impl FaultSwitches<'_> {
    /// Arms a fault.
    #[allow(clippy::must_use_candidate, reason = "the name is needed only by who wants to ask or clear")]
    pub fn arm(&self, fault: Fault) -> FaultId {
        self.shared.cluster().faults.arm(fault)
    }

    /// Takes a fault away; answers what became of it.
    #[allow(clippy::must_use_candidate, reason = "the answer is for who wants it")]
    pub fn clear(&self, id: FaultId) -> Option<ArmedFault> {
        self.shared.cluster().faults.clear(id)
    }

    /// Takes every fault away and accepts writes again.
    pub fn clear_all(&self) {
        self.shared.cluster().faults.clear_all();
    }

    /// How often a fault has fired.
    #[must_use]
    pub fn fired(&self, id: FaultId) -> u32 {
        self.shared.cluster().faults.fired(id)
    }

    /// Every fault that was armed and not cleared.
    #[must_use]
    pub fn list(&self) -> Vec<(FaultId, ArmedFault)> {
        self.shared.cluster().faults.list().map(|(id, armed)| (id, armed.clone())).collect()
    }

    /// Refuses every write with this code, or accepts them again.
    pub fn refuse_writes(&self, code: Option<ErrorCode>) {
        self.shared.cluster().faults.refuse_writes(code);
    }
}

async fn bind(listener: &Listener) -> Result<TcpListener, BrokerError> {
    TcpListener::bind(listener.bind).await.map_err(|source| {
        let (name, address) = (listener.name.clone(), listener.bind);
        if source.kind() == std::io::ErrorKind::AddrInUse {
            BrokerError::PortInUse { listener: name, address, port: address.port() }
        } else {
            BrokerError::Listen { listener: name, address, source }
        }
    })
}

/// An address of this machine for a bound socket: a wildcard is not one.
fn reachable(bound: SocketAddr) -> HostPort {
    let ip = bound.ip();
    let host = if ip.is_unspecified() { "localhost".to_owned() } else { ip.to_string() };
    HostPort { host, port: bound.port() }
}

#[allow(clippy::disallowed_methods, reason = "the server hands entropy to the cluster (D-53)")]
fn entropy() -> u64 {
    rand::random()
}

/// Accepts connections until told to stop, then waits for those that are open.
async fn accept(
    socket: TcpListener,
    shared: Arc<Shared>,
    advertised: Arc<HostPort>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of descriptors, mostly: give others time to close.
            pause(Duration::from_millis(20)).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&shared.connections).try_acquire_owned() else {
            tracing::warn!(target: "facteur::broker", %peer, "too many connections; closed at once");
            continue;
        };
        let (shared, advertised, stop) = (Arc::clone(&shared), Arc::clone(&advertised), stop.clone());
        connections.spawn(async move {
            let reason = connection::serve(stream, &shared, &advertised, stop).await;
            tracing::debug!(target: "facteur::broker", %peer, reason, "connection closed");
            drop(permit);
        });
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

async fn sweep(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut last_sweep = shared.clock.now().instant;
    loop {
        tokio::select! {
            () = pause(LOOK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let mut due = shared.with_cluster(Cluster::soon_compactions);
        let now = shared.clock.now().instant;
        if now.since(last_sweep) >= SWEEP_EVERY {
            last_sweep = now;
            shared.with_cluster(Cluster::expire);
            due.extend(shared.with_cluster(|cluster, now| cluster.due_compactions(now)));
        }
        for one in due {
            if *stop.borrow() {
                return;
            }
            compact(&shared, one).await;
        }
    }
}

/// Compacts one partition. The work is done without the lock and off the runtime's threads: it may unpack megabytes.
async fn compact(shared: &Shared, due: DueCompaction) {
    let begun = shared.with_cluster(|cluster, now| cluster.begin_compaction(due, now));
    let Some(task) = begun else { return };
    if let Ok(finished) = tokio::task::spawn_blocking(|| task.run()).await {
        shared.with_cluster(|cluster, now| cluster.finish_compaction(finished, now));
    }
}

/// Lets time pass for consumer groups: at their next deadline, which each change may bring nearer.
async fn watch_groups(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut changes = shared.group_changes.subscribe();
    while !*stop.borrow() {
        changes.borrow_and_update();
        let now = shared.clock.now().instant;
        let deadline = shared.cluster().groups.next_deadline();
        if deadline <= now {
            shared.with_cluster(|cluster, now| cluster.groups.tick(now));
            // Whatever timeouts members ask for, this is no busy loop.
            pause(GROUP_TIMER_STEP).await;
            continue;
        }
        let left = deadline.since(now).min(SWEEP_EVERY).saturating_add(Duration::from_millis(1));
        tokio::select! {
            () = pause(left) => {}
            _ = changes.changed() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the broker's body has timers of its own")]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
