//! The conformance list of the producer, scenario by scenario, in virtual time.
//!
//! See `conformance/table.rs` for which test covers which scenario, and what is left out and why.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "the scripted peers and the soak are test code outside of test functions"
)]

mod conformance {
    pub mod brokers;
    pub mod peer;
    #[path = "../integration/support.rs"]
    pub mod support;
    pub mod world;

    mod accumulator;
    mod dead_lane;
    mod decisions;
    mod errors;
    mod expiry;
    mod faults_broker;
    mod faults_client;
    mod faults_network;
    mod faults_producer_id;
    mod handle;
    mod memory;
    mod network;
    mod recreation;
    mod refusal;
    mod regressions;
    mod regressions_handle;
    mod rules;
    mod sequences;
    mod soak;
    mod table;
}
