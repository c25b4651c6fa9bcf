//! `InitProducerId` (key 22), versions 0 to 5: a producer id and its first epoch (KIP-98).
//!
//! Versions: 1 client-side throttling; 2 flexible; 3 the client's own id and epoch in the request (KIP-360);
//! 4 `PRODUCER_FENCED` instead of 47; 5 `TRANSACTION_ABORTABLE`.
//!
//! **Why only without a transactional id.** An idempotent producer asks for a new id and raises its epoch itself; the
//! request's own id and epoch are -1. Neighbours: `engine::producer_id_state`. Not here: transactions.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::identifiers::ProducerIdentity;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitProducerIdResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// 0, or why there is no identity.
    pub error: ErrorCode,
    /// The identity; means something only without an error.
    pub identity: ProducerIdentity,
}

/// A whole frame.
#[must_use]
pub fn encode_request(version: i16, correlation_id: i32, client_id: &str) -> Bytes {
    let mut writer = Writer::request(ApiKey::InitProducerId, version, correlation_id, client_id);
    writer.nullable_string(None);
    // The transaction timeout: without a transactional id brokers ignore it. Java sends the largest, too.
    writer.i32(i32::MAX);
    if version >= 3 {
        writer.i64(-1);
        writer.i16(-1);
    }
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer, or claim success with a negative id or epoch.
pub fn decode_response(version: i16, body: Bytes) -> Result<InitProducerIdResponse, WireError> {
    ApiKey::InitProducerId.check_version(version)?;
    let mut reader =
        Reader::new("InitProducerId response", body).flexible(ApiKey::InitProducerId.is_flexible(version));
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let error = ErrorCode(reader.i16()?);
    let identity = ProducerIdentity { producer_id: reader.i64()?, epoch: reader.i16()? };
    reader.skip_tags()?;
    if error.is_none() && (identity.producer_id < 0 || identity.epoch < 0) {
        return Err(WireError::Protocol(format!("InitProducerId response with the identity {identity}")));
    }
    Ok(InitProducerIdResponse { throttle_ms, error, identity })
}
