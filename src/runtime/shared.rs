//! What handles and the I/O thread share.
//!
//! **Why so little.** The engine belongs to the I/O thread alone; what others touch is lanes, memory, the topic table,
//! and a list of what the driver should know. A signal is one push and, if the driver sleeps, one wake-up, per batch and
//! not per record. Neighbours: `driver` drains the inbox, `producer` fills it. Not here: decisions.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

use crate::accumulator::partition_queue::QueueLimits;
use crate::accumulator::producer_batch::SealJob;
use crate::config::{Compression, ProducerConfig};
use crate::engine::{BatchOutcome, EngineStats};
use crate::error::{Cause, Error};
use crate::identifiers::LaneId;
use crate::runtime::callbacks::CallbackQueue;
use crate::runtime::compression_pool::CompressionPool;
use crate::runtime::environment::Environment;
use crate::runtime::lane_account::LaneAccount;
use crate::runtime::lanes::{Lane, Signal};
use crate::runtime::memory::Memory;
use crate::runtime::sync::{AtomicBool, AtomicU8, Mutex, Notify, RwLock};
use crate::runtime::timers::CallerTimers;
use crate::runtime::topics::TopicTable;
use crate::runtime::wakers::notify_all;

/// An appender compresses batches up to this size itself; larger ones go to the pool (D-38).
const INLINE_COMPRESSION_BYTES: usize = 32 * 1024;
/// The driver compresses only what costs it next to nothing.
const DRIVER_COMPRESSION_BYTES: usize = 4 * 1024;

/// What a handle asks of the driver.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    TopicWanted(Arc<str>),
    ReadyWanted,
    FlushBegun,
    FlushEnded,
    CloseBegun,
    Stop(Cause),
    /// The defect that a test wants to see survived.
    #[cfg(test)]
    Panic,
}

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) signals: Vec<(LaneId, Signal)>,
    pub(crate) commands: Vec<Command>,
}

/// Counts of outcomes, per batch.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) acknowledged: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) unknown: AtomicU64,
}

impl Counters {
    pub(crate) const fn of(&self, outcome: &BatchOutcome) -> &AtomicU64 {
        match outcome {
            BatchOutcome::Acknowledged(_) => &self.acknowledged,
            BatchOutcome::Rejected { .. } => &self.rejected,
            BatchOutcome::Unknown { .. } => &self.unknown,
        }
    }
}

/// Numbers the producers of the process, from 1.
static NEXT_PRODUCER: AtomicU64 = AtomicU64::new(1);

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const STOPPED: u8 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Counted through the process.
    pub(crate) number: u64,
    pub(crate) config: Arc<ProducerConfig>,
    pub(crate) limits: QueueLimits,
    pub(crate) environment: Environment,
    pub(crate) memory: Arc<Memory>,
    pub(crate) topics: TopicTable,
    pub(crate) timers: CallerTimers,
    pub(crate) callbacks: CallbackQueue,
    pub(crate) compression: CompressionPool,
    pub(crate) counters: Counters,
    pub(crate) stats: Mutex<EngineStats>,
    pub(crate) readiness: Mutex<Option<Result<(), Arc<str>>>>,
    pub(crate) readiness_changed: Notify,
    pub(crate) obstacle: Mutex<Option<Arc<str>>>,
    pub(crate) stopped: Notify,
    /// Why the I/O thread ended, if that was our fault.
    defect: OnceLock<Arc<str>>,
    /// Senders that wait for a lane's share, not for memory (D-35).
    lane_waiters: AtomicUsize,
    lanes: RwLock<Vec<Arc<Lane>>>,
    inbox: Mutex<Inbox>,
    driver: Notify,
    is_driver_told: AtomicBool,
    life: AtomicU8,
}

/// See [`Shared::wait_for_lane`].
#[derive(Debug)]
pub(crate) struct LaneWaiter<'a>(&'a Shared);

