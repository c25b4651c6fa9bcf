//! How far a group has read: the offsets that were committed, per partition.
//!
//! **Why in memory only.** Kafka writes them to a topic of its own. This broker keeps nothing over a restart (D-53), so
//! a map says the same; its size counts towards the limit of all groups.
//!
//! Neighbours: [`super::group`] checks who may commit. Not here: whether a partition exists.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What was committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 if the client did not say.
    pub leader_epoch: i32,
    /// Whatever the client wished to keep with it.
    pub metadata: String,
    /// When it was committed, by the wall clock.
    pub committed_at_ms: i64,
}

/// The offsets of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>,
    bytes: usize,
}

/// Bytes that a committed offset costs besides its metadata; roughly.
const OFFSET_BYTES: usize = 128;
/// Bytes that a topic costs besides its name; roughly.
const TOPIC_BYTES: usize = 128;

impl Offsets {
    /// Keeps an offset; says whether it is another than before.
    pub(super) fn commit(&mut self, topic: &str, partition: i32, committed: CommittedOffset) -> bool {
        if !self.topics.contains_key(topic) {
            self.topics.insert(Arc::from(topic), BTreeMap::new());
            self.bytes = self.bytes.saturating_add(topic_bytes(topic));
        }
        let Some(partitions) = self.topics.get_mut(topic) else { return false };
        let (offset, added) = (committed.offset, offset_bytes(&committed));
        let before = partitions.insert(partition, committed);
        let freed = before.as_ref().map_or(0, offset_bytes);
        self.bytes = self.bytes.saturating_add(added).saturating_sub(freed);
        before.is_none_or(|before| before.offset != offset)
    }

    /// What keeping an offset may cost at most.
    pub(super) const fn cost(topic: &str, metadata_bytes: usize) -> usize {
        topic_bytes(topic).saturating_add(OFFSET_BYTES).saturating_add(metadata_bytes)
    }

    /// What was committed for a partition.
    #[must_use]
    pub fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Every topic with its partitions, by name and number.
    pub fn topics(&self) -> impl Iterator<Item = (&Arc<str>, &BTreeMap<i32, CommittedOffset>)> {
        self.topics.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn forget_topic(&mut self, topic: &str) {
        self.topics.remove(topic);
        self.count();
    }

    /// Keeps only what `keep` says.
    pub(super) fn retain(&mut self, keep: impl Fn(&CommittedOffset) -> bool) {
        for partitions in self.topics.values_mut() {
            partitions.retain(|_, committed| keep(committed));
        }
        self.topics.retain(|_, partitions| !partitions.is_empty());
        self.count();
    }

    fn count(&mut self) {
        self.bytes = self.topics.iter().fold(0, |sum, (topic, partitions)| {
            let inside =
                partitions.values().map(offset_bytes).fold(topic_bytes(topic), usize::saturating_add);
            sum.saturating_add(inside)
        });
    }
}

const fn topic_bytes(topic: &str) -> usize {
    topic.len().saturating_add(TOPIC_BYTES)
}

const fn offset_bytes(committed: &CommittedOffset) -> usize {
    committed.metadata.len().saturating_add(OFFSET_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(offset: i64, metadata: &str) -> CommittedOffset {
        CommittedOffset { offset, leader_epoch: -1, metadata: metadata.to_owned(), committed_at_ms: 0 }
    }

    // The bytes counted one by one must be those that are there, or the limit of all groups drifts.
    #[test]
    fn bytes_counted_on_the_way_are_those_that_are_there() {
        let mut offsets = Offsets::default();
        assert!(offsets.commit("a", 0, committed(1, "long metadata")));
        assert!(offsets.commit("a", 1, committed(1, "")));
        assert!(offsets.commit("b", 0, committed(1, "x")));
        assert!(!offsets.commit("b", 0, committed(1, "xyz")), "the same offset again");
        let counted = offsets.bytes();

        offsets.count();

        assert_eq!(offsets.bytes(), counted);
        offsets.forget_topic("a");
        offsets.retain(|committed| committed.metadata.is_empty());
        assert_eq!((offsets.bytes(), offsets.is_empty()), (0, true));
    }
}
