//! `FindCoordinator` (key 10), versions 1 to 3: which broker looks after a group.
//!
//! Versions: 1 names the kind of key; 3 is flexible. Version 4 asks for several keys at once, which nobody here needs.
//!
//! **Why here.** A member must talk to this one broker. Neighbours: `facteur consume --group`. Not here: transactions.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindCoordinatorResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// 0, or why there is none.
    pub error: ErrorCode,
    /// What the broker adds to the code, if anything.
    pub message: Option<String>,
    /// The broker's host; means something only without an error.
    pub host: String,
    /// Its port; 0 if what came is no port.
    pub port: u16,
}

/// A whole frame, asking for a consumer group.
#[must_use]
pub fn encode_request(version: i16, correlation_id: i32, client_id: &str, group: &str) -> Bytes {
    let mut writer = Writer::request(ApiKey::FindCoordinator, version, correlation_id, client_id);
    writer.string(group);
    writer.i8(0);
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<FindCoordinatorResponse, WireError> {
    ApiKey::FindCoordinator.check_version(version)?;
    let mut reader =
        Reader::new("FindCoordinator response", body).flexible(ApiKey::FindCoordinator.is_flexible(version));
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let error = ErrorCode(reader.i16()?);
    let message = reader.nullable_string()?;
    reader.i32()?;
    let host = reader.string()?;
    let port = u16::try_from(reader.i32()?).unwrap_or(0);
    reader.skip_tags()?;
    Ok(FindCoordinatorResponse { throttle_ms, error, message, host, port })
}
