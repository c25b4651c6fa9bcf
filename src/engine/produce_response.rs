//! What an answer to Produce means for each of its batches.
//!
//! **Why it never trusts the answer's shape.** A broker may leave a partition out, repeat one, or add one that was not
//! asked for: what is missing stays in doubt, what is extra is ignored (N29). What a code means stands in
//! [`crate::error::error_code`]; that earlier doubt outlives a later refusal (K2) is decided here.
//!
//! Neighbours: `connections` decodes and calls, `resolution` ends batches, `sender` sends again. Not here: leader hints,
//! which `metadata` applies.

use crate::engine::action::Acknowledged;
use crate::engine::in_flight_requests::{InFlight, SentBatch};
use crate::engine::lane::{Attempt, Fate, Lane, Reset, broker_cause};
use crate::engine::partition_sequences::Gate;
use crate::engine::resolution::Late;
use crate::engine::{BatchName, Engine, Observation};
use crate::error::{AnswerClass, Cause, ErrorCode};
use crate::identifiers::{ConnectionId, LaneId, NodeId, TopicId};
use crate::mutants::{self, Mark, Mutant};
use crate::wire::api::produce::{PartitionAnswer, ProduceResponse, TopicRef};

/// A batch that a broker finds corrupt is sent again so often: our memory or the network may be at fault (B31).
const MAX_CORRUPT_ANSWERS: u32 = 3;

impl Engine {
    /// All batches of an answered request.
    pub(super) fn produce_answered(
        &mut self,
        connection: ConnectionId,
        request: &InFlight,
        sent: &[SentBatch],
        response: &ProduceResponse,
    ) {
        let latency = super::sender::micros(self.now.since(request.sent_at));
        self.stats.responses += 1;
        self.stats.request_latency_sum_us += latency;
        self.stats.distributions.request_latency_us.observe(latency);
        self.stats.request_latency_max_us = self.stats.request_latency_max_us.max(latency);
        let node = self.connections.get(&connection).map_or(NodeId(-1), |open| open.node);
        let answers = Answers::of(&response.partitions);
        for batch in sent {
            let answer = self.lanes.get(batch.lane.index()).and_then(|lane| answers.to(lane, batch.topic_id));
            self.observe_answered((connection, node), request, batch, answer);
            match answer {
                Some(answer) => {
                    let is_led = self.apply_leader_hint(batch.lane, answer, &response.node_endpoints);
                    let pace = if is_led { Pace::Led } else { Pace::Backoff };
                    self.batch_answered(batch, answer, pace);
                }
                None => {
                    // The answer leaves the partition out: as good as none.
                    mutants::mark(Mark::AnswerLeavesOut);
                    self.attempt_unanswered(batch, true);
                    self.doubt_metadata();
                }
            }
            self.touch(batch.lane);
        }
        if response.throttle_ms > 0 {
            self.throttle(connection, response.throttle_ms);
        }
    }

    /// Told before the answer changes anything, so that it names the attempt that it answers.
    fn observe_answered(
        &mut self,
        (connection, node): (ConnectionId, NodeId),
        request: &InFlight,
        sent: &SentBatch,
        answer: Option<&PartitionAnswer>,
    ) {
        let Some(answer) = answer else {
            self.observe_unanswered(
                (connection, node),
                request,
                sent,
                "the answer leaves this partition out",
            );
            return;
        };
        let Some(batch) = self.observed_attempt(connection, sent) else { return };
        let (correlation_id, code) = (request.correlation_id, answer.error);
        let base_offset = (answer.base_offset >= 0).then_some(answer.base_offset);
        let waited_us = super::sender::micros(self.now.since(request.sent_at));
        self.observe(|| Observation::BatchAnswered {
            batch,
            node,
            connection,
            correlation_id,
            code,
            base_offset,
            waited_us,
        });
    }

    pub(super) fn observe_unanswered(
        &mut self,
        (connection, node): (ConnectionId, NodeId),
        request: &InFlight,
        sent: &SentBatch,
        reason: &str,
    ) {
        let Some(batch) = self.observed_attempt(connection, sent) else { return };
        let (correlation_id, was_written) = (request.correlation_id, request.written_at.is_some());
        self.observe(|| Observation::BatchUnanswered {
            batch,
            node,
            connection,
            correlation_id,
            was_written,
            reason: reason.into(),
        });
    }

