//! `Fetch` (key 1), versions 4 to 12: record batches from partitions.
//!
//! Versions: 4 isolation level, last stable offset; 5 log start offset; 7 sessions and an error for the whole answer
//! (KIP-227); 9 leader epoch; 11 rack; 12 flexible. 13 takes topic ids and is not needed.
//!
//! **Why here.** To check what a producer did one must read it back: the façade's consumer and the tests do. Sessions
//! are not used (epoch -1). Neighbours: those; [`crate::wire::record_batch_reader::split_batches`] reads the records.
//! Not here: the producer, which never asks.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// What a consumer may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Everything up to the high watermark.
    ReadUncommitted,
    /// Everything up to the last stable offset.
    ReadCommitted,
}

/// Where to read in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    /// The partition.
    pub partition: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// The most bytes wanted; the first batch comes whole even if it is larger.
    pub max_bytes: i32,
}

/// A request.
#[derive(Debug, Clone)]
pub struct FetchRequest<'a> {
    /// 4 to 12.
    pub version: i16,
    /// Ours; the answer repeats it.
    pub correlation_id: i32,
    /// `client.id`.
    pub client_id: &'a str,
    /// How long the broker may wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// The fewest bytes worth answering before `max_wait_ms`.
    pub min_bytes: i32,
    /// The most bytes wanted in all.
    pub max_bytes: i32,
    /// What may be seen.
    pub isolation_level: IsolationLevel,
    /// Topics and their partitions.
    pub topics: Vec<(&'a str, Vec<FetchPartition>)>,
}

/// One partition's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The offset after the last record that every in-sync replica has.
    pub high_watermark: i64,
    /// The offset up to which no transaction is open.
    pub last_stable_offset: i64,
    /// The first offset in the log, from version 5 on, or -1.
    pub log_start_offset: i64,
    /// Aborted transactions in the range, as producer id and first offset (read committed only).
    pub aborted_transactions: Vec<(i64, i64)>,
    /// Record batches, the last perhaps cut short.
    pub records: Bytes,
}

/// The answer, flattened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchResponse {
    /// How long the broker asks us to pause.
    pub throttle_ms: i32,
    /// 0, or what is wrong with the whole request.
    pub error: ErrorCode,
    /// One entry per partition.
    pub partitions: Vec<FetchedPartition>,
}

/// A whole frame.
#[must_use]
pub fn encode_request(request: &FetchRequest<'_>) -> Bytes {
    let version = request.version;
    let mut writer = Writer::request(ApiKey::Fetch, version, request.correlation_id, request.client_id);
    writer.i32(-1);
    writer.i32(request.max_wait_ms);
    writer.i32(request.min_bytes);
    writer.i32(request.max_bytes);
    writer.i8(match request.isolation_level {
        IsolationLevel::ReadUncommitted => 0,
        IsolationLevel::ReadCommitted => 1,
    });
    if version >= 7 {
        // Session 0, epoch -1: no session, send everything.
        writer.i32(0);
        writer.i32(-1);
    }
    writer.array_of(&request.topics, |writer, (topic, partitions)| {
        writer.string(topic);
        writer.array_of(partitions, |writer, partition| put_partition(writer, version, partition));
        writer.no_tags();
    });
    if version >= 7 {
        // Topics to forget from the session.
        writer.length(Some(0));
    }
    if version >= 11 {
        writer.string("");
    }
    writer.no_tags();
    writer.finish()
}

fn put_partition(writer: &mut Writer, version: i16, partition: &FetchPartition) {
    writer.i32(partition.partition);
    if version >= 9 {
        writer.i32(-1);
    }
    writer.i64(partition.fetch_offset);
    if version >= 12 {
        writer.i32(-1);
    }
    if version >= 5 {
        writer.i64(-1);
    }
    writer.i32(partition.max_bytes);
    writer.no_tags();
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<FetchResponse, WireError> {
    ApiKey::Fetch.check_version(version)?;
    let mut reader = Reader::new("Fetch response", body).flexible(ApiKey::Fetch.is_flexible(version));
    let throttle_ms = read_throttle_ms(&mut reader)?;
    let mut error = ErrorCode::NONE;
    if version >= 7 {
        error = ErrorCode(reader.i16()?);
        reader.i32()?;
    }
    let mut partitions = Vec::new();
    for _ in 0..reader.array_count(2)? {
        let topic = reader.string()?;
        for _ in 0..reader.array_count(24)? {
            partitions.push(read_partition(&mut reader, version, topic.clone())?);
        }
        reader.skip_tags()?;
    }
    reader.skip_tags()?;
    Ok(FetchResponse { throttle_ms, error, partitions })
}

fn read_partition(reader: &mut Reader, version: i16, topic: String) -> Result<FetchedPartition, WireError> {
    let partition = reader.i32()?;
    let error = ErrorCode(reader.i16()?);
    let high_watermark = reader.i64()?;
    let last_stable_offset = reader.i64()?;
    let log_start_offset = if version >= 5 { reader.i64()? } else { -1 };
    let aborted_transactions = reader.nullable_array_of(16, |reader| {
        let transaction = (reader.i64()?, reader.i64()?);
        reader.skip_tags()?;
        Ok(transaction)
    })?;
    if version >= 11 {
        // The replica that the broker would rather have us read from.
        reader.i32()?;
    }
    let records = reader.nullable_bytes()?.unwrap_or_default();
    reader.skip_tags()?;
    Ok(FetchedPartition {
        topic,
        partition,
        error,
        high_watermark,
        last_stable_offset,
        log_start_offset,
        aborted_transactions,
        records,
    })
}
