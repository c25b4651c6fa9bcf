//! Under which conditions a run took place: the producer's mode, the broker's kind, the bounds.
//!
//! **Why the mode.** What is promised depends on it (D-25): without idempotence a retry may be stored twice and out of
//! order, with `acks=0` nothing is confirmed. The oracle must neither cry wolf nor look away, so each clause of the
//! promise is a question here: [`Conditions::may_duplicate`], [`Conditions::order`], [`Conditions::confirms`].

use super::liveness::Timeouts;

/// Which kind of broker it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personality {
    /// Apache Kafka's rules: the whole contract holds.
    Apache,
    /// Other rules: U instead of A is allowed, never Q1 to Q5.
    Other,
    /// Other rules, and it refuses an epoch that the producer raised by itself (B41): the order of a late U is not
    /// promised either (D-7).
    RefusesLocalBumps,
}

/// How much of the order of `send` is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    OfAll,
    /// One request in flight without idempotence: a record that was acknowledged stands before what was sent after it.
    OfAcknowledged,
    Nothing,
}

/// Requests per second that are not yet a storm (Q16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub connects: u32,
    pub metadata: u32,
    pub init_producer_id: u32,
    pub produce_retries: u32,
}

impl Budget {
    /// What the settings allow. A backoff is at least 80 percent of its first wait, and a connection that became ready
    /// starts again at the first one, so a peer that cuts at once may be met once per 0.8 x `reconnect.backoff.ms`: so
    /// often each node may be dialled. Metadata and producer ids are asked once per 0.8 x `retry.backoff.ms`, and once
    /// more for each connection that ended under the request, since another broker may answer at once. Retries: each
    /// lane resends at most its window of five each time that a backoff has passed or a connection was replaced.
    #[must_use]
    pub const fn of(timeouts: &Timeouts, nodes: u32, lanes: u32) -> Self {
        let per_node = per_second(timeouts.reconnect_backoff_ns);
        let per_retry = per_second(timeouts.retry_backoff_ns);
        Self {
            connects: nodes * per_node,
            metadata: per_retry + nodes * per_node,
            init_producer_id: per_retry + nodes * per_node,
            produce_retries: lanes * 5 * (per_node + per_retry),
        }
    }

    pub(super) const fn limits(&self) -> [u32; 4] {
        [self.connects, self.metadata, self.init_producer_id, self.produce_retries]
    }
}

/// Waits of at least 80 percent of `backoff_ns` that begin in one second.
#[allow(clippy::cast_possible_truncation, reason = "at most 1000 waits of a millisecond fit in a second")]
const fn per_second(backoff_ns: u64) -> u32 {
    let shortest_ns = backoff_ns / 10 * 8;
    // No backoff at all: a budget of one per millisecond still tells a loop from patience.
    let shortest_ns = if shortest_ns < 1_000_000 { 1_000_000 } else { shortest_ns };
    (1_000_000_000 / shortest_ns) as u32 + 2
}

/// The conditions of a run.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// -1 (all), 1 or 0.
    pub acks: i16,
    pub is_idempotent: bool,
    pub max_in_flight: usize,
    pub personality: Personality,
    /// A lane has used up the epochs of its id, of which the run left it a handful. What it then gives up (no resend cures the
    /// answer, D-13; the user allows none, D-14; late resolution is at its bounds, D-17 and D-34), or gave up under an epoch
    /// after which none was accepted, is fenced by nothing: a late copy may land behind what was sent after it. D-7 keeps such
    /// a lane resending for as long as those allow, and no longer.
    pub epochs_run_out: bool,
    /// Without them, nothing that is about time is checked: a missing outcome is, a late one is not.
    pub timeouts: Option<Timeouts>,
    /// Without it, Q16 is not checked.
    pub budget: Option<Budget>,
}

impl Conditions {
    /// The default producer on an Apache broker: idempotent, acks=all. The whole contract.
    #[must_use]
    pub const fn whole_contract() -> Self {
        Self {
            acks: -1,
            is_idempotent: true,
            max_in_flight: 5,
            personality: Personality::Apache,
            epochs_run_out: false,
            timeouts: None,
            budget: None,
        }
    }

    #[must_use]
    pub const fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts: Some(timeouts), ..self }
    }

    /// Whether A says that the record is in the log (D-25: with acks=0 it says that it left).
    pub(super) const fn confirms(&self) -> bool {
        self.acks != 0
    }

    /// A resend is a duplicate if nobody recognises it; with acks=0 only what never left is sent again (D-25).
    pub(super) const fn may_duplicate(&self) -> bool {
        !self.is_idempotent && self.acks != 0
    }

    pub(super) const fn order(&self) -> Order {
        if self.is_idempotent {
            Order::OfAll
        } else if self.acks != 0 && self.max_in_flight == 1 {
            Order::OfAcknowledged
        } else {
            Order::Nothing
        }
    }

    pub(super) fn is_apache(&self) -> bool {
        self.personality == Personality::Apache
    }
}
