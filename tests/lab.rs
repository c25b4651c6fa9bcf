//! The façade's contract, against the embedded broker in this process, over real sockets on free ports.
//!
//! **Why over sockets.** The contract is what `curl` sees: status line, headers, and the bytes of the body. Neighbours:
//! `tests/cli.rs` runs the binary. Not here: what the producer does on the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: a panic is the report, and tasks end with the test"
)]

#[path = "lab/breaker.rs"]
mod breaker;
#[path = "lab/chaos_routes.rs"]
mod chaos_routes;
#[path = "lab/config_route.rs"]
mod config_route;
#[path = "lab/contract.rs"]
mod contract;
#[path = "lab/errors.rs"]
mod errors;
#[path = "lab/events.rs"]
mod events;
#[path = "lab/hostile.rs"]
mod hostile;
#[path = "lab/idempotency.rs"]
mod idempotency;
#[path = "lab/injector.rs"]
mod injector;
#[path = "lab/limits.rs"]
mod limits;
#[path = "lab/log_routes.rs"]
mod log_routes;
#[path = "lab/metrics.rs"]
mod metrics;
#[path = "lab/openapi.rs"]
mod openapi;
#[path = "lab/outcomes.rs"]
mod outcomes;
#[path = "lab/patience.rs"]
mod patience;
#[path = "lab/requests_http.rs"]
mod requests_http;
#[path = "lab/support.rs"]
mod support;
#[path = "lab/trace.rs"]
mod trace;
