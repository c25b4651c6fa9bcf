//! One partition's queue: the open batch that grows, and the sealed ones that wait to be taken.
//!
//! **Why batches may outgrow `batch.size`.** While the engine could send a batch (`wanted`), the append that reaches
//! `batch.size` seals it and says so. While it could not anyway (window full, gate closed, backoff, no leader), the
//! open batch keeps growing towards `max.request.size`: low latency when idle, large batches when busy (D-31).
//!
//! ```text
//!            try_append                  take / Full                 complete_seal              take
//!  (none) ───install──▶ open ──────────────────────────▶ sealing ───────────────────▶ ready ─────────▶ the engine's
//!                        │ ▲                                │                           │
//!                        └─┘ try_append                     └── fail_seal ──▶ rejected  └── expire ──▶ rejected
//! ```
//!
//! Neighbours: `runtime::lanes` holds the lock around it; [`super::producer_batch`] is what it makes. Not here:
//! partition choice, memory accounting, and every decision about sending.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::accumulator::producer_batch::{SealJob, SealedBatch, Segment};
use crate::config::{Compression, ProducerConfig};
use crate::identifiers::BatchNumber;
use crate::mutants::{self, Nudge};
use crate::record::Record;
use crate::time::Instant;
use crate::wire::measured_record::MeasuredRecord;
use crate::wire::record_batch::{BATCH_HEADER_BYTES, CodecId, RecordFields, record_size_bytes};

/// A new lane's first segment: small, so that ten thousand lanes with a record each stay small (D-33).
const FIRST_SEGMENT_BYTES: usize = 2 * 1024;
/// Segments double up to this, or to `batch.size` if that is larger.
const LARGE_SEGMENT_BYTES: usize = 64 * 1024;
/// A compressed batch holds at most this many times `batch.size` before compression (D-37).
const MAX_COMPRESSION_GAIN: f64 = 8.0;
/// Records in one batch: its count is an `i32` on the wire, and deltas must fit.
const MAX_BATCH_RECORDS: u32 = 1_000_000;
/// How far ahead of the records a segment is written with zeros, see [`warm_up`].
const WARM_AHEAD_BYTES: usize = 4 * 1024;
/// What framing may add to a batch alone in its request.
const REQUEST_FRAMING_BYTES: usize = 512;

/// What bounds a batch; the same for all lanes of a producer.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    batch_size_bytes: usize,
    growth_limit_bytes: usize,
    largest_segment_bytes: usize,
    max_age: Duration,
    compression: Compression,
}

impl QueueLimits {
    /// The limits that follow from the settings.
    #[must_use]
    pub fn new(config: &ProducerConfig) -> Self {
        let batch_size_bytes = config.batch_size.max(1);
        let growth_limit_bytes = if config.batch_growth {
            config.max_request_size.saturating_sub(REQUEST_FRAMING_BYTES).max(batch_size_bytes)
        } else {
            batch_size_bytes
        };
        Self {
            batch_size_bytes,
            growth_limit_bytes,
            largest_segment_bytes: batch_size_bytes.max(LARGE_SEGMENT_BYTES).min(config.buffer_memory),
            max_age: config.linger.max(config.delivery_timeout / 8),
            compression: config.compression,
        }
    }
}

/// The two clocks of an append, both at most a millisecond old while a batch is open (D-50).
#[derive(Debug, Clone, Copy)]
pub struct AppendTime {
    /// Monotonic.
    pub now: Instant,
    /// Milliseconds since the Unix epoch: the default record timestamp.
    pub wall_ms: i64,
}

/// A record's place, and what the append caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The batch.
    pub number: BatchNumber,
    /// The record's place in it.
    pub index: u32,
    /// The record's own timestamp.
    pub timestamp_ms: i64,
    /// Bytes that the batch grew by.
    pub grown_bytes: usize,
    /// This was the batch's first record.
    pub opened: bool,
    /// The batch has reached `batch.size`.
    pub is_full: bool,
    /// The engine waits for a full batch and must be told of this one.
    pub wake: bool,
}

/// What became of an attempt to append.
#[derive(Debug)]
pub enum TryAppend {
    /// The record is in.
    Appended(Appended),
    /// The open batch takes no more: run the job after unlocking, then try again.
    Sealed(SealJob),
    /// A segment of at least this size is needed: reserve it after unlocking, [`PartitionQueue::install`] it, try again.
    NeedsSegment(usize),
}

/// How [`PartitionQueue::take`] treats the open batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeMode {
    /// Only if it has reached `batch.size`.
    IfFull,
    /// As it is: linger has passed, a flush waits, or memory is short.
    Always,
}

