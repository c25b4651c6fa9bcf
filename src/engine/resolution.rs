//! How batches end: acknowledged, rejected, unknown; deadlines; and the lane reset.
//!
//! **Why one place.** Every end of a batch goes through [`Engine::resolve`], which asserts that it had none before
//! (K12), and every change of a lane's identity goes through [`Engine::progress_reset`] (D-6): second paths are where
//! other clients' bugs live.
//!
//! Neighbours: `produce_response` and `connections` bring the news, `runtime::delivery` hands the outcome to callers.
//! Not here: what an error code means (`error::error_code`).

use std::sync::Arc;

use crate::accumulator::producer_batch::split;
use crate::engine::action::{Acknowledged, BatchOutcome};
use crate::engine::lane::{Fate, Lane, Reset, WindowBatch};
use crate::engine::producer_id_state::LAST_CLEAN_EPOCH;
use crate::engine::{Action, Engine, Observation};
use crate::error::Cause;
use crate::identifiers::{LaneId, ProducerIdentity};
use crate::mutants::{self, Mark, Mutant, Nudge};
use crate::time::Instant;

impl Engine {
    /// The earliest deadline of the lane's batches, taken or queued.
    pub(super) fn lane_deadline(&self, lane: LaneId) -> Instant {
        let Some(state) = self.lanes.get(lane.index()) else { return Instant::NEVER };
        let mut earliest = Instant::NEVER;
        for batch in state.window.iter().filter(|batch| batch.is_pending()) {
            let at = if batch.told {
                batch.late_deadline(self.config.delivery_timeout, self.config.late_resolution)
            } else {
                batch.deadline(self.config.delivery_timeout)
            };
            earliest = earliest.min(at);
        }
        if let Some(oldest) = state.queue.oldest
            && !state.expiring
            && !state.queue.is_sealing()
        {
            earliest = earliest.min(oldest + self.config.delivery_timeout);
        }
        earliest
    }

    /// Batches whose time is over get their outcome; queued ones are expired by their queue.
    pub(super) fn check_deadlines(&mut self, lane: LaneId) {
        let now = self.now;
        let (delivery, late) = (self.config.delivery_timeout, self.config.late_resolution);
        let Some(state) = self.lanes.get_mut(lane.index()) else { return };
        if let Some(oldest) = state.queue.oldest
            && oldest + delivery <= now
            && !state.expiring
            && !state.taking
            && !state.queue.is_sealing()
        {
            state.expiring = true;
            let last = state.last_code;
            self.actions.push_back(Action::ExpireLane { lane, cutoff: now - delivery, last });
        }
        let overdue: Vec<(crate::identifiers::BatchNumber, u32)> = self.lanes[lane.index()]
            .window
            .iter()
            .filter(|batch| {
                batch.is_pending()
                    && if batch.told {
                        batch.late_deadline(delivery, late) <= now
                    } else {
                        batch.deadline(delivery) <= now || mutants::buggify(Nudge::ExpireEarly)
                    }
            })
            .map(|batch| (batch.batch.number, batch.batch.first_record))
            .collect();
        for (number, first_record) in overdue {
            let Some(place) = self.lanes[lane.index()].position(number, first_record) else { continue };
            let batch = &self.lanes[lane.index()].window[place];
            if !batch.is_pending() {
                continue;
            }
            if batch.told {
                mutants::mark(Mark::LateGivenUp);
                self.abandon(lane, place);
                continue;
            }
            let cause =
                Cause::DeliveryTimeout { waited: now.since(batch.batch.created_at), last: batch.last_code };
            if batch.may_be_in_the_log() {
                self.end_in_doubt(lane, place, cause, Late::Resend);
            } else {
                mutants::mark(Mark::ExpiredUnsent);
                self.end_without_the_log(lane, place, cause);
            }
        }
    }

