//! Every decision a Kafka producer takes about a sealed batch, as a value.
//!
//! **Why a value.** The engine does no I/O, reads no clock and draws no randomness of its own: it is a function of what
//! it is told. So the code that ships is the code that a simulation can run through hours of faults in milliseconds,
//! twice the same. Its promises are numbered in `docs/invariants.md`.
//!
//! # The doors
//!
//! | door | meaning |
//! |---|---|
//! | [`Engine::handle`] | something happened |
//! | [`Engine::poll`] | what to do next; the only place where due timers fire |
//! | [`Engine::next_deadline`] | when to come back if nothing happens |
//!
//! **The contract.** After any event call `poll` until it answers `None`, then wait for input or the deadline. An extra
//! `poll` is harmless, a late one only delays. Time must not go backwards: asserted.
//!
//! Neighbours: `runtime::driver` is its body, [`crate::accumulator`] its supply. Not here: transactions, whose room is
//! beside `producer_id_state`.

pub mod action;
mod asked_brokers;
mod backoff;
mod connection_states;
mod connections;
pub mod distribution;
pub mod event;
mod in_flight_requests;
mod lane;
mod metadata;
mod mutated;
pub mod observation;
mod offset_regression;
mod partition_sequences;
mod produce_response;
mod producer_id;
mod producer_id_state;
mod ready_lanes;
mod request_topics;
mod resolution;
mod sender;
pub mod stats;
mod timers;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub use action::{Acknowledged, Action, BatchOutcome, PartitionView};
pub use distribution::{Distribution, Distributions};
pub use event::Event;
pub use observation::{BatchName, Observation};
pub use stats::EngineStats;

use crate::config::ProducerConfig;
use crate::engine::backoff::Backoff;
use crate::engine::connection_states::Connection;
use crate::engine::lane::{Lane, WindowBatch};
use crate::engine::metadata::Cluster;
use crate::engine::producer_id_state::ProducerIdState;
use crate::engine::ready_lanes::ReadyLanes;
use crate::engine::timers::{Timer, TimerTable};
use crate::identifiers::{ConnectionId, LaneId, NodeId};
use crate::mutants::{self, Mutant, Nudge};
use crate::sequence::Sequence;
use crate::time::Instant;

/// The producer's decisions. See the module's documentation for the contract of its doors.
#[derive(Debug)]
pub struct Engine {
    config: Arc<ProducerConfig>,
    random: StdRng,
    now: Instant,
    actions: VecDeque<Action>,
    timers: TimerTable,
    lanes: Vec<Lane>,
    dirty: VecDeque<LaneId>,
    ready: ReadyLanes,
    choice: sender::Choice,
    /// Bytes of a batch, as the last ones were.
    usual_batch_bytes: usize,
    cluster: Cluster,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    producer_id: ProducerIdState,
    retry_backoff: Backoff,
    reconnect_backoff: Backoff,
    /// After a refusal of the whole producer nothing is produced before this (D-24).
    refused_until: Instant,
    flushes: usize,
    /// Bytes of batches that are resent although their callers were told "unknown".
    late_bytes: usize,
    /// Lanes whose queue is not empty.
    queues_in_use: usize,
    memory_is_short: bool,
    is_closing: bool,
    ready_wanted: bool,
    is_observed: bool,
    /// Where the sequences of lanes begin: 0, unless a simulation wants to see them wrap.
    first_sequence: Sequence,
    /// Where the correlation ids of connections begin: 0, unless a simulation wants to see them wrap.
    first_correlation_id: i32,
    stats: EngineStats,
}

