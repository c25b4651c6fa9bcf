//! `DescribeConfigs` (32): the settings of topics and of the broker, each with where it comes from.
//!
//! **Why it tells more than was set.** A reader wants to know what holds: so defaults are told as well, marked as such,
//! with the broker-wide synonyms from which a topic inherits, and a sentence of help for whoever asks.
//!
//! Neighbours: [`crate::broker::topic_config`] has the table, [`super::broker_settings`] the broker's own. Not here: changes
//! ([`super::incremental_alter_configs`]), and settings of loggers, groups and metrics, which are refused.

use super::super::answer::AnswerWriter;
use super::super::{Answer, RequestContext, RequestHeader, RequestReader, begin};
use super::broker_settings::broker_settings;
use super::{BROKER_RESOURCE, TOPIC_RESOURCE};
use crate::broker::cluster::{Cluster, TopicRefusal, topic_name_fault};
use crate::broker::topic_config::TopicConfig;
use crate::broker::topic_config::definitions::DEFINITIONS;
use crate::error::ErrorCode;
use crate::wire::WireError;

/// `configSource` of a setting given for the topic (`DYNAMIC_TOPIC_CONFIG`).
const SET_ON_TOPIC: i8 = 1;
/// `configSource` of defaults (`DEFAULT_CONFIG`).
const DEFAULT: i8 = 5;

/// Resources in one request whose settings are told; each answer is many times as long as its question.
const MAX_RESOURCES: usize = 5_000;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DescribeConfigsRequest {
    resources: Vec<Resource>,
    wants_synonyms: bool,
    wants_help: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Resource {
    kind: i8,
    name: String,
    /// Only these; `None` asks for all.
    keys: Option<Vec<String>>,
}

/// A setting as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct Setting {
    pub(in crate::broker::handlers) name: &'static str,
    pub(in crate::broker::handlers) value: String,
    pub(super) type_code: i8,
    pub(super) help: &'static str,
    pub(in crate::broker::handlers) source: i8,
    pub(in crate::broker::handlers) is_read_only: bool,
    /// Names, values and sources from which the value is taken, the first that is set.
    pub(super) synonyms: Vec<(&'static str, String, i8)>,
}

impl DescribeConfigsRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        let topics = self.resources.iter().filter(|resource| resource.kind == TOPIC_RESOURCE);
        topics.map(|resource| resource.name.as_str())
    }
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    version: i16,
) -> Result<DescribeConfigsRequest, WireError> {
    let resources = reader.array(3, |reader| {
        let kind = reader.i8()?;
        let name = reader.string()?;
        let keys = reader.nullable_array(1, |reader| reader.string())?;
        reader.skip_tags()?;
        Ok(Resource { kind, name, keys })
    })?;
    let wants_synonyms = reader.bool()?;
    let wants_help = version >= 3 && reader.bool()?;
    reader.skip_tags()?;
    Ok(DescribeConfigsRequest { resources, wants_synonyms, wants_help })
}

pub(super) fn handle(
    cluster: &Cluster,
    header: &RequestHeader,
    request: &DescribeConfigsRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let mut room = MAX_RESOURCES;
    encode(header, request, |resource| {
        room = room.checked_sub(1).ok_or_else(|| {
            let why = format!("more than {MAX_RESOURCES} resources in one request; ask for them in parts");
            (ErrorCode::INVALID_REQUEST, why)
        })?;
        let mut settings = look_up(cluster, resource, context)?;
        if let Some(keys) = resource.keys.as_ref().filter(|keys| !keys.is_empty()) {
            settings.retain(|setting| keys.iter().any(|key| key == setting.name));
        }
        Ok(settings)
    })
}

pub(super) fn refuse(header: &RequestHeader, request: &DescribeConfigsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_| Err((code, code.name().to_owned())))
}

fn look_up(
    cluster: &Cluster,
    resource: &Resource,
    context: &RequestContext<'_>,
) -> Result<Vec<Setting>, TopicRefusal> {
    match resource.kind {
        TOPIC_RESOURCE => {
            if let Some(fault) = topic_name_fault(&resource.name) {
                return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, format!("Topic name is invalid: {fault}")));
            }
            let topic = cluster.topic(&resource.name).ok_or_else(|| {
                let why = "This server does not host this topic-partition.".to_owned();
                (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why)
            })?;
            Ok(topic_settings(&topic.config))
        }
        // Without a name the cluster's dynamic defaults are meant, and none can be set here.
        BROKER_RESOURCE if resource.name.is_empty() => Ok(Vec::new()),
        BROKER_RESOURCE => {
            let node = cluster.settings().node_id;
            if resource.name.parse() == Ok(node) {
                return Ok(broker_settings(cluster, context.advertised));
            }
            let why = format!(
                "Unexpected broker id, expected {node} or empty string, but received {}",
                resource.name
            );
            Err((ErrorCode::INVALID_REQUEST, why))
        }
        kind => {
            let why = format!("resource type {kind} has no settings here; expected 2 (topic) or 4 (broker)");
            Err((ErrorCode::INVALID_REQUEST, why))
        }
    }
}

/// What holds for a topic, by name.
pub(in crate::broker::handlers) fn topic_settings(config: &TopicConfig) -> Vec<Setting> {
    let told = DEFINITIONS
        .iter()
        .filter(|known| !known.name.starts_with("internal.") || config.given().contains_key(known.name));
    told.map(|known| {
        let given = config.given().get(known.name);
        let own = given.map(|value| (known.name, value.clone(), SET_ON_TOPIC));
        let inherited = (known.broker_name, known.default.to_owned(), DEFAULT);
        let inherited = Some(inherited).filter(|(name, ..)| !name.is_empty());
        Setting {
            name: known.name,
            value: given.map_or(known.default, String::as_str).to_owned(),
            type_code: known.type_code(),
            help: known.help,
            source: if given.is_some() { SET_ON_TOPIC } else { DEFAULT },
            is_read_only: false,
            synonyms: own.into_iter().chain(inherited).collect(),
        }
    })
    .collect()
}

fn encode(
    header: &RequestHeader,
    request: &DescribeConfigsRequest,
    mut look_up: impl FnMut(&Resource) -> Result<Vec<Setting>, TopicRefusal>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.resources, |answer, resource| {
        let result = look_up(resource);
        let refusal = result.as_ref().err();
        answer.i16(refusal.map_or(0, |(code, _)| code.0));
        answer.nullable_string(refusal.map(|(_, why)| why.as_str()));
        answer.i8(resource.kind);
        answer.string(&resource.name);
        answer.array(&result.unwrap_or_default(), |answer, setting| {
            encode_setting(answer, header.version, request, setting);
        });
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}

fn encode_setting(
    answer: &mut AnswerWriter,
    version: i16,
    request: &DescribeConfigsRequest,
    setting: &Setting,
) {
    answer.string(setting.name);
    answer.nullable_string(Some(&setting.value));
    answer.bool(setting.is_read_only);
    answer.i8(setting.source);
    // Nothing here is a secret.
    answer.bool(false);
    let synonyms: &[_] = if request.wants_synonyms { &setting.synonyms } else { &[] };
    answer.array(synonyms, |answer, (name, value, source)| {
        answer.string(name);
        answer.nullable_string(Some(value));
        answer.i8(*source);
        answer.no_tags();
    });
    if version >= 3 {
        answer.i8(setting.type_code);
        answer.nullable_string(Some(setting.help).filter(|_| request.wants_help));
    }
    answer.no_tags();
}
