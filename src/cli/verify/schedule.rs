//! Which fault comes at which record.
//!
//! **Why at records and not at times.** A clock makes two runs differ; the record's number does not. Neighbours: `door`
//! arms a fault, `sending` says when. Not here: whether a fault found a request to act on, which the report tells.

use std::time::Duration;

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;

use crate::error::ErrorCode;

/// The kinds, as `--kinds` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// The broker acts on the request, its answer is lost and the connection closed.
    DropResponse,
    /// The answer comes late, perhaps later than the producer waits.
    DelayResponse,
    /// The connection is closed at a request; whether the broker acts on it depends on who makes the fault.
    CloseConnection,
    /// An error instead of an answer; the broker does not act on the request.
    ErrorResponse,
    /// The request arrives twice (the injector only).
    DuplicateRequest,
}

/// One fault, for one Produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// See [`KindName::DropResponse`].
    DropResponse,
    /// See [`KindName::DelayResponse`].
    DelayResponse {
        /// How late.
        #[serde(rename = "delayMs")]
        delay_ms: u64,
    },
    /// See [`KindName::CloseConnection`].
    CloseConnection,
    /// See [`KindName::ErrorResponse`].
    ErrorResponse {
        /// Kafka's number of the error.
        code: i16,
    },
    /// See [`KindName::DuplicateRequest`].
    DuplicateRequest,
}

/// A fault and when it is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// Before this record is sent.
    pub at_record: u32,
    /// What happens to the next Produce request.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// All faults of a run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What they were drawn from.
    pub seed: u64,
    /// The faults.
    pub faults: Vec<Planned>,
}

impl Schedule {
    /// Draws as many faults of these kinds; the first twentieth of the records is left alone, so that the producer is warm.
    pub fn draw(seed: u64, num_records: u32, count: u32, kinds: &[KindName]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let first = num_records / 20;
        let mut faults: Vec<Planned> = (0..count)
            .filter_map(|_| {
                let at_record = random.random_range(first..num_records.max(first + 1));
                let name = kinds.get(random.random_range(0..kinds.len().max(1)))?;
                Some(Planned { at_record, kind: kind(*name, &mut random) })
            })
            .collect();
        faults.sort_by_key(|fault| fault.at_record);
        Self { seed, faults }
    }
}

fn kind(name: KindName, random: &mut StdRng) -> FaultKind {
    match name {
        KindName::DropResponse => FaultKind::DropResponse,
        KindName::DelayResponse => FaultKind::DelayResponse { delay_ms: random.random_range(50..2_500) },
        KindName::CloseConnection => FaultKind::CloseConnection,
        KindName::ErrorResponse => {
            let codes = [
                ErrorCode::NOT_LEADER_OR_FOLLOWER,
                ErrorCode::NOT_ENOUGH_REPLICAS,
                ErrorCode::REQUEST_TIMED_OUT,
            ];
            let code = codes.get(random.random_range(0..codes.len())).copied();
            FaultKind::ErrorResponse { code: code.unwrap_or(ErrorCode::NOT_ENOUGH_REPLICAS).0 }
        }
        KindName::DuplicateRequest => FaultKind::DuplicateRequest,
    }
}

impl FaultKind {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Self::DropResponse => "the answer is lost".to_owned(),
            Self::DelayResponse { delay_ms } => {
                format!("the answer comes after {:?}", Duration::from_millis(*delay_ms))
            }
            Self::CloseConnection => "the connection is closed".to_owned(),
            Self::ErrorResponse { code } => format!("answered {} instead", ErrorCode(*code)),
            Self::DuplicateRequest => "the request arrives twice".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [KindName; 2] = [KindName::DropResponse, KindName::DelayResponse];

    // A report names its seed; a seed that draws something else next time is worth nothing.
    #[test]
    fn a_seed_draws_the_same_faults_again() {
        let schedule = Schedule::draw(42, 5_000, 20, &KINDS);

        assert_eq!(schedule, Schedule::draw(42, 5_000, 20, &KINDS));
        assert_ne!(schedule.faults, Schedule::draw(43, 5_000, 20, &KINDS).faults);
        assert_eq!(schedule.faults.len(), 20);
        assert!(schedule.faults.is_sorted_by_key(|fault| fault.at_record));
        assert!(schedule.faults.iter().all(|fault| (250..5_000).contains(&fault.at_record)));
    }

    // The smallest runs have no room for anything; they must not panic.
    #[test]
    fn one_record_has_room_for_faults() {
        assert_eq!(Schedule::draw(1, 1, 3, &KINDS).faults.len(), 3);
        assert_eq!(Schedule::draw(1, 1, 0, &[]).faults, []);
    }
}
