//! The promises, asked of the logs: what each mode owes (D-25, D-40).

use std::collections::BTreeMap;

use facteur::Cause;
use facteur::engine::BatchOutcome;

use super::Soak;

/// Where a copy of a record is: which of the topic's lives, and the offset.
type Place = (usize, i64);

/// A record's number: the value up to the padding.
fn id_of(value: &str) -> usize {
    value.split(' ').next().unwrap_or_default().parse().expect("a record's number")
}

impl Soak {
    /// Every copy of every record, by record. With idempotence: at most one, in order.
    fn places(&self, seed: u64) -> BTreeMap<usize, Vec<Place>> {
        let mut places: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        for lane in 0..self.lanes {
            let mut in_order = Vec::new();
            for (life, log) in self.former_logs.iter().chain([&self.logs]).map(|logs| &logs[lane]).enumerate()
            {
                for (value, offset) in log.values.iter().zip(0..) {
                    let id = id_of(value);
                    assert_eq!(self.lane_of[id], lane, "seed {seed}: record {id} is in another lane's log");
                    places.entry(id).or_default().push((life, offset));
                    in_order.push(id);
                }
            }
            if self.mode.is_idempotent() {
                for pair in in_order.windows(2) {
                    assert!(pair[0] < pair[1], "seed {seed}: lane {lane} has {} before {}", pair[0], pair[1]);
                }
            }
        }
        for (id, copies) in &places {
            let is_once = copies.len() == 1 || self.mode.may_duplicate();
            assert!(is_once, "seed {seed}: record {id} is there more than once: {copies:?}");
        }
        places
    }

    pub fn check(&self, seed: u64) {
        let places = self.places(seed);
        for (id, outcome) in self.world.outcomes.iter().enumerate() {
            let copies = places.get(&id).map_or(&[][..], Vec::as_slice);
            match outcome {
                None => panic!("seed {seed}: record {id} has no outcome"),
                Some(BatchOutcome::Acknowledged(_)) if self.mode.acks == "0" => {}
                Some(BatchOutcome::Acknowledged(news)) => {
                    assert!(!copies.is_empty(), "seed {seed}: acknowledged record {id} is lost");
                    let is_there = |told| copies.iter().any(|(_, offset)| *offset == told);
                    assert!(
                        news.base_offset.is_none_or(is_there),
                        "seed {seed}: {id} at {copies:?}: {news:?}"
                    );
                }
                Some(BatchOutcome::Rejected { cause, .. }) => {
                    assert!(copies.is_empty(), "seed {seed}: rejected record {id} is in the log: {cause}");
                }
                Some(BatchOutcome::Unknown { cause: Cause::TopicRecreated, .. }) => {
                    assert!(
                        copies.iter().all(|(life, _)| *life == 0),
                        "seed {seed}: record {id} was in doubt and is in the new topic: {copies:?}"
                    );
                }
                Some(BatchOutcome::Unknown { .. }) => {}
            }
        }
        assert!(self.waiting.is_empty(), "seed {seed}: {} appends still wait for memory", self.waiting.len());
        assert!(!self.world.engine.has_late_resolution(), "seed {seed}: late resolution never ends");
        assert_eq!(self.world.reserved_bytes(), 0, "seed {seed}: memory is still held");
    }
}
