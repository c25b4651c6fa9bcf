//! `DeleteRecords` (21): a partition's records before an offset go, on a client's wish.
//!
//! **Why it exists.** `kafka-delete-records` empties a topic without deleting it; what stays keeps its offsets. An offset
//! of -1 means everything that is there now. A topic that is only compacted refuses (44): its records go by key.
//!
//! Neighbours: [`crate::broker::cluster`] has the rule. Not here: retention.

use super::super::{Answer, RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DeleteRecordsRequest {
    topics: Vec<(String, Vec<(i32, i64)>)>,
}

impl DeleteRecordsRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|(name, _)| name.as_str())
    }
}

pub(super) fn decode(reader: &mut RequestReader<'_>) -> Result<DeleteRecordsRequest, WireError> {
    let topics = reader.array(3, |reader| {
        let name = reader.string()?;
        let partitions = reader.array(12, |reader| {
            let partition = (reader.i32()?, reader.i64()?);
            reader.skip_tags()?;
            Ok(partition)
        })?;
        reader.skip_tags()?;
        Ok((name, partitions))
    })?;
    reader.i32()?;
    reader.skip_tags()?;
    Ok(DeleteRecordsRequest { topics })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &DeleteRecordsRequest,
    context: &RequestContext<'_>,
) -> Answer {
    encode(header, request, |topic, (partition, offset)| {
        cluster.delete_records(topic, partition, offset, context.now)
    })
}

pub(super) fn refuse(header: &RequestHeader, request: &DeleteRecordsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_, _| Err(code))
}

fn encode(
    header: &RequestHeader,
    request: &DeleteRecordsRequest,
    mut delete: impl FnMut(&str, (i32, i64)) -> Result<i64, ErrorCode>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.topics, |answer, (name, partitions)| {
        answer.string(name);
        answer.array(partitions, |answer, partition| {
            let result = delete(name, *partition);
            answer.i32(partition.0);
            answer.i64(result.unwrap_or(-1));
            answer.i16(result.err().map_or(0, |code| code.0));
            answer.no_tags();
        });
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
