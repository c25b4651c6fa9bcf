//! `facteur topics`: create, list, describe, alter, compact, empty, delete.
//!
//! **Why the output looks as it does.** It is shaped like that of Kafka's own tools, which the course's readers know.
//! Neighbours: [`crate::cli::client`] asks, [`describe`] and [`alter`] are the larger actions. Not here: producers.

mod alter;
mod describe;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::error::ErrorCode;
use crate::identifiers::TopicId;
use crate::wire::api::create_topics::NewTopic;

/// Flags of `topics`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TopicsArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

/// Which cluster to talk to.
#[derive(Debug, Clone, Args)]
pub struct ClusterArguments {
    /// The cluster: HOST:PORT, several with commas.
    #[arg(
        short = 'b',
        long = "bootstrap-server",
        global = true,
        env = "KAFKA_BOOTSTRAP_SERVERS",
        default_value = "localhost:9092",
        value_name = "SERVERS"
    )]
    pub bootstrap: String,
    /// How long to wait for a broker, in milliseconds.
    #[arg(long, global = true, default_value_t = 10_000, value_name = "MS")]
    pub timeout_ms: u64,
}

impl ClusterArguments {
    /// Reaches the cluster.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(&self.bootstrap, Duration::from_millis(self.timeout_ms)).await
    }
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Creates topics.
    Create {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
        /// How many partitions each.
        #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
        partitions: i32,
        /// How many replicas each.
        #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: i16,
        /// A setting, such as cleanup.policy=compact; may be repeated.
        #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = parse_setting)]
        configs: Vec<(String, String)>,
        /// Do nothing about topics that exist already.
        #[arg(long)]
        if_not_exists: bool,
    },
    /// Prints the topics' names.
    List,
    /// Prints partitions, leaders, replicas and settings.
    Describe {
        /// Their names; all topics if none is given.
        names: Vec<String>,
        /// Every setting that holds, with where it comes from, and not only those that were given.
        #[arg(long)]
        configs: bool,
    },
    /// Changes settings, or adds partitions.
    Alter(alter::AlterArguments),
    /// Compacts topics at once, active segment included; only facteur's own broker can do that.
    Compact {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Deletes records from the beginning of a topic's partitions.
    DeleteRecords(alter::DeleteRecordsArguments),
    /// Deletes topics and their records.
    Delete {
        /// Their names.
        #[arg(required = true)]
        names: Vec<String>,
        /// Do nothing about topics that do not exist.
        #[arg(long)]
        if_exists: bool,
    },
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the command line, the connection or the topic.
///
/// # Cancel safety
///
/// Dropping the future may leave a request half answered; the cluster decides whether it acted on it.
pub async fn run(arguments: TopicsArguments) -> Result<Exit, Failure> {
    let mut client = arguments.cluster.connect().await?;
    match &arguments.action {
        Action::Create { names, partitions, replication_factor, configs, if_not_exists } => {
            let configs: Vec<(&str, &str)> =
                configs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let (partitions, replication_factor) = (*partitions, *replication_factor);
            let wanted: Vec<NewTopic<'_>> = names
                .iter()
                .map(|name| NewTopic { name, partitions, replication_factor, configs: configs.clone() })
                .collect();
            let outcomes = client
                .create_topics(&wanted)
                .await?
                .into_iter()
                .map(|topic| (topic.name, topic.error, topic.message));
            let tolerated = if_not_exists.then_some(ErrorCode::TOPIC_ALREADY_EXISTS);
            report("created", outcomes.collect(), tolerated, arguments.json)
        }
        Action::Delete { names, if_exists } => {
            let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
            let outcomes = client
                .delete_topics(&wanted)
                .await?
                .into_iter()
                .map(|topic| (topic.name, topic.error, topic.message));
            let tolerated = if_exists.then_some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            report("deleted", outcomes.collect(), tolerated, arguments.json)
        }
        Action::List => list(&mut client, arguments.json).await,
        Action::Describe { names, configs } => {
            let show = if *configs { describe::Show::All } else { describe::Show::Given };
            describe::describe(&mut client, names, show, arguments.json).await
        }
        Action::Alter(flags) => alter::alter(&mut client, flags, arguments.json).await,
        Action::Compact { names } => alter::compact(&mut client, names, arguments.json).await,
        Action::DeleteRecords(flags) => alter::delete_records(&mut client, flags, arguments.json).await,
    }
}

/// What became of one topic, with `--json`.
#[derive(Debug, Serialize)]
struct OutcomeLine<'a> {
    topic: &'a str,
    outcome: &'a str,
    code: i16,
    error: Option<String>,
}

