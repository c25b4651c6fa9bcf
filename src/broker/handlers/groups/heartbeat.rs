//! `Heartbeat` (12): a member is alive; the answer tells it when a rebalance has begun.
//!
//! Version 1 adds the throttle time, 3 static members, 4 is flexible.
//!
//! **Why the news comes this way.** A broker cannot call its clients. Error 27 in the answer to a heartbeat is how members
//! learn that they must join again. Neighbours: [`crate::broker::groups`] decides. Not here: session timers.

use super::decode_member;
use crate::broker::cluster::Cluster;
use crate::broker::groups::MemberRef;
use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{RequestContext, RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct HeartbeatRequest {
    group: String,
    member: MemberRef,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<HeartbeatRequest, WireError> {
    let group = reader.string()?;
    let member = decode_member(reader, version >= 3)?;
    reader.skip_tags()?;
    Ok(HeartbeatRequest { group, member })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &HeartbeatRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let code = cluster.groups.heartbeat(&request.group, &request.member, context.now);
    encode(header, code)
}

pub(super) fn encode(header: &RequestHeader, code: ErrorCode) -> Answer {
    let mut answer = begin(header);
    if header.version >= 1 {
        answer.i32(0);
    }
    answer.i16(code.0);
    answer.no_tags();
    answer.finish()
}
