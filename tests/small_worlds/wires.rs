//! Connections as two queues: requests on their way up, answers on their way down.
//!
//! TCP neither reorders nor repeats on one connection. What was written before a connection ended may still reach the
//! broker, up to some point: those requests are *zombies*, and may arrive behind everything that is sent elsewhere.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use facteur::identifiers::ConnectionId;

use crate::oracle::Lane;
use crate::oracle::wire::{Answer, Stamp};
use crate::peer::Request;

/// An answer on its way, and what it says batch by batch.
#[derive(Debug, Clone)]
pub struct Reply {
    pub frame: Bytes,
    pub news: Vec<(Lane, Stamp, Answer)>,
}

/// One connection as the network sees it.
#[derive(Debug, Default)]
pub struct Wire {
    pub up: VecDeque<Request>,
    pub down: VecDeque<Reply>,
    /// Nothing moves on it any more, and nobody is told.
    pub is_stalled: bool,
    /// The producer has no end of it any more: what is on its way up are zombies.
    pub is_dead: bool,
}

/// All connections that still have something on them.
#[derive(Debug, Default)]
pub struct Wires {
    pub by_connection: BTreeMap<ConnectionId, Wire>,
}

impl Wires {
    pub fn put(&mut self, request: Request) {
        self.by_connection.entry(request.connection).or_default().up.push_back(request);
    }

    /// Connections whose oldest request can reach its broker.
    pub fn arriving(&self) -> impl Iterator<Item = ConnectionId> {
        self.having(|wire| !wire.up.is_empty() && (wire.is_dead || !wire.is_stalled))
    }

    /// Connections whose oldest answer can reach the producer.
    pub fn returning(&self) -> impl Iterator<Item = ConnectionId> {
        self.having(|wire| !wire.down.is_empty() && !wire.is_dead && !wire.is_stalled)
    }

    /// Connections that a fault would hurt: something is on its way on them.
    pub fn vulnerable(&self) -> impl Iterator<Item = ConnectionId> {
        let is_idle = |wire: &Wire| wire.up.is_empty() && wire.down.is_empty();
        self.having(move |wire| !wire.is_dead && !wire.is_stalled && !is_idle(wire))
    }

    /// The producer's end is gone; of what was on its way up, the first `survivors` still arrive.
    pub fn end(&mut self, connection: ConnectionId, survivors: usize) {
        let Some(wire) = self.by_connection.get_mut(&connection) else { return };
        wire.is_dead = true;
        wire.down.clear();
        wire.up.truncate(survivors);
        self.forget_if_empty(connection);
    }

    pub fn forget_if_empty(&mut self, connection: ConnectionId) {
        let is_over = |wire: &Wire| wire.up.is_empty() && wire.down.is_empty() && !wire.is_stalled;
        if self
            .by_connection
            .get(&connection)
            .is_some_and(|wire| is_over(wire) || (wire.is_dead && wire.up.is_empty()))
        {
            self.by_connection.remove(&connection);
        }
    }

    fn having(&self, holds: impl Fn(&Wire) -> bool) -> impl Iterator<Item = ConnectionId> {
        self.by_connection.iter().filter(move |(_, wire)| holds(wire)).map(|(connection, _)| *connection)
    }
}
