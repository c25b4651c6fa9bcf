//! `DescribeConfigs` (key 32), versions 1 to 4.
//!
//! Versions: 1 sources and synonyms; 3 types and help; 4 flexible.
//!
//! **Why here.** `facteur topics describe` shows what holds for a topic. Neighbours: that command; the broker's half is
//! `broker/handlers/admin`. Not here: help texts, which are not asked for.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The number of topics among the kinds of resources, here and in `IncrementalAlterConfigs`.
pub const TOPIC_RESOURCE: i8 = 2;
/// The number of brokers among the kinds of resources.
pub const BROKER_RESOURCE: i8 = 4;
/// The source of a setting that was given for its topic.
pub const SET_ON_TOPIC: i8 = 1;

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value; `None` for none, or a secret.
    pub value: Option<String>,
    /// Whether it cannot be changed.
    pub is_read_only: bool,
    /// Where it comes from: 1 its topic, 2 and 3 the brokers' dynamic settings, 4 a broker's file, 5 the default.
    pub source: i8,
    /// Whether it is a secret.
    pub is_sensitive: bool,
    /// Names, values and sources from which the value is taken, the first that is set.
    pub synonyms: Vec<(String, Option<String>, i8)>,
}

/// A resource with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The broker's own words.
    pub message: Option<String>,
    /// Which kind of resource.
    pub kind: i8,
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// A whole frame that asks for all settings, with synonyms, of these resources (kind and name).
#[must_use]
pub fn encode_request(version: i16, correlation_id: i32, client_id: &str, resources: &[(i8, &str)]) -> Bytes {
    let mut writer = Writer::request(ApiKey::DescribeConfigs, version, correlation_id, client_id);
    writer.array_of(resources, |writer, (kind, name)| {
        writer.i8(*kind);
        writer.string(name);
        // All of them.
        writer.length(None);
        writer.no_tags();
    });
    writer.bool(true);
    if version >= 3 {
        writer.bool(false);
    }
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<Vec<Described>, WireError> {
    ApiKey::DescribeConfigs.check_version(version)?;
    let mut reader =
        Reader::new("DescribeConfigs response", body).flexible(ApiKey::DescribeConfigs.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let resources = reader.array_of(7, |reader| {
        let described = Described {
            error: ErrorCode(reader.i16()?),
            message: reader.nullable_string()?,
            kind: reader.i8()?,
            name: reader.string()?,
            settings: reader.array_of(6, |reader| read_setting(reader, version))?,
        };
        reader.skip_tags()?;
        Ok(described)
    })?;
    reader.skip_tags()?;
    Ok(resources)
}

fn read_setting(reader: &mut Reader, version: i16) -> Result<Setting, WireError> {
    let setting = Setting {
        name: reader.string()?,
        value: reader.nullable_string()?,
        is_read_only: reader.bool()?,
        source: reader.i8()?,
        is_sensitive: reader.bool()?,
        synonyms: reader.array_of(3, |reader| {
            let synonym = (reader.string()?, reader.nullable_string()?, reader.i8()?);
            reader.skip_tags()?;
            Ok(synonym)
        })?,
    };
    if version >= 3 {
        reader.i8()?;
        reader.nullable_string()?;
    }
    reader.skip_tags()?;
    Ok(setting)
}
