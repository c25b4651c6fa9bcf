//! Changes of topics that exist: settings, more partitions, deleted records.
//!
//! **Why here and not in the handlers.** Each is a rule of the state, wished for by a request, by the lab and by tests
//! alike; the handlers only read the wish and write the answer.
//!
//! Neighbours: [`crate::broker::handlers`] and [`crate::broker::server`] call it. Not here: creating and deleting topics.

use std::sync::Arc;

use super::{Cluster, INTERNAL_TOPICS, LogNumber, Now, Partition, TopicRefusal};
use crate::broker::events::{BrokerEvent, EventKind};
use crate::broker::log::{Log, SegmentLimits};
use crate::broker::topic_config::TopicConfig;
use crate::error::ErrorCode;

const OFFSET_OUT_OF_RANGE: ErrorCode = ErrorCode(1);
const POLICY_VIOLATION: ErrorCode = ErrorCode(44);

impl Cluster {
    /// A partition with an empty log.
    pub(super) fn new_partition(&mut self, limits: SegmentLimits) -> Partition {
        self.next_log = self.next_log.wrapping_add(1);
        Partition { number: LogNumber(self.next_log), leader_epoch: 0, log: Log::new(limits) }
    }

    /// Gives a topic other settings; `what` says in words which changed. Answers whether there is such a topic.
    pub fn alter_topic(&mut self, name: &str, config: TopicConfig, what: &str, now: Now) -> bool {
        let limits = self.segment_limits(&config);
        let Some(topic) = self.topics.get_mut(name) else { return false };
        for partition in &mut topic.partitions {
            partition.log.set_limits(limits);
        }
        topic.config = config;
        let name = Arc::clone(&topic.name);
        let kind = EventKind::TopicAltered { what: what.into() };
        self.note(BrokerEvent::new(kind, now.wall_ms).on(&name, None));
        true
    }

    /// Checks that a topic may get more partitions, `total` in all.
    ///
    /// # Errors
    /// [`TopicRefusal`] 3 if there is no such topic, 37 if the number is not larger than the present one, or too large.
    pub fn check_more_partitions(&self, name: &str, total: i32) -> Result<(), TopicRefusal> {
        let Some(topic) = self.topic(name) else {
            let why = "This server does not host this topic-partition.".to_owned();
            return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
        };
        let present = topic.partitions.len();
        let refused = |why: String| Err((ErrorCode::INVALID_PARTITIONS, why));
        let existing: usize = self.topics().map(|topic| topic.partitions.len()).sum();
        let room = self.settings.max_partitions.saturating_sub(existing);
        match usize::try_from(total) {
            Ok(total) if total == present => refused(format!("Topic already has {present} partition(s).")),
            Ok(total) if total > present && total.saturating_sub(present) > room => {
                refused(format!("{total} partitions asked for, this broker has room for {room} more"))
            }
            Ok(total) if total > present => Ok(()),
            _ => refused(format!(
                "The topic {name} currently has {present} partition(s); {total} would not be an increase."
            )),
        }
    }

    /// Gives a topic more partitions, `total` in all.
    ///
    /// # Errors
    /// As [`Self::check_more_partitions`].
    pub fn add_partitions(&mut self, name: &str, total: i32, now: Now) -> Result<(), TopicRefusal> {
        self.check_more_partitions(name, total)?;
        let found =
            self.topic(name).map(|topic| (topic.partitions.len(), self.segment_limits(&topic.config)));
        let Some((present, limits)) = found else { return Ok(()) };
        let added = usize::try_from(total).unwrap_or(0).saturating_sub(present);
        let mut partitions: Vec<Partition> = (0..added).map(|_| self.new_partition(limits)).collect();
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.append(&mut partitions);
            let name = Arc::clone(&topic.name);
            let kind = EventKind::PartitionsAdded { partitions: total };
            self.note(BrokerEvent::new(kind, now.wall_ms).on(&name, None));
        }
        Ok(())
    }

    /// Deletes a partition's records before `offset`, -1 for all that are there; answers the new start of its log.
    ///
    /// # Errors
    /// 3 if there is no such partition, 17 for an internal topic, 44 if the topic is only compacted, 1 if the offset lies
    /// behind the end.
    pub fn delete_records(
        &mut self,
        name: &str,
        partition: i32,
        offset: i64,
        now: Now,
    ) -> Result<i64, ErrorCode> {
        if INTERNAL_TOPICS.contains(&name) {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        let topic = self.topics.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let index = usize::try_from(partition).map_err(|_| ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let place = topic.partitions.get_mut(index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if !topic.config.is_deleted {
            return Err(POLICY_VIOLATION);
        }
        let end = place.log.end_offset();
        let offset = if offset == -1 { end } else { offset };
        if offset < 0 || offset > end {
            return Err(OFFSET_OUT_OF_RANGE);
        }
        let before = place.log.start_offset();
        let truncation = place.log.delete_before(offset);
        self.memory_bytes = self.memory_bytes.saturating_sub(truncation.freed_bytes);
        if truncation.log_start_offset > before {
            let name = Arc::clone(&topic.name);
            let kind = EventKind::RecordsDeleted { freed_bytes: truncation.freed_bytes };
            let event = BrokerEvent::new(kind, now.wall_ms).on(&name, Some(partition));
            self.note(event.at(truncation.log_start_offset, None));
        }
        Ok(truncation.log_start_offset)
    }
}
