//! One file per lab: its steps, and what it must see.
//!
//! **Why.** A lab is found by its name. Neighbours: [`super::run`] calls [`run`]; [`super::catalogue`] has the texts.
//! Not here: the key experiment, which `facteur validate` shares ([`super::experiment`]).

mod asynchronous;
mod breaker;
mod compaction;
mod faults;
mod idempotence;
mod idempotency_key;
mod keys;
mod partitions;
mod start;
mod synchronous;
mod timeout_toxic;
mod timeouts;

use std::time::Duration;

use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::lab_id::LabId;
use crate::lab::runner::run::Runner;

/// Takes the steps of a lab.
///
/// # Errors
///
/// A step that could not be taken; what went otherwise than expected is in the steps.
///
/// # Cancel safety
///
/// A toxic may stand; the runner heals it.
pub async fn run(runner: &Runner, lab: LabId, steps: &mut Steps) -> Result<(), Stop> {
    match lab {
        LabId::Start => start::run(runner, steps).await,
        LabId::Sync => synchronous::run(runner, steps).await,
        LabId::Async => asynchronous::run(runner, steps).await,
        LabId::Faults => faults::run(runner, steps).await,
        LabId::Idempotence => Box::pin(idempotence::run(runner, steps)).await,
        LabId::Partitions => partitions::run(runner, steps).await,
        LabId::Compaction => compaction::run(runner, steps).await,
        LabId::Keys => keys::run(runner, steps).await,
        LabId::IdempotencyKey => idempotency_key::run(runner, steps).await,
        LabId::Breaker => Box::pin(breaker::run(runner, steps)).await,
        LabId::Timeouts => Box::pin(timeouts::run(runner, steps)).await,
        LabId::TimeoutToxic => Box::pin(timeout_toxic::run(runner, steps)).await,
    }
}

/// How long a record may take to be where it was sent.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at something that is not there yet.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
