//! The deterministic simulation: the engine and the accumulator that ship, in virtual time, against a model cluster.
//!
//! **Why it exists.** What a producer is trusted for shows only when things break, and only in orders of events that no
//! test on a socket would find twice. Here a run is a pure function of a tape of choices, an hour takes milliseconds, and
//! what has failed once fails again.
//!
//! Other modules of the simulation are named `crate::simulation::…`, the oracle `crate::oracle`; so a crate without a
//! test harness can use both by `#[path]`.

pub mod cluster;
#[path = "cluster/tests/mod.rs"]
mod cluster_tests;
pub mod tape;
