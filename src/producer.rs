//! The handle users hold: accept, flush, close.
//!
//! **Why accepting and delivering are two things.** `send` answers when the record is *accepted*: copied into its
//! partition's batch, from where it will get exactly one outcome. The [`Delivery`](crate::Delivery) answers when that outcome is known.
//! The two fail for different reasons, and mixing them up costs either throughput or truth (D-48).
//!
//! Neighbours: `runtime::lanes` has the locks, `runtime::driver` the I/O. Not here: anything about sockets or retries.

mod builder;
#[cfg(all(test, feature = "broker"))]
#[allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests: what cannot go on says why, and time is theirs"
)]
mod false_network;
mod handle;
#[cfg(all(test, loom))]
mod models;
mod send;
mod send_futures;
mod statistics;
#[cfg(test)]
#[allow(clippy::expect_used, reason = "tests: what cannot go on says why")]
mod testing;
#[cfg(all(test, not(loom)))]
#[allow(clippy::expect_used, clippy::panic, reason = "tests: what cannot go on says why")]
mod tests;

pub use builder::ProducerBuilder;
pub use handle::{CloseReport, Guarantees, Producer, TopicHandle};
pub use send::TrySendError;
pub use send_futures::{SendAndWaitFuture, SendFuture};
pub use statistics::Statistics;
