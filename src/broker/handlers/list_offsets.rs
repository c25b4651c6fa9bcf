//! `ListOffsets` (2): the first and the next offset of a partition, or the offset that belongs to a time.
//!
//! Times below 0 are words: -2 the first offset, -1 the next one, -3 the record with the largest timestamp (KIP-734,
//! version 7). A time is answered with the first record at that time or later, or with -1 if there is none.
//!
//! **Why it exists.** Consumers ask before they fetch, and lab checks count records with it. Neighbours:
//! [`crate::broker::log`] answers. Not here: replicas' questions and leader epochs, since there is one node.

use super::answer::Answer;
use super::{RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, Partition};
use crate::broker::log::OffsetAtTime;
use crate::error::ErrorCode;
use crate::wire::WireError;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListOffsetsRequest {
    pub(super) topics: Vec<ListTopic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListTopic {
    pub(super) name: String,
    partitions: Vec<ListPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ListPartition {
    index: i32,
    timestamp_ms: i64,
}

struct Found {
    code: ErrorCode,
    at: OffsetAtTime,
}

const NOTHING: OffsetAtTime = OffsetAtTime { offset: -1, timestamp_ms: -1 };

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<ListOffsetsRequest, WireError> {
    reader.i32()?;
    if version >= 2 {
        reader.i8()?;
    }
    let topics = reader.array(3, |reader| {
        let name = reader.string()?;
        let partitions = reader.array(12, |reader| {
            let index = reader.i32()?;
            if version >= 4 {
                reader.i32()?;
            }
            let timestamp_ms = reader.i64()?;
            reader.skip_tags()?;
            Ok(ListPartition { index, timestamp_ms })
        })?;
        reader.skip_tags()?;
        Ok(ListTopic { name, partitions })
    })?;
    reader.skip_tags()?;
    Ok(ListOffsetsRequest { topics })
}

pub(super) fn handle(cluster: &Cluster, header: &RequestHeader, request: &ListOffsetsRequest) -> Answer {
    encode(header, request, |topic, asked| match cluster.partition(topic, asked.index) {
        None => Found { code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, at: NOTHING },
        Some(partition) => look_up(partition, asked.timestamp_ms),
    })
}

pub(super) fn refuse(header: &RequestHeader, request: &ListOffsetsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_, _| Found { code, at: NOTHING })
}

fn look_up(partition: &Partition, timestamp_ms: i64) -> Found {
    let log = &partition.log;
    let untimed = |offset| Ok(Some(OffsetAtTime { offset, timestamp_ms: -1 }));
    let found = match timestamp_ms {
        EARLIEST => untimed(log.start_offset()),
        LATEST => untimed(log.end_offset()),
        MAX_TIMESTAMP => log.offset_of_max_timestamp(),
        time if time >= 0 => log.offset_at_time(time),
        _ => return Found { code: ErrorCode::UNSUPPORTED_VERSION, at: NOTHING },
    };
    match found {
        Ok(at) => Found { code: ErrorCode::NONE, at: at.unwrap_or(NOTHING) },
        Err(_) => Found { code: ErrorCode::CORRUPT_MESSAGE, at: NOTHING },
    }
}

fn encode(
    header: &RequestHeader,
    request: &ListOffsetsRequest,
    mut look_up: impl FnMut(&str, &ListPartition) -> Found,
) -> Answer {
    let mut answer = begin(header);
    if header.version >= 2 {
        answer.i32(0);
    }
    answer.array(&request.topics, |answer, topic| {
        answer.string(&topic.name);
        answer.array(&topic.partitions, |answer, asked| {
            let found = look_up(&topic.name, asked);
            answer.i32(asked.index);
            answer.i16(found.code.0);
            answer.i64(found.at.timestamp_ms);
            answer.i64(found.at.offset);
            if header.version >= 4 {
                answer.i32(if found.code.is_none() { 0 } else { -1 });
            }
            answer.no_tags();
        });
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
