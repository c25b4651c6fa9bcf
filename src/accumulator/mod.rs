//! Records become sealed batches here, one queue per partition.
//!
//! **Why.** This is the only part that application threads touch, so it decides what a record costs: a record is
//! written straight into its partition's open batch in its final wire form, and nothing of it is kept but those bytes
//! (architecture section 3). Everything here is pure: no locks, no clock, no tokio; `runtime::lanes` puts one mutex
//! around each queue, and a simulation drives the same types without any.
//!
//! Neighbours: [`crate::runtime`] calls it, [`crate::wire::record_batch`] knows the bytes. Not here: what happens to a
//! sealed batch, which is the engine's.

pub mod buffer_memory;
pub mod partition_queue;
pub mod partitioner;
pub mod producer_batch;
