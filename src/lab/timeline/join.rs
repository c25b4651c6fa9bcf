//! From the ring to one event: which calls carried it, and what the other witnesses saw of their records.
//!
//! **How the witnesses are brought together** (D-63):
//!
//! | witness | is found by |
//! |---|---|
//! | façade | the eventId; its note "accepted" names producer, lane, batch and place in the batch |
//! | producer | producer, lane, batch, and a range that holds the place |
//! | broker | topic and partition, and the request's client id and correlation id, or else the batch's identity and sequence |
//! | injector | the client's address, which is the producer's local address, and the correlation id if it knows one |
//!
//! A correlation id is unique on its connection only, so the latest attempt of any batch that had been sent by then gets
//! the event; a later batch that came to the same number on a new connection keeps its own.
//! Neighbours: [`super::story`] makes words of it. Not here: the ring.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Timeline;
use super::event::{CallNote, CallStep, TimelineEvent, What};
use crate::broker::BrokerEvent;
use crate::chaos::events::{ChaosEvent, ChaosEventKind};
use crate::engine::{BatchName, Observation};
use crate::identifiers::ConnectionId;
use crate::runtime::delivery::RecordPlace;
use crate::runtime::observations::Observed;

/// The newest calls of one eventId that are told.
pub const MAX_CALLS: usize = 20;
/// Attempts of one batch that are told.
pub const MAX_ATTEMPTS: usize = 200;

/// One call and all that is known of its record.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The façade's notes, in order.
    pub notes: Vec<At<CallNote>>,
    /// What the producer said of the batch, in order.
    pub observed: Vec<At<Observed>>,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
}

/// Something with its time in microseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// When.
    pub at_us: i64,
    /// What.
    pub what: Arc<T>,
}

/// One handing over of the batch to a connection.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The connection.
    pub connection: ConnectionId,
    /// Its correlation id on it.
    pub correlation_id: i32,
    /// Our end of the connection.
    pub local_address: Option<SocketAddr>,
    /// When it was sent.
    pub sent_at_us: i64,
    /// When it was answered or given up.
    pub ended_at_us: Option<i64>,
    /// What the broker did with it.
    pub broker: Vec<At<BrokerEvent>>,
    /// What the injector did to it.
    pub injector: Vec<At<ChaosEvent>>,
}

/// Everything that is known of an event; the calls in the order in which they came.
pub fn told_of(timeline: &Timeline, event_id: &str) -> Vec<Told> {
    let ring = timeline.snapshot();
    let events = || ring.iter();
    let mut calls: Vec<Told> = Vec::new();
    for (event, note) in events().filter_map(|event| Some((event, note_of(event, event_id)?))) {
        let at = At { at_us: event.at_us, what: Arc::clone(note) };
        match calls.iter_mut().rev().find(|told| told.is_call(note.call)) {
            Some(told) => told.notes.push(at),
            None => calls.push(Told { notes: vec![at], ..Told::default() }),
        }
    }
    let skipped = calls.len().saturating_sub(MAX_CALLS);
    calls.drain(..skipped);
    for told in &mut calls {
        let Some(place) = told.place() else { continue };
        told.observed = events().filter_map(|event| observed_of(event, place)).collect();
        told.attempts = attempts_of(&told.observed);
        if !told.attempts.is_empty() {
            events().for_each(|event| told.assign(event, &ring));
        }
    }
    calls
}

impl Told {
    fn is_call(&self, call: u64) -> bool {
        self.notes.first().is_some_and(|note| note.what.call == call)
    }

    /// Where the record is in its producer, if it was accepted.
    pub fn place(&self) -> Option<RecordPlace> {
        self.notes.iter().find_map(|note| match &note.what.step {
            CallStep::Accepted { place, .. } => Some(*place),
            CallStep::Arrived { .. } | CallStep::Settled(_) | CallStep::Answered { .. } => None,
        })
    }

    /// Gives an event of broker or injector to its attempt.
    fn assign(&mut self, event: &TimelineEvent, ring: &VecDeque<TimelineEvent>) {
        match &event.what {
            What::Broker(happened) => {
                let Some(at) = self.attempt_of_broker(happened, event.at_us, ring) else { return };
                if let Some(attempt) = self.attempts.get_mut(at) {
                    attempt.broker.push(At { at_us: event.at_us, what: Arc::clone(happened) });
                }
            }
            What::Injector(happened) => {
                let Some(at) = self.attempt_of_injector(happened, event.at_us) else { return };
                if let Some(attempt) = self.attempts.get_mut(at) {
                    attempt.injector.push(At { at_us: event.at_us, what: Arc::clone(happened) });
                }
            }
            What::Call(_) | What::Producer(_) => {}
        }
    }

    fn attempt_of_broker(
        &self,
        event: &BrokerEvent,
        at_us: i64,
        ring: &VecDeque<TimelineEvent>,
    ) -> Option<usize> {
        let observed = self.observed.first()?;
        let batch = observed.what.observation.batch()?;
        let is_here = event.topic.as_deref() == Some(&*batch.topic)
            && event.partition.is_none_or(|partition| partition == batch.partition);
        if !is_here {
            return None;
        }
        let stamp = event.producer_id.zip(event.epoch).zip(event.base_sequence);
        let is_ours = self.observed.iter().any(|one| stamp.is_some() && stamp_of(&one.what) == stamp);
        if stamp.is_some() && !is_ours {
            return None;
        }
        if let Some(request) = &event.request {
            if request.client_id != observed.what.client_id {
                return None;
            }
            let found = self.latest(at_us, |attempt| attempt.correlation_id == request.correlation_id)?;
            let newest = newest_sent(ring, &observed.what, request.correlation_id, at_us)?;
            return self.attempts.get(found).filter(|attempt| attempt.sent_at_us == newest).map(|_| found);
        }
        is_ours.then(|| self.latest(at_us, |_| true)).flatten()
    }

