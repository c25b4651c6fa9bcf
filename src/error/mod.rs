//! What can go wrong, said once and for all: one public enum.
//!
//! **Why three kinds of wrong are kept apart.** A record that was never accepted, a record that is certainly not in the
//! log, and a record of which nobody knows are three different things for a caller: the first two may be sent again,
//! the third may not without risking a second copy. [`Error::outcome`] tells them apart, and no ambiguous failure is
//! ever reported as a certain one \[OUT-1\].
//!
//! Neighbours: [`error_code`] holds the broker's codes. Not here: retry policy, which is the table's.

pub mod error_code;

use std::sync::Arc;
use std::time::Duration;

pub use error_code::{AnswerClass, ErrorCode};

/// What is known about a record whose `send` or delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not in the log, and no copy can still land: sending it again cannot make a duplicate.
    Rejected,
    /// Zero or one copy is in the log, or may still land: sending it again may make a second one.
    Unknown,
}

/// Why a record that was handed to a connection, or waited to be, did not become "acknowledged".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// `delivery.timeout.ms` passed; the last error seen meanwhile, if any.
    DeliveryTimeout {
        /// How long the batch had, from its first record.
        waited: Duration,
        /// The broker's last answer for this batch, if it ever gave one.
        last: Option<ErrorCode>,
    },
    /// The broker refused the batch, or `retries` were used up on this code.
    Broker {
        /// The broker's code.
        code: ErrorCode,
        /// The broker's own text, or the code's name.
        message: Arc<str>,
    },
    /// The connection failed and `retries` did not allow another attempt.
    Network,
    /// The producer was closed or dropped before the outcome was known.
    Closed,
    /// The topic was deleted and created again under the same name while the batch was on its way (KIP-516).
    TopicRecreated,
    /// The codec failed on these bytes; nothing was sent.
    Compression(Arc<str>),
    /// The I/O thread ended by a defect of ours; its message.
    Defect(Arc<str>),
}

/// Everything this crate can fail with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is unknown, misspelt or impossible. Nothing was started. Correct the setting.
    #[error("{0}")]
    Config(Arc<str>),

    /// The producer was closed, or its last handle dropped, before this record was accepted. Make a new producer.
    #[error("the producer is closed; the record was not accepted")]
    Closed,

    /// The producer's I/O thread ended by a defect of ours, with this message (D-23). This record was not accepted. Make
    /// a new producer, and report it.
    #[error("the producer stopped by a defect: {0}; the record was not accepted")]
    Defect(Arc<str>),

    /// The producer's buffer stayed full for `max.block.ms`, or there is no room now (`try_send`). The record was not
    /// accepted: slow down, wait for deliveries, or raise `buffer.memory`.
    #[error(
        "the buffer is full: {needed_bytes} bytes were needed of buffer.memory={buffer_memory_bytes}, waited {waited:?}; \
         the record was not accepted. Slow down, or raise buffer.memory or max.block.ms"
    )]
    BufferFull {
        /// Bytes that the record's batch needed.
        needed_bytes: usize,
        /// The whole buffer.
        buffer_memory_bytes: usize,
        /// How long the call waited.
        waited: Duration,
    },

    /// The record can never be sent with these settings. Make it smaller or raise the named limit.
    #[error(
        "the record needs up to {size_bytes} bytes, more than {limit_name}={limit_bytes}; it was not accepted. \
         Make it smaller or raise {limit_name}"
    )]
    RecordTooLarge {
        /// Upper bound of the record's size in a batch of its own.
        size_bytes: usize,
        /// The limit that it exceeds.
        limit_bytes: usize,
        /// The setting that holds the limit: `max.request.size` or `buffer.memory`.
        limit_name: &'static str,
    },

    /// The name can never be a topic's: 1 to 249 of `a-z A-Z 0-9 . _ -`, neither `.` nor `..`. Correct the name.
    #[error(
        "invalid topic name {topic:?}: {reason}. Expected 1 to 249 of a-z A-Z 0-9 . _ - and neither \".\" nor \"..\""
    )]
    InvalidTopic {
        /// The name.
        topic: Arc<str>,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The topic did not appear in the cluster's metadata within `max.block.ms`. The record was not accepted. Create
    /// the topic, check the name and the bootstrap servers, then send again.
    #[error(
        "topic {topic:?} is not in the cluster's metadata after {waited:?}{}; the record was not accepted. Create the \
         topic, or check its name and bootstrap.servers",
        detail.as_ref().map(|text| format!(" ({text})")).unwrap_or_default()
    )]
    TopicNotAvailable {
        /// The topic.
        topic: Arc<str>,
        /// How long the call waited.
        waited: Duration,
        /// The last error code that the cluster gave for the topic, if any.
        code: Option<ErrorCode>,
        /// What stood in the way: a broker's answer or a connection that failed.
        detail: Option<Arc<str>>,
    },

    /// The topic has no such partition. The record was not accepted. Choose one below the count, or add partitions.
    #[error(
        "topic {topic:?} has {partition_count} partitions, 0 to {}; partition {partition} does not exist after {waited:?}. \
         The record was not accepted",
        partition_count - 1
    )]
    UnknownPartition {
        /// The topic.
        topic: Arc<str>,
        /// The partition asked for.
        partition: i32,
        /// How many there are.
        partition_count: i32,
        /// How long the call waited for it to appear.
        waited: Duration,
    },

    /// The topic is refused to this client. The record was not accepted. Ask for the right to write it.
    #[error("not authorised to write topic {topic:?}; the record was not accepted")]
    TopicAuthorization {
        /// The topic.
        topic: Arc<str>,
    },

    /// The record itself makes no sense (a negative partition or timestamp, too many headers). Correct it.
    #[error("invalid record: {0}; it was not accepted")]
    InvalidRecord(Arc<str>),

    /// A call that cannot work where it was made, such as a blocking one on the callback thread. Nothing happened.
    #[error("misuse: {0}")]
    Misuse(&'static str),

    /// No cluster could be reached in the time allowed.
    #[error("no broker of {bootstrap} could be reached within {waited:?}: {detail}")]
    NotReady {
        /// The bootstrap servers.
        bootstrap: Arc<str>,
        /// How long it was tried.
        waited: Duration,
        /// The last failure.
        detail: Arc<str>,
    },

    /// An accepted record is **certainly not** in the log and never will be. It may be sent again.
    #[error(
        "the record for {topic}-{partition} was rejected ({attempts} attempts): {cause}. It is certainly not in the log"
    )]
    Rejected {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// How often the batch was handed to a connection.
        attempts: u32,
        /// Why.
        cause: Cause,
    },

    /// **Nobody knows** whether an accepted record is in the log: zero or one copy is there, or may still land. Sending
    /// it again may make a second copy; look into the log, or make the consumer idempotent.
    #[error(
        "the outcome of the record for {topic}-{partition} is unknown ({attempts} attempts): {cause}. Zero or one copy is in \
         the log; sending it again may duplicate it"
    )]
    Unknown {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// How often the batch was handed to a connection.
        attempts: u32,
        /// Why.
        cause: Cause,
    },
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DeliveryTimeout { waited, last: Some(code) } => {
                write!(f, "delivery.timeout.ms passed after {waited:?}; the last error was {code}")
            }
            Self::DeliveryTimeout { waited, last: None } => {
                write!(f, "delivery.timeout.ms passed after {waited:?}")
            }
            Self::Broker { code, message } if message.is_empty() => write!(f, "{code}"),
            Self::Broker { code, message } => write!(f, "{code}: {message}"),
            Self::Network => f.write_str("the connection was lost and retries are used up"),
            Self::Closed => f.write_str("the producer was closed"),
            Self::TopicRecreated => f.write_str("the topic was deleted and created again"),
            Self::Compression(text) => write!(f, "compression failed: {text}"),
            Self::Defect(text) => write!(f, "the producer's I/O thread stopped by a defect: {text}"),
        }
    }
}

