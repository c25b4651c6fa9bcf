//! The engine's body in virtual time: real queues, scripted peers, no sockets and no threads.
//!
//! It performs actions as `runtime::driver` does. Connections open at once and control requests are answered at once,
//! unless a scenario says otherwise; Produce requests wait in [`World::requests`] for the scenario's answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use facteur::accumulator::partition_queue::{
    AppendTime, PartitionQueue, QueueLimits, TakeMode, Taken, TryAppend,
};
use facteur::accumulator::producer_batch::{MemoryOwner, SealJob, Segment};
use facteur::engine::{Acknowledged, Action, BatchOutcome, Engine, Event, Observation};
use facteur::identifiers::{BatchNumber, ConnectionId, LaneId};
use facteur::time::Instant;
use facteur::{Cause, ErrorCode, ProducerConfig, Record};

use super::peer::{
    API_VERSIONS, INIT_PRODUCER_ID, METADATA, PRODUCE, PeerCluster, PeerTopic, Reply, Request, produce_answer,
};

/// The account of reserved bytes: 0 when everything has come back.
#[derive(Debug, Default)]
pub struct Account(AtomicUsize);

impl MemoryOwner for Account {
    fn give_back(&self, _buffer: Vec<u8>, reserved_bytes: usize) {
        let before = self.0.fetch_sub(reserved_bytes, Ordering::Relaxed);
        assert!(before >= reserved_bytes, "memory came back twice");
    }
}

struct TestLane {
    topic: Arc<str>,
    partition: i32,
    queue: PartitionQueue,
    is_known: bool,
    /// Record ids by batch.
    batches: BTreeMap<BatchNumber, Vec<usize>>,
    /// With [`World::delay_sealing`]: jobs that nobody has run yet.
    unsealed: VecDeque<SealJob>,
}

pub struct World {
    pub config: Arc<ProducerConfig>,
    pub engine: Engine,
    pub now: Instant,
    /// The wall clock, as records are stamped by it.
    pub wall_ms: i64,
    pub cluster: PeerCluster,
    /// Brokers that tell an older state of the cluster: they are cut off from the others.
    pub stale: BTreeMap<i32, PeerCluster>,
    /// Produce requests, and control requests while they are held, that nobody has answered.
    pub requests: VecDeque<Request>,
    /// Produce requests with acks=0.
    pub wanting_no_answer: VecDeque<Request>,
    /// Everything that was ever sent, in order.
    pub history: Vec<Request>,
    pub outcomes: Vec<Option<BatchOutcome>>,
    pub resolved: Vec<usize>,
    pub observations: Vec<Observation>,
    pub connections: BTreeMap<ConnectionId, i32>,
    /// Nodes that refuse connections.
    pub unreachable: BTreeSet<i32>,
    /// Nodes that say nothing to a connection attempt.
    pub silent: BTreeSet<i32>,
    /// The time that each connection attempt was given, and which of its node's attempts in a row it was.
    pub attempts: Vec<(u32, Duration)>,
    /// Control requests wait for the scenario too.
    pub hold_control: bool,
    /// As [`Self::hold_control`], for `ApiVersions`.
    pub hold_versions: bool,
    /// The operating system takes no frame whole.
    pub hold_writes: bool,
    /// As [`Self::hold_writes`], for Produce alone.
    pub hold_writes_of_produce: bool,
    /// Keep what a socket would hold, in [`Self::frames`].
    pub keep_frames: bool,
    pub frames: Vec<Vec<Bytes>>,
    /// Batches that are sealed by a take stay in the codec until [`World::run_codec`].
    pub delay_sealing: bool,
    pub dials: usize,
    pub trace: Vec<String>,
    pub traced: bool,
    memory: Arc<Account>,
    lanes: Vec<TestLane>,
    inbox: VecDeque<Event>,
}

