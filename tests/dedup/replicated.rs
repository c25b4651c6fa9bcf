//! The rows that need followers: D14, D15, D16, K9, K10 on three nodes; D20 on the model.
//!
//! **Why 4.4.0 lets a wait time out.** Since KIP-966 the high watermark stands still below `min.insync.replicas`, so a
//! batch that waits while the in-sync set shrinks is answered 7, where older brokers answer 20 (measured here; the model
//! is told by its plan). Answers that end a wait carry the offset of the append all the same. What matters is the same: it is in the log, 19 while the set is short, and known afterwards.
//!
//! Neighbours: [`super::rows`] has the others. Not here: how a follower is held.

use super::model::{Model, P};
use super::{Answer, Outcome, Venue, tell};
use crate::batch::Batch;
use crate::simulation::cluster::{ClusterFault, ClusterPlan};

/// The rows, as in the table.
pub const NAMES: [(&str, &str); 5] = [
    ("D14, K9", "a duplicate while the first copy waits: both wait, one append"),
    ("D15", "too few in sync: refused, nothing appended"),
    ("D16", "the set shrinks while a batch waits; again while it is short; again when it is whole"),
    ("K10", "the request timeout ends the wait; the data is there, a retry is known"),
    ("D20", "a follower copies what its leader took, holes included, and goes on from it"),
];

const ID: i64 = 7_000_000_001;

/// Three brokers with one topic of three copies.
pub trait Followers {
    fn venue(&self) -> Venue;
    /// A fresh topic; all copies in sync.
    fn fresh_topic(&mut self, min_isr: i32);
    /// So many followers fetch nothing from now on.
    fn hold(&mut self, count: usize);
    /// They fetch again; returns when all copies are in sync.
    fn release(&mut self);
    /// Returns when so many copies are in sync.
    fn await_in_sync(&mut self, count: usize);
    /// Sends with acks=-1 on one of two connections.
    fn send(&mut self, connection: usize, timeout_ms: i32, records: &[u8]);
    fn receive(&mut self, connection: usize) -> Answer;
    /// Whether nothing is answered for half a second.
    fn is_silent(&mut self, connection: usize) -> bool;
    fn end(&mut self) -> i64;
}

fn judged(answers: &[Answer], end: i64, expected: &str) -> Outcome {
    let text = tell(answers, end);
    let wrong = (text != expected).then(|| expected.to_owned());
    Outcome { text, wrong }
}

fn batch() -> Vec<u8> {
    Batch::of(ID, 0, 0, 5).bytes()
}

/// Runs the rows in the order of [`NAMES`]; the last is for the model alone.
pub fn run(broker: &mut dyn Followers) -> Vec<Outcome> {
    let last = if broker.venue() == Venue::Model {
        followers_copy()
    } else {
        Outcome { text: "–".to_owned(), wrong: None }
    };
    vec![duplicate_waits(broker), refused_before(broker), shrinks(broker), times_out(broker), last]
}

fn duplicate_waits(broker: &mut dyn Followers) -> Outcome {
    let batch = batch();
    broker.fresh_topic(2);
    broker.hold(2);
    broker.send(0, 30_000, &batch);
    let is_waiting = broker.is_silent(0);
    broker.send(1, 30_000, &batch);
    let is_waiting = is_waiting && broker.is_silent(1) && broker.is_silent(0);
    broker.release();
    let answers = [broker.receive(0), broker.receive(1)];
    let mut outcome = judged(&answers, broker.end(), "0@0 · 0@0 again | 5");
    if !is_waiting {
        outcome.wrong = Some("an answer only when the followers have the batch".to_owned());
    }
    outcome
}

fn refused_before(broker: &mut dyn Followers) -> Outcome {
    broker.fresh_topic(3);
    broker.hold(1);
    // Nothing is waiting: the follower leaves the set because it is gone.
    broker.await_in_sync(2);
    broker.send(0, 30_000, &batch());
    let answer = broker.receive(0);
    broker.release();
    judged(&[answer], broker.end(), "19@-1 | 0")
}

