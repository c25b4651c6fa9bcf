//! `FindCoordinator` (10): which broker looks after a group. This one has no groups yet, so: none.
//!
//! **Why it is served at all.** librdkafka sends lz4 uncompressed unless a broker advertises this API: it takes it for
//! the sign of a broker that knows lz4 framing (measured with librdkafka 2.0.2). And a consumer with a group is better
//! told 15 `COORDINATOR_NOT_AVAILABLE`, which it retries, than met with a closed connection.
//!
//! Neighbours: [`super::decode`] and [`super::handle`] lead here. Not here: transactions.

use crate::broker::handlers::answer::Answer;
use crate::broker::handlers::{RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

const COORDINATOR_NOT_AVAILABLE: ErrorCode = ErrorCode(15);

/// The request: a key and, from version 1 on, what kind of key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct FindCoordinatorRequest {
    key: String,
    key_type: i8,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    version: i16,
) -> Result<FindCoordinatorRequest, WireError> {
    let key = reader.string()?;
    let key_type = if version >= 1 { reader.i8()? } else { 0 };
    Ok(FindCoordinatorRequest { key, key_type })
}

pub(super) fn handle(header: &RequestHeader, request: &FindCoordinatorRequest) -> Answer {
    refuse(header, request, COORDINATOR_NOT_AVAILABLE)
}

pub(super) fn refuse(header: &RequestHeader, _request: &FindCoordinatorRequest, code: ErrorCode) -> Answer {
    let mut answer = begin(header);
    if header.version >= 1 {
        answer.i32(0);
    }
    answer.i16(code.0);
    if header.version >= 1 {
        answer.nullable_string(Some("this broker has no consumer groups"));
    }
    answer.i32(-1);
    answer.string("");
    answer.i32(-1);
    answer.finish()
}
