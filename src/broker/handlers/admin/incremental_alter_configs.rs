//! `IncrementalAlterConfigs` (44): settings of topics are set, deleted, appended to or subtracted from, one by one.
//!
//! **Why all or nothing per topic.** A topic with half of the wished settings would be a topic that nobody asked for: the
//! whole list is checked first. The broker's own settings are fixed at its start and refused here.
//!
//! One name is ours and no setting: [`COMPACT_NOW`] asks for a compaction at once. A real Kafka answers that it does not
//! know the name, which is what `facteur topics compact` then explains.
//!
//! Neighbours: [`crate::broker::topic_config`] checks and applies. Not here: the older API that replaces all settings at
//! once (33), which Kafka has deprecated.

use std::collections::BTreeSet;

use super::super::{Answer, RequestContext, RequestHeader, RequestReader, begin};
use super::{BROKER_RESOURCE, TOPIC_RESOURCE};
use crate::broker::cluster::{Cluster, TopicRefusal};
use crate::broker::topic_config::Change;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::incremental_alter_configs::COMPACT_NOW;

const INVALID_CONFIG: ErrorCode = ErrorCode(40);

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct AlterConfigsRequest {
    resources: Vec<Resource>,
    validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    kind: i8,
    name: String,
    wishes: Vec<Wish>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    name: String,
    /// 0 set, 1 delete, 2 append, 3 subtract.
    operation: i8,
    value: Option<String>,
}

impl AlterConfigsRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        let topics = self.resources.iter().filter(|resource| resource.kind == TOPIC_RESOURCE);
        topics.map(|resource| resource.name.as_str())
    }
}

pub(super) fn decode(reader: &mut RequestReader<'_>) -> Result<AlterConfigsRequest, WireError> {
    let resources = reader.array(3, |reader| {
        let kind = reader.i8()?;
        let name = reader.string()?;
        let wishes = reader.array(3, |reader| {
            let wish =
                Wish { name: reader.string()?, operation: reader.i8()?, value: reader.nullable_string()? };
            reader.skip_tags()?;
            Ok(wish)
        })?;
        reader.skip_tags()?;
        Ok(Resource { kind, name, wishes })
    })?;
    let validate_only = reader.bool()?;
    reader.skip_tags()?;
    Ok(AlterConfigsRequest { resources, validate_only })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &AlterConfigsRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<(i8, &str)> = request
        .resources
        .iter()
        .map(|resource| (resource.kind, resource.name.as_str()))
        .filter(|resource| !seen.insert(*resource))
        .collect();
    encode(header, request, |resource| {
        if twice.contains(&(resource.kind, resource.name.as_str())) {
            let why = format!("Each resource must appear at most once; {} appears twice.", resource.name);
            return Err((ErrorCode::INVALID_REQUEST, why));
        }
        match resource.kind {
            TOPIC_RESOURCE => alter_topic(cluster, resource, request.validate_only, context),
            BROKER_RESOURCE => {
                let why = "the settings of this broker are fixed when it starts; `facteur broker --help` shows them";
                Err((ErrorCode::INVALID_REQUEST, why.to_owned()))
            }
            kind => {
                let why = format!("resource type {kind} has no settings here; expected 2 (topic)");
                Err((ErrorCode::INVALID_REQUEST, why))
            }
        }
    })
}

pub(super) fn refuse(header: &RequestHeader, request: &AlterConfigsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_| Err((code, code.name().to_owned())))
}

/// Alters a topic, or compacts it; answers what to say about the latter.
fn alter_topic(
    cluster: &mut Cluster,
    resource: &Resource,
    validate_only: bool,
    context: &RequestContext<'_>,
) -> Result<Option<String>, TopicRefusal> {
    let Some(topic) = cluster.topic(&resource.name) else {
        let why = "This server does not host this topic-partition.".to_owned();
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
    };
    if let [Wish { name, .. }] = &resource.wishes[..]
        && name == COMPACT_NOW
    {
        return compact_now(cluster, &resource.name, validate_only, context);
    }
    let mut names = BTreeSet::new();
    if let Some(wish) = resource.wishes.iter().find(|wish| !names.insert(wish.name.as_str())) {
        let why = format!("Error due to duplicate config keys: {}", wish.name);
        return Err((ErrorCode::INVALID_REQUEST, why));
    }
    let changes: Result<Vec<(String, Change)>, TopicRefusal> = resource.wishes.iter().map(change).collect();
    let changes = changes?;
    let config = topic.config.altered(&changes).map_err(|why| (INVALID_CONFIG, why))?;
    if !validate_only && !changes.is_empty() {
        let what: Vec<String> = names.iter().map(|name| said(name, &config)).collect();
        cluster.alter_topic(&resource.name, config, &what.join(", "), context.now);
    }
    Ok(None)
}

/// `name=value`, or that it is the default again.
fn said(name: &str, config: &crate::broker::topic_config::TopicConfig) -> String {
    config
        .given()
        .get(name)
        .map_or_else(|| format!("{name} is its default again"), |value| format!("{name}={value}"))
}

fn change(wish: &Wish) -> Result<(String, Change), TopicRefusal> {
    let invalid = |why: String| Err((ErrorCode::INVALID_REQUEST, why));
    let change = match (wish.operation, &wish.value) {
        (1, _) => Change::Delete,
        (0, Some(value)) => Change::Set(value.clone()),
        (2, Some(value)) => Change::Append(value.clone()),
        (3, Some(value)) => Change::Subtract(value.clone()),
        (0 | 2 | 3, None) => return invalid(format!("Null value not supported for {}", wish.name)),
        (operation, _) => {
            return invalid(format!("Unknown operation {operation} for {}; expected 0 to 3", wish.name));
        }
    };
    Ok((wish.name.clone(), change))
}

fn compact_now(
    cluster: &mut Cluster,
    name: &str,
    validate_only: bool,
    context: &RequestContext<'_>,
) -> Result<Option<String>, TopicRefusal> {
    let is_compacted = cluster.topic(name).is_some_and(|topic| topic.config.is_compacted);
    if validate_only && is_compacted {
        return Ok(None);
    }
    match cluster.compact_topic(name, context.now) {
        Some(report) => Ok(Some(format!("{} records removed, {} kept", report.removed, report.kept))),
        None => {
            let why = format!("topic {name} is not compacted: set cleanup.policy=compact first");
            Err((INVALID_CONFIG, why))
        }
    }
}

fn encode(
    header: &RequestHeader,
    request: &AlterConfigsRequest,
    mut alter: impl FnMut(&Resource) -> Result<Option<String>, TopicRefusal>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.resources, |answer, resource| {
        let (code, text) = match alter(resource) {
            Ok(text) => (ErrorCode::NONE, text),
            Err((code, why)) => (code, Some(why)),
        };
        answer.i16(code.0);
        answer.nullable_string(text.as_deref());
        answer.i8(resource.kind);
        answer.string(&resource.name);
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
