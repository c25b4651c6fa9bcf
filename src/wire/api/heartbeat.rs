//! `Heartbeat` (key 12), versions 3 and 4: a member is alive, and learns whether it must join again.
//!
//! Version 4 is flexible. **Why here.** A member that is silent for its session timeout is thrown out. Neighbours:
//! [`super::join_group`]. Not here: when to send one.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, GroupMember, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A whole frame.
#[must_use]
pub fn encode_request(version: i16, correlation_id: i32, client_id: &str, member: &GroupMember<'_>) -> Bytes {
    let mut writer = Writer::request(ApiKey::Heartbeat, version, correlation_id, client_id);
    member.write(&mut writer);
    writer.no_tags();
    writer.finish()
}

/// Reads the body: 0, or what the member must do (27: join again).
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<ErrorCode, WireError> {
    ApiKey::Heartbeat.check_version(version)?;
    let mut reader = Reader::new("Heartbeat response", body).flexible(ApiKey::Heartbeat.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let error = ErrorCode(reader.i16()?);
    reader.skip_tags()?;
    Ok(error)
}
