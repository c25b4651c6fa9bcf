//! Fetch (1): record batches from an offset on, waiting for them if there are none yet.
//!
//! **Why it can wait.** A consumer at the end of a log would ask in a busy loop; so the request says how many bytes it
//! wants at least and how long the broker may wait for them (long polling). Waiting is the server's: a request without
//! enough data becomes a [`PendingFetch`], which is asked again after each append and at its deadline.
//!
//! An answer holds at least one whole batch, however large, or a consumer with a small limit would be stuck for ever.
//! Session ids (KIP-227) are answered 0, which tells clients to go without. Versions end at 12; 13 brings topic ids.
//!
//! Neighbours: [`crate::broker::log`] reads. Not here: transactions (the last stable offset is the end of the log).

use std::time::Duration;

use bytes::Bytes;

use super::answer::{Answer, AnswerWriter};
use super::{Pending, Reply, RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, Now, Partition};
use crate::error::ErrorCode;
use crate::time::Instant;
use crate::wire::WireError;

const OFFSET_OUT_OF_RANGE: ErrorCode = ErrorCode(1);
const FETCH_SESSION_ID_NOT_FOUND: ErrorCode = ErrorCode(70);
/// The longest wait, whatever the client says: a connection that waits is not read.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The most bytes of records in one answer, but for a first batch that is larger (`fetch.max.bytes` of a broker).
const MAX_ANSWER_BYTES: usize = 55 * 1024 * 1024;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FetchRequest {
    max_wait: Duration,
    min_bytes: usize,
    max_bytes: usize,
    session_id: i32,
    pub(super) topics: Vec<FetchTopic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FetchTopic {
    pub(super) name: String,
    partitions: Vec<FetchPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FetchPartition {
    index: i32,
    leader_epoch: i32,
    offset: i64,
    max_bytes: usize,
}

/// A Fetch that waits for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingFetch {
    header: RequestHeader,
    request: FetchRequest,
    deadline: Instant,
}

impl PendingFetch {
    /// When it is answered at the latest, with whatever there is.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The answer, if there is enough data now or the time is up.
    #[must_use]
    pub fn resume(&self, cluster: &Cluster, now: Now) -> Option<Answer> {
        let is_due = now.instant >= self.deadline;
        (is_due || is_satisfied(cluster, &self.request)).then(|| answer(cluster, &self.header, &self.request))
    }
}

/// What one partition is answered.
struct PartitionAnswer {
    code: ErrorCode,
    high_watermark: i64,
    log_start_offset: i64,
    records: Vec<Bytes>,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<FetchRequest, WireError> {
    reader.i32()?;
    let max_wait = Duration::from_millis(u64::try_from(reader.i32()?).unwrap_or(0)).min(MAX_WAIT);
    let min_bytes = usize::try_from(reader.i32()?).unwrap_or(0);
    let max_bytes = usize::try_from(reader.i32()?).unwrap_or(0).min(MAX_ANSWER_BYTES);
    reader.i8()?;
    let session_id = if version >= 7 { reader.i32()? } else { 0 };
    if version >= 7 {
        reader.i32()?;
    }
    let topics = reader.array(3, |reader| {
        let name = reader.string()?;
        let partitions = reader.array(16, |reader| decode_partition(reader, version))?;
        reader.skip_tags()?;
        Ok(FetchTopic { name, partitions })
    })?;
    if version >= 7 {
        reader.array(3, |reader| {
            reader.string()?;
            reader.array(4, |reader| reader.i32())?;
            reader.skip_tags()
        })?;
    }
    if version >= 11 {
        reader.string()?;
    }
    reader.skip_tags()?;
    Ok(FetchRequest { max_wait, min_bytes, max_bytes, session_id, topics })
}

fn decode_partition(reader: &mut RequestReader<'_>, version: i16) -> Result<FetchPartition, WireError> {
    let index = reader.i32()?;
    let leader_epoch = if version >= 9 { reader.i32()? } else { -1 };
    let offset = reader.i64()?;
    if version >= 12 {
        reader.i32()?;
    }
    if version >= 5 {
        reader.i64()?;
    }
    let max_bytes = usize::try_from(reader.i32()?).unwrap_or(0);
    reader.skip_tags()?;
    Ok(FetchPartition { index, leader_epoch, offset, max_bytes })
}

pub(super) fn handle(
    cluster: &Cluster,
    header: &RequestHeader,
    request: &FetchRequest,
    context: &RequestContext<'_>,
) -> Reply {
    if request.session_id != 0 {
        // This broker has never given out a session.
        return Reply::Answer(encode(header, FETCH_SESSION_ID_NOT_FOUND, &[], |_, _| {
            no_data(ErrorCode::NONE)
        }));
    }
    if request.max_wait.is_zero() || is_satisfied(cluster, request) {
        return Reply::Answer(answer(cluster, header, request));
    }
    #[allow(clippy::arithmetic_side_effects, reason = "points in time saturate")]
    let deadline = context.now.instant + request.max_wait;
    Reply::Wait(Pending::Fetch(Box::new(PendingFetch {
        header: header.clone(),
        request: request.clone(),
        deadline,
    })))
}

pub(super) fn refuse(header: &RequestHeader, request: &FetchRequest, code: ErrorCode) -> Answer {
    encode(header, ErrorCode::NONE, &request.topics, |_, _| no_data(code))
}

/// Whether there is enough data, or an error to tell, or nothing was asked for.
fn is_satisfied(cluster: &Cluster, request: &FetchRequest) -> bool {
    let mut sum = 0_usize;
    let mut asked = request
        .topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |asked| (topic.name.as_str(), asked)))
        .peekable();
    if asked.peek().is_none() {
        return true;
    }
    for (topic, asked) in asked {
        match readable(cluster, topic, asked) {
            Err(_) => return true,
            Ok(partition) => {
                let enough = request.min_bytes.saturating_sub(sum);
                sum = sum.saturating_add(partition.log.available_bytes(asked.offset, enough.max(1)));
            }
        }
        if sum >= request.min_bytes {
            return true;
        }
    }
    sum >= request.min_bytes
}

