//! Q10 identity-reuse and Q11 window, from frames and answers alone.

use super::super::breach::{Check, Findings};
use super::super::conditions::Conditions;
use super::super::history::{History, Lane, RecordId};
use super::super::wire::{Answer, Stamp, WireEvent, Written};

/// The broker remembers so many batches of a producer (K6).
const REMEMBERED: usize = 5;
/// Resolved batches kept per lane: enough for every resend that can still be judged.
const KEPT: usize = 64;
const SEQUENCES: i64 = 1 << 31;

/// A batch as the wire has shown it so far.
#[derive(Debug)]
struct Batch {
    stamp: Stamp,
    first: RecordId,
    content: u64,
    /// Connections on which an attempt is unanswered.
    open: Vec<u64>,
    is_in_doubt: bool,
    is_acknowledged: bool,
}

impl Batch {
    fn is_of(&self, identity: (i64, i16)) -> bool {
        (self.stamp.producer_id, self.stamp.epoch) == identity
    }

    fn may_be_in_the_log(&self) -> bool {
        self.is_acknowledged || self.is_in_doubt || !self.open.is_empty()
    }

    fn is_unresolved(&self) -> bool {
        !self.is_acknowledged && (self.is_in_doubt || !self.open.is_empty())
    }

    /// Certainly not in the log, and never was.
    fn is_refused(&self) -> bool {
        !self.may_be_in_the_log()
    }
}

/// Identity, connection and leader epoch: what the gate is open for (D-8).
type Triple = ((i64, i16), u64, i32);

#[derive(Debug, Default)]
struct Traffic {
    /// In the order in which they were first written.
    batches: Vec<Batch>,
    /// The triple of the newest attempt of each batch that is open; and the one that was answered with success.
    sent_under: Vec<(Stamp, Triple)>,
    open_gate: Option<Triple>,
    /// The identity of the newest name, and the sequence behind it.
    newest: Option<((i64, i16), i32)>,
    /// Identities that the lane has had.
    used: Vec<(i64, i16)>,
    /// Batches of this identity of which an attempt failed since the head was last acknowledged (D-9).
    failed: Vec<Stamp>,
}

pub fn check(history: &History, conditions: &Conditions, findings: &mut Findings) {
    if !conditions.is_idempotent || history.wire.events.is_empty() {
        return;
    }
    let most = conditions.max_in_flight.min(REMEMBERED);
    let mut lanes: Vec<Traffic> = Vec::new();
    lanes.resize_with(history.lanes.len(), Traffic::default);
    for event in &history.wire.events {
        match event {
            WireEvent::Written(written) => {
                if let Some(traffic) = lanes.get_mut(written.lane.place()) {
                    traffic.written(written, most, findings);
                }
            }
            WireEvent::Answered { lane, connection, stamp, answer } => {
                if let Some(traffic) = lanes.get_mut(lane.place()) {
                    traffic.answered(*connection, *stamp, *answer);
                }
            }
            WireEvent::NotProcessed { lane, connection, stamp } => {
                if let Some(traffic) = lanes.get_mut(lane.place()) {
                    traffic.not_processed(*connection, *stamp);
                }
            }
            WireEvent::Known { lane, stamp } => {
                if let Some(traffic) = lanes.get_mut(lane.place()) {
                    traffic.known(*stamp);
                }
            }
            WireEvent::Ended { connection } => {
                lanes.iter_mut().for_each(|traffic| traffic.ended(*connection));
            }
        }
    }
}

impl Traffic {
    fn written(&mut self, written: &Written, most: usize, findings: &mut Findings) {
        let stamp = written.stamp;
        let identity = (stamp.producer_id, stamp.epoch);
        let known = self.batches.iter().rposition(|batch| batch.stamp == stamp);
        self.reuse(written, findings);
        self.restamp(written, findings);
        self.moves(written, findings);
        if known.is_none() {
            self.names(written.lane, stamp, findings);
        }
        self.head_alone(written.lane, stamp, known, findings);
        let triple = (identity, written.connection, written.leader_epoch);
        self.gate(written.lane, stamp, triple, findings);
        if let Some(place) = known {
            self.batches[place].open.push(written.connection);
        } else {
            self.batches.push(Batch {
                stamp,
                first: written.first,
                content: written.content,
                open: vec![written.connection],
                is_in_doubt: false,
                is_acknowledged: false,
            });
        }
        self.sent_under.retain(|(sent, _)| *sent != stamp);
        self.sent_under.push((stamp, triple));
        self.window(written.lane, identity, most, findings);
        self.forget();
    }

