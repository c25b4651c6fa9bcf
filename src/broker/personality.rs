//! How brokers in the field differ from one another, as eight personalities (D-55).
//!
//! **Why one enum.** A client must keep its promises with every broker that it may meet, and the differences are small:
//! which duplicates are recognised, whose epoch counts, where sequences wrap. One value chooses among them, so a test or a
//! simulation can run the same story against each.
//!
//! Neighbours: [`super::producer_state_manager`] asks it and re-exports it. Not here: the rules that all share.

use crate::error::ErrorCode;

/// Which broker is imitated. A client must keep its promises with the first two; with the others it may have to say
/// "unknown" more often, and must never lose or repeat a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Personality {
    /// Apache Kafka before 4.5: an unknown producer may begin with any sequence (D2).
    #[default]
    ApacheBefore45,
    /// Apache Kafka from 4.5 on: in a log never written to, an unknown producer must begin with 0.
    Apache45,
    /// Any sequence older than the expected one is answered 46 without an offset (Tansu).
    DuplicateAnswers46,
    /// An epoch that the broker has not given out itself is refused: newer 47, older 90 (Tansu).
    NoLocalEpochBump,
    /// The epoch is kept per producer id, so a bump in one partition fences the others (kfake).
    EpochGlobalPerId,
    /// No batch is remembered: a duplicate is answered 45 (Redpanda up to 21.10.2).
    NoDedupWindow,
    /// Sequences wrap at 2147483646 instead of 2147483647: every long-lived producer meets a false gap.
    WrapsOneTooEarly,
    /// Replication errors are answered -1 `UNKNOWN_SERVER_ERROR` instead of their own code.
    UnknownErrorOnReplication,
}

impl Personality {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::ApacheBefore45,
        Self::Apache45,
        Self::DuplicateAnswers46,
        Self::NoLocalEpochBump,
        Self::EpochGlobalPerId,
        Self::NoDedupWindow,
        Self::WrapsOneTooEarly,
        Self::UnknownErrorOnReplication,
    ];

    /// The name used in configurations and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApacheBefore45 => "apache_lt_4_5",
            Self::Apache45 => "apache_ge_4_5",
            Self::DuplicateAnswers46 => "dup_answers_46",
            Self::NoLocalEpochBump => "no_local_epoch_bump",
            Self::EpochGlobalPerId => "epoch_global_per_id",
            Self::NoDedupWindow => "no_dedup_window",
            Self::WrapsOneTooEarly => "wrap_at_2^31_minus_1",
            Self::UnknownErrorOnReplication => "answers_-1_on_replication_error",
        }
    }

    /// The personality of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|personality| personality.name() == name)
    }

    /// The code that goes out where Kafka would answer `code`: 7, 19 and 20 are replication's.
    #[must_use]
    pub const fn answer(self, code: ErrorCode) -> ErrorCode {
        match (self, code.0) {
            (Self::UnknownErrorOnReplication, 7 | 19 | 20) => ErrorCode::UNKNOWN_SERVER_ERROR,
            _ => code,
        }
    }

    /// `sequence + records` in this broker's arithmetic.
    pub(super) const fn add(self, sequence: i32, records: i32) -> i32 {
        let modulus: i64 = match self {
            Self::WrapsOneTooEarly => 0x7fff_ffff,
            Self::ApacheBefore45
            | Self::Apache45
            | Self::DuplicateAnswers46
            | Self::NoLocalEpochBump
            | Self::EpochGlobalPerId
            | Self::NoDedupWindow
            | Self::UnknownErrorOnReplication => 0x8000_0000,
        };
        let sum = (sequence as i64).wrapping_add(records as i64).rem_euclid(modulus);
        #[allow(clippy::cast_possible_truncation, reason = "the remainder is below 2^31")]
        let folded = sum as i32;
        folded
    }
}
