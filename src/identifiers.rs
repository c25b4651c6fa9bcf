//! Small names for things: nodes, lanes, producer identities. Data without behaviour.
//!
//! **Why newtypes.** A node id, a partition and a lane number are all small integers; mixing two of them up would
//! send records to the wrong place without a word. Neighbours: everyone. Not here: sequence arithmetic, which is in
//! [`crate::sequence`].

use std::fmt;

/// A broker's id as the cluster tells it. Bootstrap addresses get negative ids of our own until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A lane: one partition of one topic inside one producer, numbered densely in the order of discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u32);

impl LaneId {
    /// The lane's place in a table of lanes.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number of a batch within its lane: 0, 1, 2 … in the order of first append. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub u64);

/// One connection attempt and, if it succeeds, the connection. Never reused within a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a broker recognises a producer by: id and epoch (KIP-98, KIP-360). The sequence makes it a triple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerIdentity {
    /// The producer id, given out by a broker.
    pub producer_id: i64,
    /// The epoch: 0 at first, raised by the producer itself when it must start its sequences anew.
    pub epoch: i16,
}

impl fmt::Display for ProducerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.producer_id, self.epoch)
    }
}

/// A topic's id (KIP-516): 16 bytes, all zero when unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that means "none" (brokers before Metadata 10 give no ids).
    pub const ZERO: Self = Self([0; 16]);

    /// Whether a broker has told this id.
    #[must_use]
    pub fn is_known(self) -> bool {
        self != Self::ZERO
    }
}
