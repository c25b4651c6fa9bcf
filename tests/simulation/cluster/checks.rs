//! What only somebody who sees both sides can check: the cluster's part of the oracle (Q9, Q10, Q11, and the duplicate
//! whose bytes are others).
//!
//! | check | what would be wrong |
//! |---|---|
//! | Q1 | a batch is recognised as a duplicate, but holds other bytes: its records are lost in silence |
//! | Q9 | a success with `acks=all` before the in-sync set has the batch |
//! | Q10 | one identity and sequence with two contents (K4, K7), or records that are in the log come under another identity (K3) |
//! | Q11, K5 | two batches of a lane open on a connection on which nothing of their identity was ever acknowledged |
//!
//! **Why so careful.** A broker sees when requests arrive, not when they were sent, and not whether its answers do. So K5
//! looks only at requests that are open at the same time on one connection: what a correct producer does can never be
//! blamed, and what breaks the rule under load is seen. The exact checks of K5, K6, K8 and K15 are the oracle's, at the
//! producer's socket (`wiretap`): here nobody knows which answers were heard.
//!
//! Neighbours: [`super::serving`] and [`super::produce`] report here. Not here: the client's view, which is the oracle's.

use bytes::Bytes;

use super::replica::Entry;
use super::serving::{Conn, Request};
use super::state::Part;
use super::wire::{BatchHead, ProduceRequest, for_each_value};

/// Record ids are dense; what is larger is no id.
const MAX_RECORDS: u64 = 1 << 22;

/// What was found, and by which check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub check: &'static str,
    pub text: String,
}

/// A batch of one identity, as it was first seen.
#[derive(Debug)]
struct Stamp {
    base: i32,
    count: i32,
    records: Bytes,
}

/// The batches of one producer id and epoch in one partition.
#[derive(Debug)]
struct Identity {
    part: usize,
    producer_id: i64,
    epoch: i16,
    stamps: Vec<Stamp>,
}

/// Where a record was appended.
#[derive(Debug, Clone, Copy)]
struct Place {
    part: usize,
    base: i64,
    crc: u32,
}

/// The checks' memory.
#[derive(Debug, Default)]
pub struct Checks {
    /// Nobody is going to ask.
    is_off: bool,
    found: Vec<Finding>,
    identities: Vec<Identity>,
    /// By record id.
    places: Vec<Option<Place>>,
}

