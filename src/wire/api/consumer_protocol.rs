//! What consumers tell each other through a broker that does not read it: subscriptions and assignments.
//!
//! Both begin with a version. Version 0 is written; what later versions add comes behind it and is left unread.
//!
//! ```text
//!   subscription   i16 version, array of topic names, bytes of the user's own
//!   assignment     i16 version, array of (topic name, array of i32 partitions), bytes of the user's own
//! ```
//!
//! **Why here.** Whoever leads a group must read what the others want, and they must read what it decides: Java's,
//! librdkafka's and ours alike. Neighbours: [`super::join_group`] and [`super::sync_group`] carry these. Not here: how
//! partitions are shared.

use bytes::Bytes;

use crate::wire::WireError;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// Topics with their partitions.
pub type Assignment = Vec<(String, Vec<i32>)>;

/// The subscription to these topics.
#[must_use]
pub fn encode_subscription(topics: &[&str]) -> Vec<u8> {
    let mut writer = Writer::bare(false);
    writer.i16(0);
    writer.array_of(topics, |writer, topic| writer.string(topic));
    writer.length(None);
    writer.into_bytes()
}

/// The topics of a subscription of any version.
///
/// # Errors
/// [`WireError`] if the bytes are no subscription.
pub fn decode_subscription(metadata: Bytes) -> Result<Vec<String>, WireError> {
    let mut reader = Reader::new("subscription", metadata);
    reader.i16()?;
    reader.array_of(2, Reader::string)
}

/// The assignment of these partitions.
#[must_use]
pub fn encode_assignment(assignment: &[(String, Vec<i32>)]) -> Vec<u8> {
    let mut writer = Writer::bare(false);
    writer.i16(0);
    writer.array_of(assignment, |writer, (topic, partitions)| {
        writer.string(topic);
        writer.array_of(partitions, |writer, partition| writer.i32(*partition));
    });
    writer.length(None);
    writer.into_bytes()
}

/// The partitions of an assignment of any version; no bytes at all are no partitions.
///
/// # Errors
/// [`WireError`] if the bytes are no assignment.
pub fn decode_assignment(assignment: Bytes) -> Result<Assignment, WireError> {
    if assignment.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new("assignment", assignment);
    reader.i16()?;
    reader.array_of(6, |reader| Ok((reader.string()?, reader.array_of(4, Reader::i32)?)))
}
