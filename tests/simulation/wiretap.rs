//! What goes through the producers' sockets, read beside them and written down for the oracle (Q10, Q11).
//!
//! **Why here.** Between engine and socket there is no delay and no loss: the order in which frames leave and answers are
//! heard is the order in which the engine knows of them. So what K6, K8 and K15 demand can be asked exactly, of bytes
//! alone. The cluster's own checks see what arrives, which is less (a frame may be lost) and more (zombies).
//!
//! Neighbours: `links` and `producer` call, `oracle::checks::wire` judges. Not here: judgement.

use std::collections::VecDeque;

use bytes::Bytes;
use facteur::engine::Event;
use facteur::error::AnswerClass;
use facteur::identifiers::{ConnectionId, ProducerIdentity};
use facteur::wire::api::ApiKey;
use facteur::wire::api::produce::{PartitionAnswer, TopicRef, decode_response};
use facteur::wire::frame::{decode_response_header, peek_correlation_id};

use super::cluster::topics::topic_of_id;
use super::cluster::wire::{BatchHead, Header, PRODUCE, ProduceRequest, read_header, read_produce};
use super::swarm::Plan;
use crate::oracle::wire::{Answer, Stamp, Wire, Written};
use crate::oracle::{Lane, RecordId};

/// A batch of an open request.
#[derive(Debug)]
struct Sent {
    lane: Lane,
    partition: i32,
    stamp: Stamp,
    /// As the request named it: its answer must name it likewise.
    topic: TopicRef,
}

