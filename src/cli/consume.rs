//! `facteur consume`: prints the records of a topic.
//!
//! **Why.** To see what a producer did one must read it back, with the producer's id, epoch and sequence. Neighbours:
//! [`crate::cli::client`] fetches, [`crate::cli::message_format`] prints. With `--group`, [`crate::cli::group_consumer`]
//! says which partitions to read and from where. Not here: how members of a group share.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;

use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::group_consumer;
use crate::cli::message_format::{ConsumedRecord, MessageFormat};
use crate::cli::output;
use crate::cli::signals::Signals;
use crate::cli::topics::ClusterArguments;
use crate::error::ErrorCode;
use crate::identifiers::NodeId;
use crate::lab::tasks;
use crate::wire::WireError;
use crate::wire::api::fetch::{FetchPartition, FetchedPartition};
use crate::wire::api::list_offsets::{EARLIEST, LATEST};
use crate::wire::compression::DecompressionLimits;
use crate::wire::record_batch_reader::split_batches;

/// Flags of `consume`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConsumeArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    /// The topic.
    #[arg(short, long)]
    topic: String,
    /// Only this partition [default: all].
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Read as a member of this consumer group: share the partitions with its other members, begin where the group
    /// stopped, commit every 5 s and at the end. Where nothing was committed yet, `-o` says where to begin.
    #[arg(short, long, value_name = "GROUP", conflicts_with = "partition")]
    group: Option<String>,
    /// Where to begin: beginning, end, or an offset.
    #[arg(short, long, default_value = "end", value_parser = parse_start)]
    offset: Start,
    /// The same as `-o beginning`.
    #[arg(long, conflicts_with = "offset")]
    from_beginning: bool,
    /// Stop at the end of the topic as it is now.
    #[arg(short = 'e', long)]
    exit_at_end: bool,
    /// Stop after so many records.
    #[arg(short = 'c', long, value_name = "N", alias = "max-messages")]
    count: Option<u64>,
    /// How to print: %t topic, %p partition, %o offset, %k key, %v or %s value, %h headers, %d timestamp, %x producer id,
    /// %y epoch, %Q base sequence, %K and %S lengths; \n and \t [default: "%v\n"].
    #[arg(short, long, value_name = "FORMAT", conflicts_with_all = ["print", "json"])]
    format: Option<String>,
    /// Print as the console consumer does: any of timestamp,partition,offset,headers,key before the value.
    #[arg(long, value_name = "FIELDS", conflicts_with = "json")]
    print: Option<String>,
    /// Print one JSON object per record.
    #[arg(long)]
    json: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Beginning,
    End,
    Offset(i64),
}

/// Reads and prints until the end, the count, a signal, or the reader of stdout leaves.
///
/// # Errors
///
/// What is wrong with the command line, the connection, the topic or the log.
///
/// # Cancel safety
///
/// Dropping the future stops between two records.
pub async fn run(arguments: ConsumeArguments) -> Result<Exit, Failure> {
    let format = format(&arguments).map_err(Failure::usage)?;
    let mut signals = Signals::listen()?;
    if let Some(group) = &arguments.group {
        return group_consumer::run(&arguments, group, &format, &mut signals).await;
    }
    tokio::select! {
        outcome = consume(&arguments, &format) => outcome.map(|()| Exit::Ok),
        () = signals.next() => Ok(Exit::Ok),
    }
}

fn format(arguments: &ConsumeArguments) -> Result<MessageFormat, String> {
    match (&arguments.format, &arguments.print, arguments.json) {
        (_, _, true) => Ok(MessageFormat::Json),
        (Some(text), _, false) => MessageFormat::parse(text),
        (None, Some(fields), false) => MessageFormat::console(fields),
        (None, None, false) => MessageFormat::parse("%v\\n"),
    }
}

/// A partition that is being read.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) leader: NodeId,
    pub(super) next_offset: i64,
    /// Where to stop, if there is an end.
    end_offset: Option<i64>,
}

impl Position {
    pub(super) fn is_at_end(&self) -> bool {
        self.end_offset.is_some_and(|end| self.next_offset >= end)
    }
}

async fn consume(arguments: &ConsumeArguments, format: &MessageFormat) -> Result<(), Failure> {
    let mut client = arguments.cluster.connect().await?;
    let mut positions = positions(&mut client, arguments).await?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 && !positions.values().all(Position::is_at_end) {
        fetch_once(&mut client, arguments, &mut positions, format, &mut left).await?;
    }
    Ok(())
}

