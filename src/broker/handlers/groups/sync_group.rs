//! `SyncGroup` (14): the leader hands out everybody's part, each member gets its own.
//!
//! Version 1 adds the throttle time, 3 static members, 4 is flexible, 5 names the kind of group and the protocol.
//!
//! **Why it waits.** Members ask at once; the leader computes first. Until it has spoken the others' requests are
//! [`super::PendingGroup`]s.
//!
//! Neighbours: [`crate::broker::groups`] decides. Not here: what an assignment says; only clients can read it.

use std::sync::Arc;

use bytes::Bytes;

use super::{PendingGroup, Waiting, decode_member};
use crate::broker::cluster::Cluster;
use crate::broker::groups::{Outcome, Sync, SyncAnswer};
use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{Pending, Reply, RequestContext, RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct SyncGroupRequest {
    group: String,
    sync: Sync,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<SyncGroupRequest, WireError> {
    let group = reader.string()?;
    let member = decode_member(reader, version >= 3)?;
    let (protocol_type, protocol) =
        if version >= 5 { (reader.nullable_string()?, reader.nullable_string()?) } else { (None, None) };
    let assignments = reader.array(2, |reader| {
        let member = reader.string()?;
        let assignment: Bytes = reader.nullable_bytes()?.unwrap_or_default();
        reader.skip_tags()?;
        Ok((member, assignment))
    })?;
    reader.skip_tags()?;
    Ok(SyncGroupRequest { group, sync: Sync { member, protocol_type, protocol, assignments } })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &SyncGroupRequest,
    context: &RequestContext<'_>,
) -> Reply {
    let SyncGroupRequest { group, sync } = request;
    match cluster.groups.sync(group, sync, context.now) {
        Outcome::Now(answer) => Reply::Answer(encode(header, &answer)),
        Outcome::Later(ticket) => Reply::Wait(Pending::Group(Box::new(PendingGroup {
            header: header.clone(),
            group: group.clone(),
            member: Arc::from(sync.member.id.as_str()),
            instance_id: sync.member.instance_id.clone(),
            ticket,
            waiting: Waiting::Sync,
        }))),
    }
}

pub(super) fn refuse(header: &RequestHeader, code: ErrorCode) -> Answer {
    encode(header, &SyncAnswer::refused(code))
}

pub(super) fn encode(header: &RequestHeader, synced: &SyncAnswer) -> Answer {
    let mut answer = begin(header);
    if header.version >= 1 {
        answer.i32(0);
    }
    answer.i16(synced.code.0);
    if header.version >= 5 {
        answer.nullable_string(synced.protocol_type.as_deref());
        answer.nullable_string(synced.protocol.as_deref());
    }
    answer.length(Some(synced.assignment.len()));
    answer.raw(&synced.assignment);
    answer.no_tags();
    answer.finish()
}
