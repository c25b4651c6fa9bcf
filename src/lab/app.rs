//! The façade of one port: what its routes share, and the router.
//!
//! **Why one router per port.** The two ports are two profiles with producers of their own, but one status store, one
//! limit of calls and one end. Neighbours: [`crate::lab::server`] feeds it, `routes/` answers, [`crate::lab::guard`]
//! stands in front, [`crate::lab::openapi`] turns annotations into the document. Not here: accepting connections.
//!
//! # How to add a route
//!
//! 1. A file in `routes/`, named after the route, with the handler and its annotation. The first line of the doc comment
//!    is the summary; shapes derive `ToSchema` beside `Serialize` (`#[schema(required = true)]` on an `Option` that is
//!    always written, `#[schema(example = …)]` where it helps); only what is particular to the route is described:
//!
//!    ```text
//!    /// What happened to an event.
//!    #[utoipa::path(get, path = "/api/v1/trace/{eventId}", tag = "labs",
//!        params(("eventId" = String, Path, description = "The event.", example = "E-1")),
//!        responses((status = 200, description = "Its story.", body = Trace), NotFoundProblems))]
//!    pub async fn trace(State(facade): State<Arc<Facade>>, …) -> Response { … }
//!    ```
//!
//! 2. Its problems: `NotFoundProblems` and the like, or a unit type of its own that implements `IntoResponses` with
//!    [`crate::lab::openapi::problems::responses_of`] and the kinds that the route can answer. A new kind is a row of
//!    [`crate::lab::problem_kind`] in two languages.
//! 3. One line in [`api`]: `.routes(routes!(routes::trace::trace))`. Two methods of one path go into one `routes!`; a
//!    second address of the same thing is an [`alias`]. Tags are in [`crate::lab::openapi`].
//!
//! What every call has in common (the guard's problems, `X-Request-Id`, `Accept-Language`) is added to the document by
//! itself. `tests/lab/openapi.rs` finds a route without an annotation, and an annotation that is not served.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::sync::Semaphore;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::routes;

use crate::broker::BrokerHandle;
use crate::chaos::Injector;
use crate::lab::breaker::Breaker;
use crate::lab::dto::ProbeCheck;
use crate::lab::guard;
use crate::lab::idempotency::{IdempotencyStore, TTL};
use crate::lab::metrics::{self, Metrics};
use crate::lab::openapi::{self, Api, alias};
use crate::lab::producers::Producers;
use crate::lab::profile::Profile;
use crate::lab::routes;
use crate::lab::runner::desk::Desk;
use crate::lab::running::LabSettings;
use crate::lab::status_store::StatusStore;
use crate::lab::timeline::Timeline;
use crate::lab::timeline::watch::SINK_CAPACITY;
use crate::runtime::observations::Observations;

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
    /// One permit per stream of events.
    pub streams: Arc<Semaphore>,
    /// The longest time that a call may take.
    pub call_timeout: Duration,
    /// What producers, broker, injector and calls did lately.
    pub timeline: Arc<Timeline>,
    /// Where every producer of the lab leaves its observations.
    pub observations: Observations,
    /// The embedded broker, if there is one.
    pub broker: Option<BrokerHandle>,
    /// The fault injector, unless there is none.
    pub injector: Option<Injector>,
    /// Kafka, not through the injector.
    pub direct_bootstrap: String,
    /// Kafka as the producers reach it.
    pub bootstrap: String,
    /// Answers of calls with an `Idempotency-Key`.
    pub idempotency: Arc<IdempotencyStore>,
    /// What is counted.
    pub metrics: Metrics,
    /// The course's labs.
    pub labs: Desk,
    breakers: BTreeMap<Profile, Breaker>,
    is_draining: AtomicBool,
    readiness: Mutex<Vec<ProbeCheck>>,
}

/// The Kafka behind the façade.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// The embedded broker, if there is one.
    pub broker: Option<BrokerHandle>,
    /// The fault injector in front of it, unless there is none.
    pub injector: Option<Injector>,
    /// Its address, not through the injector.
    pub direct_bootstrap: String,
    /// Its address as the producers use it.
    pub bootstrap: String,
}

