//! The locks: one short mutex per partition, around its queue and its cells.
//!
//! **Why one per partition.** Threads that append to different partitions never meet, and nothing is compressed,
//! checksummed, logged or allocated big under it.
//!
//! Neighbours: [`crate::accumulator::partition_queue`] is inside, `producer` appends, `driver` takes and completes. Not
//! here: waiting for memory, which happens outside the lock.

use std::collections::VecDeque;
use std::hint::spin_loop;
use std::sync::{Arc, PoisonError, TryLockError};

use crate::accumulator::partition_queue::{
    AppendTime, Appended, PartitionQueue, QueueLimits, QueueStatus, Removed, TakeMode, Taken, TryAppend,
};
use crate::accumulator::producer_batch::{SealJob, SealedBatch, Segment};
use crate::engine::BatchOutcome;
use crate::error::Cause;
use crate::identifiers::{BatchNumber, LaneId};
use crate::mutants::{self, Mutant};
use crate::record::Record;
use crate::runtime::callbacks::{Callback, Job};
use crate::runtime::delivery::{BatchCell, Delivery, PendingCallback};
use crate::runtime::lane_account::LaneAccount;
use crate::runtime::shared::Shared;
use crate::runtime::sync::{Mutex, MutexGuard};
use crate::time::Instant;
use crate::wire::WireError;

/// How long an append waits for whoever is in a lane before it goes elsewhere, in pauses of the processor.
const PAUSES: u32 = 8;

/// What the driver is told of a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    /// It has its first batch.
    Opened,
    /// It has a full or sealed batch.
    Sealed,
}

/// What became of an append.
#[derive(Debug)]
pub(crate) enum LaneAppend {
    /// Accepted; somebody may have to be told.
    Accepted(Delivery, Option<News>),
    /// The open batch takes no more: run the job outside the lock and try again.
    Sealed(Box<SealJob>),
    /// Another thread is here, and the sticky choice may go elsewhere.
    Taken,
    /// A segment is needed.
    NeedsSegment(usize),
    /// The producer is closed.
    Closed,
}

/// What an append has to tell, which most have not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News {
    pub(crate) sticky: Option<StickyBytes>,
    pub(crate) signal: Option<Signal>,
}

/// What sticky appends have added to a lane since it last said so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StickyBytes {
    pub(crate) bytes: usize,
    /// The open batch is full: a good moment to move on.
    pub(crate) is_clean: bool,
}

/// How a record came to its lane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChosenBy {
    /// Its key, its sender or a custom partitioner.
    Record,
    /// The sticky choice, which wants to know of `batch.size` bytes.
    Sticky(usize),
}

/// What is to be appended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addition<'a> {
    pub(crate) record: &'a Record<'a>,
    pub(crate) time: AppendTime,
    pub(crate) chosen_by: ChosenBy,
}

/// One partition.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) id: LaneId,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) account: Arc<LaneAccount>,
    /// Held while batches leave and their callbacks are handed over: in order, and never half seen by a flush.
    leaving: Mutex<()>,
    state: Mutex<LaneState>,
}

#[derive(Debug)]
struct LaneState {
    queue: PartitionQueue,
    cells: VecDeque<Entry>,
    /// The engine has been told that something is here.
    is_known: bool,
    is_closed: bool,
    /// The engine is gone, and everything has its outcome.
    is_failed: bool,
    accepted: u64,
    /// Bytes of sticky appends that the sticky choice does not know of yet.
    sticky_bytes: usize,
}

/// A batch without an outcome, or with one that waits for its predecessors' callbacks.
#[derive(Debug)]
struct Entry {
    number: BatchNumber,
    cell: Arc<BatchCell>,
    /// The engine has it: it may have been handed to a connection.
    is_taken: bool,
}

