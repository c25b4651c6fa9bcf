//! What goes out next: which lane, which batch, in which request.
//!
//! **Why it pulls.** A batch is taken from its lane only when a connection could take it now; until then the lane's
//! open batch may grow (D-29, D-31). And it is stamped only as it is handed to the connection, so that no sequence is
//! ever given to a batch that never left (K15).
//!
//! Neighbours: [`super::lane`] holds the batches, `runtime::driver` performs what is asked for. Not here: answers.

use crate::accumulator::partition_queue::TakeMode;
use crate::config::Acks;
use crate::engine::in_flight_requests::{InFlight, RequestKind, SentBatch};
use crate::engine::lane::{Attempt, MAX_WINDOW};
use crate::engine::request_topics::RequestTopics;
use crate::engine::resolution::Late;
use crate::engine::timers::Timer;
use crate::engine::{Action, Engine, Observation};
use crate::error::{Cause, ErrorCode};
use crate::identifiers::{ConnectionId, LaneId, NodeId};
use crate::mutants::{self, Mark, Mutant, Nudge};
use crate::time::Instant;
use crate::wire::api::ApiKey;
use crate::wire::api::produce::{PartitionBatch, ProduceRequest, encode_request};
use crate::wire::record_batch::{CodecId, ProducerStamp, encode_header};

/// What framing adds to one batch in a request, generously.
const PARTITION_FRAMING_BYTES: usize = 300;

/// A request is full when so many batches that are ready did not fit.
const MAX_MISFITS: usize = 8;
/// The first version of Produce that may carry zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
const NO_ZSTD: &str = "zstd needs a broker of Kafka 2.1 or later (Produce 7)";
const TOO_OLD: &str = "the broker speaks no version of Produce from 3 to 13";

/// What a lane needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing, until something happens.
    Idle,
    /// Nothing before this time.
    Wait(Instant),
    /// A leader.
    Leader,
    /// A connection to its leader.
    Connection(NodeId),
    /// A producer id.
    ProducerId,
    /// To send the batch at this place of the window.
    Send(NodeId, ConnectionId, usize),
    /// To take a batch from its queue.
    Take(NodeId, ConnectionId, TakeMode),
}

/// What goes into a node's next request. Kept by the engine, so that choosing asks for no memory.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// With the batch's place in the window.
    chosen: Vec<(LaneId, usize)>,
    takes: Vec<(LaneId, TakeMode)>,
    gone: Vec<LaneId>,
    /// A lane of the node waits for its batch.
    is_taking: bool,
    /// What the request may still grow by, what is to be taken included.
    room: usize,
    /// Batches that are ready and did not fit.
    misfits: usize,
}

impl Choice {
    fn begin(&mut self, room: usize) {
        self.chosen.clear();
        self.takes.clear();
        self.gone.clear();
        (self.is_taking, self.room, self.misfits) = (false, room, 0);
    }

    /// Whether looking at more lanes is not worth it, when another batch of usual size needs `usual` bytes.
    fn is_full(&self, usual: usize) -> bool {
        let has_some = !self.chosen.is_empty() || !self.takes.is_empty();
        has_some && (self.room < usual || self.misfits >= MAX_MISFITS)
    }
}

impl Engine {
    /// Deadlines, resets, and the lane's next step.
    pub(super) fn look_at(&mut self, lane: LaneId) {
        if let Some(state) = self.lanes.get_mut(lane.index()) {
            state.is_dirty = false;
        }
        self.check_deadlines(lane);
        self.progress_reset(lane);
        let step = self.next_step(lane);
        let mut wake_at = self.lane_deadline(lane);
        match step {
            Step::Idle => {}
            Step::Wait(at) => wake_at = wake_at.min(at),
            Step::Leader => self.want_metadata_for_leader(),
            Step::Connection(node) => self.want_connection(node),
            Step::ProducerId => self.request_producer_id(),
            Step::Send(node, ..) | Step::Take(node, ..) => self.mark_ready(lane, node),
        }
        self.timers.set(Timer::Lane(lane), wake_at);
    }

    fn mark_ready(&mut self, lane: LaneId, node: NodeId) {
        let Some(state) = self.lanes.get_mut(lane.index()) else { return };
        if state.ready_on.is_some_and(|place| place.node == node) {
            return;
        }
        // In one line only: a lane that moves away and back would otherwise be served twice in one request.
        if let Some(before) = state.ready_on {
            self.ready.leave(lane, before);
        }
        state.ready_on = Some(self.ready.enter(lane, node));
    }

