//! `GET /health`: the process is up (spec 1.2).
//!
//! **Why it never touches Kafka.** The course calls it before anything else works. Neighbours: `probes` for more.
//! Not here: readiness.

/// Whether the process is up.
///
/// `OK`, without a newline and without quotes; never looks at Kafka.
#[utoipa::path(get, path = "/health", tag = "health",
    responses((status = 200, description = "The process is up.", body = String, content_type = "text/plain", example = "OK")))]
pub async fn health() -> &'static str {
    "OK"
}