impl World {
    /// An engine that has done nothing yet; `nodes` brokers, topic `t` with these leaders (each at epoch 0).
    pub fn cold(properties: &[(&str, &str)], nodes: i32, leaders: &[i32]) -> Self {
        let mut builder = ProducerConfig::builder("b1:9092");
        let scenario = [
            ("linger.ms", "0"),
            ("batch.size", "1"),
            ("facteur.batch.growth.enable", "false"),
            ("request.timeout.ms", "1000"),
            ("delivery.timeout.ms", "10000"),
            ("facteur.late.resolution.ms", "5000"),
            ("client.id", "conformance"),
        ];
        for (name, value) in scenario.iter().chain(properties) {
            builder = builder.property(name, value);
        }
        let config = Arc::new(builder.build().expect("valid settings"));
        let topic = PeerTopic {
            id: [7; 16],
            error: 0,
            partitions: leaders.iter().map(|leader| (*leader, 0)).collect(),
        };
        Self {
            engine: Engine::new(Arc::clone(&config), 7, true),
            config,
            now: Instant::ZERO,
            wall_ms: 1_700_000_000_000,
            cluster: PeerCluster {
                nodes: (1..=nodes).collect(),
                topics: BTreeMap::from([("t".to_owned(), topic)]),
                producer_id: 1000,
                producer_epoch: 0,
                init_error: 0,
                produce_max: 12,
                metadata_max: 12,
                versions_max: 4,
                tells_versions_range: true,
                metadata_error: 0,
                has_no_brokers: false,
                knows_init_producer_id: true,
            },
            stale: BTreeMap::new(),
            requests: VecDeque::new(),
            wanting_no_answer: VecDeque::new(),
            history: Vec::new(),
            outcomes: Vec::new(),
            resolved: Vec::new(),
            observations: Vec::new(),
            connections: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            silent: BTreeSet::new(),
            attempts: Vec::new(),
            hold_control: false,
            hold_versions: false,
            hold_writes: false,
            hold_writes_of_produce: false,
            keep_frames: false,
            frames: Vec::new(),
            delay_sealing: false,
            dials: 0,
            trace: Vec::new(),
            traced: false,
            memory: Arc::new(Account::default()),
            lanes: Vec::new(),
            inbox: VecDeque::new(),
        }
    }

    /// A producer that knows topic `t` and has its producer id.
    pub fn with(properties: &[(&str, &str)], nodes: i32, leaders: &[i32]) -> Self {
        let mut world = Self::cold(properties, nodes, leaders);
        world.want_topic("t");
        world.advance(1);
        world
    }

    /// One broker, one partition.
    pub fn new() -> Self {
        Self::with(&[], 1, &[1])
    }

    pub fn want_topic(&mut self, topic: &str) {
        self.event(Event::TopicWanted { topic: topic.into() });
    }

    pub fn event(&mut self, event: Event) {
        self.events([event]);
    }

    /// What happens in one and the same turn.
    pub fn events(&mut self, events: impl IntoIterator<Item = Event>) {
        self.inbox.extend(events);
        self.run();
    }

    /// Appends a record; its number is the one that outcomes are asked by.
    pub fn send(&mut self, partition: i32, value: &str) -> usize {
        let id = self.append("t", partition, value);
        self.run();
        id
    }

    /// Appends without letting the engine do anything yet.
    pub fn append(&mut self, topic: &str, partition: i32, value: &str) -> usize {
        let id = self.outcomes.len();
        self.outcomes.push(None);
        let place = self.lane_place(topic, partition);
        let record = Record::to(topic).value(value.as_bytes());
        let time = AppendTime { now: self.now, wall_ms: self.wall_ms };
        let lane_id = LaneId(u32::try_from(place).expect("few lanes"));
        let appended = loop {
            let lane = &mut self.lanes[place];
            match lane.queue.try_append(&record, time) {
                TryAppend::Appended(appended) => break appended,
                TryAppend::Sealed(job) => {
                    let sealed = job.run().expect("compresses");
                    if lane.queue.complete_seal(sealed) {
                        lane.is_known = true;
                        let status = lane.queue.status();
                        self.inbox.push_back(Event::BatchSealed { lane: lane_id, status });
                    }
                }
                TryAppend::NeedsSegment(bytes) => {
                    self.memory.0.fetch_add(bytes, Ordering::Relaxed);
                    let owner: Arc<dyn MemoryOwner> = Arc::<Account>::clone(&self.memory);
                    let segment = Segment::new(Vec::with_capacity(bytes), bytes, Some(owner));
                    drop(lane.queue.install(segment, bytes, self.now));
                }
            }
        };
        let lane = &mut self.lanes[place];
        lane.batches.entry(appended.number).or_default().push(id);
        let status = lane.queue.status();
        if appended.wake {
            lane.is_known = true;
            self.inbox.push_back(Event::BatchSealed { lane: lane_id, status });
        } else if appended.opened && !lane.is_known {
            lane.is_known = true;
            self.inbox.push_back(Event::BatchOpened { lane: lane_id, status });
        }
        id
    }

