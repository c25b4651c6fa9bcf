//! `buffer.memory` with its lock, its waiters and its reused buffers.
//!
//! **Why buffers are reused.** A fresh 128 KiB buffer costs a page fault per 4 KiB; a returned one costs nothing. Free
//! buffers count against the total as well, so the process never holds more than `buffer.memory` for records. All of them
//! are kept while there is work: what is given to the allocator and asked for again by another thread is held by both of the
//! allocator's arenas (eight threads held 61 MB for 34). Most go once nobody has wanted any for a while.
//!
//! Neighbours: [`crate::accumulator::buffer_memory`] is the account, `lanes` asks. Not here: who may wait how long.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::accumulator::buffer_memory::{BufferMemory, WaiterId};
use crate::accumulator::producer_batch::{MemoryOwner, Segment};
use crate::runtime::lane_account::LaneAccount;
use crate::runtime::sync::{Mutex, MutexGuard};
use crate::runtime::wakers::wake_all;
use crate::time::Instant;

/// So long after the last segment was asked for, free buffers beyond [`KEPT_BYTES`] go.
const IDLE_AFTER: Duration = Duration::from_secs(5);
/// What an idle producer keeps for its next burst.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The pool.
#[derive(Debug)]
pub(crate) struct Memory {
    inner: Mutex<Inner>,
    total_bytes: usize,
}

#[derive(Debug)]
struct Inner {
    account: BufferMemory,
    wakers: BTreeMap<WaiterId, Option<Waker>>,
    free: BTreeMap<usize, Vec<Vec<u8>>>,
    free_bytes: usize,
    last_asked: Instant,
    /// Reserved for those who have no buffer for it yet: the memory itself is not there.
    promised_bytes: usize,
    is_closed: bool,
}

impl Memory {
    pub(crate) fn new(total_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                account: BufferMemory::new(total_bytes),
                wakers: BTreeMap::new(),
                free: BTreeMap::new(),
                free_bytes: 0,
                last_asked: Instant::ZERO,
                promised_bytes: 0,
                is_closed: false,
            }),
            total_bytes,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that panics runs under this lock but the account's own assertions.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    pub(crate) fn available_bytes(&self) -> usize {
        self.lock().account.available_bytes()
    }

    pub(crate) fn has_waiters(&self) -> bool {
        self.lock().account.has_waiters()
    }

    /// A segment at once, or none if there is no room or others wait.
    pub(crate) fn try_segment(
        &self,
        bytes: usize,
        owner: &Arc<LaneAccount>,
        now: Instant,
    ) -> Option<Segment> {
        let buffer = {
            let mut inner = self.lock();
            if !inner.account.try_reserve(bytes) {
                return None;
            }
            inner.buffer(bytes, now)
        };
        Some(segment(buffer, bytes, owner, now))
    }

    /// Room for a segment as soon as there is some, in order of asking; none once closed.
    ///
    /// Cancel safety: dropping the future leaves the queue, or gives back what it had just been given.
    pub(crate) fn room_when_free(self: &Arc<Self>, bytes: usize) -> WaitForRoom {
        WaitForRoom { memory: Arc::clone(self), bytes, waiter: None, is_done: false }
    }

    /// When free buffers will have been idle for long enough to go, if there are many.
    pub(crate) fn idle_at(&self) -> Option<Instant> {
        self.lock().idle_at()
    }

    /// Gives most free buffers back to the system if nobody has wanted one for a while.
    pub(crate) fn shrink_if_idle(&self, now: Instant) {
        let idle = {
            let mut inner = self.lock();
            if inner.idle_at().is_none_or(|at| now < at) {
                return;
            }
            inner.take_free_beyond(KEPT_BYTES)
        };
        drop(idle);
    }

    /// Wakes every waiter with a refusal.
    pub(crate) fn close(&self) {
        let wakers: Vec<Waker> = {
            let mut inner = self.lock();
            inner.is_closed = true;
            inner.wakers.values_mut().filter_map(Option::take).collect()
        };
        wake_all(wakers);
    }
}

/// Room that was reserved, on its way to becoming a segment. Given back unless it does.
#[derive(Debug)]
pub(crate) struct Room {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Room {
    pub(crate) fn into_segment(self, owner: &Arc<LaneAccount>, now: Instant) -> Segment {
        let buffer = {
            let mut inner = self.memory.lock();
            inner.promised_bytes -= self.bytes;
            inner.buffer(self.bytes, now)
        };
        let made = segment(buffer, self.bytes, owner, now);
        // The reservation is the segment's now.
        let mut this = self;
        this.bytes = 0;
        made
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let woken = self.memory.lock().break_promise(self.bytes);
            wake_all(woken);
        }
    }
}