/// Asks each leader once, waiting half a second at most, and prints what there is.
pub(super) async fn fetch_once(
    client: &mut Client,
    arguments: &ConsumeArguments,
    positions: &mut BTreeMap<i32, Position>,
    format: &MessageFormat,
    left: &mut u64,
) -> Result<(), Failure> {
    let reading = positions.values().filter(|position| !position.is_at_end());
    let mut leaders: Vec<NodeId> = reading.map(|position| position.leader).collect();
    leaders.sort_unstable();
    leaders.dedup();
    // With several leaders none may keep the others waiting for long.
    let max_wait = Duration::from_millis(if leaders.len() > 1 { 50 } else { 500 });
    for leader in leaders {
        let wanted =
            positions.iter().filter(|(_, position)| position.leader == leader && !position.is_at_end());
        let wanted = wanted.map(|(partition, position)| FetchPartition {
            partition: *partition,
            fetch_offset: position.next_offset,
            max_bytes: PARTITION_MAX_BYTES,
        });
        let wanted: Vec<FetchPartition> = wanted.collect();
        let answer = client.fetch(leader, &arguments.topic, wanted, max_wait).await?;
        for fetched in answer.partitions {
            print_fetched(&fetched, positions, format, left)?;
        }
    }
    if positions.values().any(|position| position.leader == NO_LEADER) {
        find_leaders(client, &arguments.topic, positions).await?;
    }
    Ok(())
}

impl ConsumeArguments {
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) const fn cluster(&self) -> &ClusterArguments {
        &self.cluster
    }

    pub(super) const fn stops_at_end(&self) -> bool {
        self.exit_at_end
    }

    pub(super) fn max_records(&self) -> u64 {
        self.count.unwrap_or(u64::MAX)
    }
}

/// A partition read from where its group stopped; where nothing was committed, from where the flags say.
pub(super) async fn group_position(
    client: &mut Client,
    arguments: &ConsumeArguments,
    (partition, leader): (i32, NodeId),
    committed: Option<i64>,
) -> Result<Position, Failure> {
    let start = offset_at(client, leader, &arguments.topic, partition, EARLIEST).await?;
    let end = offset_at(client, leader, &arguments.topic, partition, LATEST).await?;
    let first = if arguments.from_beginning { Start::Beginning } else { arguments.offset };
    let next_offset = match (committed, first) {
        (Some(offset), _) | (None, Start::Offset(offset)) => offset.clamp(start, end),
        (None, Start::Beginning) => start,
        (None, Start::End) => end,
    };
    Ok(Position { leader, next_offset, end_offset: arguments.exit_at_end.then_some(end) })
}

async fn positions(
    client: &mut Client,
    arguments: &ConsumeArguments,
) -> Result<BTreeMap<i32, Position>, Failure> {
    let topic = client.topic(&arguments.topic).await?;
    let count = topic.partitions.len();
    let chosen = topic
        .partitions
        .iter()
        .filter(|known| arguments.partition.is_none_or(|wanted| wanted == known.partition));
    let leaders: BTreeMap<i32, NodeId> =
        chosen.filter_map(|known| Some((known.partition, known.leader?))).collect();
    if leaders.is_empty() {
        let wanted = arguments.partition.unwrap_or(0);
        let message = format!(
            "topic {:?} has {count} partitions; partition {wanted} is not one of them. Choose one below {count}",
            topic.name
        );
        return Err(Failure::usage(message));
    }
    let mut positions = BTreeMap::new();
    for (partition, leader) in leaders {
        let start = offset_at(client, leader, &topic.name, partition, EARLIEST).await?;
        let end = offset_at(client, leader, &topic.name, partition, LATEST).await?;
        let first = if arguments.from_beginning { Start::Beginning } else { arguments.offset };
        let next_offset = match first {
            Start::Beginning => start,
            Start::End => end,
            Start::Offset(offset) if (start..=end).contains(&offset) => offset,
            // Of several partitions one may be shorter than the others.
            Start::Offset(offset) if arguments.partition.is_none() => offset.clamp(start, end),
            Start::Offset(offset) => {
                let message = format!(
                    "partition {partition} has the offsets {start} to {end}; {offset} is outside. Choose one of them"
                );
                return Err(Failure::usage(message));
            }
        };
        let end_offset = arguments.exit_at_end.then_some(end);
        positions.insert(partition, Position { leader, next_offset, end_offset });
    }
    Ok(positions)
}

