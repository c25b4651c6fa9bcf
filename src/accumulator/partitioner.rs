//! Which partition a record goes to. (Being written.)
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
    /// The partition for `record`.
    fn partition(&self, record: &Record<'_>, topic: TopicPartitions<'_>) -> i32;
}
