//! `GET /metrics`: Prometheus text (spec section 5).
//!
//! **Why on both ports.** Whichever is scraped tells everything; `profile` is a label. Neighbours:
//! [`crate::lab::metrics`]. Not here: what is counted.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

use crate::lab::app::Facade;

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "Prometheus text, version 0.0.4.", body = String, content_type = "text/plain",
        example = "kafka_producer_record_send_total{profile=\"java\",mode=\"plain\"} 3")))]
pub async fn metrics(State(facade): State<Arc<Facade>>) -> Response {
    facade.shared.metrics.text().map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |text| ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
    )
}
