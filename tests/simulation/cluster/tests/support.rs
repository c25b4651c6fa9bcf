//! A client of the model that sends what it is told, and a clock that goes where it is told.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use facteur::identifiers::{ProducerIdentity, TopicId};
use facteur::time::Instant;
use facteur::wire::api::produce::{PartitionAnswer, PartitionBatch, ProduceRequest, TopicBatches};
use facteur::wire::api::{ApiKey, init_producer_id, metadata, produce};
use facteur::wire::frame::decode_response_header;
use facteur::wire::record_batch::{
    BATCH_HEADER_BYTES, BatchSummary, CodecId, ProducerStamp, RecordFields, append_record, body_crc,
    encode_header,
};

use crate::simulation::cluster::{Cluster, ClusterFault, ClusterPlan, Effect, Where};
use crate::simulation::tape::Tape;

/// The partition that most tests are about.
pub const P: Where = Where { topic: 0, partition: 0 };

/// The wall clock at the beginning.
pub const WALL_MS: i64 = 1_700_000_000_000;

/// A batch to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    pub producer_id: i64,
    pub epoch: i16,
    pub first: i32,
    pub records: u32,
    /// The first record's id; it is the value.
    pub id: u64,
}

impl Batch {
    /// Sequences from `first` of producer 7 in epoch 0; ids as the sequences.
    pub fn of(first: i32, records: u32) -> Self {
        Self { producer_id: 7, epoch: 0, first, records, id: u64::from(first.unsigned_abs()) }
    }

    pub fn epoch(self, epoch: i16) -> Self {
        Self { epoch, ..self }
    }

    pub fn id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    /// Header and body.
    pub fn parts(&self) -> ([u8; BATCH_HEADER_BYTES], Bytes) {
        let mut body = Vec::new();
        for index in 0..self.records {
            let mut value = [0_u8; 20];
            value[..8].copy_from_slice(&(self.id + u64::from(index)).to_be_bytes());
            let fields = RecordFields {
                offset_delta: i32::try_from(index).unwrap(),
                timestamp_delta_ms: 0,
                key: None,
                value: Some(&value),
                headers: &[],
            };
            append_record(&mut body, &fields);
        }
        let body = Bytes::from(body);
        let summary = BatchSummary {
            codec: CodecId::None,
            record_count: self.records,
            base_timestamp_ms: WALL_MS,
            max_timestamp_ms: WALL_MS,
            body_size_bytes: body.len(),
            body_crc: body_crc(std::slice::from_ref(&body)),
            is_transactional: false,
        };
        let identity = ProducerIdentity { producer_id: self.producer_id, epoch: self.epoch };
        let stamp = (self.producer_id >= 0).then_some(ProducerStamp { identity, base_sequence: self.first });
        (encode_header(&summary, stamp), body)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (header, body) = self.parts();
        [&header[..], &body[..]].concat()
    }
}

/// The model, a clock, and the answers that have come.
pub struct Stage {
    pub cluster: Cluster,
    pub now: Instant,
    pub tape: Tape,
    pub effects: Vec<Effect>,
    pub version: i16,
    pub acks: i16,
    pub timeout_ms: i32,
    correlation_id: i32,
}

impl Stage {
    /// Three brokers, one topic `t` of two partitions; broker 1 leads partition 0. All lags are the tamest.
    pub fn new() -> Self {
        Self::of(&ClusterPlan { min_isr: 2, ..ClusterPlan::default() }.topic("t", 2))
    }

    pub fn of(plan: &ClusterPlan) -> Self {
        Self {
            cluster: Cluster::new(plan),
            now: Instant::from_millis(1),
            tape: Tape::recorded(Vec::new()),
            effects: Vec::new(),
            version: 12,
            acks: -1,
            timeout_ms: 10_000,
            correlation_id: 0,
        }
    }

