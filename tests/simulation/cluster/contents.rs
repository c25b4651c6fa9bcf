//! What is in the logs in the end.
//!
//! Neighbours: the oracle compares it with what was accepted. Not here: any judgement.

use std::sync::Arc;

use bytes::Bytes;

use facteur::wire::compression::{DecompressionLimits, decompress};
use facteur::wire::record_batch::CodecId;
use facteur::wire::record_batch_reader::BatchView;

use super::Cluster;
use super::checks::record_id;
use super::replica::{Entry, Replica};
use super::wire::{RawRecord, for_each_record};

/// One record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub offset: i64,
    /// The id that its value begins with; `None` if it has none.
    pub id: Option<usize>,
    pub timestamp_ms: i64,
    /// The record, from its attributes to its headers.
    pub record: Bytes,
}

/// One partition: its leader's log, and what in-sync copies have otherwise below the high watermark.
#[derive(Debug, Clone)]
pub struct Contents {
    pub topic: Arc<str>,
    pub partition: i32,
    /// How often the topic was created before; what was in its earlier lives comes first.
    pub life: u16,
    pub log_start: i64,
    pub found: Vec<Found>,
    /// How many in-sync copies have the very batches of `found` below the high watermark.
    pub equal_copies: usize,
    /// The ids of those that have others.
    pub replicas: Vec<Vec<(i64, Option<usize>)>>,
}

/// Whether both logs hold the same batches below an offset. Copies share their bytes, so it is enough to see where they
/// lie.
fn is_same_below(log: &Replica, copy: &Replica, upto: i64) -> bool {
    let below = |entry: &&Entry| entry.end <= upto;
    let ours = log.entries.iter().filter(below);
    let theirs = copy.entries.iter().filter(below);
    let key = |entry: &Entry| (entry.base, entry.bytes.as_ptr(), entry.bytes.len());
    log.log_start == copy.log_start && ours.map(key).eq(theirs.map(key))
}

/// A batch's records, unpacked, and how many they are; the time of the first.
fn body_of(entry: &Entry) -> Option<(Bytes, i32, i64)> {
    let view = BatchView::parse(&entry.bytes).ok()?;
    let body = match view.codec().ok()? {
        CodecId::None => view.body.clone(),
        codec => Bytes::from(decompress(codec, &view.body, &DecompressionLimits::default()).ok()?),
    };
    Some((body, view.record_count, view.base_timestamp_ms))
}

fn read(replica: &Replica, upto: i64, mut visit: impl FnMut(i64, &Bytes, i64, RawRecord<'_>)) {
    for entry in replica.entries.iter().filter(|entry| entry.base >= replica.log_start && entry.end <= upto) {
        let (body, count, base_timestamp_ms) = body_of(entry).expect("what was appended can be read");
        let all = for_each_record(&body, count, |record| {
            let offset = entry.base + i64::from(record.offset_delta);
            visit(offset, &body, base_timestamp_ms + record.timestamp_delta_ms, record);
        });
        assert!(all.is_some(), "the batch at {} holds what it claims", entry.base);
    }
}

impl Cluster {
    /// Every partition of every topic that exists now, in order.
    #[must_use]
    pub fn contents(&self) -> Vec<Contents> {
        let all = self.topics.iter().flat_map(|topic| &topic.parts);
        all.map(|part| self.contents_of(*part)).collect()
    }

    /// The partitions of topics that were deleted, as they were then, oldest first.
    #[must_use]
    pub fn former_contents(&self) -> Vec<Contents> {
        let gone = (0..self.parts.len()).filter(|part| self.parts[*part].is_gone);
        gone.map(|part| self.contents_of(part)).collect()
    }

    fn contents_of(&self, part: usize) -> Contents {
        let part = &self.parts[part];
        let longest = part.assigned.iter().copied().max_by_key(|node| part.replicas[*node].end());
        let leader = part.state.leader.or(longest).unwrap_or(0);
        let log = &part.replicas[leader];
        let mut found = Vec::new();
        read(log, log.end(), |offset, body, timestamp_ms, record| {
            let id = record.value.and_then(record_id);
            found.push(Found { offset, id, timestamp_ms, record: body.slice_ref(record.whole) });
        });
        let in_sync = part.assigned.iter().filter(|node| part.state.has_in_sync(**node) && **node != leader);
        let (mut equal_copies, mut replicas) = (0, Vec::new());
        for node in in_sync {
            let copy = &part.replicas[*node];
            let upto = log.high_watermark.min(copy.end());
            if is_same_below(log, copy, upto) {
                equal_copies += 1;
                continue;
            }
            let mut ids = Vec::new();
            read(copy, upto, |offset, _, _, record| ids.push((offset, record.value.and_then(record_id))));
            replicas.push(ids);
        }
        Contents {
            topic: Arc::clone(&self.topics[part.topic].name),
            partition: part.index,
            life: part.life,
            log_start: log.log_start,
            found,
            equal_copies,
            replicas,
        }
    }
}
