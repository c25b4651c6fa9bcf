//! The producer's body: what `runtime` is to the engine, in virtual time and without threads.
//!
//! The engine, the partition queues and the memory account are those that ship. Around them stands here what
//! `runtime::driver`, `runtime::lanes` and `runtime::shared` do around them: one turn handles socket events, signals,
//! commands and memory pressure, then polls until there is nothing left to do, sockets before timers (K16). Neighbours:
//! `senders` is the application's half, `world` moves the bytes. Not here: decisions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use facteur::accumulator::partition_queue::{PartitionQueue, QueueLimits, QueueStatus, TakeMode, Taken};
use facteur::accumulator::partitioner::SharedSticky;
use facteur::accumulator::producer_batch::SealJob;
use facteur::engine::{Action, BatchOutcome, Engine, Event, PartitionView};
use facteur::identifiers::{BatchNumber, ConnectionId, LaneId};
use facteur::time::Instant;
use facteur::{Cause, ErrorCode, ProducerConfig};

use super::context::{Acked, Context};
use super::memory::{Memory, Share};
use super::queue::Happening;
use super::senders::Senders;
use super::shape;
use super::tape::Draw;
use super::trace::note_event;
use super::wiretap::Wiretap;
use crate::oracle::{Lane, RecordId, RequestKind, Told};

/// Socket events handled before the engine is asked what to do, as in the runtime.
const MAX_EVENTS_AT_ONCE: usize = 256;
/// No turn takes longer than this many actions: an engine that never comes to rest is a defect.
const MAX_ACTIONS: usize = 100_000;

/// What the driver is told of a lane.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    Opened,
    Sealed,
}

/// What a handle asks of the driver.
#[derive(Debug, Clone)]
pub enum Command {
    TopicWanted(Arc<str>),
    FlushBegun,
    FlushEnded,
    CloseBegun,
    Stop,
}

/// One partition.
#[derive(Debug)]
pub struct BodyLane {
    pub topic: usize,
    pub partition: i32,
    /// As the oracle and the payload name it.
    pub lane: Lane,
    pub queue: PartitionQueue,
    pub share: Arc<Share>,
    pub last_progress: Instant,
    pub sticky_bytes: usize,
    is_known: bool,
    /// Records in the order of acceptance.
    ids: Vec<RecordId>,
    /// Where in `ids` each batch begins; batches are numbered densely.
    starts: Vec<usize>,
    /// The number behind the newest batch that was taken or expired.
    next_taken: u64,
}

/// One topic, as the senders see it.
#[derive(Debug)]
pub struct BodyTopic {
    pub name: Arc<str>,
    /// The oracle's lane of partition 0.
    pub first_lane: u32,
    pub lanes: Vec<LaneId>,
    pub available: Vec<i32>,
    pub is_known: bool,
    pub error: Option<ErrorCode>,
    /// Answers about the topic so far.
    pub answers: u64,
    pub sticky: SharedSticky,
}

/// Where the producer's life stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Open,
    Closing,
    Stopped,
}

/// One producer process.
#[derive(Debug)]
pub struct Producer {
    pub number: usize,
    pub engine: Engine,
    pub config: Arc<ProducerConfig>,
    pub limits: QueueLimits,
    pub lanes: Vec<BodyLane>,
    pub topics: Vec<BodyTopic>,
    pub memory: Arc<Memory>,
    pub senders: Senders,
    pub life: Life,
    /// The whole process is stopped (SIGSTOP, a laptop's lid).
    pub is_suspended: bool,
    /// Batches with more bytes than this go to the codec's threads, whose delay is drawn.
    pub inline_bytes: usize,
    pub codec_delay_us: u64,
    /// Records that were accepted and have no outcome yet.
    pub unresolved: u64,
    /// `next_deadline` after the last turn.
    pub deadline: Option<Instant>,
    codec: Vec<Option<(LaneId, SealJob)>>,
    events: VecDeque<Event>,
    signals: VecDeque<(LaneId, Signal)>,
    commands: VecDeque<Command>,
    memory_is_short: bool,
    /// Connections from which something was received in this turn.
    pub heard: Vec<ConnectionId>,
}