    /// The batch is in the log. `gate_was_open` when the attempt was sent that was answered so.
    pub(super) fn end_acknowledged(
        &mut self,
        lane: LaneId,
        place: usize,
        gate_was_open: bool,
        news: Acknowledged,
    ) {
        let told = self.lanes[lane.index()].window[place].told;
        if told {
            mutants::mark(Mark::LateAcknowledged);
            self.stats.late_acknowledgements += 1;
            if self.is_observed {
                let batch = self.batch_name(lane, place);
                self.observe(|| Observation::LateAcknowledgement { batch, base_offset: news.base_offset });
            }
        } else if self.is_observed {
            let batch = self.batch_name(lane, place);
            self.observe(|| Observation::BatchAcknowledged {
                batch,
                base_offset: news.base_offset,
                deduplicated: news.deduplicated,
            });
        }
        self.resolve(lane, place, Fate::Acknowledged { gate_was_open }, BatchOutcome::Acknowledged(news));
    }

    /// The batch is certainly not in the log and never will be. A stamped one leaves a hole: the lane is reset.
    pub(super) fn end_without_the_log(&mut self, lane: LaneId, place: usize, cause: Cause) {
        let batch = &self.lanes[lane.index()].window[place];
        assert!(!batch.may_be_in_the_log(), "[OUT-3] a batch in doubt must not be reported as rejected");
        let leaves_a_hole = !(mutants::is_on(Mutant::K15) && matches!(cause, Cause::DeliveryTimeout { .. }));
        let (stamp, attempts) = (batch.stamp.filter(|_| leaves_a_hole), batch.attempts);
        if self.is_observed {
            let (batch, text) = (self.batch_name(lane, place), cause.to_string().into());
            self.observe(|| Observation::BatchRejected { batch, cause: text });
        }
        self.resolve(lane, place, Fate::Gone, BatchOutcome::Rejected { cause, attempts });
        if let Some(stamp) = stamp {
            let state = &mut self.lanes[lane.index()];
            state.sequences.rejected(stamp);
            state.ask_reset(Reset::because("a batch was rejected after it had a sequence"));
        }
    }

    /// Nobody can know whether the batch is in the log, unless its neighbours prove it.
    pub(super) fn end_in_doubt(&mut self, lane: LaneId, place: usize, cause: Cause, late: Late) {
        let state = &self.lanes[lane.index()];
        let attempts = state.window[place].attempts;
        if state.is_proven_present(place) {
            mutants::mark(Mark::ProofPresent);
            let stamp = state.window[place].stamp.map(|stamp| (stamp.identity, stamp.base.to_wire()));
            self.end_acknowledged(
                lane,
                place,
                false,
                Acknowledged {
                    base_offset: None,
                    log_append_time_ms: None,
                    stamp,
                    attempts,
                    deduplicated: None,
                },
            );
            return;
        }
        if state.is_proven_absent(place) {
            mutants::mark(Mark::ProofAbsent);
            self.lanes[lane.index()].window[place].doubt = None;
            self.end_without_the_log(lane, place, cause);
            return;
        }
        if self.is_observed {
            let (batch, text) = (self.batch_name(lane, place), cause.to_string().into());
            self.observe(|| Observation::BatchUnknown { batch, cause: text });
        }
        let is_resent = late == Late::Resend
            && (!self.config.late_resolution.is_zero()
                || self.lanes[lane.index()].window[place].is_at_the_last_epoch())
            && self.producer_id.is_enabled()
            && self.config.acks != crate::config::Acks::None;
        let batch = &mut self.lanes[lane.index()].window[place];
        if !batch.told {
            batch.told = true;
            self.actions.push_back(Action::Complete {
                lane,
                batch: batch.batch.number,
                first_record: batch.batch.first_record,
                record_count: batch.batch.record_count(),
                outcome: BatchOutcome::Unknown { cause, attempts },
            });
        }
        if is_resent {
            self.late_bytes += self.lanes[lane.index()].window[place].batch.size_bytes();
            self.lanes[lane.index()].window[place].is_late = true;
            self.bound_late_resolution();
        } else {
            self.abandon(lane, place);
        }
    }

