//! `DescribeGroups` (15): groups with their members, and what each was given.
//!
//! Version 1 adds the throttle time, 3 the operations that the asker may do, 4 static members, 5 is flexible.
//!
//! **Why an unknown group is no error.** Kafka says up to version 5 that it is `Dead`, and its tools rely on it.
//! Neighbours: [`crate::broker::groups`] knows. Not here: what subscriptions and assignments say; tools read them.

use crate::broker::cluster::Cluster;
use crate::broker::groups::{GroupDescription, MemberDescription};
use crate::broker::handlers::answer::{Answer, AnswerWriter};
use crate::broker::handlers::{RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// What may be done to a group where nobody is refused anything: read (3), delete (6), describe (8), describe and alter
/// its settings (10, 11), as bits.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;
/// Nobody asked.
const NOT_ASKED: i32 = i32::MIN;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DescribeGroupsRequest {
    groups: Vec<String>,
    wants_operations: bool,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    version: i16,
) -> Result<DescribeGroupsRequest, WireError> {
    let groups = reader.array(1, |reader| reader.string())?;
    let wants_operations = version >= 3 && reader.bool()?;
    reader.skip_tags()?;
    Ok(DescribeGroupsRequest { groups, wants_operations })
}

pub(super) fn handle(cluster: &Cluster, header: &RequestHeader, request: &DescribeGroupsRequest) -> Answer {
    encode(header, request, |group| (ErrorCode::NONE, cluster.groups.describe(group)))
}

pub(super) fn refuse(header: &RequestHeader, request: &DescribeGroupsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_| (code, GroupDescription::dead()))
}

fn encode(
    header: &RequestHeader,
    request: &DescribeGroupsRequest,
    describe: impl Fn(&str) -> (ErrorCode, GroupDescription),
) -> Answer {
    let mut answer = begin(header);
    if header.version >= 1 {
        answer.i32(0);
    }
    answer.array(&request.groups, |answer, id| {
        let (code, group) = describe(id);
        answer.i16(code.0);
        answer.string(id);
        answer.string(group.state);
        answer.string(&group.protocol_type);
        answer.string(&group.protocol);
        answer.array(&group.members, |answer, member| put_member(answer, header.version, member));
        if header.version >= 3 {
            answer.i32(if request.wants_operations { ALL_OPERATIONS } else { NOT_ASKED });
        }
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}

fn put_member(answer: &mut AnswerWriter, version: i16, member: &MemberDescription) {
    answer.string(&member.id);
    if version >= 4 {
        answer.nullable_string(member.instance_id.as_deref());
    }
    answer.string(&member.client_id);
    answer.string(&member.client_host);
    for bytes in [&member.metadata, &member.assignment] {
        answer.length(Some(bytes.len()));
        answer.raw(bytes);
    }
    answer.no_tags();
}