    /// Whether the codec has something to do.
    pub fn has_unsealed(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.unsealed.is_empty())
    }

    /// Runs the codec jobs that [`Self::delay_sealing`] kept.
    pub fn run_codec(&mut self) {
        for index in 0..self.lanes.len() {
            while let Some(job) = self.lanes[index].unsealed.pop_front() {
                let sealed = job.run().expect("compresses");
                if self.lanes[index].queue.complete_seal(sealed) {
                    let lane = LaneId(u32::try_from(index).expect("few lanes"));
                    let status = self.lanes[index].queue.status();
                    self.inbox.push_back(Event::BatchSealed { lane, status });
                }
            }
        }
        self.run();
    }

    /// Everything that happens now.
    pub fn run(&mut self) {
        for _ in 0..100_000 {
            while let Some(event) = self.inbox.pop_front() {
                self.engine.handle(self.now, event);
            }
            let mut actions = 0;
            while let Some(action) = self.engine.poll(self.now) {
                self.perform(action);
                actions += 1;
                assert!(actions < 100_000, "the engine never comes to rest at {:?}", self.now);
            }
            if self.inbox.is_empty() {
                return;
            }
        }
        panic!("engine and peers talk for ever at {:?}", self.now);
    }

    /// Lets time pass, timer by timer.
    pub fn advance(&mut self, millis: u64) {
        let target = self.now + Duration::from_millis(millis);
        self.run();
        let mut steps = 0;
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= target) {
            self.now = self.now.max(at);
            self.run();
            steps += 1;
            assert!(steps < 200_000, "a timer fires without end at {:?}", self.now);
        }
        self.now = target;
        self.run();
    }

    /// The time from now to the next thing that happens by itself.
    pub fn until_next(&self) -> Option<Duration> {
        self.engine.next_deadline().map(|at| at.since(self.now))
    }

    fn perform(&mut self, action: Action) {
        if self.traced {
            self.trace.push(format!("{} {action:?}", self.now.as_nanos()));
        }
        match action {
            Action::Connect { connection, address, attempt, timeout, .. } => {
                self.attempts.push((attempt, timeout));
                self.connect(connection, &address.host);
            }
            Action::Disconnect { connection, .. } => {
                self.connections.remove(&connection);
                self.requests.retain(|request| request.connection != connection);
            }
            Action::Send { connection, correlation_id, frame } => {
                self.sent(connection, correlation_id, &frame);
            }
            Action::Take { lane, mode, wanted_after } => self.take(lane, mode, wanted_after),
            Action::ExpireLane { lane, cutoff, last } => {
                let waited = self.config.delivery_timeout;
                self.expire(lane, cutoff, &Cause::DeliveryTimeout { waited, last });
            }
            Action::FailLane { lane, cause } => self.expire(lane, Instant::NEVER, &cause),
            Action::Complete { lane, batch, first_record, record_count, outcome } => {
                for index in first_record..first_record + record_count {
                    let id = self.lanes[lane.index()].batches[&batch][index as usize];
                    self.resolve(id, outcome_of(&outcome, i64::from(index - first_record)));
                }
            }
            Action::LimitGrowth { lane } => self.lanes[lane.index()].queue.limit_growth(),
            Action::TopicUpdated { topic, result } => {
                for (view, partition) in result.unwrap_or_default().iter().zip(0..) {
                    if view.lane.index() == self.lanes.len() {
                        self.lanes.push(TestLane {
                            topic: Arc::clone(&topic),
                            partition,
                            queue: PartitionQueue::new(QueueLimits::new(&self.config)),
                            is_known: false,
                            batches: BTreeMap::new(),
                            unsealed: VecDeque::new(),
                        });
                    }
                }
            }
            Action::Observe(observation) => self.observations.push(observation),
            Action::Retrying { .. } | Action::Readiness { .. } => {}
        }
    }

    fn connect(&mut self, connection: ConnectionId, host: &str) {
        let node: i32 = host.trim_start_matches('b').parse().unwrap_or(-1);
        self.dials += 1;
        if self.silent.contains(&node) {
            return;
        }
        if node < 0 || self.unreachable.contains(&node) {
            self.inbox.push_back(Event::Disconnected { connection, reason: "refused".into() });
        } else {
            self.connections.insert(connection, node);
            self.inbox.push_back(Event::Connected { connection });
        }
    }

    fn sent(&mut self, connection: ConnectionId, correlation_id: i32, frame: &[Bytes]) {
        let Some(node) = self.connections.get(&connection).copied() else { return };
        let mut request = Request::read(connection, node, &Bytes::from(frame.concat()));
        assert_eq!(request.correlation_id, correlation_id);
        if self.keep_frames && request.api == PRODUCE {
            self.frames.push(frame.to_vec());
        }
        request.is_written = !(self.hold_writes || (self.hold_writes_of_produce && request.api == PRODUCE));
        if request.is_written {
            self.inbox.push_back(Event::Written { connection, correlation_id });
        }
        self.history.push(request.clone());
        let answer = match request.api {
            API_VERSIONS if !self.hold_versions => Some(self.cluster.versions(&request)),
            METADATA if !self.hold_control => {
                Some(self.stale.get(&node).unwrap_or(&self.cluster).metadata(&request))
            }
            INIT_PRODUCER_ID if !self.hold_control => Some(self.cluster.init_producer_id(&request)),
            PRODUCE if request.acks == 0 => {
                self.wanting_no_answer.push_back(request);
                None
            }
            _ => {
                self.requests.push_back(request);
                None
            }
        };
        if let Some(frame) = answer {
            self.inbox.push_back(Event::Received { connection, frame });
        }
    }

    fn take(&mut self, id: LaneId, mode: TakeMode, wanted_after: bool) {
        let lane = &mut self.lanes[id.index()];
        let mut taken = lane.queue.take(mode, wanted_after);
        if let Taken::Seal(job) = taken {
            if self.delay_sealing {
                lane.unsealed.push_back(job);
                taken = Taken::Nothing;
            } else {
                lane.queue.complete_seal(job.run().expect("compresses"));
                taken = lane.queue.take(TakeMode::IfFull, wanted_after);
            }
        }
        let batch = match taken {
            Taken::Batch(batch) => Some(batch),
            Taken::Seal(job) => {
                lane.queue.complete_seal(job.run().expect("compresses"));
                None
            }
            Taken::Nothing => None,
        };
        let status = lane.queue.status();
        lane.is_known = !status.is_empty();
        self.engine.handle(self.now, Event::Taken { lane: id, batch, status });
    }

    fn expire(&mut self, id: LaneId, cutoff: Instant, cause: &Cause) {
        let lane = &mut self.lanes[id.index()];
        let expired = lane.queue.expire(cutoff);
        let status = lane.queue.status();
        lane.is_known = !status.is_empty();
        for (number, count) in expired {
            let ids = self.lanes[id.index()].batches[&number].clone();
            assert_eq!(ids.len(), count as usize);
            for record in ids {
                self.resolve(record, BatchOutcome::Rejected { cause: cause.clone(), attempts: 0 });
            }
        }
        self.engine.handle(self.now, Event::Expired { lane: id, status });
    }

    fn resolve(&mut self, id: usize, outcome: BatchOutcome) {
        assert!(self.outcomes[id].is_none(), "record {id} was {:?}, now {outcome:?}", self.outcomes[id]);
        self.outcomes[id] = Some(outcome);
        self.resolved.push(id);
    }

    fn lane_place(&self, topic: &str, partition: i32) -> usize {
        self.lanes
            .iter()
            .position(|lane| *lane.topic == *topic && lane.partition == partition)
            .expect("the partition is known")
    }

    /// The partitions of a topic that the engine has told of.
    #[allow(dead_code, reason = "asked by tests/hostile and the fuzz targets, which share this file")]
    pub fn known_partitions(&self, topic: &str) -> usize {
        self.lanes.iter().filter(|lane| *lane.topic == *topic).count()
    }

    // ── the scripted peers ──────────────────────────────────────────────────────────────────────────────────────

    /// The oldest request without an answer.
    pub fn request(&mut self) -> Request {
        self.requests.pop_front().expect("a request is waiting for its answer")
    }

    pub fn answer(&mut self, request: &Request, replies: &[Reply]) {
        self.answer_with(request, replies, 0, &[]);
    }

    pub fn answer_with(
        &mut self,
        request: &Request,
        replies: &[Reply],
        throttle_ms: i32,
        endpoints: &[(i32, &str)],
    ) {
        let frame = produce_answer(request, replies, throttle_ms, endpoints);
        self.receive(request.connection, frame);
    }

    pub fn receive(&mut self, connection: ConnectionId, frame: Bytes) {
        self.event(Event::Received { connection, frame });
    }

    /// Success for every batch, the first at `offset`.
    pub fn ok(&mut self, request: &Request, offset: i64) {
        let replies: Vec<Reply> = request.batches.iter().map(|batch| Reply::to(batch, 0, offset)).collect();
        self.answer(request, &replies);
    }

    /// The same error code for every batch.
    pub fn code(&mut self, request: &Request, code: i16) {
        let replies: Vec<Reply> = request.batches.iter().map(|batch| Reply::to(batch, code, -1)).collect();
        self.answer(request, &replies);
    }

    /// The connection breaks; its requests will never be answered.
    pub fn cut(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
        self.requests.retain(|request| request.connection != connection);
        self.event(Event::Disconnected { connection, reason: "cut".into() });
    }

    /// Sends one record and acknowledges it: opens the lane's gate.
    pub fn open_gate(&mut self, partition: i32) -> usize {
        let id = self.send(partition, "gate");
        let request = self.request();
        self.ok(&request, 0);
        self.assert_acknowledged(id, Some(0));
        id
    }

    /// The leader of a partition of `t` moves.
    pub fn move_leader(&mut self, partition: usize, node: i32, epoch: i32) {
        self.cluster.topics.get_mut("t").expect("t").partitions[partition] = (node, epoch);
    }

    // ── what came of it ─────────────────────────────────────────────────────────────────────────────────────────

    pub fn outcome(&self, id: usize) -> &BatchOutcome {
        self.outcomes[id].as_ref().unwrap_or_else(|| panic!("record {id} has no outcome yet"))
    }

    pub fn acknowledged(&self, id: usize) -> Acknowledged {
        match self.outcome(id) {
            BatchOutcome::Acknowledged(news) => *news,
            other => panic!("record {id}: {other:?}"),
        }
    }

    pub fn assert_acknowledged(&self, id: usize, offset: Option<i64>) {
        assert_eq!(self.acknowledged(id).base_offset, offset, "record {id}");
    }

    pub fn rejected(&self, id: usize) -> Cause {
        match self.outcome(id) {
            BatchOutcome::Rejected { cause, .. } => cause.clone(),
            other => panic!("record {id}: {other:?}"),
        }
    }

    pub fn unknown(&self, id: usize) -> Cause {
        match self.outcome(id) {
            BatchOutcome::Unknown { cause, .. } => cause.clone(),
            other => panic!("record {id}: {other:?}"),
        }
    }

    pub fn assert_rejected_with(&self, id: usize, code: i16) {
        match self.rejected(id) {
            Cause::Broker { code: found, .. } => assert_eq!(found, ErrorCode(code), "record {id}"),
            other => panic!("record {id}: {other:?}"),
        }
    }

    pub fn assert_pending(&self, id: usize) {
        assert!(self.outcomes[id].is_none(), "record {id} is {:?}", self.outcomes[id]);
    }

    pub fn reserved_bytes(&self) -> usize {
        self.memory.0.load(Ordering::Relaxed)
    }

    /// Everything on which the future of engine and queues depends, in words.
    #[allow(dead_code, reason = "small worlds compare states, scenarios do not")]
    pub fn write_state(&self, out: &mut impl std::fmt::Write) -> std::fmt::Result {
        write!(out, "{:?}{:?}{:?}{:?}", self.now, self.engine, self.connections, self.cluster)?;
        for lane in &self.lanes {
            write!(out, "{:?}{}", lane.queue, lane.is_known)?;
        }
        Ok(())
    }

    /// Requests of an API that were sent since the beginning.
    pub fn count(&self, api: i16) -> usize {
        self.history.iter().filter(|request| request.api == api).count()
    }

    /// Stamps (epoch, sequence) of everything that waits for an answer.
    pub fn waiting(&self) -> Vec<(i16, i32)> {
        self.requests
            .iter()
            .flat_map(|request| request.batches.iter().map(super::peer::PeerBatch::stamp))
            .collect()
    }

    /// Everything was told, nothing is on its way, all memory came back.
    pub fn assert_at_rest(&mut self) {
        assert!(self.requests.is_empty(), "requests wait: {:?}", self.waiting());
        for id in 0..self.outcomes.len() {
            assert!(self.outcomes[id].is_some(), "record {id} has no outcome");
        }
        self.history.clear();
        assert_eq!(self.reserved_bytes(), 0, "memory is still held");
    }
}

fn outcome_of(outcome: &BatchOutcome, index: i64) -> BatchOutcome {
    match outcome {
        BatchOutcome::Acknowledged(news) => BatchOutcome::Acknowledged(Acknowledged {
            base_offset: news.base_offset.map(|base| base + index),
            ..*news
        }),
        other => other.clone(),
    }
}
