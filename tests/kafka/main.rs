//! Tests against a real Apache Kafka, and the harness that runs one.
//!
//! **Why.** Whatever the simulation proves, the broker in the field has the last word: these tests start real nodes,
//! kill, freeze and restart them under load, lose answers on the way, and then ask Kafka's own tools what is in the log.
//!
//! ```text
//!   round_trips  keys  versions  faults  injector  storm  rows   what is shown (ignored by default: scripts/test-kafka.sh runs them)
//!        └─────────┴───────┴───┬────┴───────┴───────┘
//!   workload                   │            drives a producer, keeps the history of what was accepted and told
//!   oracle                     │            pure: history + log -> lost, repeated, reordered … (tested in plain runs)
//!   nemesis  wire  net  relay  │            faults drawn from a seed; the injector, cut links and the lossy wire
//!   cluster  node  admin  requests  shared  nodes by process id, what is asked of them, one cluster for many tests
//!   reader  consoles                        three ways to read back
//! ```
//!
//! `table` asks the rows of `tests/dedup` of five brokers. Not here: what needs no Kafka; the embedded broker has tests
//! of its own.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a harness around real processes lives on the real clock"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    dead_code,
    reason = "the model cluster of the simulation is one of the brokers of the deduplication table"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    reason = "the helpers of a test fail by panicking and report on standard output, as tests do"
)]

mod admin;
#[path = "../broker/batch.rs"]
mod batch;
mod cluster;
mod consoles;
#[path = "../dedup/mod.rs"]
mod dedup;
mod faults;
mod injector;
mod keys;
mod labs;
mod nemesis;
mod net;
mod node;
mod oracle;
mod reader;
mod relay;
mod requests;
mod round_trips;
mod rows;
mod shared;
#[path = "../dedup/simulation.rs"]
mod simulation;
mod storm;
mod table;
mod versions;
mod wire;
mod workload;
