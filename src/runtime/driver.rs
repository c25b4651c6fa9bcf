//! The I/O thread's loop: events into the engine, actions out of it.
//!
//! **Why it decides nothing.** Everything that could be wrong about a retry is the engine's, where a simulation sees it;
//! here is only plumbing. Its one promise is the engine's contract: after any event `poll` until `None`, sockets before
//! timers (K16), then wait.
//!
//! Neighbours: [`crate::engine`], `broker_connection`, `shared`. Not here: application threads.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::accumulator::partition_queue::{TakeMode, Taken};
use crate::accumulator::producer_batch::SealedBatch;
use crate::engine::{Action, Engine, Event, PartitionView};
use crate::error::{Cause, Error, ErrorCode};
use crate::identifiers::{ConnectionId, LaneId};
use crate::runtime::alarm::Alarm;
use crate::runtime::broker_connection::{self, OutFrame};
use crate::runtime::dialer::{Dial, Network, Tcp};
use crate::runtime::environment::entropy;
use crate::runtime::lanes::Signal;
use crate::runtime::observations::Observations;
use crate::runtime::observer::Watchers;
use crate::runtime::shared::{Command, Inbox, Shared};
use crate::runtime::wakers::notify_all;
use crate::time::Instant;

/// While a batch is open, the shared clock is at most this old.
const CLOCK_TICK: Duration = Duration::from_millis(1);
/// Events of sockets handled before the engine is asked what to do.
const MAX_EVENTS_AT_ONCE: usize = 256;

struct Socket {
    frames: UnboundedSender<OutFrame>,
    task: JoinHandle<()>,
    /// Its own end, once it is open.
    local_address: Arc<OnceLock<SocketAddr>>,
}

pub(crate) struct Driver<N: Network> {
    network: N,
    shared: Arc<Shared>,
    engine: Engine,
    sockets: BTreeMap<ConnectionId, Socket>,
    events: UnboundedReceiver<Event>,
    event_sender: UnboundedSender<Event>,
    memory_is_short: bool,
    alarm: Alarm,
    watchers: Watchers,
}

/// Starts the I/O thread.
pub(crate) fn start(shared: Arc<Shared>, observers: Vec<Observations>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Error::Config(format!("the I/O thread's runtime could not be made: {error}").into())
    })?;
    let started = std::thread::Builder::new().name("facteur-io".into()).spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut driver = Driver::new(Tcp, Arc::clone(&shared), observers);
                driver.run().await
            })
        }));
        let cause = match outcome {
            Ok(cause) => cause,
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                tracing::error!(target: "facteur", "the I/O thread stopped by a defect: {text}");
                Cause::Defect(text.into())
            }
        };
        shared.finish(&cause);
        // Ends the connection tasks and closes the sockets.
        drop(runtime);
    });
    match started {
        Ok(_detached) => Ok(()),
        Err(error) => Err(Error::Config(format!("the I/O thread could not be started: {error}").into())),
    }
}

