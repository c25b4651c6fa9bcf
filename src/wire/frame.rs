//! Frames: a four-byte length, a header, a body.
//!
//! **Why the length has a limit.** The first four bytes of a peer that is no Kafka broker at all (a TLS server, a web
//! server, SSH) read as a length of hundreds of megabytes. They are refused before anything is allocated, and the
//! error says what they look like, which is worth hours to whoever mistyped a port. Neighbours: the runtime's reader
//! and the broker's server cut frames with [`cut_frame`] and [`parse_frame_length`]; [`super::writer`] writes headers. Not here: bodies.
#![warn(clippy::arithmetic_side_effects)]

use bytes::{Buf as _, Bytes, BytesMut};

use crate::wire::WireError;
use crate::wire::api::ApiKey;
use crate::wire::reader::Reader;
use crate::wire::writer::clip;

/// The default limit of a response frame; the largest honest answer is a Fetch or Metadata answer.
pub const DEFAULT_FRAME_LIMIT_BYTES: usize = 64 * 1024 * 1024;
/// The limit before the peer has proved to be a Kafka broker (its `ApiVersions` answer).
pub const FIRST_FRAME_LIMIT_BYTES: usize = 512 * 1024;

/// The length of the frame that follows `prefix`.
///
/// # Errors
/// [`WireError::NegativeLength`] or [`WireError::FrameTooLarge`], with a hint if the bytes look like another protocol.
pub fn parse_frame_length(prefix: [u8; 4], limit: usize) -> Result<usize, WireError> {
    let length = i32::from_be_bytes(prefix);
    let hint = hint(prefix);
    let Ok(size) = usize::try_from(length) else {
        return Err(WireError::NegativeLength { what: "frame", length: i64::from(length), hint });
    };
    if size > limit {
        return Err(WireError::FrameTooLarge { size, limit, hint });
    }
    Ok(size)
}

/// Takes the first frame (without its length prefix) out of what has come so far; `None` if it is not there whole.
/// Nothing is reserved for a length that is only claimed: the buffer grows with the bytes that come.
///
/// # Errors
/// As [`parse_frame_length`]; the buffer is left as it is, and the stream cannot be read on.
pub fn cut_frame(buffer: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, WireError> {
    let Some(prefix) = buffer.first_chunk::<4>() else { return Ok(None) };
    let size = parse_frame_length(*prefix, limit)?;
    if buffer.len().saturating_sub(prefix.len()) < size {
        return Ok(None);
    }
    buffer.advance(4);
    Ok(Some(buffer.split_to(size).freeze()))
}

const fn hint(prefix: [u8; 4]) -> &'static str {
    match &prefix {
        [0x14..=0x17, 0x03, _, _] => "; the bytes look like TLS: does this port want TLS?",
        b"HTTP" => "; the bytes look like HTTP: is this a web server's port?",
        b"SSH-" => "; the bytes look like SSH: is this an SSH server's port?",
        _ => "",
    }
}

/// Appends a request header: version 2 if the request is flexible, else 1. The client id is a plain string with a
/// 16-bit length even in version 2 (KIP-482 left it so that a broker can always read it).
pub fn put_request_header(
    buffer: &mut Vec<u8>,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) {
    let client_id = clip(client_id, 32_767);
    buffer.extend_from_slice(&api.code().to_be_bytes());
    buffer.extend_from_slice(&version.to_be_bytes());
    buffer.extend_from_slice(&correlation_id.to_be_bytes());
    buffer.extend_from_slice(&i16::try_from(client_id.len()).unwrap_or(i16::MAX).to_be_bytes());
    buffer.extend_from_slice(client_id.as_bytes());
    if api.is_flexible(version) {
        buffer.push(0);
    }
}

/// The correlation id of a response frame (without its length prefix).
///
/// # Errors
/// [`WireError::Truncated`] if the frame has fewer than four bytes.
pub fn peek_correlation_id(frame: &Bytes) -> Result<i32, WireError> {
    Reader::new("response header", frame.clone()).i32()
}

/// Checks the header of a response frame (without its length prefix) and returns the body. `is_flexible` is
/// [`ApiKey::has_flexible_response_header`] of the request that is answered.
///
/// # Errors
/// [`WireError::Protocol`] if the answer belongs to another request: responses come in order, so the connection can
/// not be trusted any more.
pub fn decode_response_header(
    frame: Bytes,
    correlation_id: i32,
    is_flexible: bool,
) -> Result<Bytes, WireError> {
    let mut reader = Reader::new("response header", frame).flexible(is_flexible);
    let found = reader.i32()?;
    if found != correlation_id {
        return Err(WireError::Protocol(format!(
            "an answer to request {found} came where request {correlation_id} was to be answered"
        )));
    }
    reader.skip_tags()?;
    let rest = reader.remaining();
    reader.take(rest)
}
