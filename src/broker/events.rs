//! What the broker noticed: one value per append, recognised duplicate, gap, fence and so on.
//!
//! **Why it exists.** A real broker keeps its reasons to itself: a duplicate is answered like a first append, and a
//! refusal is a number. A teaching broker says why. Handlers return their events beside the answer (D-54), so that the
//! state machines stay pure and a simulation can compare event logs byte for byte.
//!
//! Neighbours: [`super::handlers`] makes them, [`super::server`] publishes them to bounded subscribers, which lose the
//! oldest when they are slow. Not here: which batch is a duplicate; that is [`super::producer_state_manager`].

use std::fmt;
use std::sync::Arc;

pub use super::groups::GroupEvent;
use crate::error::ErrorCode;

/// One thing that happened in the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerEvent {
    /// What happened, with what only this kind knows.
    pub kind: EventKind,
    /// Milliseconds since the Unix epoch, by the clock handed to the broker.
    pub at_ms: i64,
    /// The topic, if one is concerned.
    pub topic: Option<Arc<str>>,
    /// The partition, if one is concerned.
    pub partition: Option<i32>,
    /// The producer id in the batch, if it has one.
    pub producer_id: Option<i64>,
    /// The producer epoch in the batch, if it has one.
    pub epoch: Option<i16>,
    /// The first sequence of the batch, if it has one.
    pub base_sequence: Option<i32>,
    /// The first offset: of the append, of the batch recognised, or the new start of the log.
    pub offset: Option<i64>,
    /// How many records are concerned.
    pub records: Option<i32>,
    /// The request that it happened for, if it was one.
    pub request: Option<RequestName>,
}

/// What a client calls one of its requests: with the time, enough to find the attempt that it was (D-63).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestName {
    /// The client's own name.
    pub client_id: Arc<str>,
    /// What pairs request and answer on a connection.
    pub correlation_id: i32,
}

/// The kinds of event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A batch was appended.
    Appended,
    /// A batch was recognised as one of the last five of its producer; nothing was appended.
    DuplicateRecognised,
    /// The batch does not continue its producer's sequence: error 45.
    SequenceGap {
        /// The sequence that would have been accepted.
        expected: i32,
        /// What the broker answered.
        code: ErrorCode,
    },
    /// The batch carries an epoch that the broker does not accept.
    EpochFenced {
        /// The epoch that the broker holds.
        current: i16,
        /// What the broker answered.
        code: ErrorCode,
    },
    /// The batch was refused before its producer was looked at.
    BatchRefused {
        /// What the broker answered.
        code: ErrorCode,
        /// Why, in words.
        why: Arc<str>,
    },
    /// The oldest segment went, because memory or time was up; the offset is the new start of the log.
    RetentionTruncated {
        /// Bytes given back.
        freed_bytes: u64,
    },
    /// A compacted partition was compacted.
    Compacted {
        /// Records that went, because a newer one has their key, or because a tombstone's time was up.
        removed: u64,
        /// Records that stayed, in the part that could be compacted.
        kept: u64,
        /// Why now.
        cause: CompactionCause,
    },
    /// Records before the offset were deleted on a client's wish.
    RecordsDeleted {
        /// Bytes given back.
        freed_bytes: u64,
    },
    /// Settings of a topic were changed.
    TopicAltered {
        /// What was changed, in words.
        what: Arc<str>,
    },
    /// A topic was given more partitions.
    PartitionsAdded {
        /// How many it has now.
        partitions: i32,
    },
    /// A topic was created.
    TopicCreated {
        /// How many partitions it has.
        partitions: i32,
    },
    /// A topic was deleted, with its records.
    TopicDeleted,
    /// A producer id was given out.
    ProducerIdGiven,
    /// Producers were forgotten, by age (record time) or because there were too many.
    ProducersForgotten {
        /// How many.
        count: usize,
    },
    /// Something happened in a consumer group.
    Group {
        /// The group.
        group: Arc<str>,
        /// What happened.
        what: GroupEvent,
    },
    /// An armed fault fired.
    FaultFired {
        /// What it did, in words.
        what: Arc<str>,
    },
}

/// Why a compaction took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompactionCause {
    /// More of the log was dirty than `min.cleanable.dirty.ratio`.
    DirtyRatio,
    /// A record was older than `max.compaction.lag.ms`.
    MaxLag,
    /// The teaching shortcut: soon after a write, active segment included.
    Soon,
    /// The teaching shortcut: the time of tombstones was up.
    Tombstones,
    /// Somebody asked for it.
    Asked,
}

impl CompactionCause {
    /// The cause in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::DirtyRatio => "more than min.cleanable.dirty.ratio of the log was not compacted yet",
            Self::MaxLag => "a record had waited longer than max.compaction.lag.ms",
            Self::Soon => {
                "a teaching shortcut closed the active segment; a real Kafka would wait for the next record after \
                 segment.ms and for its cleaner (--strict-compaction does)"
            }
            Self::Tombstones => {
                "delete.retention.ms of a tombstone is over; a teaching shortcut, since a real Kafka would wait for new \
                 dirty records (--strict-compaction does)"
            }
            Self::Asked => "it was asked for, and the active segment was closed first",
        }
    }
}

