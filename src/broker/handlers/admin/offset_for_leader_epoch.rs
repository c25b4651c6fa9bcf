//! `OffsetForLeaderEpoch` (23): where a leader's epoch ended.
//!
//! **Why it exists.** A consumer asks after a change of leader whether what it has read is still the log (KIP-320). With one
//! node the epoch is always 0 and ends at the log's end, so the answer is always yes.
//!
//! Neighbours: [`crate::broker::cluster`]. Not here: followers' questions.

use super::super::{Answer, RequestHeader, RequestReader, begin};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;

const UNKNOWN_LEADER_EPOCH: ErrorCode = ErrorCode(75);

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct OffsetForLeaderEpochRequest {
    topics: Vec<(String, Vec<Asked>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    partition: i32,
    current_epoch: i32,
    epoch: i32,
}

impl OffsetForLeaderEpochRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|(name, _)| name.as_str())
    }
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    version: i16,
) -> Result<OffsetForLeaderEpochRequest, WireError> {
    if version >= 3 {
        reader.i32()?;
    }
    let topics = reader.array(3, |reader| {
        let name = reader.string()?;
        let partitions = reader.array(12, |reader| {
            let asked =
                Asked { partition: reader.i32()?, current_epoch: reader.i32()?, epoch: reader.i32()? };
            reader.skip_tags()?;
            Ok(asked)
        })?;
        reader.skip_tags()?;
        Ok((name, partitions))
    })?;
    reader.skip_tags()?;
    Ok(OffsetForLeaderEpochRequest { topics })
}

pub(super) fn handle(
    cluster: &Cluster,
    header: &RequestHeader,
    request: &OffsetForLeaderEpochRequest,
) -> Answer {
    encode(header, request, |topic, asked| {
        let place = cluster.partition(topic, asked.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if asked.current_epoch > place.leader_epoch {
            return Err(UNKNOWN_LEADER_EPOCH);
        }
        if asked.current_epoch >= 0 && asked.current_epoch < place.leader_epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        // An epoch that never was is answered with "undefined".
        let is_known = (0..=place.leader_epoch).contains(&asked.epoch);
        Ok(if is_known { (place.leader_epoch, place.log.end_offset()) } else { (-1, -1) })
    })
}

pub(super) fn refuse(
    header: &RequestHeader,
    request: &OffsetForLeaderEpochRequest,
    code: ErrorCode,
) -> Answer {
    encode(header, request, |_, _| Err(code))
}

fn encode(
    header: &RequestHeader,
    request: &OffsetForLeaderEpochRequest,
    look_up: impl Fn(&str, Asked) -> Result<(i32, i64), ErrorCode>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.topics, |answer, (name, partitions)| {
        answer.string(name);
        answer.array(partitions, |answer, asked| {
            let result = look_up(name, *asked);
            let (epoch, end_offset) = result.unwrap_or((-1, -1));
            answer.i16(result.err().map_or(0, |code| code.0));
            answer.i32(asked.partition);
            answer.i32(epoch);
            answer.i64(end_offset);
            answer.no_tags();
        });
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
