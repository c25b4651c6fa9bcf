//! `LeaveGroup` (13): members go at once, instead of being missed after their session timeout.
//!
//! Version 1 adds the throttle time, 3 lets a tool remove several members, static ones by their name alone (KIP-345),
//! 4 is flexible, 5 has reasons, which only Kafka's log would show.
//!
//! **Why one code per member.** Up to version 2 the one member's code stands at the top; from 3 on the top says only
//! whether the request made sense. Neighbours: [`crate::broker::groups`] decides. Not here: sessions that run out.

use crate::broker::cluster::Cluster;
use crate::broker::groups::MemberRef;
use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{RequestContext, RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct LeaveGroupRequest {
    group: String,
    members: Vec<MemberRef>,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<LeaveGroupRequest, WireError> {
    let group = reader.string()?;
    let members = if version <= 2 {
        vec![MemberRef { id: reader.string()?, instance_id: None, generation: -1 }]
    } else {
        reader.array(3, |reader| {
            let id = reader.string()?;
            let instance_id = reader.nullable_string()?;
            if version >= 5 {
                reader.nullable_string()?;
            }
            reader.skip_tags()?;
            Ok(MemberRef { id, instance_id, generation: -1 })
        })?
    };
    reader.skip_tags()?;
    Ok(LeaveGroupRequest { group, members })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &LeaveGroupRequest,
    context: &RequestContext<'_>,
) -> Answer {
    if request.group.is_empty() {
        return refuse(header, ErrorCode::INVALID_GROUP_ID);
    }
    let codes = cluster.groups.leave(&request.group, &request.members, context.now);
    let left: Vec<(&MemberRef, ErrorCode)> = request.members.iter().zip(codes).collect();
    encode(header, ErrorCode::NONE, &left)
}

pub(super) fn refuse(header: &RequestHeader, code: ErrorCode) -> Answer {
    encode(header, code, &[])
}

fn encode(header: &RequestHeader, code: ErrorCode, left: &[(&MemberRef, ErrorCode)]) -> Answer {
    let mut answer = begin(header);
    if header.version >= 1 {
        answer.i32(0);
    }
    if header.version <= 2 {
        let first = left.first().map_or(ErrorCode::NONE, |(_, code)| *code);
        answer.i16(if code.is_none() { first.0 } else { code.0 });
        return answer.finish();
    }
    answer.i16(code.0);
    answer.array(left, |answer, (member, code)| {
        answer.string(&member.id);
        answer.nullable_string(member.instance_id.as_deref());
        answer.i16(code.0);
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
