//! `Metadata` (key 3), versions 0 to 13: brokers, topics, partitions and their leaders.
//!
//! Versions: 1 controller, rack, null for "all topics"; 2 cluster id; 3 throttle time; 4 auto-creation is a choice;
//! 5 offline replicas; 7 leader epochs; 8 authorised operations; 9 flexible; 10 topic ids (KIP-516); 12 null names;
//! 13 an error for the whole answer (KIP-1102, `REBOOTSTRAP_REQUIRED`).
//!
//! **What is put right.** Brokers with a negative id, an empty host or a port outside 1 to 65535 are left out, so a
//! leader may name a node that is not in the list; a negative leader or epoch is none. A negative partition makes no
//! sense at all and is refused. Neighbours: `engine::metadata`. Not here: what is believed when answers disagree.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::identifiers::{NodeId, TopicId};
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// More brokers than any cluster has; an answer with more is refused.
const MAX_BROKERS: usize = 10_000;
/// More topics than any cluster has.
const MAX_TOPICS: usize = 1_000_000;
/// More partitions than any cluster has, over all topics of an answer: each of them becomes a lane.
const MAX_PARTITIONS: usize = 1_000_000;

/// A broker as the cluster advertises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub node: NodeId,
    /// Where it says that it can be reached.
    pub host: String,
    /// The port, 1 to 65535.
    pub port: u16,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// 0, or why something is missing (5: no leader at present).
    pub error: ErrorCode,
    /// Its number.
    pub partition: i32,
    /// Its leader, if it has one.
    pub leader: Option<NodeId>,
    /// The leader's epoch, from version 7 on.
    pub leader_epoch: Option<i32>,
    /// The nodes that hold it.
    pub replicas: Vec<NodeId>,
    /// Those of them that are in sync.
    pub isr: Vec<NodeId>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// 0, or why the topic cannot be used (3: it does not exist).
    pub error: ErrorCode,
    /// Its name; empty if asked for by an id that the broker does not know.
    pub name: String,
    /// Its id, from version 10 on; else zero.
    pub id: TopicId,
    /// Whether the topic is Kafka's own.
    pub is_internal: bool,
    /// Its partitions, in the order of the answer.
    pub partitions: Vec<Partition>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// The brokers that are alive.
    pub brokers: Vec<Broker>,
    /// The cluster's id, from version 2 on.
    pub cluster_id: Option<String>,
    /// The controller, if known.
    pub controller: Option<NodeId>,
    /// The topics that were asked for.
    pub topics: Vec<Topic>,
    /// 0, or 129 (`REBOOTSTRAP_REQUIRED`), from version 13 on.
    pub error: ErrorCode,
}

/// A whole frame. `topics`: `None` asks for all; an empty list for none (version 0 cannot say that and asks for all).
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: Option<&[&str]>,
    allow_auto_create: bool,
) -> Bytes {
    let mut writer = Writer::request(ApiKey::Metadata, version, correlation_id, client_id);
    match topics {
        None if version == 0 => writer.length(Some(0)),
        None => writer.length(None),
        Some(topics) => writer.array_of(topics, |writer, topic| {
            if version >= 10 {
                writer.raw(&TopicId::ZERO.0);
            }
            writer.string(topic);
            writer.no_tags();
        }),
    }
    if version >= 4 {
        writer.bool(allow_auto_create);
    }
    if (8..=10).contains(&version) {
        writer.bool(false);
    }
    if version >= 8 {
        writer.bool(false);
    }
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<MetadataResponse, WireError> {
    ApiKey::Metadata.check_version(version)?;
    let mut reader = Reader::new("Metadata response", body).flexible(ApiKey::Metadata.is_flexible(version));
    let reader = &mut reader;
    let throttle_ms = if version >= 3 { read_throttle_ms(reader)? } else { 0 };
    let brokers = reader.array_of_at_most(MAX_BROKERS, 8, |reader| read_broker(reader, version >= 1))?;
    let cluster_id = if version >= 2 { reader.nullable_string()? } else { None };
    let controller = if version >= 1 { node(reader.i32()?) } else { None };
    let mut partitions_left = MAX_PARTITIONS;
    let topics =
        reader.array_of_at_most(MAX_TOPICS, 4, |reader| read_topic(reader, version, &mut partitions_left))?;
    if (8..=10).contains(&version) {
        reader.i32()?;
    }
    let error = if version >= 13 { ErrorCode(reader.i16()?) } else { ErrorCode::NONE };
    reader.skip_tags()?;
    let brokers = brokers.into_iter().flatten().collect();
    Ok(MetadataResponse { throttle_ms, brokers, cluster_id, controller, topics, error })
}

/// A node id, `None` if negative.
pub(crate) fn node(id: i32) -> Option<NodeId> {
    (id >= 0).then_some(NodeId(id))
}

/// A broker, `None` if nobody could connect to it.
pub(crate) fn read_broker(reader: &mut Reader, has_rack: bool) -> Result<Option<Broker>, WireError> {
    let id = reader.i32()?;
    let host = reader.string()?;
    let port = u16::try_from(reader.i32()?).ok().filter(|port| *port > 0);
    let rack = if has_rack { reader.nullable_string()? } else { None };
    reader.skip_tags()?;
    Ok(match (node(id), port) {
        (Some(node), Some(port)) if !host.is_empty() => Some(Broker { node, host, port, rack }),
        _ => None,
    })
}

fn read_topic(reader: &mut Reader, version: i16, partitions_left: &mut usize) -> Result<Topic, WireError> {
    let error = ErrorCode(reader.i16()?);
    let name = if version >= 12 { reader.nullable_string()?.unwrap_or_default() } else { reader.string()? };
    let id = if version >= 10 { TopicId(reader.uuid()?) } else { TopicId::ZERO };
    let is_internal = version >= 1 && reader.bool()?;
    let partitions =
        reader.array_of_at_most(*partitions_left, 12, |reader| read_partition(reader, version))?;
    *partitions_left = partitions_left.saturating_sub(partitions.len());
    if version >= 8 {
        reader.i32()?;
    }
    reader.skip_tags()?;
    Ok(Topic { error, name, id, is_internal, partitions })
}

fn read_partition(reader: &mut Reader, version: i16) -> Result<Partition, WireError> {
    let error = ErrorCode(reader.i16()?);
    let partition = reader.i32()?;
    if partition < 0 {
        return Err(WireError::Protocol(format!("Metadata response with partition {partition}")));
    }
    let leader = node(reader.i32()?);
    let leader_epoch = if version >= 7 { Some(reader.i32()?).filter(|epoch| *epoch >= 0) } else { None };
    let replicas = reader.array_of(4, |reader| reader.i32().map(NodeId))?;
    let isr = reader.array_of(4, |reader| reader.i32().map(NodeId))?;
    if version >= 5 {
        reader.array_of(4, Reader::i32)?;
    }
    reader.skip_tags()?;
    Ok(Partition { error, partition, leader, leader_epoch, replicas, isr })
}
