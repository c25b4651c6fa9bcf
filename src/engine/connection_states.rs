//! Nodes and connections: who can be spoken to, and when to try again.
//!
//! ```text
//!                 connect                 Connected              ApiVersions answered
//!   (no connection) ─────▶ Connecting ───────────────▶ Negotiating ─────────────────▶ Ready
//!        ▲                     │                            │                           │
//!        └──── lost: wait by the reconnect backoff ─────────┴───────────────────────────┘
//! ```
//!
//! **Why the backoff is the node's.** A connection attempt is new each time; what must not be hammered is the node
//! (`reconnect.backoff.ms`). It is reset only when a connection is Ready. Neighbours: `in_flight_requests` counts what
//! is open on a connection. Not here: sockets, which the runtime has.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::HostPort;
use crate::engine::in_flight_requests::InFlightRequests;
use crate::identifiers::{ConnectionId, NodeId};
use crate::time::Instant;
use crate::wire::api::{ApiKey, VersionRange, negotiate};

/// How far a connection has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    Connecting,
    Negotiating { version: i16 },
    Ready,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) node: NodeId,
    pub(crate) state: ConnectionState,
    pub(crate) versions: BTreeMap<i16, VersionRange>,
    pub(crate) in_flight: InFlightRequests,
    pub(crate) next_correlation_id: i32,
    pub(crate) throttled_until: Instant,
    /// The last time that bytes went out or came in.
    pub(crate) last_progress: Instant,
    /// The last time that an answer came.
    pub(crate) last_answer: Instant,
}

impl Connection {
    pub(crate) const fn new(id: ConnectionId, node: NodeId, now: Instant) -> Self {
        Self {
            id,
            node,
            state: ConnectionState::Connecting,
            versions: BTreeMap::new(),
            in_flight: InFlightRequests::new(),
            next_correlation_id: 0,
            throttled_until: Instant::ZERO,
            last_progress: now,
            last_answer: now,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state == ConnectionState::Ready
    }

    /// For primed starts: the first request number.
    pub(crate) const fn prime(&mut self, first: i32) {
        self.next_correlation_id = first;
    }

    /// The next request number; wraps before `i32::MAX`, whose neighbours Java reserves.
    pub(crate) const fn correlation_id(&mut self) -> i32 {
        let id = self.next_correlation_id;
        self.next_correlation_id = if id >= i32::MAX - 8 { 0 } else { id + 1 };
        id
    }

    /// The highest version that both sides speak.
    pub(crate) fn version(&self, api: ApiKey) -> Option<i16> {
        let theirs = self.versions.get(&api.code())?;
        negotiate(api.supported_range(), *theirs)
    }

    /// Whether a Produce request may be handed over now (D-10, D-39).
    pub(crate) fn can_produce(&self, now: Instant, max_in_flight: usize) -> bool {
        self.is_ready()
            && now >= self.throttled_until
            && self.in_flight.produce_count() < max_in_flight
            && self.in_flight.unwritten() < 2
    }

    /// When the oldest request is overdue (D-43): from the later of its last byte taken and the previous answer; while
    /// it is still being written, from the last progress.
    pub(crate) fn request_deadline(&self, request_timeout: Duration) -> Instant {
        let stalled = if self.in_flight.unwritten() > 0 {
            self.last_progress + request_timeout
        } else {
            Instant::NEVER
        };
        let unanswered = self
            .in_flight
            .oldest()
            .and_then(|oldest| oldest.written_at)
            .map_or(Instant::NEVER, |written_at| {
                written_at.max(self.last_answer).max(self.throttled_until) + request_timeout
            });
        stalled.min(unanswered)
    }
}

/// A broker, or a bootstrap address whose broker id is not known yet.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: HostPort,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) failures: u32,
    pub(crate) retry_at: Instant,
}

impl Node {
    pub(crate) const fn new(address: HostPort) -> Self {
        Self { address, connection: None, failures: 0, retry_at: Instant::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // C31: two thousand million requests on one connection. Fails by an overflow, or if two numbers in a row are the same.
    #[test]
    fn c31_request_numbers_begin_again_before_they_overflow() {
        let mut open = Connection::new(ConnectionId(1), NodeId(1), Instant::ZERO);
        open.next_correlation_id = i32::MAX - 10;
        let ids: Vec<i32> = (0..6).map(|_| open.correlation_id()).collect();
        assert_eq!(ids, [i32::MAX - 10, i32::MAX - 9, i32::MAX - 8, 0, 1, 2]);
    }
}
