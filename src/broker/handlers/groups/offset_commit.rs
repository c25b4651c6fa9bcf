//! `OffsetCommit` (8): how far a group has read.
//!
//! Version 3 adds the throttle time, 5 drops the retention time, 6 has leader epochs, 7 static members, 8 is flexible.
//!
//! **Why the member is checked.** A consumer that was thrown out and does not know it yet would set the offsets of its
//! successor back. A commit without generation and member id is for those who share no partitions, and is refused while
//! the group has members.
//!
//! Neighbours: [`crate::broker::groups`] keeps the offsets. Not here: transactions' offsets; version 9 (KIP-848).

use std::sync::Arc;

use super::decode_member;
use crate::broker::cluster::Cluster;
use crate::broker::groups::{MemberRef, OffsetToCommit};
use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{RequestContext, RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct OffsetCommitRequest {
    group: String,
    member: MemberRef,
    pub(super) topics: Vec<CommitTopic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommitTopic {
    pub(super) name: String,
    partitions: Vec<CommitPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CommitPartition {
    index: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: String,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<OffsetCommitRequest, WireError> {
    let group = reader.string()?;
    let member = decode_member(reader, version >= 7)?;
    if (2..=4).contains(&version) {
        reader.i64()?;
    }
    let topics = reader.array(3, |reader| {
        let name = reader.string()?;
        let partitions = reader.array(13, |reader| {
            let index = reader.i32()?;
            let offset = reader.i64()?;
            let leader_epoch = if version >= 6 { reader.i32()? } else { -1 };
            let metadata = reader.nullable_string()?.unwrap_or_default();
            reader.skip_tags()?;
            Ok(CommitPartition { index, offset, leader_epoch, metadata })
        })?;
        reader.skip_tags()?;
        Ok(CommitTopic { name, partitions })
    })?;
    reader.skip_tags()?;
    Ok(OffsetCommitRequest { group, member, topics })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &OffsetCommitRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let allowed = cluster.groups.check_commit(&request.group, &request.member, context.now);
    let mut known = Vec::new();
    let mut codes: Vec<Option<ErrorCode>> = Vec::new();
    for topic in &request.topics {
        let name = cluster.topic(&topic.name).map(|found| Arc::clone(&found.name));
        for asked in &topic.partitions {
            // Said of a partition that is not there even to those who may not commit, as Kafka does.
            let name = name.as_ref().filter(|name| cluster.partition(name, asked.index).is_some());
            codes.push(match name {
                None => Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Some(_) => allowed.err(),
            });
            known.extend(name.filter(|_| allowed.is_ok()).map(|name| OffsetToCommit {
                topic: Arc::clone(name),
                partition: asked.index,
                offset: asked.offset,
                leader_epoch: asked.leader_epoch,
                metadata: asked.metadata.clone(),
            }));
        }
    }
    let mut committed = cluster.groups.commit(&request.group, &known, context.now).into_iter();
    let mut codes = codes.into_iter();
    encode(header, request, || {
        let refused = codes.next().flatten();
        refused.or_else(|| committed.next()).unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR)
    })
}

pub(super) fn refuse(header: &RequestHeader, request: &OffsetCommitRequest, code: ErrorCode) -> Answer {
    encode(header, request, || code)
}

fn encode(
    header: &RequestHeader,
    request: &OffsetCommitRequest,
    mut next_code: impl FnMut() -> ErrorCode,
) -> Answer {
    let mut answer = begin(header);
    if header.version >= 3 {
        answer.i32(0);
    }
    answer.array(&request.topics, |answer, topic| {
        answer.string(&topic.name);
        answer.array(&topic.partitions, |answer, asked| {
            answer.i32(asked.index);
            answer.i16(next_code().0);
            answer.no_tags();
        });
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
