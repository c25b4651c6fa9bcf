//! Consumer groups on the wire: one file per API, from the bytes of a request to the bytes of an answer.
//!
//! **Why a family of its own.** Ten APIs belong to groups; [`super`] would be a list of them. What is advertised, how a
//! body is read, what is done and how it is refused is decided here.
//!
//! Neighbours: [`super`] routes requests here, [`crate::broker::groups`] decides. Not here: administration of topics and
//! the cluster ([`super::admin`]).

mod delete_groups;
mod describe_groups;
mod find_coordinator;
mod heartbeat;
mod join_group;
mod leave_group;
mod list_groups;
mod offset_commit;
mod offset_fetch;
mod sync_group;

use std::sync::Arc;

use super::{Answer, Reply, RequestContext, RequestHeader, RequestReader};
use crate::broker::cluster::Cluster;
use crate::broker::groups::{MemberRef, Ticket};
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, VersionRange};

/// What is served of this family; an API that is not in the table is not advertised.
pub(super) const ADVERTISED: &[(ApiKey, VersionRange)] = &[
    (ApiKey::FindCoordinator, VersionRange { min: 0, max: 4 }),
    (ApiKey::JoinGroup, VersionRange { min: 0, max: 7 }),
    (ApiKey::SyncGroup, VersionRange { min: 0, max: 5 }),
    (ApiKey::Heartbeat, VersionRange { min: 0, max: 4 }),
    (ApiKey::LeaveGroup, VersionRange { min: 0, max: 5 }),
    (ApiKey::OffsetCommit, VersionRange { min: 2, max: 8 }),
    (ApiKey::OffsetFetch, VersionRange { min: 1, max: 8 }),
    (ApiKey::ListGroups, VersionRange { min: 0, max: 4 }),
    (ApiKey::DescribeGroups, VersionRange { min: 0, max: 5 }),
    (ApiKey::DeleteGroups, VersionRange { min: 0, max: 2 }),
];

/// A request of this family.
#[derive(Debug, Clone)]
pub(super) enum GroupRequest {
    FindCoordinator(find_coordinator::FindCoordinatorRequest),
    JoinGroup(join_group::JoinGroupRequest),
    SyncGroup(sync_group::SyncGroupRequest),
    Heartbeat(heartbeat::HeartbeatRequest),
    LeaveGroup(leave_group::LeaveGroupRequest),
    OffsetCommit(offset_commit::OffsetCommitRequest),
    OffsetFetch(offset_fetch::OffsetFetchRequest),
    ListGroups(list_groups::ListGroupsRequest),
    DescribeGroups(describe_groups::DescribeGroupsRequest),
    DeleteGroups(delete_groups::DeleteGroupsRequest),
}

/// A join or a sync that waits for the other members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingGroup {
    header: RequestHeader,
    group: String,
    member: Arc<str>,
    instance_id: Option<String>,
    ticket: Ticket,
    waiting: Waiting,
}

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Join,
    Sync,
}

impl PendingGroup {
    /// The answer, if the coordinator has left one. It is never asked for by the clock: the coordinator's own deadlines
    /// see to it that each wait ends.
    #[must_use]
    pub fn resume(&self, cluster: &mut Cluster) -> Option<Answer> {
        let instance = self.instance_id.as_deref();
        let groups = &mut cluster.groups;
        match self.waiting {
            Waiting::Join => groups
                .take_join(&self.group, &self.member, instance, self.ticket)
                .map(|answer| join_group::encode(&self.header, &answer)),
            Waiting::Sync => groups
                .take_sync(&self.group, &self.member, instance, self.ticket)
                .map(|answer| sync_group::encode(&self.header, &answer)),
        }
    }
}

