//! Reads the log around an experiment: where it ended before, and what came after.
//!
//! **Why a mark and not the whole topic.** The course counts lines in the whole topic, which takes longer the longer the
//! class has worked; from a mark on the count is the same for a fresh event id, and takes a millisecond. Neighbours:
//! [`crate::cli::client`] asks Kafka. Not here: printing, which is `cli::consume`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::error::ErrorCode;
use crate::identifiers::NodeId;
use crate::lab::clock;
use crate::wire::WireError;
use crate::wire::api::create_topics::NewTopic;
use crate::wire::api::fetch::FetchPartition;
use crate::wire::api::list_offsets::{EARLIEST, LATEST};
use crate::wire::compression::DecompressionLimits;
use crate::wire::record_batch_reader::split_batches;

/// A reader of one cluster.
#[derive(Debug)]
pub struct LogReader {
    client: Client,
}

/// Where the partitions of a topic ended at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    topic: String,
    partitions: BTreeMap<i32, Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    leader: NodeId,
    offset: i64,
}

/// A record, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// Its value.
    pub value: String,
}

impl Mark {
    /// The topic that it is about.
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

impl LogReader {
    /// Reaches the cluster.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(bootstrap: &str) -> Result<Self, Failure> {
        Ok(Self { client: Client::connect(bootstrap, PATIENCE).await? })
    }

    /// How many partitions a topic has; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the cluster does not answer.
    ///
    /// # Cancel safety
    ///
    /// Not safe, as with all questions here: the reader must not be used after one was abandoned.
    pub async fn partition_count(&mut self, topic: &str) -> Result<Option<usize>, Failure> {
        match self.client.find_topic(topic).await? {
            Ok(found) => Ok(Some(found.partitions.len())),
            Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(None),
            Err(code) => {
                Err(Failure::new(Exit::CheckFailed, format!("topic {topic:?} cannot be used now: {code}")))
            }
        }
    }