    /// Serves the nodes whose connections can take something; true if anything was done.
    pub(super) fn pump(&mut self) -> bool {
        let mut worked = false;
        let mut last = None;
        while let Some(node) = self.ready.node_after(last) {
            worked |= self.pump_node(node);
            last = Some(node);
        }
        worked
    }

    fn pump_node(&mut self, node: NodeId) -> bool {
        let Some(connection) = self.cluster.node(node).and_then(|node| node.connection) else {
            return self.unready(node);
        };
        let can_produce = self
            .connections
            .get(&connection)
            .is_some_and(|open| open.can_produce(self.now, self.config.max_in_flight));
        if !can_produce {
            return false;
        }
        let mut choice = std::mem::take(&mut self.choice);
        choice.begin(self.config.max_request_size);
        self.choose(node, &mut choice);
        let worked = self.serve(node, connection, &mut choice);
        self.choice = choice;
        worked
    }

    /// Looks along the node's line for what the next request may hold, and no further.
    fn choose(&mut self, node: NodeId, choice: &mut Choice) {
        let usual = self.usual_batch_bytes();
        let look = |lane| self.look_for(lane, node, usual, choice);
        if mutants::buggify(Nudge::ShuffleReady) {
            self.ready.line(node).rev().all(look);
        } else {
            self.ready.line(node).all(look);
        }
        for lane in &choice.gone {
            self.leave_ready(*lane);
        }
    }

    /// Notes what a lane of the line wants; false if there is no use in looking further.
    fn look_for(&self, lane: LaneId, node: NodeId, usual: usize, choice: &mut Choice) -> bool {
        match self.next_step(lane) {
            Step::Send(to, _, place) if to == node => {
                let state = &self.lanes[lane.index()];
                let size = state.window[place].batch.size_bytes() + PARTITION_FRAMING_BYTES;
                let fits = choice.chosen.is_empty() || size <= choice.room;
                if !fits || (state.travels_alone && !choice.chosen.is_empty()) {
                    choice.misfits += 1;
                    return !choice.is_full(usual);
                }
                choice.room = choice.room.saturating_sub(size);
                choice.chosen.push((lane, place));
                if state.travels_alone {
                    choice.takes.clear();
                    return false;
                }
            }
            Step::Take(to, _, mode) if to == node => {
                choice.room = choice.room.saturating_sub(usual);
                choice.takes.push((lane, mode));
            }
            Step::Idle if self.lanes[lane.index()].taking => choice.is_taking = true,
            Step::Idle
            | Step::Wait(_)
            | Step::Leader
            | Step::Connection(_)
            | Step::ProducerId
            | Step::Send(..)
            | Step::Take(..) => choice.gone.push(lane),
        }
        !choice.is_full(usual)
    }

    /// Takes what is to be taken; when there is nothing more to take, sends.
    fn serve(&mut self, node: NodeId, connection: ConnectionId, choice: &mut Choice) -> bool {
        if !choice.takes.is_empty() {
            for (lane, mode) in choice.takes.drain(..) {
                self.take(lane, connection, mode);
            }
            return true;
        }
        if choice.is_taking || choice.chosen.is_empty() {
            return !choice.gone.is_empty() && !choice.is_taking;
        }
        self.send(node, connection, &choice.chosen);
        true
    }

    /// What a batch needs in a request, as the last ones were: so many are taken at once as will fit. It counts at most as
    /// `batch.size`, because what grew beyond it did so while it could not be sent.
    fn usual_batch_bytes(&self) -> usize {
        self.usual_batch_bytes.min(self.config.batch_size.max(1)) + PARTITION_FRAMING_BYTES
    }

    /// A node without a connection has no ready lanes: each is looked at again, and asks for one.
    fn unready(&mut self, node: NodeId) -> bool {
        let lanes: Vec<LaneId> = self.ready.line(node).collect();
        for lane in &lanes {
            self.leave_ready(*lane);
        }
        !lanes.is_empty()
    }

    fn leave_ready(&mut self, lane: LaneId) {
        if let Some(place) = self.lanes.get_mut(lane.index()).and_then(|state| state.ready_on.take()) {
            self.ready.leave(lane, place);
        }
        self.touch(lane);
    }

