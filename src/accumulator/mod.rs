//! Records become sealed batches here.
pub mod partitioner;
