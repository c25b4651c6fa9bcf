//! A record, measured and then written: the hot path's encoder.
//!
//! **Why together.** Whether a record fits is known only from its size, and the size of a record is that of its varints. So
//! they are made once: measuring puts all that is small into two registers, and writing stores these and copies key and
//! value. What does not fit into registers (times hours apart, values of 64 MiB) takes the slow way, with the same bytes.
//!
//! ```text
//! front: length, attributes, timestamp delta        at most 4 + 1 + 3 bytes
//! back:  offset delta, key's length or null         at most 3 + 4 bytes; without a key the value's length as well
//! ```
//!
//! Neighbours: [`super::record_batch`] says what a record is; the accumulator measures and appends. Not here: reading.

use crate::record::Header;
use crate::wire::record_batch::RecordFields;
use crate::wire::varint::{put_varint, put_varlong, size_of_varint, size_of_varlong, zigzag, zigzag_long};

/// Deltas below this have varints of at most three bytes.
const SMALL_DELTA: u64 = 1 << 21;
/// Lengths below this have varints of at most four bytes, and so has the record's whole length if its headers are small.
const SMALL_LENGTH: usize = 1 << 26;
/// The continuation bits of a varint of four bytes.
const CONTINUATION: u32 = 0x80_8080;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct MeasuredRecord {
    body_bytes: usize,
    size_bytes: usize,
    /// None if something is not small.
    beginning: Option<Beginning>,
}

#[derive(Debug, Clone, Copy)]
struct Beginning {
    front: Register,
    back: Register,
    /// The value's length or null, if it is not in `back`.
    value: Register,
}

impl MeasuredRecord {
    /// Measures a record.
    ///
    /// One whose parts exceed 2 GiB cannot be encoded; `max.request.size` refuses it long before.
    #[must_use]
    #[inline(always)]
    pub fn of(fields: &RecordFields<'_>) -> Self {
        let timestamp_delta = zigzag_long(fields.timestamp_delta_ms);
        let offset_delta = u64::from(zigzag(fields.offset_delta));
        let (key_len, value_len) = (len(fields.key), len(fields.value));
        if timestamp_delta.max(offset_delta) >= SMALL_DELTA || key_len.max(value_len) >= SMALL_LENGTH {
            return Self::measure_slowly(fields);
        }
        let timestamp = Register::varint(small(timestamp_delta));
        let key = Register::length(fields.key);
        let value = Register::length(fields.value);
        let mut back = Register::varint(small(offset_delta));
        back.push(key);
        let headers = if fields.headers.is_empty() { 1 } else { headers_bytes(fields.headers) };
        let body_bytes = 1 + timestamp.bytes + back.bytes + key_len + value.bytes + value_len + headers;
        if body_bytes >= 2 * SMALL_LENGTH {
            return Self::measure_slowly(fields);
        }
        let mut front = Register::varint(small(2 * body_bytes as u64));
        let size_bytes = front.bytes + body_bytes;
        // Attributes: none.
        front.bytes += 1;
        front.push(timestamp);
        if fields.key.is_none() {
            back.push(value);
        }
        Self { body_bytes, size_bytes, beginning: Some(Beginning { front, back, value }) }
    }

    #[cold]
    #[inline(never)]
    fn measure_slowly(fields: &RecordFields<'_>) -> Self {
        let body_bytes = 1
            + size_of_varlong(fields.timestamp_delta_ms)
            + size_of_varint(fields.offset_delta)
            + size_of_optional(fields.key.map(<[u8]>::len))
            + size_of_optional(fields.value.map(<[u8]>::len))
            + headers_bytes(fields.headers);
        let size_bytes = body_bytes + size_of_varint(as_length(body_bytes));
        Self { body_bytes, size_bytes, beginning: None }
    }

    /// Bytes that the record takes in a batch, its length varint included. Exact.
    #[must_use]
    #[inline]
    pub const fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Appends the record, whose fields are those that were measured. Allocates nothing if the buffer has
    /// [`Self::size_bytes`] to spare.
    #[inline(always)]
    pub fn append_to(&self, buffer: &mut Vec<u8>, fields: &RecordFields<'_>) {
        let start = buffer.len();
        match &self.beginning {
            // A register is stored whole, which needs room for it, even if part of it is taken back.
            Some(beginning) if buffer.capacity() - start >= self.size_bytes + size_of::<u64>() => {
                beginning.front.append_to(buffer);
                beginning.back.append_to(buffer);
                if let Some(key) = fields.key {
                    buffer.extend_from_slice(key);
                    beginning.value.append_to(buffer);
                }
                if let Some(value) = fields.value {
                    buffer.extend_from_slice(value);
                }
                if fields.headers.is_empty() {
                    buffer.push(0);
                } else {
                    append_headers(buffer, fields.headers);
                }
            }
            _ => self.append_slowly(buffer, fields),
        }
        debug_assert_eq!(
            buffer.len() - start,
            self.size_bytes,
            "the record took the bytes that were computed"
        );
    }

    #[cold]
    #[inline(never)]
    fn append_slowly(&self, buffer: &mut Vec<u8>, fields: &RecordFields<'_>) {
        buffer.reserve(self.size_bytes);
        put_varint(buffer, as_length(self.body_bytes));
        buffer.push(0);
        put_varlong(buffer, fields.timestamp_delta_ms);
        put_varint(buffer, fields.offset_delta);
        append_optional(buffer, fields.key);
        append_optional(buffer, fields.value);
        append_headers(buffer, fields.headers);
    }
}

