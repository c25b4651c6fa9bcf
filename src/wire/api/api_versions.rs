//! `ApiVersions` (key 18), versions 0 to 4: what a broker speaks. The first request on every connection.
//!
//! Versions: 1 throttle time; 3 flexible, client name and version, features (KIP-511, KIP-584); 4 features whose
//! lowest version is 0.
//!
//! **Why an odd one.** Nothing is agreed upon yet: a broker that does not know the version of the request answers error
//! 35 with a **version 0 body**, and lists at least its range of `ApiVersions`; the client asks again with that. And
//! the response header is always version 0. Neighbours: the engine's connection states. Not here: features, which only
//! transactions need.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, VersionRange, negotiate, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// How this software names itself to brokers; they show it in their metrics.
pub const SOFTWARE_NAME: &str = "facteur";

/// What a broker speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiVersionsResponse {
    /// 0, or 35 if the broker does not know our version of this request.
    pub error: ErrorCode,
    /// By API key, those that we do not know included.
    pub ranges: BTreeMap<i16, VersionRange>,
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
}

impl ApiVersionsResponse {
    /// The highest version of `api` that both sides speak.
    ///
    /// # Errors
    /// [`WireError::UnsupportedVersion`] if there is none; its version is the broker's highest, or -1 if the broker
    /// does not have the API at all.
    pub fn version_for(&self, api: ApiKey) -> Result<i16, WireError> {
        let theirs = self.ranges.get(&api.code()).copied();
        theirs.and_then(|theirs| negotiate(api.supported_range(), theirs)).ok_or_else(|| {
            WireError::UnsupportedVersion { api, version: theirs.map_or(-1, |range| range.max) }
        })
    }

    /// After error 35: the version to ask again with, the broker's highest that we speak, or 0.
    #[must_use]
    pub fn version_to_ask_again_with(&self) -> i16 {
        self.version_for(ApiKey::ApiVersions).unwrap_or(0)
    }
}

/// A whole frame.
#[must_use]
pub fn encode_request(version: i16, correlation_id: i32, client_id: &str) -> Bytes {
    let mut writer = Writer::request(ApiKey::ApiVersions, version, correlation_id, client_id);
    if version >= 3 {
        writer.string(SOFTWARE_NAME);
        writer.string(env!("CARGO_PKG_VERSION"));
    }
    writer.no_tags();
    writer.finish()
}

/// Reads the body. Error 35 is read as version 0, whatever `version` was asked for.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<ApiVersionsResponse, WireError> {
    ApiKey::ApiVersions.check_version(version)?;
    let mut reader = Reader::new("ApiVersions response", body);
    let error = ErrorCode(reader.i16()?);
    let version = if error == ErrorCode::UNSUPPORTED_VERSION { 0 } else { version };
    let mut reader = reader.flexible(ApiKey::ApiVersions.is_flexible(version));
    if error == ErrorCode::UNSUPPORTED_VERSION && reader.remaining() == 0 {
        return Ok(ApiVersionsResponse { error, ranges: BTreeMap::new(), throttle_ms: 0 });
    }
    let ranges = reader.array_of(6, |reader| {
        let key = reader.i16()?;
        let range = VersionRange { min: reader.i16()?, max: reader.i16()? };
        reader.skip_tags()?;
        Ok((key, range))
    })?;
    let throttle_ms = if version >= 1 { read_throttle_ms(&mut reader)? } else { 0 };
    reader.skip_tags()?;
    Ok(ApiVersionsResponse { error, ranges: ranges.into_iter().collect(), throttle_ms })
}
