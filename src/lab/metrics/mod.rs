//! Figures for operators: Prometheus text at `/metrics` (spec section 5).
//!
//! **Why these names.** Whoever has dashboards for Kafka's Java client, in Micrometer's spelling, or for OpenTelemetry's
//! messaging conventions finds the same names here; `docs/grafana.json` uses them. Labels are bounded: profile, mode,
//! outcome, route, status. What a caller chooses (eventId, key, topic) is never one.
//!
//! Neighbours: [`producers`] reads the producers' own counters at the moment of a scrape, [`http`] counts calls,
//! `routes/metrics` writes it all down. Not here: rates and quantiles, which are Prometheus's.

pub mod copies;
pub mod http;
pub mod lab;
pub mod operations;
pub mod process;
pub mod producers;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use crate::lab::app::Facade;
use crate::lab::metrics::copies::Copies;
use crate::lab::metrics::http::HttpMetrics;
use crate::lab::metrics::lab::LabCollector;
use crate::lab::metrics::operations::OperationMetrics;
use crate::lab::metrics::process::ProcessCollector;
use crate::lab::metrics::producers::ProducerCollector;

/// Everything that is counted. One for both ports.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Calls.
    pub http: HttpMetrics,
    /// Records, from their acceptance to their outcome.
    pub operations: OperationMetrics,
    /// Records that were stored twice.
    pub copies: Arc<Copies>,
    facades: Facades,
}

/// The façades whose producers are looked at. They hold the metrics, so the metrics must not hold them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facades(Arc<Mutex<Vec<Weak<Facade>>>>);

impl Facades {
    pub(crate) fn all(&self) -> Vec<Arc<Facade>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let facades = Facades::default();
        let copies = Arc::new(Copies::default());
        registry.register_collector(Box::new(ProducerCollector::new(facades.clone())));
        registry.register_collector(Box::new(LabCollector::new(facades.clone(), Arc::clone(&copies))));
        registry.register_collector(Box::new(ProcessCollector));
        let operations = OperationMetrics::register(&mut registry);
        let http = HttpMetrics::register(&mut registry);
        Self { registry, http, operations, copies, facades }
    }

    /// From now on this façade's producers are shown too.
    pub fn watch(&self, facade: &Arc<Facade>) {
        self.facades.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(facade));
    }

    /// All figures of this moment.
    ///
    /// # Errors
    ///
    /// Never in practice: a string takes whatever is written to it.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