    /// D-34: what is resent only for order's sake may hold half of `buffer.memory`; beyond that the oldest is given up.
    fn bound_late_resolution(&mut self) {
        while self.late_bytes > self.config.buffer_memory / 2 {
            let oldest = self
                .lanes
                .iter()
                .enumerate()
                .flat_map(|(index, lane)| {
                    let late = lane.window.iter().enumerate().filter(|(_, batch)| batch.is_late);
                    late.map(move |(place, batch)| (batch.batch.created_at, index, place))
                })
                .min();
            let Some((_, index, place)) = oldest else {
                debug_assert!(false, "[MEM-1] {} late bytes belong to no batch", self.late_bytes);
                return;
            };
            mutants::mark(Mark::LateBounded);
            self.abandon(super::lane_id(index), place);
        }
    }

    /// A batch leaves late resolution, whichever way.
    fn end_late(&mut self, lane: LaneId, place: usize) {
        let batch = &mut self.lanes[lane.index()].window[place];
        if std::mem::take(&mut batch.is_late) {
            self.late_bytes -= batch.batch.size_bytes();
        }
    }

    /// The bytes of a batch in doubt, whose caller knows, are not resent any more; the lane needs a new identity.
    pub(super) fn abandon(&mut self, lane: LaneId, place: usize) {
        self.stats.batches_abandoned += 1;
        self.end_late(lane, place);
        if self.is_observed {
            let batch = self.batch_name(lane, place);
            self.observe(|| Observation::BatchAbandoned { batch });
        }
        let state = &mut self.lanes[lane.index()];
        let batch = &mut state.window[place];
        assert!(batch.told, "[OUT-4] a batch is abandoned only after its caller was told");
        batch.fate = Fate::Gone;
        batch.batch.body = Vec::new();
        if let Some(stamp) = batch.stamp {
            if mutants::is_on(Mutant::D4Absent) {
                state.sequences.rejected(stamp);
            }
            state.ask_reset(Reset::because("a batch in doubt was abandoned").after_abandoning());
        }
        // An attempt that is still open keeps its place until its answer or its connection's end: the reset waits.
        self.touch(lane);
    }

    /// The only door to a batch's end: exactly one outcome \[OUT-5\]. An attempt that is on its way does not end here: a
    /// broker still has it to answer, and until then it keeps its place in flight (K5, K8).
    fn resolve(&mut self, lane: LaneId, place: usize, fate: Fate, outcome: BatchOutcome) {
        self.end_late(lane, place);
        let batch = &mut self.lanes[lane.index()].window[place];
        assert!(
            batch.is_pending(),
            "[OUT-5] batch {:?} of lane {lane} was resolved twice",
            batch.batch.number
        );
        batch.fate = fate;
        batch.doubt = None;
        // Its memory goes back before its caller hears of it; a socket that still reads keeps its own reference.
        batch.batch.body = Vec::new();
        if !batch.told || mutants::is_on(Mutant::K12) {
            self.actions.push_back(Action::Complete {
                lane,
                batch: batch.batch.number,
                first_record: batch.batch.first_record,
                record_count: batch.batch.record_count(),
                outcome,
            });
        }
        self.touch(lane);
    }

