//! When a compacted partition is compacted, and by whose wish.
//!
//! **Why two timings.** Kafka's cleaner leaves the active segment alone and waits for a share of dirty bytes, so after
//! three quick records of one key nothing happens, perhaps for days. A lab cannot wait: by default this broker closes the
//! active segment and compacts soon after a write ([`CompactionTiming::Soon`]), and the event says that this is a
//! teaching shortcut. [`CompactionTiming::Kafka`] (`--strict-compaction`) is the real thing.
//!
//! ```text
//!   due_compactions ──▶ begin_compaction ──▶ CompactionTask::run ──▶ finish_compaction
//!     (the lock)          (the lock)           (no lock: it may       (the lock; nothing happens if
//!                                               unpack megabytes)      another compaction came first)
//! ```
//!
//! Neighbours: [`crate::broker::compaction`] says which records stay, [`crate::broker::log`] holds them,
//! [`crate::broker::server`] calls this from its sweep. Not here: retention.

use std::sync::Arc;
use std::time::Duration;

use super::{Cluster, LogNumber, Now, Topic};
use crate::broker::compaction::{Compacted, TombstoneRule, compact};
use crate::broker::config::CompactionTiming;
use crate::broker::events::{BrokerEvent, CompactionCause, EventKind};
use crate::broker::log::Stretch;
use crate::time::Instant;

/// With [`CompactionTiming::Soon`], a partition is compacted when nothing was written for this long.
const QUIET: Duration = Duration::from_millis(500);
/// Or when this has passed since the first write, even if writing goes on.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Larger logs are left to Kafka's timing: the shortcut reads the whole log after each pause.
const SOON_UP_TO_BYTES: u64 = 1024 * 1024;

/// A partition that waits for its early compaction.
#[derive(Debug, Clone)]
pub(super) struct Written {
    topic: Arc<str>,
    partition: i32,
    first: Instant,
    last: Instant,
}

/// A partition that is to be compacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueCompaction {
    topic: Arc<str>,
    partition: i32,
    cause: CompactionCause,
}

/// A compaction that has begun; it holds its batches, and no lock.
#[derive(Debug, Clone)]
pub struct CompactionTask {
    due: DueCompaction,
    number: LogNumber,
    stretch: Stretch,
    rule: TombstoneRule,
}

/// A compaction whose result is to be installed.
#[derive(Debug, Clone)]
pub struct FinishedCompaction {
    task: CompactionTask,
    compacted: Compacted,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionReport {
    /// Records that went.
    pub removed: u64,
    /// Records that stayed, in the part that could be compacted.
    pub kept: u64,
}

impl CompactionTask {
    /// Does the work.
    #[must_use]
    pub fn run(self) -> FinishedCompaction {
        let compacted = compact(&self.stretch, self.rule);
        FinishedCompaction { task: self, compacted }
    }
}

impl Cluster {
    /// A batch was appended to a compacted topic: remember it, if the early compaction is on.
    pub(super) fn note_for_compaction(
        &mut self,
        number: LogNumber,
        topic: &Arc<str>,
        partition: i32,
        now: Now,
    ) {
        if self.settings.compaction == CompactionTiming::Soon {
            let written = self.written.entry(number).or_insert_with(|| Written {
                topic: Arc::clone(topic),
                partition,
                first: now.instant,
                last: now.instant,
            });
            written.last = now.instant;
        }
    }

    /// Partitions whose early compaction is due. Cheap: to be called several times a second.
    pub fn soon_compactions(&mut self, now: Now) -> Vec<DueCompaction> {
        let is_due = |written: &Written| {
            now.instant.since(written.last) >= QUIET || now.instant.since(written.first) >= LONGEST_WAIT
        };
        let due: Vec<LogNumber> =
            self.written.iter().filter(|(_, written)| is_due(written)).map(|(number, _)| *number).collect();
        let written: Vec<Written> = due.iter().filter_map(|number| self.written.remove(number)).collect();
        let small = |written: &Written| {
            let place = self.partition(&written.topic, written.partition);
            place.is_some_and(|place| place.log.size_bytes() <= SOON_UP_TO_BYTES)
        };
        written
            .into_iter()
            .filter(small)
            .map(|Written { topic, partition, .. }| DueCompaction {
                topic,
                partition,
                cause: CompactionCause::Soon,
            })
            .collect()
    }

    /// Partitions that Kafka's cleaner would take: by dirty ratio or by the longest lag. To be called now and then.
    #[must_use]
    pub fn due_compactions(&self, now: Now) -> Vec<DueCompaction> {
        let compacted = self.topics().filter(|topic| topic.config.is_compacted);
        compacted
            .flat_map(|topic| {
                (0_i32..).zip(&topic.partitions).filter_map(move |(partition, place)| {
                    let cause = self.cause_to_compact(topic, &place.log, now)?;
                    Some(DueCompaction { topic: Arc::clone(&topic.name), partition, cause })
                })
            })
            .collect()
    }

