//! `JoinGroup` (key 11), versions 5 to 7: a member comes into a group, or comes back.
//!
//! Versions: 5 static members (not used here); 6 flexible; 7 the kind of group in the answer.
//!
//! **Why from 5 on.** Brokers since 2.3 speak it, and a member is asked to come back with the id that it is given, so
//! one path is enough. Neighbours: [`super::consumer_protocol`] spells what a member wants. Not here: KIP-848.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, GroupMember, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// What a member says about itself.
#[derive(Debug, Clone)]
pub struct JoinGroupRequest<'a> {
    /// The version to write.
    pub version: i16,
    /// Repeated in the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: &'a str,
    /// The group.
    pub group: &'a str,
    /// The id that it was given; empty if it has none.
    pub member_id: &'a str,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// How long it may take to come back.
    pub rebalance_timeout_ms: i32,
    /// The one way of sharing that it knows.
    pub protocol: &'a str,
    /// What it wants, as [`super::consumer_protocol`] spells it.
    pub metadata: &'a [u8],
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinGroupResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// 0, or why not; 79 comes with an id to come back with.
    pub error: ErrorCode,
    /// The generation.
    pub generation: i32,
    /// The way of sharing that was chosen.
    pub protocol: String,
    /// The member that shares out.
    pub leader: String,
    /// Our id.
    pub member_id: String,
    /// If we lead: each member's id and what it wants.
    pub members: Vec<(String, Bytes)>,
}

/// A whole frame.
#[must_use]
pub fn encode_request(request: &JoinGroupRequest<'_>) -> Bytes {
    let mut writer =
        Writer::request(ApiKey::JoinGroup, request.version, request.correlation_id, request.client_id);
    writer.string(request.group);
    writer.i32(request.session_timeout_ms);
    writer.i32(request.rebalance_timeout_ms);
    writer.string(request.member_id);
    writer.nullable_string(None);
    writer.string(GroupMember::PROTOCOL_TYPE);
    writer.array_of(&[request.protocol], |writer, protocol| {
        writer.string(protocol);
        writer.length(Some(request.metadata.len()));
        writer.raw(request.metadata);
        writer.no_tags();
    });
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<JoinGroupResponse, WireError> {
    ApiKey::JoinGroup.check_version(version)?;
    let mut reader = Reader::new("JoinGroup response", body).flexible(ApiKey::JoinGroup.is_flexible(version));
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let error = ErrorCode(reader.i16()?);
    let generation = reader.i32()?;
    if version >= 7 {
        reader.nullable_string()?;
    }
    let protocol = reader.nullable_string()?.unwrap_or_default();
    let leader = reader.string()?;
    let member_id = reader.string()?;
    let members = reader.array_of(3, |reader| {
        let id = reader.string()?;
        reader.nullable_string()?;
        let metadata = reader.nullable_bytes()?.unwrap_or_default();
        reader.skip_tags()?;
        Ok((id, metadata))
    })?;
    reader.skip_tags()?;
    Ok(JoinGroupResponse { throttle_ms, error, generation, protocol, leader, member_id, members })
}
