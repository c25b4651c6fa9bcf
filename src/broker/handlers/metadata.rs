//! Metadata (3): the one node, its address as seen from this listener, topics and partitions.
//!
//! **Why it may create topics.** A client that names an unknown topic expects it to exist soon (D-47), unless it says
//! otherwise (version 4 on) or the broker is told not to. The topic exists before the answer goes out, so a client does
//! not have to ask twice. Names that no topic can have are answered 17.
//!
//! Neighbours: [`crate::broker::cluster`]. Not here: authorised operations (answered as "not asked for") and racks.

use super::answer::{Answer, AnswerWriter};
use super::{RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, INTERNAL_TOPICS, Topic, topic_name_fault};
use crate::broker::topic_config::TopicConfig;
use crate::error::ErrorCode;
use crate::identifiers::TopicId;
use crate::wire::WireError;

/// What a broker answers where authorised operations were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetadataRequest {
    /// `None` asks for all.
    topics: Option<Vec<AskedTopic>>,
    allow_auto_creation: bool,
}

impl MetadataRequest {
    /// The topics that are asked for by name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().flatten().filter_map(|topic| topic.name.as_deref())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct AskedTopic {
    id: TopicId,
    name: Option<String>,
}

struct FoundTopic {
    code: ErrorCode,
    name: Option<String>,
    id: TopicId,
    /// Leader epochs.
    partitions: Vec<i32>,
}

impl FoundTopic {
    fn of(topic: &Topic) -> Self {
        Self {
            code: ErrorCode::NONE,
            name: Some(topic.name.to_string()),
            id: topic.id,
            partitions: topic.partitions.iter().map(|partition| partition.leader_epoch).collect(),
        }
    }

    fn missing(asked: &AskedTopic, code: ErrorCode) -> Self {
        Self { code, name: asked.name.clone(), id: asked.id, partitions: Vec::new() }
    }
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<MetadataRequest, WireError> {
    let mut topics = reader.nullable_array(2, |reader| {
        let id = if version >= 10 { TopicId(reader.uuid()?) } else { TopicId::ZERO };
        let name = if version >= 10 { reader.nullable_string()? } else { Some(reader.string()?) };
        reader.skip_tags()?;
        Ok(AskedTopic { id, name })
    })?;
    if version == 0 && topics.as_ref().is_some_and(Vec::is_empty) {
        topics = None;
    }
    let allow_auto_creation = if version >= 4 { reader.bool()? } else { true };
    if (8..=10).contains(&version) {
        reader.bool()?;
    }
    if version >= 8 {
        reader.bool()?;
    }
    reader.skip_tags()?;
    Ok(MetadataRequest { topics, allow_auto_creation })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &MetadataRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let found: Vec<FoundTopic> = match &request.topics {
        None => cluster.topics().map(FoundTopic::of).collect(),
        Some(asked) => asked
            .iter()
            .map(|topic| find_or_create(cluster, topic, request.allow_auto_creation, context))
            .collect(),
    };
    encode(header, cluster.settings().node_id, Some((cluster.cluster_id(), context)), &found)
}

pub(super) fn refuse(header: &RequestHeader, request: &MetadataRequest, code: ErrorCode) -> Answer {
    let asked = request.topics.iter().flatten();
    let found: Vec<FoundTopic> = asked.map(|topic| FoundTopic::missing(topic, code)).collect();
    encode(header, -1, None, &found)
}

fn find_or_create(
    cluster: &mut Cluster,
    asked: &AskedTopic,
    allow_auto_creation: bool,
    context: &RequestContext<'_>,
) -> FoundTopic {
    let Some(name) = asked.name.as_deref() else {
        let known = cluster.topics().find(|topic| topic.id == asked.id).map(FoundTopic::of);
        return known.unwrap_or_else(|| FoundTopic::missing(asked, ErrorCode::UNKNOWN_TOPIC_ID));
    };
    if let Some(topic) = cluster.topic(name) {
        return FoundTopic::of(topic);
    }
    if topic_name_fault(name).is_some() {
        return FoundTopic::missing(asked, ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let may_create =
        allow_auto_creation && cluster.settings().auto_create_topics && !INTERNAL_TOPICS.contains(&name);
    if !may_create {
        return FoundTopic::missing(asked, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let partitions = cluster.settings().default_partitions;
    match cluster.create_topic(name, partitions, TopicConfig::default(), context.now) {
        Ok(()) => cluster.topic(name).map_or_else(
            || FoundTopic::missing(asked, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            FoundTopic::of,
        ),
        Err((code, _)) => FoundTopic::missing(asked, code),
    }
}

/// `place` is the cluster id and the address; a refused request gets neither.
fn encode(
    header: &RequestHeader,
    node_id: i32,
    place: Option<(&str, &RequestContext<'_>)>,
    topics: &[FoundTopic],
) -> Answer {
    let version = header.version;
    let mut answer = begin(header);
    if version >= 3 {
        answer.i32(0);
    }
    let brokers = place.map(|(_, context)| context.advertised);
    answer.array(brokers.as_slice(), |answer, address| {
        answer.i32(node_id);
        answer.string(&address.host);
        answer.i32(i32::from(address.port));
        if version >= 1 {
            answer.nullable_string(None);
        }
        answer.no_tags();
    });
    if version >= 2 {
        answer.nullable_string(place.map(|(cluster_id, _)| cluster_id));
    }
    if version >= 1 {
        answer.i32(node_id);
    }
    answer.array(topics, |answer, topic| encode_topic(answer, version, node_id, topic));
    if (8..=10).contains(&version) {
        answer.i32(NO_OPERATIONS);
    }
    answer.no_tags();
    answer.finish()
}

fn encode_topic(answer: &mut AnswerWriter, version: i16, node_id: i32, topic: &FoundTopic) {
    answer.i16(topic.code.0);
    let name = topic.name.as_deref();
    answer.nullable_string(if version >= 12 { name } else { Some(name.unwrap_or_default()) });
    if version >= 10 {
        answer.raw(&topic.id.0);
    }
    if version >= 1 {
        answer.bool(name.is_some_and(|name| INTERNAL_TOPICS.contains(&name)));
    }
    let epochs: Vec<(i32, i32)> = (0_i32..).zip(topic.partitions.iter().copied()).collect();
    answer.array(&epochs, |answer, (index, leader_epoch)| {
        answer.i16(0);
        answer.i32(*index);
        answer.i32(node_id);
        if version >= 7 {
            answer.i32(*leader_epoch);
        }
        answer.array(&[node_id], |answer, node| answer.i32(*node));
        answer.array(&[node_id], |answer, node| answer.i32(*node));
        if version >= 5 {
            answer.length(Some(0));
        }
        answer.no_tags();
    });
    if version >= 8 {
        answer.i32(NO_OPERATIONS);
    }
    answer.no_tags();
}