impl Engine {
    /// An engine at the beginning of time. `seed` feeds the jitter of its backoffs and nothing else; `is_observed` says
    /// whether [`Action::Observe`] is wanted.
    #[must_use]
    pub fn new(config: Arc<ProducerConfig>, seed: u64, is_observed: bool) -> Self {
        let producer_id = if config.enable_idempotence {
            ProducerIdState::Needed { retry_at: Instant::ZERO, failures: 0 }
        } else {
            ProducerIdState::Disabled
        };
        Self {
            random: StdRng::seed_from_u64(seed),
            now: Instant::ZERO,
            actions: VecDeque::new(),
            timers: TimerTable::default(),
            lanes: Vec::new(),
            dirty: VecDeque::new(),
            ready: ReadyLanes::default(),
            choice: sender::Choice::default(),
            usual_batch_bytes: config.batch_size,
            cluster: Cluster::new(&config.bootstrap_servers),
            connections: BTreeMap::new(),
            next_connection: 0,
            producer_id,
            retry_backoff: Backoff::new(config.retry_backoff, config.retry_backoff_max),
            reconnect_backoff: Backoff::new(config.reconnect_backoff, config.reconnect_backoff_max),
            refused_until: Instant::ZERO,
            flushes: 0,
            late_bytes: 0,
            queues_in_use: 0,
            memory_is_short: false,
            is_closing: false,
            ready_wanted: false,
            is_observed,
            first_sequence: Sequence::ZERO,
            first_correlation_id: 0,
            stats: EngineStats::default(),
            config,
        }
    }

    /// For simulations: lanes that are learnt from now on begin at `first` instead of 0, under their first identity only.
    /// Nobody sends two thousand million records to see a sequence wrap; brokers accept any first sequence of a producer
    /// that they do not know (D2, D3).
    pub const fn prime_sequences(&mut self, first: Sequence) {
        self.first_sequence = first;
    }

    /// For simulations: connections that are opened from now on number their requests from `first` instead of 0, so that
    /// the wrap is met without two thousand million requests.
    pub const fn prime_correlation_ids(&mut self, first: i32) {
        self.first_correlation_id = first;
    }

    /// Something happened at `now`.
    ///
    /// # Panics
    ///
    /// If `now` is before the last time handed in.
    pub fn handle(&mut self, now: Instant, event: Event) {
        self.advance(now);
        if mutants::is_on(Mutant::K16) {
            self.fire_before_reading();
        }
        match event {
            Event::TopicWanted { topic } => self.want_topic(&topic),
            Event::ReadyWanted => self.want_ready(),
            Event::BatchOpened { lane, status } => self.queue_changed(lane, status),
            Event::BatchSealed { lane, status } => {
                if let Some(state) = self.lanes.get_mut(lane.index()) {
                    state.is_wanted = false;
                }
                self.queue_changed(lane, status);
            }
            Event::Taken { lane, batch, status } => self.taken(lane, batch, status),
            Event::Expired { lane, status } => {
                if let Some(state) = self.lanes.get_mut(lane.index()) {
                    state.expiring = false;
                }
                self.queue_changed(lane, status);
            }
            Event::Connected { connection } => self.connected(connection),
            Event::Disconnected { connection, reason } => self.disconnected(connection, &reason),
            Event::WriteProgress { connection } => self.write_progress(connection),
            Event::Written { connection, correlation_id } => self.written(connection, correlation_id),
            Event::Received { connection, frame } => self.received(connection, &frame),
            Event::FlushBegun => {
                self.flushes += 1;
                self.touch_all();
            }
            Event::FlushEnded => self.flushes = self.flushes.saturating_sub(1),
            Event::MemoryPressure { waiting } => {
                self.memory_is_short = waiting;
                if waiting {
                    self.touch_all();
                }
            }
            Event::CloseBegun => {
                self.is_closing = true;
                self.touch_all();
            }
        }
    }

