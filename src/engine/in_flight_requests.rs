//! The requests of one connection that have not been answered, oldest first.
//!
//! **Why order matters.** A broker answers a connection's requests in the order they came. So the oldest open request
//! is the one that the next answer must be for; anything else is a protocol violation, and a request that times out
//! takes the connection with it, because an answer cannot be skipped (K11). Neighbours: `connection_states` owns one
//! per connection. Not here: what an answer means.

use std::collections::VecDeque;

use crate::identifiers::{BatchNumber, LaneId, TopicId};
use crate::time::Instant;

/// A batch inside a Produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentBatch {
    pub(crate) lane: LaneId,
    pub(crate) batch: BatchNumber,
    pub(crate) first_record: u32,
    /// As it was sent: the topic may have another one by the time of the answer (D-40).
    pub(crate) topic_id: TopicId,
}

/// What was asked.
#[derive(Debug)]
pub(crate) enum RequestKind {
    ApiVersions,
    Metadata,
    InitProducerId,
    Produce(Vec<SentBatch>),
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) correlation_id: i32,
    pub(crate) version: i16,
    pub(crate) kind: RequestKind,
    pub(crate) sent_at: Instant,
    /// When the operating system took the last byte.
    pub(crate) written_at: Option<Instant>,
    pub(crate) expects_answer: bool,
}

/// The open requests of a connection.
#[derive(Debug, Default)]
pub(crate) struct InFlightRequests {
    requests: VecDeque<InFlight>,
}

impl InFlightRequests {
    pub(crate) const fn new() -> Self {
        Self { requests: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, request: InFlight) {
        self.requests.push_back(request);
    }

    /// The request that the next answer must be for.
    pub(crate) fn oldest(&self) -> Option<&InFlight> {
        self.requests.iter().find(|request| request.expects_answer)
    }

    /// Takes the oldest request if it has this number.
    pub(crate) fn take_answered(&mut self, correlation_id: i32) -> Option<InFlight> {
        let place = self.requests.iter().position(|request| request.expects_answer)?;
        if self.requests.get(place)?.correlation_id != correlation_id {
            return None;
        }
        self.requests.remove(place)
    }

    /// Notes that a request was written; takes it if no answer will come.
    pub(crate) fn written(&mut self, correlation_id: i32, now: Instant) -> Option<InFlight> {
        let place = self.requests.iter().position(|request| request.correlation_id == correlation_id)?;
        let request = self.requests.get_mut(place)?;
        request.written_at = Some(now);
        if request.expects_answer { None } else { self.requests.remove(place) }
    }

    /// Requests that the operating system has not taken whole.
    pub(crate) fn unwritten(&self) -> usize {
        self.requests.iter().filter(|request| request.written_at.is_none()).count()
    }

    /// Produce requests without an answer.
    pub(crate) fn produce_count(&self) -> usize {
        self.requests.iter().filter(|request| matches!(request.kind, RequestKind::Produce(_))).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes all, oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = InFlight> + '_ {
        self.requests.drain(..)
    }
}