/// Allocated, if no used buffer was there, outside the lock.
fn segment(buffer: Option<Vec<u8>>, bytes: usize, owner: &Arc<LaneAccount>, now: Instant) -> Segment {
    let buffer = buffer.unwrap_or_else(|| Vec::with_capacity(bytes));
    owner.took(bytes, now);
    Segment::new(buffer, bytes, Some(Arc::clone(owner) as Arc<dyn MemoryOwner>))
}

impl Inner {
    /// A used buffer for bytes that were reserved, if there is one of that size; else free ones of other sizes make way for it.
    fn buffer(&mut self, bytes: usize, now: Instant) -> Option<Vec<u8>> {
        self.last_asked = now;
        if let Some(buffer) = self.free.get_mut(&bytes).and_then(Vec::pop) {
            self.free_bytes -= bytes;
            return Some(buffer);
        }
        drop(self.take_free_beyond(self.room_for_free()));
        None
    }

    /// The largest free buffers, until no more than `kept_bytes` are left.
    fn take_free_beyond(&mut self, kept_bytes: usize) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while self.free_bytes > kept_bytes {
            let Some(mut largest) = self.free.last_entry() else { break };
            match largest.get_mut().pop() {
                Some(buffer) => {
                    self.free_bytes -= buffer.capacity();
                    taken.push(buffer);
                }
                None => drop(largest.remove()),
            }
        }
        taken
    }

    fn idle_at(&self) -> Option<Instant> {
        (self.free_bytes > KEPT_BYTES).then(|| self.last_asked + IDLE_AFTER)
    }

    /// What of the total is neither in a segment nor about to be.
    const fn room_for_free(&self) -> usize {
        self.account.available_bytes() + self.promised_bytes
    }

    /// Those who can be served now, to be woken outside the lock.
    fn serve(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        let before = self.account.available_bytes();
        while let Some(waiter) = self.account.serve_next() {
            if let Some(Some(waker)) = self.wakers.remove(&waiter) {
                woken.push(waker);
            }
        }
        self.promised_bytes += before - self.account.available_bytes();
        woken
    }

    fn give_back(&mut self, bytes: usize) -> Vec<Waker> {
        self.account.release(bytes);
        self.serve()
    }

    /// Who was to have these bytes does not come for them.
    fn break_promise(&mut self, bytes: usize) -> Vec<Waker> {
        self.promised_bytes -= bytes;
        self.give_back(bytes)
    }
}

impl MemoryOwner for Memory {
    fn give_back(&self, mut buffer: Vec<u8>, reserved_bytes: usize) {
        let woken = {
            let mut inner = self.lock();
            let woken = inner.give_back(reserved_bytes);
            let size = buffer.capacity();
            if size > 0 && inner.free_bytes + size <= inner.room_for_free() {
                buffer.clear();
                inner.free_bytes += size;
                inner.free.entry(size).or_default().push(buffer);
            }
            woken
        };
        wake_all(woken);
    }
}

/// A place in the queue for memory.
#[derive(Debug)]
pub(crate) struct WaitForRoom {
    memory: Arc<Memory>,
    bytes: usize,
    waiter: Option<WaiterId>,
    is_done: bool,
}

impl Future for WaitForRoom {
    type Output = Option<Room>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let memory = Arc::clone(&self.memory);
        let bytes = self.bytes;
        // Wakers are user code: cloned before the lock, and those that are replaced dropped after it.
        let mut waker = Some(cx.waker().clone());
        let mut guard = memory.lock();
        let inner = &mut *guard;
        let is_served = match self.waiter {
            None if inner.is_closed => {
                self.is_done = true;
                return Poll::Ready(None);
            }
            None => {
                if inner.account.try_reserve(bytes) {
                    inner.promised_bytes += bytes;
                    true
                } else {
                    let waiter = inner.account.wait(bytes);
                    inner.wakers.insert(waiter, waker.take());
                    self.waiter = Some(waiter);
                    false
                }
            }
            Some(waiter) => match inner.wakers.get_mut(&waiter) {
                None => true,
                Some(_) if inner.is_closed => {
                    let own = inner.wakers.remove(&waiter);
                    inner.account.cancel(waiter);
                    self.is_done = true;
                    drop(guard);
                    drop(own);
                    return Poll::Ready(None);
                }
                Some(before) => {
                    std::mem::swap(before, &mut waker);
                    false
                }
            },
        };
        if !is_served {
            return Poll::Pending;
        }
        drop(guard);
        self.is_done = true;
        Poll::Ready(Some(Room { memory, bytes }))
    }
}

