//! `X-Request-Id`: the caller's, or one of ours, on every answer.
//!
//! **Why.** Whoever reports a problem can name the call, and find it in the logs of whatever stands in front.
//! Neighbours: [`crate::lab::server`] reads it and sets it; [`crate::lab::error`] shows it as a problem's `requestId`.
//! Not here: the `requestId` of `/api/v1/status`, which names an accepted record and is always ours.

use axum::http::HeaderMap;
use uuid::Uuid;

/// The header's name.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
const LONGEST_BYTES: usize = 128;

/// The id of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's id if it is short and plain; else a new one, so that nobody writes into logs what he likes.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok()).map(str::trim);
        let accepted =
            given.filter(|id| !id.is_empty() && id.len() <= LONGEST_BYTES && id.bytes().all(is_plain));
        Self(accepted.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned))
    }

    /// As in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=')
}