    /// D-6, step by step; called whenever the lane is looked at.
    pub(super) fn progress_reset(&mut self, lane: LaneId) {
        let state = &mut self.lanes[lane.index()];
        let Some(reset) = state.reset.clone() else {
            state.trim();
            return;
        };
        // (2) Each attempt is answered or its connection is gone.
        if state.window.iter().any(|batch| batch.open.is_some()) {
            return;
        }
        // (3) Batches in doubt are resolved under the old identity, head first.
        self.settle_doubt(lane, &reset);
        let state = &mut self.lanes[lane.index()];
        let in_doubt = state.window.iter().any(|batch| batch.is_pending() && batch.doubt.is_some());
        if in_doubt && !mutants::is_on(Mutant::K3) {
            mutants::mark(Mark::ResetWaits);
            return;
        }
        if !self.producer_id.is_enabled() {
            state.reset = None;
            state.window.retain(WindowBatch::is_pending);
            state.trim();
            return;
        }
        // (4) A new identity. What was settled may have added a cause.
        let mut reset = state.reset.clone().unwrap_or(reset);
        // The bump that was to fence an abandoned copy has fenced nothing until the broker has accepted a batch of it.
        reset.abandoned |= state.is_unfenced;
        let goes_on = !reset.needs_new_id && !reset.recreated;
        if mutants::is_on(Mutant::K4) && goes_on && self.reuse_freed_sequences(lane) {
            return;
        }
        let Some(identity) = self.identity_for_reset(lane, &reset) else { return };
        let state = &mut self.lanes[lane.index()];
        state.window.retain(WindowBatch::is_pending);
        for batch in &mut state.window {
            // (5) What is clean is stamped again, in order, as it goes out.
            batch.stamp = None;
        }
        state.sequences.restart(identity);
        state.is_unfenced = reset.abandoned && !reset.needs_new_id;
        state.reset = None;
        state.recovering = false;
        self.stats.lane_resets += 1;
        let (topic, partition) = (Arc::clone(&state.topic), state.partition);
        if mutants::is_on(Mutant::K15) {
            self.stamp_early(lane);
        }
        self.observe(|| Observation::LaneReset {
            lane,
            topic,
            partition,
            reason: reason_of(&reset),
            identity,
        });
    }

    /// What can be settled without resending: proofs of absence, and everything after a topic was made anew.
    fn settle_doubt(&mut self, lane: LaneId, reset: &Reset) {
        let doubtful: Vec<usize> = self.lanes[lane.index()]
            .window
            .iter()
            .enumerate()
            .filter(|(_, batch)| batch.is_pending() && batch.doubt.is_some())
            .map(|(place, _)| place)
            .collect();
        for place in doubtful {
            if self.lanes[lane.index()].is_proven_absent(place) {
                mutants::mark(Mark::CleanAgain);
                self.lanes[lane.index()].window[place].doubt = None;
            } else if reset.recreated {
                mutants::mark(Mark::RecreatedInDoubt);
                self.end_in_doubt(lane, place, Cause::TopicRecreated, Late::GiveUp);
            }
        }
    }

    /// An identity that this lane has never used, or none yet.
    fn identity_for_reset(&mut self, lane: LaneId, reset: &Reset) -> Option<ProducerIdentity> {
        let used = self.lanes[lane.index()].sequences.identity();
        if reset.needs_new_id
            && let Some(used) = used
        {
            self.producer_id.discard(used, self.now);
        }
        let Some(current) = self.producer_id.current() else {
            self.request_producer_id();
            return None;
        };
        let Some(used) = used else { return Some(current) };
        if current.producer_id != used.producer_id {
            // An abandoned copy is fenced only inside its own id (D-7); if that is fenced or used up, nothing can land.
            let inside = used.epoch.checked_add(1).filter(|_| reset.abandoned && !reset.needs_new_id);
            if inside.is_some() {
                mutants::mark(Mark::InsideOldId);
            }
            return Some(inside.map_or(current, |epoch| ProducerIdentity { epoch, ..used }));
        }
        if current.epoch > used.epoch {
            return Some(current);
        }
        if current.epoch >= LAST_CLEAN_EPOCH && !reset.abandoned {
            mutants::mark(Mark::EpochsUsedUp);
            self.producer_id.discard(current, self.now);
            self.request_producer_id();
            return None;
        }
        match self.producer_id.bump() {
            Some(identity) => {
                self.stats.epoch_bumps += 1;
                self.observe(|| Observation::EpochBumped { identity });
                Some(identity)
            }
            None => {
                self.producer_id.discard(current, self.now);
                self.request_producer_id();
                None
            }
        }
    }

