//! Builds a request frame: length prefix, request header, fields.
//!
//! **Why a type.** The protocol has two dialects (KIP-482), and a request is written in one or the other; the writer
//! knows which, so that each API file lists its fields once. Neighbours: the encoders in [`crate::wire::api`]. Not
//! here: record batches, which are written by [`crate::wire::record_batch`] on the hot path.

use bytes::Bytes;

use crate::wire::api::ApiKey;
use crate::wire::frame::put_request_header;
use crate::wire::varint::put_unsigned_varint;

/// The longest string of the old dialect.
const MAX_STRING_BYTES: usize = 32_767;

/// A frame under construction.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    is_flexible: bool,
}

impl Writer {
    /// Begins a request: four bytes kept for the length, then the header of the right version.
    #[must_use]
    pub fn request(api: ApiKey, version: i16, correlation_id: i32, client_id: &str) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        put_request_header(&mut bytes, api, version, correlation_id, client_id);
        Self { bytes, is_flexible: api.is_flexible(version) }
    }

    /// A writer of bare fields, without a frame around them.
    #[must_use]
    pub const fn bare(is_flexible: bool) -> Self {
        Self { bytes: Vec::new(), is_flexible }
    }

    /// Which dialect is written.
    #[must_use]
    pub const fn is_flexible(&self) -> bool {
        self.is_flexible
    }

    /// Ends the request: writes the length of everything after the prefix plus `outside_bytes`, which the caller
    /// sends from elsewhere.
    #[must_use]
    pub fn finish_with(mut self, outside_bytes: usize) -> Bytes {
        let size = self.bytes.len().saturating_sub(4).saturating_add(outside_bytes);
        let length = i32::try_from(size).unwrap_or(i32::MAX);
        if let Some(prefix) = self.bytes.first_chunk_mut::<4>() {
            *prefix = length.to_be_bytes();
        }
        Bytes::from(self.bytes)
    }

    /// Ends the request.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.finish_with(0)
    }

    /// The bytes of a bare writer.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// One byte, signed.
    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    /// Two bytes, big-endian.
    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    /// Four bytes, big-endian.
    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// Eight bytes, big-endian.
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// A length of bytes or of an array; `None` is null.
    pub fn length(&mut self, length: Option<usize>) {
        if self.is_flexible {
            let shifted = length.map_or(0, |length| length.saturating_add(1));
            put_unsigned_varint(&mut self.bytes, u32::try_from(shifted).unwrap_or(u32::MAX));
        } else {
            self.i32(length.map_or(-1, |length| i32::try_from(length).unwrap_or(i32::MAX)));
        }
    }

    /// A string that may be null. The old dialect cannot say more than 32,767 bytes: a longer text is cut at a
    /// character. Topic names and client ids are checked long before.
    pub fn nullable_string(&mut self, text: Option<&str>) {
        let text = text.map(|text| clip(text, MAX_STRING_BYTES));
        if self.is_flexible {
            self.length(text.map(str::len));
        } else {
            self.i16(text.map_or(-1, |text| i16::try_from(text.len()).unwrap_or(i16::MAX)));
        }
        self.raw(text.unwrap_or_default().as_bytes());
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.nullable_string(Some(text));
    }

    /// An array: its count, then each element by `write`.
    pub fn array_of<T>(&mut self, elements: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.length(Some(elements.len()));
        for element in elements {
            write(self, element);
        }
    }

    /// The end of a structure: no tagged fields; nothing in the old dialect.
    pub fn no_tags(&mut self) {
        if self.is_flexible {
            self.bytes.push(0);
        }
    }
}

/// The longest beginning of `text` that has at most `max_bytes` and ends at a character.
pub(crate) fn clip(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or(text)
}
