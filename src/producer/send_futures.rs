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

/// How an acceptance goes on that needed more than a place in a batch.
enum Detour<'a> {
    Over(Result<Delivery, Error>),
    Waits(Waiting<'a>),
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

    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, Error>> {
        let Acceptance::Waits(waiting) = &mut self.0 else { return Poll::Ready(Err(polled_again())) };
        let accepted = ready!(waiting.as_mut().poll(cx));
        self.0 = Acceptance::Over;
        Poll::Ready(accepted)
    }
}

impl Future for SendFuture<'_> {
    type Output = Result<Delivery, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Acceptance::Begins(producer, topic, record) = &this.0 {
            let begun = match topic {
                Some(topic) => begin(producer, topic, record),
                None => begin_by_name(producer, record),
            };
            match begun {
                Ok(delivery) => {
                    this.0 = Acceptance::Over;
                    return Poll::Ready(Ok(delivery));
                }
                Err(detour) => match *detour {
                    Detour::Over(result) => {
                        this.0 = Acceptance::Over;
                        return Poll::Ready(result);
                    }
                    Detour::Waits(waiting) => this.0 = Acceptance::Waits(waiting),
                },
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

/// Accepts the record, or says how its acceptance goes on.
#[inline]
fn begin<'a>(
    producer: &'a Producer,
    topic: &Arc<TopicShared>,
    record: &Record<'a>,
) -> Result<Delivery, Box<Detour<'a>>> {
    let mut sending = Sending { shared: &producer.shared, topic, record, callback: None };
    sending.begin().map_err(|attempt| go_on(producer, topic, record, *attempt))
}

#[inline]
fn begin_by_name<'a>(producer: &'a Producer, record: &Record<'a>) -> Result<Delivery, Box<Detour<'a>>> {
    match producer.topic_by_name(record.topic) {
        Ok(topic) => begin(producer, &topic, record),
        Err(error) => Err(Box::new(Detour::Over(Err(error)))),
    }
}

#[cold]
fn go_on<'a>(
    producer: &'a Producer,
    topic: &Arc<TopicShared>,
    record: &Record<'a>,
    attempt: Result<Attempt, Error>,
) -> Box<Detour<'a>> {
    let (topic, record) = (Arc::clone(topic), *record);
    Box::new(match attempt {
        Ok(Attempt::Accepted(delivery)) => Detour::Over(Ok(delivery)),
        Err(error) => Detour::Over(Err(error)),
        Ok(blocked @ (Attempt::NeedsMetadata | Attempt::NeedsMemory(..) | Attempt::NeedsProgress(..))) => {
            Detour::Waits(Box::pin(async move {
                let shared = &producer.shared;
                Sending { shared, topic: &topic, record: &record, callback: None }.send_slowly(blocked).await
            }))
        }
    })
}

#[cold]
const fn polled_again() -> Error {
    Error::Misuse("a future of a send was polled after it had ended")
}
