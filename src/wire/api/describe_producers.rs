//! `DescribeProducers` (key 61), version 0.
//!
//! **Why here.** The broker's half of idempotence can be looked at: which producers a partition remembers (KIP-664).
//! Neighbours: the commands that show it; the broker's half is `broker/handlers/admin`. Not here: transactions.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// A producer as its partition remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i32,
    /// The sequence of the last record that was appended.
    pub last_sequence: i32,
    /// The timestamp of its last batch.
    pub last_timestamp_ms: i64,
    /// The epoch of its transactions' coordinator, or -1.
    pub coordinator_epoch: i32,
    /// Where its open transaction began, or -1.
    pub transaction_start_offset: i64,
}

/// A partition with its producers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionProducers {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The broker's own words.
    pub message: Option<String>,
    /// The producers, in the order of the answer.
    pub producers: Vec<ActiveProducer>,
}

/// A whole frame: topics with the partitions asked for.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: &[(&str, &[i32])],
) -> Bytes {
    let mut writer = Writer::request(ApiKey::DescribeProducers, version, correlation_id, client_id);
    writer.array_of(topics, |writer, (topic, partitions)| {
        writer.string(topic);
        writer.array_of(partitions, |writer, partition| writer.i32(*partition));
        writer.no_tags();
    });
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<Vec<PartitionProducers>, WireError> {
    ApiKey::DescribeProducers.check_version(version)?;
    let mut reader = Reader::new("DescribeProducers response", body).flexible(true);
    read_throttle_ms(&mut reader)?;
    let topics = reader.array_of(3, |reader| {
        let topic = reader.string()?;
        let partitions = reader.array_of(9, |reader| read_partition(reader, &topic))?;
        reader.skip_tags()?;
        Ok(partitions)
    })?;
    reader.skip_tags()?;
    Ok(topics.into_iter().flatten().collect())
}

fn read_partition(reader: &mut Reader, topic: &str) -> Result<PartitionProducers, WireError> {
    let partition = PartitionProducers {
        topic: topic.to_owned(),
        partition: reader.i32()?,
        error: ErrorCode(reader.i16()?),
        message: reader.nullable_string()?,
        producers: reader.array_of(36, |reader| {
            let producer = ActiveProducer {
                producer_id: reader.i64()?,
                epoch: reader.i32()?,
                last_sequence: reader.i32()?,
                last_timestamp_ms: reader.i64()?,
                coordinator_epoch: reader.i32()?,
                transaction_start_offset: reader.i64()?,
            };
            reader.skip_tags()?;
            Ok(producer)
        })?,
    };
    reader.skip_tags()?;
    Ok(partition)
}
