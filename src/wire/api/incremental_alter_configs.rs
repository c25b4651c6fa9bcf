//! `IncrementalAlterConfigs` (key 44), versions 0 and 1.
//!
//! Versions: 1 flexible.
//!
//! **Why here.** `facteur topics alter` changes settings of topics. Neighbours: that command; the broker's half is
//! `broker/handlers/admin`. Not here: settings of brokers.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::describe_configs::TOPIC_RESOURCE;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// No setting: the name by which our own broker is asked to compact a topic at once. A real Kafka answers that it does not
/// know it.
pub const COMPACT_NOW: &str = "facteur.compact.now";

/// What is to become of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alteration<'a> {
    /// It gets this value.
    Set(&'a str),
    /// It gets its default.
    Delete,
    /// These words are added to its list.
    Append(&'a str),
    /// These words are taken from its list.
    Subtract(&'a str),
}

impl<'a> Alteration<'a> {
    const fn code(self) -> i8 {
        match self {
            Self::Set(_) => 0,
            Self::Delete => 1,
            Self::Append(_) => 2,
            Self::Subtract(_) => 3,
        }
    }

    const fn value(self) -> Option<&'a str> {
        match self {
            Self::Set(value) | Self::Append(value) | Self::Subtract(value) => Some(value),
            Self::Delete => None,
        }
    }
}

/// What became of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Altered {
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The broker's own words.
    pub message: Option<String>,
    /// The resource's name.
    pub name: String,
}

/// A whole frame: for each topic the settings to change.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: &[(&str, Vec<(&str, Alteration<'_>)>)],
) -> Bytes {
    let mut writer = Writer::request(ApiKey::IncrementalAlterConfigs, version, correlation_id, client_id);
    writer.array_of(topics, |writer, (topic, changes)| {
        writer.i8(TOPIC_RESOURCE);
        writer.string(topic);
        writer.array_of(changes, |writer, (name, alteration)| {
            writer.string(name);
            writer.i8(alteration.code());
            writer.nullable_string(alteration.value());
            writer.no_tags();
        });
        writer.no_tags();
    });
    // Not only a check.
    writer.bool(false);
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<Vec<Altered>, WireError> {
    ApiKey::IncrementalAlterConfigs.check_version(version)?;
    let mut reader = Reader::new("IncrementalAlterConfigs response", body)
        .flexible(ApiKey::IncrementalAlterConfigs.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let resources = reader.array_of(6, |reader| {
        let error = ErrorCode(reader.i16()?);
        let message = reader.nullable_string()?;
        reader.i8()?;
        let altered = Altered { error, message, name: reader.string()? };
        reader.skip_tags()?;
        Ok(altered)
    })?;
    reader.skip_tags()?;
    Ok(resources)
}