    fn take(&mut self, lane: LaneId, connection: ConnectionId, mode: TakeMode) {
        let limit = self.window_limit();
        let is_enabled = self.producer_id.is_enabled();
        let Some(state) = self.lanes.get_mut(lane.index()) else { return };
        state.taking = true;
        let gate_is_open = !is_enabled || state.sequences.is_gate_open(state.gate_for(connection), self.now);
        let wanted_after = gate_is_open && state.window.len() + 1 < limit && !state.recovering;
        state.is_wanted = wanted_after;
        self.actions.push_back(Action::Take { lane, mode, wanted_after });
    }

    fn window_limit(&self) -> usize {
        if mutants::is_on(Mutant::K6) {
            return usize::MAX;
        }
        if self.config.enable_idempotence && self.config.max_in_flight > MAX_WINDOW {
            MAX_WINDOW
        } else {
            self.config.max_in_flight
        }
    }

    /// What the lane needs now. Pure: changes nothing.
    fn next_step(&self, lane: LaneId) -> Step {
        let Some(state) = self.lanes.get(lane.index()) else { return Step::Idle };
        if state.taking || (state.window.is_empty() && state.queue.is_empty()) {
            return Step::Idle;
        }
        let place = self.next_place(lane);
        if place.is_none() && (state.window.len() >= self.window_limit() || state.reset.is_some()) {
            return Step::Idle;
        }
        let linger_ends = self.linger_ends(lane);
        let is_due = place.is_some() || linger_ends.is_some_and(|at| at <= self.now);
        if !is_due && (state.is_wanted || state.queue.open_since.is_none()) {
            return linger_ends.map_or(Step::Idle, Step::Wait);
        }
        let Some(node) = state.leader else { return Step::Leader };
        let not_before = state.backoff_until.max(self.refused_until);
        if not_before > self.now {
            return Step::Wait(not_before);
        }
        let connection = match self.ready_connection(node) {
            Ok(connection) => connection,
            Err(step) => return step,
        };
        if state.open_connection().is_some_and(|open| open != connection) && !mutants::is_on(Mutant::K8) {
            mutants::mark(Mark::WaitsForOldAnswers);
            // K8: the old connection still owes answers.
            return Step::Idle;
        }
        let has_identity = state.sequences.identity().is_some() || self.producer_id.current().is_some();
        if self.producer_id.is_enabled() && !has_identity {
            return Step::ProducerId;
        }
        let gate_is_open = !self.producer_id.is_enabled()
            || state.sequences.is_gate_open(state.gate_for(connection), self.now)
            || mutants::is_on(Mutant::K5);
        let recovering = state.recovering && !mutants::is_on(Mutant::K6);
        let one_at_a_time = !gate_is_open || recovering || state.travels_alone || state.reset.is_some();
        if one_at_a_time && state.open_attempts_on(connection) > 0 {
            return Step::Idle;
        }
        match place {
            Some(place) if recovering && state.reset.is_none() && Some(place) != state.head() => Step::Idle,
            Some(place) => Step::Send(node, connection, place),
            None if is_due => Step::Take(node, connection, TakeMode::Always),
            // The batch may have grown full while it was not wanted; if not, it is wanted from now on.
            None => Step::Take(node, connection, TakeMode::IfFull),
        }
    }

    /// The place of the next batch of the window to go out.
    fn next_place(&self, lane: LaneId) -> Option<usize> {
        let state = self.lanes.get(lane.index())?;
        let limit = self.window_limit();
        let waiting = |batch: &crate::engine::lane::WindowBatch| batch.is_pending() && batch.open.is_none();
        if state.reset.is_some() {
            // Only what is in doubt goes out, head first, under the old identity (D-6).
            return state.window.iter().position(|batch| waiting(batch) && batch.doubt.is_some());
        }
        state.window.iter().position(waiting).filter(|place| *place < limit)
    }

    fn ignores_linger(&self) -> bool {
        self.flushes > 0 || self.memory_is_short || self.is_closing
    }

