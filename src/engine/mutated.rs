//! Broken rules that take more than a line to break. Dead code unless a test asks for it: see [`crate::mutants`].
//!
//! **Why they look reasonable.** Each is what a careful reader could let pass: a mutant that crashes at once shows
//! nothing about the checks. Neighbours: called from the places where the rules live. Not here: the rules.

use crate::engine::lane::{Fate, WindowBatch};
use crate::engine::{Engine, LaneId};
use crate::identifiers::ConnectionId;
use crate::sequence::Sequence;

impl Engine {
    /// K1: the identity is the producer's, so a lane takes the newest before each send.
    pub(super) fn follow_the_producer(&mut self, lane: LaneId) {
        let (Some(current), Some(state)) = (self.producer_id.current(), self.lanes.get_mut(lane.index()))
        else {
            return;
        };
        if state.sequences.identity().is_none_or(|used| used == current) {
            return;
        }
        state.sequences.restart(current);
        for batch in state.window.iter_mut().filter(|batch| batch.is_pending() && batch.open.is_none()) {
            batch.stamp = None;
        }
    }

    /// K4: nothing is wrong with the identity, so the sequences that were given up are used for what follows.
    pub(super) fn reuse_freed_sequences(&mut self, lane: LaneId) -> bool {
        let Some(state) = self.lanes.get_mut(lane.index()) else { return false };
        let identity = state.sequences.identity();
        let own = |batch: &WindowBatch| batch.stamp.filter(|stamp| Some(stamp.identity) == identity);
        let freed: Option<Sequence> = state
            .window
            .iter()
            .filter(|batch| batch.fate == Fate::Gone)
            .filter_map(|batch| own(batch).map(|stamp| stamp.base))
            .min();
        let Some(freed) = freed else { return false };
        let is_behind = |batch: &WindowBatch| {
            matches!(batch.fate, Fate::Acknowledged { .. })
                && own(batch).is_some_and(|stamp| stamp.base > freed)
        };
        if state.window.iter().any(is_behind) {
            return false;
        }
        state.sequences.rewind(freed);
        state.window.retain(WindowBatch::is_pending);
        for batch in &mut state.window {
            batch.stamp = None;
        }
        state.reset = None;
        state.recovering = false;
        true
    }

    /// K9: what is not in the metadata is not there.
    pub(super) fn forget_sequences(&mut self, topic: &std::sync::Arc<str>) {
        for state in self.lanes.iter_mut().filter(|state| state.topic == *topic) {
            state.sequences = super::partition_sequences::PartitionSequences::default();
        }
    }

    /// K11: what is overdue counts as unanswered; the connection is still good for the next request.
    pub(super) fn forget_what_is_overdue(&mut self, connection: ConnectionId) {
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        open.last_progress = now;
        open.last_answer = now;
        let requests: Vec<_> = open.in_flight.drain().collect();
        for request in &requests {
            match &request.kind {
                super::in_flight_requests::RequestKind::Produce(sent) => {
                    for batch in sent {
                        self.attempt_unanswered(batch, request.written_at.is_some());
                    }
                }
                super::in_flight_requests::RequestKind::Metadata => self.metadata_failed(),
                super::in_flight_requests::RequestKind::InitProducerId => self.producer_id_unanswered(),
                super::in_flight_requests::RequestKind::ApiVersions => {}
            }
        }
    }

    /// K15: whatever waits in the window has its name already.
    pub(super) fn stamp_early(&mut self, lane: LaneId) {
        let current = self.producer_id.current();
        let Some(state) = self.lanes.get_mut(lane.index()) else { return };
        let Some(current) = current.or_else(|| state.sequences.identity()) else { return };
        if state.reset.is_some() {
            return;
        }
        for batch in state.window.iter_mut().filter(|batch| batch.is_pending() && batch.stamp.is_none()) {
            batch.stamp = Some(state.sequences.assign(current, batch.batch.record_count()));
        }
    }

    /// K16: what is due is due, before anything is read.
    pub(super) fn fire_before_reading(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            self.fire(timer);
        }
        while let Some(lane) = self.dirty.pop_front() {
            self.look_at(lane);
        }
    }

    /// A nudge, not a broken rule: what was just taken is cut in two, as if it had been sealed twice.
    pub(super) fn cut_the_newest(&mut self, lane: LaneId) {
        let Some(place) = self.lanes.get(lane.index()).and_then(|state| state.window.len().checked_sub(1))
        else {
            return;
        };
        let batch = &self.lanes[lane.index()].window[place];
        if batch.is_pending()
            && batch.stamp.is_none()
            && batch.attempts == 0
            && batch.batch.record_count() > 1
        {
            let target = batch.batch.uncompressed_bytes / 2;
            self.replace(lane, place, target, &crate::error::Cause::Network, |_| true);
        }
    }
}
