//! `CreateTopics` (19): topics with partitions and settings.
//!
//! **Why settings come back.** From version 5 on the answer lists what holds for the topic, defaults included, so that
//! tools can show it; names that mean nothing are refused, as by Kafka. A replication factor above 1 is refused, since there is one node.
//!
//! Neighbours: [`crate::broker::topic_config`] reads the settings, [`crate::broker::cluster`] creates. Not here:
//! creation on demand, which is Metadata's.

use std::collections::BTreeSet;

use super::admin::{Setting, topic_settings};
use super::answer::{Answer, AnswerWriter};
use super::{RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, TopicRefusal};
use crate::broker::topic_config::TopicConfig;
use crate::error::ErrorCode;
use crate::identifiers::TopicId;
use crate::wire::WireError;

const INVALID_REPLICATION_FACTOR: ErrorCode = ErrorCode(38);
const INVALID_REPLICA_ASSIGNMENT: ErrorCode = ErrorCode(39);
const INVALID_CONFIG: ErrorCode = ErrorCode(40);

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CreateTopicsRequest {
    pub(super) topics: Vec<NewTopic>,
    validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewTopic {
    pub(super) name: String,
    partitions: i32,
    replication_factor: i16,
    /// Partition and replicas, if the client assigns them itself.
    assignments: Vec<(i32, Vec<i32>)>,
    settings: Vec<(String, Option<String>)>,
}

#[derive(Debug)]
struct Created {
    id: TopicId,
    partitions: i32,
    settings: Vec<Setting>,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    _version: i16,
) -> Result<CreateTopicsRequest, WireError> {
    let topics = reader.array(9, |reader| {
        let name = reader.string()?;
        let partitions = reader.i32()?;
        let replication_factor = reader.i16()?;
        let assignments = reader.array(5, |reader| {
            let partition = reader.i32()?;
            let replicas = reader.array(4, |reader| reader.i32())?;
            reader.skip_tags()?;
            Ok((partition, replicas))
        })?;
        let settings = reader.array(2, |reader| {
            let setting = (reader.string()?, reader.nullable_string()?);
            reader.skip_tags()?;
            Ok(setting)
        })?;
        reader.skip_tags()?;
        Ok(NewTopic { name, partitions, replication_factor, assignments, settings })
    })?;
    reader.i32()?;
    let validate_only = reader.bool()?;
    reader.skip_tags()?;
    Ok(CreateTopicsRequest { topics, validate_only })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &CreateTopicsRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> =
        request.topics.iter().map(|topic| topic.name.as_str()).filter(|name| !seen.insert(*name)).collect();
    encode(header, request, |topic| {
        if twice.contains(topic.name.as_str()) {
            let why = format!("Duplicate topic name '{}' in the request.", topic.name);
            return Err((ErrorCode::INVALID_REQUEST, why));
        }
        create(cluster, topic, request.validate_only, context)
    })
}

pub(super) fn refuse(header: &RequestHeader, request: &CreateTopicsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_| Err((code, code.name().to_owned())))
}

fn create(
    cluster: &mut Cluster,
    topic: &NewTopic,
    validate_only: bool,
    context: &RequestContext<'_>,
) -> Result<Created, TopicRefusal> {
    let partitions = partitions_of(cluster, topic)?;
    cluster.check_new_topic(&topic.name, partitions)?;
    let config = TopicConfig::from_pairs(&topic.settings).map_err(|why| (INVALID_CONFIG, why))?;
    let settings = topic_settings(&config);
    if validate_only {
        return Ok(Created { id: TopicId::ZERO, partitions, settings });
    }
    cluster.create_topic(&topic.name, partitions, config, context.now)?;
    let id = cluster.topic(&topic.name).map_or(TopicId::ZERO, |created| created.id);
    Ok(Created { id, partitions, settings })
}

/// How many partitions are asked for, by number or by assignment.
fn partitions_of(cluster: &Cluster, topic: &NewTopic) -> Result<i32, TopicRefusal> {
    if !topic.assignments.is_empty() {
        let node = cluster.settings().node_id;
        let is_dense = (0_i32..)
            .zip(&topic.assignments)
            .all(|(index, (partition, replicas))| *partition == index && *replicas == [node]);
        if !is_dense || topic.partitions != -1 {
            let why = format!("assignments must name partitions 0, 1, 2 … and replica {node} alone");
            return Err((INVALID_REPLICA_ASSIGNMENT, why));
        }
        return Ok(i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX));
    }
    match topic.replication_factor {
        -1 | 1 => {}
        factor if factor > 1 => {
            let why = format!(
                "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be \
                 reached because only 1 broker(s) are registered."
            );
            return Err((INVALID_REPLICATION_FACTOR, why));
        }
        _ => {
            let why = "Replication factor must be larger than 0.".to_owned();
            return Err((INVALID_REPLICATION_FACTOR, why));
        }
    }
    Ok(if topic.partitions == -1 { cluster.settings().default_partitions } else { topic.partitions })
}

fn encode(
    header: &RequestHeader,
    request: &CreateTopicsRequest,
    mut create: impl FnMut(&NewTopic) -> Result<Created, TopicRefusal>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.topics, |answer, topic| {
        let result = create(topic);
        answer.string(&topic.name);
        if header.version >= 7 {
            answer.raw(&result.as_ref().map_or(TopicId::ZERO, |created| created.id).0);
        }
        let refusal = result.as_ref().err();
        answer.i16(refusal.map_or(0, |(code, _)| code.0));
        answer.nullable_string(refusal.map(|(_, why)| why.as_str()));
        if header.version >= 5 {
            encode_settings(answer, result.ok());
        }
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}

fn encode_settings(answer: &mut AnswerWriter, created: Option<Created>) {
    let Some(created) = created else {
        answer.i32(-1);
        answer.i16(-1);
        answer.length(Some(0));
        return;
    };
    answer.i32(created.partitions);
    answer.i16(1);
    answer.array(&created.settings, |answer, setting| {
        answer.string(setting.name);
        answer.nullable_string(Some(&setting.value));
        answer.bool(setting.is_read_only);
        answer.i8(setting.source);
        answer.bool(false);
        answer.no_tags();
    });
}
