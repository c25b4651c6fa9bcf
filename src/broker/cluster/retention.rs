//! Which segments go: by a topic's `retention.*`, and by the memory that this broker may take (D-56).
//!
//! **Why memory comes before settings.** A lab runs for days; whatever a topic wishes, the process must not grow without
//! bound. So the oldest segments go when a partition or all of them are full, with an event and a moved start of the log.
//!
//! Neighbours: [`crate::broker::log`] drops, [`super::cleaner`] is the other way to lose old records. Not here: records
//! that a client deletes.

use std::sync::Arc;

use super::{Cluster, Now, Partition};
use crate::broker::events::{BrokerEvent, EventKind};
use crate::broker::log::{SegmentLimits, Truncation};
use crate::broker::topic_config::TopicConfig;

/// The largest segment; smaller limits make smaller segments.
const MAX_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// A segment that went, and whose.
type Dropped = (Arc<str>, i32, Truncation);

impl Cluster {
    /// When a topic's segments are full: by its settings, and small enough that memory is given back in steps.
    pub(super) fn segment_limits(&self, config: &TopicConfig) -> SegmentLimits {
        let share = self.settings.partition_memory_bytes.min(self.settings.total_memory_bytes) / 8;
        let retained = config.retention_bytes.map_or(u64::MAX, |bytes| bytes / 2);
        let wished = config.segment_bytes.unwrap_or(retained);
        SegmentLimits { bytes: wished.min(share).clamp(1, MAX_SEGMENT_BYTES), ms: config.segment_ms }
    }

    /// Drops the segments of all topics that are too old or too many (policy delete).
    pub(super) fn retain(&mut self, now: Now) {
        let mut dropped: Vec<Dropped> = Vec::new();
        for topic in self.topics.values_mut() {
            let config = &topic.config;
            for (partition, place) in (0_i32..).zip(&mut topic.partitions) {
                while is_too_old(place, config, now) || has_too_many_bytes(place, config) {
                    let Some(truncation) = place.log.drop_oldest_segment() else { break };
                    dropped.push((Arc::clone(&topic.name), partition, truncation));
                }
            }
        }
        for one in dropped {
            self.note_dropped(&one, now);
        }
    }

    /// Drops the oldest segments until the partition just written, and all together, fit their limits (D-56).
    pub(super) fn keep_within_limits(&mut self, topic: &str, index: usize, now: Now) {
        while let Some(dropped) =
            self.drop_from_full_partition(topic, index).or_else(|| self.drop_from_full_memory(topic, index))
        {
            self.note_dropped(&dropped, now);
        }
    }

    fn note_dropped(&mut self, (topic, partition, truncation): &Dropped, now: Now) {
        self.memory_bytes = self.memory_bytes.saturating_sub(truncation.freed_bytes);
        let kind = EventKind::RetentionTruncated { freed_bytes: truncation.freed_bytes };
        let event = BrokerEvent::new(kind, now.wall_ms).on(topic, Some(*partition));
        self.note(event.at(truncation.log_start_offset, None));
    }

    fn drop_from_full_partition(&mut self, topic: &str, index: usize) -> Option<Dropped> {
        let limit = self.settings.partition_memory_bytes;
        let found = self.topics.get_mut(topic)?;
        let place = found.partitions.get_mut(index)?;
        // The segment just written to stays: its answer has not gone out yet.
        place.log.oldest_segment(false)?;
        if place.log.size_bytes() <= limit && !has_too_many_bytes(place, &found.config) {
            return None;
        }
        let truncation = place.log.drop_oldest_segment()?;
        Some((Arc::clone(&found.name), i32::try_from(index).ok()?, truncation))
    }

    fn drop_from_full_memory(&mut self, topic: &str, index: usize) -> Option<Dropped> {
        if self.memory_bytes <= self.settings.total_memory_bytes {
            return None;
        }
        // The segment just written to stays, however old it is: its answer has not gone out yet.
        let candidates = self.topics.values().flat_map(|found| {
            found.partitions.iter().enumerate().filter_map(move |(at, place)| {
                let is_current = &*found.name == topic && at == index;
                place.log.oldest_segment(!is_current).map(|born| (born, Arc::clone(&found.name), at))
            })
        });
        let (_, name, at) = candidates.min()?;
        let truncation = self.topics.get_mut(&name)?.partitions.get_mut(at)?.log.drop_oldest_segment()?;
        Some((name, i32::try_from(at).ok()?, truncation))
    }
}

/// `retention.ms`: the newest record of the oldest segment counts.
fn is_too_old(place: &Partition, config: &TopicConfig, now: Now) -> bool {
    let Some(retention_ms) = config.retention_ms else { return false };
    let newest_ms = place.log.oldest_segment_timestamp_ms();
    newest_ms.is_some_and(|newest_ms| now.wall_ms.saturating_sub(newest_ms) > retention_ms)
}

/// `retention.bytes`: a segment goes if as many bytes are there without it.
fn has_too_many_bytes(place: &Partition, config: &TopicConfig) -> bool {
    let Some(retention_bytes) = config.retention_bytes else { return false };
    let oldest = place.log.oldest_segment_bytes();
    oldest.is_some_and(|oldest| place.log.size_bytes().saturating_sub(oldest) >= retention_bytes)
}
