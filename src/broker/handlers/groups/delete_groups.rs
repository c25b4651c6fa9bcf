//! `DeleteGroups` (42): groups without members go, with their offsets.
//!
//! Version 2 is flexible. **Why only without members.** Their offsets would be lost under their hands.
//! Neighbours: [`crate::broker::groups`] decides. Not here: deleting single offsets (`OffsetDelete`).

use crate::broker::cluster::Cluster;
use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{RequestContext, RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DeleteGroupsRequest {
    groups: Vec<String>,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    _version: i16,
) -> Result<DeleteGroupsRequest, WireError> {
    let groups = reader.array(1, |reader| reader.string())?;
    reader.skip_tags()?;
    Ok(DeleteGroupsRequest { groups })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &DeleteGroupsRequest,
    context: &RequestContext<'_>,
) -> Answer {
    encode(header, request, |group| cluster.groups.delete(group, context.now))
}

pub(super) fn refuse(header: &RequestHeader, request: &DeleteGroupsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_| code)
}

fn encode(
    header: &RequestHeader,
    request: &DeleteGroupsRequest,
    mut delete: impl FnMut(&str) -> ErrorCode,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.groups, |answer, group| {
        answer.string(group);
        answer.i16(delete(group).0);
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