/// Up to eight bytes, the first one lowest.
#[derive(Debug, Clone, Copy)]
struct Register {
    bits: u64,
    bytes: usize,
}

impl Register {
    /// An unsigned varint of at most four bytes.
    #[inline(always)]
    fn varint(value: u32) -> Self {
        if value < 0x80 {
            return Self { bits: u64::from(value), bytes: 1 };
        }
        if value < 0x4000 {
            return Self { bits: u64::from(value & 0x7f | 0x80 | (value & 0x3f80) << 1), bytes: 2 };
        }
        let sevens =
            value & 0x7f | (value & 0x3f80) << 1 | (value & 0x1f_c000) << 2 | (value & 0xfe0_0000) << 3;
        let bytes = if value < 0x20_0000 { 3 } else { 4 };
        // Every byte but the last says that another one follows.
        let continuation = CONTINUATION >> (32 - 8 * bytes);
        Self { bits: u64::from(sevens | continuation), bytes }
    }

    /// The length of a key or value, or null.
    #[inline(always)]
    fn length(bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => Self::varint(small(2 * bytes.len() as u64)),
            None => Self { bits: 1, bytes: 1 },
        }
    }

    #[inline(always)]
    fn push(&mut self, behind: Self) {
        self.bits |= behind.bits << (8 * self.bytes);
        self.bytes += behind.bytes;
    }

    #[inline(always)]
    fn append_to(self, buffer: &mut Vec<u8>) {
        let end = buffer.len() + self.bytes;
        buffer.extend_from_slice(&self.bits.to_le_bytes());
        buffer.truncate(end);
    }
}

/// What was found to be small.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the callers have compared it")]
const fn small(value: u64) -> u32 {
    value as u32
}

#[inline(always)]
fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

#[inline]
pub(super) fn headers_bytes(headers: &[Header<'_>]) -> usize {
    let mut size = size_of_varint(as_length(headers.len()));
    for header in headers {
        size += size_of_optional(Some(header.key.len()));
        size += size_of_optional(header.value.map(<[u8]>::len));
    }
    size
}

#[inline]
pub(super) fn size_of_optional(length: Option<usize>) -> usize {
    length.map_or(1, |length| size_of_varint(as_length(length)) + length)
}

/// A length as the wire writes it. Records are bounded by `max.request.size`, an `i32`, before they get here.
#[inline]
pub(super) fn as_length(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn append_optional(buffer: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(buffer, as_length(bytes.len()));
            buffer.extend_from_slice(bytes);
        }
        None => buffer.push(1),
    }
}

fn append_headers(buffer: &mut Vec<u8>, headers: &[Header<'_>]) {
    put_varint(buffer, as_length(headers.len()));
    for header in headers {
        append_optional(buffer, Some(header.key.as_bytes()));
        append_optional(buffer, header.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_both_ways(fields: &RecordFields<'_>) -> [Vec<u8>; 2] {
        let fast = MeasuredRecord::of(fields);
        let slow = MeasuredRecord::measure_slowly(fields);
        assert_eq!(
            fast.size_bytes(),
            slow.size_bytes(),
            "{} {}",
            fields.offset_delta,
            fields.timestamp_delta_ms
        );
        [fast, slow].map(|measured| {
            let mut buffer = Vec::with_capacity(measured.size_bytes() + 8);
            measured.append_to(&mut buffer, fields);
            buffer
        })
    }

    // On both sides of every border between one varint's length and the next, with and without a key. Fails if the
    // registers' bytes are not those of the plain way.
    #[test]
    fn both_ways_write_the_same_bytes() {
        let value = vec![7; (1 << 20) + 1];
        let deltas = [0, 63, 64, 8_191, 8_192, 1_048_575, 1_048_576, i32::MAX];
        for offset_delta in deltas {
            for timestamp_delta_ms in
                deltas.iter().flat_map(|delta| [i64::from(*delta), -1 - i64::from(*delta)])
            {
                for len in [0, 50, 63, 64, 8_170, 8_191, 8_192, 1 << 20] {
                    for key in [None, Some(&value[..len / 2])] {
                        for value in [None, Some(&value[..len])] {
                            let fields =
                                RecordFields { offset_delta, timestamp_delta_ms, key, value, headers: &[] };
                            let [fast, slow] = written_both_ways(&fields);
                            assert!(fast == slow, "{offset_delta} {timestamp_delta_ms} {len}");
                        }
                    }
                }
            }
        }
    }

    // Fails if a record that has just room enough is written beyond it, or not at all.
    #[test]
    fn a_buffer_without_room_for_a_register_will_do() {
        let fields = RecordFields {
            offset_delta: 5,
            timestamp_delta_ms: 1,
            key: None,
            value: Some(b"v"),
            headers: &[Header::null("h")],
        };
        let measured = MeasuredRecord::of(&fields);
        let mut buffer = Vec::with_capacity(measured.size_bytes());
        let capacity = buffer.capacity();
        measured.append_to(&mut buffer, &fields);
        assert_eq!(buffer, written_both_ways(&fields)[0]);
        assert_eq!(buffer.capacity(), capacity, "it must not grow");
    }
}
