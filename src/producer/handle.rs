//! `Producer` and `TopicHandle`.
//!
//! **Why one producer has five ways to send.** Async code, blocking code, callback code and code that must never wait all
//! meet the same lanes; the I/O thread serves them alike (D-48). Neighbours: [`super::send`] does the work. Not here:
//! settings, which are [`ProducerConfig`]'s.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::builder::ProducerBuilder;
use super::send::{Sending, TrySendError};
use super::send_futures::{SendAndWaitFuture, SendFuture};
use super::statistics::Statistics;
use crate::config::{Acks, ProducerConfig};
use crate::error::{Cause, Error};
use crate::record::Record;
use crate::runtime::blocking::block_on;
use crate::runtime::callbacks::{Callback, is_callback_thread};
use crate::runtime::delivery::{AllDone, BatchCell, Delivery, DeliveryReport};
use crate::runtime::shared::{Command, Shared};
use crate::runtime::timers::until;
use crate::runtime::topics::TopicShared;
use crate::topic_name;

/// A producer: cheap to clone, safe to share; all clones are one producer with one I/O thread.
///
/// ```no_run
/// # async fn run() -> Result<(), facteur::Error> {
/// use facteur::{Producer, Record};
///
/// let producer = Producer::from_properties([("bootstrap.servers", "localhost:9092")])?;
/// let delivery = producer.send(Record::to("orders").key(b"customer-42").value(b"paid")).await?;
/// let report = delivery.await?;
/// println!("{}-{} @ {:?}", report.topic(), report.partition(), report.offset());
/// # Ok(())
/// # }
/// ```
///
/// When the last handle is dropped without [`Producer::close`], nothing more is written: records that were never sent end
/// rejected, those on their way end unknown, and one warning is told.
#[derive(Debug, Clone)]
pub struct Producer {
    pub(super) shared: Arc<Shared>,
    /// Tells the I/O thread when the last handle goes.
    _life: Arc<Life>,
}

#[derive(Debug)]
struct Life {
    shared: Arc<Shared>,
}

impl Drop for Life {
    fn drop(&mut self) {
        if self.shared.is_stopped() {
            return;
        }
        let pending: usize = self.shared.all_lanes().iter().map(|lane| lane.pending().len()).sum();
        if pending > 0 && self.shared.is_open() {
            tracing::warn!(target: "facteur", batches = pending, "the producer was dropped without close; what was not sent is rejected");
        }
        self.shared.begin_close();
        self.shared.command(Command::Stop(Cause::Closed));
    }
}

/// A topic looked up once: sending through it skips the look-up. Keeps its producer alive.
#[derive(Debug, Clone)]
pub struct TopicHandle {
    producer: Producer,
    topic: Arc<TopicShared>,
}

/// What happened to records while a producer was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Records acknowledged during the close.
    pub acknowledged: u64,
    /// Records that ended rejected: certainly not in the log.
    pub rejected: u64,
    /// Records of which nobody knows.
    pub unknown: u64,
}

/// What the settings promise (D-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guarantees {
    /// The producer's own retries never make a second copy (`enable.idempotence`). An application that sends a record
    /// again after [`crate::Outcome::Unknown`], or after a restart, still can.
    pub no_duplicates: bool,
    /// Records of one partition are in the log in the order in which they were accepted.
    pub ordered: bool,
    /// What "acknowledged" means; with [`Acks::None`] nobody has confirmed anything.
    pub acks: Acks,
}

impl Producer {
    /// A producer with these settings. Its I/O thread starts at once; names, connections, metadata and the producer id
    /// follow in the background (D-45). [`Producer::ready`] waits for them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the thread cannot be started.
    pub fn new(config: ProducerConfig) -> Result<Self, Error> {
        Self::builder(config).build()
    }

