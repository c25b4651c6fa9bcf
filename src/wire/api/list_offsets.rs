//! `ListOffsets` (key 2), versions 1 to 7: the first and last offsets of partitions, or the offset at a time.
//!
//! Versions: 2 isolation level, throttle time; 4 leader epochs; 6 flexible; 7 the offset of the largest timestamp.
//!
//! **Why here.** The façade, the checkers and the consumer need to know where a log ends. Neighbours: those. Not here:
//! the producer, which never asks.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The offset after the last record.
pub const LATEST: i64 = -1;
/// The first offset.
pub const EARLIEST: i64 = -2;

/// One partition's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The timestamp of the record found, or -1.
    pub timestamp_ms: i64,
    /// The offset, or -1.
    pub offset: i64,
    /// The epoch of the leader that wrote it, from version 4 on, or -1.
    pub leader_epoch: i32,
}

/// The answer, flattened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOffsetsResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// One entry per partition.
    pub partitions: Vec<PartitionOffset>,
}

/// A whole frame. `topics`: names, and for each its partitions with a timestamp, [`LATEST`] or [`EARLIEST`]. Reads
/// up to the high watermark (read uncommitted).
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: &[(&str, &[(i32, i64)])],
) -> Bytes {
    let mut writer = Writer::request(ApiKey::ListOffsets, version, correlation_id, client_id);
    writer.i32(-1);
    if version >= 2 {
        writer.i8(0);
    }
    writer.array_of(topics, |writer, (topic, partitions)| {
        writer.string(topic);
        writer.array_of(partitions, |writer, (partition, timestamp_ms)| {
            writer.i32(*partition);
            if version >= 4 {
                writer.i32(-1);
            }
            writer.i64(*timestamp_ms);
            writer.no_tags();
        });
        writer.no_tags();
    });
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<ListOffsetsResponse, WireError> {
    ApiKey::ListOffsets.check_version(version)?;
    let mut reader =
        Reader::new("ListOffsets response", body).flexible(ApiKey::ListOffsets.is_flexible(version));
    let throttle_ms = if version >= 2 { read_throttle_ms(&mut reader)? } else { 0 };
    let mut partitions = Vec::new();
    for _ in 0..reader.array_count(2)? {
        let topic = reader.string()?;
        for _ in 0..reader.array_count(22)? {
            partitions.push(PartitionOffset {
                topic: topic.clone(),
                partition: reader.i32()?,
                error: ErrorCode(reader.i16()?),
                timestamp_ms: reader.i64()?,
                offset: reader.i64()?,
                leader_epoch: if version >= 4 { reader.i32()? } else { -1 },
            });
            reader.skip_tags()?;
        }
        reader.skip_tags()?;
    }
    reader.skip_tags()?;
    Ok(ListOffsetsResponse { throttle_ms, partitions })
}