    /// Q10: two contents under one sequence.
    fn reuse(&self, written: &Written, findings: &mut Findings) {
        let stamp = written.stamp;
        let other = self.batches.iter().find(|batch| {
            batch.is_of((stamp.producer_id, stamp.epoch))
                && overlap(batch.stamp, stamp)
                && (batch.stamp, batch.content) != (stamp, written.content)
        });
        if let Some(other) = other {
            findings.add(Check::Q10, || {
                format!("lane {}: {stamp:?} has other records than {:?} had", written.lane.0, other.stamp)
            });
        }
    }

    /// Q10: a batch that may be in the log under one name is sent under another. A proof that it is not there frees it
    /// (D-4): a predecessor of its identity that was refused for certain, so that the broker cannot have taken this one.
    fn restamp(&self, written: &Written, findings: &mut Findings) {
        for (place, batch) in self.batches.iter().enumerate() {
            let is_other_name = batch.first == written.first && batch.stamp != written.stamp;
            if !is_other_name || !batch.is_unresolved() {
                continue;
            }
            let identity = (batch.stamp.producer_id, batch.stamp.epoch);
            let mut before = self.batches[..place].iter().filter(|before| before.is_of(identity));
            let is_proved_absent = batch.open.is_empty() && before.any(Batch::is_refused);
            if !is_proved_absent {
                findings.add(Check::Q10, || {
                    format!(
                        "lane {}: {:?} may be in the log, and its records are sent again as {:?}",
                        written.lane.0, batch.stamp, written.stamp
                    )
                });
            }
        }
    }

    /// Q11, K5: until a batch of this identity was acknowledged on this connection by this leader, one travels alone.
    fn gate(&self, lane: Lane, stamp: Stamp, triple: Triple, findings: &mut Findings) {
        if self.open_gate == Some(triple) {
            return;
        }
        let companion = self.batches.iter().find(|batch| !batch.open.is_empty());
        if let Some(companion) = companion {
            findings.add(Check::Q11, || {
                format!(
                    "K5: lane {}: {stamp:?} is sent while {:?}, the first, is unanswered",
                    lane.0, companion.stamp
                )
            });
        }
    }

    /// Q11, K8: a lane moves only once its old connection has answered or ended.
    fn moves(&self, written: &Written, findings: &mut Findings) {
        let owed = |batch: &&Batch| batch.open.iter().any(|open| *open != written.connection);
        if let Some(batch) = self.batches.iter().find(owed) {
            findings.add(Check::Q11, || {
                format!(
                    "K8: lane {}: {:?} leaves by connection {} while {:?} is unanswered on {:?}",
                    written.lane.0, written.stamp, written.connection, batch.stamp, batch.open
                )
            });
        }
    }

    /// Q11, K15: a name is given as the batch leaves, so each follows the one that left before it; a new identity begins
    /// at 0, and a lane never goes back to an old one.
    fn names(&mut self, lane: Lane, stamp: Stamp, findings: &mut Findings) {
        let identity = (stamp.producer_id, stamp.epoch);
        let end = i64::from(stamp.base_sequence) + i64::from(stamp.record_count);
        let end = i32::try_from(end.rem_euclid(SEQUENCES)).expect("below 2^31");
        let before = self.newest.replace((identity, end));
        let Some((last, next)) = before else {
            self.used.push(identity);
            return;
        };
        let expected = if last == identity { next } else { 0 };
        if last != identity {
            self.failed.clear();
            if self.used.contains(&identity) {
                findings.add(Check::Q11, || {
                    format!("K15: lane {}: {stamp:?} goes back to an identity that was left", lane.0)
                });
            }
            self.used.push(identity);
        }
        if stamp.base_sequence != expected {
            findings.add(Check::Q11, || {
                format!(
                    "K15: lane {}: {stamp:?} came where {expected} was next: a name that never left",
                    lane.0
                )
            });
        }
    }

    /// Q11, K6 and D-9: after a failure only the head is sent until it is acknowledged. What is in doubt may go out
    /// before a head that is certainly not in the log: that is how a reset resolves it (D-6), one at a time as well.
    fn head_alone(&self, lane: Lane, stamp: Stamp, known: Option<usize>, findings: &mut Findings) {
        if self.failed.is_empty() {
            return;
        }
        let identity = (stamp.producer_id, stamp.epoch);
        let is_open = |batch: &&Batch| batch.stamp != stamp && !batch.open.is_empty();
        if let Some(open) = self.batches.iter().find(is_open) {
            findings.add(Check::Q11, || {
                format!(
                    "K6: lane {}: after a failure {stamp:?} is sent beside {:?}, the head not yet acknowledged",
                    lane.0, open.stamp
                )
            });
        }
        if known.is_some_and(|place| self.batches[place].is_in_doubt) {
            return;
        }
        let before = &self.batches[..known.unwrap_or(self.batches.len())];
        if let Some(head) = before.iter().find(|batch| batch.is_of(identity) && !batch.is_acknowledged) {
            findings.add(Check::Q11, || {
                format!("K6: lane {}: after a failure {stamp:?} is sent before {:?}", lane.0, head.stamp)
            });
        }
    }

