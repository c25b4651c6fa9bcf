//! `CreatePartitions` (key 37), versions 0 to 3.
//!
//! Versions: 2 flexible.
//!
//! **Why here.** `facteur topics alter --partitions` adds some. Neighbours: that command; the broker's half is
//! `broker/handlers/admin`. Not here: replica assignment by hand.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// What became of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedPartitions {
    /// Its name.
    pub name: String,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The broker's own words.
    pub message: Option<String>,
}

/// A whole frame: topics with the number of partitions that they shall have in all.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: &[(&str, i32)],
    timeout_ms: i32,
) -> Bytes {
    let mut writer = Writer::request(ApiKey::CreatePartitions, version, correlation_id, client_id);
    writer.array_of(topics, |writer, (topic, total)| {
        writer.string(topic);
        writer.i32(*total);
        writer.length(None);
        writer.no_tags();
    });
    writer.i32(timeout_ms);
    // Not only a check.
    writer.bool(false);
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<Vec<AddedPartitions>, WireError> {
    ApiKey::CreatePartitions.check_version(version)?;
    let mut reader = Reader::new("CreatePartitions response", body)
        .flexible(ApiKey::CreatePartitions.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let topics = reader.array_of(5, |reader| {
        let added = AddedPartitions {
            name: reader.string()?,
            error: ErrorCode(reader.i16()?),
            message: reader.nullable_string()?,
        };
        reader.skip_tags()?;
        Ok(added)
    })?;
    reader.skip_tags()?;
    Ok(topics)
}
