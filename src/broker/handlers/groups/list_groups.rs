//! `ListGroups` (16): all groups, or those in some states.
//!
//! Version 1 adds the throttle time, 3 is flexible, 4 has states, to filter by and in the answer.
//!
//! **Why it exists.** `kafka-consumer-groups --list` and user interfaces ask. Neighbours: [`crate::broker::groups`] knows.
//! Not here: types of groups (version 5); all are of the classic protocol.

use crate::broker::cluster::Cluster;
use crate::broker::groups::GroupListing;
use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct ListGroupsRequest {
    states: Vec<String>,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<ListGroupsRequest, WireError> {
    let states = if version >= 4 { reader.array(1, |reader| reader.string())? } else { Vec::new() };
    reader.skip_tags()?;
    Ok(ListGroupsRequest { states })
}

pub(super) fn handle(cluster: &Cluster, header: &RequestHeader, request: &ListGroupsRequest) -> Answer {
    let is_wanted = |group: &GroupListing| {
        request.states.is_empty()
            || request.states.iter().any(|state| state.eq_ignore_ascii_case(group.state))
    };
    let groups: Vec<GroupListing> = cluster.groups.list().filter(is_wanted).collect();
    encode(header, ErrorCode::NONE, &groups)
}

pub(super) fn refuse(header: &RequestHeader, code: ErrorCode) -> Answer {
    encode(header, code, &[])
}

fn encode(header: &RequestHeader, code: ErrorCode, groups: &[GroupListing]) -> Answer {
    let mut answer = begin(header);
    if header.version >= 1 {
        answer.i32(0);
    }
    answer.i16(code.0);
    answer.array(groups, |answer, group| {
        answer.string(&group.id);
        answer.string(&group.protocol_type);
        if header.version >= 4 {
            answer.string(group.state);
        }
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
