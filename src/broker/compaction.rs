//! Which records of a compacted log stay: the newest of each key, and tombstones for a while.
//!
//! **Why it exists.** A compacted topic is a table: each key has a value, and a reader who starts at the beginning learns
//! the newest value of every key without reading all the old ones (lab 02.6). A record without value is a tombstone: it
//! says that the key is gone, and goes itself `delete.retention.ms` after the first compaction that met it, so that a
//! reader has time to notice (KIP-534: that moment is written into the batch, as its base timestamp).
//!
//! ```text
//!   before   0 A=1   1 B=1   2 A=2   3 C=1   4 B=∅   5 A=3     all in closed segments
//!   after                            3 C=1   4 B=∅   5 A=3     offsets stay, holes remain
//!   later                            3 C=1           5 A=3     the tombstone's time has passed
//! ```
//!
//! A pure function from batches to batches. It builds a map of the newest offset per key over the part of the stretch that
//! is new since the last compaction, then keeps of *all* its batches only what that map does not outdate. Batches from which
//! nothing goes are kept verbatim; others are made again ([`super::rewritten_batch`]). The stretch's very last batch stays as
//! an empty header even if all its records go, so that a reader who stands there moves on to the end.
//!
//! Neighbours: [`super::cluster`]'s cleaner says when and up to where; [`super::log`] takes the result. Not here: the active
//! segment, which is never compacted.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::log::{StoredBatch, Stretch};
use super::rewritten_batch::{Rewrite, delete_horizon_ms, rewritten};
use crate::wire::WireError;
use crate::wire::compression::DecompressionLimits;
use crate::wire::record_batch_reader::{BatchView, RecordView};

/// Bytes of keys that the map may hold (Kafka's `log.cleaner.dedupe.buffer.size`). A few bytes can unpack to many keys; a
/// stretch with more is compacted in several runs.
const MAX_KEY_BYTES: usize = 128 * 1024 * 1024;
/// What an entry of the map takes besides its key.
const ENTRY_BYTES: usize = 48;

/// What remains of a stretch.
#[derive(Debug, Clone, Default)]
pub struct Compacted {
    /// Everything before was taken into account; the rest of the stretch waits for the next run.
    pub clean_until: i64,
    /// The batches, in order.
    pub batches: Vec<StoredBatch>,
    /// Records that went.
    pub removed: u64,
    /// Records that stay.
    pub kept: u64,
    /// When the first of the tombstones that stay may go.
    pub tombstones_until_ms: Option<i64>,
}

/// The clock, and how long tombstones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TombstoneRule {
    /// The wall clock, milliseconds.
    pub now_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
}

/// Compacts a stretch.
#[must_use]
pub fn compact(stretch: &Stretch, rule: TombstoneRule) -> Compacted {
    compact_within(stretch, rule, MAX_KEY_BYTES)
}

fn compact_within(stretch: &Stretch, rule: TombstoneRule, max_key_bytes: usize) -> Compacted {
    let (newest, clean_until) = newest_offsets(stretch, max_key_bytes);
    let mut result = Compacted { clean_until, ..Compacted::default() };
    let last = stretch.batches.len().saturating_sub(1);
    for (index, batch) in stretch.batches.iter().enumerate() {
        let records = u64::try_from(batch.record_count()).unwrap_or(0);
        if batch.base_offset >= clean_until {
            result.keep(batch.clone(), records);
            continue;
        }
        match Sifted::of(batch, &newest, rule) {
            Ok(sifted) => result.add(batch, &sifted, index == last),
            // It was validated when it came, so this is a codec that has become unavailable: nothing may be lost.
            Err(_) => result.keep(batch.clone(), records),
        }
    }
    result
}

/// The newest offset of each key in the part that was not compacted before, and where that part ends.
fn newest_offsets(stretch: &Stretch, max_key_bytes: usize) -> (BTreeMap<Vec<u8>, i64>, i64) {
    let mut newest = BTreeMap::new();
    let mut key_bytes = 0_usize;
    for batch in stretch.batches.iter().filter(|batch| batch.last_offset() >= stretch.dirty_from) {
        if key_bytes > max_key_bytes {
            return (newest, batch.base_offset);
        }
        let Ok(view) = BatchView::parse(&batch.bytes) else { continue };
        let Ok(records) = view.records(&DecompressionLimits::default()) else { continue };
        for record in records.map_while(Result::ok) {
            let offset = batch.base_offset.saturating_add(i64::from(record.offset_delta));
            let Some(key) = record.key else { continue };
            // Copied, because a slice would hold the whole unpacked batch.
            if newest.insert(key.to_vec(), offset).is_none() {
                key_bytes = key_bytes.saturating_add(key.len()).saturating_add(ENTRY_BYTES);
            }
        }
    }
    (newest, stretch.up_to)
}

/// A batch's records, told apart.
struct Sifted {
    view: BatchView,
    stay: Vec<RecordView>,
    removed: u64,
    /// As it will be written.
    delete_horizon_ms: Option<i64>,
}

