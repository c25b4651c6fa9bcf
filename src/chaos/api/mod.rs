//! Toxiproxy's admin API, route by route (`spec/reliability.md` 7.1-7.3).
//!
//! **Why to the letter.** Toxiproxy's own command line and the clients of many languages must work unchanged: codes, bodies and
//! defaults are its own. Ours are: errors as `application/json`, warnings in the header `X-Lab-Warning`, checks of `Host`
//! and `Origin`, and limits.
//!
//! Neighbours: [`crate::chaos::injector`] does what is asked, [`crate::lab::server`] accepts connections. Not here: the
//! façade's own routes about faults.

pub mod answer;
pub mod body;
pub mod guard;
pub mod proxies;
pub mod server;
pub mod toxics;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::chaos::injector::Injector;

/// The version that existing clients expect.
pub const VERSION: &str = "2.9.0";

/// What the routes share.
#[derive(Debug)]
pub struct Admin {
    /// Who does what is asked.
    pub injector: Injector,
    /// Whether only this machine can reach the port; then foreign `Host` headers are refused.
    pub is_loopback_only: bool,
}

/// The router of the admin port.
pub fn router(admin: Arc<Admin>) -> Router {
    let one_proxy = get(proxies::show).post(proxies::update).patch(proxies::update).delete(proxies::delete);
    let one_toxic = get(toxics::show).post(toxics::update).patch(toxics::update).delete(toxics::delete);
    Router::new()
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .route("/proxies", get(proxies::list).post(proxies::create))
        .route("/populate", post(proxies::populate))
        .route("/reset", post(proxies::reset))
        .route("/proxies/{proxy}", one_proxy)
        .route("/proxies/{proxy}/toxics", get(toxics::list).post(toxics::create))
        .route("/proxies/{proxy}/toxics/{toxic}", one_toxic)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&admin), guard::guard))
        .with_state(admin)
}

async fn version() -> Response {
    let implementation = concat!("facteur ", env!("CARGO_PKG_VERSION"));
    let body = json!({ "version": VERSION, "implementation": implementation });
    answer::json_line(StatusCode::OK, &body)
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let content_type = [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (content_type, admin.injector.metrics_text()).into_response()
}

async fn not_found() -> Response {
    answer::error(
        StatusCode::NOT_FOUND,
        "no such path; the API is Toxiproxy's: /proxies, /populate, /reset, /version, /metrics",
    )
}

async fn method_not_allowed() -> Response {
    answer::error(StatusCode::METHOD_NOT_ALLOWED, "this path does not know that method")
}