fn report(
    verb: &str,
    outcomes: Vec<(String, ErrorCode, Option<String>)>,
    tolerated: Option<ErrorCode>,
    json: bool,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Ok;
    for (name, code, message) in outcomes {
        let is_tolerated = Some(code) == tolerated;
        let outcome = if code.is_none() {
            verb
        } else if is_tolerated {
            "unchanged"
        } else {
            "refused"
        };
        let error = (!code.is_none()).then(|| explanation(verb, &name, code, message.as_deref()));
        if !code.is_none() && !is_tolerated {
            exit = Exit::CheckFailed;
        }
        match (json, &error) {
            (true, _) => output::json_line(&OutcomeLine { topic: &name, outcome, code: code.0, error })?,
            (false, Some(text)) if !is_tolerated => eprintln!("facteur: {text}"),
            (false, Some(_)) => output::line(&format!("Left topic {name} as it is."))?,
            (false, None) if verb == "created" => output::line(&format!("Created topic {name}."))?,
            (false, None) => output::line(&format!("Deleted topic {name}."))?,
        }
    }
    Ok(exit)
}

fn explanation(verb: &str, name: &str, code: ErrorCode, message: Option<&str>) -> String {
    let hint = match code {
        ErrorCode::TOPIC_ALREADY_EXISTS => "it exists already; `--if-not-exists` accepts that",
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            "it does not exist; `facteur topics list` shows those that do"
        }
        ErrorCode::INVALID_TOPIC_EXCEPTION => {
            "the name is not allowed; expected 1 to 249 of a-z A-Z 0-9 . _ -"
        }
        ErrorCode::INVALID_PARTITIONS => "the number of partitions is not allowed",
        ErrorCode(40) => "a setting is not allowed",
        _ => "the cluster refused it",
    };
    let words = message.filter(|text| !text.is_empty()).map(|text| format!(" ({text})")).unwrap_or_default();
    format!("topic {name:?} was not {verb}: {hint}. {code}{words}")
}

async fn list(client: &mut Client, json: bool) -> Result<Exit, Failure> {
    let mut names: Vec<String> =
        client.metadata(None).await?.topics.into_iter().map(|topic| topic.name).collect();
    names.sort();
    if json {
        output::json_line(&names)?;
    } else {
        for name in names {
            output::line(&name)?;
        }
    }
    Ok(Exit::Ok)
}

/// A topic id as Kafka's tools print it: URL-safe base64 without padding.
fn base64_url(id: TopicId) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: u128 = u128::from_be_bytes(id.0);
    // 128 bits in groups of six from the left: 21 whole groups, then two bits and four zeros.
    (0..22_u32)
        .map(|group| {
            let six = if group < 21 { bits >> (122 - 6 * group) } else { bits << 4 };
            let index = usize::try_from(six & 0x3f).unwrap_or(0);
            ALPHABET.get(index).copied().map_or('?', char::from)
        })
        .collect()
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no '='; expected NAME=VALUE"))?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

const EXAMPLES: &str = "\
Examples:
  facteur topics create orders --partitions 6
  facteur topics create bhf-compact-demo -c cleanup.policy=compact --if-not-exists
  facteur topics describe orders --configs
  facteur topics alter orders -c retention.ms=60000 --partitions 12
  facteur topics compact bhf-compact-demo
  facteur topics delete-records orders --before 1000
  facteur topics list --json";

#[cfg(test)]
mod tests {
    use super::*;

    // Ids must be comparable with what Kafka's own tools print.
    #[test]
    fn topic_ids_are_spelt_as_kafka_spells_them() {
        assert_eq!(base64_url(TopicId([0; 16])), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(base64_url(TopicId([0xff; 16])), "_____________________w");
        let mut id = [0; 16];
        id[15] = 1;
        assert_eq!(base64_url(TopicId(id)), "AAAAAAAAAAAAAAAAAAAAAQ");
    }
}
