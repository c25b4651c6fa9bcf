//! One partition's log, in memory: batches as they came, in segments, with a start that moves when the oldest go.
//!
//! **Why batches are kept verbatim.** Base offset and partition leader epoch lie outside the checksum, so the broker can
//! write them into a producer's bytes without touching the rest; what a consumer reads is what the producer compressed.
//! Only a topic with `LogAppendTime` has its timestamps rewritten, and then its checksum too.
//!
//! ```text
//!   start            clean until        up to                       end
//!     │ compacted once  │  dirty, closed  │ active, or too young      │
//!     ▼─────────────────▼─────────────────▼───────────────────────────▼
//!     [ segment ][ segment ][  segment   ][ segment ][ active segment ]
//! ```
//!
//! Neighbours: [`super::log_validator`] says that a batch may be appended, [`super::cluster`] owns the logs and their
//! common memory limit (D-56), [`super::compaction`] decides which records of a stretch stay. Not here: producers (see
//! [`super::producer_state_manager`]), and when something is dropped or compacted.

mod segment;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use self::segment::Segment;
pub use self::segment::SegmentLimits;
use super::compaction::Compacted;
use crate::wire::WireError;
use crate::wire::compression::DecompressionLimits;
use crate::wire::record_batch_reader::{BatchView, RecordView};

/// Bytes of the header fields that the broker overwrites: base offset (8), length (4), partition leader epoch (4).
const REWRITTEN_BYTES: usize = 16;
/// Where a batch says how many records it has.
const COUNT_AT: usize = 57;

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

    /// How many records it has: fewer than offsets if compaction removed some.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        let count = self.bytes.get(COUNT_AT..).and_then(<[u8]>::first_chunk::<4>);
        count.map_or(0, |count| i32::from_be_bytes(*count))
    }

    /// Bytes of the whole batch.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Its records, decompressed.
    ///
    /// # Errors
    /// [`WireError`] if the payload does not decompress; a batch that was validated does.
    pub fn records(&self) -> Result<Vec<RecordView>, WireError> {
        BatchView::parse(&self.bytes)?.records(&DecompressionLimits::default())?.collect()
    }
}

/// When a batch is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedAt {
    /// The order of appends over all logs.
    pub tick: u64,
    /// The wall clock, milliseconds.
    pub now_ms: i64,
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

/// The stretch of a log that a compaction works on: batches that no append can change any more.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// All of them from the start of the log on.
    pub batches: Vec<StoredBatch>,
    /// From here on nothing was compacted before.
    pub dirty_from: i64,
    /// Where the stretch ends.
    pub up_to: i64,
    /// The log's state that this belongs to, see [`Log::install`].
    generation: u64,
}

/// How much of a log a compaction could work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dirtiness {
    /// Bytes that were compacted before.
    pub clean_bytes: u64,
    /// Bytes that were not, up to where compaction may go.
    pub dirty_bytes: u64,
    /// The first timestamp of the oldest segment among these.
    pub oldest_ms: Option<i64>,
    /// Where compaction would stop.
    pub up_to: i64,
}

/// The log.
#[derive(Debug, Clone)]
pub struct Log {
    segments: VecDeque<Segment>,
    limits: SegmentLimits,
    start_offset: i64,
    end_offset: i64,
    size_bytes: u64,
    /// Everything before has been compacted once.
    clean_until: i64,
    /// When the first tombstone that compaction kept may go.
    tombstones_until_ms: Option<i64>,
    /// How often the inside of the log changed.
    generation: u64,
}

impl Log {
    /// An empty log whose segments are closed at these limits.
    #[must_use]
    pub const fn new(limits: SegmentLimits) -> Self {
        Self {
            segments: VecDeque::new(),
            limits,
            start_offset: 0,
            end_offset: 0,
            size_bytes: 0,
            clean_until: 0,
            tombstones_until_ms: None,
            generation: 0,
        }
    }

