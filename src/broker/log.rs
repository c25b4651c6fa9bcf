//! One partition's log, in memory: batches as they came, in segments, with a start that moves when the oldest go.
//!
//! **Why batches are kept verbatim.** Base offset and partition leader epoch lie outside the checksum, so the broker can
//! write them into a producer's bytes without touching the rest; what a consumer reads is what the producer compressed.
//! Only a topic with `LogAppendTime` has its timestamps rewritten, and then its checksum too.
//!
//! Neighbours: [`super::log_validator`] says that a batch may be appended, [`super::cluster`] owns the logs and their
//! common memory limit (D-56). Not here: producers (see [`super::producer_state_manager`]) and compaction.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::wire::WireError;
use crate::wire::compression::DecompressionLimits;
use crate::wire::record_batch_reader::{BatchView, RecordView};

/// Bytes of the header fields that the broker overwrites: base offset (8), length (4), partition leader epoch (4).
const REWRITTEN_BYTES: usize = 16;

/// What the log needs to know of a batch that is appended; read from its header by the validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSummary {
    /// The timestamp of the first record, milliseconds.
    pub base_timestamp_ms: i64,
    /// The largest timestamp, milliseconds.
    pub max_timestamp_ms: i64,
    /// The producer id, -1 if none.
    pub producer_id: i64,
    /// The producer epoch, -1 if none.
    pub producer_epoch: i16,
    /// The first sequence, -1 if none.
    pub base_sequence: i32,
    /// How many records follow the first.
    pub last_offset_delta: i32,
}

/// A batch in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// The offset of its first record.
    pub base_offset: i64,
    /// What its header says.
    pub summary: BatchSummary,
    /// The whole batch as a consumer gets it.
    pub bytes: Bytes,
}

impl StoredBatch {
    /// The offset of its last record.
    #[must_use]
    pub const fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.summary.last_offset_delta as i64)
    }

    /// How many records it has.
    #[must_use]
    pub const fn record_count(&self) -> i32 {
        self.summary.last_offset_delta.saturating_add(1)
    }

    /// Its records, decompressed.
    ///
    /// # Errors
    /// [`WireError`] if the payload does not decompress; a batch that was validated does.
    pub fn records(&self) -> Result<Vec<RecordView>, WireError> {
        BatchView::parse(&self.bytes)?.records(&DecompressionLimits::default())?.collect()
    }
}

/// A run of batches that is kept or dropped as one.
#[derive(Debug, Clone)]
struct Segment {
    batches: Vec<StoredBatch>,
    size_bytes: u64,
    max_timestamp_ms: i64,
    /// When the first batch was appended, in the order of all appends of the broker.
    born: u64,
}

/// A segment that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Where the log starts now.
    pub log_start_offset: i64,
    /// Bytes given back.
    pub freed_bytes: u64,
}

/// Answer to "which offset belongs to this time".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetAtTime {
    /// The offset.
    pub offset: i64,
    /// The timestamp of the record there.
    pub timestamp_ms: i64,
}

/// The log.
#[derive(Debug, Clone)]
pub struct Log {
    segments: VecDeque<Segment>,
    segment_bytes: u64,
    start_offset: i64,
    end_offset: i64,
    size_bytes: u64,
}

