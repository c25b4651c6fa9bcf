//! The deterministic simulation: the engine and the accumulator that ship, in virtual time, against a model cluster.
//!
//! **Why it exists.** What a producer is trusted for shows only when things break, and only in orders of events that no
//! test on a socket would find twice. Here a run is a pure function of a tape of choices, an hour takes milliseconds, and
//! what has failed once fails again.
//!
//! | file | what |
//! |---|---|
//! | `tape` | where every choice comes from |
//! | `swarm` | the plan of a run: cluster, settings, load, kinds of faults |
//! | `world`, `queue`, `context` | one clock, one list of events, one body of evidence |
//! | `producer`, `senders`, `memory` | what `runtime` and `producer` are to the engine, without threads |
//! | `network`, `links` | bytes on their way, and how connections end |
//! | `wiretap` | what goes through the producers' sockets, written down for the oracle |
//! | `faults`, `workload` | what goes wrong, what the application does |
//! | `cluster` | the model cluster |
//! | `mutants` | each rule broken in turn, to see that somebody notices |
//! | `shape`, `payload`, `story`, `trace` | records recognised, logs read, runs told and hashed |
//! | `command`, `phases`, `runner`, `report`, `shrink` | a run, many runs, their sums, their failures made small |
//!
//! Modules are named `crate::simulation::…`, the oracle `crate::oracle`; so a crate without a test harness can use both
//! by `#[path]`.

pub mod cluster;
pub mod command;
pub mod context;
pub mod faults;
pub mod links;
pub mod memory;
#[cfg(facteur_mutants)]
pub mod mutants;
pub mod network;
pub mod payload;
pub mod phases;
pub mod producer;
pub mod queue;
pub mod report;
pub mod runner;
pub mod senders;
pub mod shape;
pub mod shrink;
pub mod story;
pub mod swarm;
pub mod tape;
pub mod trace;
pub mod wiretap;
pub mod workload;
pub mod world;