    /// Q11, K6: from the oldest unresolved batch to the newest that may be in the log there are at most five, or as many
    /// as may be in flight (D-10).
    fn window(&self, lane: Lane, identity: (i64, i16), most: usize, findings: &mut Findings) {
        let of_identity = || self.batches.iter().filter(|batch| batch.is_of(identity));
        let from_oldest = of_identity().skip_while(|batch| !batch.is_unresolved());
        let count = from_oldest.filter(|batch| batch.may_be_in_the_log()).count();
        if count > most {
            findings.add(Check::Q11, || {
                format!("K6: lane {}: {count} batches from the oldest unresolved one to the newest", lane.0)
            });
        }
    }

    fn answered(&mut self, connection: u64, stamp: Stamp, answer: Answer) {
        self.close(connection, stamp);
        let Some(place) = self.batches.iter().rposition(|batch| batch.stamp == stamp) else { return };
        let batch = &mut self.batches[place];
        match answer {
            Answer::Success => {
                batch.is_acknowledged = true;
                self.head_is_acknowledged(place);
                let under =
                    self.sent_under.iter().find(|(sent, triple)| *sent == stamp && triple.1 == connection);
                self.open_gate = under.map(|(_, triple)| *triple).or(self.open_gate);
            }
            Answer::Indeterminate => {
                batch.is_in_doubt = true;
                self.has_failed(place);
            }
            Answer::Definite => self.has_failed(place),
        }
    }

    fn has_failed(&mut self, place: usize) {
        let batch = &self.batches[place];
        if !batch.is_acknowledged && !self.failed.contains(&batch.stamp) {
            self.failed.push(batch.stamp);
        }
    }

    /// The end of a failure, if everything before this place is acknowledged.
    fn head_is_acknowledged(&mut self, place: usize) {
        let Some((identity, _)) = self.newest else { return };
        let is_open = |batch: &Batch| batch.is_of(identity) && !batch.is_acknowledged;
        if !self.batches[..place].iter().any(is_open) {
            self.failed.clear();
        }
    }

    /// It is resolved. An attempt that is still on its way keeps its place until its answer or its connection's end.
    fn known(&mut self, stamp: Stamp) {
        let is_it = |batch: &Batch| {
            batch.is_of((stamp.producer_id, stamp.epoch)) && batch.stamp.base_sequence == stamp.base_sequence
        };
        let Some(place) = self.batches.iter().rposition(is_it) else { return };
        self.batches[place].is_acknowledged = true;
        // A refusal that came after the proof was possible is no failure.
        let stamp = self.batches[place].stamp;
        self.failed.retain(|failed| *failed != stamp);
        self.head_is_acknowledged(self.batches.len());
    }

    fn not_processed(&mut self, connection: u64, stamp: Stamp) {
        self.close(connection, stamp);
        if let Some(place) = self.batches.iter().rposition(|batch| batch.stamp == stamp) {
            self.has_failed(place);
        }
    }

    fn close(&mut self, connection: u64, stamp: Stamp) {
        if let Some(batch) = self.batches.iter_mut().find(|batch| batch.stamp == stamp)
            && let Some(place) = batch.open.iter().position(|&open| open == connection)
        {
            batch.open.remove(place);
        }
    }

    fn ended(&mut self, connection: u64) {
        for place in 0..self.batches.len() {
            let batch = &mut self.batches[place];
            let before = batch.open.len();
            batch.open.retain(|&open| open != connection);
            if batch.open.len() < before {
                batch.is_in_doubt = true;
                self.has_failed(place);
            }
        }
        if self.open_gate.is_some_and(|(_, gate, _)| gate == connection) {
            self.open_gate = None;
        }
    }

    /// Old batches that are resolved can no longer be judged.
    fn forget(&mut self) {
        while self.batches.len() > KEPT && !self.batches[0].is_unresolved() {
            let gone = self.batches.remove(0);
            self.sent_under.retain(|(sent, _)| *sent != gone.stamp);
        }
    }
}

/// Whether two runs of sequence numbers, which wrap after 2^31 - 1, share one.
fn overlap(one: Stamp, other: Stamp) -> bool {
    let distance = (i64::from(other.base_sequence) - i64::from(one.base_sequence)).rem_euclid(SEQUENCES);
    distance < i64::from(one.record_count) || SEQUENCES - distance < i64::from(other.record_count)
}