/// What [`PartitionQueue::take`] found.
#[derive(Debug)]
pub enum Taken {
    /// The oldest sealed batch.
    Batch(SealedBatch),
    /// The open batch was sealed: run the job, then [`PartitionQueue::complete_seal`], then take again.
    Seal(SealJob),
    /// Nothing yet. If something is open, the queue will say when it is full.
    Nothing,
}

/// What is in the queue: the engine's only knowledge of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStatus {
    /// A sealed batch can be taken now.
    pub has_ready: bool,
    /// Sealed batches in all, those still being compressed included.
    pub sealed: usize,
    /// When the open batch got its first record.
    pub open_since: Option<Instant>,
    /// The open batch has reached `batch.size`.
    pub open_is_full: bool,
    /// When the oldest batch got its first record.
    pub oldest: Option<Instant>,
}

impl QueueStatus {
    /// The oldest batch is still with the codec: it can neither be taken nor expired, and says so when it can.
    #[must_use]
    pub const fn is_sealing(&self) -> bool {
        self.sealed > 0 && !self.has_ready
    }

    /// Nothing waits here.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sealed == 0 && self.open_since.is_none()
    }
}

#[derive(Debug)]
struct OpenBatch {
    number: BatchNumber,
    record_count: u32,
    body_bytes: usize,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    created_at: Instant,
    current: Segment,
    /// How much of `current` has been brought into this core's cache.
    warm_bytes: usize,
    filled: Vec<Segment>,
}

/// A batch that left the queue without being taken.
#[derive(Debug)]
pub struct Removed {
    /// Its number.
    pub number: BatchNumber,
    /// Its records; 0 if it was opened and nothing came.
    pub record_count: u32,
    /// Its bytes, and with them its share of `buffer.memory`.
    pub body: Vec<Bytes>,
}

#[derive(Debug)]
enum Slot {
    Sealing { number: BatchNumber, created_at: Instant },
    Ready(SealedBatch),
}

/// One partition's queue.
#[derive(Debug)]
pub struct PartitionQueue {
    limits: QueueLimits,
    open: Option<OpenBatch>,
    sealed: VecDeque<Slot>,
    next_number: u64,
    wanted: bool,
    ratio: f64,
    /// The size, before compression, at which a batch counts as full: `batch.size` if the codec gains nothing.
    target_bytes: usize,
    last_batch_bytes: usize,
}

