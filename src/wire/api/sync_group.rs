//! `SyncGroup` (key 14), versions 3 to 5: the leader hands out the parts, each member gets its own.
//!
//! Versions: 3 static members (not used here); 4 flexible; 5 names the kind of group and the protocol.
//!
//! **Why here.** It is the second half of joining. Neighbours: [`super::consumer_protocol`] spells the parts. Not here:
//! how partitions are shared.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, GroupMember, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncGroupResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// 0, or why not.
    pub error: ErrorCode,
    /// Our part.
    pub assignment: Bytes,
}

/// A whole frame. `protocol` is the one that was chosen; `parts` are the leader's decision, and empty from others.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    member: &GroupMember<'_>,
    protocol: &str,
    parts: &[(String, Vec<u8>)],
) -> Bytes {
    let mut writer = Writer::request(ApiKey::SyncGroup, version, correlation_id, client_id);
    member.write(&mut writer);
    if version >= 5 {
        writer.string(GroupMember::PROTOCOL_TYPE);
        writer.string(protocol);
    }
    writer.array_of(parts, |writer, (id, part)| {
        writer.string(id);
        writer.length(Some(part.len()));
        writer.raw(part);
        writer.no_tags();
    });
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<SyncGroupResponse, WireError> {
    ApiKey::SyncGroup.check_version(version)?;
    let mut reader = Reader::new("SyncGroup response", body).flexible(ApiKey::SyncGroup.is_flexible(version));
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let error = ErrorCode(reader.i16()?);
    if version >= 5 {
        reader.nullable_string()?;
        reader.nullable_string()?;
    }
    let assignment = reader.nullable_bytes()?.unwrap_or_default();
    reader.skip_tags()?;
    Ok(SyncGroupResponse { throttle_ms, error, assignment })
}
