//! Bytes of people who mean harm: the fuzzers' targets over their stored inputs, and named tests of what fuzzing does not
//! reach (`spec/reliability.md` 2, 6.1-6.4).
//!
//! **Why in `cargo test`.** A fuzzer runs now and then on one machine; what it once found must be looked for on every one.
//! The bodies are those of `fuzz/`, included by path. Neighbours: `scripts/fuzz.sh` searches for new inputs,
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
    reason = "tests and fuzz targets: a panic is the report"
)]

#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/corpus.rs"]
mod corpus;
#[path = "hostile/relay.rs"]
mod relay;
#[path = "hostile/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;