impl Producer {
    pub fn new(number: usize, config: Arc<ProducerConfig>, engine_seed: u64, topics: Vec<BodyTopic>) -> Self {
        let memory = Memory::new(config.buffer_memory);
        Self {
            number,
            engine: Engine::new(Arc::clone(&config), engine_seed, false),
            limits: QueueLimits::new(&config),
            lanes: Vec::new(),
            topics,
            senders: Senders::default(),
            life: Life::Open,
            is_suspended: false,
            inline_bytes: usize::MAX,
            codec_delay_us: 0,
            unresolved: 0,
            deadline: None,
            codec: Vec::new(),
            events: VecDeque::new(),
            signals: VecDeque::new(),
            commands: VecDeque::new(),
            memory_is_short: false,
            heard: Vec::new(),
            memory,
            config,
        }
    }

    pub fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    pub fn signal(&mut self, lane: LaneId, signal: Signal) {
        self.signals.push_back((lane, signal));
    }

    pub fn has_news(&self) -> bool {
        !self.events.is_empty()
            || !self.signals.is_empty()
            || !self.commands.is_empty()
            || self.memory_is_short != self.memory.has_waiters()
    }

    pub fn lane_mut(&mut self, lane: LaneId) -> &mut BodyLane {
        &mut self.lanes[lane.index()]
    }

    /// The clock of appends: published at each turn, at most a millisecond old while a batch is open (D-50).
    pub fn shared_now(&self, cx: &Context) -> Instant {
        let nanos = cx.now.as_nanos();
        Instant::from_nanos(nanos - nanos % 1_000_000)
    }

    /// One turn of the driver's loop. What only the network can do is put into `out`.
    pub fn turn(&mut self, cx: &mut Context, out: &mut Vec<Action>) {
        self.heard.clear();
        for _ in 0..MAX_EVENTS_AT_ONCE {
            let Some(event) = self.events.pop_front() else { break };
            if let Event::Received { connection, .. } = &event {
                self.heard.push(*connection);
            }
            note_event(cx, &event);
            cx.wiretap.heard(self.number, &event, &mut cx.history.wire);
            self.engine.handle(cx.now, event);
        }
        while let Some((lane, signal)) = self.signals.pop_front() {
            let status = self.lane_mut(lane).status_for_engine();
            cx.trace.note(1, u64::from(lane.0), signal as u64);
            let event = match signal {
                Signal::Opened => Event::BatchOpened { lane, status },
                Signal::Sealed => Event::BatchSealed { lane, status },
            };
            self.engine.handle(cx.now, event);
        }
        let mut is_stopped = false;
        while let Some(command) = self.commands.pop_front() {
            match command {
                Command::TopicWanted(topic) => {
                    self.engine.handle(cx.now, Event::TopicWanted { topic });
                }
                Command::FlushBegun => self.engine.handle(cx.now, Event::FlushBegun),
                Command::FlushEnded => self.engine.handle(cx.now, Event::FlushEnded),
                Command::CloseBegun => self.engine.handle(cx.now, Event::CloseBegun),
                Command::Stop => is_stopped = true,
            }
        }
        let waiting = self.memory.has_waiters();
        if waiting != self.memory_is_short {
            self.memory_is_short = waiting;
            self.engine.handle(cx.now, Event::MemoryPressure { waiting });
        }
        if is_stopped {
            self.engine.shut_down(cx.now, &Cause::Closed);
        }
        self.perform_all(cx, out);
        if is_stopped {
            self.finish(cx);
        }
        self.deadline = self.engine.next_deadline();
    }

    fn perform_all(&mut self, cx: &mut Context, out: &mut Vec<Action>) {
        let mut actions = 0;
        while let Some(action) = self.engine.poll(cx.now) {
            actions += 1;
            assert!(actions < MAX_ACTIONS, "the engine never comes to rest at {:?}", cx.now);
            self.perform(cx, action, out);
        }
    }

