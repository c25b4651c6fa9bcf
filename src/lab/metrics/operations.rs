//! How long records take, from their acceptance to their outcome, as the façade sees them.
//!
//! **Why here and not in the producer.** A clock read per record would cost the library's users; per HTTP call it is
//! nothing. The name and the bounds are those of OpenTelemetry's messaging conventions. Neighbours: `routes/send` and
//! the status store's watchers finish the timers. Not here: single requests to Kafka, which are
//! [`super::producers`]'s.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::lab::app::Shared;
use crate::lab::clock;
use crate::lab::profile::{Mode, Profile};
use crate::lab::status_store::Outcome;
use crate::time::Instant;

/// Upper bounds in seconds: those of the convention, and three for a broker in the same process.
pub(super) const SECONDS: [f64; 17] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    messaging_system: &'static str,
    messaging_operation_name: &'static str,
    profile: &'static str,
    mode: &'static str,
    outcome: &'static str,
}

/// Durations of records.
#[derive(Debug)]
pub struct OperationMetrics {
    durations: Family<Labels, Histogram, fn() -> Histogram>,
}

impl OperationMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let durations = Family::new_with_constructor(histogram);
        registry.register_with_unit(
            "messaging_client_operation_duration",
            "Records from their acceptance to their outcome",
            Unit::Seconds,
            durations.clone(),
        );
        Self { durations }
    }
}

/// One record that was accepted.
#[derive(Debug)]
pub struct OperationTimer {
    shared: Arc<Shared>,
    profile: Profile,
    mode: Mode,
    accepted: Instant,
}

impl OperationTimer {
    /// The record was accepted now.
    pub fn start(shared: &Arc<Shared>, profile: Profile, mode: Mode) -> Self {
        Self { shared: Arc::clone(shared), profile, mode, accepted: clock::now() }
    }

    /// Its outcome is there.
    pub fn finish(self, outcome: &Outcome) {
        let labels = Labels {
            messaging_system: "kafka",
            messaging_operation_name: "send",
            profile: self.profile.name(),
            mode: self.mode.name(),
            outcome: name_of(outcome),
        };
        let seconds = clock::now().since(self.accepted).as_secs_f64();
        self.shared.metrics.operations.durations.get_or_create(&labels).observe(seconds);
    }
}

/// The label of an outcome.
pub(super) fn name_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "acknowledged",
        Err(error) if error.may_have_been_written() => "unknown",
        Err(_) => "rejected",
    }
}