impl EventKind {
    /// The kind's name: lower case, words joined by underscores; stable, for timelines and filters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Appended => "appended",
            Self::DuplicateRecognised => "duplicate_recognised",
            Self::SequenceGap { .. } => "sequence_gap",
            Self::EpochFenced { .. } => "epoch_fenced",
            Self::BatchRefused { .. } => "batch_refused",
            Self::RetentionTruncated { .. } => "retention_truncated",
            Self::Compacted { .. } => "compacted",
            Self::RecordsDeleted { .. } => "records_deleted",
            Self::TopicAltered { .. } => "topic_altered",
            Self::PartitionsAdded { .. } => "partitions_added",
            Self::TopicCreated { .. } => "topic_created",
            Self::TopicDeleted => "topic_deleted",
            Self::ProducerIdGiven => "producer_id_given",
            Self::ProducersForgotten { .. } => "producers_forgotten",
            Self::Group { what, .. } => what.name(),
            Self::FaultFired { .. } => "fault_fired",
        }
    }
}

impl BrokerEvent {
    /// An event that concerns nothing in particular; the fields are set by the methods below.
    #[must_use]
    pub const fn new(kind: EventKind, at_ms: i64) -> Self {
        Self {
            kind,
            at_ms,
            topic: None,
            partition: None,
            producer_id: None,
            epoch: None,
            base_sequence: None,
            offset: None,
            records: None,
            request: None,
        }
    }

    /// Names the topic, and the partition if there is one.
    #[must_use]
    pub fn on(mut self, topic: &Arc<str>, partition: Option<i32>) -> Self {
        self.topic = Some(Arc::clone(topic));
        self.partition = partition;
        self
    }

    /// Names the producer; a batch without one has id -1 and leaves the fields empty.
    #[must_use]
    pub const fn by(mut self, producer_id: i64, epoch: i16, base_sequence: Option<i32>) -> Self {
        if producer_id >= 0 {
            self.producer_id = Some(producer_id);
            self.epoch = Some(epoch);
            self.base_sequence = base_sequence;
        }
        self
    }

    /// Names the first offset and the number of records.
    #[must_use]
    pub const fn at(mut self, offset: i64, records: Option<i32>) -> Self {
        self.offset = Some(offset);
        self.records = records;
        self
    }

    /// The reason in words, for a reader who knows Kafka's vocabulary but not our code.
    #[must_use]
    pub fn reason(&self) -> String {
        let id = self.producer_id.unwrap_or(-1);
        let epoch = self.epoch.unwrap_or(-1);
        let sequence = self.base_sequence.unwrap_or(-1);
        let offset = self.offset.unwrap_or(-1);
        match &self.kind {
            EventKind::Appended if id < 0 => {
                format!(
                    "appended at offset {offset}; the batch has no producer id, so a copy could not be recognised"
                )
            }
            EventKind::Appended => {
                format!(
                    "appended at offset {offset}: sequence {sequence} is the next of producer {id} in epoch {epoch}"
                )
            }
            EventKind::DuplicateRecognised => format!(
                "producer {id} has sent this batch before (epoch {epoch}, first sequence {sequence}); it is in the log at \
                 offset {offset}, so nothing was appended and the answer is success"
            ),
            EventKind::SequenceGap { expected, code } => format!(
                "sequence {sequence} of producer {id} does not follow: {expected} was expected in epoch {epoch}; answered {code}"
            ),
            EventKind::EpochFenced { current, code } => {
                format!("producer {id} sent epoch {epoch}, the broker holds {current}; answered {code}")
            }
            EventKind::BatchRefused { code, why } => format!("refused with {code}: {why}"),
            EventKind::RetentionTruncated { freed_bytes } => format!(
                "the oldest segment was removed to stay within the limits ({freed_bytes} bytes); the log now starts at {offset}"
            ),
            EventKind::Compacted { removed, kept, cause } => format!(
                "compaction kept the newest record of each key ({removed} removed, {kept} kept; offsets stay as they are): {}",
                cause.words()
            ),
            EventKind::RecordsDeleted { freed_bytes } => format!(
                "records were deleted on a client's wish ({freed_bytes} bytes given back); the log now starts at {offset}"
            ),
            EventKind::TopicAltered { what } => format!("settings changed: {what}"),
            EventKind::PartitionsAdded { partitions } => {
                format!(
                    "the topic has {partitions} partitions now; the same key may go to another one than before"
                )
            }
            EventKind::TopicCreated { partitions } => format!("topic created with {partitions} partitions"),
            EventKind::TopicDeleted => "topic deleted, with its records".to_owned(),
            EventKind::ProducerIdGiven => format!("producer id {id} given out, epoch {epoch}"),
            EventKind::ProducersForgotten { count } => {
                format!("{count} producers forgotten; a retry of theirs would be appended again")
            }
            EventKind::Group { group, what } => what.reason(group, offset),
            EventKind::FaultFired { what } => format!("a fault fired: {what}"),
        }
    }
}

impl fmt::Display for BrokerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let (Some(topic), Some(partition)) = (&self.topic, self.partition) {
            write!(f, " {topic}-{partition}")?;
        } else if let Some(topic) = &self.topic {
            write!(f, " {topic}")?;
        }
        write!(f, ": {}", self.reason())
    }
}
