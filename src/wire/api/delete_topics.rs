//! `DeleteTopics` (key 20), versions 1 to 5; 6 takes ids and is not needed.
//!
//! Versions: 4 flexible; 5 the broker's own words.
//!
//! **Why here.** The course's façade and the tests clean up. Neighbours: those. Not here: anything else.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// What became of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: String,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The broker's own words, from version 5 on.
    pub message: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTopicsResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// One entry per topic.
    pub topics: Vec<DeletedTopic>,
}

/// A whole frame.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: &[&str],
    timeout_ms: i32,
) -> Bytes {
    let mut writer = Writer::request(ApiKey::DeleteTopics, version, correlation_id, client_id);
    writer.array_of(topics, |writer, topic| writer.string(topic));
    writer.i32(timeout_ms);
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<DeleteTopicsResponse, WireError> {
    ApiKey::DeleteTopics.check_version(version)?;
    let mut reader =
        Reader::new("DeleteTopics response", body).flexible(ApiKey::DeleteTopics.is_flexible(version));
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let topics = reader.array_of(4, |reader| {
        let topic = DeletedTopic {
            name: reader.string()?,
            error: ErrorCode(reader.i16()?),
            message: if version >= 5 { reader.nullable_string()? } else { None },
        };
        reader.skip_tags()?;
        Ok(topic)
    })?;
    reader.skip_tags()?;
    Ok(DeleteTopicsResponse { throttle_ms, topics })
}
