//! What can happen, one step at a time, and what is asked when nothing can happen any more.
//!
//! ```text
//!  producer ──────── request ────────▶ broker        Arrives: the oldest request of a connection, zombies too
//!           ◀──────── answer ─────────               Returns: the oldest answer of a connection
//!
//!  faults, each at most so often in all:
//!    Cut       a connection breaks; of its requests the first 0, 1, … still arrive, as zombies; its answers are lost
//!    Stall     a connection carries nothing any more, and nobody is told: only the request timeout ends it
//!    Refused   the broker refuses the oldest request: 19, nothing appended
//!    Invalid   the broker refuses the oldest request for good: 87, nothing appended
//!    Doubtful  the broker appends the oldest request and answers an error: 7
//!    Move      a lane's leader moves to the other broker
//!    Slow      the network takes longer than the engine's next timer: it fires while messages are on their way
//! ```
//!
//! Each of these is a choice wherever it is possible. Time passes for nothing while messages travel, and to the engine's
//! next timer when none can. Control requests are answered at once and truly: what they can meet is the simulation's.

use std::fmt::Write as _;
use std::time::Duration;

use facteur::engine::{BatchOutcome, Observation};
use facteur::identifiers::ConnectionId;

use crate::brokers::{Brokers, Treatment, answer_of, content, stamp_of};
use crate::explorer::{Choices, SeenBefore};
use crate::oracle::wire::Written;
use crate::oracle::{Conditions, History, Lane, Leaks, RecordId, Timeouts, Told, check};
use crate::peer::{PeerBatch, Request, produce_answer};
use crate::wires::{Reply, Wires};
use crate::world::World;

/// How small the world is.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of each lane.
    pub leaders: &'static [i32],
    pub brokers: i32,
    /// On each lane; a batch is one record.
    pub batches: usize,
    pub faults: usize,
    /// Brokers say who leads instead when they refuse a batch (KIP-951).
    pub hints: bool,
}

/// Waits are constant, so that no jitter is drawn and a state is what its words say.
const SETTINGS: &[(&str, &str)] = &[
    ("retry.backoff.ms", "100"),
    ("retry.backoff.max.ms", "100"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "50"),
    ("socket.connection.setup.timeout.ms", "1000"),
    ("socket.connection.setup.timeout.max.ms", "1000"),
    ("request.timeout.ms", "1000"),
    ("delivery.timeout.ms", "20000"),
];
/// A longer wait is not for what is on its way.
const LONGEST_WAIT: Duration = Duration::from_secs(25);
const MOST_STEPS: usize = 2_000;

/// One step.
#[derive(Debug, Clone, Copy)]
enum Step {
    Arrives(ConnectionId, Treatment),
    Returns(ConnectionId),
    Cut(ConnectionId, usize),
    Stall(ConnectionId),
    Move(usize),
    Slow,
}

impl Step {
    const fn is_fault(self) -> bool {
        !matches!(self, Self::Arrives(_, Treatment::Honest) | Self::Returns(_))
    }
}

/// One run of a small world.
pub struct Scene {
    bounds: Bounds,
    world: World,
    wires: Wires,
    brokers: Brokers,
    history: History,
    faults_left: usize,
    told: usize,
    observed: usize,
}

impl Scene {
    /// From the first record to the oracle's last question.
    ///
    /// # Errors
    /// If somebody has been at this state before.
    pub fn play(bounds: Bounds, choices: &mut Choices<'_>) -> Result<(), SeenBefore> {
        let mut scene = Self::new(bounds);
        for _ in 0..bounds.batches {
            for lane in 0..bounds.leaders.len() {
                scene.send(lane);
            }
        }
        for steps in 0.. {
            assert!(steps < MOST_STEPS, "no end: {:?}", choices.tape());
            scene.settle(choices)?;
            let possible = scene.possible();
            if possible.is_empty() {
                if scene.is_over() {
                    break;
                }
                scene.time_passes();
                continue;
            }
            let chosen = choices.choose(possible.len(), |out| scene.write_state(out))?;
            scene.perform(possible[chosen]);
        }
        scene.canaries();
        scene.judge(&choices.tape());
        Ok(())
    }

    fn new(bounds: Bounds) -> Self {
        let mut world = World::with(SETTINGS, bounds.brokers, bounds.leaders);
        world.history.clear();
        Self {
            world,
            wires: Wires::default(),
            brokers: Brokers::new(bounds.leaders.len()),
            history: History::new(),
            faults_left: bounds.faults,
            told: 0,
            observed: 0,
            bounds,
        }
    }