    fn attempt_of_injector(&self, event: &ChaosEvent, at_us: i64) -> Option<usize> {
        let connection = event.connection?;
        if event.kind == ChaosEventKind::ConnectionOpened {
            return None;
        }
        let is_through = |attempt: &Attempt| attempt.local_address == Some(connection.client);
        if let Some(request) = &event.request {
            return self.latest(at_us, |attempt| {
                is_through(attempt) && attempt.correlation_id == request.correlation_id
            });
        }
        // Without a request it concerns the attempts that were open on the connection.
        self.latest(at_us, |attempt| {
            is_through(attempt) && attempt.ended_at_us.is_none_or(|ended| at_us <= ended)
        })
    }

    /// The latest attempt that had been sent at a time of whole milliseconds.
    fn latest(&self, at_us: i64, is_wanted: impl Fn(&Attempt) -> bool) -> Option<usize> {
        self.attempts.iter().rposition(|attempt| attempt.sent_at_us <= end_of_ms(at_us) && is_wanted(attempt))
    }
}

/// What became of a batch whose caller had been told "unknown" (D-5), as far as it is remembered.
pub fn late_outcome(timeline: &Timeline, place: RecordPlace) -> Option<LateOutcome> {
    let ring = timeline.snapshot();
    ring.iter().rev().filter_map(|event| observed_of(event, place)).find_map(|one| {
        let observation = &one.what.observation;
        if let Observation::LateAcknowledgement { base_offset, batch } = observation {
            let index = i64::from(place.index.saturating_sub(batch.first_record));
            Some(LateOutcome::Acknowledged { offset: base_offset.map(|base| base.saturating_add(index)) })
        } else if let Observation::BatchAbandoned { .. } = observation {
            Some(LateOutcome::Abandoned)
        } else {
            None
        }
    })
}

/// See [`late_outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateOutcome {
    /// It is in the log after all.
    Acknowledged {
        /// Where, if that was told.
        offset: Option<i64>,
    },
    /// It is not resent any more: nobody will ever know.
    Abandoned,
}

/// When the newest request with this number had been sent by then, whichever batch of the producer and partition it bore.
fn newest_sent(
    ring: &VecDeque<TimelineEvent>,
    ours: &Observed,
    correlation_id: i32,
    at_us: i64,
) -> Option<i64> {
    let place = |observed: &Observed| {
        observed
            .observation
            .batch()
            .map(|batch| (observed.producer, Arc::clone(&batch.topic), batch.partition))
    };
    let wanted = place(ours);
    let is_it = |observed: &Observed| {
        matches!(observed.observation, Observation::BatchSent { correlation_id: number, .. } if number == correlation_id)
            && place(observed) == wanted
    };
    ring.iter().rev().filter(|event| event.at_us <= end_of_ms(at_us)).find_map(|event| match &event.what {
        What::Producer(observed) if is_it(observed) => Some(event.at_us),
        What::Producer(_) | What::Call(_) | What::Broker(_) | What::Injector(_) => None,
    })
}

/// The last microsecond of a time of whole milliseconds.
const fn end_of_ms(at_us: i64) -> i64 {
    at_us.saturating_add(999)
}

fn note_of<'a>(event: &'a TimelineEvent, event_id: &str) -> Option<&'a Arc<CallNote>> {
    match &event.what {
        What::Call(note) if &*note.event_id == event_id => Some(note),
        What::Call(_) | What::Producer(_) | What::Broker(_) | What::Injector(_) => None,
    }
}

fn observed_of(event: &TimelineEvent, place: RecordPlace) -> Option<At<Observed>> {
    let What::Producer(observed) = &event.what else { return None };
    let batch = observed.observation.batch()?;
    let is_it = observed.producer == place.producer
        && batch.lane == place.lane
        && batch.batch == place.batch
        && holds(batch, place.index);
    is_it.then(|| At { at_us: event.at_us, what: Arc::clone(observed) })
}

/// After a split the parts bear the parent's number; only one of them holds the record.
const fn holds(batch: &BatchName, index: u32) -> bool {
    index >= batch.first_record && index - batch.first_record < batch.records
}

fn attempts_of(observed: &[At<Observed>]) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for one in observed {
        let observation = &one.what.observation;
        if let Observation::BatchSent { connection, correlation_id, .. } = observation {
            if attempts.len() < MAX_ATTEMPTS {
                attempts.push(Attempt {
                    connection: *connection,
                    correlation_id: *correlation_id,
                    local_address: one.what.local_address,
                    sent_at_us: one.at_us,
                    ended_at_us: None,
                    broker: Vec::new(),
                    injector: Vec::new(),
                });
            }
        } else if let Observation::BatchAnswered { connection, correlation_id, .. }
        | Observation::BatchUnanswered { connection, correlation_id, .. } = observation
            && let Some(at) = position(&attempts, *connection, *correlation_id)
            && let Some(attempt) = attempts.get_mut(at)
        {
            attempt.ended_at_us = Some(one.at_us);
        }
    }
    attempts
}

/// The attempt, counted from 0, that a connection's request was.
pub fn position(attempts: &[Attempt], connection: ConnectionId, correlation_id: i32) -> Option<usize> {
    attempts
        .iter()
        .rposition(|attempt| attempt.connection == connection && attempt.correlation_id == correlation_id)
}

fn stamp_of(observed: &Observed) -> Option<((i64, i16), i32)> {
    let (identity, sequence) = observed.observation.batch()?.stamp?;
    Some(((identity.producer_id, identity.epoch), sequence))
}
