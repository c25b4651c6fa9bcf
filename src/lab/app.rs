//! The façade of one port: what its routes share, and the router.
//!
//! **Why one router per port.** The two ports are two profiles with producers of their own, but one status store, one
//! limit of calls and one end. Neighbours: [`crate::lab::server`] feeds it, `routes/` answers, [`crate::lab::guard`]
//! stands in front. Not here: accepting connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::lab::dto::ProbeCheck;
use crate::lab::guard;
use crate::lab::producers::Producers;
use crate::lab::profile::Profile;
use crate::lab::routes;
use crate::lab::running::LabSettings;
use crate::lab::status_store::StatusStore;

/// What both ports share.
#[derive(Debug)]
pub struct Shared {
    /// What became of accepted requests.
    pub statuses: Arc<StatusStore>,
    /// One permit per send call: the bound of concurrent calls (F03).
    pub calls: Arc<Semaphore>,
    /// How many permits there are.
    pub most_calls: usize,
    /// The topic of a call that names none.
    pub default_topic: String,
    /// Whether only this machine can reach the ports; then foreign `Host` headers are refused (F18).
    pub is_loopback_only: bool,
    is_draining: AtomicBool,
    readiness: Mutex<Vec<ProbeCheck>>,
}

impl Shared {
    /// Nothing is ready yet.
    pub fn new(settings: &LabSettings) -> Self {
        Self {
            statuses: Arc::new(StatusStore::with_capacity(settings.status_capacity)),
            calls: Arc::new(Semaphore::new(settings.most_calls)),
            most_calls: settings.most_calls,
            default_topic: settings.default_topic.clone(),
            is_loopback_only: settings.listen.is_loopback(),
            is_draining: AtomicBool::new(false),
            readiness: Mutex::default(),
        }
    }

    /// Whether the lab is stopping.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// From now on: not ready, no new sends.
    pub fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Records how a check went.
    pub fn set_check(&self, check: ProbeCheck) {
        let mut checks = self.readiness.lock().unwrap_or_else(PoisonError::into_inner);
        match checks.iter_mut().find(|known| known.name == check.name) {
            Some(known) => *known = check,
            None => checks.push(check),
        }
    }

    /// How the checks went last.
    pub fn checks(&self) -> Vec<ProbeCheck> {
        self.readiness.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The façade of one port.
#[derive(Debug)]
pub struct Facade {
    /// Which clients it imitates.
    pub profile: Profile,
    /// Its producers.
    pub producers: Producers,
    /// What it shares with the other port.
    pub shared: Arc<Shared>,
}

/// The router of a port.
pub fn router(facade: Arc<Facade>) -> Router {
    Router::new()
        .route("/health", get(routes::health::health))
        .route("/livez", get(routes::probes::live))
        .route("/health/live", get(routes::probes::live))
        .route("/actuator/health/liveness", get(routes::probes::live))
        .route("/readyz", get(routes::probes::ready))
        .route("/health/ready", get(routes::probes::ready))
        .route("/actuator/health/readiness", get(routes::probes::ready))
        .route("/api/v1/send", post(routes::send::send))
        .route("/api/v1/status", get(routes::status::by_query))
        .route("/api/v1/status/{request_id}", get(routes::status::by_path))
        .route("/problems/{name}", get(routes::problems::page))
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&facade), guard::guard))
        .with_state(facade)
}
