//! The outcome of records: one cell per batch, and the [`Delivery`] that looks into it.
//!
//! **Why one cell per batch.** A `Delivery` is the batch's cell and an index: no allocation, no channel, no task per
//! record; its offset is the base offset plus the index, and asking for an outcome that is known costs an atomic load.
//!
//! Neighbours: `lanes` makes a cell with each batch, the driver fills it. Not here: what the outcome is, which the
//! engine decides.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::engine::{Acknowledged, BatchOutcome};
use crate::error::Error;
use crate::identifiers::{BatchNumber, LaneId};
use crate::runtime::blocking::block_on;
use crate::runtime::callbacks::Callback;
use crate::runtime::lanes::Lane;
use crate::runtime::shared::Shared;
use crate::runtime::sync::{Mutex, MutexGuard, OnceLock};
use crate::runtime::timers::until;
use crate::runtime::wakers::wake_all;

/// Where a batch's outcome will be.
#[derive(Debug)]
pub(crate) struct BatchCell {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    lane: LaneId,
    number: BatchNumber,
    shared: Arc<Shared>,
    whole: OnceLock<BatchOutcome>,
    attempts: AtomicU32,
    inner: Mutex<CellInner>,
}

#[derive(Debug, Default)]
struct CellInner {
    /// Records in the batch, once it is sealed.
    records: Option<u32>,
    resolved: u32,
    /// After a split or a refusal of single records: outcomes by range.
    parts: Vec<Part>,
    is_done: bool,
    /// Its callbacks, and those of the batches before it, were handed over.
    is_settled: bool,
    settle_wakers: Vec<Option<Waker>>,
    wakers: Vec<Option<Waker>>,
    /// Counts how often all wakers were taken away: a slot of an earlier time is stale.
    generation: u32,
    callbacks: Vec<PendingCallback>,
    /// The batch's bytes, if it has callbacks: its memory comes back when they ran (D-49).
    kept: Vec<Bytes>,
}

#[derive(Debug, Clone)]
struct Part {
    first: u32,
    count: u32,
    outcome: BatchOutcome,
}

/// A callback and the record it belongs to.
pub(crate) struct PendingCallback {
    pub(crate) index: u32,
    pub(crate) timestamp_ms: i64,
    pub(crate) callback: Callback,
}

impl std::fmt::Debug for PendingCallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingCallback").field("index", &self.index).finish_non_exhaustive()
    }
}

impl BatchCell {
    /// The cell of a lane's batch.
    pub(crate) fn new(lane: &Lane, number: BatchNumber, shared: Arc<Shared>) -> Self {
        Self {
            topic: Arc::clone(&lane.topic),
            partition: lane.partition,
            lane: lane.id,
            number,
            shared,
            whole: OnceLock::new(),
            attempts: AtomicU32::new(0),
            inner: Mutex::new(CellInner::default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, CellInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batch takes no more records.
    pub(crate) fn seal(&self, records: u32) {
        self.lock().records = Some(records);
    }

    pub(crate) fn set_attempts(&self, attempts: u32) {
        self.attempts.store(attempts, Ordering::Relaxed);
    }

    pub(crate) fn add_callback(&self, callback: PendingCallback) {
        self.lock().callbacks.push(callback);
    }

    /// Gives some records their outcome, and counts those that had none before, first: whoever is woken finds himself
    /// counted. An outcome never changes: what is told twice is kept as it was first told.
    pub(crate) fn resolve(&self, first: u32, count: u32, outcome: BatchOutcome, counter: &AtomicU64) {
        let wakers = {
            let mut inner = self.lock();
            if inner.is_done {
                return;
            }
            let records = inner.records.unwrap_or(count);
            let newly = count.min(records - inner.resolved);
            counter.fetch_add(u64::from(newly), Ordering::Relaxed);
            inner.resolved += newly;
            inner.is_done = inner.resolved >= records;
            if first == 0 && newly == records {
                let told_before = self.whole.set(outcome).is_err();
                debug_assert!(!told_before, "[OUT-5] a batch was told two outcomes");
            } else {
                inner.parts.push(Part { first, count, outcome });
            }
            inner.generation += 1;
            std::mem::take(&mut inner.wakers)
        };
        wake_all(wakers.into_iter().flatten());
    }

    /// Whether every record has its outcome.
    pub(crate) fn is_done(&self) -> bool {
        self.whole.get().is_some() || self.lock().is_done
    }

    /// Keeps the batch's bytes until its callbacks ran; they come back if it has none.
    pub(crate) fn keep(&self, body: Vec<Bytes>) -> Vec<Bytes> {
        let mut inner = self.lock();
        if inner.callbacks.is_empty() {
            return body;
        }
        std::mem::replace(&mut inner.kept, body)
    }

    /// The callbacks, and the bytes that they keep.
    pub(crate) fn take_callbacks(&self) -> (Vec<PendingCallback>, Vec<Bytes>) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.callbacks), std::mem::take(&mut inner.kept))
    }

