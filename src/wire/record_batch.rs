//! Record batch, format 2 (KIP-98): append records, checksum the body, make the header.
//!
//! **Why in three steps.** A record is written once, in its final form, into its partition's open batch. Whoever seals
//! the batch computes the checksum of the body (the records, compressed or not) once. Producer id, epoch and sequence
//! are known only when the batch is first sent, and they are covered by the same checksum: so the header is made then,
//! and its CRC joined with the body's (`crc_of_both`, D-39). The body is never touched again, and every retry sends
//! the same bytes.
//!
//! ```text
//! offset size field                 who fills it
//!      0    8 baseOffset            0; the broker writes the real one
//!      8    4 batchLength           total - 12
//!     12    4 partitionLeaderEpoch  -1; the broker
//!     16    1 magic                 2
//!     17    4 crc                   CRC-32C of everything from byte 21 on
//!     21    2 attributes            bits 0-2 codec, 4 transactional
//!     23    4 lastOffsetDelta       records - 1
//!     27    8 baseTimestamp         of the first record, not the smallest
//!     35    8 maxTimestamp          the largest
//!     43    8 producerId            -1 if not idempotent
//!     51    2 producerEpoch         -1 if not idempotent
//!     53    4 baseSequence          -1 if not idempotent
//!     57    4 recordsCount
//!     61      records
//!
//! record: length varint, attributes 0, timestampDelta varlong, offsetDelta varint,
//!         key (varint length, -1 null), value (same), header count varint, per header key and value (same)
//! ```
//!
//! Neighbours: the accumulator appends, [`super::compression`] shrinks the body, the engine calls [`encode_header`] as
//! it sends, [`super::record_batch_reader`] is the inverse. Not here: when a batch is full.

use std::fmt;

use bytes::Bytes;

use crate::identifiers::ProducerIdentity;
use crate::record::Header;
use crate::wire::WireError;
use crate::wire::crc_of_both::crc_of_both;
use crate::wire::measured_record::{MeasuredRecord, as_length, headers_bytes, size_of_optional};

/// Bytes of a batch before its records.
pub const BATCH_HEADER_BYTES: usize = 61;
/// The longest beginning of a record: length varint 5, attributes 1, timestamp delta 10, offset delta 5.
const MAX_RECORD_OVERHEAD_BYTES: usize = 21;
/// Where the part of the header begins that the CRC covers.
const CRC_COVERS_FROM: usize = 21;
/// Attribute bit 4.
pub(crate) const TRANSACTIONAL_BIT: i16 = 0x10;
/// Attribute bits 0 to 2.
pub(crate) const CODEC_MASK: i16 = 0x07;

/// One record, with the deltas that place it in its batch.
#[derive(Debug, Clone, Copy)]
pub struct RecordFields<'a> {
    /// Its number in the batch: 0, 1, 2 …
    pub offset_delta: i32,
    /// Its timestamp less that of the batch's first record; may be negative.
    pub timestamp_delta_ms: i64,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null, a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [Header<'a>],
}

/// Bytes that the record takes in a batch, its length varint included. Exact. For a record that is to be written, see
/// [`MeasuredRecord`].
#[must_use]
#[inline]
pub fn record_size_bytes(fields: &RecordFields<'_>) -> usize {
    MeasuredRecord::of(fields).size_bytes()
}

/// The most bytes that a record can take in a batch of its own, header and all, whatever its deltas turn out to be.
/// This is what `max.request.size` is compared with.
#[must_use]
#[inline]
pub fn record_size_upper_bound(
    key_len: Option<usize>,
    value_len: Option<usize>,
    headers: &[Header<'_>],
) -> usize {
    BATCH_HEADER_BYTES
        .saturating_add(MAX_RECORD_OVERHEAD_BYTES)
        .saturating_add(size_of_optional(key_len))
        .saturating_add(size_of_optional(value_len))
        .saturating_add(headers_bytes(headers))
}

/// Appends a record. Allocates nothing if the buffer has [`record_size_bytes`] to spare.
#[inline]
pub fn append_record(buffer: &mut Vec<u8>, fields: &RecordFields<'_>) {
    MeasuredRecord::of(fields).append_to(buffer, fields);
}

/// A codec's number in the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodecId {
    /// The records as they are.
    None = 0,
    /// One gzip member.
    Gzip = 1,
    /// Snappy in xerial's framing.
    Snappy = 2,
    /// An lz4 frame.
    Lz4 = 3,
    /// A zstd frame (Produce 7 and later).
    Zstd = 4,
}