impl Lane {
    pub(crate) fn new(
        id: LaneId,
        topic: Arc<str>,
        partition: i32,
        limits: QueueLimits,
        account: Arc<LaneAccount>,
        is_closed: bool,
    ) -> Self {
        let state = LaneState {
            queue: PartitionQueue::new(limits),
            cells: VecDeque::new(),
            is_known: false,
            is_closed,
            is_failed: false,
            accepted: 0,
            sticky_bytes: 0,
        };
        Self { id, topic, partition, account, leaving: Mutex::new(()), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `body` while this thread has the lane.
    #[cfg(test)]
    pub(crate) fn while_taken<R>(&self, body: impl FnOnce() -> R) -> R {
        let _state = self.lock();
        body()
    }

    /// The lock, unless another thread stays in it: the engine's visits are shorter than the second try is late.
    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, LaneState>> {
        self.try_lock_once().or_else(|| self.try_lock_later())
    }

    #[cold]
    fn try_lock_later(&self) -> Option<MutexGuard<'_, LaneState>> {
        (0..PAUSES).for_each(|_| spin_loop());
        self.try_lock_once()
    }

    #[inline]
    fn try_lock_once(&self) -> Option<MutexGuard<'_, LaneState>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Appends if the open batch has room. The hot path, which is inlined in one place: what it returns is then never
    /// written to memory and read back.
    #[inline(always)]
    pub(crate) fn append(
        &self,
        shared: &Arc<Shared>,
        addition: Addition<'_>,
        callback: &mut Option<Callback>,
    ) -> LaneAppend {
        let state = match addition.chosen_by {
            ChosenBy::Record => self.lock(),
            ChosenBy::Sticky(_) => match self.try_lock() {
                Some(state) => state,
                None => return LaneAppend::Taken,
            },
        };
        self.append_under(state, shared, addition, callback)
    }

    #[inline(always)]
    fn append_under(
        &self,
        mut state: MutexGuard<'_, LaneState>,
        shared: &Arc<Shared>,
        addition: Addition<'_>,
        callback: &mut Option<Callback>,
    ) -> LaneAppend {
        if state.is_closed {
            return LaneAppend::Closed;
        }
        let appended = match state.queue.try_append(addition.record, addition.time) {
            TryAppend::Appended(appended) => appended,
            TryAppend::Sealed(job) => {
                state.seal_cell(job.number, job.record_count);
                return LaneAppend::Sealed(Box::new(job));
            }
            TryAppend::NeedsSegment(bytes) => return LaneAppend::NeedsSegment(bytes),
        };
        if appended.opened {
            self.add_cell(&mut state, shared, appended.number);
        }
        state.accepted += 1;
        let Some(cell) = state.cells.back().map(|entry| Arc::clone(&entry.cell)) else {
            unreachable!("the open batch has the newest cell");
        };
        if let Some(callback) = callback.take() {
            cell.add_callback(PendingCallback {
                index: appended.index,
                timestamp_ms: appended.timestamp_ms,
                callback,
            });
        }
        let signal = state.signal_after(appended);
        let sticky = match addition.chosen_by {
            ChosenBy::Record => None,
            ChosenBy::Sticky(batch_size) => state.sticky_after(appended, batch_size),
        };
        drop(state);
        let news = (sticky.is_some() || signal.is_some()).then_some(News { sticky, signal });
        LaneAppend::Accepted(Delivery::new(cell, appended.index, appended.timestamp_ms), news)
    }

    #[cold]
    fn add_cell(&self, state: &mut LaneState, shared: &Arc<Shared>, number: BatchNumber) {
        let cell = Arc::new(BatchCell::new(self, number, Arc::clone(shared)));
        state.cells.push_back(Entry { number, cell, is_taken: false });
    }

    /// As [`Self::append`], after something was done about the batch: here and nowhere else.
    #[inline(never)]
    pub(crate) fn append_again(
        &self,
        shared: &Arc<Shared>,
        addition: Addition<'_>,
        callback: &mut Option<Callback>,
    ) -> LaneAppend {
        self.append_under(self.lock(), shared, addition, callback)
    }

    /// Gives the queue a segment, which goes back to the pool if another thread was faster.
    /// A closed lane takes none: nobody would ever give it back.
    pub(crate) fn install(&self, segment: Segment, needed_bytes: usize, now: Instant) {
        let unused = {
            let mut state = self.lock();
            if state.is_closed { Some(segment) } else { state.queue.install(segment, needed_bytes, now) }
        };
        drop(unused);
    }

    /// Puts a sealed batch back into its place; a signal if it is the next to be taken.
    pub(crate) fn complete_seal(&self, batch: SealedBatch) -> Option<Signal> {
        let (is_next, late) = {
            let mut state = self.lock();
            if let Some(cell) = state.cell(batch.number) {
                let _none_before = cell.keep(batch.body.clone());
            }
            let is_next = state.queue.complete_seal(batch);
            // After the end it is nobody's.
            let late = if state.is_failed { state.queue.clear() } else { Vec::new() };
            state.is_known |= is_next;
            (is_next && !state.is_failed, late)
        };
        drop(late);
        is_next.then_some(Signal::Sealed)
    }

    /// The codec failed on a batch: its records are rejected.
    pub(crate) fn fail_seal(&self, shared: &Arc<Shared>, job: &SealJob, error: &WireError) {
        self.lock().queue.fail_seal(job.number);
        // What stood behind it is at the head now, and the engine must hear of that.
        shared.signal(self.id, Signal::Sealed);
        let cause = Cause::Compression(error.to_string().into());
        self.complete(shared, job.number, 0, job.record_count, BatchOutcome::Rejected { cause, attempts: 0 });
    }

    /// The engine's pull.
    pub(crate) fn take(&self, mode: TakeMode, wanted_after: bool) -> (Taken, QueueStatus) {
        let mut state = self.lock();
        let taken = state.queue.take(mode, wanted_after);
        match &taken {
            Taken::Batch(batch) => {
                let number = batch.number;
                if let Some(entry) = state.cells.iter_mut().find(|entry| entry.number == number) {
                    entry.is_taken = true;
                }
            }
            Taken::Seal(job) => state.seal_cell(job.number, job.record_count),
            Taken::Nothing => {}
        }
        (taken, state.status_for_engine())
    }

    /// What is in the queue, for the engine, which is told anew when there is something after nothing.
    pub(crate) fn status_for_engine(&self) -> QueueStatus {
        self.lock().status_for_engine()
    }

    /// Rejects what came at or before `cutoff`; what is left.
    pub(crate) fn expire(
        &self,
        shared: &Arc<Shared>,
        cutoff: Instant,
        cause: impl Fn() -> Cause,
    ) -> QueueStatus {
        let (expired, status) = {
            let mut state = self.lock();
            let expired = state.queue.remove_expired(cutoff);
            (state.bury(expired), state.status_for_engine())
        };
        self.reject(shared, expired, cause);
        status
    }

    /// Memory goes back, and waiters are woken, under no lock.
    fn reject(&self, shared: &Arc<Shared>, removed: Vec<Removed>, cause: impl Fn() -> Cause) {
        for Removed { number, record_count, body } in removed {
            drop(body);
            let outcome = BatchOutcome::Rejected { cause: cause(), attempts: 0 };
            self.complete(shared, number, 0, record_count, outcome);
        }
    }

    /// Tells some records of a batch their outcome, and runs the callbacks whose turn it is.
    pub(crate) fn complete(
        &self,
        shared: &Arc<Shared>,
        number: BatchNumber,
        first: u32,
        count: u32,
        outcome: BatchOutcome,
    ) {
        let cell = {
            let state = self.lock();
            state.cells.iter().find(|entry| entry.number == number).map(|entry| Arc::clone(&entry.cell))
        };
        let Some(cell) = cell else { return };
        let counter = shared.counters.of(&outcome);
        let is_progress = is_progress(&outcome);
        cell.resolve(first, count, outcome, counter);
        if is_progress {
            self.account.progressed(shared.environment.shared().now);
        } else {
            self.account.ran_out_of_time();
        }
        self.let_done_leave(shared);
    }

    /// Batches leave in order. Two threads may tell outcomes (the codec's failure comes from whoever sealed), and neither
    /// may overtake the other between a batch's leaving and its callbacks' being handed over.
    fn let_done_leave(&self, shared: &Arc<Shared>) {
        let (done, refused) = {
            let _turn = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
            let done = self.lock().take_done();
            let refused: Vec<_> = done.iter().flat_map(|cell| hand_over_callbacks(shared, cell)).collect();
            (done, refused)
        };
        drop(refused);
        done.iter().for_each(|cell| cell.settle());
    }

    pub(crate) fn set_attempts(&self, number: BatchNumber, attempts: u32) {
        let state = self.lock();
        if let Some(entry) = state.cells.iter().find(|entry| entry.number == number) {
            entry.cell.set_attempts(attempts);
        }
    }

    pub(crate) fn limit_growth(&self) {
        self.lock().queue.limit_growth();
    }

    /// Cells that have no outcome yet, or whose callbacks wait for an earlier one's.
    pub(crate) fn pending(&self) -> Vec<Arc<BatchCell>> {
        // What has left by then has handed its callbacks over, so that a flush waits for them.
        let _turn = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock().cells.iter().map(|entry| Arc::clone(&entry.cell)).collect()
    }

    /// Sealed and open batches that wait here: what the adaptive partitioner looks at.
    pub(crate) fn queue_len(&self) -> usize {
        let state = self.lock();
        let status = state.queue.status();
        status.sealed + usize::from(status.open_since.is_some())
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    /// No record is accepted after this.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// The last word when the engine is gone: what it may have sent is unknown, the rest is rejected.
    pub(crate) fn fail_pending(&self, shared: &Arc<Shared>, cause: &Cause) {
        // What was never taken has its count in the queue; the rest was sealed, so its cell knows it.
        let removed = {
            let mut state = self.lock();
            state.is_closed = true;
            state.is_failed = true;
            let removed = state.queue.clear();
            state.bury(removed)
        };
        self.reject(shared, removed, || cause.clone());
        let pending: Vec<(BatchNumber, bool)> = {
            let state = self.lock();
            state.cells.iter().map(|entry| (entry.number, entry.is_taken)).collect()
        };
        for (number, is_taken) in pending {
            let outcome = if is_taken {
                BatchOutcome::Unknown { cause: cause.clone(), attempts: 0 }
            } else {
                BatchOutcome::Rejected { cause: cause.clone(), attempts: 0 }
            };
            self.complete(shared, number, 0, u32::MAX, outcome);
        }
    }
}

impl LaneState {
    fn cell(&self, number: BatchNumber) -> Option<&Arc<BatchCell>> {
        self.cells.iter().rev().find(|entry| entry.number == number).map(|entry| &entry.cell)
    }

    fn seal_cell(&self, number: BatchNumber, records: u32) {
        if let Some(cell) = self.cell(number) {
            cell.seal(records);
        }
    }

    /// Batches that end in the queue: their counts are fixed, and their bytes stay with callbacks that must still run.
    fn bury(&self, mut removed: Vec<Removed>) -> Vec<Removed> {
        for batch in &mut removed {
            if let Some(cell) = self.cell(batch.number) {
                cell.seal(batch.record_count);
                batch.body = cell.keep(std::mem::take(&mut batch.body));
            }
        }
        removed
    }

    fn status_for_engine(&mut self) -> QueueStatus {
        let status = self.queue.status();
        self.is_known = !status.is_empty();
        status
    }

    fn signal_after(&mut self, appended: Appended) -> Option<Signal> {
        if appended.wake {
            self.is_known = true;
            return Some(Signal::Sealed);
        }
        if appended.opened && !self.is_known {
            self.is_known = true;
            return Some(Signal::Opened);
        }
        None
    }

    /// The sticky choice moves on at a full batch, or after twice `batch.size`: it need not hear of every record, and the
    /// word that all threads share is left alone in between.
    fn sticky_after(&mut self, appended: Appended, batch_size: usize) -> Option<StickyBytes> {
        self.sticky_bytes += appended.grown_bytes;
        if !appended.is_full && self.sticky_bytes < batch_size {
            return None;
        }
        Some(StickyBytes { bytes: std::mem::take(&mut self.sticky_bytes), is_clean: appended.is_full })
    }

    /// Cells leave in order, so that callbacks of a lane run in send order (D-20).
    fn take_done(&mut self) -> Vec<Arc<BatchCell>> {
        let mut done = Vec::new();
        while self.cells.front().is_some_and(|entry| entry.cell.is_done()) {
            if let Some(entry) = self.cells.pop_front() {
                done.push(entry.cell);
            }
        }
        done
    }
}

/// Whether an outcome shows that the lane still moves: time that ran out does not (D-35). A dead lane whose records expire
/// one after the other would otherwise count as a lively one and hold all of the buffer.
const fn is_progress(outcome: &BatchOutcome) -> bool {
    match outcome {
        BatchOutcome::Acknowledged(_) => true,
        BatchOutcome::Rejected { cause, .. } | BatchOutcome::Unknown { cause, .. } => {
            !matches!(cause, Cause::DeliveryTimeout { .. })
        }
    }
}

/// The batch's callbacks go to their thread; those that it does not take, to be dropped under no lock, come back.
fn hand_over_callbacks(shared: &Arc<Shared>, cell: &Arc<BatchCell>) -> Vec<Job> {
    let mut refused = Vec::new();
    let (callbacks, kept) = cell.take_callbacks();
    let kept = Arc::new(kept);
    for pending in callbacks {
        let Some(result) = cell.result(pending.index, pending.timestamp_ms) else { continue };
        let (callback, kept) = (pending.callback, Arc::clone(&kept));
        if mutants::is_on(Mutant::K13) {
            callback(result);
            continue;
        }
        let job = move || {
            // Dropped with the last of them, and only then is the batch's memory free (D-49).
            let _kept = kept;
            callback(result);
        };
        refused.extend(shared.callbacks.run(Box::new(job)).err());
    }
    refused
}
