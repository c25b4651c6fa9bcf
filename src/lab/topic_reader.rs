//! Reads topics through the Kafka protocol for the routes that look into the log: embedded broker and outside Kafka alike.
//!
//! **Why every read has two bounds.** A topic may hold more than memory and a leader may be gone: a question stops after
//! so many records or so much time, and says that it did. Neighbours: [`crate::cli::client`] asks,
//! `routes/audit` and `routes/topics` answer. Not here: printing, and marks around an experiment
//! ([`crate::lab::runner`]).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::message_format::ConsumedRecord;
use crate::error::ErrorCode;
use crate::identifiers::NodeId;
use crate::lab::clock;
use crate::time::Instant;
use crate::wire::WireError;
use crate::wire::api::fetch::{FetchPartition, FetchedPartition};
use crate::wire::api::list_offsets::{EARLIEST, LATEST};
use crate::wire::api::metadata::Topic;
use crate::wire::compression::DecompressionLimits;
use crate::wire::record_batch_reader::split_batches;

/// How long Kafka may take to be reached and to answer one question.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How much is fetched at once.
const FETCH_BYTES: i32 = 1024 * 1024;
/// A leader that has nothing to give is asked again this often before it is taken for gone.
const MAX_EMPTY_ANSWERS: u32 = 10;
const LONG_POLL: Duration = Duration::from_millis(100);

/// What is there of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Who leads it.
    pub leader: NodeId,
    /// The first offset.
    pub start: i64,
    /// The offset after the last.
    pub end: i64,
}

/// Why a topic cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// There is none of that name.
    UnknownTopic,
    /// Kafka cannot be reached or does not answer, in words.
    Unreachable(String),
    /// The log cannot be read, in words.
    Unreadable(String),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        if failure.exit == Exit::CannotConnect {
            Self::Unreachable(failure.message)
        } else {
            Self::Unreadable(failure.message)
        }
    }
}

/// A reader of one cluster.
#[derive(Debug)]
pub struct TopicReader {
    client: Client,
}

impl TopicReader {
    /// Reaches the cluster.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unreachable`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn connect(bootstrap: &str) -> Result<Self, ReadError> {
        Ok(Self { client: Client::connect(bootstrap, PATIENCE).await? })
    }

    /// Every topic, by name.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unreachable`].
    ///
    /// # Cancel safety
    ///
    /// Not safe, as with all questions here: the reader must not be used after one was abandoned.
    pub async fn topics(&mut self) -> Result<Vec<Topic>, ReadError> {
        let mut topics = self.client.metadata(None).await?.topics;
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    /// One topic.
    ///
    /// # Errors
    ///
    /// [`ReadError`]
    ///
    /// # Cancel safety
    ///
    /// As [`Self::topics`].
    pub async fn topic(&mut self, name: &str) -> Result<Topic, ReadError> {
        match self.client.find_topic(name).await? {
            Ok(topic) => Ok(topic),
            Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Err(ReadError::UnknownTopic),
            Err(code) => Err(ReadError::Unreadable(format!("topic {name:?} cannot be used now: {code}"))),
        }
    }

    /// Where each partition with a leader begins and ends.
    ///
    /// # Errors
    ///
    /// [`ReadError`]
    ///
    /// # Cancel safety
    ///
    /// As [`Self::topics`].
    pub async fn extents(&mut self, topic: &Topic) -> Result<BTreeMap<i32, Extent>, ReadError> {
        let mut by_leader: BTreeMap<NodeId, Vec<i32>> = BTreeMap::new();
        for partition in &topic.partitions {
            if let Some(leader) = partition.leader {
                by_leader.entry(leader).or_default().push(partition.partition);
            }
        }
        let mut extents = BTreeMap::new();
        for (leader, wanted) in by_leader {
            let starts = self.client.list_offsets(leader, &topic.name, &wanted, EARLIEST).await?;
            let ends = self.client.list_offsets(leader, &topic.name, &wanted, LATEST).await?;
            for (start, end) in starts.iter().zip(&ends) {
                for answer in [start, end] {
                    if !answer.error.is_none() {
                        return Err(unreadable(&topic.name, answer.partition, &answer.error));
                    }
                }
                let extent = Extent { leader, start: start.offset, end: end.offset };
                extents.insert(start.partition, extent);
            }
        }
        Ok(extents)
    }

    /// Hands over the records of a partition from `from` on, until its end, `handle`'s word, or the deadline. Whether the
    /// end was reached.
    ///
    /// # Errors
    ///
    /// [`ReadError`]
    ///
    /// # Cancel safety
    ///
    /// As [`Self::topics`].
    pub async fn read(
        &mut self,
        topic: &str,
        partition: i32,
        extent: Extent,
        deadline: Instant,
        handle: &mut (dyn FnMut(ConsumedRecord) -> ControlFlow<()> + Send),
    ) -> Result<bool, ReadError> {
        let mut next_offset = extent.start;
        let mut empty_answers = 0;
        while next_offset < extent.end {
            if clock::now() >= deadline || empty_answers > MAX_EMPTY_ANSWERS {
                return Ok(false);
            }
            let wanted = FetchPartition { partition, fetch_offset: next_offset, max_bytes: FETCH_BYTES };
            let answer = self.client.fetch(extent.leader, topic, vec![wanted], LONG_POLL).await?;
            let fetched = answer.partitions.into_iter().find(|fetched| fetched.partition == partition);
            let fetched = fetched
                .ok_or_else(|| unreadable(topic, partition, &ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
            if fetched.error == ErrorCode(1) {
                // The log was cut from the front meanwhile.
                next_offset = fetched.log_start_offset.max(next_offset.saturating_add(1));
                continue;
            }
            if !fetched.error.is_none() {
                return Err(unreadable(topic, partition, &fetched.error));
            }
            let broken = |error: WireError| {
                ReadError::Unreadable(format!("{topic}-{partition} cannot be read: {error}"))
            };
            let (records, after) = records_of(&fetched, next_offset).map_err(broken)?;
            empty_answers = if after > next_offset { 0 } else { empty_answers + 1 };
            next_offset = after;
            for record in records.into_iter().filter(|record| record.offset < extent.end) {
                if handle(record).is_break() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The records of an answer from an offset on, and the offset to go on at.
///
/// # Errors
///
/// What is wrong with the bytes.
pub fn records_of(fetched: &FetchedPartition, from: i64) -> Result<(Vec<ConsumedRecord>, i64), WireError> {
    let mut records = Vec::new();
    let mut next_offset = from;
    for batch in split_batches(Bytes::clone(&fetched.records)) {
        let batch = batch?;
        batch.check_crc()?;
        next_offset = next_offset.max(batch.last_offset().saturating_add(1));
        if batch.is_control() {
            continue;
        }
        for record in batch.records(&DecompressionLimits::default())? {
            let record = record?;
            let offset = batch.base_offset.saturating_add(i64::from(record.offset_delta));
            // A batch comes whole, even if only its end was asked for.
            if offset < from {
                continue;
            }
            records.push(ConsumedRecord::of(fetched, &batch, record));
        }
    }
    Ok((records, next_offset))
}

fn unreadable(topic: &str, partition: i32, code: &ErrorCode) -> ReadError {
    ReadError::Unreadable(format!("{topic}-{partition} cannot be read: {code}"))
}
