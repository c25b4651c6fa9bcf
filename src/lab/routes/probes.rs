//! `GET /livez` and `GET /readyz`: the probes of an orchestrator (spec 1.7).
//!
//! **Why two.** A process that lives must not be killed because Kafka is away; one that is not ready must get no calls.
//! Neighbours: [`crate::lab::running`] warms the producers up and records the checks. Not here: `/health`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::lab::app::Facade;
use crate::lab::dto::{ProbeAnswer, ProbeCheck};

/// Whether the process lives.
///
/// 200 as long as it answers at all; never looks at Kafka.
#[utoipa::path(get, path = "/livez", tag = "health",
    responses((status = 200, description = "The process answers.", body = ProbeAnswer)))]
pub async fn live() -> Json<ProbeAnswer> {
    let check = ProbeCheck { name: "process".to_owned(), ok: true, detail: "answering".to_owned() };
    Json(ProbeAnswer { status: "live", checks: vec![check] })
}

/// Whether calls are welcome.
///
/// 200 when metadata is known, the producers are ready and the lab is not stopping; else 503.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "Calls are welcome.", body = ProbeAnswer),
        (status = 503, description = "Not yet, or not any more; each check says why.", body = ProbeAnswer),
    ))]
pub async fn ready(State(facade): State<Arc<Facade>>) -> (StatusCode, Json<ProbeAnswer>) {
    let checks = facade.shared.checks();
    let is_ready = !checks.is_empty() && checks.iter().all(|check| check.ok);
    let (code, status) = match (facade.shared.is_draining(), is_ready) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, true) => (StatusCode::OK, "ready"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
    };
    (code, Json(ProbeAnswer { status, checks }))
}