    /// The batch of an attempt that is open on this connection, if anybody wants to hear of it.
    fn observed_attempt(&self, connection: ConnectionId, sent: &SentBatch) -> Option<BatchName> {
        if !self.is_observed {
            return None;
        }
        let state = self.lanes.get(sent.lane.index())?;
        let place = state.position(sent.batch, sent.first_record)?;
        let is_open = state.window[place].open.is_some_and(|open| open.connection == connection);
        is_open.then(|| self.batch_name(sent.lane, place))
    }

    fn batch_answered(&mut self, sent: &SentBatch, answer: &PartitionAnswer, pace: Pace) {
        let Some((place, attempt)) = self.end_attempt(sent) else { return };
        let code = answer.error;
        let lane = sent.lane;
        self.lanes[lane.index()].last_code = (!code.is_none()).then_some(code);
        self.lanes[lane.index()].travels_alone = matches!(code.0, 7 | 19 | 20);
        if self.lanes[lane.index()].travels_alone {
            mutants::mark(Mark::TravelsAlone);
        }
        if !code.is_none() {
            self.lanes[lane.index()].window[place].last_code = Some(code);
        }
        // 7 as well, other than in Java: so answers a leader that is cut off and can replicate nothing (B07).
        if code.wants_metadata_refresh() || code == ErrorCode::REQUEST_TIMED_OUT {
            self.doubt_metadata();
        }
        if mutants::is_on(Mutant::K2)
            && !matches!(code.class(), AnswerClass::Success | AnswerClass::Indeterminate)
        {
            self.lanes[lane.index()].window[place].doubt = None;
        }
        match code.class() {
            AnswerClass::Success => self.answered_success(lane, place, attempt, answer),
            AnswerClass::Indeterminate => {
                self.lanes[lane.index()].window[place].becomes_doubtful_by_answer();
                self.try_again(lane, place, broker_cause(code, answer.message.as_deref()), pace);
            }
            AnswerClass::Resend => {
                self.try_again(lane, place, broker_cause(code, answer.message.as_deref()), pace);
            }
            AnswerClass::ResendFewTimes => {
                let batch = &mut self.lanes[lane.index()].window[place];
                batch.corrupt_answers += 1;
                if batch.corrupt_answers > MAX_CORRUPT_ANSWERS {
                    mutants::mark(Mark::CorruptTooOften);
                    self.refused(lane, place, answer);
                } else {
                    self.try_again(lane, place, broker_cause(code, answer.message.as_deref()), Pace::Backoff);
                }
            }
            AnswerClass::RejectBatch => self.refused(lane, place, answer),
            AnswerClass::TooLarge => {
                let batch = &self.lanes[lane.index()].window[place];
                // A batch whose callers know already has no use for children (E8).
                if batch.doubt.is_some() || batch.told {
                    self.refused(lane, place, answer);
                } else {
                    self.cut(lane, place, broker_cause(code, answer.message.as_deref()));
                }
            }
            AnswerClass::InvalidRecords => self.answered_invalid_records(lane, place, answer),
            AnswerClass::OutOfOrder => self.answered_out_of_order(lane, place, answer),
            AnswerClass::IdentityLost => self.answered_identity_lost(lane, place, answer),
            AnswerClass::RejectProducer => {
                self.refused(lane, place, answer);
                self.producer_refused(&broker_cause(code, answer.message.as_deref()));
            }
        }
    }

    /// Takes the attempt off the batch; none if the batch is not there any more.
    fn end_attempt(&mut self, sent: &SentBatch) -> Option<(usize, Attempt)> {
        let state = self.lanes.get_mut(sent.lane.index())?;
        let place = state.position(sent.batch, sent.first_record)?;
        let batch = &mut state.window[place];
        let attempt = batch.open.take()?;
        // One that was abandoned, or proven present, only waited for this.
        (batch.fate == Fate::Pending).then_some((place, attempt))
    }