/// A request that is not answered.
#[derive(Debug)]
struct Open {
    connection: u64,
    correlation_id: i32,
    api: i16,
    version: i16,
    is_written: bool,
    batches: Vec<Sent>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Wiretap {
    /// Batches without names say nothing.
    is_on: bool,
    /// By topic of the plan: its name and its first lane.
    topics: Vec<(&'static str, u32)>,
    open: VecDeque<Open>,
    /// Connections on which something came that is no answer: the engine listens no longer, and ends them.
    broken: Vec<u64>,
}

impl Wiretap {
    pub fn new(plan: &Plan) -> Self {
        let topics = plan.topics.iter().map(|topic| (topic.name, topic.first_lane));
        Self { is_on: plan.config.enable_idempotence, topics: topics.collect(), ..Self::default() }
    }

    /// Nobody is going to judge this run.
    pub const fn switch_off(&mut self) {
        self.is_on = false;
    }

    /// The engine has handed a frame over, here without its prefix.
    pub fn sent(&mut self, producer: usize, connection: ConnectionId, frame: &Bytes, wire: &mut Wire) {
        if !self.is_on {
            return;
        }
        let (header, cursor) = read_header(frame).expect("the engine writes what can be read");
        let Header { api, version, correlation_id } = header;
        let connection = key(producer, connection);
        let batches = if api == PRODUCE {
            let request = read_produce(frame, version, cursor).expect("the engine writes what can be read");
            self.written(version, &request, connection, wire)
        } else {
            Vec::new()
        };
        self.open.push_back(Open { connection, correlation_id, api, version, is_written: false, batches });
    }

    fn written(&self, version: i16, request: &ProduceRequest, connection: u64, wire: &mut Wire) -> Vec<Sent> {
        let mut batches = Vec::with_capacity(request.items.len());
        for item in &request.items {
            let asked = &request.topics[item.topic];
            let topic = if version >= 13 {
                TopicRef::Id(facteur::identifiers::TopicId(asked.id))
            } else {
                TopicRef::Name(String::from_utf8_lossy(&asked.name).into_owned())
            };
            let Some(head) = item.head else { continue };
            let lane = self.lane(&topic, item.partition);
            let stamp = stamp_of(&head);
            wire.written(Written {
                lane,
                stamp,
                connection,
                leader_epoch: 0,
                first: recognise(&item.records),
                content: u64::from(head.crc),
            });
            batches.push(Sent { lane, partition: item.partition, stamp, topic });
        }
        batches
    }

    /// The engine is about to hear of this.
    pub fn heard(&mut self, producer: usize, event: &Event, wire: &mut Wire) {
        match event {
            Event::Written { connection, correlation_id } => {
                let connection = key(producer, *connection);
                let is_it = |open: &&mut Open| {
                    open.connection == connection && open.correlation_id == *correlation_id
                };
                if let Some(open) = self.open.iter_mut().find(is_it) {
                    open.is_written = true;
                }
            }
            Event::Received { connection, frame } => self.answered(key(producer, *connection), frame, wire),
            Event::Disconnected { connection, .. } => self.ended(producer, *connection, wire),
            _ => {}
        }
    }

    /// A connection is gone, whoever ended it.
    pub fn ended(&mut self, producer: usize, connection: ConnectionId, wire: &mut Wire) {
        let connection = key(producer, connection);
        self.open.retain(|open| {
            if open.connection == connection && !open.is_written {
                for sent in &open.batches {
                    wire.not_processed(sent.lane, connection, sent.stamp);
                }
            }
            open.connection != connection
        });
        self.broken.retain(|broken| *broken != connection);
        wire.ended(connection);
    }

    /// The callers of a batch were told that it is in the log.
    pub fn known(lane: Lane, (identity, base_sequence): (ProducerIdentity, i32), wire: &mut Wire) {
        let (producer_id, epoch) = (identity.producer_id, identity.epoch);
        wire.known(lane, Stamp { producer_id, epoch, base_sequence, record_count: 0 });
    }

    /// What cannot be read, or is not for the oldest request, is no answer: the engine ends the connection for it, and what
    /// comes behind it is not heard any more.
    fn answered(&mut self, connection: u64, frame: &Bytes, wire: &mut Wire) {
        if !self.is_on || self.broken.contains(&connection) {
            return;
        }
        let oldest = self.open.iter().position(|open| open.connection == connection);
        let is_its =
            |place: &usize| peek_correlation_id(frame).ok() == Some(self.open[*place].correlation_id);
        let Some(place) = oldest.filter(is_its) else {
            self.broken.push(connection);
            return;
        };
        let open = &self.open[place];
        if open.api != PRODUCE {
            self.open.remove(place);
            return;
        }
        let is_flexible = ApiKey::Produce.has_flexible_response_header(open.version);
        let response = decode_response_header(frame.clone(), open.correlation_id, is_flexible)
            .and_then(|body| decode_response(open.version, &body));
        let Ok(response) = response else {
            self.broken.push(connection);
            return;
        };
        let open = self.open.remove(place).expect("it is there");
        for sent in &open.batches {
            let is_for =
                |answer: &&PartitionAnswer| answer.topic == sent.topic && answer.partition == sent.partition;
            let answer = response.partitions.iter().find(is_for);
            // What an answer leaves out is as doubtful as a connection's end.
            let answer = answer.map_or(Answer::Indeterminate, |answer| match answer.error.class() {
                AnswerClass::Success => Answer::Success,
                AnswerClass::Indeterminate => Answer::Indeterminate,
                _ => Answer::Definite,
            });
            wire.answered(sent.lane, connection, sent.stamp, answer);
        }
    }

    fn lane(&self, topic: &TopicRef, partition: i32) -> Lane {
        let place = match topic {
            TopicRef::Id(id) => topic_of_id(id.0),
            TopicRef::Name(name) => {
                self.topics.iter().position(|(known, _)| known == name).expect("a topic of the plan")
            }
        };
        Lane(self.topics[place].1 + partition.cast_unsigned())
    }
}

/// Two producers number their connections alike.
const fn key(producer: usize, connection: ConnectionId) -> u64 {
    (producer as u64) << 48 | connection.0
}

const fn stamp_of(head: &BatchHead) -> Stamp {
    Stamp {
        producer_id: head.producer_id,
        epoch: head.epoch,
        base_sequence: head.base_sequence,
        record_count: head.count,
    }
}

/// By what a batch is recognised whatever its name: its records' bytes, which hold their numbers.
fn recognise(batch: &[u8]) -> RecordId {
    let body = batch.get(super::cluster::wire::BATCH_HEADER_BYTES..).unwrap_or_default();
    RecordId(u64::from(crc32c::crc32c(body)) | (body.len() as u64) << 32)
}
