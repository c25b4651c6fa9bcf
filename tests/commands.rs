//! The commands beside the course's daily ones: health checks, completions, manual pages, measuring, auditing.
//!
//! **Why from outside.** What a script relies on (exit codes, lines, silence on stdout) is only real from outside.
//! Neighbours: `tests/cli.rs` for `serve`, `produce`, `consume` and `topics`. Not here: progress bars, which need a
//! terminal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

#[path = "commands/administration.rs"]
mod administration;
#[path = "commands/binary.rs"]
mod binary;
#[path = "commands/broker.rs"]
mod broker;
#[path = "commands/chaos_serve.rs"]
mod chaos_serve;
#[path = "commands/config.rs"]
mod config;
#[path = "commands/healthcheck.rs"]
mod healthcheck;
#[path = "commands/help.rs"]
mod help;
#[path = "commands/perf.rs"]
mod perf;
#[path = "commands/trace.rs"]
mod trace;
#[path = "commands/verify.rs"]
mod verify;