    fn answered_success(&mut self, lane: LaneId, place: usize, attempt: Attempt, answer: &PartitionAnswer) {
        let state = &mut self.lanes[lane.index()];
        let gate = Gate { connection: attempt.connection, leader_epoch: attempt.leader_epoch };
        let batch = &mut state.window[place];
        let is_duplicate_code = answer.error == ErrorCode::DUPLICATE_SEQUENCE_NUMBER;
        let base_offset = (answer.base_offset >= 0 && !is_duplicate_code).then_some(answer.base_offset);
        let deduplicated = if is_duplicate_code {
            Some(true)
        } else if batch.attempts <= 1 || answer.log_append_time_ms == -1 || batch.stamp.is_none() {
            Some(false)
        } else if answer.log_append_time_ms == batch.batch.summary.max_timestamp_ms {
            // What Kafka 2.x to 4.x answers for a batch that it has seen (D-27).
            Some(true)
        } else {
            None
        };
        let append_time =
            Some(answer.log_append_time_ms).filter(|time| *time >= 0 && deduplicated != Some(true));
        let news = Acknowledged {
            base_offset,
            log_append_time_ms: append_time,
            stamp: batch.stamp.map(|stamp| (stamp.identity, stamp.base.to_wire())),
            attempts: batch.attempts,
            deduplicated,
        };
        if let Some(stamp) = batch.stamp {
            state.sequences.acknowledged(stamp.identity, gate, self.now);
            state.is_unfenced &= state.sequences.identity() != Some(stamp.identity);
        }
        if state.head() == Some(place) {
            state.recovering = false;
        }
        if deduplicated == Some(true) {
            mutants::mark(Mark::KnownDuplicate);
            self.stats.batches_deduplicated += 1;
        }
        self.watch_offset(lane, place, base_offset);
        self.end_acknowledged(lane, place, attempt.gate_was_open, news);
    }

    /// The same bytes go out again, if `retries` allow; only the head until it is acknowledged (D-9).
    pub(super) fn try_again(&mut self, lane: LaneId, place: usize, cause: Cause, pace: Pace) {
        let retries = self.config.retries;
        let state = &mut self.lanes[lane.index()];
        state.recovering = true;
        let batch = &mut state.window[place];
        if pace != Pace::Free {
            batch.failures += 1;
        }
        if batch.failures > retries && !batch.told {
            mutants::mark(Mark::RetriesUsedUp);
            if batch.doubt.is_some() {
                self.end_in_doubt(lane, place, cause, Late::GiveUp);
            } else {
                self.end_without_the_log(lane, place, cause);
            }
            return;
        }
        if pace != Pace::Free {
            let failures = batch.failures.saturating_sub(1);
            let wait = self.retry_backoff.after(failures, &mut self.random);
            let until = self.now + wait;
            let state = &mut self.lanes[lane.index()];
            if pace == Pace::Backoff || state.led_until > self.now {
                state.backoff_until = state.backoff_until.max(until);
            }
            if pace == Pace::Led {
                // Brokers that name each other must not make the batch fly to and fro (B04).
                state.led_until = until;
            }
        }
        if self.is_observed {
            let in_doubt = self.lanes[lane.index()].window[place].doubt.is_some();
            let code =
                if let Cause::Broker { code, .. } = &cause { *code } else { ErrorCode::NETWORK_EXCEPTION };
            let batch = self.batch_name(lane, place);
            self.observe(|| Observation::BatchRetried { batch, code, in_doubt });
        }
        self.touch(lane);
    }

    /// An attempt ended without an answer: the operating system had all of it (in doubt), or not (as if never sent).
    pub(super) fn attempt_unanswered(&mut self, sent: &SentBatch, was_written: bool) {
        let Some((place, attempt)) = self.end_attempt(sent) else {
            self.touch(sent.lane);
            return;
        };
        if was_written {
            self.lanes[sent.lane.index()].window[place].becomes_doubtful_unanswered(attempt.gate_was_open);
        }
        if !was_written {
            mutants::mark(Mark::NotWritten);
        }
        self.lanes[sent.lane.index()].travels_alone = was_written;
        self.try_again(sent.lane, place, Cause::Network, Pace::Backoff);
    }

    /// A refusal that no resend cures: R if the batch was never in doubt, otherwise what its neighbours prove, or U (D-13).
    fn refused(&mut self, lane: LaneId, place: usize, answer: &PartitionAnswer) {
        let cause = broker_cause(answer.error, answer.message.as_deref());
        if self.lanes[lane.index()].window[place].told {
            self.abandon(lane, place);
        } else if self.lanes[lane.index()].window[place].doubt.is_some() {
            self.end_in_doubt(lane, place, cause, Late::GiveUp);
        } else {
            self.end_without_the_log(lane, place, cause);
        }
    }

