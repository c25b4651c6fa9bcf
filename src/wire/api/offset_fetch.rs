//! `OffsetFetch` (key 9), versions 5 to 7: how far a group had read.
//!
//! Versions: 6 flexible; 7 can wait for transactions (not used here). **Why here.** A member begins where its group
//! stopped. Neighbours: [`super::offset_commit`] writes it. Not here: where to begin if nothing was committed.

use bytes::Bytes;

use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, read_throttle_ms};
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// One partition's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedOffset {
    /// The partition.
    pub partition: i32,
    /// 0, or what is wrong.
    pub error: ErrorCode,
    /// The next offset to read; `None` if nothing was committed.
    pub offset: Option<i64>,
}

/// A whole frame, asking for partitions of one topic.
#[must_use]
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    group: &str,
    topic: &str,
    partitions: &[i32],
) -> Bytes {
    let mut writer = Writer::request(ApiKey::OffsetFetch, version, correlation_id, client_id);
    writer.string(group);
    writer.array_of(&[topic], |writer, topic| {
        writer.string(topic);
        writer.array_of(partitions, |writer, partition| writer.i32(*partition));
        writer.no_tags();
    });
    if version >= 7 {
        writer.bool(false);
    }
    writer.no_tags();
    writer.finish()
}

/// Reads the body; the code of the whole group becomes an error of each partition's kind, under partition -1.
///
/// # Errors
/// [`WireError`] if the bytes are not such an answer.
pub fn decode_response(version: i16, body: Bytes) -> Result<Vec<FetchedOffset>, WireError> {
    ApiKey::OffsetFetch.check_version(version)?;
    let mut reader =
        Reader::new("OffsetFetch response", body).flexible(ApiKey::OffsetFetch.is_flexible(version));
    read_throttle_ms(&mut reader)?;
    let topics = reader.array_of(2, |reader| {
        reader.string()?;
        let partitions = reader.array_of(19, |reader| {
            let partition = reader.i32()?;
            let offset = reader.i64()?;
            reader.i32()?;
            reader.nullable_string()?;
            let error = ErrorCode(reader.i16()?);
            reader.skip_tags()?;
            Ok(FetchedOffset { partition, error, offset: (offset >= 0).then_some(offset) })
        })?;
        reader.skip_tags()?;
        Ok(partitions)
    })?;
    let error = ErrorCode(reader.i16()?);
    reader.skip_tags()?;
    let mut found: Vec<FetchedOffset> = topics.into_iter().flatten().collect();
    if !error.is_none() {
        found.push(FetchedOffset { partition: -1, error, offset: None });
    }
    Ok(found)
}
