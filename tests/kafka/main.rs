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
//! Not here: what needs no Kafka; the embedded broker has tests of its own.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a harness around real processes lives on the real clock"
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
mod cluster;
mod consoles;
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
mod storm;
mod versions;
mod wire;
mod workload;
