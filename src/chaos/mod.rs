//! The fault injector: proxies that damage what passes through them, driven by Toxiproxy's HTTP API.
//!
//! **Why it exists.** The course's central experiment needs an answer that is lost on its way. A proxy for bytes alone is
//! bypassed after the first metadata answer, because clients dial the addresses that brokers advertise; ours speaks
//! Kafka, rewrites these addresses and can lose exactly one answer (`spec/lab.md` 0 and 3.3, `spec/reliability.md` 7).
//! Existing Toxiproxy clients work unchanged against it.
//!
//! Neighbours: [`crate::lab`] starts it in front of its broker, `facteur chaos` drives any injector from outside.
//! Not here: faults inside the broker, which are `broker/faults.rs`.
//!
//! Reading order: [`toxic`] is what is asked for, [`toxics`] does it to bytes, [`kafka`] to requests and answers, [`events`]
//! is what is told.

mod accept;
pub mod api;
pub mod attributes;
pub mod brokers;
mod connection;
pub mod core;
pub mod definition;
pub mod dial;
pub mod error;
pub mod events;
pub mod injector;
pub mod kafka;
mod link;
pub mod listen;
pub mod metrics;
mod proxy;
pub mod toxic;
pub mod toxic_list;
pub mod toxics;
pub mod view;

pub use core::{Alias, InjectorOptions, UpstreamPolicy};
pub use error::{ChaosError, ChaosErrorKind};
pub use injector::Injector;
