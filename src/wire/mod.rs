//! bytes ⇄ typed messages, pure.
pub mod api;
pub mod compression;
pub mod frame;
pub mod record_batch;
pub mod record_batch_reader;
pub mod varint;