    fn send(&mut self, lane: usize) -> RecordId {
        let id = self.history.next_id();
        let value = format!("{} of lane {lane}", id.0);
        let place = i32::try_from(lane).expect("few lanes");
        self.history.accepted(id, lane_of(place), content(&value), self.now());
        let number = self.world.send(place, &value);
        assert_eq!(number as u64, id.0);
        id
    }

    const fn now(&self) -> u64 {
        self.world.now.as_nanos()
    }

    /// What the engine has just done: new requests go onto their wires, ended connections come off, outcomes are noted.
    fn settle(&mut self, choices: &mut Choices<'_>) -> Result<(), SeenBefore> {
        self.note();
        while let Some(connection) = self.ended_by_the_engine() {
            let on_their_way = self.wires.by_connection[&connection].up.len();
            let survivors = choices.choose(on_their_way + 1, |out| {
                self.write_state(out);
                write!(out, "{connection:?} ends").expect("a hash takes everything");
            })?;
            self.wires.end(connection, survivors);
        }
        Ok(())
    }

    fn ended_by_the_engine(&self) -> Option<ConnectionId> {
        let open = &self.world.connections;
        let ended =
            self.wires.by_connection.iter().find(|(id, wire)| !wire.is_dead && !open.contains_key(id));
        ended.map(|(connection, _)| *connection)
    }

    fn note(&mut self) {
        let requests: Vec<Request> = self.world.requests.drain(..).collect();
        while let Some(&id) = self.world.resolved.get(self.told) {
            self.told += 1;
            let told = match self.world.outcome(id) {
                BatchOutcome::Acknowledged(news) => Told::Acknowledged { offset: news.base_offset },
                BatchOutcome::Rejected { .. } => Told::rejected(),
                BatchOutcome::Unknown { .. } => Told::unknown(),
            };
            let now = self.now();
            self.history.told(RecordId(id as u64), told, now);
        }
        // In the order in which the engine did it: a connection may end and its batches leave on another one at once.
        while let Some(observation) = self.world.observations.get(self.observed) {
            self.observed += 1;
            match observation {
                Observation::BatchSent { batch, connection, correlation_id, .. } => {
                    let sent = |request: &&Request| {
                        (request.connection, request.correlation_id) == (*connection, *correlation_id)
                    };
                    // What was handed over in the turn in which its connection ended never left.
                    let Some(request) = requests.iter().find(sent) else { continue };
                    let sent = request.batches.iter().find(|sent| sent.partition == batch.partition);
                    self.history.wire.written(written(request, sent.expect("the batch is in its request")));
                }
                Observation::LateAcknowledgement { batch, base_offset } => {
                    let lane = self.history.lane(lane_of(batch.partition));
                    let id = lane[usize::try_from(batch.batch.0).expect("few batches")];
                    self.history.resolved_late(id, Told::Acknowledged { offset: *base_offset });
                }
                Observation::ConnectionLost { connection, .. } => self.history.wire.ended(connection.0),
                _ => {}
            }
        }
        for request in requests {
            self.wires.put(request);
        }
    }

    /// Everything that can happen next, the tame things first.
    fn possible(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        steps.extend(self.wires.arriving().map(|connection| Step::Arrives(connection, Treatment::Honest)));
        steps.extend(self.wires.returning().map(Step::Returns));
        let is_quiet = steps.is_empty();
        if self.faults_left == 0 || (is_quiet && self.is_over()) {
            return steps;
        }
        for connection in self.wires.vulnerable() {
            let on_their_way = self.wires.by_connection[&connection].up.len();
            steps.extend((0..=on_their_way).map(|survivors| Step::Cut(connection, survivors)));
            steps.push(Step::Stall(connection));
        }
        for connection in self.wires.arriving() {
            let treatments = [Treatment::Refused, Treatment::Invalid, Treatment::Doubtful];
            steps.extend(treatments.map(|treatment| Step::Arrives(connection, treatment)));
        }
        if !is_quiet {
            if self.bounds.brokers > 1 {
                steps.extend((0..self.bounds.leaders.len()).map(Step::Move));
            }
            if self.world.until_next().is_some_and(|wait| wait < LONGEST_WAIT) {
                steps.push(Step::Slow);
            }
        }
        steps
    }