    /// A producer that something more is to be said about than its settings, such as who watches it.
    ///
    /// ```no_run
    /// use facteur::{Observations, Producer, ProducerConfig};
    ///
    /// let sink = Observations::with_capacity(1024);
    /// let config = ProducerConfig::builder("localhost:9092").build()?;
    /// let producer = Producer::builder(config).observer(sink.clone()).build()?;
    /// for observed in sink.take() {
    ///     println!("{} {}", observed.at_us, observed.observation.name());
    /// }
    /// # Ok::<(), facteur::Error>(())
    /// ```
    pub const fn builder(config: ProducerConfig) -> ProducerBuilder {
        ProducerBuilder::new(config)
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        let life = Arc::new(Life { shared: Arc::clone(&shared) });
        Self { shared, _life: life }
    }

    /// A producer from Java's property names, as in a `.properties` file.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: which name or value is wrong, what is allowed, and the nearest valid name.
    pub fn from_properties<I, K, V>(properties: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        Self::new(ProducerConfig::from_properties(properties)?)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &ProducerConfig {
        &self.shared.config
    }

    /// What the settings promise.
    #[must_use]
    pub fn guarantees(&self) -> Guarantees {
        let config = self.config();
        Guarantees {
            no_duplicates: config.enable_idempotence,
            ordered: config.enable_idempotence || config.max_in_flight == 1,
            acks: config.acks,
        }
    }

    /// Waits until the cluster's metadata is known and, if idempotent, a producer id.
    ///
    /// # Errors
    ///
    /// [`Error::NotReady`] after `timeout`, with the last obstacle; [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn ready(&self, timeout: Duration) -> Result<(), Error> {
        let begun = self.shared.environment.now();
        let deadline = begun + timeout;
        self.shared.command(Command::ReadyWanted);
        loop {
            let changed = self.shared.readiness_changed.notified();
            if !self.shared.is_open() {
                return Err(self.shared.refusal());
            }
            if matches!(&*self.shared.readiness.lock().unwrap_or_else(PoisonError::into_inner), Some(Ok(())))
            {
                return Ok(());
            }
            if until(&self.shared, deadline, changed).await.is_none() {
                let servers: Vec<String> =
                    self.config().bootstrap_servers.iter().map(ToString::to_string).collect();
                return Err(Error::NotReady {
                    bootstrap: servers.join(",").into(),
                    waited: self.shared.environment.now().since(begun),
                    detail: self.shared.obstacle().unwrap_or_else(|| "no answer yet".into()),
                });
            }
        }
    }

