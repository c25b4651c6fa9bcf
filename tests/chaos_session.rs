//! The Kafka half of the fault injector, without a network: an independent implementation writes what it must rewrite and
//! reads what it wrote.
#![allow(clippy::expect_used, reason = "a helper that fails fails its test")]

#[path = "chaos_session/addresses.rs"]
mod addresses;
#[path = "chaos_session/errors.rs"]
mod errors;
#[path = "chaos_session/streams.rs"]
mod streams;
#[path = "chaos_session/support.rs"]
mod support;
#[path = "chaos_session/toxics.rs"]
mod toxics;
