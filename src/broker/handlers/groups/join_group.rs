//! `JoinGroup` (11): a member comes into a group, or comes back because a rebalance began.
//!
//! Version 1 adds the rebalance timeout, 2 the throttle time, 4 asks new members to come back with the id that they are
//! given (KIP-394), 5 brings static members (KIP-345), 6 is flexible, 7 names the kind of group in the answer.
//!
//! **Why it waits.** The answer to each member is the same moment for all: when all are there. So the request becomes a
//! [`super::PendingGroup`], and the coordinator leaves the answer with the member.
//!
//! Neighbours: [`crate::broker::groups`] decides. Not here: version 8 and later (reasons, skipping the assignment).

use std::sync::Arc;
use std::time::Duration;

use super::{PendingGroup, Waiting};
use crate::broker::cluster::Cluster;
use crate::broker::groups::{Join, JoinAnswer, Outcome, Protocol};
use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{Pending, Reply, RequestContext, RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct JoinGroupRequest {
    group: String,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    member_id: String,
    instance_id: Option<String>,
    protocol_type: String,
    protocols: Vec<Protocol>,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<JoinGroupRequest, WireError> {
    let group = reader.string()?;
    let session_timeout = millis(reader.i32()?);
    let rebalance_timeout = if version >= 1 { millis(reader.i32()?) } else { session_timeout };
    let member_id = reader.string()?;
    let instance_id = if version >= 5 { reader.nullable_string()? } else { None };
    let protocol_type = reader.string()?;
    let protocols = reader.array(2, |reader| {
        let name = Arc::from(reader.string()?);
        let metadata = reader.nullable_bytes()?.unwrap_or_default();
        reader.skip_tags()?;
        Ok(Protocol { name, metadata })
    })?;
    reader.skip_tags()?;
    Ok(JoinGroupRequest {
        group,
        session_timeout,
        rebalance_timeout,
        member_id,
        instance_id,
        protocol_type,
        protocols,
    })
}

/// Negative times are none.
fn millis(value: i32) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &JoinGroupRequest,
    context: &RequestContext<'_>,
) -> Reply {
    let join = Join {
        member_id: request.member_id.clone(),
        instance_id: request.instance_id.clone(),
        client_id: header.client_id.clone(),
        client_host: context.peer.map(|peer| format!("/{peer}")).unwrap_or_default(),
        session_timeout: request.session_timeout,
        rebalance_timeout: request.rebalance_timeout,
        protocol_type: request.protocol_type.clone(),
        protocols: request.protocols.clone(),
        needs_known_id: header.version >= 4,
        fresh: cluster.random_id(),
    };
    let groups = &mut cluster.groups;
    match groups.join(&request.group, &join, context.now) {
        Outcome::Now(answer) => Reply::Answer(encode(header, &answer)),
        Outcome::Later(ticket) => {
            let member = groups.member_waiting_with(&request.group, ticket);
            let member = member.unwrap_or_else(|| Arc::from(request.member_id.as_str()));
            Reply::Wait(Pending::Group(Box::new(PendingGroup {
                header: header.clone(),
                group: request.group.clone(),
                member,
                instance_id: request.instance_id.clone(),
                ticket,
                waiting: Waiting::Join,
            })))
        }
    }
}

pub(super) fn refuse(header: &RequestHeader, request: &JoinGroupRequest, code: ErrorCode) -> Answer {
    encode(header, &JoinAnswer::refused(code, &request.member_id))
}

pub(super) fn encode(header: &RequestHeader, joined: &JoinAnswer) -> Answer {
    let version = header.version;
    let mut answer = begin(header);
    if version >= 2 {
        answer.i32(0);
    }
    answer.i16(joined.code.0);
    answer.i32(joined.generation);
    if version >= 7 {
        answer.nullable_string(joined.protocol_type.as_deref());
        answer.nullable_string(joined.protocol.as_deref());
    } else {
        answer.string(joined.protocol.as_deref().unwrap_or_default());
    }
    answer.string(&joined.leader);
    answer.string(&joined.member_id);
    answer.array(&joined.members, |answer, member| {
        answer.string(&member.id);
        if version >= 5 {
            answer.nullable_string(member.instance_id.as_deref());
        }
        answer.length(Some(member.metadata.len()));
        answer.raw(&member.metadata);
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
