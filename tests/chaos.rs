//! The fault injector: Toxiproxy's API to the letter, and what each toxic does to a connection.
//!
//! **Why over sockets.** A reset, a refused connection and a chunk's time are things that only a socket shows. Everything
//! listens on free ports of this machine, and ends with its test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests: a panic is the report, and tasks end with the test"
)]

#[path = "chaos/admin.rs"]
mod admin;
#[path = "chaos/brokers.rs"]
mod brokers;
#[path = "chaos/support.rs"]
mod support;
#[path = "chaos/toxics.rs"]
mod toxics;
