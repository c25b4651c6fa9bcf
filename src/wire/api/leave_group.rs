//! `LeaveGroup` (key 13), versions 3 to 5: a member goes at once, instead of being missed after its session timeout.
//!
//! Versions: 4 flexible; 5 a reason (not given here). **Why here.** Who reads a topic twice in a row would else wait for
//! its own former self. Neighbours: [`super::join_group`]. Not here: removing others.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A whole frame.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    group: &str,
    member_id: &str,
) -> Bytes {
    let mut writer = Writer::request(ApiKey::LeaveGroup, version, correlation_id, client_id);
    writer.string(group);
    writer.array_of(&[member_id], |writer, id| {
        writer.string(id);
        writer.nullable_string(None);
        if version >= 5 {
            writer.nullable_string(None);
        }
        writer.no_tags();
    });
    writer.no_tags();
    writer.finish()
}

/// Reads the body: the code of the request, or else the member's.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<ErrorCode, WireError> {
    ApiKey::LeaveGroup.check_version(version)?;
    let mut reader =
        Reader::new("LeaveGroup response", body).flexible(ApiKey::LeaveGroup.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let error = ErrorCode(reader.i16()?);
    let members = reader.array_of(4, |reader| {
        reader.string()?;
        reader.nullable_string()?;
        let error = ErrorCode(reader.i16()?);
        reader.skip_tags()?;
        Ok(error)
    })?;
    reader.skip_tags()?;
    let of_member = members.into_iter().find(|error| !error.is_none());
    Ok(if error.is_none() { of_member.unwrap_or(error) } else { error })
}