fn readable<'a>(
    cluster: &'a Cluster,
    topic: &str,
    asked: &FetchPartition,
) -> Result<&'a Partition, ErrorCode> {
    let Some(partition) = cluster.partition(topic, asked.index) else {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    };
    if asked.leader_epoch > partition.leader_epoch {
        return Err(ErrorCode(75));
    }
    if asked.leader_epoch >= 0 && asked.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FENCED_LEADER_EPOCH);
    }
    if asked.offset < partition.log.start_offset() || asked.offset > partition.log.end_offset() {
        return Err(OFFSET_OUT_OF_RANGE);
    }
    Ok(partition)
}

fn answer(cluster: &Cluster, header: &RequestHeader, request: &FetchRequest) -> Answer {
    let mut room = request.max_bytes;
    let mut has_data = false;
    encode(header, ErrorCode::NONE, &request.topics, |topic, asked| match readable(cluster, topic, asked) {
        Err(code) => match cluster.partition(topic, asked.index) {
            Some(partition) => PartitionAnswer {
                high_watermark: partition.log.end_offset(),
                log_start_offset: partition.log.start_offset(),
                ..no_data(code)
            },
            None => no_data(code),
        },
        Ok(partition) => {
            let log = &partition.log;
            let records = log.read(asked.offset, asked.max_bytes.min(room), !has_data);
            let size = records.iter().map(Bytes::len).fold(0, usize::saturating_add);
            room = room.saturating_sub(size);
            has_data |= size > 0;
            PartitionAnswer {
                code: ErrorCode::NONE,
                high_watermark: log.end_offset(),
                log_start_offset: log.start_offset(),
                records,
            }
        }
    })
}

const fn no_data(code: ErrorCode) -> PartitionAnswer {
    PartitionAnswer { code, high_watermark: -1, log_start_offset: -1, records: Vec::new() }
}

fn encode(
    header: &RequestHeader,
    code: ErrorCode,
    topics: &[FetchTopic],
    mut read: impl FnMut(&str, &FetchPartition) -> PartitionAnswer,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    if header.version >= 7 {
        answer.i16(code.0);
        answer.i32(0);
    }
    answer.array(topics, |answer, topic| {
        answer.string(&topic.name);
        answer.array(&topic.partitions, |answer, asked| {
            let found = read(&topic.name, asked);
            encode_partition(answer, header.version, asked.index, found);
        });
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}

fn encode_partition(answer: &mut AnswerWriter, version: i16, index: i32, found: PartitionAnswer) {
    answer.i32(index);
    answer.i16(found.code.0);
    answer.i64(found.high_watermark);
    // The last stable offset: without transactions, the high watermark.
    answer.i64(found.high_watermark);
    if version >= 5 {
        answer.i64(found.log_start_offset);
    }
    // No aborted transactions.
    answer.length(Some(0));
    if version >= 11 {
        answer.i32(-1);
    }
    answer.shared_bytes(found.records);
    answer.no_tags();
}
