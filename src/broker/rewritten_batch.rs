//! A stored batch made again with fewer records or another codec.
//!
//! **Why made again.** Compaction removes records from inside a batch, and `compression.type` packs one anew. Everything
//! that says what the batch *is* stays: base and last offset, producer, epoch, base sequence, timestamp type. So a
//! consumer finds holes between offsets, never other offsets, and a duplicate is still recognised.
//!
//! Neighbours: [`super::compaction`] and [`super::log_validator`] call it, [`crate::wire::record_batch`] has the layout.
//! Not here: which records stay.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::config::Compression;
use crate::record::Header;
use crate::wire::WireError;
use crate::wire::compression::compress;
use crate::wire::record_batch::{CODEC_MASK, CodecId, RecordFields, append_record};
use crate::wire::record_batch_reader::{BatchView, RecordView};

/// The attribute bit that says that the base timestamp is the time at which tombstones may go (KIP-534).
const DELETE_HORIZON_BIT: i16 = 0x40;
/// The bytes of a batch that its length field does not count.
const LENGTH_FIELD_END: usize = 12;
/// Where the part begins that the CRC covers.
const CRC_COVERS_FROM: usize = 21;
/// zlib's default level, which Kafka uses.
const GZIP_LEVEL: u8 = 6;
/// Kafka's default level of zstd.
const ZSTD_LEVEL: i32 = 3;

/// When the tombstones of a batch may go, if a compaction has said so already.
#[must_use]
pub const fn delete_horizon_ms(view: &BatchView) -> Option<i64> {
    if view.attributes & DELETE_HORIZON_BIT == 0 { None } else { Some(view.base_timestamp_ms) }
}

/// What a batch becomes.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite<'a> {
    /// The records that it has, with the deltas of the old batch.
    pub records: &'a [RecordView],
    /// Its codec.
    pub codec: CodecId,
    /// When its tombstones may go.
    pub delete_horizon_ms: Option<i64>,
}

/// The batch with these records. Without any, it is a header that says which offsets and which producer were here.
///
/// # Errors
/// [`WireError::Codec`] if the codec fails or is not compiled in.
pub fn rewritten(view: &BatchView, rewrite: &Rewrite<'_>) -> Result<Bytes, WireError> {
    let codec = if rewrite.records.is_empty() { CodecId::None } else { rewrite.codec };
    let times = Times::of(view, rewrite);
    let mut plain = Vec::new();
    for record in rewrite.records {
        append_one(&mut plain, record, view.base_timestamp_ms.saturating_sub(times.base_ms));
    }
    let mut body = Vec::new();
    compress(default_level(codec), &[plain], &mut body)?;

    let horizon = if rewrite.delete_horizon_ms.is_some() { DELETE_HORIZON_BIT } else { 0 };
    let attributes = (view.attributes & !CODEC_MASK & !DELETE_HORIZON_BIT) | codec.bits() | horizon;
    let mut covered = BytesMut::with_capacity(body.len().saturating_add(40));
    covered.put_i16(attributes);
    covered.put_i32(view.last_offset_delta);
    covered.put_i64(times.base_ms);
    covered.put_i64(times.max_ms);
    covered.put_i64(view.producer_id);
    covered.put_i16(view.producer_epoch);
    covered.put_i32(view.base_sequence);
    covered.put_i32(i32::try_from(rewrite.records.len()).unwrap_or(i32::MAX));
    covered.put_slice(&body);

    let size = covered.len().saturating_add(CRC_COVERS_FROM).saturating_sub(LENGTH_FIELD_END);
    let mut bytes = BytesMut::with_capacity(covered.len().saturating_add(CRC_COVERS_FROM));
    bytes.put_i64(view.base_offset);
    bytes.put_i32(i32::try_from(size).unwrap_or(i32::MAX));
    bytes.put_i32(view.partition_leader_epoch);
    bytes.put_i8(2);
    bytes.put_u32(crc_fast::crc32_iscsi(&covered));
    bytes.put_slice(&covered);
    Ok(bytes.freeze())
}

/// The two timestamps of the header.
struct Times {
    base_ms: i64,
    max_ms: i64,
}

impl Times {
    fn of(view: &BatchView, rewrite: &Rewrite<'_>) -> Self {
        let time_of = |record: &RecordView| view.base_timestamp_ms.saturating_add(record.timestamp_delta_ms);
        let first_ms = rewrite.records.first().map_or(view.base_timestamp_ms, time_of);
        let largest_ms = rewrite.records.iter().map(time_of).max();
        Self {
            base_ms: rewrite.delete_horizon_ms.unwrap_or(first_ms),
            // With LogAppendTime the largest timestamp is that of all records.
            max_ms: largest_ms.filter(|_| !view.is_log_append_time()).unwrap_or(view.max_timestamp_ms),
        }
    }
}

fn append_one(buffer: &mut Vec<u8>, record: &RecordView, shift_ms: i64) {
    let headers: Vec<Header<'_>> = record
        .headers
        .iter()
        .map(|(key, value)| Header { key: key.as_str(), value: value.as_deref() })
        .collect();
    append_record(
        buffer,
        &RecordFields {
            offset_delta: record.offset_delta,
            timestamp_delta_ms: record.timestamp_delta_ms.saturating_add(shift_ms),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        },
    );
}

const fn default_level(codec: CodecId) -> Compression {
    match codec {
        CodecId::None => Compression::None,
        CodecId::Gzip => Compression::Gzip(GZIP_LEVEL),
        CodecId::Snappy => Compression::Snappy,
        CodecId::Lz4 => Compression::Lz4,
        CodecId::Zstd => Compression::Zstd(ZSTD_LEVEL),
    }
}
