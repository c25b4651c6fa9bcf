//! A lane: everything the engine knows of one partition, and the batches it has taken.
//!
//! ```text
//!              send                    success
//!   clean ───────────────▶ on its way ─────────────▶ acknowledged ─▶ (leaves the window at its head)
//!    ▲ ▲                    │  │  │
//!    │ └─ not processed ────┘  │  └─ refused, never in doubt ─▶ rejected ─▶ lane reset
//!    │                         │
//!    └─ definite code          └─ unanswered, or an indeterminate code ─▶ in doubt ─▶ on its way …
//! ```
//!
//! **Why doubt is a property of the batch.** Once a batch may be in the log, no later refusal makes it certain that it
//! is not (K2). What a batch in doubt may never do is change: neither its bytes nor its name (K3, K4). Neighbours:
//! `sender` asks what comes next, `resolution` settles outcomes, `partition_sequences` names batches. Not here: what
//! the answers mean.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::accumulator::partition_queue::QueueStatus;
use crate::accumulator::producer_batch::SealedBatch;
use crate::engine::offset_regression::LogEnd;
use crate::engine::partition_sequences::{Gate, LONGEST_MEMORY, PartitionSequences, Stamp};
use crate::engine::ready_lanes::ReadyPlace;
use crate::error::{Cause, ErrorCode};
use crate::identifiers::{BatchNumber, ConnectionId, NodeId};
use crate::mutants::{self, Mutant};
use crate::time::Instant;

/// At most so many batches from the oldest unresolved to the newest that may be in the log: a broker remembers five.
pub(crate) const MAX_WINDOW: usize = 5;

/// A leader epoch below the known one is believed after so many refreshes that agree (B22).
const AGREEING_REFRESHES: u32 = 5;

/// A batch in doubt is never resent later than this after its first attempt (D-17).
const LONGEST_DOUBT: Duration = LONGEST_MEMORY;

/// A batch's present attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) connection: ConnectionId,
    /// The leader's epoch as it was known at the send: its success opens the gate for this one and no newer (D-8).
    pub(crate) leader_epoch: i32,
    pub(crate) gate_was_open: bool,
}

/// What is known of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Unresolved.
    Pending,
    /// In the log; kept while an older batch is unresolved, because the window counts it.
    Acknowledged { gate_was_open: bool },
    /// Certainly not in the log, or given up.
    Gone,
}

/// How a batch may have come into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// Every doubtful attempt was without an answer and was sent with the gate open: a proof of absence is possible.
    pub(crate) only_unanswered_behind_gate: bool,
}

/// A batch in the window.
#[derive(Debug)]
pub(crate) struct WindowBatch {
    pub(crate) batch: SealedBatch,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) corrupt_answers: u32,
    pub(crate) open: Option<Attempt>,
    pub(crate) doubt: Option<Doubt>,
    pub(crate) last_code: Option<ErrorCode>,
    /// The caller has been told "unknown"; the bytes are still resent for a while (D-5).
    pub(crate) told: bool,
    /// Its bytes count as held by late resolution (D-34).
    pub(crate) is_late: bool,
    pub(crate) fate: Fate,
    pub(crate) first_attempt_at: Option<Instant>,
}