async fn offset_at(
    client: &mut Client,
    leader: NodeId,
    topic: &str,
    partition: i32,
    which: i64,
) -> Result<i64, Failure> {
    let answer = client.list_offsets(leader, topic, &[partition], which).await?;
    let found = answer.into_iter().find(|found| found.partition == partition);
    match found {
        Some(found) if found.error.is_none() => Ok(found.offset),
        Some(found) => Err(refused(topic, partition, found.error)),
        None => Err(refused(topic, partition, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
    }
}

fn refused(topic: &str, partition: i32, code: ErrorCode) -> Failure {
    Failure::new(
        Exit::CheckFailed,
        format!(
            "{topic}-{partition} cannot be read: {code}. Try again, or look at `facteur topics describe {topic}`"
        ),
    )
}

fn print_fetched(
    fetched: &FetchedPartition,
    positions: &mut BTreeMap<i32, Position>,
    format: &MessageFormat,
    left: &mut u64,
) -> Result<(), Failure> {
    let Some(position) = positions.get_mut(&fetched.partition) else { return Ok(()) };
    match fetched.error {
        ErrorCode::NONE => {}
        ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::LEADER_NOT_AVAILABLE
        | ErrorCode::FENCED_LEADER_EPOCH => {
            position.leader = NO_LEADER;
            return Ok(());
        }
        code => return Err(refused(&fetched.topic, fetched.partition, code)),
    }
    let mut out = output::stdout();
    let broken = |error: WireError, offset: i64| {
        let message =
            format!("{}-{} at offset {offset} cannot be read: {error}", fetched.topic, fetched.partition);
        Failure::new(Exit::CheckFailed, message)
    };
    for batch in split_batches(Bytes::clone(&fetched.records)) {
        let batch = batch.map_err(|error| broken(error, position.next_offset))?;
        batch.check_crc().map_err(|error| broken(error, batch.base_offset))?;
        if batch.is_control() {
            position.next_offset = batch.last_offset().saturating_add(1);
            continue;
        }
        for record in batch
            .records(&DecompressionLimits::default())
            .map_err(|error| broken(error, batch.base_offset))?
        {
            let record = record.map_err(|error| broken(error, batch.base_offset))?;
            let offset = batch.base_offset.saturating_add(i64::from(record.offset_delta));
            // A batch comes whole, even if only its end was asked for.
            if offset < position.next_offset || *left == 0 || position.is_at_end() {
                continue;
            }
            format.write(&ConsumedRecord::of(fetched, &batch, record), &mut out)?;
            position.next_offset = offset.saturating_add(1);
            *left -= 1;
        }
        // A compacted batch may end with offsets that are gone.
        if *left > 0 {
            position.next_offset = position.next_offset.max(batch.last_offset().saturating_add(1));
        }
    }
    out.flush()?;
    Ok(())
}

async fn find_leaders(
    client: &mut Client,
    topic: &str,
    positions: &mut BTreeMap<i32, Position>,
) -> Result<(), Failure> {
    tasks::sleep(Duration::from_millis(100)).await;
    let topic = client.topic(topic).await?;
    for known in topic.partitions {
        if let (Some(position), Some(leader)) = (positions.get_mut(&known.partition), known.leader) {
            position.leader = leader;
        }
    }
    Ok(())
}

fn parse_start(text: &str) -> Result<Start, String> {
    match text {
        "beginning" => Ok(Start::Beginning),
        "end" => Ok(Start::End),
        other => match other.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(Start::Offset(offset)),
            Ok(_) | Err(_) => {
                Err(format!("{other:?} is no place in a log; expected beginning, end or an offset from 0 on"))
            }
        },
    }
}

/// The leader has moved; the next metadata answer tells where to.
const NO_LEADER: NodeId = NodeId(-1);
const PARTITION_MAX_BYTES: i32 = 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  facteur consume -t bhf-transactions --from-beginning -e
  facteur consume -t bhf-transactions -o beginning -e --print partition,offset,key
  facteur consume -t bhf-transactions --group readers --from-beginning
  facteur consume -t bhf-transactions -p 0 -o 5 -c 1 -f '%o %k %v pid=%x epoch=%y seq=%Q\\n'";