impl Drop for WaitForRoom {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.filter(|_| !self.is_done) else { return };
        let (own, woken) = {
            let mut inner = self.memory.lock();
            let own = inner.wakers.remove(&waiter);
            let woken = if own.is_some() {
                inner.account.cancel(waiter);
                inner.serve()
            } else {
                // Served, but nobody came for it.
                inner.break_promise(self.bytes)
            };
            (own, woken)
        };
        drop(own);
        wake_all(woken);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn lane(memory: &Arc<Memory>) -> Arc<LaneAccount> {
        LaneAccount::new(Arc::clone(memory))
    }

    fn taken(memory: &Memory, bytes: usize, lane: &Arc<LaneAccount>) -> Segment {
        memory.try_segment(bytes, lane, Instant::ZERO).expect("there is room")
    }

    fn free_and_promised(memory: &Memory) -> (usize, usize) {
        let inner = memory.lock();
        (inner.free_bytes, inner.promised_bytes)
    }

    // A full buffer is when throughput is highest: each returned buffer is wanted at once. Fails if what was promised to a waiter
    // counts as memory that is there, so that the buffer is thrown away and a new one made for the waiter.
    #[test]
    fn a_waiter_gets_the_buffer_that_made_room_for_it() {
        let memory = Memory::new(1000);
        let lane = lane(&memory);
        let only = taken(&memory, 1000, &lane);
        let mut waiting = pin!(memory.room_when_free(1000));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());

        drop(only);

        assert_eq!(free_and_promised(&memory), (1000, 1000));
        let Poll::Ready(Some(room)) = waiting.as_mut().poll(&mut cx) else { panic!("there is room") };
        let _segment = room.into_segment(&lane, Instant::ZERO);
        assert_eq!(free_and_promised(&memory), (0, 0));
    }

    // The promise is `buffer.memory`, free buffers included. Fails if buffers of one size stay when all of it is held in another.
    #[test]
    fn free_buffers_of_another_size_make_way() {
        let memory = Memory::new(1000);
        let lane = lane(&memory);
        drop((taken(&memory, 500, &lane), taken(&memory, 500, &lane)));
        assert_eq!(free_and_promised(&memory).0, 1000);

        let _first = taken(&memory, 300, &lane);
        assert_eq!(free_and_promised(&memory).0, 500);
        let _others = (taken(&memory, 300, &lane), taken(&memory, 300, &lane));
        assert_eq!(free_and_promised(&memory).0, 0);
    }

    // A burst must not stay resident for ever. Fails if the buffers of a burst stay after the idle time, go before it, or all go.
    #[test]
    fn an_idle_producer_gives_most_of_its_buffers_back() {
        const MIB: usize = 1024 * 1024;
        let memory = Memory::new(16 * MIB);
        let lane = lane(&memory);
        let asked = Instant::from_millis(1000);
        let burst: Vec<Segment> =
            (0..16).map(|_| memory.try_segment(MIB, &lane, asked).expect("there is room")).collect();
        assert_eq!(memory.idle_at(), None, "nothing is free");
        drop(burst);

        let idle_at = memory.idle_at().expect("all of it is free");
        assert_eq!(idle_at, asked + IDLE_AFTER);
        memory.shrink_if_idle(asked);
        assert_eq!(free_and_promised(&memory).0, 16 * MIB);
        memory.shrink_if_idle(idle_at);
        assert_eq!(free_and_promised(&memory).0, KEPT_BYTES);
        assert_eq!(memory.idle_at(), None);
    }

    // Fails if what was promised and not fetched stays promised: later free buffers would exceed the total.
    #[test]
    fn a_promise_that_nobody_fetches_ends() {
        let memory = Memory::new(1000);
        let lane = lane(&memory);
        let only = taken(&memory, 1000, &lane);
        let mut cx = Context::from_waker(Waker::noop());
        {
            let mut served = pin!(memory.room_when_free(1000));
            assert!(served.as_mut().poll(&mut cx).is_pending());
            drop(only);
            assert_eq!(free_and_promised(&memory).1, 1000);
        }
        assert_eq!((free_and_promised(&memory).1, memory.available_bytes()), (0, 1000));

        let mut at_once = pin!(memory.room_when_free(400));
        let Poll::Ready(Some(room)) = at_once.as_mut().poll(&mut cx) else { panic!("there is room") };
        assert_eq!(free_and_promised(&memory).1, 400);
        drop(room);
        assert_eq!((free_and_promised(&memory).1, memory.available_bytes()), (0, 1000));
    }
}