    /// 87 with the culprits named: they are rejected, the others go out again (D-16).
    fn answered_invalid_records(&mut self, lane: LaneId, place: usize, answer: &PartitionAnswer) {
        let batch = &self.lanes[lane.index()].window[place];
        let count = batch.batch.record_count();
        let mut culprits: Vec<(u32, Option<&str>)> = Vec::new();
        for (index, message) in &answer.record_errors {
            match u32::try_from(*index) {
                Ok(index) if index < count => culprits.push((index, message.as_deref())),
                _ => {
                    culprits.clear();
                    break;
                }
            }
        }
        culprits.sort_unstable_by_key(|(index, _)| *index);
        culprits.dedup_by_key(|(index, _)| *index);
        let all = u32::try_from(culprits.len()).unwrap_or(u32::MAX) >= count;
        if batch.doubt.is_some() || batch.told || culprits.is_empty() || all {
            self.refused(lane, place, answer);
            return;
        }
        mutants::mark(Mark::CulpritsLeftOut);
        let (number, first, attempts) = (batch.batch.number, batch.batch.first_record, batch.attempts);
        for (index, message) in &culprits {
            let cause = broker_cause(answer.error, message.or(answer.message.as_deref()));
            self.actions.push_back(super::Action::Complete {
                lane,
                batch: number,
                first_record: first + index,
                record_count: 1,
                outcome: super::BatchOutcome::Rejected { cause, attempts },
            });
        }
        let cause = broker_cause(answer.error, answer.message.as_deref());
        let refused: Vec<u32> = culprits.iter().map(|(index, _)| *index).collect();
        self.replace(lane, place, usize::MAX, &cause, |index| refused.binary_search(&index).is_err());
    }

    /// 45 behind others is their fault and costs nothing; at the head the broker has lost its state (K10).
    fn answered_out_of_order(&mut self, lane: LaneId, place: usize, answer: &PartitionAnswer) {
        let state = &self.lanes[lane.index()];
        let is_head = state.head() == Some(place) && state.reset.is_none() && !mutants::is_on(Mutant::K10);
        let batch = &state.window[place];
        let (stamp, in_doubt) = (batch.stamp, batch.doubt.is_some());
        let cause = broker_cause(answer.error, answer.message.as_deref());
        if stamp.is_none() || (in_doubt && (is_head || state.reset.is_some())) {
            self.refused(lane, place, answer);
        } else if is_head {
            mutants::mark(Mark::OutOfOrderAtHead);
            self.lanes[lane.index()]
                .ask_reset(Reset::because("the broker does not know the head's predecessor"));
            // A broker that never accepts would otherwise eat an epoch per round trip.
            self.try_again(lane, place, cause, Pace::Backoff);
        } else {
            mutants::mark(Mark::OutOfOrderBehind);
            self.try_again(lane, place, cause, Pace::Free);
        }
    }

    /// 47, 49, 59, 90: a new id; what is clean is stamped again, what is in doubt ends unknown.
    fn answered_identity_lost(&mut self, lane: LaneId, place: usize, answer: &PartitionAnswer) {
        let batch = &self.lanes[lane.index()].window[place];
        let (stamp, in_doubt) = (batch.stamp, batch.doubt.is_some());
        if stamp.is_none() {
            self.refused(lane, place, answer);
            return;
        }
        mutants::mark(Mark::IdentityLost);
        self.lanes[lane.index()]
            .ask_reset(Reset::because("the broker does not accept the producer id any more").with_new_id());
        if in_doubt {
            self.refused(lane, place, answer);
        } else {
            self.try_again(lane, place, broker_cause(answer.error, answer.message.as_deref()), Pace::Backoff);
        }
    }
}

/// The answers of a response, to be found by partition. Brokers give them in any order, and a response may have thousands.
struct Answers<'a> {
    /// By topic and partition; equal ones in the response's order.
    sorted: Vec<&'a PartitionAnswer>,
}

impl<'a> Answers<'a> {
    fn of(answers: &'a [PartitionAnswer]) -> Self {
        let mut sorted: Vec<_> = answers.iter().collect();
        sorted.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Self { sorted }
    }

    /// The first answer for the partition.
    fn to(&self, lane: &Lane, topic_id: TopicId) -> Option<&'a PartitionAnswer> {
        let order = |answer: &PartitionAnswer| {
            let topic = match &answer.topic {
                TopicRef::Name(name) => (**name).cmp(&*lane.topic),
                TopicRef::Id(id) => id.cmp(&topic_id),
            };
            topic.then(answer.partition.cmp(&lane.partition))
        };
        let place = self.sorted.partition_point(|answer| order(answer).is_lt());
        self.sorted.get(place).copied().filter(|answer| order(answer).is_eq())
    }
}

/// How soon a batch goes out again, and whether that uses up a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// After a backoff; a retry is used up.
    Backoff,
    /// At once, to the leader that the answer named, unless that happened a moment ago; a retry is used up.
    Led,
    /// As soon as the rules allow; nothing is used up.
    Free,
}
