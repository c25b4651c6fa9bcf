//! `OffsetCommit` (key 8), versions 7 and 8: how far a group has read.
//!
//! Versions: 7 static members (not used here); 8 flexible. **Why here.** A consumer's promise to go on where it stopped
//! is kept by this. Neighbours: [`super::offset_fetch`] reads it back. Not here: when to commit.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, GroupMember, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A whole frame. `offsets`: partitions of the topic, each with the next offset to read.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    member: &GroupMember<'_>,
    topic: &str,
    offsets: &[(i32, i64)],
) -> Bytes {
    let mut writer = Writer::request(ApiKey::OffsetCommit, version, correlation_id, client_id);
    member.write(&mut writer);
    writer.array_of(&[topic], |writer, topic| {
        writer.string(topic);
        writer.array_of(offsets, |writer, (partition, offset)| {
            writer.i32(*partition);
            writer.i64(*offset);
            writer.i32(-1);
            writer.nullable_string(Some(""));
            writer.no_tags();
        });
        writer.no_tags();
    });
    writer.no_tags();
    writer.finish()
}

/// Reads the body: each partition with its code.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<Vec<(i32, ErrorCode)>, WireError> {
    ApiKey::OffsetCommit.check_version(version)?;
    let mut reader =
        Reader::new("OffsetCommit response", body).flexible(ApiKey::OffsetCommit.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let topics = reader.array_of(2, |reader| {
        reader.string()?;
        let partitions = reader.array_of(6, |reader| {
            let partition = reader.i32()?;
            let error = ErrorCode(reader.i16()?);
            reader.skip_tags()?;
            Ok((partition, error))
        })?;
        reader.skip_tags()?;
        Ok(partitions)
    })?;
    reader.skip_tags()?;
    Ok(topics.into_iter().flatten().collect())
}