impl Drop for LaneWaiter<'_> {
    fn drop(&mut self) {
        self.0.lane_waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(config: Arc<ProducerConfig>) -> Arc<Self> {
        Self::with(config, Environment::new())
    }

    pub(crate) fn with(config: Arc<ProducerConfig>, environment: Environment) -> Arc<Self> {
        Arc::new(Self {
            number: NEXT_PRODUCER.fetch_add(1, Ordering::Relaxed),
            limits: QueueLimits::new(&config),
            environment,
            memory: Memory::new(config.buffer_memory),
            topics: TopicTable::default(),
            timers: CallerTimers::default(),
            callbacks: CallbackQueue::default(),
            compression: CompressionPool::default(),
            counters: Counters::default(),
            stats: Mutex::new(EngineStats::default()),
            readiness: Mutex::new(None),
            readiness_changed: Notify::new(),
            obstacle: Mutex::new(None),
            stopped: Notify::new(),
            defect: OnceLock::new(),
            lane_waiters: AtomicUsize::new(0),
            lanes: RwLock::new(Vec::new()),
            inbox: Mutex::new(Inbox::default()),
            driver: Notify::new(),
            is_driver_told: AtomicBool::new(false),
            life: AtomicU8::new(OPEN),
            config,
        })
    }

    /// Wakes the driver unless that has been done since it last looked.
    pub(crate) fn wake(&self) {
        if !self.is_driver_told.swap(true, Ordering::AcqRel) {
            self.driver.notify_one();
        }
    }

    /// Somebody waits for a lane's share: while this lives nothing lingers, as while somebody waits for memory.
    pub(crate) fn wait_for_lane(&self) -> LaneWaiter<'_> {
        {
            // Under the lock that the driver takes before it looks, so that it cannot overlook it.
            let _inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
            self.lane_waiters.fetch_add(1, Ordering::Relaxed);
        }
        self.wake();
        LaneWaiter(self)
    }

    /// Whether somebody waits for memory or for a lane's share of it.
    pub(crate) fn is_memory_short(&self) -> bool {
        self.lane_waiters.load(Ordering::Relaxed) > 0 || self.memory.has_waiters()
    }

    pub(crate) fn signal(&self, lane: LaneId, signal: Signal) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).signals.push((lane, signal));
        self.wake();
    }

    pub(crate) fn command(&self, command: Command) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).commands.push(command);
        self.wake();
    }

    /// The driver looks: what has come since, and from now on wake it again.
    pub(crate) fn drain_inbox(&self, into: &mut Inbox) {
        self.is_driver_told.store(false, Ordering::Release);
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut inbox.signals, &mut into.signals);
        std::mem::swap(&mut inbox.commands, &mut into.commands);
    }

    /// Done when somebody has called [`Self::wake`].
    pub(crate) async fn woken(&self) {
        self.driver.notified().await;
    }

    pub(crate) fn lane(&self, lane: LaneId) -> Option<Arc<Lane>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).get(lane.index()).map(Arc::clone)
    }

    pub(crate) fn all_lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lane of this number, made if it is new. A lane made while the producer closes is born closed.
    pub(crate) fn lane_or_new(&self, id: LaneId, topic: &Arc<str>, partition: i32) -> Arc<Lane> {
        if let Some(lane) = self.lane(id) {
            return lane;
        }
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        assert!(lanes.len() == id.index(), "lanes are numbered densely: {} after {}", id, lanes.len());
        let is_closed = self.life.load(Ordering::Acquire) != OPEN;
        let account = LaneAccount::new(Arc::clone(&self.memory));
        let lane = Arc::new(Lane::new(id, Arc::clone(topic), partition, self.limits, account, is_closed));
        lanes.push(Arc::clone(&lane));
        lane
    }

    /// What last stood in the way of reaching the cluster.
    pub(crate) fn obstacle(&self) -> Option<Arc<str>> {
        self.obstacle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.life.load(Ordering::Acquire) == OPEN
    }

    /// Why nothing is accepted any more.
    pub(crate) fn refusal(&self) -> Error {
        self.defect.get().map_or(Error::Closed, |text| Error::Defect(Arc::clone(text)))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.life.load(Ordering::Acquire) == STOPPED
    }

    /// No record is accepted after this; everyone who waits to be accepted is woken.
    pub(crate) fn begin_close(&self) {
        let lanes = {
            // Under the lanes' lock, so that no lane can be born open after it.
            let lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
            let _before = self.life.compare_exchange(OPEN, CLOSING, Ordering::AcqRel, Ordering::Acquire);
            lanes.clone()
        };
        for lane in lanes {
            lane.close();
            notify_all(&lane.account.changed);
        }
        self.memory.close();
        for topic in self.topics.all() {
            notify_all(&topic.changed);
        }
        notify_all(&self.readiness_changed);
    }

    /// The I/O thread has ended: everything pending is resolved, and nobody waits for it any more.
    pub(crate) fn finish(self: &Arc<Self>, cause: &Cause) {
        if let Cause::Defect(text) = cause {
            // The first word stays.
            let _first = self.defect.set(Arc::clone(text));
        }
        self.begin_close();
        for lane in self.all_lanes() {
            lane.fail_pending(self, cause);
        }
        self.life.store(STOPPED, Ordering::Release);
        self.timers.close();
        notify_all(&self.stopped);
    }

    /// Compresses and checksums a batch that was just sealed, here or in the pool, and puts it into its place.
    pub(crate) fn seal(self: &Arc<Self>, lane: &Arc<Lane>, job: SealJob) {
        if self.config.compression == Compression::None || job.body_bytes <= INLINE_COMPRESSION_BYTES {
            self.run_seal(lane, job);
        } else if let Err(job) = self.compression.offer(self, lane, job) {
            self.run_seal(lane, *job);
        }
    }

    /// As [`Self::seal`], for the driver: it never compresses much, and needs no signal for what it takes next.
    pub(crate) fn seal_for_driver(self: &Arc<Self>, lane: &Arc<Lane>, job: SealJob) {
        let is_large =
            self.config.compression != Compression::None && job.body_bytes > DRIVER_COMPRESSION_BYTES;
        let job = if is_large {
            match self.compression.offer(self, lane, job) {
                Ok(()) => return,
                Err(job) => *job,
            }
        } else {
            job
        };
        match job.run() {
            Ok(batch) => {
                let _next_is_taken_at_once = lane.complete_seal(batch);
            }
            Err(failed) => lane.fail_seal(self, &failed.0, &failed.1),
        }
    }

    pub(crate) fn run_seal(self: &Arc<Self>, lane: &Arc<Lane>, job: SealJob) {
        match job.run() {
            Ok(batch) => {
                if let Some(signal) = lane.complete_seal(batch) {
                    self.signal(lane.id, signal);
                }
            }
            Err(failed) => lane.fail_seal(self, &failed.0, &failed.1),
        }
    }
}
