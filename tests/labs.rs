//! The lab runner, `facteur lab`, `facteur validate` and `facteur doctor`: from outside, against a lab on free ports.
//!
//! **Why.** A check that cannot fail checks nothing: each lab is run where it must pass, and where it must not.
//! Neighbours: `tests/lab.rs` for the façade itself; `tests/kafka/labs.rs` for the same labs on a real Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a panic is the report"
)]

#[path = "labs/commands.rs"]
mod commands;
#[path = "labs/course.rs"]
mod course;
#[path = "labs/doctor.rs"]
mod doctor;
#[path = "labs/route.rs"]
mod route;
#[path = "labs/runs.rs"]
mod runs;
#[path = "labs/script.rs"]
mod script;
#[path = "labs/validation.rs"]
mod validation;
