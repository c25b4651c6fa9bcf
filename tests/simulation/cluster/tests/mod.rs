//! The model's own tests: it must be Kafka where it claims to be, and each check must be able to fail.
//!
//! What it answers batch by batch (D1 to D20) stands in `tests/dedup.rs`, beside the embedded broker and the real ones.

mod checks;
mod hostility;
mod scenarios;
mod soak;
mod support;
