//! A run of batches that is closed, kept, compacted or dropped as one.
//!
//! **Why segments in memory.** Nearly everything that Kafka's settings say about old records is said of segments:
//! retention drops whole ones, compaction leaves the newest alone, `segment.ms` closes one only when the next record
//! comes. A log without them could not show what a real one does.
//!
//! Neighbours: [`super::Log`] owns them in order. Not here: which segments go; that is retention's and the cleaner's.

use super::{AppendedAt, StoredBatch};

/// When a segment is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Bytes (`segment.bytes`).
    pub bytes: u64,
    /// Milliseconds between the timestamps of its first batch and of a batch that may still join (`segment.ms`).
    pub ms: i64,
}

/// A segment.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) batches: Vec<StoredBatch>,
    /// Where it begins, whatever compaction removed since.
    pub(super) base_offset: i64,
    pub(super) size_bytes: u64,
    pub(super) max_timestamp_ms: i64,
    /// The largest timestamp of its first batch, from which `segment.ms` counts.
    first_timestamp_ms: i64,
    created_ms: i64,
    /// When the first batch was appended, in the order of all appends of the broker.
    pub(super) born: u64,
    /// Nothing more may join it.
    pub(super) is_closed: bool,
}

impl Segment {
    pub(super) fn begun_with(first: StoredBatch, at: AppendedAt) -> Self {
        let mut segment = Self {
            base_offset: first.base_offset,
            size_bytes: 0,
            max_timestamp_ms: i64::MIN,
            first_timestamp_ms: first.summary.max_timestamp_ms,
            created_ms: at.now_ms,
            born: at.tick,
            is_closed: false,
            batches: Vec::with_capacity(1),
        };
        segment.push(first);
        segment
    }

    pub(super) fn closed(self) -> Self {
        Self { is_closed: true, ..self }
    }

    pub(super) fn push(&mut self, batch: StoredBatch) {
        self.size_bytes = self.size_bytes.saturating_add(batch.size_bytes());
        self.max_timestamp_ms = self.max_timestamp_ms.max(batch.summary.max_timestamp_ms);
        self.batches.push(batch);
    }

    /// Whether `batch` has to begin the next segment, by Kafka's rule: time is that of the records, as long as the
    /// first batch has one.
    pub(super) const fn must_roll(&self, batch: &StoredBatch, limits: SegmentLimits, now_ms: i64) -> bool {
        let waited_ms = if self.first_timestamp_ms >= 0 {
            batch.summary.max_timestamp_ms.saturating_sub(self.first_timestamp_ms)
        } else {
            now_ms.saturating_sub(self.created_ms)
        };
        self.is_closed
            || self.size_bytes.saturating_add(batch.size_bytes()) > limits.bytes
            || waited_ms > limits.ms
    }

    /// Whether every record of it lies before `offset`.
    pub(super) fn ends_before(&self, offset: i64) -> bool {
        self.batches.last().is_none_or(|last| last.last_offset() < offset)
    }
}
