//! The futures of sending: [`SendFuture`] until a record is accepted, [`SendAndWaitFuture`] until its outcome is known.
//!
//! **Why not `async fn`.** A task that sends keeps the future in itself for as long as it lives, and of ten thousand tasks
//! that wait each cache line is out of the cache when its turn comes. What the compiler makes of an `async fn` keeps the
//! record beside all that came of it; these keep one or the other, in a third of the bytes.
//!
//! Neighbours: [`super::send`] does the work; [`super::handle`] returns them. Not here: callbacks.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::handle::Producer;
use super::send::{Attempt, Sending};
use crate::error::Error;
use crate::record::Record;
use crate::runtime::delivery::{Delivery, DeliveryReport};
use crate::runtime::topics::TopicShared;

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Delivery, Error>> + Send + 'a>>;

/// A record's acceptance: what [`Producer::send`] returns. Nothing is sent before it is polled.
#[must_use = "nothing is sent until the future is awaited"]
pub struct SendFuture<'a>(Acceptance<'a>);

enum Acceptance<'a> {
    /// Not polled yet; without a topic, the record's own.
    Begins(&'a Producer, Option<&'a Arc<TopicShared>>, Record<'a>),
    /// For metadata or memory.
    Waits(Waiting<'a>),
    Over,
}

/// A record's outcome: what [`Producer::send_and_wait`] returns. Nothing is sent before it is polled.
#[must_use = "nothing is sent until the future is awaited"]
pub struct SendAndWaitFuture<'a>(Progress<'a>);

enum Progress<'a> {
    Sends(SendFuture<'a>),
    Waits(Delivery),
    Over,
}

impl<'a> SendFuture<'a> {
    #[inline]
    pub(super) const fn new(
        producer: &'a Producer,
        topic: Option<&'a Arc<TopicShared>>,
        record: Record<'a>,
    ) -> Self {
        Self(Acceptance::Begins(producer, topic, record))
    }

    #[inline]
    pub(super) const fn and_wait(self) -> SendAndWaitFuture<'a> {
        SendAndWaitFuture(Progress::Sends(self))
    }

    #[inline]
    fn end(&mut self, result: Result<Delivery, Error>) -> Poll<Result<Delivery, Error>> {
        self.0 = Acceptance::Over;
        Poll::Ready(result)
    }

    /// After an attempt that needed more than a place in a batch.
    #[cold]
    fn go_on(
        &mut self,
        producer: &'a Producer,
        topic: Arc<TopicShared>,
        record: Record<'a>,
        attempt: Result<Attempt, Error>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Delivery, Error>> {
        let blocked = match attempt {
            Ok(Attempt::Accepted(delivery)) => return self.end(Ok(delivery)),
            Err(error) => return self.end(Err(error)),
            Ok(
                blocked @ (Attempt::NeedsMetadata | Attempt::NeedsMemory(..) | Attempt::NeedsProgress(..)),
            ) => blocked,
        };
        self.0 = Acceptance::Waits(Box::pin(async move {
            let shared = &producer.shared;
            Sending { shared, topic: &topic, record: &record, callback: None }.send_slowly(blocked).await
        }));
        self.wait(cx)
    }

    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, Error>> {
        let Acceptance::Waits(waiting) = &mut self.0 else { return Poll::Ready(Err(polled_again())) };
        let accepted = ready!(waiting.as_mut().poll(cx));
        self.end(accepted)
    }
}

impl Future for SendFuture<'_> {
    type Output = Result<Delivery, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Acceptance::Begins(producer, topic, record) = this.0 {
            let found;
            let topic = match topic {
                Some(topic) => topic,
                None => match producer.topic_by_name(record.topic) {
                    Ok(topic) => {
                        found = topic;
                        &found
                    }
                    Err(error) => return this.end(Err(error)),
                },
            };
            let begun = Sending { shared: &producer.shared, topic, record: &record, callback: None }.begin();
            match begun {
                Ok(delivery) => return this.end(Ok(delivery)),
                Err(attempt) => return this.go_on(producer, Arc::clone(topic), record, *attempt, cx),
            }
        }
        this.wait(cx)
    }
}

impl Future for SendAndWaitFuture<'_> {
    type Output = Result<DeliveryReport, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Progress::Sends(sending) = &mut this.0 {
            match ready!(Pin::new(sending).poll(cx)) {
                Ok(delivery) => this.0 = Progress::Waits(delivery),
                Err(error) => {
                    this.0 = Progress::Over;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let Progress::Waits(delivery) = &mut this.0 else { return Poll::Ready(Err(polled_again())) };
        let outcome = ready!(Pin::new(delivery).poll(cx));
        this.0 = Progress::Over;
        Poll::Ready(outcome)
    }
}

impl std::fmt::Debug for SendFuture<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = match &self.0 {
            Acceptance::Begins(..) => "begins",
            Acceptance::Waits(_) => "waits for metadata or memory",
            Acceptance::Over => "over",
        };
        formatter.debug_tuple("SendFuture").field(&step).finish()
    }
}

impl std::fmt::Debug for SendAndWaitFuture<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step: &dyn std::fmt::Debug = match &self.0 {
            Progress::Sends(sending) => sending,
            Progress::Waits(delivery) => delivery,
            Progress::Over => &"over",
        };
        formatter.debug_tuple("SendAndWaitFuture").field(step).finish()
    }
}

#[cold]
const fn polled_again() -> Error {
    Error::Misuse("a future of a send was polled after it had ended")
}