    fn perform(&mut self, step: Step) {
        self.faults_left -= usize::from(step.is_fault());
        match step {
            Step::Arrives(connection, treatment) => self.arrives(connection, treatment),
            Step::Returns(connection) => {
                let wire = self.wires.by_connection.get_mut(&connection).expect("a wire");
                let reply = wire.down.pop_front().expect("an answer");
                for (lane, stamp, answer) in reply.news {
                    self.history.wire.answered(lane, connection.0, stamp, answer);
                }
                self.wires.forget_if_empty(connection);
                self.world.receive(connection, reply.frame);
            }
            Step::Cut(connection, survivors) => {
                self.wires.end(connection, survivors);
                self.world.cut(connection);
            }
            Step::Stall(connection) => {
                self.wires.by_connection.get_mut(&connection).expect("a wire").is_stalled = true;
            }
            Step::Move(lane) => {
                let (leader, epoch) = self.world.cluster.topics["t"].partitions[lane];
                self.world.move_leader(lane, 3 - leader, epoch + 1);
            }
            Step::Slow => self.time_passes(),
        }
    }

    /// The oldest request of a connection reaches its broker, which answers if somebody is there to hear it.
    fn arrives(&mut self, connection: ConnectionId, treatment: Treatment) {
        let wire = self.wires.by_connection.get_mut(&connection).expect("a wire");
        let request: Request = wire.up.pop_front().expect("a request");
        let leaders = &self.world.cluster.topics["t"].partitions;
        let mut replies = Vec::new();
        let mut news = Vec::new();
        for batch in &request.batches {
            let (leader, epoch) = leaders[usize::try_from(batch.partition).expect("a partition")];
            let mut reply = self.brokers.append(batch, leader == request.node, treatment);
            if reply.code == 6 && self.bounds.hints {
                reply = reply.leader(leader, epoch);
            }
            news.push((lane_of(batch.partition), stamp_of(batch), answer_of(reply.code)));
            replies.push(reply);
        }
        if !wire.is_dead {
            let frame = produce_answer(&request, &replies, 0, &[(1, "b1"), (2, "b2")]);
            wire.down.push_back(Reply { frame, news });
        }
        self.wires.forget_if_empty(connection);
    }

    fn time_passes(&mut self) {
        let wait = self.world.until_next().expect("something is left to wait for");
        assert!(wait < LONGEST_WAIT, "the engine waits {wait:?} while records have no outcome");
        self.world.now = self.world.now + wait;
        self.world.run();
    }

    fn is_over(&self) -> bool {
        let is_told = self.told == self.world.outcomes.len();
        let has_stalled = self.wires.by_connection.values().any(|wire| wire.is_stalled && !wire.is_dead);
        is_told && !has_stalled && !self.world.engine.has_late_resolution()
    }

    /// After it all, a record on each lane: nothing goes wrong any more.
    fn canaries(&mut self) {
        self.history.healed(self.now());
        self.faults_left = 0;
        for lane in 0..self.bounds.leaders.len() {
            let id = self.send(lane);
            self.history.canary(id);
        }
        for _ in 0..MOST_STEPS {
            self.note();
            match self.possible().first() {
                Some(step) => self.perform(*step),
                None if self.is_over() => break,
                None => self.time_passes(),
            }
        }
        self.history.ended(self.now());
    }

    fn judge(&self, tape: &[usize]) {
        let timeouts = Timeouts::of(&self.world.config, Duration::ZERO);
        let conditions = Conditions::whole_contract().with_timeouts(timeouts);
        let mut leaks = Leaks::new();
        leaks.at_rest("reserved bytes", self.world.reserved_bytes() as u64);
        let breaches = check(&self.history, &self.brokers.final_log(), &conditions, Some(&leaks));
        assert!(breaches.is_empty(), "{:?}, choices {tape:?}: {breaches:#?}", self.bounds);
    }

    /// Everything on which what follows depends, the oracle's questions included. What was noted of one lane stands in
    /// its own order, and lanes side by side: two orders of things that do not touch each other are one state.
    fn write_state(&self, out: &mut crate::explorer::Fingerprint) {
        self.world.write_state(out).expect("a hash takes everything");
        write!(out, "{:?}{:?}{}", self.wires, self.brokers, self.faults_left)
            .expect("a hash takes everything");
        self.history.write_state(out).expect("a hash takes everything");
    }
}

fn lane_of(partition: i32) -> Lane {
    Lane(u32::try_from(partition).expect("a partition"))
}

/// A batch as it stands in a frame.
fn written(request: &Request, batch: &PeerBatch) -> Written {
    Written {
        lane: lane_of(batch.partition),
        stamp: stamp_of(batch),
        connection: request.connection.0,
        // Not in the frame. A gate that opens too early on a new epoch shows in the log, not here.
        leader_epoch: 0,
        first: RecordId(batch.values[0].split(' ').next().unwrap().parse().unwrap()),
        content: batch.values.iter().fold(0, |sum, value| sum ^ content(value)),
    }
}