    /// When the lane's queue has something to take, if it has anything.
    fn linger_ends(&self, lane: LaneId) -> Option<Instant> {
        let state = self.lanes.get(lane.index())?;
        if state.queue.has_ready {
            return Some(Instant::ZERO);
        }
        if state.queue.is_sealing() {
            // Even a full open batch waits behind it: the queue says when the codec is done.
            return None;
        }
        if state.queue.open_is_full {
            return Some(Instant::ZERO);
        }
        let since = state.queue.open_since?;
        Some(if self.ignores_linger() { Instant::ZERO } else { since + self.config.linger })
    }

    fn ready_connection(&self, node: NodeId) -> Result<ConnectionId, Step> {
        let Some(known) = self.cluster.node(node) else { return Err(Step::Leader) };
        let Some(connection) = known.connection else { return Err(Step::Connection(node)) };
        match self.connections.get(&connection) {
            Some(open) if open.is_ready() => {
                if open.throttled_until > self.now {
                    return Err(Step::Wait(open.throttled_until));
                }
                Ok(connection)
            }
            _ => Err(Step::Idle),
        }
    }

    /// Stamps the chosen batches and hands them to the connection in one request.
    fn send(&mut self, node: NodeId, connection: ConnectionId, chosen: &[(LaneId, usize)]) {
        let now = self.now;
        let Some(version) = self.produce_version(connection, chosen) else {
            self.refuse_old_broker(chosen, ErrorCode::UNSUPPORTED_VERSION, TOO_OLD);
            return;
        };
        if version < ZSTD_SINCE && chosen.iter().any(|it| self.is_zstd(*it)) {
            // The others are chosen anew: what ends here may change what may be sent.
            let packed: Vec<_> = chosen.iter().copied().filter(|it| self.is_zstd(*it)).collect();
            self.refuse_old_broker(&packed, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, NO_ZSTD);
            return;
        }
        let acks = match self.config.acks {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        };
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let correlation_id = open.correlation_id();
        let mut sent = Vec::with_capacity(chosen.len());
        let mut topics = RequestTopics::default();
        for (lane, place) in chosen {
            let batch = self.stamp(*lane, *place, connection);
            let state = &self.lanes[lane.index()];
            let topic_id = self.cluster.topic_id(&state.topic);
            let window = &state.window[*place].batch;
            sent.push(SentBatch {
                lane: *lane,
                batch: window.number,
                first_record: window.first_record,
                topic_id,
            });
            topics.add(&state.topic, topic_id, batch);
            self.leave_ready(*lane);
            self.observe_sent((*lane, *place), node, connection, correlation_id);
        }
        let frame = encode_request(ProduceRequest {
            version,
            correlation_id,
            client_id: &self.config.client_id,
            acks,
            timeout_ms: i32::try_from(self.config.request_timeout.as_millis()).unwrap_or(i32::MAX),
            topics: topics.batches(),
        });
        self.stats.requests_sent += 1;
        self.hand_over(
            connection,
            InFlight {
                correlation_id,
                version,
                kind: RequestKind::Produce(sent),
                sent_at: now,
                written_at: None,
                expects_answer: acks != 0,
            },
            frame,
        );
    }

    /// The batch gets its name, once; each attempt is counted and sends the same bytes \[IDEM-3\].
    fn stamp(&mut self, lane: LaneId, place: usize, connection: ConnectionId) -> PartitionBatch {
        if mutants::is_on(Mutant::K1) {
            self.follow_the_producer(lane);
        }
        let now = self.now;
        let current = self.producer_id.current();
        let state = &mut self.lanes[lane.index()];
        let gate = state.gate_for(connection);
        let gate_was_open = state.sequences.is_gate_open(gate, self.now);
        let batch = &mut state.window[place];
        let is_new_stamp = batch.stamp.is_none();
        assert!(batch.open.is_none(), "[IDEM-6] a batch must not be on its way twice");
        if batch.stamp.is_none()
            && let Some(current) = current.or_else(|| state.sequences.identity())
        {
            batch.stamp = Some(state.sequences.assign(current, batch.batch.record_count()));
        }
        if mutants::is_on(Mutant::K7) && batch.attempts > 0 {
            batch.batch.summary.max_timestamp_ms += 1;
        }
        batch.attempts += 1;
        batch.open = Some(Attempt { connection, leader_epoch: gate.leader_epoch, gate_was_open });
        let (size_bytes, records) = (batch.batch.size_bytes() as u64, u64::from(batch.batch.record_count()));
        self.stats.bytes_sent += size_bytes;
        self.stats.records_sent += records;
        if batch.attempts == 1 {
            batch.first_attempt_at = Some(now);
            let queued_us = micros(now.since(batch.batch.created_at));
            self.stats.batches_sent += 1;
            self.stats.queue_time_sum_us += queued_us;
            self.stats.distributions.queue_time_us.observe(queued_us);
            self.stats.distributions.batch_size_bytes.observe(size_bytes);
        } else {
            self.stats.batches_retried += 1;
            self.stats.records_retried += records;
            self.actions.push_back(Action::Retrying {
                lane,
                batch: batch.batch.number,
                attempts: batch.attempts,
            });
        }
        let stamp = batch
            .stamp
            .map(|stamp| ProducerStamp { identity: stamp.identity, base_sequence: stamp.base.to_wire() });
        let is_new_stamp = is_new_stamp && stamp.is_some();
        let named = PartitionBatch {
            partition: state.partition,
            header: encode_header(&batch.batch.summary, stamp),
            body: batch.batch.body.clone(),
        };
        if self.is_observed && is_new_stamp {
            let batch = self.batch_name(lane, place);
            self.observe(|| Observation::BatchStamped { batch });
        }
        named
    }