/// Reads the body of a request.
#[allow(clippy::wildcard_enum_match_arm, reason = "keys of other families are not routed here")]
pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    api: ApiKey,
    version: i16,
) -> Result<GroupRequest, WireError> {
    use GroupRequest as G;
    match api {
        ApiKey::FindCoordinator => find_coordinator::decode(reader, version).map(G::FindCoordinator),
        ApiKey::JoinGroup => join_group::decode(reader, version).map(G::JoinGroup),
        ApiKey::SyncGroup => sync_group::decode(reader, version).map(G::SyncGroup),
        ApiKey::Heartbeat => heartbeat::decode(reader, version).map(G::Heartbeat),
        ApiKey::LeaveGroup => leave_group::decode(reader, version).map(G::LeaveGroup),
        ApiKey::OffsetCommit => offset_commit::decode(reader, version).map(G::OffsetCommit),
        ApiKey::OffsetFetch => offset_fetch::decode(reader, version).map(G::OffsetFetch),
        ApiKey::ListGroups => list_groups::decode(reader, version).map(G::ListGroups),
        ApiKey::DescribeGroups => describe_groups::decode(reader, version).map(G::DescribeGroups),
        ApiKey::DeleteGroups => delete_groups::decode(reader, version).map(G::DeleteGroups),
        _ => Err(WireError::UnsupportedVersion { api, version }),
    }
}

/// Reads how a member names itself in most of these requests: generation, id and, where there is one, its static name.
fn decode_member(reader: &mut RequestReader<'_>, has_instance_id: bool) -> Result<MemberRef, WireError> {
    let generation = reader.i32()?;
    let id = reader.string()?;
    let instance_id = if has_instance_id { reader.nullable_string()? } else { None };
    Ok(MemberRef { id, instance_id, generation })
}

/// Does what a request asks for.
pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &GroupRequest,
    context: &RequestContext<'_>,
) -> Reply {
    use GroupRequest as G;
    Reply::Answer(match request {
        G::JoinGroup(body) => return join_group::handle(cluster, header, body, context),
        G::SyncGroup(body) => return sync_group::handle(cluster, header, body, context),
        G::FindCoordinator(body) => find_coordinator::handle(cluster, header, body, context),
        G::Heartbeat(body) => heartbeat::handle(cluster, header, body, context),
        G::LeaveGroup(body) => leave_group::handle(cluster, header, body, context),
        G::OffsetCommit(body) => offset_commit::handle(cluster, header, body, context),
        G::OffsetFetch(body) => offset_fetch::handle(cluster, header, body),
        G::ListGroups(body) => list_groups::handle(cluster, header, body),
        G::DescribeGroups(body) => describe_groups::handle(cluster, header, body),
        G::DeleteGroups(body) => delete_groups::handle(cluster, header, body, context),
    })
}

/// The answer that says `code` wherever the API has a place for one.
pub(super) fn refuse(header: &RequestHeader, request: &GroupRequest, code: ErrorCode) -> Answer {
    use GroupRequest as G;
    match request {
        G::FindCoordinator(body) => find_coordinator::refuse(header, body, code),
        G::JoinGroup(body) => join_group::refuse(header, body, code),
        G::SyncGroup(_) => sync_group::refuse(header, code),
        G::Heartbeat(_) => heartbeat::encode(header, code),
        G::LeaveGroup(_) => leave_group::refuse(header, code),
        G::OffsetCommit(body) => offset_commit::refuse(header, body, code),
        G::OffsetFetch(body) => offset_fetch::refuse(header, body, code),
        G::ListGroups(_) => list_groups::refuse(header, code),
        G::DescribeGroups(body) => describe_groups::refuse(header, body, code),
        G::DeleteGroups(body) => delete_groups::refuse(header, body, code),
    }
}

impl GroupRequest {
    /// The topics that the request names, for faults that are limited to one.
    pub(super) fn topics(&self) -> Vec<&str> {
        match self {
            Self::OffsetCommit(body) => body.topics.iter().map(|topic| topic.name.as_str()).collect(),
            Self::OffsetFetch(body) => body.topics(),
            Self::FindCoordinator(_)
            | Self::JoinGroup(_)
            | Self::SyncGroup(_)
            | Self::Heartbeat(_)
            | Self::LeaveGroup(_)
            | Self::ListGroups(_)
            | Self::DescribeGroups(_)
            | Self::DeleteGroups(_) => Vec::new(),
        }
    }
}