    /// Looks a topic up, and connects to its leaders, before anything is sent.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidTopic`]; [`Error::TopicNotAvailable`] after `max.block.ms`; [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn topic(&self, name: &str) -> Result<TopicHandle, Error> {
        let topic = self.topic_by_name(name)?;
        let mut sending =
            Sending { shared: &self.shared, topic: &topic, record: &Record::to(""), callback: None };
        sending.look_up().await?;
        Ok(TopicHandle { producer: self.clone(), topic })
    }

    /// As [`Producer::topic`], on a thread without a runtime.
    ///
    /// # Errors
    ///
    /// As [`Producer::topic`].
    pub fn topic_blocking(&self, name: &str) -> Result<TopicHandle, Error> {
        block_on(self.topic(name))
    }

    /// Accepts a record: the answer means that it is in its partition's batch and will get exactly one outcome, which the
    /// [`Delivery`] tells. Waits for metadata and memory, both together at most `max.block.ms`: that is the backpressure.
    ///
    /// # Errors
    ///
    /// The record was not accepted: [`Error::TopicNotAvailable`], [`Error::UnknownPartition`], [`Error::BufferFull`],
    /// [`Error::RecordTooLarge`], [`Error::InvalidTopic`], [`Error::InvalidRecord`], [`Error::TopicAuthorization`],
    /// [`Error::Closed`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready the record was not accepted, and whatever it waited for is given back.
    #[inline]
    pub const fn send<'a>(&'a self, record: Record<'a>) -> SendFuture<'a> {
        SendFuture::new(self, None, record)
    }

    /// Accepts a record and waits for its outcome.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`] and [`Delivery`]: [`Error::outcome`] tells whether the record may be in the log.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the record may or may not have been accepted; if it was, it is still delivered.
    #[inline]
    pub const fn send_and_wait<'a>(&'a self, record: Record<'a>) -> SendAndWaitFuture<'a> {
        self.send(record).and_wait()
    }

    /// Accepts a record if that needs no waiting at all.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; the record, which is only borrowed, was not accepted.
    #[inline]
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, TrySendError> {
        let topic = self.topic_by_name(record.topic).map_err(TrySendError::Failed)?;
        Sending { shared: &self.shared, topic: &topic, record: &record, callback: None }.try_send()
    }

    /// As [`Producer::send`], on a thread without a runtime. Blocks the thread; not for async code.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    pub fn send_blocking(&self, record: Record<'_>) -> Result<Delivery, Error> {
        let topic = self.topic_by_name(record.topic)?;
        Sending { shared: &self.shared, topic: &topic, record: &record, callback: None }.send_blocking()
    }

    /// As [`Producer::send_and_wait`], on a thread without a runtime.
    ///
    /// # Errors
    ///
    /// As [`Producer::send_and_wait`]; [`Error::Misuse`] on the callback thread, which would wait for itself.
    pub fn send_and_wait_blocking(&self, record: Record<'_>) -> Result<DeliveryReport, Error> {
        not_on_the_callback_thread()?;
        block_on(self.send_and_wait(record))
    }

    /// As [`Producer::send`], and `callback` gets the outcome, on the `facteur-callback` thread. Callbacks of one
    /// partition run in send order, no lock is held, and a panic in one is caught and told. There, a send that would have
    /// to wait answers [`Error::BufferFull`].
    ///
    /// # Errors
    ///
    /// As [`Producer::send`]; the callback is not called then.
    ///
    /// # Cancel safety
    ///
    /// As [`Producer::send`]: if the future is dropped before it is ready the callback will not be called.
    pub async fn send_with_callback<F>(&self, record: Record<'_>, callback: F) -> Result<(), Error>
    where
        F: FnOnce(Result<DeliveryReport, Error>) + Send + 'static,
    {
        let topic = self.topic_by_name(record.topic)?;
        let callback: Callback = Box::new(callback);
        let mut sending =
            Sending { shared: &self.shared, topic: &topic, record: &record, callback: Some(callback) };
        let _told_by_callback = sending.send().await?;
        Ok(())
    }

    /// Waits until every record accepted before the call has an outcome and its callback, if any, has run; meanwhile
    /// nothing lingers. Ends within `delivery.timeout.ms` and a little, and the time that callbacks take.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] on the callback thread. Outcomes of records are not errors of the flush.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes nothing.
    pub async fn flush(&self) -> Result<(), Error> {
        not_on_the_callback_thread()?;
        let pending = self.pending();
        let _guard = FlushGuard::begin(&self.shared);
        for cell in pending {
            AllDone::new(cell).await;
        }
        self.shared.callbacks.drained().await;
        Ok(())
    }

    /// As [`Producer::flush`], on a thread without a runtime.
    ///
    /// # Errors
    ///
    /// As [`Producer::flush`].
    pub fn flush_blocking(&self) -> Result<(), Error> {
        block_on(self.flush())
    }

    /// Refuses new records at once, sends what is there without lingering, waits at most `timeout` for outcomes, and ends
    /// the I/O thread. What has none by then ends rejected if it was never sent, unknown otherwise. Calling it again is
    /// fine. From a callback it starts an orderly close and returns.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the producer stays closed to new records, and what is pending is still sent until the
    /// last handle is dropped.
    pub async fn close(&self, timeout: Duration) -> CloseReport {
        let before = self.counts();
        self.shared.begin_close();
        self.shared.command(Command::CloseBegun);
        if is_callback_thread() {
            return CloseReport::default();
        }
        let deadline = self.shared.environment.now() + timeout;
        let pending = self.pending();
        let all = async {
            for cell in pending {
                AllDone::new(cell).await;
            }
            self.shared.callbacks.drained().await;
        };
        // Out of time or not: what is still pending is resolved by the stop.
        let _in_time = until(&self.shared, deadline, all).await;
        loop {
            let stopped = self.shared.stopped.notified();
            if self.shared.is_stopped() {
                break;
            }
            self.shared.command(Command::Stop(Cause::Closed));
            stopped.await;
        }
        let after = self.counts();
        CloseReport {
            acknowledged: after.acknowledged - before.acknowledged,
            rejected: after.rejected - before.rejected,
            unknown: after.unknown - before.unknown,
        }
    }

    /// As [`Producer::close`], on a thread without a runtime.
    pub fn close_blocking(&self, timeout: Duration) -> CloseReport {
        block_on(self.close(timeout))
    }

    /// A snapshot of the counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.shared)
    }

    pub(super) fn topic_by_name(&self, name: &str) -> Result<Arc<TopicShared>, Error> {
        if let Some(topic) = self.shared.topics.get(name) {
            return Ok(topic);
        }
        topic_name::validate(name)?;
        Ok(self.shared.topics.get_or_add(name))
    }

    fn pending(&self) -> Vec<Arc<BatchCell>> {
        self.shared.all_lanes().iter().flat_map(|lane| lane.pending()).collect()
    }

    fn counts(&self) -> CloseReport {
        let counters = &self.shared.counters;
        CloseReport {
            acknowledged: counters.acknowledged.load(Ordering::Relaxed),
            rejected: counters.rejected.load(Ordering::Relaxed),
            unknown: counters.unknown.load(Ordering::Relaxed),
        }
    }
}

