//! Bytes of people who mean harm: the fuzzers' targets over their stored inputs, and named tests of what fuzzing does not
//! reach (`spec/reliability.md` 2, 6.1-6.4).
//!
//! **Why in `cargo test`.** A fuzzer runs now and then on one machine; what it once found must be looked for on every one.
//! The bodies are those of `fuzz/`, included by path, and with them the simulation, which one of them runs. Neighbours: `scripts/fuzz.sh` searches for new inputs,
//! `tests/broker/hostile.rs` talks to the broker's sockets. Not here: the façade's limits (`tests/lab`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    dead_code,
    missing_docs,
    unnameable_types,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::needless_pass_by_value,
    reason = "tests and fuzz targets: a panic is the report"
)]

#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/corpus.rs"]
mod corpus;
#[path = "oracle/mod.rs"]
mod oracle;
#[path = "hostile/relay.rs"]
mod relay;
#[path = "hostile/seeds.rs"]
mod seeds;
#[path = "simulation/mod.rs"]
mod simulation;
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;
