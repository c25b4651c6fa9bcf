//! The engine's body: threads, sockets, timers, locks. No decisions.
//!
//! **Why a thread of its own.** The I/O thread runs a single-threaded tokio runtime with the engine's driver and all
//! sockets in it. So the same producer serves async, blocking and callback callers, needs no ambient runtime, and does
//! not pay for a multi-thread scheduler's parking (architecture section 3).
//!
//! | thread or task | owner | ends when |
//! |---|---|---|
//! | `facteur-io` | the producer's handles | `close`, or the last handle is dropped; it then resolves what is pending |
//! | its connection tasks | the driver | the connection or the driver ends |
//! | `facteur-compress` (on first use) | the compression pool | the pool is dropped with the producer |
//! | `facteur-callback` (on first use) | the callback queue | the queue is dropped with the producer, after its last callback |
//!
//! Neighbours: [`crate::producer`] is the handle over it, [`crate::engine`] decides. Not here: TLS and SASL, whose room
//! is beside `dialer`.

mod alarm;
pub(crate) mod blocking;
mod broker_connection;
pub(crate) mod callbacks;
mod compression_pool;
pub mod delivery;
pub(crate) mod dialer;
pub(crate) mod driver;
pub(crate) mod environment;
pub(crate) mod lane_account;
pub(crate) mod lane_list;
pub(crate) mod lanes;
pub(crate) mod memory;
pub mod observations;
pub(crate) mod observer;
pub(crate) mod shared;
mod sticky_shards;
mod sync;
pub(crate) mod timers;
pub(crate) mod topics;
mod wakers;
