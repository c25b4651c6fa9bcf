//! Administration on the wire: one file per API, from the bytes of a request to the bytes of an answer.
//!
//! **Why a family of its own.** Kafka's tools ask for settings, producers and the cluster through APIs that no producer
//! or consumer needs. What is advertised, how a body is read, what is done and how it is refused is decided here.
//!
//! Neighbours: [`super`] routes requests here. Not here: consumer groups ([`super::groups`]), and `CreateTopics` and
//! `DeleteTopics`, which producers' tests need as well.

use super::{Answer, Reply, RequestContext, RequestHeader, RequestReader};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, VersionRange};

/// What is served of this family; an API that is not in the table is not advertised.
pub(super) const ADVERTISED: &[(ApiKey, VersionRange)] = &[];

/// A request of this family; there is none yet.
#[derive(Debug, Clone)]
pub(super) enum AdminRequest {}

/// Reads the body of a request.
pub(super) fn decode(
    _reader: &mut RequestReader<'_>,
    api: ApiKey,
    version: i16,
) -> Result<AdminRequest, WireError> {
    Err(WireError::UnsupportedVersion { api, version })
}

/// Does what a request asks for.
pub(super) fn handle(
    _cluster: &mut Cluster,
    _header: &RequestHeader,
    request: &AdminRequest,
    _context: &RequestContext<'_>,
) -> Reply {
    match *request {}
}

/// The answer that says `code` wherever the API has a place for one.
pub(super) fn refuse(_header: &RequestHeader, request: &AdminRequest, _code: ErrorCode) -> Answer {
    match *request {}
}

impl AdminRequest {
    /// The topics that the request names, for faults that are limited to one.
    pub(super) fn topics(&self) -> Vec<&str> {
        match *self {}
    }
}