    /// Other limits, from the next append on.
    pub const fn set_limits(&mut self, limits: SegmentLimits) {
        self.limits = limits;
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

    /// Appends a validated batch; answers its base offset.
    pub fn append(&mut self, batch: &[u8], summary: BatchSummary, leader_epoch: i32, at: AppendedAt) -> i64 {
        let base_offset = self.end_offset;
        let stored = StoredBatch { base_offset, summary, bytes: placed(batch, base_offset, leader_epoch) };
        self.end_offset = stored.last_offset().saturating_add(1);
        self.size_bytes = self.size_bytes.saturating_add(stored.size_bytes());
        match self.segments.back_mut() {
            Some(segment) if !segment.must_roll(&stored, self.limits, at.now_ms) => segment.push(stored),
            last => {
                if let Some(segment) = last {
                    segment.is_closed = true;
                }
                self.segments.push_back(Segment::begun_with(stored, at));
            }
        }
        base_offset
    }

    /// Closes the active segment, so that it may be compacted; the next append begins another.
    pub fn roll(&mut self) {
        if let Some(segment) = self.segments.back_mut() {
            segment.is_closed = true;
        }
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

    /// Bytes of the oldest segment.
    #[must_use]
    pub fn oldest_segment_bytes(&self) -> Option<u64> {
        self.segments.front().map(|segment| segment.size_bytes)
    }

    /// How many segments there are.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Drops the oldest segment and moves the start of the log.
    pub fn drop_oldest_segment(&mut self) -> Option<Truncation> {
        let segment = self.segments.pop_front()?;
        self.size_bytes = self.size_bytes.saturating_sub(segment.size_bytes);
        let next = self.segments.front().map_or(self.end_offset, |next| next.base_offset);
        self.start_offset = self.start_offset.max(next);
        Some(Truncation { log_start_offset: self.start_offset, freed_bytes: segment.size_bytes })
    }

    /// Moves the start of the log up to `offset`, at most to its end, and drops the segments that lie before it. A batch
    /// that the offset cuts in two stays whole; readers skip its beginning.
    pub fn delete_before(&mut self, offset: i64) -> Truncation {
        self.start_offset = self.start_offset.max(offset.min(self.end_offset));
        let mut freed_bytes = 0_u64;
        while self.segments.front().is_some_and(|segment| segment.ends_before(self.start_offset)) {
            let Some(segment) = self.segments.pop_front() else { break };
            freed_bytes = freed_bytes.saturating_add(segment.size_bytes);
        }
        self.size_bytes = self.size_bytes.saturating_sub(freed_bytes);
        Truncation { log_start_offset: self.start_offset, freed_bytes }
    }

    /// How much a compaction could work on now: closed segments whose newest record is `min_lag_ms` old.
    #[must_use]
    pub fn dirtiness(&self, now_ms: i64, min_lag_ms: i64) -> Dirtiness {
        let too_young = |segment: &Segment| {
            !segment.ends_before(self.clean_until)
                && min_lag_ms > 0
                && segment.max_timestamp_ms > now_ms.saturating_sub(min_lag_ms)
        };
        let blocking = self.segments.iter().find(|segment| !segment.is_closed || too_young(segment));
        let up_to = blocking.map_or(self.end_offset, |segment| segment.base_offset);
        let (mut clean_bytes, mut dirty_bytes, mut oldest_ms) = (0_u64, 0_u64, None);
        for segment in self.segments.iter().take_while(|segment| segment.base_offset < up_to) {
            if segment.ends_before(self.clean_until) {
                clean_bytes = clean_bytes.saturating_add(segment.size_bytes);
            } else {
                dirty_bytes = dirty_bytes.saturating_add(segment.size_bytes);
                let first = segment.batches.first().map(|batch| batch.summary.max_timestamp_ms);
                oldest_ms = oldest_ms.or(first);
            }
        }
        Dirtiness { clean_bytes, dirty_bytes, oldest_ms, up_to }
    }

    /// The batches before `up_to`, which [`Self::dirtiness`] has named.
    #[must_use]
    pub fn stretch(&self, up_to: i64) -> Stretch {
        let inside = self.segments.iter().take_while(|segment| segment.base_offset < up_to);
        Stretch {
            batches: inside.flat_map(|segment| &segment.batches).cloned().collect(),
            dirty_from: self.clean_until,
            up_to,
            generation: self.generation,
        }
    }

    /// Puts what compaction left of a stretch in its place; answers the bytes that this freed. `None`, and no change, if
    /// another compaction came first. What retention dropped in the meantime stays dropped.
    pub fn install(&mut self, stretch: &Stretch, compacted: Compacted) -> Option<i64> {
        if stretch.generation != self.generation {
            return None;
        }
        let count = self.segments.partition_point(|segment| segment.base_offset < stretch.up_to);
        let replaced: Vec<Segment> = self.segments.drain(..count).collect();
        let mut packed: Vec<Segment> = Vec::new();
        if let Some(first) = replaced.first() {
            let at = AppendedAt { tick: first.born, now_ms: 0 };
            for batch in
                compacted.batches.into_iter().filter(|batch| batch.last_offset() >= self.start_offset)
            {
                match packed.last_mut() {
                    Some(last) if last.size_bytes.saturating_add(batch.size_bytes()) <= self.limits.bytes => {
                        last.push(batch);
                    }
                    _ => packed.push(Segment::begun_with(batch, at).closed()),
                }
            }
            if let Some(segment) = packed.first_mut() {
                segment.base_offset = first.base_offset;
            }
        }
        let sum = |segments: &[Segment]| {
            segments.iter().map(|segment| segment.size_bytes).fold(0_u64, u64::saturating_add)
        };
        let (before, after) = (sum(&replaced), sum(&packed));
        self.size_bytes = self.size_bytes.saturating_sub(before).saturating_add(after);
        for segment in packed.into_iter().rev() {
            self.segments.push_front(segment);
        }
        self.clean_until = self.clean_until.max(compacted.clean_until.min(stretch.up_to));
        self.tombstones_until_ms = compacted.tombstones_until_ms;
        self.generation = self.generation.wrapping_add(1);
        Some(
            i64::try_from(before)
                .unwrap_or(i64::MAX)
                .saturating_sub(i64::try_from(after).unwrap_or(i64::MAX)),
        )
    }

    /// When the first tombstone that compaction kept may go, if there is one.
    #[must_use]
    pub const fn tombstones_until_ms(&self) -> Option<i64> {
        self.tombstones_until_ms
    }

    fn batches_from(&self, offset: i64) -> impl Iterator<Item = &StoredBatch> {
        let first = self.segments.partition_point(|segment| segment.ends_before(offset));
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
