//! What the engine wants done: the outputs of [`super::Engine::poll`].
//!
//! **Why the engine does nothing itself.** It reads no clock, opens no socket and takes no lock; each effect is one of
//! these, performed by `runtime::driver` or by a simulation. Neighbours: [`super::event`] is the way in. Not here: how
//! an action is performed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::accumulator::partition_queue::TakeMode;
use crate::config::HostPort;
use crate::engine::observation::Observation;
use crate::error::{Cause, ErrorCode};
use crate::identifiers::{BatchNumber, ConnectionId, LaneId, NodeId, ProducerIdentity};
use crate::time::Instant;

/// One partition of a topic, as the runtime needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionView {
    /// The lane, numbered densely by the engine.
    pub lane: LaneId,
    /// Whether a leader is known now.
    pub has_leader: bool,
}

/// What became of some records of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// In the log.
    Acknowledged(Acknowledged),
    /// Certainly not in the log.
    Rejected {
        /// Why.
        cause: Cause,
        /// How often the batch was handed to a connection.
        attempts: u32,
    },
    /// Nobody knows.
    Unknown {
        /// Why.
        cause: Cause,
        /// How often the batch was handed to a connection.
        attempts: u32,
    },
}

/// The good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Offset of the first of these records, if it could be told.
    pub base_offset: Option<i64>,
    /// The broker's append time, if the topic uses it.
    pub log_append_time_ms: Option<i64>,
    /// Identity and first sequence of the batch; none without idempotence.
    pub stamp: Option<(ProducerIdentity, i32)>,
    /// How often the batch was handed to a connection.
    pub attempts: u32,
    /// Whether the broker had seen the batch before, where that can be known (D-27).
    pub deduplicated: Option<bool>,
}

/// Something to do.
#[derive(Debug)]
pub enum Action {
    /// Open a connection; answer with `Connected` or `Disconnected`.
    Connect {
        /// Its id.
        connection: ConnectionId,
        /// The node it goes to.
        node: NodeId,
        /// Where.
        address: HostPort,
        /// How often connecting to this node has failed in a row: rotates a name's addresses.
        attempt: u32,
        /// The time allowed for the TCP handshake.
        timeout: Duration,
    },
    /// Close a connection. No further event of it is expected; late ones are ignored.
    Disconnect {
        /// Which.
        connection: ConnectionId,
        /// Why, for the log.
        reason: Arc<str>,
    },
    /// Write a frame.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// The request's number.
        correlation_id: i32,
        /// The whole frame, in pieces.
        frame: Vec<Bytes>,
    },
    /// Hand over a batch; answer with `Taken`.
    Take {
        /// The lane.
        lane: LaneId,
        /// Whether an open batch that is not full may be sealed.
        mode: TakeMode,
        /// Whether the lane could send yet another batch after this one.
        wanted_after: bool,
    },
    /// Reject the batches whose first record came at or before `cutoff`; answer with `Expired`.
    ExpireLane {
        /// The lane.
        lane: LaneId,
        /// The newest creation time that has expired.
        cutoff: Instant,
        /// The last error code seen on the lane, for the message.
        last: Option<ErrorCode>,
    },
    /// Reject everything queued; answer with `Expired`.
    FailLane {
        /// The lane.
        lane: LaneId,
        /// Why.
        cause: Cause,
    },
    /// Give these records of a batch their outcome.
    Complete {
        /// The lane.
        lane: LaneId,
        /// The batch.
        batch: BatchNumber,
        /// The first record.
        first_record: u32,
        /// How many.
        record_count: u32,
        /// What became of them.
        outcome: BatchOutcome,
    },
    /// A batch goes out again: for status displays.
    Retrying {
        /// The lane.
        lane: LaneId,
        /// The batch.
        batch: BatchNumber,
        /// This attempt's number.
        attempts: u32,
    },
    /// The lane's open batches may grow less from now on (D-32).
    LimitGrowth {
        /// The lane.
        lane: LaneId,
    },
    /// Metadata of a topic came.
    TopicUpdated {
        /// The topic.
        topic: Arc<str>,
        /// Its partitions in order, or why there are none.
        result: Result<Vec<PartitionView>, ErrorCode>,
    },
    /// The producer became ready, or why it is not yet.
    Readiness {
        /// Nothing, or the obstacle.
        result: Result<(), Arc<str>>,
    },
    /// Tell whoever listens.
    Observe(Observation),
}