impl WindowBatch {
    pub(crate) const fn new(batch: SealedBatch) -> Self {
        Self {
            batch,
            stamp: None,
            attempts: 0,
            failures: 0,
            corrupt_answers: 0,
            open: None,
            doubt: None,
            last_code: None,
            told: false,
            is_late: false,
            fate: Fate::Pending,
            first_attempt_at: None,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.fate == Fate::Pending
    }

    /// Zero or one copy is in the log: an attempt is open, or one ended without certainty (D-3).
    pub(crate) const fn may_be_in_the_log(&self) -> bool {
        self.open.is_some() || self.doubt.is_some()
    }

    /// An attempt ended without an answer.
    pub(crate) fn becomes_doubtful_unanswered(&mut self, gate_was_open: bool) {
        let before = self.doubt.is_none_or(|doubt| doubt.only_unanswered_behind_gate);
        self.doubt = Some(Doubt { only_unanswered_behind_gate: before && gate_was_open });
    }

    /// An attempt was answered with a code that a broker can give after appending.
    pub(crate) const fn becomes_doubtful_by_answer(&mut self) {
        self.doubt = Some(Doubt { only_unanswered_behind_gate: false });
    }

    pub(crate) fn is(&self, number: BatchNumber, first_record: u32) -> bool {
        self.batch.number == number && self.batch.first_record == first_record
    }

    /// When the caller is told. Doubt ends earlier than a very long delivery timeout: the broker forgets (D-17).
    pub(crate) fn deadline(&self, delivery_timeout: Duration) -> Instant {
        let deadline = self.batch.created_at + delivery_timeout;
        match self.first_attempt_at {
            Some(first) if self.may_be_in_the_log() => deadline.min(first + LONGEST_DOUBT),
            _ => deadline,
        }
    }

    /// Until when the bytes are resent after the caller was told "unknown" (D-5, D-17). At the last epoch of its id until
    /// doubt may last no longer: no bump could fence a copy that is on its way (D-7).
    pub(crate) fn late_deadline(&self, delivery_timeout: Duration, late_resolution: Duration) -> Instant {
        let late = self.batch.created_at + delivery_timeout + late_resolution;
        let Some(longest) = self.first_attempt_at.map(|first| first + LONGEST_DOUBT) else { return late };
        if self.is_at_the_last_epoch() { longest } else { late.min(longest) }
    }

    /// Its id has no epoch left that could fence it.
    pub(crate) fn is_at_the_last_epoch(&self) -> bool {
        self.stamp.is_some_and(|stamp| stamp.identity.epoch == i16::MAX)
    }
}

/// Why a lane gives up its identity (D-6).
#[derive(Debug, Clone)]
pub(crate) struct Reset {
    pub(crate) reason: Arc<str>,
    /// The old id is not accepted any more: a bump is not enough.
    pub(crate) needs_new_id: bool,
    /// A copy of an abandoned batch may still be on its way: only a bump inside the same id fences it (D-7).
    pub(crate) abandoned: bool,
    /// The log is another one: nothing in doubt may be resent (D-40).
    pub(crate) recreated: bool,
}

/// Refreshes in a row that agreed on a leader epoch below the one that is known (B22).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OlderNews {
    news: Option<(Option<NodeId>, i32)>,
    refreshes: u32,
}

impl OlderNews {
    /// Another refresh with such news; true if there were enough to believe it.
    pub(crate) fn is_confirmed_by(&mut self, leader: Option<NodeId>, epoch: i32) -> bool {
        let news = Some((leader, epoch));
        self.refreshes = if self.news == news { self.refreshes + 1 } else { 1 };
        self.news = news;
        self.refreshes >= AGREEING_REFRESHES
    }
}

/// One partition.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) leader: Option<NodeId>,
    pub(crate) leader_epoch: i32,
    pub(crate) older_news: OlderNews,
    pub(crate) queue: QueueStatus,
    pub(crate) taking: bool,
    /// The queue was told that a full batch could be sent: it will say when there is one (D-30).
    pub(crate) is_wanted: bool,
    pub(crate) expiring: bool,
    pub(crate) window: VecDeque<WindowBatch>,
    pub(crate) sequences: PartitionSequences,
    /// After a failure only the head is sent, until it is acknowledged (D-9).
    pub(crate) recovering: bool,
    pub(crate) backoff_until: Instant,
    /// Until then no other hint is followed without a backoff.
    pub(crate) led_until: Instant,
    pub(crate) reset: Option<Reset>,
    /// A copy of an abandoned batch may still land: nothing of a newer epoch of its id has been acknowledged since.
    pub(crate) is_unfenced: bool,
    /// Last answered with a code that makes a broker slow (7, 19, 20) or timed out: it travels alone (D-42).
    pub(crate) travels_alone: bool,
    pub(crate) last_code: Option<ErrorCode>,
    /// In the list of lanes to be looked at.
    pub(crate) is_dirty: bool,
    /// In its leader's line of lanes with something to send.
    pub(crate) ready_on: Option<ReadyPlace>,
    pub(crate) last_used: Instant,
    /// Where the log of this topic ended, as far as it was told.
    pub(crate) log_end: Option<LogEnd>,
}

