//! What the engine tells those who watch: one value per thing that happened.
//!
//! **Why values.** The same observations become `tracing` events, the lab's time line and the simulation's log. They
//! are built only when somebody listens (D-52), per batch and never per record, and carry no payload. The names of
//! the variants are the names of the events; the fields are those of the style guide (32).

use std::sync::Arc;

use crate::error::ErrorCode;
use crate::identifiers::{BatchNumber, ConnectionId, LaneId, NodeId, ProducerIdentity};

/// A batch, as observations name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchName {
    /// The lane.
    pub lane: LaneId,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// The batch's number in the lane.
    pub batch: BatchNumber,
    /// Identity and base sequence, once stamped.
    pub stamp: Option<(ProducerIdentity, i32)>,
    /// The place of its first record in the batch as it was appended: above 0 only after a split.
    pub first_record: u32,
    /// Records in it.
    pub records: u32,
    /// This attempt.
    pub attempt: u32,
}

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named as in the style guide and mean what they say")]
pub enum Observation {
    /// A connection was opened and its versions negotiated.
    ConnectionReady { node: NodeId, connection: ConnectionId },
    /// A connection ended or could not be opened.
    ConnectionLost { node: NodeId, connection: ConnectionId, reason: Arc<str> },
    /// A batch got its identity and base sequence: from now on its name never changes.
    BatchStamped { batch: BatchName },
    /// A batch was handed to a connection. `waited_us` is from its first record's append.
    BatchSent {
        batch: BatchName,
        node: NodeId,
        connection: ConnectionId,
        correlation_id: i32,
        size_bytes: usize,
        waited_us: u64,
    },
    /// A broker answered for a batch. `waited_us` is from handing the request over.
    BatchAnswered {
        batch: BatchName,
        node: NodeId,
        connection: ConnectionId,
        correlation_id: i32,
        code: ErrorCode,
        base_offset: Option<i64>,
        waited_us: u64,
    },
    /// An attempt ended without an answer; `was_written` says whether the operating system had taken all of it.
    BatchUnanswered {
        batch: BatchName,
        node: NodeId,
        connection: ConnectionId,
        correlation_id: i32,
        was_written: bool,
        reason: Arc<str>,
    },
    /// A batch is in the log.
    BatchAcknowledged { batch: BatchName, base_offset: Option<i64>, deduplicated: Option<bool> },
    /// A batch will be sent again.
    BatchRetried { batch: BatchName, code: ErrorCode, in_doubt: bool },
    /// A batch is certainly not in the log.
    BatchRejected { batch: BatchName, cause: Arc<str> },
    /// The caller was told that nobody knows.
    BatchUnknown { batch: BatchName, cause: Arc<str> },
    /// A batch whose caller had been told "unknown" turned out to be in the log.
    LateAcknowledgement { batch: BatchName, base_offset: Option<i64> },
    /// A batch in doubt is not resent any more.
    BatchAbandoned { batch: BatchName },
    /// A batch was cut in parts.
    BatchSplit { batch: BatchName, parts: usize },
    /// A batch was acknowledged at an offset below the end of one that was acknowledged before it: the log went back, so the
    /// cluster has lost records (an unclean election, a restored disk).
    OffsetRegression { batch: BatchName, base_offset: i64, expected: i64 },
    /// A lane gave up its identity and starts its sequences anew.
    LaneReset { lane: LaneId, topic: Arc<str>, partition: i32, reason: Arc<str>, identity: ProducerIdentity },
    /// A broker gave a producer id.
    ProducerIdAssigned { identity: ProducerIdentity },
    /// The epoch was raised (KIP-360).
    EpochBumped { identity: ProducerIdentity },
    /// Metadata came.
    MetadataUpdated { brokers: usize, topics: usize },
    /// A partition has another leader.
    LeaderChanged { topic: Arc<str>, partition: i32, leader: Option<NodeId>, leader_epoch: i32 },
    /// A broker asked for quiet.
    Throttled { node: NodeId, throttle_ms: u64 },
    /// A broker answered something that makes no sense; the connection is closed.
    ProtocolViolation { node: NodeId, detail: Arc<str> },
}

