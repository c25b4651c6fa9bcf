//! The scripts around containers, run for real against stub `docker`, `kubectl`, `k3s`, `sudo` and `curl`; and what the
//! image's build may see.
//!
//! **Why stubs.** No container engine runs where this is tested. A stub writes down how it was called and answers what the
//! test says, so the order of calls, the messages and every exit code are real; that an engine accepts the calls is not
//! shown. Neighbours: `scripts/check-manifests.sh` checks files against schemas. Not here: YAML, which needs a parser.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

#[path = "operations/commands.rs"]
mod commands;
#[path = "operations/compose.rs"]
mod compose;
#[path = "operations/image.rs"]
mod image;
#[path = "operations/kubernetes.rs"]
mod kubernetes;
#[path = "operations/stubs.rs"]
mod stubs;