impl Checks {
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.found)
    }

    fn find(&mut self, check: &'static str, text: String) {
        if self.found.len() < 20 {
            self.found.push(Finding { check, text });
        }
    }

    pub const fn switch_off(&mut self) {
        self.is_off = true;
    }

    /// The model has broken a rule of its own.
    pub fn model_is_wrong(&mut self, text: String) {
        self.find("model", text);
    }

    fn identity(&mut self, part: usize, head: &BatchHead) -> usize {
        let same = |known: &Identity| {
            known.part == part && known.producer_id == head.producer_id && known.epoch == head.epoch
        };
        if let Some(place) = self.identities.iter().rposition(same) {
            return place;
        }
        let (producer_id, epoch) = (head.producer_id, head.epoch);
        self.identities.push(Identity { part, producer_id, epoch, stamps: Vec::new() });
        self.identities.len() - 1
    }

    /// A request has arrived whole.
    pub fn arrived(&mut self, conn: &Conn, request: &Request, parts: &[Part]) {
        let Some(produce) = request.produce.as_ref().filter(|_| !self.is_off) else { return };
        for (item, place) in produce.items.iter().zip(&request.places) {
            let (Some(head), Some(part)) = (item.head, *place) else { continue };
            if head.magic != 2 || head.producer_id < 0 || head.size != item.records.len() {
                continue;
            }
            self.check_gate(conn, part, &head, parts);
            self.check_stamp(part, &head, &item.records, parts);
        }
    }

    /// K5: nothing of this identity was acknowledged here, and yet another batch of the lane is open.
    fn check_gate(&mut self, conn: &Conn, part: usize, head: &BatchHead, parts: &[Part]) {
        if conn.opened.contains(&(part, head.producer_id, head.epoch)) {
            return;
        }
        let is_open = |(request, places): (&ProduceRequest, &Vec<Option<usize>>)| {
            request.items.iter().zip(places).any(|(item, place)| {
                *place == Some(part)
                    && item.head.is_some_and(|open| {
                        open.producer_id == head.producer_id
                            && open.epoch == head.epoch
                            && open.base_sequence != head.base_sequence
                    })
            })
        };
        let pending = conn.pending.iter().map(|pending| (&pending.request, &pending.places));
        let queued =
            conn.queue.iter().filter_map(|request| Some((request.produce.as_ref()?, &request.places)));
        if pending.chain(queued).any(is_open) {
            let index = parts[part].index;
            let text = format!(
                "K5: partition {index}: sequence {} of {}/{} came while another batch was open, before any success",
                head.base_sequence, head.producer_id, head.epoch
            );
            self.find("Q11", text);
        }
    }

    /// Q10: one name, one content.
    fn check_stamp(&mut self, part: usize, head: &BatchHead, records: &Bytes, parts: &[Part]) {
        let place = self.identity(part, head);
        let stamps = &mut self.identities[place].stamps;
        let end = i64::from(head.base_sequence) + i64::from(head.count);
        let overlaps = |stamp: &Stamp| {
            i64::from(stamp.base) < end
                && i64::from(head.base_sequence) < i64::from(stamp.base) + i64::from(stamp.count)
        };
        // Most batches are the next of their identity.
        let is_next = stamps
            .last()
            .is_none_or(|last| i64::from(last.base) + i64::from(last.count) == i64::from(head.base_sequence));
        let seen = if is_next { None } else { stamps.iter().rposition(overlaps) };
        let Some(at) = seen else {
            stamps.push(Stamp { base: head.base_sequence, count: head.count, records: records.clone() });
            self.check_restamp(part, head, records, parts);
            return;
        };
        if stamps[at].records != *records {
            let text = format!(
                "sequence {} of {}/{} was stamped on {} records from {}, and now on {} others or other bytes",
                head.base_sequence,
                head.producer_id,
                head.epoch,
                stamps[at].count,
                stamps[at].base,
                head.count
            );
            self.find("Q10", text);
        }
    }

    /// K3: the records of a batch with a new stamp must not lie in the leader's log under another. An older
    /// identity is that of a zombie, of a batch that was proven absent (D-4) and stamped anew: the broker answers 47 or 45.
    fn check_restamp(&mut self, part: usize, head: &BatchHead, records: &Bytes, parts: &[Part]) {
        let Some(leader) = parts[part].state.leader else { return };
        let replica = &parts[part].replicas[leader];
        let mut again = None;
        for_each_value(records, |record| {
            let Some(id) = record.value.and_then(record_id) else { return };
            let Some(place) = self.places.get(id).copied().flatten().filter(|place| place.part == part)
            else {
                return;
            };
            // The same checksum is the same stamp: a zombie so late that its stamp was forgotten here.
            let is_there = |entry: &Entry| {
                let is_zombie = entry.identity.is_some_and(|stored| {
                    (stored.producer_id, stored.epoch) > (head.producer_id, head.epoch)
                });
                crc_of(&entry.bytes) == place.crc && place.crc != head.crc && !is_zombie
            };
            if replica.entry_at(place.base).is_some_and(is_there) {
                again = Some((id, place.base));
            }
        });
        if let Some((id, base)) = again {
            let text = format!(
                "record {id} lies in the batch at offset {base}, and came again as {}/{} from sequence {}",
                head.producer_id, head.epoch, head.base_sequence
            );
            self.find("Q10", text);
        }
    }

    /// A batch was appended at a leader.
    pub fn appended(&mut self, part: usize, base: i64, records: &Bytes) {
        if self.is_off {
            return;
        }
        let crc = crc_of(records);
        for_each_value(records, |record| {
            let Some(id) = record.value.and_then(record_id) else { return };
            if self.places.len() <= id {
                self.places.resize(id + 1, None);
            }
            self.places[id] = Some(Place { part, base, crc });
        });
    }

    /// A batch was recognised as a duplicate of `entry`.
    pub fn duplicate(&mut self, entry: Option<&Entry>, head: &BatchHead, records: &Bytes) {
        if entry.is_none_or(|entry| entry.bytes != *records) {
            let text = format!(
                "silent loss: {}/{} from sequence {} was recognised, but holds other bytes than the batch in the log",
                head.producer_id, head.epoch, head.base_sequence
            );
            self.find("Q1", text);
        }
    }

    /// A success with `acks=all` is about to go out.
    pub fn acknowledged(&mut self, part: &Part, required: i64, is_safe: bool) {
        if !is_safe || part.ever_committed < required {
            let text = format!(
                "partition {}: offset {} was acknowledged, {} is committed, enough in sync: {is_safe}",
                part.index,
                required - 1,
                part.ever_committed
            );
            self.find("Q9", text);
        }
    }
}

/// The id that a record's value begins with.
pub fn record_id(value: &[u8]) -> Option<usize> {
    let id = u64::from_be_bytes(value.get(..8)?.try_into().ok()?);
    (id < MAX_RECORDS).then_some(id as usize)
}

fn crc_of(batch: &Bytes) -> u32 {
    BatchHead::read(batch).map_or(0, |head| head.crc)
}
