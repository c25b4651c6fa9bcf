//! The outcome of a record, as a future. (Being written; the signatures stand.)
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::Error;

/// What became of one record; cheap, cloneable.
#[derive(Debug, Clone)]
pub struct DeliveryReport {}

/// What is known beyond the place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeliveryDetails {
    /// `None` without idempotence.
    pub producer_id: Option<i64>,
    /// `None` without idempotence.
    pub producer_epoch: Option<i16>,
    /// Of the record's batch. `None` without idempotence.
    pub base_sequence: Option<i32>,
    /// How often the batch was handed to a connection.
    pub attempts: u32,
    /// Whether the broker had already seen the batch, where that can be known (D-27).
    pub deduplicated: Option<bool>,
    /// Records in the batch.
    pub batch_records: u32,
}

impl DeliveryReport {
    /// The topic.
    pub fn topic(&self) -> &str {
        unimplemented!()
    }
    /// The partition.
    pub fn partition(&self) -> i32 {
        unimplemented!()
    }
    /// The offset; `None` with `acks=0`, or when the broker could not tell it.
    pub fn offset(&self) -> Option<i64> {
        unimplemented!()
    }
    /// The record's timestamp: its own create time, or the log append time if the topic uses that.
    pub fn timestamp_ms(&self) -> i64 {
        unimplemented!()
    }
    /// Identity, attempts and the rest.
    pub fn details(&self) -> DeliveryDetails {
        unimplemented!()
    }
}

/// A future of the outcome. Dropping it changes nothing: the record is still delivered.
#[derive(Debug)]
pub struct Delivery {}

impl Delivery {
    /// The partition that the record went to.
    pub fn partition(&self) -> i32 {
        unimplemented!()
    }
    /// The topic.
    pub fn topic(&self) -> &str {
        unimplemented!()
    }
    /// Attempts so far.
    pub fn attempts(&self) -> u32 {
        unimplemented!()
    }
    /// The outcome if it is known.
    pub fn try_result(&self) -> Option<Result<DeliveryReport, Error>> {
        unimplemented!()
    }
    /// Waits on this thread.
    pub fn wait(self) -> Result<DeliveryReport, Error> {
        unimplemented!()
    }
    /// Waits on this thread for a while.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<DeliveryReport, Error>> {
        let _ = timeout;
        unimplemented!()
    }
}

impl Future for Delivery {
    type Output = Result<DeliveryReport, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _ = cx;
        unimplemented!()
    }
}