    /// Creates a topic unless it is there; whether it was made now.
    ///
    /// # Errors
    ///
    /// If the cluster refuses it, in its words.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::partition_count`].
    pub async fn ensure_topic(
        &mut self,
        topic: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<bool, Failure> {
        let wanted = NewTopic { name: topic, partitions, replication_factor: 1, configs: configs.to_vec() };
        let answer = self.client.create_topics(&[wanted]).await?;
        let created = answer.into_iter().find(|created| created.name == topic);
        let (code, message) = created
            .map_or((ErrorCode::UNKNOWN_SERVER_ERROR, None), |created| (created.error, created.message));
        match code {
            ErrorCode::NONE | ErrorCode::TOPIC_ALREADY_EXISTS => {}
            code => {
                let said = message.unwrap_or_default();
                return Err(Failure::new(
                    Exit::CheckFailed,
                    format!("topic {topic:?} was not created: {code} {said}"),
                ));
            }
        }
        // Usable only once every partition has a leader.
        self.client.topic(topic).await?;
        Ok(code.is_none())
    }

    /// Where the topic ends now.
    ///
    /// # Errors
    ///
    /// If it does not exist or cannot be read.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::partition_count`].
    pub async fn end(&mut self, topic: &str) -> Result<Mark, Failure> {
        self.mark(topic, LATEST).await
    }

    /// Where the topic begins now.
    ///
    /// # Errors
    ///
    /// As [`Self::end`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::partition_count`].
    pub async fn beginning(&mut self, topic: &str) -> Result<Mark, Failure> {
        self.mark(topic, EARLIEST).await
    }

    async fn mark(&mut self, topic: &str, which: i64) -> Result<Mark, Failure> {
        let began = clock::now();
        loop {
            match self.try_mark(topic, which).await? {
                Ok(mark) => return Ok(mark),
                // A topic that was just created has leaders in the metadata before they know that they lead.
                Err((_, code)) if is_moving(code) && clock::now().since(began) < PATIENCE => {
                    crate::lab::tasks::sleep(BETWEEN_LOOKS).await;
                }
                Err((partition, code)) => return Err(unreadable(topic, partition, &code)),
            }
        }
    }

    async fn try_mark(&mut self, topic: &str, which: i64) -> Result<Result<Mark, (i32, ErrorCode)>, Failure> {
        let found = self.client.topic(topic).await?;
        let mut by_leader: BTreeMap<NodeId, Vec<i32>> = BTreeMap::new();
        for partition in &found.partitions {
            if let Some(leader) = partition.leader {
                by_leader.entry(leader).or_default().push(partition.partition);
            }
        }
        let mut partitions = BTreeMap::new();
        for (leader, wanted) in by_leader {
            for answer in self.client.list_offsets(leader, topic, &wanted, which).await? {
                if !answer.error.is_none() {
                    return Ok(Err((answer.partition, answer.error)));
                }
                partitions.insert(answer.partition, Position { leader, offset: answer.offset });
            }
        }
        Ok(Ok(Mark { topic: topic.to_owned(), partitions }))
    }

    /// The records from a mark to the end of the log as it is now, of which `keep` wants the value.
    ///
    /// # Errors
    ///
    /// If the log cannot be read, or more than [`MOST_LINES`] are wanted.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::partition_count`].
    pub async fn lines_since(
        &mut self,
        mark: &Mark,
        keep: impl Fn(&LogLine) -> bool + Send + Sync,
    ) -> Result<Vec<LogLine>, Failure> {
        let end = self.end(&mark.topic).await?;
        let mut lines = Vec::new();
        for (partition, from) in &mark.partitions {
            let Some(end) = end.partitions.get(partition) else { continue };
            let mut next_offset = from.offset;
            while next_offset < end.offset {
                let read =
                    self.fetch(&mark.topic, *partition, Position { offset: next_offset, ..*end }).await?;
                next_offset = read.next_offset;
                lines.extend(read.lines.into_iter().filter(|line| line.offset < end.offset && keep(line)));
                if lines.len() > MOST_LINES {
                    return Err(Failure::new(
                        Exit::CheckFailed,
                        format!("more than {MOST_LINES} records of {:?} match", mark.topic),
                    ));
                }
            }
        }
        Ok(lines)
    }

    /// Waits until the partition's readable end is beyond an offset: with acks=1 the answer may come before the copies
    /// of several replicas agree.
    ///
    /// # Errors
    ///
    /// If that takes longer than `patience`, or the log cannot be read.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::partition_count`].
    pub async fn offset_readable(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        patience: Duration,
    ) -> Result<(), Failure> {
        let began = clock::now();
        loop {
            let end = self.end(topic).await?;
            let Some(position) = end.partitions.get(&partition) else {
                return Err(unreadable(topic, partition, &ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
            };
            if position.offset > offset {
                return Ok(());
            }
            if clock::now().since(began) > patience {
                let message =
                    format!("{topic}-{partition} was not readable up to offset {offset} within {patience:?}");
                return Err(Failure::new(Exit::CheckFailed, message));
            }
            // Waits on the broker's side until something is appended.
            self.fetch(topic, partition, *position).await?;
        }
    }

    /// Waits until a record that `wanted` recognises is in the log after the mark.
    ///
    /// # Errors
    ///
    /// As [`Self::offset_readable`].
    ///
    /// # Cancel safety
    ///
    /// As [`Self::partition_count`].
    pub async fn line_after(
        &mut self,
        mark: &Mark,
        wanted: impl Fn(&LogLine) -> bool + Send + Sync,
        patience: Duration,
    ) -> Result<LogLine, Failure> {
        let began = clock::now();
        loop {
            if let Some(line) = self.lines_since(mark, &wanted).await?.into_iter().next() {
                return Ok(line);
            }
            if clock::now().since(began) > patience {
                let message =
                    format!("the record did not reach the log of {:?} within {patience:?}", mark.topic);
                return Err(Failure::new(Exit::CheckFailed, message));
            }
            crate::lab::tasks::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn fetch(&mut self, topic: &str, partition: i32, at: Position) -> Result<Read, Failure> {
        let wanted = FetchPartition { partition, fetch_offset: at.offset, max_bytes: FETCH_BYTES };
        let answer = self.client.fetch(at.leader, topic, vec![wanted], LONG_POLL).await?;
        let fetched = answer.partitions.into_iter().find(|fetched| fetched.partition == partition);
        let Some(fetched) = fetched else {
            return Err(unreadable(topic, partition, &ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        if fetched.error == OFFSET_OUT_OF_RANGE {
            // The log was cut from the front meanwhile.
            return Ok(Read {
                next_offset: fetched.log_start_offset.max(at.offset.saturating_add(1)),
                lines: Vec::new(),
            });
        }
        if !fetched.error.is_none() {
            return Err(unreadable(topic, partition, &fetched.error));
        }
        let mut read = Read { next_offset: at.offset, lines: Vec::new() };
        for batch in split_batches(Bytes::clone(&fetched.records)) {
            let batch = batch.map_err(|error| broken(topic, partition, &error))?;
            read.next_offset = read.next_offset.max(batch.last_offset().saturating_add(1));
            if batch.is_control() {
                continue;
            }
            for record in batch
                .records(&DecompressionLimits::default())
                .map_err(|error| broken(topic, partition, &error))?
            {
                let record = record.map_err(|error| broken(topic, partition, &error))?;
                let offset = batch.base_offset.saturating_add(i64::from(record.offset_delta));
                // A batch comes whole, even if only its end was asked for.
                if offset >= at.offset {
                    read.lines.push(LogLine {
                        partition,
                        offset,
                        key: record.key.as_deref().map(text),
                        value: record.value.as_deref().map(text).unwrap_or_default(),
                    });
                }
            }
        }
        Ok(read)
    }
}

struct Read {
    next_offset: i64,
    lines: Vec<LogLine>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether the partition will have a leader that knows it in a moment.
const fn is_moving(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    )
}

fn unreadable(topic: &str, partition: i32, code: &ErrorCode) -> Failure {
    Failure::new(Exit::CheckFailed, format!("{topic}-{partition} cannot be read: {code}"))
}

fn broken(topic: &str, partition: i32, error: &WireError) -> Failure {
    Failure::new(Exit::CheckFailed, format!("{topic}-{partition} cannot be read: {error}"))
}

/// The most records that one question returns.
pub const MOST_LINES: usize = 100_000;
/// How long a broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
const LONG_POLL: Duration = Duration::from_millis(500);
const FETCH_BYTES: i32 = 1024 * 1024;
/// Between two looks at a log in which nothing has been found.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// The log was cut meanwhile, or never went so far.
const OFFSET_OUT_OF_RANGE: ErrorCode = ErrorCode(1);