impl Sifted {
    fn of(
        batch: &StoredBatch,
        newest: &BTreeMap<Vec<u8>, i64>,
        rule: TombstoneRule,
    ) -> Result<Self, WireError> {
        let view = BatchView::parse(&batch.bytes)?;
        let horizon_ms = delete_horizon_ms(&view);
        let tombstones_go = horizon_ms.is_some_and(|horizon_ms| rule.now_ms >= horizon_ms);
        let (mut stay, mut removed, mut has_tombstone) = (Vec::new(), 0_u64, false);
        for record in view.records(&DecompressionLimits::default())? {
            let record = record?;
            let offset = batch.base_offset.saturating_add(i64::from(record.offset_delta));
            let is_newest = |key: &Bytes| newest.get(&key[..]).is_none_or(|newest| offset >= *newest);
            // A record without key can be there if the topic was not compacted when it came; it has no place in a table.
            let stays =
                record.key.as_ref().is_some_and(is_newest) && (record.value.is_some() || !tombstones_go);
            if stays {
                has_tombstone |= record.value.is_none();
                stay.push(record);
            } else {
                removed = removed.saturating_add(1);
            }
        }
        let new_horizon_ms =
            horizon_ms.unwrap_or_else(|| rule.now_ms.saturating_add(rule.delete_retention_ms));
        let delete_horizon_ms = has_tombstone.then_some(new_horizon_ms).or(horizon_ms);
        Ok(Self { view, stay, removed, delete_horizon_ms })
    }
}

impl Compacted {
    fn keep(&mut self, batch: StoredBatch, records: u64) {
        self.kept = self.kept.saturating_add(records);
        self.batches.push(batch);
    }

    fn add(&mut self, batch: &StoredBatch, sifted: &Sifted, is_last: bool) {
        let Sifted { view, stay, removed, delete_horizon_ms: horizon_ms } = sifted;
        let records = u64::try_from(stay.len()).unwrap_or(u64::MAX);
        if stay.iter().any(|record| record.value.is_none()) {
            let sooner = self.tombstones_until_ms.into_iter().chain(*horizon_ms).min();
            self.tombstones_until_ms = sooner;
        }
        if *removed == 0 && *horizon_ms == delete_horizon_ms(view) {
            // Also the empty header of an earlier run; it goes when it is no longer the last.
            if records > 0 || is_last {
                self.keep(batch.clone(), records);
            }
            return;
        }
        if stay.is_empty() && !is_last {
            self.removed = self.removed.saturating_add(*removed);
            return;
        }
        let rewrite = Rewrite {
            records: stay,
            codec: view.codec().unwrap_or(crate::wire::record_batch::CodecId::None),
            delete_horizon_ms: *horizon_ms,
        };
        match rewritten(view, &rewrite).and_then(|bytes| stored(batch, bytes)) {
            Ok(made) => {
                self.removed = self.removed.saturating_add(*removed);
                self.keep(made, records);
            }
            Err(_) => self.keep(batch.clone(), records.saturating_add(*removed)),
        }
    }
}

/// The batch at its old place with other bytes.
fn stored(old: &StoredBatch, bytes: Bytes) -> Result<StoredBatch, WireError> {
    let view = BatchView::parse(&bytes)?;
    let mut summary = old.summary;
    summary.base_timestamp_ms = view.base_timestamp_ms;
    summary.max_timestamp_ms = view.max_timestamp_ms;
    Ok(StoredBatch { base_offset: old.base_offset, summary, bytes })
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]
mod tests {
    use super::*;
    use crate::broker::log::{AppendedAt, BatchSummary, Log, SegmentLimits};
    use crate::wire::record_batch::{self, RecordFields, append_record, body_crc, encode_header};

    /// A closed log of one batch per key.
    fn log(keys: &[&str]) -> Log {
        let mut log = Log::new(SegmentLimits { bytes: 1 << 20, ms: i64::MAX });
        for (tick, key) in (0_u64..).zip(keys) {
            let mut body = Vec::new();
            let fields = RecordFields {
                offset_delta: 0,
                timestamp_delta_ms: 0,
                key: Some(key.as_bytes()),
                value: Some(b"v"),
                headers: &[],
            };
            append_record(&mut body, &fields);
            let header = encode_header(
                &record_batch::BatchSummary {
                    codec: record_batch::CodecId::None,
                    record_count: 1,
                    base_timestamp_ms: 0,
                    max_timestamp_ms: 0,
                    body_size_bytes: body.len(),
                    body_crc: body_crc(&[Bytes::from(body.clone())]),
                    is_transactional: false,
                },
                None,
            );
            let summary = BatchSummary {
                base_timestamp_ms: 0,
                max_timestamp_ms: 0,
                producer_id: -1,
                producer_epoch: -1,
                base_sequence: -1,
                last_offset_delta: 0,
            };
            log.append(&[&header[..], &body].concat(), summary, 0, AppendedAt { tick, now_ms: 0 });
        }
        log.roll();
        log
    }

    // A map that is full ends the run early; the next one goes on from there and comes to the same end. Fails if the part
    // that was not looked at counts as compacted, or is dropped.
    #[test]
    fn a_stretch_with_too_many_keys_is_compacted_in_several_runs() {
        let mut log = log(&["a", "b", "a", "c", "b", "a"]);
        let rule = TombstoneRule { now_ms: 0, delete_retention_ms: 0 };
        let mut runs = 0;
        while log.dirtiness(0, 0).dirty_bytes > 0 {
            let stretch = log.stretch(log.dirtiness(0, 0).up_to);
            let compacted = compact_within(&stretch, rule, ENTRY_BYTES);
            log.install(&stretch, compacted).unwrap();
            runs += 1;
            assert!(runs < 10, "each run gets further");
        }
        assert!(runs > 1, "the map was too small for one");
        let offsets: Vec<i64> = log.batches().map(|batch| batch.base_offset).collect();
        assert_eq!(offsets, [3, 4, 5]);
    }
}
