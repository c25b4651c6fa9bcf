//! What went over the wires, batch by batch, for the venues that see it: Q10 and Q11.
//!
//! **Why from outside.** The engine asserts its own rules; here somebody who sees only frames and answers asks the same
//! questions: is one sequence ever given to two contents, is a batch in doubt ever sent under a second name, is the first
//! batch of an identity alone until it is answered (K5), is the broker's memory of five batches ever exceeded, does
//! anything but the head go out after a failure (K6), does a lane move while its old connection owes answers (K8), does
//! each new name follow the one before it (K15)?
//!
//! **Why at the producer's socket.** A broker sees when requests arrive, not when they left, and not whether its answers
//! did arrive: what it could say of K6, K8 and K15 would be a guess. Here order is what it was, so the checks are exact.

use std::fmt;

use super::history::{Lane, RecordId};

/// The identity and the sequence numbers of a batch, as they stand in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub producer_id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

/// What an answer says about the log (`spec/reliability.md` 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Success,
    /// Certainly not appended by this attempt.
    Definite,
    /// The append may exist: 3, 6, 7, 20, 56, -1, an unknown code.
    Indeterminate,
}

/// A batch handed to a connection.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    pub lane: Lane,
    pub stamp: Stamp,
    pub connection: u64,
    pub leader_epoch: i32,
    /// Its first record: a batch that is cut or stamped anew is recognised by it.
    pub first: RecordId,
    /// A hash of the batch's records.
    pub content: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum WireEvent {
    Written(Written),
    Answered {
        lane: Lane,
        connection: u64,
        stamp: Stamp,
        answer: Answer,
    },
    /// The connection ended before the operating system had taken the whole frame (D-3).
    NotProcessed {
        lane: Lane,
        connection: u64,
        stamp: Stamp,
    },
    /// Its callers were told that it is in the log: by an answer, or by a proof that no answer says (D-4).
    Known {
        lane: Lane,
        stamp: Stamp,
    },
    /// Whatever is unanswered on it stays so.
    Ended {
        connection: u64,
    },
}

/// The traffic of a run, in the order in which the producer's side saw it.
#[derive(Debug, Default)]
pub struct Wire {
    pub(super) events: Vec<WireEvent>,
}

impl Wire {
    pub fn written(&mut self, written: Written) {
        self.events.push(WireEvent::Written(written));
    }

    pub fn answered(&mut self, lane: Lane, connection: u64, stamp: Stamp, answer: Answer) {
        self.events.push(WireEvent::Answered { lane, connection, stamp, answer });
    }

    pub fn not_processed(&mut self, lane: Lane, connection: u64, stamp: Stamp) {
        self.events.push(WireEvent::NotProcessed { lane, connection, stamp });
    }

    /// The number of records in `stamp` is not looked at: a batch is known by where it begins.
    pub fn known(&mut self, lane: Lane, stamp: Stamp) {
        self.events.push(WireEvent::Known { lane, stamp });
    }

    pub fn ended(&mut self, connection: u64) {
        self.events.push(WireEvent::Ended { connection });
    }

    /// Whether a batch was sent under the last epoch that an id has.
    #[must_use]
    pub fn has_the_last_epoch(&self) -> bool {
        let is_last = |event: &WireEvent| matches!(event, WireEvent::Written(written) if written.stamp.epoch == i16::MAX);
        self.events.iter().any(is_last)
    }

    /// What concerns one lane, in its order.
    pub(super) fn write_state(&self, lane: Lane, out: &mut impl fmt::Write) -> fmt::Result {
        let concerns = |event: &&WireEvent| match event {
            WireEvent::Written(written) => written.lane == lane,
            WireEvent::Answered { lane: of, .. }
            | WireEvent::NotProcessed { lane: of, .. }
            | WireEvent::Known { lane: of, .. } => *of == lane,
            WireEvent::Ended { .. } => true,
        };
        self.events.iter().filter(concerns).try_for_each(|event| write!(out, "{event:?}"))
    }
}
