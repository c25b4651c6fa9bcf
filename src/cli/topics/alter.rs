//! `facteur topics alter`, `compact` and `delete-records`: changes of topics that exist.
//!
//! **Why each says what it did.** A script reads the exit code, a student the sentence. Neighbours: [`super`] has the
//! flags, [`crate::cli::client`] asks. Not here: creating and deleting topics.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::{explanation, parse_setting};
use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::error::ErrorCode;
use crate::identifiers::NodeId;
use crate::wire::api::delete_records::{ALL_RECORDS, DeletedRecords};
use crate::wire::api::incremental_alter_configs::{Alteration, COMPACT_NOW};

const INVALID_CONFIG: ErrorCode = ErrorCode(40);
const INVALID_REQUEST: ErrorCode = ErrorCode(42);

/// Flags of `topics alter`.
#[derive(Debug, Clone, Args)]
pub struct AlterArguments {
    /// The topics' names.
    #[arg(required = true)]
    names: Vec<String>,
    /// A setting to give them, such as retention.ms=60000; may be repeated.
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = parse_setting)]
    configs: Vec<(String, String)>,
    /// A setting that goes back to its default; may be repeated.
    #[arg(long = "delete-config", value_name = "NAME")]
    deleted: Vec<String>,
    /// How many partitions they shall have in all; never fewer than now.
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
}

/// Flags of `topics delete-records`.
#[derive(Debug, Clone, Args)]
pub struct DeleteRecordsArguments {
    /// The topic's name.
    name: String,
    /// Only this partition; may be repeated [default: all].
    #[arg(short, long = "partition", value_name = "N")]
    partitions: Vec<i32>,
    /// Records before this offset go [default: all that are there].
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    before: Option<i64>,
}

/// What became of one topic, with `--json`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    topic: &'a str,
    outcome: &'a str,
    code: i16,
    message: Option<&'a str>,
}

/// What became of one partition, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartitionLine<'a> {
    topic: &'a str,
    partition: i32,
    low_watermark: i64,
    code: i16,
}

pub(super) async fn alter(
    client: &mut Client,
    arguments: &AlterArguments,
    json: bool,
) -> Result<Exit, Failure> {
    let settings = arguments.configs.iter().map(|(name, value)| (name.as_str(), Alteration::Set(value)));
    let deleted = arguments.deleted.iter().map(|name| (name.as_str(), Alteration::Delete));
    let changes: Vec<(&str, Alteration<'_>)> = settings.chain(deleted).collect();
    if changes.is_empty() && arguments.partitions.is_none() {
        return Err(Failure::usage(
            "nothing to alter; expected --config NAME=VALUE, --delete-config NAME or --partitions N",
        ));
    }
    let mut exit = Exit::Ok;
    if !changes.is_empty() {
        let wanted: Vec<_> = arguments.names.iter().map(|name| (name.as_str(), changes.clone())).collect();
        for altered in client.alter_configs(&wanted).await? {
            let done = format!("Altered settings of topic {}.", altered.name);
            if !told(&altered.name, altered.error, altered.message.as_deref(), &done, json)? {
                exit = Exit::CheckFailed;
            }
        }
    }
    if let Some(total) = arguments.partitions {
        let wanted: Vec<_> = arguments.names.iter().map(|name| (name.as_str(), total)).collect();
        for added in client.create_partitions(&wanted).await? {
            let done = format!(
                "Topic {} has {total} partitions. A key may go to another one than before.",
                added.name
            );
            if !told(&added.name, added.error, added.message.as_deref(), &done, json)? {
                exit = Exit::CheckFailed;
            }
        }
    }
    Ok(exit)
}

pub(super) async fn compact(client: &mut Client, names: &[String], json: bool) -> Result<Exit, Failure> {
    let wanted: Vec<_> =
        names.iter().map(|name| (name.as_str(), vec![(COMPACT_NOW, Alteration::Set("true"))])).collect();
    let mut exit = Exit::Ok;
    for answer in client.alter_configs(&wanted).await? {
        let said = answer.message.as_deref().unwrap_or_default();
        let is_foreign = answer.error == INVALID_CONFIG && said.contains(COMPACT_NOW);
        let message = if is_foreign {
            "only facteur's own broker can compact at once; a real Kafka compacts when its cleaner finds enough closed, \
             dirty segments: write records until a segment is full or segment.ms has passed, and wait some 15 s"
        } else {
            said
        };
        let done = format!("Compacted topic {}: {said}.", answer.name);
        if !told(&answer.name, answer.error, Some(message), &done, json)? {
            exit = Exit::CheckFailed;
        }
    }
    Ok(exit)
}

pub(super) async fn delete_records(
    client: &mut Client,
    arguments: &DeleteRecordsArguments,
    json: bool,
) -> Result<Exit, Failure> {
    let name = &arguments.name;
    let topic = client.topic(name).await?;
    let count = topic.partitions.len();
    let mut by_leader: BTreeMap<NodeId, Vec<(i32, i64)>> = BTreeMap::new();
    if let Some(unknown) = arguments
        .partitions
        .iter()
        .find(|wanted| !topic.partitions.iter().any(|partition| partition.partition == **wanted))
    {
        return Err(Failure::usage(format!(
            "topic {name:?} has {count} partitions, and no partition {unknown}"
        )));
    }
    for partition in &topic.partitions {
        let is_wanted =
            arguments.partitions.is_empty() || arguments.partitions.contains(&partition.partition);
        if let Some(leader) = partition.leader.filter(|_| is_wanted) {
            let offset = arguments.before.unwrap_or(ALL_RECORDS);
            by_leader.entry(leader).or_default().push((partition.partition, offset));
        }
    }
    let mut answers: Vec<DeletedRecords> = Vec::new();
    for (leader, partitions) in by_leader {
        answers.extend(client.delete_records(leader, name, &partitions).await?);
    }
    answers.sort_by_key(|answer| answer.partition);
    let mut exit = Exit::Ok;
    for answer in answers {
        let DeletedRecords { partition, low_watermark, error } = answer;
        if !error.is_none() {
            exit = Exit::CheckFailed;
        }
        if json {
            output::json_line(&PartitionLine { topic: name, partition, low_watermark, code: error.0 })?;
        } else if error.is_none() {
            output::line(&format!("partition: {name}-{partition}\tlow_watermark: {low_watermark}"))?;
        } else {
            eprintln!("facteur: records of {name}-{partition} were not deleted: {}", refusal(error));
        }
    }
    Ok(exit)
}

fn refusal(error: ErrorCode) -> String {
    let hint = match error.0 {
        1 => return "the offset lies behind the end of the log. OFFSET_OUT_OF_RANGE (1)".to_owned(),
        44 => "its cleanup.policy has no delete; `facteur topics alter` can add it",
        _ => "the cluster refused it",
    };
    format!("{hint}. {error}")
}

/// Tells what became of a topic; answers whether all went well.
fn told(name: &str, code: ErrorCode, message: Option<&str>, done: &str, json: bool) -> Result<bool, Failure> {
    let is_done = code.is_none();
    if json {
        let outcome = if is_done { "altered" } else { "refused" };
        output::json_line(&Line { topic: name, outcome, code: code.0, message })?;
    } else if is_done {
        output::line(done)?;
    } else if matches!(code, INVALID_CONFIG | INVALID_REQUEST) {
        // The broker's own words say which setting, which value and what was expected.
        eprintln!(
            "facteur: topic {name:?} was not altered: {}. {code}",
            message.unwrap_or("a setting is not allowed")
        );
    } else {
        eprintln!("facteur: {}", explanation("altered", name, code, message));
    }
    Ok(is_done)
}
