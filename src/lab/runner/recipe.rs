//! The three ways to lose an acknowledgement (spec 2.8).
//!
//! **Why three.** `drop` loses exactly one answer and waits for nothing; `timeout` needs a plain Toxiproxy only; `seed` is
//! the course's own, which works once the client's timeouts are shorter than the fault (D-59). Neighbours:
//! [`super::experiment`] follows them. Not here: toxics.

use std::fmt;

/// A way to lose an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Recipe {
    /// The answer to one Produce request is dropped after the broker has appended, and the connection cut.
    #[default]
    Drop,
    /// All answers are swallowed until the record is in the log; then the connection is cut. Works with any Toxiproxy.
    Timeout,
    /// The course's: 5 s of latency for 2 s, on producers that wait only 1,000 ms for an answer.
    Seed,
}

impl Recipe {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Timeout => "timeout",
            Self::Seed => "seed",
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
