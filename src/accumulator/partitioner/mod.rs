//! Which partition a record goes to.
//!
//! **Why it exists.** Order is kept per partition, so a key must always have the same one, and the same one as every other
//! client of the topic gives it: Java's is [`murmur2()`], librdkafka's is [`crc32()`]. Records without a key stick to one
//! partition per batch, so that batches fill, and favour partitions that are not behind (KIP-480, KIP-794).
//!
//! Neighbours: the producer asks before it appends; [`crate::config::PartitionerChoice`] says which rule. Everything here
//! is pure: random numbers and queue lengths are handed in. Not here: whether a partition has a leader, which is metadata.

mod crc32;
mod murmur2;
mod shared_sticky;
mod sticky;

pub use crc32::crc32;
pub use murmur2::{murmur2, positive};
pub use shared_sticky::SharedSticky;
pub use sticky::{Choices, LoadTable, NodeAvailability, StickyState, SwitchPoint};

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;
use crate::record::Record;

/// What a partitioner may know of a topic.
#[derive(Debug, Clone, Copy)]
pub struct TopicPartitions<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// How many partitions it has.
    pub partition_count: i32,
    /// The partitions that have a leader now, in ascending order.
    pub available: &'a [i32],
}

/// A partitioner of the user's own.
pub trait Partitioner: std::fmt::Debug + Send + Sync {
    /// The partition for `record`: 0 to `topic.partition_count - 1`. A negative one is refused as an invalid record; one
    /// that does not exist is waited for, as if the record had named it.
    fn partition(&self, record: &Record<'_>, topic: TopicPartitions<'_>) -> i32;
}

/// How a key is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHash {
    /// Java's.
    Murmur2,
    /// librdkafka's `consistent_random`.
    Crc32,
}

impl KeyHash {
    /// The partition of a key among **all** partitions of the topic, with a leader or not, so that it never moves. `None`
    /// means that the record counts as keyless. Java hashes an empty key; librdkafka takes it for none.
    #[must_use]
    pub fn partition(self, key: Option<&[u8]>, partition_count: i32) -> Option<i32> {
        let key = key?;
        match self {
            Self::Murmur2 => partition_for_key(murmur2(key), partition_count),
            Self::Crc32 if key.is_empty() => None,
            Self::Crc32 => {
                let count = u32::try_from(partition_count).ok()?;
                i32::try_from(crc32(key).checked_rem(count)?).ok()
            }
        }
    }
}

/// The partition for a murmur2 hash: Java's `toPositive(hash) % n`. `None` for a topic without partitions.
#[must_use]
pub const fn partition_for_key(hash: i32, partition_count: i32) -> Option<i32> {
    if partition_count < 1 { None } else { positive(hash).checked_rem(partition_count) }
}

/// What [`Partitioner::partition`] answered, if it can be a partition at all.
///
/// # Errors
///
/// [`Error::InvalidRecord`] if it is negative.
pub fn checked_choice(partition: i32, topic: &str) -> Result<i32, Error> {
    if partition < 0 {
        return Err(Error::InvalidRecord(Arc::from(format!(
            "the partitioner chose partition {partition} of topic {topic:?}; it must choose 0 or more"
        ))));
    }
    Ok(partition)
}

/// Java's `RoundRobinPartitioner`: one partition with a leader after the other, keys or not. One per topic.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: AtomicU32,
}

impl RoundRobin {
    /// The next partition; without any leader, the next of all.
    pub fn next(&self, choices: Choices<'_>) -> i32 {
        choices.uniform(self.next.fetch_add(1, Ordering::Relaxed))
    }
}