    /// Every record has its outcome, and the callbacks are on their way.
    pub(crate) fn settle(&self) {
        let wakers = {
            let mut inner = self.lock();
            inner.is_settled = true;
            std::mem::take(&mut inner.settle_wakers)
        };
        wake_all(wakers.into_iter().flatten());
    }

    /// The record's result, if it is that of the whole batch: without a lock.
    fn whole_result(
        self: &Arc<Self>,
        index: u32,
        timestamp_ms: i64,
    ) -> Option<Result<DeliveryReport, Error>> {
        self.whole.get().map(|outcome| self.report(outcome, None, index, timestamp_ms))
    }

    /// The record's result, if it is known.
    pub(crate) fn result(
        self: &Arc<Self>,
        index: u32,
        timestamp_ms: i64,
    ) -> Option<Result<DeliveryReport, Error>> {
        if let Some(result) = self.whole_result(index, timestamp_ms) {
            return Some(result);
        }
        let part = self
            .lock()
            .parts
            .iter()
            .find(|part| index >= part.first && index - part.first < part.count)
            .cloned()?;
        Some(self.report(&part.outcome, Some(part.first), index, timestamp_ms))
    }

    fn report(
        self: &Arc<Self>,
        outcome: &BatchOutcome,
        part_from: Option<u32>,
        index: u32,
        timestamp_ms: i64,
    ) -> Result<DeliveryReport, Error> {
        let topic = || Arc::clone(&self.topic);
        match outcome {
            BatchOutcome::Acknowledged(news) => Ok(DeliveryReport {
                cell: Arc::clone(self),
                position: index - part_from.unwrap_or(0),
                timestamp_ms: news.log_append_time_ms.unwrap_or(timestamp_ms),
                of_part: part_from.map(|_| Box::new(*news)),
            }),
            BatchOutcome::Rejected { cause, attempts } => Err(Error::Rejected {
                topic: topic(),
                partition: self.partition,
                attempts: *attempts,
                cause: cause.clone(),
            }),
            BatchOutcome::Unknown { cause, attempts } => Err(Error::Unknown {
                topic: topic(),
                partition: self.partition,
                attempts: *attempts,
                cause: cause.clone(),
            }),
        }
    }

    /// Registers a waker in `slot`, or finds that something has happened meanwhile.
    fn register(
        &self,
        slot: &mut Option<WakerSlot>,
        waker: &Waker,
        is_ready: impl Fn(&CellInner) -> bool,
    ) -> bool {
        // Declared before the lock, so that it, or the one it replaces, is dropped after it.
        let mut waker = Some(waker.clone());
        let mut inner = self.lock();
        if inner.is_done || is_ready(&inner) {
            return false;
        }
        let generation = inner.generation;
        let held = slot.filter(|slot| slot.generation == generation);
        match held.and_then(|slot| inner.wakers.get_mut(slot.index())) {
            Some(place) => std::mem::swap(place, &mut waker),
            None => {
                *slot = Some(WakerSlot {
                    generation,
                    place: u32::try_from(inner.wakers.len()).unwrap_or(u32::MAX),
                });
                inner.wakers.push(waker.take());
            }
        }
        true
    }