    /// The broker refused a clean batch as too large: it is cut, or rejected if it has one record (D-15).
    pub(super) fn cut(&mut self, lane: LaneId, place: usize, cause: Cause) {
        let target = self.lanes[lane.index()].window[place].batch.uncompressed_bytes / 2;
        self.actions.push_back(Action::LimitGrowth { lane });
        if self.lanes[lane.index()].window[place].batch.record_count() <= 1 {
            self.end_without_the_log(lane, place, cause);
            return;
        }
        self.replace(lane, place, target, &cause, |_| true);
    }

    /// Puts the kept records of a clean batch into new batches at its place; those left out must have their outcome.
    pub(super) fn replace(
        &mut self,
        lane: LaneId,
        place: usize,
        target_bytes: usize,
        cause: &Cause,
        keep: impl Fn(u32) -> bool,
    ) {
        let compression = self.config.compression;
        let parts =
            match split(&self.lanes[lane.index()].window[place].batch, compression, target_bytes, keep) {
                Ok(parts) => parts,
                Err(error) => {
                    self.end_without_the_log(
                        lane,
                        place,
                        Cause::Compression(format!("{cause}; {error}").into()),
                    );
                    return;
                }
            };
        self.stats.batches_split += 1;
        mutants::mark(Mark::Cut);
        if self.is_observed {
            let (batch, parts) = (self.batch_name(lane, place), parts.len());
            self.observe(|| Observation::BatchSplit { batch, parts });
        }
        let state = &mut self.lanes[lane.index()];
        let Some(parent) = state.window.remove(place) else { return };
        if let Some(stamp) = parent.stamp {
            state.sequences.rejected(stamp);
            state.ask_reset(Reset::because("a batch was cut after it had a sequence"));
        }
        for (offset, part) in parts.into_iter().enumerate() {
            let mut child = WindowBatch::new(part);
            child.first_attempt_at = parent.first_attempt_at;
            state.window.insert(place + offset, child);
        }
        self.touch(lane);
    }

    /// Everything pending of every lane ends with `cause`: R if clean, U if in doubt (D-24, and the producer's end).
    pub(super) fn fail_everything(&mut self, cause: &Cause) {
        // What has not been handed over yet stays in its queue, and is rejected there.
        self.actions.retain(|action| !matches!(action, Action::Take { .. }));
        for index in 0..self.lanes.len() {
            let lane = super::lane_id(index);
            for place in 0..self.lanes[index].window.len() {
                self.fail_batch(lane, place, cause);
            }
            let state: &mut Lane = &mut self.lanes[index];
            let was_taking = std::mem::take(&mut state.taking);
            if !state.queue.is_empty() || was_taking {
                self.actions.push_back(Action::FailLane { lane, cause: cause.clone() });
            }
            self.touch(lane);
        }
    }

    fn fail_batch(&mut self, lane: LaneId, place: usize, cause: &Cause) {
        let batch = &self.lanes[lane.index()].window[place];
        if !batch.is_pending() {
            return;
        }
        if batch.told {
            self.abandon(lane, place);
        } else if batch.may_be_in_the_log() {
            self.end_in_doubt(lane, place, cause.clone(), Late::GiveUp);
        } else {
            self.end_without_the_log(lane, place, cause.clone());
        }
    }

    /// The producer ends: nothing more is written. Perform what [`Engine::poll`] still says, then drop the engine.
    pub fn shut_down(&mut self, now: Instant, cause: &Cause) {
        self.advance(now);
        self.fail_everything(cause);
    }
}

/// Whether a batch in doubt is resent after its caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// For `facteur.late.resolution.ms`.
    Resend,
    /// No: no resend can cure it, or the user has said how often to send.
    GiveUp,
}

fn reason_of(reset: &Reset) -> Arc<str> {
    Arc::clone(&reset.reason)
}
