//! One event of the time line, as its witness told it.
//!
//! **Why behind `Arc`s.** A reader takes a copy of what it needs and leaves the lock; the copy is a count, not a string.
//! Neighbours: [`super::Timeline`] keeps them. Not here: words for people, which are [`super::words`]'.

use std::sync::Arc;

use crate::broker::BrokerEvent;
use crate::chaos::events::ChaosEvent;
use crate::lab::profile::{Mode, Profile};
use crate::runtime::delivery::RecordPlace;
use crate::runtime::observations::Observed;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct TimelineEvent {
    /// Counted from 1, without holes.
    pub id: u64,
    /// When, in microseconds since the Unix epoch; broker and injector tell whole milliseconds.
    pub at_us: i64,
    /// What.
    pub what: What,
}

/// What happened, by who told it.
#[derive(Debug, Clone)]
pub enum What {
    /// A step of an HTTP call.
    Call(Arc<CallNote>),
    /// An observation of a producer.
    Producer(Arc<Observed>),
    /// An event of the embedded broker.
    Broker(Arc<BrokerEvent>),
    /// An event of the injector.
    Injector(Arc<ChaosEvent>),
}

/// Who told an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named after the witness")]
pub enum Witness {
    Call,
    Producer,
    Broker,
    Injector,
}

impl Witness {
    /// As it appears in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "http",
            Self::Producer => "producer",
            Self::Broker => "broker",
            Self::Injector => "injector",
        }
    }
}

impl What {
    /// Who told it.
    pub const fn witness(&self) -> Witness {
        match self {
            Self::Call(_) => Witness::Call,
            Self::Producer(_) => Witness::Producer,
            Self::Broker(_) => Witness::Broker,
            Self::Injector(_) => Witness::Injector,
        }
    }

    /// Its kind's stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Call(note) => note.step.name(),
            Self::Producer(observed) => observed.observation.name(),
            Self::Broker(event) => event.kind.name(),
            Self::Injector(event) => event.kind.name(),
        }
    }
}

/// A step of an HTTP call that wants to send.
#[derive(Debug, Clone)]
pub struct CallNote {
    /// The call's number in this process.
    pub call: u64,
    /// The event that it carries.
    pub event_id: Arc<str>,
    /// The step.
    pub step: CallStep,
}

/// The steps.
#[derive(Debug, Clone)]
pub enum CallStep {
    /// It came, and its parameters are right.
    Arrived {
        /// At which port.
        profile: Profile,
        /// `plain` or `idempotent`.
        mode: Mode,
        /// `sync` or `async`.
        send_mode: &'static str,
        /// The topic.
        topic: Arc<str>,
    },
    /// The producer took its record.
    Accepted {
        /// The topic.
        topic: Arc<str>,
        /// The partition that was chosen.
        partition: i32,
        /// The producer's name.
        client_id: Arc<str>,
        /// Where the record is in it.
        place: RecordPlace,
    },
    /// The record has its outcome.
    Settled(Settled),
    /// The HTTP answer went out.
    Answered {
        /// Its status.
        status: u16,
    },
}

/// How a record ended, as its `Delivery` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// In the log.
    Acknowledged {
        /// At which offset, if that is known.
        offset: Option<i64>,
    },
    /// Certainly not in the log.
    Rejected {
        /// Why.
        cause: Arc<str>,
    },
    /// Nobody knows.
    Unknown {
        /// Why.
        cause: Arc<str>,
    },
}

impl CallStep {
    /// The step's stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Arrived { .. } => "http_call",
            Self::Accepted { .. } => "accepted",
            Self::Settled(Settled::Acknowledged { .. }) => "acknowledged",
            Self::Settled(Settled::Rejected { .. }) => "rejected",
            Self::Settled(Settled::Unknown { .. }) => "unknown",
            Self::Answered { .. } => "http_answer",
        }
    }
}
