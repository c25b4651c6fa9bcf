//! `DeleteRecords` (key 21), versions 0 to 2.
//!
//! Versions: 2 flexible.
//!
//! **Why here.** `facteur topics delete-records` empties a topic. Neighbours: that command; the broker's half is
//! `broker/handlers/admin`. Not here: several topics in one request.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The offset that means "everything that is there now".
pub const ALL_RECORDS: i64 = -1;

/// What became of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedRecords {
    /// Its number.
    pub partition: i32,
    /// Where its log starts now.
    pub low_watermark: i64,
    /// 0, or what is wrong.
    pub error: ErrorCode,
}

/// A whole frame: partitions of one topic with the offset before which their records go.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    (topic, partitions): (&str, &[(i32, i64)]),
    timeout_ms: i32,
) -> Bytes {
    let mut writer = Writer::request(ApiKey::DeleteRecords, version, correlation_id, client_id);
    writer.array_of(&[topic], |writer, topic| {
        writer.string(topic);
        writer.array_of(partitions, |writer, (partition, offset)| {
            writer.i32(*partition);
            writer.i64(*offset);
            writer.no_tags();
        });
        writer.no_tags();
    });
    writer.i32(timeout_ms);
    writer.no_tags();
    writer.finish()
}

/// Reads the body.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<Vec<DeletedRecords>, WireError> {
    ApiKey::DeleteRecords.check_version(version)?;
    let mut reader =
        Reader::new("DeleteRecords response", body).flexible(ApiKey::DeleteRecords.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let topics = reader.array_of(3, |reader| {
        reader.string()?;
        let partitions = reader.array_of(14, |reader| {
            let deleted = DeletedRecords {
                partition: reader.i32()?,
                low_watermark: reader.i64()?,
                error: ErrorCode(reader.i16()?),
            };
            reader.skip_tags()?;
            Ok(deleted)
        })?;
        reader.skip_tags()?;
        Ok(partitions)
    })?;
    reader.skip_tags()?;
    Ok(topics.into_iter().flatten().collect())
}