impl Log {
    /// An empty log whose segments are closed at `segment_bytes`.
    #[must_use]
    pub fn new(segment_bytes: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            segment_bytes: segment_bytes.max(1),
            start_offset: 0,
            end_offset: 0,
            size_bytes: 0,
        }
    }

    /// The first offset that can be read.
    #[must_use]
    pub const fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets. With one node it is the high watermark as well.
    #[must_use]
    pub const fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Bytes of all batches.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether the log has, or ever had, records.
    #[must_use]
    pub const fn was_ever_written(&self) -> bool {
        self.end_offset > 0
    }

    /// Appends a validated batch; answers its base offset. `tick` orders appends over all logs.
    pub fn append(&mut self, batch: &[u8], summary: BatchSummary, leader_epoch: i32, tick: u64) -> i64 {
        let base_offset = self.end_offset;
        let stored = StoredBatch { base_offset, summary, bytes: placed(batch, base_offset, leader_epoch) };
        let size = stored.bytes.len() as u64;
        self.end_offset = stored.last_offset().saturating_add(1);
        self.size_bytes = self.size_bytes.saturating_add(size);
        match self.segments.back_mut() {
            Some(segment) if segment.size_bytes.saturating_add(size) <= self.segment_bytes => {
                segment.size_bytes = segment.size_bytes.saturating_add(size);
                segment.max_timestamp_ms = segment.max_timestamp_ms.max(summary.max_timestamp_ms);
                segment.batches.push(stored);
            }
            _ => self.segments.push_back(Segment {
                size_bytes: size,
                max_timestamp_ms: summary.max_timestamp_ms,
                born: tick,
                batches: vec![stored],
            }),
        }
        base_offset
    }

    /// Batches from the one that holds `offset` on, until `max_bytes`; the first comes even if it is larger when
    /// `at_least_one` says so. `offset` must lie between start and end.
    #[must_use]
    pub fn read(&self, offset: i64, max_bytes: usize, at_least_one: bool) -> Vec<Bytes> {
        let mut found = Vec::new();
        let mut room = max_bytes;
        for batch in self.batches_from(offset) {
            let size = batch.bytes.len();
            if size > room && !(found.is_empty() && at_least_one) {
                break;
            }
            room = room.saturating_sub(size);
            found.push(batch.bytes.clone());
            if room == 0 {
                break;
            }
        }
        found
    }

    /// Bytes that [`Self::read`] could give from `offset` on, counted up to `enough`.
    #[must_use]
    pub fn available_bytes(&self, offset: i64, enough: usize) -> usize {
        let mut sum = 0_usize;
        for batch in self.batches_from(offset) {
            sum = sum.saturating_add(batch.bytes.len());
            if sum >= enough {
                break;
            }
        }
        sum
    }

    /// Every batch, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &StoredBatch> {
        self.segments.iter().flat_map(|segment| &segment.batches)
    }

    /// The first record whose timestamp is `timestamp_ms` or later.
    ///
    /// # Errors
    /// [`WireError`] if the batch that holds it does not decompress.
    pub fn offset_at_time(&self, timestamp_ms: i64) -> Result<Option<OffsetAtTime>, WireError> {
        let candidates = self.batches().filter(|batch| batch.summary.max_timestamp_ms >= timestamp_ms);
        for batch in candidates {
            if let Some(found) = find_record(batch, timestamp_ms)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of all.
    ///
    /// # Errors
    /// [`WireError`] if the batch that holds it does not decompress.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<OffsetAtTime>, WireError> {
        let mut best: Option<&StoredBatch> = None;
        for batch in self.batches() {
            if best.is_none_or(|best| batch.summary.max_timestamp_ms > best.summary.max_timestamp_ms) {
                best = Some(batch);
            }
        }
        let Some(best) = best else { return Ok(None) };
        find_record(best, best.summary.max_timestamp_ms)
    }

    /// When the oldest segment was begun, if there is one that may be dropped: the newest only when it stands alone
    /// and `even_the_last` says so.
    #[must_use]
    pub fn oldest_segment(&self, even_the_last: bool) -> Option<u64> {
        if self.segments.len() < 2 && !even_the_last {
            return None;
        }
        self.segments.front().map(|segment| segment.born)
    }

    /// The largest timestamp in the oldest segment.
    #[must_use]
    pub fn oldest_segment_timestamp_ms(&self) -> Option<i64> {
        self.segments.front().map(|segment| segment.max_timestamp_ms)
    }

    /// Drops the oldest segment and moves the start of the log.
    pub fn drop_oldest_segment(&mut self) -> Option<Truncation> {
        let segment = self.segments.pop_front()?;
        self.size_bytes = self.size_bytes.saturating_sub(segment.size_bytes);
        let next = self.segments.front().and_then(|next| next.batches.first());
        self.start_offset = next.map_or(self.end_offset, |batch| batch.base_offset);
        Some(Truncation { log_start_offset: self.start_offset, freed_bytes: segment.size_bytes })
    }

    fn batches_from(&self, offset: i64) -> impl Iterator<Item = &StoredBatch> {
        let ends_before =
            |segment: &Segment| segment.batches.last().is_none_or(|last| last.last_offset() < offset);
        let first = self.segments.partition_point(ends_before);
        let mut skip = self
            .segments
            .get(first)
            .map_or(0, |segment| segment.batches.partition_point(|batch| batch.last_offset() < offset));
        self.segments.range(first..).flat_map(move |segment| {
            let skipped = std::mem::take(&mut skip);
            segment.batches.get(skipped..).unwrap_or_default()
        })
    }
}

/// The batch's bytes with its place in the log written into the header.
fn placed(batch: &[u8], base_offset: i64, leader_epoch: i32) -> Bytes {
    let mut bytes = BytesMut::with_capacity(batch.len());
    bytes.extend_from_slice(&base_offset.to_be_bytes());
    bytes.extend_from_slice(batch.get(8..12).unwrap_or_default());
    bytes.extend_from_slice(&leader_epoch.to_be_bytes());
    bytes.extend_from_slice(batch.get(REWRITTEN_BYTES..).unwrap_or_default());
    bytes.freeze()
}

/// The first record of the batch whose timestamp is `wanted_ms` or later.
fn find_record(batch: &StoredBatch, wanted_ms: i64) -> Result<Option<OffsetAtTime>, WireError> {
    let view = BatchView::parse(&batch.bytes)?;
    if view.is_log_append_time() {
        // All its records have the one time that the broker wrote.
        return Ok(Some(OffsetAtTime { offset: batch.base_offset, timestamp_ms: view.max_timestamp_ms }));
    }
    for record in view.records(&DecompressionLimits::default())? {
        let record = record?;
        let timestamp_ms = view.base_timestamp_ms.saturating_add(record.timestamp_delta_ms);
        if timestamp_ms >= wanted_ms {
            let offset = batch.base_offset.saturating_add(i64::from(record.offset_delta));
            return Ok(Some(OffsetAtTime { offset, timestamp_ms }));
        }
    }
    Ok(None)
}