    fn cause_to_compact(
        &self,
        topic: &Topic,
        log: &crate::broker::log::Log,
        now: Now,
    ) -> Option<CompactionCause> {
        let config = &topic.config;
        if self.settings.compaction == CompactionTiming::Soon
            && log.tombstones_until_ms().is_some_and(|until_ms| now.wall_ms >= until_ms)
        {
            return Some(CompactionCause::Tombstones);
        }
        let dirty = log.dirtiness(now.wall_ms, config.min_compaction_lag_ms);
        if dirty.dirty_bytes == 0 {
            return None;
        }
        let latest_ms = now.wall_ms.saturating_sub(config.max_compaction_lag_ms);
        if dirty.oldest_ms.is_some_and(|oldest_ms| oldest_ms < latest_ms) {
            return Some(CompactionCause::MaxLag);
        }
        #[allow(clippy::cast_precision_loss, reason = "a ratio needs no more digits than a double has")]
        let ratio = dirty.dirty_bytes as f64 / dirty.dirty_bytes.saturating_add(dirty.clean_bytes) as f64;
        (ratio > config.min_cleanable_dirty_ratio).then_some(CompactionCause::DirtyRatio)
    }

    /// Begins a compaction; where it was wished for, the active segment is closed first. `None` if the partition is gone or
    /// there is nothing to work on.
    pub fn begin_compaction(&mut self, due: DueCompaction, now: Now) -> Option<CompactionTask> {
        let topic = self.topics.get_mut(&due.topic)?;
        let place = topic.partitions.get_mut(usize::try_from(due.partition).ok()?)?;
        if matches!(due.cause, CompactionCause::Soon | CompactionCause::Asked) {
            place.log.roll();
        }
        let up_to = place.log.dirtiness(now.wall_ms, topic.config.min_compaction_lag_ms).up_to;
        let stretch = place.log.stretch(up_to);
        let rule =
            TombstoneRule { now_ms: now.wall_ms, delete_retention_ms: topic.config.delete_retention_ms };
        let number = place.number;
        (!stretch.batches.is_empty()).then_some(CompactionTask { due, number, stretch, rule })
    }

    /// Puts the result in place and tells of it.
    pub fn finish_compaction(&mut self, finished: FinishedCompaction, now: Now) -> CompactionReport {
        let FinishedCompaction { task, compacted } = finished;
        let CompactionTask { due, number, stretch, .. } = task;
        let (removed, kept) = (compacted.removed, compacted.kept);
        let place = self.topics.get_mut(&due.topic).and_then(|topic| {
            topic
                .partitions
                .get_mut(usize::try_from(due.partition).ok()?)
                .filter(|place| place.number == number)
        });
        let freed = place.and_then(|place| place.log.install(&stretch, compacted));
        let Some(freed_bytes) = freed else { return CompactionReport::default() };
        self.memory_bytes = self.memory_bytes.saturating_add_signed(freed_bytes.saturating_neg());
        if removed > 0 || due.cause == CompactionCause::Asked {
            let kind = EventKind::Compacted { removed, kept, cause: due.cause };
            self.note(BrokerEvent::new(kind, now.wall_ms).on(&due.topic, Some(due.partition)));
        }
        CompactionReport { removed, kept }
    }

    /// Closes the active segments of a topic and compacts its partitions at once, whatever the dirty ratio. `None` if there
    /// is no such topic or it is not compacted.
    pub fn compact_topic(&mut self, name: &str, now: Now) -> Option<CompactionReport> {
        let topic = self.topics.get(name).filter(|topic| topic.config.is_compacted)?;
        let (topic, count) = (Arc::clone(&topic.name), topic.partitions.len());
        let mut total = CompactionReport::default();
        for partition in 0..i32::try_from(count).unwrap_or(i32::MAX) {
            let due = DueCompaction { topic: Arc::clone(&topic), partition, cause: CompactionCause::Asked };
            let Some(task) = self.begin_compaction(due, now) else { continue };
            let report = self.finish_compaction(task.run(), now);
            total.removed = total.removed.saturating_add(report.removed);
            total.kept = total.kept.saturating_add(report.kept);
        }
        Some(total)
    }

    /// Everything that is due, one after the other: for whoever has no server around the cluster.
    pub fn compact_due(&mut self, now: Now) {
        let mut due = self.soon_compactions(now);
        due.extend(self.due_compactions(now));
        for one in due {
            if let Some(task) = self.begin_compaction(one, now) {
                self.finish_compaction(task.run(), now);
            }
        }
    }
}
