//! What happens to the engine: the inputs of [`super::Engine::handle`].
//!
//! **Why an enum.** Whoever drives the engine, tokio or a simulation, speaks to it through this one door, so a run is
//! a list of events and can be replayed. Neighbours: [`super::action`] is the way out. Not here: time, which is a
//! separate argument.

use std::sync::Arc;

use bytes::Bytes;

use crate::accumulator::partition_queue::QueueStatus;
use crate::accumulator::producer_batch::SealedBatch;
use crate::identifiers::{ConnectionId, LaneId};

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// Somebody sends to a topic that is not known yet, or to a partition that it does not have.
    TopicWanted {
        /// The topic's name, validated.
        topic: Arc<str>,
    },
    /// Somebody waits for the producer to be ready: metadata and, if idempotent, a producer id.
    ReadyWanted,
    /// The first record of a batch was appended to a lane that the engine believed empty.
    BatchOpened {
        /// The lane.
        lane: LaneId,
        /// What is in its queue.
        status: QueueStatus,
    },
    /// A batch reached `batch.size` while wanted, or a sealed batch got ready at the head of its queue.
    BatchSealed {
        /// The lane.
        lane: LaneId,
        /// What is in its queue.
        status: QueueStatus,
    },
    /// The answer to [`super::Action::Take`].
    Taken {
        /// The lane.
        lane: LaneId,
        /// The batch, if there was one to take.
        batch: Option<SealedBatch>,
        /// What is left.
        status: QueueStatus,
    },
    /// The answer to [`super::Action::ExpireLane`] and [`super::Action::FailLane`].
    Expired {
        /// The lane.
        lane: LaneId,
        /// What is left.
        status: QueueStatus,
    },
    /// A connection is open.
    Connected {
        /// Which.
        connection: ConnectionId,
    },
    /// A connection could not be opened, or ended. Frames not reported [`Event::Written`] before were not taken whole by
    /// the operating system, so the broker cannot have acted on them (D-3).
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// Why, for people.
        reason: Arc<str>,
    },
    /// Some bytes of the request being written were taken by the operating system.
    WriteProgress {
        /// On which connection.
        connection: ConnectionId,
    },
    /// The operating system has taken the last byte of a request.
    Written {
        /// On which connection.
        connection: ConnectionId,
        /// Which request.
        correlation_id: i32,
    },
    /// A whole frame came, without its length prefix.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// The frame.
        frame: Bytes,
    },
    /// A flush began: linger is ignored until it ends.
    FlushBegun,
    /// A flush ended.
    FlushEnded,
    /// Somebody waits for memory, or nobody does any more: while somebody does, linger is ignored.
    MemoryPressure {
        /// Whether somebody waits.
        waiting: bool,
    },
    /// `close` began: linger is ignored for good.
    CloseBegun,
}