    fn unregister(&self, slot: WakerSlot) {
        if self.whole.get().is_some() {
            return;
        }
        let waker = {
            let mut inner = self.lock();
            let is_current = inner.generation == slot.generation;
            inner.wakers.get_mut(slot.index()).filter(|_| is_current).and_then(Option::take)
        };
        drop(waker);
    }
}

/// A waiter's place among the wakers of a cell.
#[derive(Debug, Clone, Copy)]
struct WakerSlot {
    generation: u32,
    place: u32,
}

impl WakerSlot {
    fn index(self) -> usize {
        usize::try_from(self.place).unwrap_or(usize::MAX)
    }
}

/// Done when every record of a batch has its outcome and its callbacks were handed to their thread.
pub(crate) struct AllDone {
    cell: Arc<BatchCell>,
    /// Its place among those who wait for the cell to settle.
    place: Option<usize>,
}

impl AllDone {
    pub(crate) const fn new(cell: Arc<BatchCell>) -> Self {
        Self { cell, place: None }
    }
}

impl Future for AllDone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // As in `register`: dropped after the lock.
        let mut waker = Some(cx.waker().clone());
        let mut inner = this.cell.lock();
        if inner.is_settled {
            return Poll::Ready(());
        }
        let free = || inner.settle_wakers.iter().position(Option::is_none);
        let place = this.place.or_else(free).unwrap_or(inner.settle_wakers.len());
        match inner.settle_wakers.get_mut(place) {
            Some(before) => std::mem::swap(before, &mut waker),
            None => inner.settle_wakers.push(waker.take()),
        }
        this.place = Some(place);
        Poll::Pending
    }
}

impl Drop for AllDone {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        // Once settled, the list is empty and the place nobody's.
        let waker = self.cell.lock().settle_wakers.get_mut(place).and_then(Option::take);
        drop(waker);
    }
}

/// A record's place in its producer: lane, batch and the place in the batch. With the producer's observations it tells
/// what happened to the record, and the record itself carries nothing for it (D-63).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordPlace {
    /// The producer's number in this process.
    pub producer: u64,
    /// The lane: one partition of one topic.
    pub lane: LaneId,
    /// The batch's number in the lane.
    pub batch: BatchNumber,
    /// The record's place in the batch, from 0.
    pub index: u32,
}

/// What is known of an acknowledged record beyond its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeliveryDetails {
    /// The producer id under which the batch was written; `None` without idempotence.
    pub producer_id: Option<i64>,
    /// Its epoch; `None` without idempotence.
    pub producer_epoch: Option<i16>,
    /// Sequence of the first record of the batch; `None` without idempotence.
    pub base_sequence: Option<i32>,
    /// How often the batch was handed to a connection.
    pub attempts: u32,
    /// Whether the broker had already seen the batch when it acknowledged it. `None` where that cannot be known: Kafka
    /// answers a duplicate as a success and says no more (D-27).
    pub deduplicated: Option<bool>,
}

/// Where an acknowledged record is. Cheap to clone.
#[derive(Clone)]
pub struct DeliveryReport {
    cell: Arc<BatchCell>,
    /// Its place in the batch, or in the part of it that was acknowledged.
    position: u32,
    timestamp_ms: i64,
    /// What is known of the part, if the batch had several outcomes. Else what is known of the batch stays with it, and the
    /// report is small.
    of_part: Option<Box<Acknowledged>>,
}

impl std::fmt::Debug for DeliveryReport {
    /// What it tells: the batch's cell leads to everything that the producer holds.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DeliveryReport")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .field("timestamp_ms", &self.timestamp_ms)
            .field("details", &self.details())
            .finish()
    }
}