impl Error {
    /// Whether the record may be in the log. [`Outcome::Unknown`] is never reported as [`Outcome::Rejected`]; a record
    /// that was never accepted is rejected as well.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Unknown { .. } => Outcome::Unknown,
            Self::Config(_)
            | Self::Closed
            | Self::Defect(_)
            | Self::BufferFull { .. }
            | Self::RecordTooLarge { .. }
            | Self::InvalidTopic { .. }
            | Self::TopicNotAvailable { .. }
            | Self::UnknownPartition { .. }
            | Self::TopicAuthorization { .. }
            | Self::InvalidRecord(_)
            | Self::Misuse(_)
            | Self::NotReady { .. }
            | Self::Rejected { .. } => Outcome::Rejected,
        }
    }

    /// Whether a copy may be in the log: `outcome() == Outcome::Unknown`.
    #[must_use]
    pub const fn may_have_been_written(&self) -> bool {
        matches!(self.outcome(), Outcome::Unknown)
    }

    /// Whether the same record may succeed later without any change. Says nothing about duplicates: ask
    /// [`Self::outcome`] first.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::BufferFull { .. } | Self::TopicNotAvailable { .. } | Self::NotReady { .. } => true,
            Self::Rejected { cause, .. } | Self::Unknown { cause, .. } => match cause {
                Cause::DeliveryTimeout { .. } | Cause::Network | Cause::TopicRecreated => true,
                Cause::Broker { code, .. } => code.is_retriable(),
                Cause::Closed | Cause::Compression(_) | Cause::Defect(_) => false,
            },
            Self::Config(_)
            | Self::Closed
            | Self::Defect(_)
            | Self::RecordTooLarge { .. }
            | Self::InvalidTopic { .. }
            | Self::UnknownPartition { .. }
            | Self::TopicAuthorization { .. }
            | Self::InvalidRecord(_)
            | Self::Misuse(_) => false,
        }
    }

    /// The broker's code behind this error, if a broker gave one.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        if let Self::Rejected { cause, .. } | Self::Unknown { cause, .. } = self {
            return if let Cause::Broker { code, .. } = cause {
                Some(*code)
            } else if let Cause::DeliveryTimeout { last, .. } = cause {
                *last
            } else {
                None
            };
        }
        if let Self::TopicNotAvailable { code, .. } = self {
            return *code;
        }
        if matches!(self, Self::TopicAuthorization { .. }) {
            return Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
        }
        None
    }
}
