//! `Produce` (key 0), versions 3 to 13: record batches to the leaders of their partitions.
//!
//! Versions: 3 record batch format 2; 5 log start offset in the answer; 7 zstd; 8 which records were at fault (KIP-467);
//! 9 flexible; 10 the new leader in the answer (KIP-951); 12 transactions 2; 13 topic ids instead of names (KIP-516).
//!
//! **Why the request is a list of segments.** A request carries many batches, and their bytes already lie sealed in
//! memory: they are handed to the socket where they are, with the small framing bytes between them. The 61-byte
//! headers, made afresh for the first send, are copied into the framing.
//!
//! Neighbours: `engine::sender` builds requests, `engine::produce_response` judges answers. Not here: which version
//! (D-44: 13 only if every topic has an id), and `acks=0`, which has no answer on the wire at all.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::identifiers::{NodeId, TopicId};
use crate::wire::WireError;
use crate::wire::api::metadata::{Broker, node, read_broker};
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::record_batch::BATCH_HEADER_BYTES;
use crate::wire::writer::Writer;

/// More endpoints than any cluster has; an answer with more is refused.
const MAX_NODE_ENDPOINTS: usize = 10_000;
/// More partitions than any request has; an answer with more is refused.
const MAX_PARTITIONS: usize = 200_000;

/// The sealed batch of one partition.
#[derive(Debug, Clone)]
pub struct PartitionBatch {
    /// The partition.
    pub partition: i32,
    /// The stamped header.
    pub header: [u8; BATCH_HEADER_BYTES],
    /// The records, compressed or not, in as many pieces as they lie in.
    pub body: Vec<Bytes>,
}

impl PartitionBatch {
    fn size_bytes(&self) -> usize {
        self.body.iter().fold(BATCH_HEADER_BYTES, |size, segment| size.saturating_add(segment.len()))
    }
}

/// The batches of one topic, at most one per partition.
#[derive(Debug, Clone)]
pub struct TopicBatches<'a> {
    /// The name, which goes out up to version 12.
    pub topic: &'a str,
    /// The id, which goes out in version 13.
    pub topic_id: TopicId,
    /// The batches.
    pub partitions: Vec<PartitionBatch>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct ProduceRequest<'a> {
    /// 3 to 13.
    pub version: i16,
    /// Ours; the answer repeats it.
    pub correlation_id: i32,
    /// `client.id`.
    pub client_id: &'a str,
    /// 0, 1 or -1 (all).
    pub acks: i16,
    /// How long the broker may wait for replicas.
    pub timeout_ms: i32,
    /// The batches; each topic once.
    pub topics: Vec<TopicBatches<'a>>,
}

/// A whole frame, length prefix included, as segments for a vectored write. The bodies are not copied.
#[must_use]
pub fn encode_request(request: ProduceRequest<'_>) -> Vec<Bytes> {
    let ProduceRequest { version, correlation_id, client_id, acks, timeout_ms, topics } = request;
    let mut writer = Writer::request(ApiKey::Produce, version, correlation_id, client_id);
    writer.nullable_string(None);
    writer.i16(acks);
    writer.i32(timeout_ms);
    writer.length(Some(topics.len()));
    // Where the framing is cut, and the body that goes in there.
    let mut bodies: Vec<(usize, Vec<Bytes>)> = Vec::new();
    let mut outside_bytes = 0_usize;
    for topic in topics {
        if version >= 13 {
            writer.raw(&topic.topic_id.0);
        } else {
            writer.string(topic.topic);
        }
        writer.length(Some(topic.partitions.len()));
        for batch in topic.partitions {
            let size = batch.size_bytes();
            writer.i32(batch.partition);
            writer.length(Some(size));
            writer.raw(&batch.header);
            outside_bytes = outside_bytes.saturating_add(size - BATCH_HEADER_BYTES);
            bodies.push((writer.len(), batch.body));
            writer.no_tags();
        }
        writer.no_tags();
    }
    writer.no_tags();
    interleave(&writer.finish_with(outside_bytes), bodies)
}

fn interleave(framing: &Bytes, bodies: Vec<(usize, Vec<Bytes>)>) -> Vec<Bytes> {
    let mut segments = Vec::with_capacity(bodies.len().saturating_mul(2).saturating_add(1));
    let mut from = 0;
    for (at, body) in bodies {
        segments.push(framing.slice(from..at));
        segments.extend(body.into_iter().filter(|segment| !segment.is_empty()));
        from = at;
    }
    if from < framing.len() {
        segments.push(framing.slice(from..));
    }
    segments
}