impl Shared {
    /// Nothing is ready yet.
    pub fn new(settings: &LabSettings, kafka: Kafka) -> Self {
        Self {
            statuses: Arc::new(StatusStore::with_capacity(settings.status_capacity)),
            calls: Arc::new(Semaphore::new(settings.most_calls)),
            most_calls: settings.most_calls,
            default_topic: settings.default_topic.clone(),
            is_loopback_only: settings.listen.is_loopback(),
            streams: Arc::new(Semaphore::new(routes::events::MAX_STREAMS)),
            call_timeout: settings.longest_call(),
            timeline: Arc::new(Timeline::with_capacity(settings.timeline_capacity)),
            observations: Observations::with_capacity(SINK_CAPACITY),
            broker: kafka.broker,
            injector: kafka.injector,
            direct_bootstrap: kafka.direct_bootstrap,
            bootstrap: kafka.bootstrap,
            idempotency: Arc::new(IdempotencyStore::new(settings.idempotency_capacity, TTL)),
            metrics: Metrics::new(),
            labs: Desk::default(),
            breakers: settings.breaker.map_or_else(BTreeMap::new, |breaker| {
                [Profile::Java, Profile::Librdkafka].map(|profile| (profile, Breaker::new(breaker))).into()
            }),
            is_draining: AtomicBool::new(false),
            readiness: Mutex::default(),
        }
    }

    /// The circuit breaker of a profile, if the lab has one.
    pub fn breaker(&self, profile: Profile) -> Option<&Breaker> {
        self.breakers.get(&profile)
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
    let (routes, _document) = api().split_for_parts();
    routes
        // The assets of the pages at `/docs`, which are no part of the contract.
        .route("/docs/", get(routes::docs::page))
        .route("/docs/{*asset}", get(routes::docs::asset))
        .route("/swagger/{*asset}", get(routes::docs::asset))
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&facade), guard::guard))
        .layer(always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .layer(always(header::X_FRAME_OPTIONS, "DENY"))
        .layer(always(header::REFERRER_POLICY, "no-referrer"))
        .layer(always(header::CACHE_CONTROL, "no-store"))
        .layer(from_fn_with_state(Arc::clone(&facade), metrics::http::measure))
        .with_state(facade)
}

/// A header of every answer that does not say otherwise itself.
fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Every route of the contract, with its documentation.
pub fn api() -> Api {
    let api = openapi::empty()
        .routes(routes!(routes::health::health))
        .routes(routes!(routes::probes::live))
        .routes(routes!(routes::probes::ready))
        .routes(routes!(routes::metrics::metrics))
        .routes(routes!(routes::send::send))
        .routes(routes!(routes::status::by_query))
        .routes(routes!(routes::status::by_path))
        .routes(routes!(routes::trace::trace))
        .routes(routes!(routes::lab::overview))
        .routes(routes!(routes::lab::run))
        .routes(routes!(routes::audit::audit))
        .routes(routes!(routes::topics::list))
        .routes(routes!(routes::topics::describe))
        .routes(routes!(routes::topics::records))
        .routes(routes!(routes::partition::partition))
        .routes(routes!(routes::config::config))
        .routes(routes!(routes::events::events))
        .routes(routes!(routes::chaos::state))
        .routes(routes!(routes::chaos::proxy, routes::chaos::change_proxy))
        .routes(routes!(routes::chaos::add_toxic))
        .routes(routes!(routes::chaos::remove_toxic))
        .routes(routes!(routes::chaos::reset))
        .routes(routes!(routes::problems::page))
        .routes(routes!(routes::docs::document))
        .routes(routes!(routes::docs::page));
    let api = alias(api, "/livez", "/health/live", get(routes::probes::live));
    let api = alias(api, "/livez", "/actuator/health/liveness", get(routes::probes::live));
    let api = alias(api, "/readyz", "/health/ready", get(routes::probes::ready));
    let api = alias(api, "/readyz", "/actuator/health/readiness", get(routes::probes::ready));
    alias(api, "/docs", "/swagger", get(routes::docs::page))
}