fn shrinks(broker: &mut dyn Followers) -> Outcome {
    let batch = batch();
    broker.fresh_topic(3);
    broker.hold(1);
    broker.send(0, 7_000, &batch);
    let first = broker.receive(0);
    broker.await_in_sync(2);
    broker.send(0, 7_000, &batch);
    let second = broker.receive(0);
    broker.release();
    broker.send(0, 7_000, &batch);
    let third = broker.receive(0);
    judged(&[first, second, third], broker.end(), "7@0 · 19@-1 · 0@0 again | 5")
}

fn times_out(broker: &mut dyn Followers) -> Outcome {
    let batch = batch();
    broker.fresh_topic(2);
    broker.hold(2);
    broker.send(0, 300, &batch);
    let first = broker.receive(0);
    broker.release();
    broker.send(0, 30_000, &batch);
    let second = broker.receive(0);
    judged(&[first, second], broker.end(), "7@0 · 0@0 again | 5")
}

/// D20: the leader's table was lost, so it took a batch with a hole before it (D3). A follower that judged would refuse
/// to copy it and never come back (KAFKA-6003).
fn followers_copy() -> Outcome {
    let mut model = Model::new(&three_nodes(2));
    let mut answers = Vec::new();
    let produce = |model: &mut Model, node: i32, first: i32| {
        let id = model.send(
            node,
            u64::from(node.unsigned_abs()),
            (-1, 30_000),
            &Batch::of(ID, 0, first, 5).bytes(),
        );
        model.await_answer(id)
    };
    answers.push(produce(&mut model, 1, 0));
    model.fault(&ClusterFault::ForgetProducers { at: P });
    answers.push(produce(&mut model, 1, 40));
    model.fault(&ClusterFault::MoveLeader { at: P });
    model.pass(2_000);
    let leader = model.cluster.leader(P).expect("a leader");
    answers.push(produce(&mut model, leader, 45));
    model.pass(2_000);
    let mut outcome = judged(&answers, model.log_end(), "0@0 · 0@5 · 0@10 | 15");
    let contents = model.cluster.contents();
    let is_copied = contents[0].found.len() == 15 && contents[0].equal_copies == 2;
    if leader == 1 || !is_copied {
        outcome.wrong = Some("another leader, and two copies of all 15 records".to_owned());
    }
    outcome
}

fn three_nodes(min_isr: i32) -> ClusterPlan {
    let plan = ClusterPlan {
        brokers: 3,
        min_isr,
        high_watermark_needs_min_isr: true,
        replica_lag_max_ms: 5_000,
        session_ms: (3_000, 3_000),
        ..ClusterPlan::default()
    };
    plan.topic("t", 1)
}

/// The model with three nodes.
pub struct ModelFollowers {
    model: Model,
    sent: [i32; 2],
    held: usize,
}

impl ModelFollowers {
    pub fn new() -> Self {
        Self { model: Model::new(&three_nodes(2)), sent: [0; 2], held: 0 }
    }
}

impl Followers for ModelFollowers {
    fn venue(&self) -> Venue {
        Venue::Model
    }

    fn fresh_topic(&mut self, min_isr: i32) {
        self.model = Model::new(&three_nodes(min_isr));
    }

    fn hold(&mut self, count: usize) {
        self.held = count;
        for node in (2..).take(count) {
            self.model.fault(&ClusterFault::Pause { node });
        }
    }

    fn release(&mut self) {
        for node in (2..).take(self.held) {
            self.model.fault(&ClusterFault::Resume { node });
        }
        self.await_in_sync(3);
    }

    fn await_in_sync(&mut self, count: usize) {
        for _ in 0..1_000 {
            if self.model.cluster.in_sync(P).len() == count {
                // The controller has decided; the leader hears of it.
                self.model.pass(300);
                return;
            }
            self.model.pass(50);
        }
        panic!("the in-sync set does not come to {count}");
    }

    fn send(&mut self, connection: usize, timeout_ms: i32, records: &[u8]) {
        self.sent[connection] = self.model.send(1, connection as u64, (-1, timeout_ms), records);
    }

    fn receive(&mut self, connection: usize) -> Answer {
        self.model.await_answer(self.sent[connection])
    }

    fn is_silent(&mut self, connection: usize) -> bool {
        self.model.pass(500);
        self.model.answer(self.sent[connection]).is_none()
    }

    fn end(&mut self) -> i64 {
        self.model.log_end()
    }
}
