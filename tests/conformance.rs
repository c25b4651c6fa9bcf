//! The conformance list of the producer, scenario by scenario, in virtual time.
//!
//! See `conformance/table.rs` for which test covers which scenario, and what is left out and why.

mod conformance {
    pub mod peer;
    #[path = "../integration/support.rs"]
    pub mod support;
    pub mod world;

    mod accumulator;
    mod decisions;
    mod errors;
    mod expiry;
    mod handle;
    mod network;
    mod sequences;
    mod soak;
}