/// Before a deadline is looked at, whatever lies in the sockets is read (K16). After a stall or a suspension of the process
/// the timer and the sockets are ready together, and this task would go first: it would tell "unknown" with the answer at
/// hand. The first yield lets the system be asked, the second lets the connections' tasks read.
async fn read_sockets_first() {
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

impl<N: Network> Driver<N> {
    pub(crate) fn new(network: N, shared: Arc<Shared>, observers: Vec<Observations>) -> Self {
        let (event_sender, events) = unbounded_channel();
        let watchers = Watchers::new(shared.number, &shared.config.client_id, observers);
        let engine = Engine::new(Arc::clone(&shared.config), entropy(), watchers.is_wanted());
        Self {
            network,
            shared,
            engine,
            sockets: BTreeMap::new(),
            events,
            event_sender,
            memory_is_short: false,
            alarm: Alarm::new(),
            watchers,
        }
    }

    /// Until a handle says stop: why it ended.
    pub(crate) async fn run(&mut self) -> Cause {
        let mut inbox = Inbox::default();
        loop {
            let mut time = self.shared.environment.publish();
            if self.engine.next_deadline().is_some_and(|at| at <= time.now) {
                read_sockets_first().await;
                time = self.shared.environment.publish();
            }
            self.shared.drain_inbox(&mut inbox);
            for _ in 0..MAX_EVENTS_AT_ONCE {
                let Ok(event) = self.events.try_recv() else { break };
                self.handle(time.now, event);
            }
            for (lane, signal) in inbox.signals.drain(..) {
                let Some(status) = self.shared.lane(lane).map(|lane| lane.status_for_engine()) else {
                    continue;
                };
                let event = match signal {
                    Signal::Opened => Event::BatchOpened { lane, status },
                    Signal::Sealed => Event::BatchSealed { lane, status },
                };
                self.engine.handle(time.now, event);
            }
            let mut stop = None;
            for command in inbox.commands.drain(..) {
                match command {
                    Command::TopicWanted(topic) => self.engine.handle(time.now, Event::TopicWanted { topic }),
                    Command::ReadyWanted => self.engine.handle(time.now, Event::ReadyWanted),
                    Command::FlushBegun => self.engine.handle(time.now, Event::FlushBegun),
                    Command::FlushEnded => self.engine.handle(time.now, Event::FlushEnded),
                    Command::CloseBegun => self.engine.handle(time.now, Event::CloseBegun),
                    Command::Stop(cause) => stop = Some(cause),
                    #[cfg(test)]
                    Command::Panic => panic!("a defect, as a test wants it"),
                }
            }
            self.watch_memory(time.now);
            if let Some(cause) = stop {
                self.engine.shut_down(time.now, &cause);
                self.perform_all(time.now);
                return cause;
            }
            self.perform_all(time.now);
            self.shared.timers.fire(time.now);
            self.shared.memory.shrink_if_idle(time.now);
            *self.shared.stats.lock().unwrap_or_else(PoisonError::into_inner) = self.engine.stats();
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        let mut wake_at = self.engine.next_deadline().unwrap_or(Instant::NEVER);
        if let Some(at) = self.shared.timers.next() {
            wake_at = wake_at.min(at);
        }
        if self.engine.has_open_batches() {
            wake_at = wake_at.min(self.shared.environment.now() + CLOCK_TICK);
        } else if let Some(at) = self.shared.memory.idle_at() {
            wake_at = wake_at.min(at);
        }
        tokio::select! {
            biased;
            event = self.events.recv() => {
                if let Some(event) = event {
                    let now = self.shared.environment.now();
                    self.handle(now, event);
                }
            }
            () = self.shared.woken() => {}
            () = self.alarm.ring(&self.shared.environment, wake_at) => {}
        }
    }

    fn handle(&mut self, now: Instant, event: Event) {
        match &event {
            Event::Disconnected { connection, .. } => {
                self.sockets.remove(connection);
            }
            Event::Connected { connection } => {
                let address =
                    self.sockets.get(connection).and_then(|socket| socket.local_address.get().copied());
                self.watchers.connected(*connection, address);
            }
            Event::TopicWanted { .. }
            | Event::ReadyWanted
            | Event::BatchOpened { .. }
            | Event::BatchSealed { .. }
            | Event::Taken { .. }
            | Event::Expired { .. }
            | Event::WriteProgress { .. }
            | Event::Written { .. }
            | Event::Received { .. }
            | Event::FlushBegun
            | Event::FlushEnded
            | Event::MemoryPressure { .. }
            | Event::CloseBegun => {}
        }
        self.engine.handle(now, event);
    }

    fn watch_memory(&mut self, now: Instant) {
        let waiting = self.shared.is_memory_short();
        if waiting != self.memory_is_short {
            self.memory_is_short = waiting;
            self.engine.handle(now, Event::MemoryPressure { waiting });
        }
    }

    fn perform_all(&mut self, now: Instant) {
        while let Some(action) = self.engine.poll(now) {
            self.perform(now, action);
        }
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Connect { connection, address, attempt, timeout, .. } => {
                self.connect(connection, Dial::new(&self.shared.config, address, attempt, timeout));
            }
            Action::Disconnect { connection, .. } => {
                if let Some(socket) = self.sockets.remove(&connection) {
                    socket.task.abort();
                }
            }
            Action::Send { connection, correlation_id, frame } => {
                if let Some(socket) = self.sockets.get(&connection)
                    && socket.frames.send(OutFrame { correlation_id, pieces: frame }).is_err()
                {
                    tracing::trace!("the connection has just ended; its event is on the way");
                }
            }
            Action::Take { lane, mode, wanted_after } => self.take(now, lane, mode, wanted_after),
            Action::ExpireLane { lane, cutoff, last } => {
                let waited = self.shared.config.delivery_timeout;
                self.expire(now, lane, cutoff, &Cause::DeliveryTimeout { waited, last });
            }
            Action::FailLane { lane, cause } => self.expire(now, lane, Instant::NEVER, &cause),
            Action::Complete { lane, batch, first_record, record_count, outcome } => {
                if let Some(lane) = self.shared.lane(lane) {
                    lane.complete(&self.shared, batch, first_record, record_count, outcome);
                }
            }
            Action::Retrying { lane, batch, attempts } => {
                if let Some(lane) = self.shared.lane(lane) {
                    lane.set_attempts(batch, attempts);
                }
            }
            Action::LimitGrowth { lane } => {
                if let Some(lane) = self.shared.lane(lane) {
                    lane.limit_growth();
                }
            }
            Action::TopicUpdated { topic, result } => self.update_topic(&topic, result),
            Action::Readiness { result } => {
                if let Err(obstacle) = &result {
                    *self.shared.obstacle.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(Arc::clone(obstacle));
                }
                *self.shared.readiness.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                notify_all(&self.shared.readiness_changed);
            }
            Action::Observe(observation) => self.watchers.tell(&self.shared.environment, observation),
        }
    }

    fn connect(&mut self, connection: ConnectionId, dial: Dial) {
        let (frames, receiver) = unbounded_channel();
        let limit = self.shared.config.receive_max_bytes;
        let local_address = Arc::new(OnceLock::new());
        let network = self.network.clone();
        #[allow(clippy::disallowed_methods, reason = "owned by the driver, see runtime/mod.rs")]
        let task = tokio::spawn(broker_connection::run::<N>(
            connection,
            async move { dial.open(&network).await },
            limit,
            receiver,
            self.event_sender.clone(),
            Arc::clone(&local_address),
        ));
        self.sockets.insert(connection, Socket { frames, task, local_address });
    }

    /// The engine's pull. What is small, or not compressed, is sealed here; the rest by the pool, which signals.
    fn take(&mut self, now: Instant, id: LaneId, mode: TakeMode, wanted_after: bool) {
        let Some(lane) = self.shared.lane(id) else { return };
        let (mut taken, mut status) = lane.take(mode, wanted_after);
        if let Taken::Seal(job) = taken {
            self.shared.seal_for_driver(&lane, job);
            (taken, status) = lane.take(TakeMode::IfFull, wanted_after);
        }
        let batch: Option<SealedBatch> = match taken {
            Taken::Batch(batch) => Some(batch),
            Taken::Seal(job) => {
                // The queue has grown full again meanwhile; its turn comes with the signal.
                self.shared.seal(&lane, job);
                None
            }
            Taken::Nothing => None,
        };
        self.engine.handle(now, Event::Taken { lane: id, batch, status });
    }

    fn expire(&mut self, now: Instant, id: LaneId, cutoff: Instant, cause: &Cause) {
        let Some(lane) = self.shared.lane(id) else { return };
        let status = lane.expire(&self.shared, cutoff, || cause.clone());
        self.engine.handle(now, Event::Expired { lane: id, status });
    }

    fn update_topic(&self, name: &Arc<str>, result: Result<Vec<PartitionView>, ErrorCode>) {
        let topic = self.shared.topics.get_or_add(name);
        match result {
            Err(code) => topic.answered(Some(code)),
            Ok(partitions) => {
                let mut lanes = Vec::with_capacity(partitions.len());
                let mut available = Vec::with_capacity(partitions.len());
                for (partition, view) in (0_i32..).zip(&partitions) {
                    lanes.push(self.shared.lane_or_new(view.lane, name, partition));
                    if view.has_leader {
                        available.push(partition);
                    }
                }
                topic.described(&lanes, available);
            }
        }
    }
}

impl<N: Network> Drop for Driver<N> {
    fn drop(&mut self) {
        for socket in self.sockets.values() {
            socket.task.abort();
        }
        let acknowledged = self.shared.counters.acknowledged.load(Ordering::Relaxed);
        tracing::debug!(target: "facteur", acknowledged, "the I/O thread ends");
    }
}
