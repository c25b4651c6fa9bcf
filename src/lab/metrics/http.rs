//! How many calls of which route ended with which status, and how long they took.
//!
//! **Why the route's pattern.** `/api/v1/status/{requestId}` is one label; the paths below it are as many as there are
//! requests. A call that fits no route is `none`, and an unheard-of method `other`, so no caller can make labels.
//! Names are OpenTelemetry's. Neighbours: [`crate::lab::app`] wraps every route with [`measure`]. Not here: calls that
//! hyper refuses before there is a route (431).

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::lab::app::{Facade, Shared};
use crate::lab::clock;
use crate::lab::metrics::operations::SECONDS;
use crate::time::Instant;

/// What one series is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    profile: &'static str,
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u16,
}

/// Counts of calls.
#[derive(Debug)]
pub struct HttpMetrics {
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    active: Gauge,
}

impl HttpMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let durations = Family::new_with_constructor(histogram);
        registry.register_with_unit(
            "http_server_request_duration",
            "Calls by route and status, and how long they took",
            Unit::Seconds,
            durations.clone(),
        );
        let active = Gauge::default();
        registry.register("http_server_active_requests", "Calls in progress", active.clone());
        Self { durations, active }
    }
}

/// Measures a call.
///
/// # Cancel safety
///
/// Dropping the future counts the call as failed.
pub async fn measure(State(facade): State<Arc<Facade>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = name_of(request.method());
    let mut call = Call::begin(&facade, method, route);
    let response = next.run(request).await;
    call.status = response.status();
    response
}

/// A call in progress. One that ends without an answer, by a defect, is a 500.
struct Call {
    shared: Arc<Shared>,
    profile: &'static str,
    method: &'static str,
    route: String,
    began: Instant,
    status: StatusCode,
}

impl Call {
    fn begin(facade: &Facade, method: &'static str, route: String) -> Self {
        facade.shared.metrics.http.active.inc();
        Self {
            shared: Arc::clone(&facade.shared),
            profile: facade.profile.name(),
            method,
            route,
            began: clock::now(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let http = &self.shared.metrics.http;
        http.active.dec();
        let labels = Labels {
            profile: self.profile,
            http_request_method: self.method,
            http_route: std::mem::take(&mut self.route),
            http_response_status_code: self.status.as_u16(),
        };
        http.durations.get_or_create(&labels).observe(clock::now().since(self.began).as_secs_f64());
    }
}

fn name_of(method: &Method) -> &'static str {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::HEAD,
        Method::OPTIONS,
    ];
    let names = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
    known.iter().zip(names).find(|(known, _)| *known == method).map_or("other", |(_, name)| name)
}
