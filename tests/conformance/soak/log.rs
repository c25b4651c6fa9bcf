//! A partition's log, and the rules by which Kafka recognises producers (specification 8.2).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use facteur::sequence::wire_add;

use super::super::peer::PeerBatch;

#[derive(Debug, Clone)]
struct Remembered {
    first: i32,
    last: i32,
    offset: i64,
    bytes: Bytes,
}

/// What a partition knows of a producer.
#[derive(Debug, Clone)]
struct ProducerEntry {
    epoch: i16,
    batches: VecDeque<Remembered>,
}

/// A partition: one log, whoever leads it.
#[derive(Debug, Default)]
pub struct Log {
    pub values: Vec<String>,
    producers: BTreeMap<i64, ProducerEntry>,
}

impl Log {
    pub fn fence(&mut self, producer_id: i64) {
        self.producers.insert(producer_id, ProducerEntry { epoch: i16::MAX, batches: VecDeque::new() });
    }

    /// Section 8.2: the code and the offset.
    pub fn append(&mut self, batch: &PeerBatch) -> (i16, i64) {
        let view = &batch.view;
        if view.producer_id < 0 {
            // Without idempotence everything is taken, as often as it comes.
            let offset = i64::try_from(self.values.len()).expect("small");
            self.values.extend(batch.values.iter().cloned());
            return (0, offset);
        }
        let (first, epoch) = (view.base_sequence, view.producer_epoch);
        let last = wire_add(first, view.record_count - 1);
        if let Some(entry) = self.producers.get_mut(&view.producer_id) {
            if entry.epoch == epoch
                && let Some(known) =
                    entry.batches.iter().find(|known| (known.first, known.last) == (first, last))
            {
                assert_eq!(known.bytes, batch.bytes, "deduplication swallowed another batch");
                return (0, known.offset);
            }
            if epoch < entry.epoch {
                return (47, -1);
            }
            let expected = if epoch > entry.epoch {
                0
            } else {
                entry.batches.back().map_or(0, |newest| wire_add(newest.last, 1))
            };
            if first != expected {
                return (45, -1);
            }
        }
        let offset = i64::try_from(self.values.len()).expect("small");
        self.values.extend(batch.values.iter().cloned());
        let entry = self
            .producers
            .entry(view.producer_id)
            .or_insert_with(|| ProducerEntry { epoch, batches: VecDeque::new() });
        if entry.epoch != epoch {
            *entry = ProducerEntry { epoch, batches: VecDeque::new() };
        }
        entry.batches.push_back(Remembered { first, last, offset, bytes: batch.bytes.clone() });
        while entry.batches.len() > 5 {
            entry.batches.pop_front();
        }
        (0, offset)
    }
}
