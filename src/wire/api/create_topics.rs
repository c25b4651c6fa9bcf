//! `CreateTopics` (key 19), versions 2 to 7.
//!
//! Versions: 4 brokers choose partitions and replicas (-1, KIP-464); 5 flexible, the resulting settings in the answer;
//! 7 topic ids.
//!
//! **Why here.** The course's façade and the tests make their topics. Neighbours: those. Not here: replica assignment
//! by hand.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::identifiers::TopicId;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A topic to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many partitions; -1 leaves it to the broker, from version 4 on.
    pub partitions: i32,
    /// How many replicas; -1 leaves it to the broker, from version 4 on.
    pub replication_factor: i16,
    /// Settings, by Kafka's names.
    pub configs: Vec<(&'a str, &'a str)>,
}

/// What became of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its name.
    pub name: String,
    /// Its id, from version 7 on; else zero.
    pub id: TopicId,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The broker's own words.
    pub message: Option<String>,
    /// How many partitions it has, from version 5 on, or -1.
    pub partitions: i32,
    /// How many replicas it has, from version 5 on, or -1.
    pub replication_factor: i16,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTopicsResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// One entry per topic.
    pub topics: Vec<CreatedTopic>,
}

/// A whole frame.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: &[NewTopic<'_>],
    timeout_ms: i32,
) -> Bytes {
    let mut writer = Writer::request(ApiKey::CreateTopics, version, correlation_id, client_id);
    writer.array_of(topics, |writer, topic| {
        writer.string(topic.name);
        writer.i32(topic.partitions);
        writer.i16(topic.replication_factor);
        writer.length(Some(0));
        writer.array_of(&topic.configs, |writer, (name, value)| {
            writer.string(name);
            writer.string(value);
            writer.no_tags();
        });
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
pub fn decode_response(version: i16, body: Bytes) -> Result<CreateTopicsResponse, WireError> {
    ApiKey::CreateTopics.check_version(version)?;
    let mut reader =
        Reader::new("CreateTopics response", body).flexible(ApiKey::CreateTopics.is_flexible(version));
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let topics = reader.array_of(4, |reader| read_topic(reader, version))?;
    reader.skip_tags()?;
    Ok(CreateTopicsResponse { throttle_ms, topics })
}

fn read_topic(reader: &mut Reader, version: i16) -> Result<CreatedTopic, WireError> {
    let mut topic = CreatedTopic {
        name: reader.string()?,
        id: if version >= 7 { TopicId(reader.uuid()?) } else { TopicId::ZERO },
        error: ErrorCode(reader.i16()?),
        message: reader.nullable_string()?,
        partitions: -1,
        replication_factor: -1,
    };
    if version >= 5 {
        topic.partitions = reader.i32()?;
        topic.replication_factor = reader.i16()?;
        reader.nullable_array_of(6, |reader| {
            reader.nullable_string()?;
            reader.nullable_string()?;
            // Read-only, source, sensitive.
            reader.skip(3)?;
            reader.skip_tags()
        })?;
    }
    reader.skip_tags()?;
    Ok(topic)
}
