//! `facteur producers describe`: which producers a partition's leader remembers (KIP-664).
//!
//! **Why.** It is the broker's half of idempotence, to be looked at: id, epoch and last sequence per producer. The output
//! is shaped like that of `kafka-transactions.sh describe-producers`, which shows the same of our broker. Neighbours:
//! [`crate::cli::client`] asks. Not here: transactions.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::topics::ClusterArguments;
use crate::error::ErrorCode;
use crate::wire::api::describe_producers::{ActiveProducer, PartitionProducers};

/// Flags of `producers`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProducersArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Print JSON, one line a producer.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Prints the producers that partitions remember.
    Describe {
        /// The topic.
        #[arg(short, long)]
        topic: String,
        /// One partition; all of them if none is given.
        #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
        partition: Option<i32>,
    },
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the command line, the connection, the topic or a partition.
///
/// # Cancel safety
///
/// Dropping the future closes the connections; nothing was changed.
pub async fn run(arguments: ProducersArguments) -> Result<Exit, Failure> {
    let Action::Describe { topic: name, partition } = &arguments.action;
    let mut client = arguments.cluster.connect().await?;
    let topic = client.topic(name).await?;
    let count = topic.partitions.len();
    let mut wanted: Vec<_> = topic
        .partitions
        .iter()
        .filter(|found| partition.is_none_or(|only| found.partition == only))
        .collect();
    wanted.sort_by_key(|found| found.partition);
    if wanted.is_empty() {
        let only = partition.unwrap_or_default();
        let message = format!("topic {name:?} has no partition {only}; it has {count}, counted from 0");
        return Err(Failure::new(Exit::CheckFailed, message));
    }
    for (index, found) in wanted.iter().enumerate() {
        let leader = found.leader.ok_or_else(|| no_leader(name, found.partition))?;
        let answer = client.describe_producers(leader, name, &[found.partition]).await?;
        let described = answer.into_iter().find(|described| described.partition == found.partition);
        let described = described.ok_or_else(|| no_word(name, found.partition))?;
        check(&described, name)?;
        if arguments.json {
            described
                .producers
                .iter()
                .try_for_each(|producer| output::json_line(&Line::new(&described, producer)))?;
            continue;
        }
        // Kafka's tool takes one partition and prints the table alone.
        if partition.is_none() {
            let gap = if index > 0 { "\n" } else { "" };
            output::line(&format!("{gap}Topic: {name}\tPartition: {}", found.partition))?;
        }
        table(&described).iter().try_for_each(|line| output::line(line))?;
    }
    Ok(Exit::Ok)
}

fn no_leader(topic: &str, partition: i32) -> Failure {
    Failure::new(
        Exit::CheckFailed,
        format!("partition {topic}-{partition} has no leader at present; try again"),
    )
}

fn no_word(topic: &str, partition: i32) -> Failure {
    Failure::new(Exit::CheckFailed, format!("the broker said nothing about partition {topic}-{partition}"))
}

fn check(described: &PartitionProducers, topic: &str) -> Result<(), Failure> {
    if described.error == ErrorCode::NONE {
        return Ok(());
    }
    let words = described.message.as_deref().map(|words| format!(": {words}")).unwrap_or_default();
    let message =
        format!("partition {topic}-{} cannot be described: {}{words}", described.partition, described.error);
    Err(Failure::new(Exit::CheckFailed, message))
}

/// As Kafka's tool prints it: columns as wide as their widest cell, a tab behind each.
fn table(described: &PartitionProducers) -> Vec<String> {
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(described.producers.iter().map(cells));
    let mut widths = [0; HEADS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    rows.iter()
        .map(|row| row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}\t")).collect())
        .collect()
}

fn cells(producer: &ActiveProducer) -> [String; HEADS.len()] {
    let start = Some(producer.transaction_start_offset).filter(|offset| *offset >= 0);
    [
        producer.producer_id.to_string(),
        producer.epoch.to_string(),
        producer.coordinator_epoch.to_string(),
        producer.last_sequence.to_string(),
        producer.last_timestamp_ms.to_string(),
        start.map_or_else(|| "None".to_owned(), |offset| offset.to_string()),
    ]
}

/// One producer, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    producer_id: i64,
    producer_epoch: i32,
    latest_coordinator_epoch: i32,
    last_sequence: i32,
    last_timestamp: i64,
    current_transaction_start_offset: Option<i64>,
}

impl<'a> Line<'a> {
    fn new(described: &'a PartitionProducers, producer: &ActiveProducer) -> Self {
        Self {
            topic: &described.topic,
            partition: described.partition,
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch,
            latest_coordinator_epoch: producer.coordinator_epoch,
            last_sequence: producer.last_sequence,
            last_timestamp: producer.last_timestamp_ms,
            current_transaction_start_offset: Some(producer.transaction_start_offset)
                .filter(|offset| *offset >= 0),
        }
    }
}

/// The heads of Kafka's tool.
const HEADS: [&str; 6] = [
    "ProducerId",
    "ProducerEpoch",
    "LatestCoordinatorEpoch",
    "LastSequence",
    "LastTimestamp",
    "CurrentTransactionStartOffset",
];

const EXAMPLES: &str = "\
Examples:
  facteur producers describe --topic bhf-transactions --partition 0
  facteur producers describe --topic bhf-transactions --json
  kafka-transactions.sh --bootstrap-server localhost:9092 describe-producers --topic bhf-transactions --partition 0";

#[cfg(test)]
mod tests {
    use super::*;

    // Fails if a script that reads the output of Kafka's tool would trip over ours.
    #[test]
    fn the_table_is_shaped_like_that_of_kafka() {
        let producer = ActiveProducer {
            producer_id: 1_000_042,
            epoch: 0,
            last_sequence: 7,
            last_timestamp_ms: 1_700_000_000_000,
            coordinator_epoch: -1,
            transaction_start_offset: -1,
        };
        let described = PartitionProducers {
            topic: "t".to_owned(),
            partition: 0,
            error: ErrorCode::NONE,
            message: None,
            producers: vec![producer],
        };
        let lines = table(&described);
        assert_eq!(
            lines,
            [
                "ProducerId\tProducerEpoch\tLatestCoordinatorEpoch\tLastSequence\tLastTimestamp\tCurrentTransactionStartOffset\t",
                "1000042   \t0            \t-1                    \t7           \t1700000000000\tNone                         \t",
            ]
        );
    }
}
