//! `facteur topics describe`: partitions, leaders and settings.
//!
//! **Why the settings stand in the first line.** `kafka-topics --describe` puts those that were given there; `--configs`
//! lists all of them as `kafka-configs --describe --all` does, with where each comes from.
//!
//! Neighbours: [`super`] has the flags, [`crate::cli::client`] asks. Not here: producers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{base64_url, explanation};
use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::identifiers::NodeId;
use crate::wire::api::describe_configs::{SET_ON_TOPIC, Setting};
use crate::wire::api::metadata::{Partition, Topic};

/// A topic, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TopicLine<'a> {
    topic: &'a str,
    topic_id: Option<String>,
    partition_count: usize,
    replication_factor: usize,
    /// Those that were given, or all with `--configs`.
    configs: BTreeMap<&'a str, Option<&'a str>>,
    partitions: Vec<PartitionLine>,
}

/// A partition, with `--json`.
#[derive(Debug, Serialize)]
struct PartitionLine {
    partition: i32,
    leader: Option<i32>,
    replicas: Vec<i32>,
    isr: Vec<i32>,
}

/// What to show of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Those that were given for the topic.
    Given,
    /// All that hold.
    All,
}

pub(super) async fn describe(
    client: &mut Client,
    names: &[String],
    show: Show,
    json: bool,
) -> Result<Exit, Failure> {
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let answer = client.metadata((!wanted.is_empty()).then_some(wanted.as_slice())).await?;
    let mut topics = answer.topics;
    topics.sort_by(|one, other| one.name.cmp(&other.name));
    let there: Vec<&str> =
        topics.iter().filter(|topic| topic.error.is_none()).map(|topic| topic.name.as_str()).collect();
    let settings = settings_of(client, &there).await?;
    let mut exit = Exit::Ok;
    for topic in &mut topics {
        if !topic.error.is_none() {
            eprintln!("facteur: {}", explanation("described", &topic.name, topic.error, None));
            exit = Exit::CheckFailed;
            continue;
        }
        topic.partitions.sort_by_key(|partition| partition.partition);
        let settings: &[Setting] = settings.get(&topic.name).map_or(&[], Vec::as_slice);
        if json {
            output::json_line(&topic_line(topic, settings, show))?;
        } else {
            print_topic(topic, settings)?;
            if show == Show::All {
                print_settings(topic, settings)?;
            }
        }
    }
    Ok(exit)
}

/// The settings of each topic. A topic that went meanwhile, or may not be looked at, has none.
async fn settings_of(
    client: &mut Client,
    topics: &[&str],
) -> Result<BTreeMap<String, Vec<Setting>>, Failure> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let described = client.describe_configs(topics).await?;
    let mut found = BTreeMap::new();
    for one in described {
        if one.error.is_none() {
            found.insert(one.name, one.settings);
        } else {
            let said = one.message.map(|text| format!(" ({text})")).unwrap_or_default();
            eprintln!("facteur: the settings of topic {:?} cannot be shown: {}{said}", one.name, one.error);
        }
    }
    Ok(found)
}

fn topic_line<'a>(topic: &'a Topic, settings: &'a [Setting], show: Show) -> TopicLine<'a> {
    let shown = settings.iter().filter(|setting| show == Show::All || setting.source == SET_ON_TOPIC);
    TopicLine {
        topic: &topic.name,
        topic_id: topic.id.is_known().then(|| base64_url(topic.id)),
        partition_count: topic.partitions.len(),
        replication_factor: replication_factor(topic),
        configs: shown.map(|setting| (setting.name.as_str(), setting.value.as_deref())).collect(),
        partitions: topic.partitions.iter().map(partition_line).collect(),
    }
}

fn partition_line(partition: &Partition) -> PartitionLine {
    PartitionLine {
        partition: partition.partition,
        leader: partition.leader.map(|node| node.0),
        replicas: partition.replicas.iter().map(|node| node.0).collect(),
        isr: partition.isr.iter().map(|node| node.0).collect(),
    }
}

fn print_topic(topic: &Topic, settings: &[Setting]) -> Result<(), Failure> {
    let id = if topic.id.is_known() { base64_url(topic.id) } else { "unknown".to_owned() };
    let given: Vec<String> =
        settings.iter().filter(|setting| setting.source == SET_ON_TOPIC).map(assignment).collect();
    output::line(&format!(
        "Topic: {}\tTopicId: {id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}",
        topic.name,
        topic.partitions.len(),
        replication_factor(topic),
        given.join(",")
    ))?;
    for partition in &topic.partitions {
        let leader = partition.leader.map_or_else(|| "none".to_owned(), |node| node.to_string());
        output::line(&format!(
            "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            topic.name,
            partition.partition,
            nodes(&partition.replicas),
            nodes(&partition.isr)
        ))?;
    }
    Ok(())
}

fn print_settings(topic: &Topic, settings: &[Setting]) -> Result<(), Failure> {
    output::line(&format!("All configs for topic {} are:", topic.name))?;
    for setting in settings {
        let synonyms: Vec<String> = setting
            .synonyms
            .iter()
            .map(|(name, value, source)| {
                format!("{}:{name}={}", source_name(*source), value.as_deref().unwrap_or("null"))
            })
            .collect();
        output::line(&format!(
            "  {} sensitive={} synonyms={{{}}}",
            assignment(setting),
            setting.is_sensitive,
            synonyms.join(", ")
        ))?;
    }
    Ok(())
}

fn assignment(setting: &Setting) -> String {
    format!("{}={}", setting.name, setting.value.as_deref().unwrap_or("null"))
}

/// Kafka's name of a source.
const fn source_name(source: i8) -> &'static str {
    match source {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        _ => "UNKNOWN",
    }
}

fn replication_factor(topic: &Topic) -> usize {
    topic.partitions.first().map_or(0, |partition| partition.replicas.len())
}

fn nodes(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