    fn perform(&mut self, cx: &mut Context, action: Action, out: &mut Vec<Action>) {
        match action {
            Action::Connect { .. } | Action::Disconnect { .. } | Action::Send { .. } => out.push(action),
            Action::Take { lane, mode, wanted_after } => self.take(cx, lane, mode, wanted_after),
            Action::ExpireLane { lane, cutoff, last } => {
                let waited = self.config.delivery_timeout;
                self.expire(cx, lane, cutoff, &Cause::DeliveryTimeout { waited, last });
            }
            Action::FailLane { lane, cause } => self.expire(cx, lane, Instant::NEVER, &cause),
            Action::Complete { lane, batch, first_record, record_count, outcome } => {
                self.complete(cx, lane, batch, (first_record, record_count), &outcome);
            }
            Action::LimitGrowth { lane } => self.lane_mut(lane).queue.limit_growth(),
            Action::TopicUpdated { topic, result } => self.update_topic(&topic, result),
            Action::Observe(observation) => {
                cx.trace.say(cx.now, || format!("p{} observes {observation:?}", self.number));
            }
            Action::Retrying { lane, batch, attempts } => {
                cx.trace.note(2, batch.0, u64::from(attempts) << 32 | u64::from(lane.0));
                cx.history.request(RequestKind::ProduceRetry, cx.now.as_nanos());
            }
            Action::Readiness { .. } => {}
        }
    }

    fn take(&mut self, cx: &mut Context, id: LaneId, mode: TakeMode, wanted_after: bool) {
        cx.trace.note(3, u64::from(id.0), u64::from(mode == TakeMode::Always) << 1 | u64::from(wanted_after));
        let (mut taken, mut status) = self.lane_mut(id).take(mode, wanted_after);
        if let Taken::Seal(job) = taken {
            self.seal_for_driver(cx, id, job);
            (taken, status) = self.lane_mut(id).take(TakeMode::IfFull, wanted_after);
        }
        let batch = match taken {
            Taken::Batch(batch) => Some(batch),
            Taken::Seal(job) => {
                // The queue has grown full again meanwhile; its turn comes with the signal.
                self.seal(cx, id, job);
                None
            }
            Taken::Nothing => None,
        };
        self.engine.handle(cx.now, Event::Taken { lane: id, batch, status });
    }

    /// As `Shared::seal_for_driver`: what is small, or not compressed, is sealed here; the rest by the codec's threads.
    fn seal_for_driver(&mut self, cx: &mut Context, lane: LaneId, job: SealJob) {
        if self.goes_to_pool(&job) {
            self.seal_later(cx, lane, job);
        } else {
            let sealed = job.run().expect("the codecs take these bytes");
            self.lane_mut(lane).queue.complete_seal(sealed);
        }
    }

    /// As `Shared::seal`: here or by the codec's threads.
    pub fn seal(&mut self, cx: &mut Context, lane: LaneId, job: SealJob) {
        if self.goes_to_pool(&job) {
            self.seal_later(cx, lane, job);
        } else {
            self.run_seal(lane, job);
        }
    }

    fn goes_to_pool(&self, job: &SealJob) -> bool {
        self.codec_delay_us > 0 && job.body_bytes > self.inline_bytes
    }

    fn seal_later(&mut self, cx: &mut Context, lane: LaneId, job: SealJob) {
        let number = u32::try_from(self.codec.len()).expect("few");
        self.codec.push(Some((lane, job)));
        cx.counts.delayed_seals += 1;
        let delay = cx.tape.below(self.codec_delay_us);
        let producer = u8::try_from(self.number).expect("few");
        cx.plan_after(delay, Happening::Codec { producer, job: number });
    }

    /// A thread of the codec is done. After the end nobody wants what it made.
    pub fn codec_done(&mut self, job: u32) {
        if let Some((lane, job)) = self.codec.get_mut(job as usize).and_then(Option::take) {
            self.run_seal(lane, job);
        }
    }

    fn run_seal(&mut self, lane: LaneId, job: SealJob) {
        let sealed = job.run().expect("the codecs take these bytes");
        let state = self.lane_mut(lane);
        if state.queue.complete_seal(sealed) {
            state.is_known = true;
            self.signal(lane, Signal::Sealed);
        }
    }

    fn expire(&mut self, cx: &mut Context, id: LaneId, cutoff: Instant, cause: &Cause) {
        let state = self.lane_mut(id);
        let expired = state.queue.expire(cutoff);
        if let Some((newest, _)) = expired.last() {
            state.next_taken = newest.0 + 1;
        }
        let status = state.status_for_engine();
        for (number, count) in expired {
            let outcome = BatchOutcome::Rejected { cause: cause.clone(), attempts: 0 };
            self.complete(cx, id, number, (0, count), &outcome);
        }
        self.engine.handle(cx.now, Event::Expired { lane: id, status });
    }