    /// What to do next, or `None` if there is nothing until [`Self::next_deadline`].
    ///
    /// # Panics
    ///
    /// If `now` is before the last time handed in.
    pub fn poll(&mut self, now: Instant) -> Option<Action> {
        self.advance(now);
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if let Some(timer) = self.timers.pop_due(now) {
                self.fire(timer);
            } else if let Some(lane) = self.dirty.pop_front() {
                self.look_at(lane);
            } else if !self.pump() {
                return self.actions.pop_front();
            }
        }
    }

    /// When to call [`Self::poll`] again if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Counters since the beginning.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let mut stats = self.stats;
        stats.requests_in_flight =
            self.connections.values().map(|connection| connection.in_flight.produce_count() as u64).sum();
        stats
    }

    /// Whether any lane still resends a batch whose caller was told "unknown".
    #[must_use]
    pub fn has_late_resolution(&self) -> bool {
        self.lanes.iter().any(|lane| lane.window.iter().any(|batch| batch.told && batch.is_pending()))
    }

    /// Whether any lane's queue holds a batch: while one is open, the runtime keeps its shared clock fresh.
    #[must_use]
    pub fn has_open_batches(&self) -> bool {
        self.queues_in_use > 0
    }

    fn advance(&mut self, now: Instant) {
        assert!(now >= self.now, "[ENG-1] time went backwards: {:?} after {:?}", now, self.now);
        self.now = now;
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Lane(lane) => self.touch(lane),
            Timer::Connection(connection) => self.connection_timer(connection),
            Timer::Metadata => self.metadata_timer(),
            Timer::ProducerId => self.request_producer_id(),
        }
    }

    /// Puts a lane on the list of those to be looked at.
    fn touch(&mut self, lane: LaneId) {
        if let Some(state) = self.lanes.get_mut(lane.index())
            && !state.is_dirty
        {
            state.is_dirty = true;
            self.dirty.push_back(lane);
        }
    }

    fn touch_all(&mut self) {
        for index in 0..self.lanes.len() {
            if self.lanes.get(index).is_some_and(|lane| !lane.is_idle() || lane.reset.is_some()) {
                self.touch(lane_id(index));
            }
        }
    }

    fn touch_node(&mut self, node: NodeId) {
        for index in 0..self.lanes.len() {
            if self
                .lanes
                .get(index)
                .is_some_and(|lane| lane.leader == Some(node) && (!lane.is_idle() || lane.reset.is_some()))
            {
                self.touch(lane_id(index));
            }
        }
    }

    fn queue_changed(&mut self, lane: LaneId, status: crate::accumulator::partition_queue::QueueStatus) {
        let now = self.now;
        if let Some(state) = self.lanes.get_mut(lane.index()) {
            self.queues_in_use -= usize::from(!state.queue.is_empty());
            self.queues_in_use += usize::from(!status.is_empty());
            state.queue = status;
            state.last_used = now;
        }
        self.touch(lane);
    }

    fn taken(
        &mut self,
        lane: LaneId,
        batch: Option<crate::accumulator::producer_batch::SealedBatch>,
        status: crate::accumulator::partition_queue::QueueStatus,
    ) {
        if let Some(batch) = &batch {
            self.usual_batch_bytes =
                self.usual_batch_bytes - self.usual_batch_bytes / 8 + batch.size_bytes() / 8;
        }
        if let Some(state) = self.lanes.get_mut(lane.index()) {
            state.taking = false;
            match batch {
                Some(batch) => state.window.push_back(WindowBatch::new(batch)),
                None => state.is_wanted = true,
            }
        }
        if mutants::is_on(Mutant::K15) {
            self.stamp_early(lane);
        }
        if mutants::buggify(Nudge::SplitBatch) {
            self.cut_the_newest(lane);
        }
        self.queue_changed(lane, status);
    }

    fn observe(&mut self, make: impl FnOnce() -> Observation) {
        if self.is_observed {
            self.actions.push_back(Action::Observe(make()));
        }
    }

    /// A batch as observations name it.
    fn batch_name(&self, lane: LaneId, place: usize) -> BatchName {
        let state = &self.lanes[lane.index()];
        let batch = &state.window[place];
        BatchName {
            lane,
            topic: Arc::clone(&state.topic),
            partition: state.partition,
            batch: batch.batch.number,
            stamp: batch.stamp.map(|stamp| (stamp.identity, stamp.base.to_wire())),
            first_record: batch.batch.first_record,
            records: batch.batch.record_count(),
            attempt: batch.attempts,
        }
    }
}

/// The id of the lane at `index`; there are fewer than `u32::MAX` lanes, since each is a partition in metadata.
fn lane_id(index: usize) -> LaneId {
    LaneId(u32::try_from(index).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