impl TopicHandle {
    /// The topic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.topic.name
    }

    /// How many partitions it has now.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        self.topic.partition_count()
    }

    /// The producer behind it.
    #[must_use]
    pub const fn producer(&self) -> &Producer {
        &self.producer
    }

    /// As [`Producer::send`]; the record's own topic is ignored.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Producer::send`].
    #[inline]
    pub const fn send<'a>(&'a self, record: Record<'a>) -> SendFuture<'a> {
        SendFuture::new(&self.producer, Some(&self.topic), record)
    }

    /// As [`Producer::send_and_wait`].
    ///
    /// # Errors
    ///
    /// As [`Producer::send_and_wait`].
    ///
    /// # Cancel safety
    ///
    /// As [`Producer::send_and_wait`].
    #[inline]
    pub const fn send_and_wait<'a>(&'a self, record: Record<'a>) -> SendAndWaitFuture<'a> {
        self.send(record).and_wait()
    }

    /// As [`Producer::try_send`].
    ///
    /// # Errors
    ///
    /// As [`Producer::try_send`].
    #[inline]
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery, TrySendError> {
        Sending { shared: &self.producer.shared, topic: &self.topic, record: &record, callback: None }
            .try_send()
    }

    /// As [`Producer::send_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    pub fn send_blocking(&self, record: Record<'_>) -> Result<Delivery, Error> {
        Sending { shared: &self.producer.shared, topic: &self.topic, record: &record, callback: None }
            .send_blocking()
    }

    /// As [`Producer::send_with_callback`].
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Producer::send_with_callback`].
    pub async fn send_with_callback<F>(&self, record: Record<'_>, callback: F) -> Result<(), Error>
    where
        F: FnOnce(Result<DeliveryReport, Error>) + Send + 'static,
    {
        let callback: Callback = Box::new(callback);
        let mut sending = Sending {
            shared: &self.producer.shared,
            topic: &self.topic,
            record: &record,
            callback: Some(callback),
        };
        let _told_by_callback = sending.send().await?;
        Ok(())
    }
}

/// Linger is ignored while one of these lives (KAFKA-12870: a counter that is not given back would ignore it for ever).
struct FlushGuard<'a>(&'a Shared);

impl<'a> FlushGuard<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.command(Command::FlushBegun);
        Self(shared)
    }
}

impl Drop for FlushGuard<'_> {
    fn drop(&mut self) {
        self.0.command(Command::FlushEnded);
    }
}

fn not_on_the_callback_thread() -> Result<(), Error> {
    if is_callback_thread() {
        return Err(Error::Misuse("a callback must not wait for deliveries: it would wait for itself"));
    }
    Ok(())
}