    fn complete(
        &mut self,
        cx: &mut Context,
        id: LaneId,
        batch: BatchNumber,
        (first, count): (u32, u32),
        outcome: &BatchOutcome,
    ) {
        let number = self.number;
        cx.trace.say(cx.now, || format!("p{number} {id} {batch:?} records {first}+{count}: {outcome:?}"));
        let lane = &mut self.lanes[id.index()];
        lane.last_progress = cx.now;
        let from = lane.starts[usize::try_from(batch.0).expect("small")] + first as usize;
        for place in from..from + count as usize {
            let record = lane.ids[place];
            let told = told_of(outcome, i64::try_from(place - from).expect("small"), cx);
            cx.trace.note(4, record.0, told.1);
            cx.history.told(record, told.0, cx.now.as_nanos());
            shape::excuse_outcome(&self.config, record, outcome, cx);
            self.senders.resolved(record);
        }
        self.unresolved -= u64::from(count);
        if let BatchOutcome::Acknowledged(news) = outcome
            && let Some(stamp) = news.stamp
        {
            Wiretap::known(lane.lane, stamp, &mut cx.history.wire);
        }
        if let BatchOutcome::Acknowledged(news) = outcome
            && let Some(base) = news.base_offset
            && self.config.acks == facteur::Acks::All
        {
            let last = i64::from(count) - 1;
            let id = lane.ids[from + count as usize - 1];
            cx.acked.push(Acked { id, lane: lane.lane, offset: base + last });
        }
    }

    fn update_topic(&mut self, name: &str, result: Result<Vec<PartitionView>, ErrorCode>) {
        let Some(place) = self.topics.iter().position(|topic| *topic.name == *name) else { return };
        let topic = &mut self.topics[place];
        topic.answers += 1;
        match result {
            Err(code) => topic.error = Some(code),
            Ok(views) => {
                topic.error = None;
                topic.is_known = true;
                topic.available.clear();
                for (partition, view) in (0_i32..).zip(&views) {
                    if view.lane.index() == self.lanes.len() {
                        let lane = Lane(topic.first_lane + partition.cast_unsigned());
                        let share = Share::new(&self.memory);
                        self.lanes.push(BodyLane::new((place, partition), lane, self.limits, share));
                    }
                    if topic.lanes.len() <= partition as usize {
                        topic.lanes.push(view.lane);
                    }
                    if view.has_leader {
                        topic.available.push(partition);
                    }
                }
            }
        }
    }

    /// As `Shared::finish`: the engine is gone, and everything that is still pending gets its outcome.
    fn finish(&mut self, cx: &mut Context) {
        self.life = Life::Stopped;
        self.codec.clear();
        for index in 0..self.lanes.len() {
            let id = LaneId(u32::try_from(index).expect("few"));
            let expired = self.lanes[index].queue.expire(Instant::NEVER);
            for (number, count) in expired {
                let outcome = BatchOutcome::Rejected { cause: Cause::Closed, attempts: 0 };
                self.complete(cx, id, number, (0, count), &outcome);
            }
            let lane = &self.lanes[index];
            // What the codec had was never taken.
            let pending: Vec<(usize, RecordId)> = (0..)
                .zip(lane.ids.iter().copied())
                .filter(|(_, record)| cx.history.outcome(*record).is_none())
                .collect();
            for (place, record) in pending {
                let lane = &self.lanes[index];
                let batch = lane.starts.partition_point(|start| *start <= place) as u64;
                let told = if batch <= lane.next_taken {
                    cx.counts.unknown += 1;
                    Told::Unknown { cause: "closed with the batch taken" }
                } else {
                    cx.counts.rejected += 1;
                    Told::Rejected { cause: "closed in the codec" }
                };
                cx.history.told(record, told, cx.now.as_nanos());
                cx.history.exemptions.given_up_as_set(record);
                self.senders.resolved(record);
                self.unresolved -= 1;
            }
        }
        let limits = self.limits;
        for lane in &mut self.lanes {
            lane.queue = PartitionQueue::new(limits);
        }
    }

    /// What the adaptive partitioner looks at.
    pub fn queue_sizes(&self, topic: usize) -> Vec<usize> {
        let sizes = self.topics[topic].lanes.iter().map(|lane| {
            let status = self.lanes[lane.index()].queue.status();
            status.sealed + usize::from(status.open_since.is_some())
        });
        sizes.collect()
    }

