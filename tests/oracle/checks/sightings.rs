//! One pass over the logs: where each record was seen, by record.

use super::super::final_log::{Copy, FinalLog};
use super::super::history::{History, Lane, RecordId, Told};

/// What was seen of one record.
#[derive(Debug, Clone, std::marker::Copy)]
pub struct Sighting {
    pub copies: u32,
    /// Life and offset of the first copy on the record's own lane.
    pub first: Option<(u16, i64)>,
    /// Some copy is on its lane at the offset that was told.
    pub is_where_told: bool,
    /// Some copy is on its lane at the offset that late resolution told.
    pub is_where_told_late: bool,
    pub is_on_another_lane: bool,
    pub has_other_content: bool,
}

const UNSEEN: Sighting = Sighting {
    copies: 0,
    first: None,
    is_where_told: false,
    is_where_told_late: false,
    is_on_another_lane: false,
    has_other_content: false,
};

/// Every record's sighting, and what nobody ever sent.
#[derive(Debug)]
pub struct Sightings {
    by_record: Vec<Sighting>,
    pub strangers: Vec<(Lane, Copy)>,
}

impl Sightings {
    pub fn of(history: &History, log: &FinalLog) -> Self {
        let mut all = Self { by_record: vec![UNSEEN; history.entries.len()], strangers: Vec::new() };
        for (lane, lane_log) in (0..).map(Lane).zip(&log.lanes) {
            for copy in &lane_log.copies {
                all.see(history, lane, *copy);
            }
        }
        all
    }

    pub fn get(&self, id: RecordId) -> &Sighting {
        &self.by_record[id.place()]
    }

    fn see(&mut self, history: &History, lane: Lane, copy: Copy) {
        let Some(entry) = history.entry(copy.found.id) else {
            self.strangers.push((lane, copy));
            return;
        };
        let sighting = &mut self.by_record[copy.found.id.place()];
        sighting.copies += 1;
        if entry.lane != lane {
            sighting.is_on_another_lane = true;
            return;
        }
        let place = (copy.life, copy.found.offset);
        sighting.first = Some(sighting.first.map_or(place, |first| first.min(place)));
        let is_here = |told: Option<Told>| {
            told.is_some_and(|told| match told {
                Told::Acknowledged { offset } => offset.is_none_or(|offset| offset == copy.found.offset),
                Told::Rejected { .. } | Told::Unknown { .. } | Told::Refused => false,
            })
        };
        sighting.is_where_told |= is_here(entry.told);
        sighting.is_where_told_late |= is_here(entry.late);
        sighting.has_other_content |=
            copy.found.content != entry.content && entry.told != Some(Told::Refused);
    }
}