impl DeliveryReport {
    fn news(&self) -> &Acknowledged {
        match (self.of_part.as_deref(), self.cell.whole.get()) {
            (Some(news), _) | (None, Some(BatchOutcome::Acknowledged(news))) => news,
            (None, _) => unreachable!("a report is made of an acknowledgement"),
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.cell.topic
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.cell.partition
    }

    /// The offset; `None` with `acks=0`, and when a broker recognised the batch but did not tell where it is.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.news().base_offset.map(|base| base + i64::from(self.position))
    }

    /// The record's timestamp in milliseconds: its own, or the log append time if the topic uses that.
    #[must_use]
    pub const fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    /// Identity, attempts and the rest.
    #[must_use]
    pub fn details(&self) -> DeliveryDetails {
        let news = self.news();
        DeliveryDetails {
            producer_id: news.stamp.map(|(identity, _)| identity.producer_id),
            producer_epoch: news.stamp.map(|(identity, _)| identity.epoch),
            base_sequence: news.stamp.map(|(_, sequence)| sequence),
            attempts: news.attempts,
            deduplicated: news.deduplicated,
        }
    }
}

/// The outcome of an accepted record, as a future.
///
/// # Cancel safety
///
/// Dropping it, polled or not, changes nothing: the record is still delivered. It needs no runtime; any executor, or a
/// plain thread by [`Delivery::wait`], will do.
#[must_use = "dropping a Delivery does not cancel the record, but nobody will learn its outcome"]
pub struct Delivery {
    cell: Arc<BatchCell>,
    index: u32,
    timestamp_ms: i64,
    slot: Option<WakerSlot>,
}

impl std::fmt::Debug for Delivery {
    /// Which record it is: the batch's cell leads to everything that the producer holds.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Delivery")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("place", &self.place())
            .field("timestamp_ms", &self.timestamp_ms)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    #[inline]
    pub(crate) const fn new(cell: Arc<BatchCell>, index: u32, timestamp_ms: i64) -> Self {
        Self { cell, index, timestamp_ms, slot: None }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.cell.topic
    }

    /// The partition that the record went to.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.cell.partition
    }

    /// The record's own timestamp in milliseconds.
    #[must_use]
    pub const fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    /// Where the record is in the producer: what observations name it by.
    #[must_use]
    pub fn place(&self) -> RecordPlace {
        RecordPlace {
            producer: self.cell.shared.number,
            lane: self.cell.lane,
            batch: self.cell.number,
            index: self.index,
        }
    }

    /// How often the record's batch has been handed to a connection beyond the first time, plus one; 0 before a retry is
    /// known of. For displays of what is pending; the report has the exact number.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.cell.attempts.load(Ordering::Relaxed)
    }

    /// The outcome, if it is known.
    ///
    /// # Errors
    ///
    /// As the future's own.
    #[must_use]
    pub fn try_result(&self) -> Option<Result<DeliveryReport, Error>> {
        self.cell.result(self.index, self.timestamp_ms)
    }

    /// Waits on this thread, without a runtime. Ends at the latest when `delivery.timeout.ms` has passed.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] or [`Error::Unknown`].
    pub fn wait(self) -> Result<DeliveryReport, Error> {
        block_on(self)
    }

    /// Waits on this thread for at most `timeout`; `None` if the outcome is not known by then.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<DeliveryReport, Error>> {
        let shared = Arc::clone(&self.cell.shared);
        let at = shared.environment.now() + timeout;
        block_on(until(&shared, at, self))
    }
}

impl Future for Delivery {
    type Output = Result<DeliveryReport, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(result) = this.cell.whole_result(this.index, this.timestamp_ms) {
            return Poll::Ready(result);
        }
        let index = this.index;
        let is_ready = |inner: &CellInner| {
            inner.parts.iter().any(|part| index >= part.first && index - part.first < part.count)
        };
        if this.cell.register(&mut this.slot, cx.waker(), is_ready) {
            return Poll::Pending;
        }
        match this.cell.result(this.index, this.timestamp_ms) {
            Some(result) => Poll::Ready(result),
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.cell.unregister(slot);
        }
    }
}
