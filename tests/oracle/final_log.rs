//! What is in the logs when all is over: every copy of every record, lane by lane.
//!
//! **Lives.** A topic that is deleted and made anew has a log in each of its lives; who still has the old ones puts them
//! here too, oldest first, so that "once" means once in all of them (D-40).

use super::history::{Lane, RecordId};

/// One copy of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub offset: i64,
    pub id: RecordId,
    /// The hash that the history has, computed from what was read.
    pub content: u64,
}

/// One replica's log of a lane, below the high watermark.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    pub node: i32,
    pub records: Vec<Found>,
    /// It is in sync and must have everything; otherwise it may end early.
    pub is_complete: bool,
}

/// A copy with the topic's life that it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    pub(super) life: u16,
    pub(super) found: Found,
}

/// The logs of a run.
#[derive(Debug, Clone, Default)]
pub struct FinalLog {
    pub(super) lanes: Vec<LaneLog>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct LaneLog {
    /// In the order of life and offset.
    pub(super) copies: Vec<Copy>,
    pub(super) replicas: Vec<Replica>,
    /// Records below it were deleted by retention or by request: nobody can read them.
    pub(super) start_offset: i64,
    pub(super) is_sorted: bool,
}

impl FinalLog {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A record was read from a lane's log.
    pub fn found(&mut self, lane: Lane, found: Found) {
        self.found_in_life(lane, 0, found);
    }

    /// As [`Self::found`], where the topic has had several lives; 0 is the first.
    pub fn found_in_life(&mut self, lane: Lane, life: u16, found: Found) {
        let log = self.lane_mut(lane);
        let is_in_order =
            log.copies.last().is_none_or(|last| (last.life, last.found.offset) <= (life, found.offset));
        log.is_sorted &= is_in_order;
        log.copies.push(Copy { life, found });
    }

    /// What one replica has, for Q6.
    pub fn replica(&mut self, lane: Lane, replica: Replica) {
        self.lane_mut(lane).replicas.push(replica);
    }

    /// The log begins at this offset: what was below is gone by order or by retention.
    pub fn starts_at(&mut self, lane: Lane, offset: i64) {
        self.lane_mut(lane).start_offset = offset;
    }

    /// How many copies there are in all.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.lanes.iter().map(|lane| lane.copies.len()).sum()
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut LaneLog {
        if self.lanes.len() <= lane.place() {
            let new = || LaneLog { is_sorted: true, ..LaneLog::default() };
            self.lanes.resize_with(lane.place() + 1, new);
        }
        &mut self.lanes[lane.place()]
    }
}
