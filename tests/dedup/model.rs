//! The model cluster of the simulation as a broker of the table: requests go in as frames, time is its own.

use std::time::Duration;

use bytes::Bytes;
use facteur::broker::Personality;
use facteur::time::Instant;
use facteur::wire::api::ApiKey;
use facteur::wire::reader::Reader;
use facteur::wire::writer::Writer;

use super::{Answer, Broker, Venue};
use crate::simulation::cluster::{Cluster, ClusterFault, ClusterPlan, Effect, Where};
use crate::simulation::tape::Tape;

/// The only partition.
pub const P: Where = Where { topic: 0, partition: 0 };

/// A model with a clock.
#[derive(Debug)]
pub struct Model {
    pub cluster: Cluster,
    pub now: Instant,
    tape: Tape,
    effects: Vec<Effect>,
    correlation_id: i32,
    pub plan: ClusterPlan,
    /// Whatever a row asks for.
    pub keeps_personality: bool,
}

impl Model {
    pub fn new(plan: &ClusterPlan) -> Self {
        let plan = ClusterPlan { wall_start_ms: crate::batch::wall_ms(), ..plan.clone() };
        Self {
            cluster: Cluster::new(&plan),
            now: Instant::from_millis(1),
            tape: Tape::recorded(Vec::new()),
            effects: Vec::new(),
            correlation_id: 0,
            plan,
            keeps_personality: false,
        }
    }

    /// One node, as most rows want it.
    pub fn of_one_node() -> Self {
        let plan = ClusterPlan {
            brokers: 1,
            min_isr: 1,
            producer_expiry_ms: Some(7 * 86_400_000),
            ..ClusterPlan::default()
        };
        Self::new(&plan.topic("t", 1))
    }

    /// Produce 7 to a node; the correlation id.
    pub fn send(
        &mut self,
        node: i32,
        connection: u64,
        (acks, timeout_ms): (i16, i32),
        records: &[u8],
    ) -> i32 {
        self.correlation_id += 1;
        let mut writer = Writer::request(ApiKey::Produce, 7, self.correlation_id, "dedup");
        writer.nullable_string(None);
        writer.i16(acks);
        writer.i32(timeout_ms);
        writer.array_of(&["t"], |writer, topic| {
            writer.string(topic);
            writer.array_of(&[0], |writer, partition| {
                writer.i32(*partition);
                writer.length(Some(records.len()));
                writer.raw(records);
            });
        });
        let frame: Bytes = writer.finish().slice(4..);
        self.cluster.request(self.now, (node, connection), &frame, &mut self.tape, &mut self.effects);
        self.correlation_id
    }

    pub fn answer(&self, correlation_id: i32) -> Option<Answer> {
        self.effects.iter().find_map(|effect| {
            let Effect::Answer { frame, .. } = effect else { return None };
            let mut answer = Reader::new("answer", frame.clone());
            if answer.i32().ok()? != correlation_id {
                return None;
            }
            answer.i32().ok()?;
            answer.string().ok()?;
            answer.i32().ok()?;
            answer.i32().ok()?;
            let (code, base_offset) = (answer.i16().ok()?, answer.i64().ok()?);
            Some(Answer { code, base_offset, append_time_ms: answer.i64().ok()? })
        })
    }

    pub fn await_answer(&mut self, correlation_id: i32) -> Answer {
        for _ in 0..10_000 {
            if let Some(answer) = self.answer(correlation_id) {
                return answer;
            }
            self.pass(10);
        }
        panic!("the model does not answer");
    }

    pub fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.cluster.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.cluster.tick(self.now, &mut self.tape, &mut self.effects);
        }
        self.now = end;
    }

    pub fn fault(&mut self, fault: &ClusterFault) {
        self.cluster.apply(self.now, fault, &mut self.tape, &mut self.effects);
    }

    /// The end of the leader's log.
    pub fn log_end(&self) -> i64 {
        self.cluster.log_end(P)
    }
}

impl Broker for Model {
    fn venue(&self) -> Venue {
        Venue::Model
    }

    fn fresh_topic(&mut self, since_45: bool) {
        let keeps_personality = self.keeps_personality;
        let personality = match since_45 {
            _ if keeps_personality => self.plan.personality,
            true => Personality::Apache45,
            false => Personality::ApacheBefore45,
        };
        *self = Self { keeps_personality, ..Self::new(&ClusterPlan { personality, ..self.plan.clone() }) };
    }

    fn produce(&mut self, acks: i16, records: &[u8]) -> Answer {
        let id = self.send(1, 1, (acks, 5_000), records);
        self.await_answer(id)
    }

    fn end(&mut self) -> i64 {
        self.log_end()
    }

    fn empty(&mut self) {
        self.fault(&ClusterFault::DeleteRecords { at: P });
    }

    fn can_expire(&self) -> bool {
        true
    }

    fn expire(&mut self) {
        self.pass(2_000);
    }
}