impl PartitionQueue {
    /// An empty queue.
    #[must_use]
    pub const fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            open: None,
            sealed: VecDeque::new(),
            next_number: 0,
            wanted: true,
            ratio: 1.0,
            target_bytes: limits.batch_size_bytes,
            last_batch_bytes: 0,
        }
    }

    /// Appends to the open batch if the record fits there. The hot path: no allocation, no clock.
    #[inline(always)]
    pub fn try_append(&mut self, record: &Record<'_>, time: AppendTime) -> TryAppend {
        let limit_bytes = self.limit_bytes();
        let Some(open) = &mut self.open else {
            return TryAppend::NeedsSegment(self.first_segment_bytes(record));
        };
        let timestamp_ms = record.timestamp_ms.unwrap_or(time.wall_ms);
        if open.record_count == 0 {
            open.base_timestamp_ms = timestamp_ms;
            open.max_timestamp_ms = timestamp_ms;
        }
        let fields = RecordFields {
            offset_delta: open.record_count.cast_signed(),
            timestamp_delta_ms: timestamp_ms.wrapping_sub(open.base_timestamp_ms),
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let measured = MeasuredRecord::of(&fields);
        let size = measured.size_bytes();
        let total = BATCH_HEADER_BYTES + open.body_bytes + size;
        if open.record_count > 0
            && (total > limit_bytes
                || open.record_count >= MAX_BATCH_RECORDS
                || time.now.since(open.created_at) > self.limits.max_age)
        {
            return match self.seal_open() {
                Some(job) => TryAppend::Sealed(job),
                None => TryAppend::NeedsSegment(self.first_segment_bytes(record)),
            };
        }
        if size > open.current.spare_bytes() {
            let next = (open.current.capacity_bytes() * 2).min(self.limits.largest_segment_bytes);
            return TryAppend::NeedsSegment(next.max(size));
        }
        let end = open.current.len() + size;
        if end > open.warm_bytes {
            open.warm_bytes = warm_up(&mut open.current, end);
        }
        measured.append_to(open.current.buffer_mut(), &fields);
        let opened = open.record_count == 0;
        let index = open.record_count;
        open.record_count += 1;
        open.body_bytes += size;
        open.max_timestamp_ms = open.max_timestamp_ms.max(timestamp_ms);
        let number = open.number;
        let is_full = total >= self.target_bytes;
        let wake = is_full && self.wanted;
        if wake {
            self.wanted = false;
        }
        TryAppend::Appended(Appended {
            number,
            index,
            timestamp_ms,
            grown_bytes: if opened { size + BATCH_HEADER_BYTES } else { size },
            opened,
            is_full,
            wake,
        })
    }

    /// Gives the queue a segment: it opens a batch, or lets the open one go on. Handed back if it is not needed, which
    /// happens when another thread was faster.
    pub fn install(&mut self, segment: Segment, needed_bytes: usize, now: Instant) -> Option<Segment> {
        match &mut self.open {
            None => {
                let number = BatchNumber(self.next_number);
                self.next_number += 1;
                self.open = Some(OpenBatch {
                    number,
                    record_count: 0,
                    body_bytes: 0,
                    base_timestamp_ms: 0,
                    max_timestamp_ms: 0,
                    created_at: now,
                    current: segment,
                    warm_bytes: 0,
                    filled: Vec::new(),
                });
                None
            }
            Some(open) if open.current.spare_bytes() < needed_bytes => {
                open.filled.push(std::mem::replace(&mut open.current, segment));
                open.warm_bytes = 0;
                None
            }
            Some(_) => Some(segment),
        }
    }

    /// Hands over the oldest sealed batch, or seals the open one as `mode` allows. `wanted_after` says whether the
    /// engine could send yet another one after this.
    pub fn take(&mut self, mode: TakeMode, wanted_after: bool) -> Taken {
        match self.sealed.front() {
            Some(Slot::Ready(_)) => {
                if let Some(Slot::Ready(batch)) = self.sealed.pop_front() {
                    self.wanted = wanted_after;
                    return Taken::Batch(batch);
                }
            }
            Some(Slot::Sealing { .. }) => {
                self.wanted = true;
                return Taken::Nothing;
            }
            None => {}
        }
        let takes_open = match (&self.open, mode) {
            (None, _) => false,
            (Some(open), TakeMode::Always) => open.record_count > 0,
            (Some(open), TakeMode::IfFull) => self.is_full(open),
        };
        if takes_open && let Some(job) = self.seal_open() {
            self.wanted = wanted_after;
            return Taken::Seal(job);
        }
        self.wanted = true;
        Taken::Nothing
    }

    /// Puts a sealed batch into the place that it took when it was sealed; true if it is the next to be taken.
    pub fn complete_seal(&mut self, batch: SealedBatch) -> bool {
        self.learn_ratio(&batch);
        let number = batch.number;
        let place = self.sealed.iter().position(|slot| slot.number() == number);
        debug_assert!(place.is_some(), "batch {number:?} was sealed without a place in the queue");
        if let Some(slot) = place.and_then(|place| self.sealed.get_mut(place)) {
            *slot = Slot::Ready(batch);
        }
        place == Some(0)
    }

    /// Gives up the place of a batch whose compression failed.
    pub fn fail_seal(&mut self, number: BatchNumber) {
        self.sealed.retain(|slot| slot.number() != number);
    }

    /// Removes the batches whose first record came at or before `cutoff`, oldest first: their numbers and counts.
    pub fn expire(&mut self, cutoff: Instant) -> Vec<(BatchNumber, u32)> {
        self.remove_expired(cutoff)
            .into_iter()
            .map(|removed| (removed.number, removed.record_count))
            .collect()
    }

    /// As [`Self::expire`], with their bytes: dropping them gives memory back and wakes who waits for it, which whoever
    /// holds a lock around the queue does after unlocking.
    #[must_use]
    pub fn remove_expired(&mut self, cutoff: Instant) -> Vec<Removed> {
        let mut expired = Vec::new();
        while let Some(Slot::Ready(batch)) = self.sealed.front() {
            if batch.created_at > cutoff {
                break;
            }
            if let Some(Slot::Ready(batch)) = self.sealed.pop_front() {
                expired.push(Removed::sealed(batch));
            }
        }
        if self.sealed.is_empty()
            && let Some(open) = self.open.take_if(|open| open.created_at <= cutoff && open.record_count > 0)
        {
            expired.push(Removed::open(open));
        }
        expired
    }

    /// Removes everything but what is still with the codec, whose places stay.
    #[must_use]
    pub fn clear(&mut self) -> Vec<Removed> {
        let mut removed = Vec::new();
        for slot in std::mem::take(&mut self.sealed) {
            match slot {
                Slot::Ready(batch) => removed.push(Removed::sealed(batch)),
                Slot::Sealing { .. } => self.sealed.push_back(slot),
            }
        }
        removed.extend(self.open.take().map(Removed::open));
        removed
    }

    /// What is in the queue now.
    #[must_use]
    pub fn status(&self) -> QueueStatus {
        let open = self.open.as_ref().filter(|open| open.record_count > 0);
        let oldest_sealed = self.sealed.front().map(|slot| match slot {
            Slot::Sealing { created_at, .. } => *created_at,
            Slot::Ready(batch) => batch.created_at,
        });
        QueueStatus {
            has_ready: matches!(self.sealed.front(), Some(Slot::Ready(_))),
            sealed: self.sealed.len(),
            open_since: open.map(|open| open.created_at),
            open_is_full: open.is_some_and(|open| self.is_full(open)),
            oldest: oldest_sealed.or_else(|| open.map(|open| open.created_at)),
        }
    }

    /// Halves the room for growth after a broker has found a batch too large (D-32), no lower than `batch.size`.
    pub fn limit_growth(&mut self) {
        self.limits.growth_limit_bytes =
            (self.limits.growth_limit_bytes / 2).max(self.limits.batch_size_bytes);
    }

    fn is_full(&self, open: &OpenBatch) -> bool {
        BATCH_HEADER_BYTES + open.body_bytes >= self.target_bytes
    }

    /// The size, before compression, beyond which no record is added.
    fn limit_bytes(&self) -> usize {
        if self.wanted { self.target_bytes } else { self.limits.growth_limit_bytes.max(self.target_bytes) }
    }

    #[cold]
    fn first_segment_bytes(&self, record: &Record<'_>) -> usize {
        let fields = RecordFields {
            offset_delta: 0,
            timestamp_delta_ms: 0,
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let usual = self.last_batch_bytes.next_power_of_two();
        let size = record_size_bytes(&fields);
        if mutants::buggify(Nudge::TinyBuffer) {
            return size;
        }
        usual
            .clamp(
                FIRST_SEGMENT_BYTES.min(self.limits.largest_segment_bytes),
                self.limits.largest_segment_bytes,
            )
            .max(size)
    }

    fn seal_open(&mut self) -> Option<SealJob> {
        let open = self.open.take_if(|open| open.record_count > 0)?;
        self.last_batch_bytes = open.body_bytes;
        self.sealed.push_back(Slot::Sealing { number: open.number, created_at: open.created_at });
        let mut body = open.filled;
        body.push(open.current);
        Some(SealJob {
            number: open.number,
            body,
            record_count: open.record_count,
            base_timestamp_ms: open.base_timestamp_ms,
            max_timestamp_ms: open.max_timestamp_ms,
            body_bytes: open.body_bytes,
            created_at: open.created_at,
            compression: self.limits.compression,
        })
    }

    /// Java's estimate: up fast, down slowly, so that batches seldom turn out too large.
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    fn learn_ratio(&mut self, batch: &SealedBatch) {
        if self.limits.compression == Compression::None || batch.uncompressed_bytes == 0 {
            return;
        }
        let observed = if batch.summary.codec == CodecId::None {
            1.0
        } else {
            batch.summary.body_size_bytes as f64 / batch.uncompressed_bytes as f64
        };
        self.ratio = if observed > self.ratio {
            (self.ratio + 0.05).max(observed)
        } else {
            (self.ratio - 0.005).max(observed)
        };
        let gain = (1.0 / (self.ratio * 1.05)).clamp(1.0, MAX_COMPRESSION_GAIN);
        self.target_bytes = scaled(self.limits.batch_size_bytes, gain);
    }
}

/// Writes zeros a little beyond `end`, where the next records will be; how far.
///
/// A segment comes back from the I/O thread's core. Record by record each new cache line would be fetched from there
/// while the append's atomic operations wait for it; in one go the fetches overlap.
#[cold]
fn warm_up(segment: &mut Segment, end: usize) -> usize {
    let to = end.saturating_add(WARM_AHEAD_BYTES).min(segment.capacity_bytes());
    let buffer = segment.buffer_mut();
    let len = buffer.len();
    if end - len < WARM_AHEAD_BYTES {
        buffer.resize(to, 0);
        buffer.truncate(len);
    }
    to
}

impl Removed {
    fn sealed(batch: SealedBatch) -> Self {
        Self { number: batch.number, record_count: batch.record_count(), body: batch.body }
    }

    fn open(open: OpenBatch) -> Self {
        let segments = open.filled.into_iter().chain([open.current]);
        Self {
            number: open.number,
            record_count: open.record_count,
            body: segments.map(Segment::freeze).collect(),
        }
    }
}

impl Slot {
    const fn number(&self) -> BatchNumber {
        match self {
            Self::Sealing { number, .. } => *number,
            Self::Ready(batch) => batch.number,
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate of a size that is bounded by the caller"
)]
fn scaled(bytes: usize, factor: f64) -> usize {
    (bytes as f64 * factor) as usize
}