    /// Something of the body that is not back where it began, by name (Q15).
    pub fn held(&self) -> [(&'static str, u64); 5] {
        let stats = self.engine.stats();
        let in_codec = self.codec.iter().filter(|job| job.is_some()).count();
        let queued: usize = self.lanes.iter().map(|lane| usize::from(!lane.queue.status().is_empty())).sum();
        [
            ("buffer bytes", self.memory.held_bytes() as u64),
            ("requests in flight", stats.requests_in_flight),
            ("jobs in the codec", in_codec as u64),
            ("queued lanes", queued as u64),
            ("waiting senders", self.senders.waiting() as u64),
        ]
    }
}

impl BodyTopic {
    pub fn new(name: &str, first_lane: u32) -> Self {
        Self {
            name: name.into(),
            first_lane,
            lanes: Vec::new(),
            available: Vec::new(),
            is_known: false,
            error: None,
            answers: 0,
            sticky: SharedSticky::new(),
        }
    }
}

impl BodyLane {
    fn new((topic, partition): (usize, i32), lane: Lane, limits: QueueLimits, share: Arc<Share>) -> Self {
        Self {
            topic,
            partition,
            lane,
            queue: PartitionQueue::new(limits),
            share,
            last_progress: Instant::ZERO,
            sticky_bytes: 0,
            is_known: false,
            ids: Vec::new(),
            starts: Vec::new(),
            next_taken: 0,
        }
    }

    fn take(&mut self, mode: TakeMode, wanted_after: bool) -> (Taken, QueueStatus) {
        let taken = self.queue.take(mode, wanted_after);
        if let Taken::Batch(batch) = &taken {
            self.next_taken = batch.number.0 + 1;
        }
        (taken, self.status_for_engine())
    }

    fn status_for_engine(&mut self) -> QueueStatus {
        let status = self.queue.status();
        self.is_known = !status.is_empty();
        status
    }

    /// Whether the lane may take `bytes` more now (D-35).
    pub fn may_hold(
        &self,
        bytes: usize,
        now: Instant,
        request_timeout: Duration,
        total_bytes: usize,
    ) -> bool {
        let held = self.share.held_bytes();
        held == 0 || held + bytes <= total_bytes / 2 || now.since(self.last_progress) <= request_timeout
    }

    /// A record was appended; what the driver must hear, if anything.
    pub fn appended(
        &mut self,
        record: RecordId,
        appended: facteur::accumulator::partition_queue::Appended,
    ) -> Option<Signal> {
        if appended.opened {
            assert_eq!(self.starts.len() as u64, appended.number.0, "batches are numbered densely");
            self.starts.push(self.ids.len());
        }
        self.ids.push(record);
        if appended.wake {
            self.is_known = true;
            return Some(Signal::Sealed);
        }
        if appended.opened && !self.is_known {
            self.is_known = true;
            return Some(Signal::Opened);
        }
        None
    }
}

/// The outcome as the oracle has it, and as a number for the trace.
fn told_of(outcome: &BatchOutcome, index: i64, cx: &mut Context) -> (Told, u64) {
    match outcome {
        BatchOutcome::Acknowledged(news) => {
            cx.counts.acknowledged += 1;
            let offset = news.base_offset.map(|base| base + index);
            (Told::Acknowledged { offset }, offset.unwrap_or(-1).cast_unsigned() << 2)
        }
        BatchOutcome::Rejected { cause, .. } => {
            cx.counts.rejected += 1;
            (Told::Rejected { cause: name_of(cause) }, 1)
        }
        BatchOutcome::Unknown { cause, .. } => {
            cx.counts.unknown += 1;
            (Told::Unknown { cause: name_of(cause) }, 2)
        }
    }
}

const fn name_of(cause: &Cause) -> &'static str {
    match cause {
        Cause::DeliveryTimeout { .. } => "delivery timeout",
        Cause::Broker { .. } => Told::BY_A_BROKER,
        Cause::Network => "network",
        Cause::Closed => "closed",
        Cause::TopicRecreated => "topic recreated",
        Cause::Compression(_) => "compression",
        Cause::Defect(_) => "defect",
        _ => "another cause",
    }
}
