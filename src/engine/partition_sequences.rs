//! A lane's identity and sequences, and the first-batch gate.
//!
//! **Why per lane.** The broker keeps its memory of a producer per partition, so identity is kept per partition too and
//! adopted lazily: trouble in one lane never restamps another (K1, KAFKA-12152, librdkafka #4953).
//!
//! **Why a gate.** Brokers accept *any* first sequence from a producer they have no state for. With two batches on their
//! way to a fresh leader, the second may be accepted and the first refused for ever (KAFKA-14312 and five more). So
//! until the first acknowledgement of this identity on this connection and leader epoch, one batch is on its way
//! (K5, D-8, \[IDEM-5\]). And again after half a day without one: a broker forgets a producer that is silent for a day
//! (`producer.id.expiration.ms`), and its state is then as fresh (D-17).
//!
//! Neighbours: `sender` stamps with it. Not here: when a lane is reset (`resolution`).

use std::time::Duration;

use crate::identifiers::{ConnectionId, ProducerIdentity};
use crate::sequence::Sequence;
use crate::time::Instant;

/// Longer than this nobody relies on a broker's memory of a producer (D-17).
pub(crate) const LONGEST_MEMORY: Duration = Duration::from_secs(12 * 3600);

/// A batch's name at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) identity: ProducerIdentity,
    pub(crate) base: Sequence,
}

/// Where an acknowledgement came from: one third of the gate's triple is the lane's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) connection: ConnectionId,
    pub(crate) leader_epoch: i32,
}

/// Identity, next sequence and gate of one lane.
#[derive(Debug, Default)]
pub(crate) struct PartitionSequences {
    identity: Option<ProducerIdentity>,
    next: Sequence,
    open_gate: Option<(ProducerIdentity, Gate)>,
    /// Until then the gate stays open without another acknowledgement.
    open_until: Instant,
    /// The lowest sequence of this identity that is certainly not in the log: what follows it cannot be either.
    rejected: Option<Sequence>,
}

impl PartitionSequences {
    pub(crate) const fn identity(&self) -> Option<ProducerIdentity> {
        self.identity
    }

    /// Names a batch of `records` records, under the lane's identity or, if it has none yet, under `current`.
    pub(crate) fn assign(&mut self, current: ProducerIdentity, records: u32) -> Stamp {
        let identity = *self.identity.get_or_insert(current);
        let stamp = Stamp { identity, base: self.next };
        self.next = self.next.advance(records);
        stamp
    }

    /// Starts anew under `identity`, which this lane must never have used (K4).
    pub(crate) fn restart(&mut self, identity: ProducerIdentity) {
        assert!(
            self.identity != Some(identity),
            "[IDEM-4] a lane must not start again at sequence 0 under identity {identity}, which it has used"
        );
        *self = Self { identity: Some(identity), ..Self::default() };
    }

    pub(crate) fn is_gate_open(&self, gate: Gate, now: Instant) -> bool {
        self.identity.is_some_and(|identity| self.open_gate == Some((identity, gate)))
            && now < self.open_until
    }

    /// A batch sent through `gate` under `identity` was acknowledged.
    pub(crate) fn acknowledged(&mut self, identity: ProducerIdentity, gate: Gate, now: Instant) {
        if self.identity == Some(identity) {
            self.open_gate = Some((identity, gate));
            self.open_until = now + LONGEST_MEMORY;
        }
    }

    /// A stamped batch is certainly not in the log.
    pub(crate) fn rejected(&mut self, stamp: Stamp) {
        if self.identity == Some(stamp.identity) {
            self.rejected = Some(self.rejected.map_or(stamp.base, |lowest| lowest.min(stamp.base)));
        }
    }

    /// The next batch gets this sequence again: only a mutant does that (K4).
    pub(crate) const fn rewind(&mut self, to: Sequence) {
        self.next = to;
        self.rejected = None;
    }

    /// Whether a predecessor of `stamp` under the same identity is certainly not in the log.
    pub(crate) fn has_rejected_before(&self, stamp: Stamp) -> bool {
        self.identity == Some(stamp.identity) && self.rejected.is_some_and(|rejected| rejected < stamp.base)
    }

    /// For tests and primed starts: the next sequence.
    pub(crate) const fn prime(&mut self, next: Sequence) {
        self.next = next;
    }
}
