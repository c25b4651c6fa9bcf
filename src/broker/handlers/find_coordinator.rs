//! `FindCoordinator` (10): there is none, since this broker has no consumer groups yet.
//!
//! **Why it is served at all.** librdkafka sends lz4 uncompressed unless a broker advertises this API: it takes it for
//! the sign of a broker that knows lz4 framing (measured with librdkafka 2.0.2). And a consumer with a group is better
//! told 15 `COORDINATOR_NOT_AVAILABLE`, which it retries, than met with a closed connection.
//!
//! Neighbours: [`super::decode`] answers with it at once. Not here: groups and transactions.

use super::answer::{Answer, AnswerWriter};
use crate::error::ErrorCode;
use crate::wire::api::VersionRange;

/// The API key.
pub(super) const CODE: i16 = 10;
/// The versions before the flexible ones.
pub(super) const RANGE: VersionRange = VersionRange { min: 0, max: 2 };
const COORDINATOR_NOT_AVAILABLE: ErrorCode = ErrorCode(15);

/// The answer to every request of this API.
pub(super) fn not_available(correlation_id: i32, version: i16) -> Answer {
    let mut answer = AnswerWriter::new(correlation_id, false, false);
    if version >= 1 {
        answer.i32(0);
    }
    answer.i16(COORDINATOR_NOT_AVAILABLE.0);
    if version >= 1 {
        answer.nullable_string(Some("this broker has no consumer groups"));
    }
    answer.i32(-1);
    answer.string("");
    answer.i32(-1);
    answer.finish()
}