    /// Sends bytes for partition 0 of a topic and does not wait. Answers the correlation id.
    pub fn send_bytes(&mut self, topic: &str, (node, connection): (i32, u64), bytes: &[u8]) -> i32 {
        self.correlation_id += 1;
        let header = bytes.first_chunk::<BATCH_HEADER_BYTES>();
        let body = bytes.get(BATCH_HEADER_BYTES..).map(Bytes::copy_from_slice);
        let Some((header, body)) = header.zip(body) else { panic!("less than a header") };
        let batch = PartitionBatch { partition: 0, header: *header, body: vec![body] };
        let topic = TopicBatches { topic, topic_id: TopicId::ZERO, partitions: vec![batch] };
        let request = ProduceRequest {
            version: self.version,
            correlation_id: self.correlation_id,
            client_id: "test",
            acks: self.acks,
            timeout_ms: self.timeout_ms,
            topics: vec![topic],
        };
        let mut frame = BytesMut::new();
        for segment in produce::encode_request(request) {
            frame.extend_from_slice(&segment);
        }
        let frame = frame.freeze().slice(4..);
        self.cluster.request(self.now, (node, connection), &frame, &mut self.tape, &mut self.effects);
        self.correlation_id
    }

    pub fn send(&mut self, node: i32, connection: u64, batch: Batch) -> i32 {
        self.send_bytes("t", (node, connection), &batch.bytes())
    }

    pub fn send_to(&mut self, topic: &str, node: i32, connection: u64, batch: Batch) -> i32 {
        self.send_bytes(topic, (node, connection), &batch.bytes())
    }

    /// The answer to a request, if it has come.
    pub fn answer(&self, correlation_id: i32) -> Option<PartitionAnswer> {
        let is_flexible = ApiKey::Produce.has_flexible_response_header(self.version);
        self.effects.iter().find_map(|effect| {
            let Effect::Answer { frame, .. } = effect else { return None };
            let body = decode_response_header(frame.clone(), correlation_id, is_flexible).ok()?;
            let answer = produce::decode_response(self.version, &body).unwrap();
            Some(answer.partitions[0].clone())
        })
    }

    /// Lets time pass, the cluster's own doings included.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.cluster.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.cluster.tick(self.now, &mut self.tape, &mut self.effects);
        }
        self.now = end;
    }

    /// Sends, waits up to 20 s, and answers code and base offset.
    pub fn produce(&mut self, node: i32, connection: u64, batch: Batch) -> (i16, i64) {
        let id = self.send(node, connection, batch);
        for _ in 0..2000 {
            if let Some(answer) = self.answer(id) {
                return (answer.error.0, answer.base_offset);
            }
            self.pass(10);
        }
        panic!("no answer in 20 s");
    }

    pub fn fault(&mut self, fault: &ClusterFault) {
        self.cluster.apply(self.now, fault, &mut self.tape, &mut self.effects);
    }

    /// Heals, waits, and answers the ids in the log of partition 0.
    pub fn ids_in_the_end(&mut self) -> Vec<usize> {
        self.cluster.heal(self.now, &mut self.effects);
        self.pass(10_000);
        let contents = self.cluster.contents();
        assert!(contents[0].replicas.is_empty(), "the copies agree: {contents:?}");
        contents[0].found.iter().map(|found| found.id.unwrap()).collect()
    }

    /// What `node` tells of partition 0 of `t`: leader and epoch.
    pub fn metadata(&mut self, node: i32) -> Option<(Option<i32>, Option<i32>)> {
        self.correlation_id += 1;
        let frame = metadata::encode_request(12, self.correlation_id, "test", Some(&["t"]), false).slice(4..);
        self.cluster.request(self.now, (node, 900), &frame, &mut self.tape, &mut self.effects);
        let Some(Effect::Answer { frame, .. }) = self.effects.last() else { return None };
        let body = decode_response_header(frame.clone(), self.correlation_id, true).ok()?;
        let answer = metadata::decode_response(12, body).unwrap();
        let partition = answer.topics[0].partitions.first()?;
        Some((partition.leader.map(|leader| leader.0), partition.leader_epoch))
    }

    /// What a node answers to InitProducerId: id and epoch.
    pub fn init_producer_id(&mut self, node: i32) -> (i64, i16) {
        self.correlation_id += 1;
        let frame = init_producer_id::encode_request(4, self.correlation_id, "test").slice(4..);
        self.cluster.request(self.now, (node, 901), &frame, &mut self.tape, &mut self.effects);
        let Some(Effect::Answer { frame, .. }) = self.effects.last() else { panic!("no answer") };
        let body = decode_response_header(frame.clone(), self.correlation_id, true).unwrap();
        let identity = init_producer_id::decode_response(4, body).unwrap().identity;
        (identity.producer_id, identity.epoch)
    }

    /// The checks that have found something.
    pub fn found(&mut self) -> Vec<&'static str> {
        self.cluster.findings().into_iter().map(|finding| finding.check).collect()
    }
}