impl CodecId {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of a batch with these attributes.
    ///
    /// # Errors
    /// [`WireError::Protocol`] for the numbers 5 to 7, which mean nothing yet.
    pub fn from_attributes(attributes: i16) -> Result<Self, WireError> {
        match attributes & CODEC_MASK {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            other => Err(WireError::Protocol(format!("record batch with codec {other}, expected 0 to 4"))),
        }
    }

    /// The attribute bits.
    #[must_use]
    pub const fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Kafka's name: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What makes a batch recognisable to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerStamp {
    /// Producer id and epoch.
    pub identity: ProducerIdentity,
    /// The sequence of the batch's first record, folded to 31 bits.
    pub base_sequence: i32,
}

/// What the sealer knows of a batch: everything but its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSummary {
    /// How the body is compressed.
    pub codec: CodecId,
    /// Records in the batch; at least 1.
    pub record_count: u32,
    /// The first record's timestamp.
    pub base_timestamp_ms: i64,
    /// The largest timestamp.
    pub max_timestamp_ms: i64,
    /// Bytes of the body, as sent.
    pub body_size_bytes: usize,
    /// CRC-32C of the body alone, see [`body_crc`].
    pub body_crc: u32,
    /// Whether the batch belongs to a transaction.
    pub is_transactional: bool,
}

/// CRC-32C of a body, which may lie in several pieces.
#[must_use]
pub fn body_crc(segments: &[Bytes]) -> u32 {
    segments.iter().fold(0, |crc, segment| match (crc, crc_fast::crc32_iscsi(segment)) {
        (0, first) => first,
        (before, next) => crc_of_both(before, next, segment.len()),
    })
}

/// The header of a batch, final: identity and sequence stamped, CRC joined with that of the body. Without a stamp
/// the three fields are -1 (not idempotent).
#[must_use]
pub fn encode_header(summary: &BatchSummary, stamp: Option<ProducerStamp>) -> [u8; BATCH_HEADER_BYTES] {
    let count = i32::try_from(summary.record_count).unwrap_or(i32::MAX);
    let transactional = if summary.is_transactional { TRANSACTIONAL_BIT } else { 0 };
    let (producer_id, epoch, base_sequence) = stamp.map_or((-1, -1, -1), |stamp| {
        (stamp.identity.producer_id, stamp.identity.epoch, stamp.base_sequence)
    });
    let length = as_length(summary.body_size_bytes + BATCH_HEADER_BYTES - 12);

    let mut header = [0; BATCH_HEADER_BYTES];
    let mut field = FieldCursor { rest: &mut header };
    field.put(0_i64.to_be_bytes());
    field.put(length.to_be_bytes());
    field.put((-1_i32).to_be_bytes());
    field.put([2]);
    field.put([0; 4]);
    field.put((summary.codec.bits() | transactional).to_be_bytes());
    field.put((count - 1).to_be_bytes());
    field.put(summary.base_timestamp_ms.to_be_bytes());
    field.put(summary.max_timestamp_ms.to_be_bytes());
    field.put(producer_id.to_be_bytes());
    field.put(epoch.to_be_bytes());
    field.put(base_sequence.to_be_bytes());
    field.put(count.to_be_bytes());

    let (before, covered) = header.split_at_mut(CRC_COVERS_FROM);
    let crc = crc_of_both(crc_fast::crc32_iscsi(covered), summary.body_crc, summary.body_size_bytes);
    if let Some(field) = before.last_chunk_mut::<4>() {
        *field = crc.to_be_bytes();
    }
    header
}

/// Fills a header field by field; the sizes add up to its length by the layout above.
struct FieldCursor<'a> {
    rest: &'a mut [u8],
}

impl FieldCursor<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        let rest = std::mem::take(&mut self.rest);
        if let Some((field, rest)) = rest.split_first_chunk_mut::<N>() {
            *field = bytes;
            self.rest = rest;
        }
    }
}
