//! One member of a group: who it is, what it can do, what it was given, and the answer it waits for.
//!
//! **Why answers are kept here.** A join is answered when all have joined, a sync when the leader has spoken: later, and
//! on another connection's turn. The state machine has no connections, so it leaves the answer with the member under
//! the number of the request (its ticket), and the connection that waits comes back for it. A request that came again
//! on another connection has a newer ticket; the older one finds that it was replaced.
//!
//! Neighbours: [`super::group`] and [`super::rebalance`] change it. Not here: when anything happens.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answers::{JoinAnswer, SyncAnswer};
use crate::time::Instant;

/// The name of a waiting request; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A way of sharing partitions that a member knows, with what it wants to tell the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Its name, such as `range`.
    pub name: Arc<str>,
    /// The member's subscription, in a form that only clients understand.
    pub metadata: Bytes,
}

/// What a member says about itself when it joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The id that it was given earlier; empty if it has none.
    pub member_id: String,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from, as Kafka writes it: `/127.0.0.1`.
    pub client_host: String,
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// How long it may take to come back when a rebalance begins.
    pub rebalance_timeout: Duration,
    /// `consumer` for consumers.
    pub protocol_type: String,
    /// What it knows, best first.
    pub protocols: Vec<Protocol>,
    /// Whether a new member must come back with the id that it is given (KIP-394, from version 4 on).
    pub needs_known_id: bool,
    /// The random part of a new id.
    pub fresh: String,
}

/// A place for one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot<T> {
    /// Nobody waits.
    Idle,
    /// This request waits.
    Waiting(Ticket),
    /// This request has its answer and did not come for it yet.
    Ready(Ticket, T),
}

/// What who comes for an answer finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found<T> {
    /// Not yet.
    Nothing,
    /// This.
    Answer(T),
    /// A later request of the same member took the place.
    Replaced,
}

impl<T> Slot<T> {
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }

    /// Answers who waits, if anybody does.
    pub(super) fn answer(&mut self, answer: T) {
        if let Self::Waiting(ticket) = *self {
            *self = Self::Ready(ticket, answer);
        }
    }

    pub(super) fn take(&mut self, ticket: Ticket) -> Found<T> {
        match self {
            Self::Waiting(waiting) if *waiting == ticket => Found::Nothing,
            Self::Ready(ready, _) if *ready == ticket => match std::mem::replace(self, Self::Idle) {
                Self::Ready(_, answer) => Found::Answer(answer),
                Self::Idle | Self::Waiting(_) => Found::Replaced,
            },
            Self::Idle | Self::Waiting(_) | Self::Ready(..) => Found::Replaced,
        }
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// Its first join is not answered yet: it may not even know its id.
    pub(super) is_new: bool,
    /// It got a generation and has not synced in it.
    pub(super) owes_sync: bool,
    pub(super) alive_until: Instant,
    pub(super) join: Slot<JoinAnswer>,
    pub(super) sync: Slot<SyncAnswer>,
}

/// Bytes that a member costs besides what it brings; roughly.
const MEMBER_BYTES: usize = 512;
/// Bytes that a protocol costs besides its name and metadata; roughly.
const PROTOCOL_BYTES: usize = 64;

impl Join {
    /// What keeping these protocols costs.
    pub(super) fn bytes(&self) -> usize {
        bytes_of(&self.protocols)
    }
}

fn bytes_of(protocols: &[Protocol]) -> usize {
    protocols.iter().fold(0_usize, |sum, protocol| {
        sum.saturating_add(PROTOCOL_BYTES)
            .saturating_add(protocol.name.len())
            .saturating_add(protocol.metadata.len())
    })
}

impl Member {
    pub(super) fn new(id: Arc<str>, join: &Join, ticket: Ticket, alive_until: Instant) -> Self {
        let mut member = Self {
            id,
            instance_id: join.instance_id.as_deref().map(Arc::from),
            client_id: String::new(),
            client_host: String::new(),
            session_timeout: Duration::ZERO,
            rebalance_timeout: Duration::ZERO,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            is_new: true,
            owes_sync: false,
            alive_until,
            join: Slot::Idle,
            sync: Slot::Idle,
        };
        member.update(join);
        member.join = Slot::Waiting(ticket);
        member
    }

    /// Takes over what a join says. The metadata is copied, or it would keep the whole frame in memory.
    pub(super) fn update(&mut self, join: &Join) {
        self.client_id.clone_from(&join.client_id);
        self.client_host.clone_from(&join.client_host);
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
        let copy = |protocol: &Protocol| Protocol {
            name: Arc::clone(&protocol.name),
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        };
        self.protocols = join.protocols.iter().map(copy).collect();
    }

    pub(super) fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|known| &*known.name == protocol)
    }

    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|known| &*known.name == protocol);
        found.map_or_else(Bytes::new, |known| known.metadata.clone())
    }

    /// A member that waits for an answer of ours is not silent; but a new one is not waited for without end.
    pub(super) const fn may_be_silent(&self) -> bool {
        !self.is_new && (self.join.is_waiting() || self.sync.is_waiting())
    }

    #[allow(clippy::arithmetic_side_effects, reason = "points in time saturate")]
    pub(super) fn seen(&mut self, now: Instant) {
        self.alive_until = now + self.session_timeout;
    }

    pub(super) fn bytes(&self) -> usize {
        let texts = [self.id.len(), self.client_id.len(), self.client_host.len(), self.assignment.len()];
        let instance = self.instance_id.as_ref().map_or(0, |id| id.len());
        texts
            .into_iter()
            .fold(MEMBER_BYTES.saturating_add(instance), usize::saturating_add)
            .saturating_add(bytes_of(&self.protocols))
    }
}
