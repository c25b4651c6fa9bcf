//! `GET /health`: the process is up (spec 1.2).
//!
//! **Why it never touches Kafka.** The course calls it before anything else works. Neighbours: `probes` for more.
//! Not here: readiness.

/// `OK`, without a newline and without quotes.
pub async fn health() -> &'static str {
    "OK"
}
