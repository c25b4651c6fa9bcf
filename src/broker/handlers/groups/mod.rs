//! Consumer groups on the wire: one file per API, from the bytes of a request to the bytes of an answer.
//!
//! **Why a family of its own.** Ten APIs belong to groups; [`super`] would be a list of them. What is advertised, how a
//! body is read, what is done and how it is refused is decided here.
//!
//! Neighbours: [`super`] routes requests here. Not here: administration of topics and the cluster ([`super::admin`]).

mod find_coordinator;

use super::{Answer, Reply, RequestContext, RequestHeader, RequestReader};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, VersionRange};

/// What is served of this family; an API that is not in the table is not advertised.
pub(super) const ADVERTISED: &[(ApiKey, VersionRange)] =
    &[(ApiKey::FindCoordinator, VersionRange { min: 0, max: 2 })];

/// A request of this family.
#[derive(Debug, Clone)]
pub(super) enum GroupRequest {
    FindCoordinator(find_coordinator::FindCoordinatorRequest),
}

/// Reads the body of a request.
#[allow(clippy::wildcard_enum_match_arm, reason = "keys of other families are not routed here")]
pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    api: ApiKey,
    version: i16,
) -> Result<GroupRequest, WireError> {
    match api {
        ApiKey::FindCoordinator => {
            find_coordinator::decode(reader, version).map(GroupRequest::FindCoordinator)
        }
        _ => Err(WireError::UnsupportedVersion { api, version }),
    }
}

/// Does what a request asks for.
pub(super) fn handle(
    _cluster: &mut Cluster,
    header: &RequestHeader,
    request: &GroupRequest,
    _context: &RequestContext<'_>,
) -> Reply {
    Reply::Answer(match request {
        GroupRequest::FindCoordinator(body) => find_coordinator::handle(header, body),
    })
}

/// The answer that says `code` wherever the API has a place for one.
pub(super) fn refuse(header: &RequestHeader, request: &GroupRequest, code: ErrorCode) -> Answer {
    match request {
        GroupRequest::FindCoordinator(body) => find_coordinator::refuse(header, body, code),
    }
}

impl GroupRequest {
    /// The topics that the request names, for faults that are limited to one.
    pub(super) const fn topics(&self) -> Vec<&str> {
        match self {
            Self::FindCoordinator(_) => Vec::new(),
        }
    }
}