impl Observation {
    /// The variant's name: the event's name in `tracing` and in time lines.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ConnectionReady { .. } => "ConnectionReady",
            Self::ConnectionLost { .. } => "ConnectionLost",
            Self::BatchStamped { .. } => "BatchStamped",
            Self::BatchSent { .. } => "BatchSent",
            Self::BatchAnswered { .. } => "BatchAnswered",
            Self::BatchUnanswered { .. } => "BatchUnanswered",
            Self::BatchAcknowledged { .. } => "BatchAcknowledged",
            Self::BatchRetried { .. } => "BatchRetried",
            Self::BatchRejected { .. } => "BatchRejected",
            Self::BatchUnknown { .. } => "BatchUnknown",
            Self::LateAcknowledgement { .. } => "LateAcknowledgement",
            Self::BatchAbandoned { .. } => "BatchAbandoned",
            Self::BatchSplit { .. } => "BatchSplit",
            Self::OffsetRegression { .. } => "OffsetRegression",
            Self::LaneReset { .. } => "LaneReset",
            Self::ProducerIdAssigned { .. } => "ProducerIdAssigned",
            Self::EpochBumped { .. } => "EpochBumped",
            Self::MetadataUpdated { .. } => "MetadataUpdated",
            Self::LeaderChanged { .. } => "LeaderChanged",
            Self::Throttled { .. } => "Throttled",
            Self::ProtocolViolation { .. } => "ProtocolViolation",
        }
    }

    /// The batch that it is about, if it is about one.
    #[must_use]
    pub const fn batch(&self) -> Option<&BatchName> {
        match self {
            Self::BatchStamped { batch }
            | Self::BatchSent { batch, .. }
            | Self::BatchAnswered { batch, .. }
            | Self::BatchUnanswered { batch, .. }
            | Self::BatchAcknowledged { batch, .. }
            | Self::BatchRetried { batch, .. }
            | Self::BatchRejected { batch, .. }
            | Self::BatchUnknown { batch, .. }
            | Self::LateAcknowledgement { batch, .. }
            | Self::BatchAbandoned { batch }
            | Self::OffsetRegression { batch, .. }
            | Self::BatchSplit { batch, .. } => Some(batch),
            Self::ConnectionReady { .. }
            | Self::ConnectionLost { .. }
            | Self::LaneReset { .. }
            | Self::ProducerIdAssigned { .. }
            | Self::EpochBumped { .. }
            | Self::MetadataUpdated { .. }
            | Self::LeaderChanged { .. }
            | Self::Throttled { .. }
            | Self::ProtocolViolation { .. } => None,
        }
    }

    /// The request that it is about, by its number on the connection.
    #[must_use]
    pub const fn correlation_id(&self) -> Option<i32> {
        if let Self::BatchSent { correlation_id, .. }
        | Self::BatchAnswered { correlation_id, .. }
        | Self::BatchUnanswered { correlation_id, .. } = self
        {
            Some(*correlation_id)
        } else {
            None
        }
    }

    /// The connection that it is about, if it is about one.
    #[must_use]
    pub const fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::ConnectionReady { connection, .. }
            | Self::ConnectionLost { connection, .. }
            | Self::BatchSent { connection, .. }
            | Self::BatchAnswered { connection, .. }
            | Self::BatchUnanswered { connection, .. } => Some(*connection),
            Self::BatchStamped { .. }
            | Self::BatchAcknowledged { .. }
            | Self::BatchRetried { .. }
            | Self::BatchRejected { .. }
            | Self::BatchUnknown { .. }
            | Self::LateAcknowledgement { .. }
            | Self::BatchAbandoned { .. }
            | Self::OffsetRegression { .. }
            | Self::BatchSplit { .. }
            | Self::LaneReset { .. }
            | Self::ProducerIdAssigned { .. }
            | Self::EpochBumped { .. }
            | Self::MetadataUpdated { .. }
            | Self::LeaderChanged { .. }
            | Self::Throttled { .. }
            | Self::ProtocolViolation { .. } => None,
        }
    }
}