/// The most bytes that a request with these parts has besides the batches' bodies, in any version, its length prefix
/// included: what a caller that fills a request up to `max.request.size` counts for each topic and partition.
#[must_use]
pub fn max_framing_bytes(client_id: &str, topics: impl IntoIterator<Item = (usize, usize)>) -> usize {
    topics.into_iter().fold(request_framing_bytes(client_id), |size, (name_bytes, partitions)| {
        size.saturating_add(topic_framing_bytes(name_bytes))
            .saturating_add(partitions.saturating_mul(PARTITION_FRAMING_BYTES))
    })
}

/// The part of [`max_framing_bytes`] that every request has: prefix 4, header 8 + 2 + client id + 1, transactional id
/// 2, acks 2, timeout 4, topic count 5, tags 1.
#[must_use]
pub const fn request_framing_bytes(client_id: &str) -> usize {
    client_id.len().saturating_add(4 + 11 + 2 + 2 + 4 + 5 + 1)
}

/// The part of [`max_framing_bytes`] that each topic adds: name (or id of 16) with its length, partition count 5,
/// tags 1.
#[must_use]
pub const fn topic_framing_bytes(name_bytes: usize) -> usize {
    let name = name_bytes.saturating_add(3);
    (if name < 16 { 16 } else { name }).saturating_add(6)
}

/// The part of [`max_framing_bytes`] that each partition adds: number 4, size 5, batch header 61, tags 1.
pub const PARTITION_FRAMING_BYTES: usize = 4 + 5 + BATCH_HEADER_BYTES + 1;

/// How an answer names a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRef {
    /// Up to version 12.
    Name(String),
    /// From version 13 on.
    Id(TopicId),
}

/// What became of one partition's batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionAnswer {
    /// The topic.
    pub topic: TopicRef,
    /// The partition, as the broker says; not checked against the request.
    pub partition: i32,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The offset of the first record, or -1.
    pub base_offset: i64,
    /// The broker's time of append, if the topic has such timestamps, or -1.
    pub log_append_time_ms: i64,
    /// The first offset that is still in the log, or -1.
    pub log_start_offset: i64,
    /// The records at fault, by their number in the batch, from version 8 on.
    pub record_errors: Vec<(i32, Option<String>)>,
    /// The broker's own words, from version 8 on.
    pub message: Option<String>,
    /// The leader that the broker thinks is right, and its epoch, from version 10 on.
    pub current_leader: Option<(NodeId, i32)>,
}

/// The answer, flattened: one entry per partition in the broker's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceResponse {
    /// What became of each batch.
    pub partitions: Vec<PartitionAnswer>,
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// Where the leaders named in the answers can be reached.
    pub node_endpoints: Vec<Broker>,
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: &Bytes) -> Result<ProduceResponse, WireError> {
    ApiKey::Produce.check_version(version)?;
    let mut reader =
        Reader::new("Produce response", body.clone()).flexible(ApiKey::Produce.is_flexible(version));
    let mut partitions = Vec::new();
    for _ in 0..reader.array_count(2)? {
        let topic = if version >= 13 {
            TopicRef::Id(TopicId(reader.uuid()?))
        } else {
            TopicRef::Name(reader.string()?)
        };
        let left = MAX_PARTITIONS.saturating_sub(partitions.len());
        partitions.append(
            &mut reader
                .array_of_at_most(left, 22, |reader| read_partition(reader, version, topic.clone()))?,
        );
        reader.skip_tags()?;
    }
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let mut endpoints = Vec::new();
    reader.tags(|tag, field| {
        if tag == 0 && version >= 10 {
            endpoints = field.array_of_at_most(MAX_NODE_ENDPOINTS, 9, |field| read_broker(field, true))?;
        }
        Ok(())
    })?;
    let node_endpoints = endpoints.into_iter().flatten().collect();
    Ok(ProduceResponse { partitions, throttle_ms, node_endpoints })
}

fn read_partition(reader: &mut Reader, version: i16, topic: TopicRef) -> Result<PartitionAnswer, WireError> {
    let mut answer = PartitionAnswer {
        topic,
        partition: reader.i32()?,
        error: ErrorCode(reader.i16()?),
        base_offset: reader.i64()?,
        log_append_time_ms: reader.i64()?,
        log_start_offset: if version >= 5 { reader.i64()? } else { -1 },
        record_errors: Vec::new(),
        message: None,
        current_leader: None,
    };
    if version >= 8 {
        answer.record_errors = reader.array_of(5, |reader| {
            let error = (reader.i32()?, reader.nullable_string()?);
            reader.skip_tags()?;
            Ok(error)
        })?;
        answer.message = reader.nullable_string()?;
    }
    reader.tags(|tag, field| {
        if tag == 0 && version >= 10 {
            answer.current_leader = node(field.i32()?).zip(Some(field.i32()?));
        }
        Ok(())
    })?;
    Ok(answer)
}