    fn observe_sent(
        &mut self,
        (lane, place): (LaneId, usize),
        node: NodeId,
        connection: ConnectionId,
        correlation_id: i32,
    ) {
        if !self.is_observed {
            return;
        }
        let sealed = &self.lanes[lane.index()].window[place].batch;
        let (size_bytes, waited_us) = (sealed.size_bytes(), micros(self.now.since(sealed.created_at)));
        let batch = self.batch_name(lane, place);
        self.observe(|| Observation::BatchSent {
            batch,
            node,
            connection,
            correlation_id,
            size_bytes,
            waited_us,
        });
    }

    /// D-44: the connection's highest, but 13 only if every topic in the request has an id. None if the broker is too old.
    fn produce_version(&self, connection: ConnectionId, chosen: &[(LaneId, usize)]) -> Option<i16> {
        let open = self.connections.get(&connection)?;
        let highest = open.version(ApiKey::Produce)?;
        let has_ids =
            chosen.iter().all(|(lane, _)| self.cluster.topic_id(&self.lanes[lane.index()].topic).is_known());
        Some(if highest >= 13 && !has_ids { 12 } else { highest })
    }

    fn is_zstd(&self, (lane, place): (LaneId, usize)) -> bool {
        self.lanes[lane.index()].window[place].batch.summary.codec == CodecId::Zstd
    }

    /// Nothing is written: a clean batch is certainly not in the log. One in doubt may be, by an attempt on a connection to
    /// a broker that was not too old; no resend cures that (D-13).
    fn refuse_old_broker(&mut self, chosen: &[(LaneId, usize)], code: ErrorCode, text: &'static str) {
        let names: Vec<_> = chosen
            .iter()
            .map(|(lane, place)| {
                let batch = &self.lanes[lane.index()].window[*place].batch;
                (*lane, batch.number, batch.first_record)
            })
            .collect();
        for (lane, number, first_record) in names {
            if let Some(place) = self.lanes[lane.index()].position(number, first_record) {
                let cause = Cause::Broker { code, message: text.into() };
                if self.lanes[lane.index()].window[place].may_be_in_the_log() {
                    self.end_in_doubt(lane, place, cause, Late::GiveUp);
                } else {
                    self.end_without_the_log(lane, place, cause);
                }
            }
            self.touch(lane);
        }
    }

    /// Writes a request and counts it as open.
    pub(super) fn hand_over(
        &mut self,
        connection: ConnectionId,
        request: InFlight,
        frame: Vec<bytes::Bytes>,
    ) {
        let now = self.now;
        let request_timeout = self.config.request_timeout;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        if open.in_flight.unwritten() == 0 {
            // Writing begins now: silence before it was not the socket's.
            open.last_progress = now;
        }
        if open.in_flight.is_empty() {
            open.last_answer = now;
        }
        let correlation_id = request.correlation_id;
        open.in_flight.add(request);
        let deadline = open.request_deadline(request_timeout);
        self.timers.set(Timer::Connection(connection), deadline);
        self.actions.push_back(Action::Send { connection, correlation_id, frame });
    }
}

/// Whole microseconds.
pub(super) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
