//! The simulation: `SEEDS=A..B cargo test --release --test simulation -- --nocapture`. See `docs/simulation.md`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    dead_code,
    missing_docs,
    unnameable_types,
    reason = "all of this is test code, most of it outside of test functions"
)]

#[path = "simulation/mod.rs"]
mod simulation;