impl Lane {
    pub(crate) fn new(topic: Arc<str>, partition: i32, now: Instant) -> Self {
        Self {
            topic,
            partition,
            leader: None,
            leader_epoch: -1,
            older_news: OlderNews::default(),
            queue: QueueStatus::default(),
            taking: false,
            is_wanted: true,
            expiring: false,
            window: VecDeque::new(),
            sequences: PartitionSequences::default(),
            recovering: false,
            backoff_until: Instant::ZERO,
            led_until: Instant::ZERO,
            reset: None,
            is_unfenced: false,
            travels_alone: false,
            last_code: None,
            is_dirty: false,
            ready_on: None,
            last_used: now,
            log_end: None,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.window.is_empty() && self.queue.is_empty() && !self.taking
    }

    /// Attempts that are open; all are on one connection (K8).
    pub(crate) fn open_attempts_on(&self, connection: ConnectionId) -> usize {
        let is_elsewhere = |attempt: Attempt| mutants::is_on(Mutant::K8) && attempt.connection != connection;
        self.window.iter().filter(|batch| batch.open.is_some_and(|open| !is_elsewhere(open))).count()
    }

    /// The connection that still owes answers for this lane.
    pub(crate) fn open_connection(&self) -> Option<ConnectionId> {
        self.window.iter().find_map(|batch| batch.open.map(|attempt| attempt.connection))
    }

    pub(crate) fn position(&self, number: BatchNumber, first_record: u32) -> Option<usize> {
        self.window.iter().position(|batch| batch.is(number, first_record))
    }

    /// The place of the oldest unresolved batch.
    pub(crate) fn head(&self) -> Option<usize> {
        self.window.iter().position(WindowBatch::is_pending)
    }

    /// Resolved batches leave at the head. One that was given up stays while its attempt is open: until then the lane
    /// must not move to another connection, nor send more than it may (K8, D-10).
    pub(crate) fn trim(&mut self) {
        while self.window.front().is_some_and(|batch| !batch.is_pending() && batch.open.is_none()) {
            self.window.pop_front();
        }
        if self.window.is_empty() {
            self.recovering = false;
        }
    }

    /// D-4, *present*: a later batch of the same identity, sent with the gate open, was acknowledged.
    pub(crate) fn is_proven_present(&self, place: usize) -> bool {
        let Some(identity) = self.window.get(place).and_then(|batch| batch.stamp).map(|stamp| stamp.identity)
        else {
            return false;
        };
        if mutants::is_on(Mutant::D4Present) {
            return self.window.iter().any(|other| matches!(other.fate, Fate::Acknowledged { .. }));
        }
        self.window.iter().skip(place + 1).any(|later| {
            later.fate == (Fate::Acknowledged { gate_was_open: true })
                && later.stamp.is_some_and(|stamp| stamp.identity == identity)
        })
    }

    /// D-4, *absent*: a predecessor of the same identity is certainly not in the log, and every doubtful attempt was
    /// sent behind it with the gate open, so the broker must have refused it.
    pub(crate) fn is_proven_absent(&self, place: usize) -> bool {
        let Some(batch) = self.window.get(place) else { return false };
        let (Some(stamp), Some(doubt)) = (batch.stamp, batch.doubt) else { return false };
        let is_refused = doubt.only_unanswered_behind_gate || mutants::is_on(Mutant::D4Absent);
        batch.open.is_none() && is_refused && self.sequences.has_rejected_before(stamp)
    }

    /// Asks for a reset; several causes join into one.
    pub(crate) fn ask_reset(&mut self, reset: Reset) {
        match &mut self.reset {
            None => self.reset = Some(reset),
            Some(before) => {
                before.needs_new_id |= reset.needs_new_id;
                before.abandoned |= reset.abandoned;
                before.recreated |= reset.recreated;
            }
        }
    }

    /// The gate's triple for a connection.
    pub(crate) const fn gate_for(&self, connection: ConnectionId) -> Gate {
        Gate { connection, leader_epoch: self.leader_epoch }
    }
}

impl Reset {
    pub(crate) fn because(reason: &str) -> Self {
        Self { reason: reason.into(), needs_new_id: false, abandoned: false, recreated: false }
    }

    pub(crate) const fn with_new_id(mut self) -> Self {
        self.needs_new_id = true;
        self
    }

    pub(crate) const fn after_abandoning(mut self) -> Self {
        self.abandoned = true;
        self
    }

    pub(crate) const fn for_recreated_topic(mut self) -> Self {
        self.recreated = true;
        self
    }
}

/// The cause that a broker's answer gives.
pub(crate) fn broker_cause(code: ErrorCode, message: Option<&str>) -> Cause {
    Cause::Broker { code, message: message.unwrap_or_default().into() }
}
