//! How long the producer may take once everything works again: the bound L of `spec/reliability.md` 3.4, and the other
//! bounds that follow from the settings.
//!
//! ```text
//! L = socket.connection.setup.timeout.max.ms   a connection attempt that began before healing and was swallowed
//!   + reconnect.backoff.max.ms                 the wait after it, at its longest
//!   + request.timeout.ms                       then, or beside it: a Metadata or InitProducerId request without an answer
//!   + retry.backoff.max.ms                     before it is asked again
//!   + request.timeout.ms                       a Produce request without an answer: its connection is closed by now
//!   + retry.backoff.max.ms                     before its batch is sent again; waits grow no longer than that
//!   + the time to send what is buffered        `drain`: a property of the load, which the venue knows
//! ```
//!
//! **Why a sum.** Each term is something the producer may be in the middle of when the last fault ends, and the longest
//! chain has each of them once: connect, ask, send. A second turn of any of them needs another fault.

use std::time::Duration;

use facteur::ProducerConfig;

/// The settings that bounds are made of, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub delivery_ns: u64,
    pub request_ns: u64,
    pub setup_max_ns: u64,
    pub reconnect_backoff_ns: u64,
    pub reconnect_backoff_max_ns: u64,
    pub retry_backoff_ns: u64,
    pub retry_backoff_max_ns: u64,
    /// What sending everything that is buffered takes once it flows.
    pub drain_ns: u64,
    /// What the venue's own clock and scheduler may add: nothing in simulated time, seconds on a busy machine.
    pub slack_ns: u64,
}

impl Timeouts {
    /// The settings of a producer; `drain` is the venue's.
    #[must_use]
    pub fn of(config: &ProducerConfig, drain: Duration) -> Self {
        Self {
            delivery_ns: nanos(config.delivery_timeout),
            request_ns: nanos(config.request_timeout),
            setup_max_ns: nanos(config.connection_setup_timeout_max),
            reconnect_backoff_ns: nanos(config.reconnect_backoff),
            reconnect_backoff_max_ns: nanos(config.reconnect_backoff_max),
            retry_backoff_ns: nanos(config.retry_backoff),
            retry_backoff_max_ns: nanos(config.retry_backoff_max),
            drain_ns: nanos(drain),
            slack_ns: 0,
        }
    }

    /// On the real clock outcomes are seen later than they are made.
    #[must_use]
    pub fn with_slack(self, slack: Duration) -> Self {
        Self { slack_ns: nanos(slack), ..self }
    }

    /// L.
    #[must_use]
    pub const fn liveness_bound_ns(&self) -> u64 {
        self.setup_max_ns
            + self.reconnect_backoff_max_ns
            + 2 * self.request_ns
            + 2 * self.retry_backoff_max_ns
            + self.drain_ns
            + self.slack_ns
    }

    /// Q13: by then an accepted record has an outcome. The delivery timeout runs from the batch's first append, so no
    /// record waits longer than that; two request timeouts allow for a loop that is busy with dead connections.
    #[must_use]
    pub const fn outcome_bound_ns(&self) -> u64 {
        self.delivery_ns + 2 * self.request_ns + self.slack_ns
    }

    /// How long a record is sure to have: a batch takes no records once older than an eighth of the delivery timeout
    /// (D-18).
    #[must_use]
    pub const fn least_delivery_ns(&self) -> u64 {
        self.delivery_ns / 8 * 7
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
