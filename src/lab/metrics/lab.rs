//! What only a lab has: duplicates, the circuit, faults.
//!
//! **Why read at the scrape.** Each of these has an owner who knows it: the injector its toxics, the breaker its state.
//! Neighbours: [`super::copies`], [`crate::lab::breaker`], [`crate::chaos`]. Not here: the producers' figures.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::chaos::kafka::toxic::TYPES;
use crate::chaos::toxic::BYTE_TYPES;
use crate::lab::app::Facade;
use crate::lab::breaker::{Breaker, CircuitState};
use crate::lab::metrics::Facades;
use crate::lab::metrics::copies::Copies;
use crate::lab::profile::Mode;

/// Shows the lab's own figures.
#[derive(Debug)]
pub(super) struct LabCollector {
    facades: Facades,
    copies: Arc<Copies>,
}

impl LabCollector {
    pub(super) const fn new(facades: Facades, copies: Arc<Copies>) -> Self {
        Self { facades, copies }
    }
}

impl Collector for LabCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let facades = self.facades.all();
        let help = "Circuit breaker: 0 closed (or none), 1 half-open, 2 open";
        let mut family = encoder.encode_descriptor("lab_circuit_state", help, None, MetricType::Gauge)?;
        for facade in &facades {
            let state = facade.shared.breaker(facade.profile).map_or(CircuitState::Closed, Breaker::state);
            family.encode_family(&[("profile", facade.profile.name())])?.encode_gauge(&state.number())?;
        }
        let Some(facade) = facades.first() else { return Ok(()) };
        if facade.shared.broker.is_some() {
            let help = "Records that were stored once more, as the embedded broker saw it";
            let mut family = encoder.encode_descriptor("lab_duplicates", help, None, MetricType::Counter)?;
            for mode in [Mode::Plain, Mode::Idempotent] {
                let count = self.copies.of(mode);
                family
                    .encode_family(&[("mode", mode.name())])?
                    .encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
            }
        }
        let help = "Toxics of the injector by type; down counts proxies that are switched off";
        let mut family = encoder.encode_descriptor("lab_fault_active", help, None, MetricType::Gauge)?;
        for (toxic, count) in active_faults(facade) {
            family.encode_family(&[("toxic", toxic)])?.encode_gauge(&count)?;
        }
        Ok(())
    }
}

/// How many toxics of each type there are. Only types that exist are labels.
fn active_faults(facade: &Facade) -> BTreeMap<&'static str, i64> {
    let types = BYTE_TYPES.into_iter().chain(TYPES).chain(["down"]);
    let mut counts: BTreeMap<&'static str, i64> = types.map(|name| (name, 0)).collect();
    let Some(injector) = &facade.shared.injector else { return counts };
    for proxy in injector.proxies() {
        if let Some(down) = counts.get_mut("down").filter(|_| !proxy.enabled) {
            *down += 1;
        }
        for toxic in &proxy.toxics {
            if let Some(count) = counts.get_mut(toxic.type_name.as_str()) {
                *count += 1;
            }
        }
    }
    counts
}
