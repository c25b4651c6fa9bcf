//! `buffer.memory` with its lock, its waiters and its reused buffers.
//!
//! **Why buffers are reused.** A fresh 128 KiB buffer costs a page fault per 4 KiB; a returned one costs nothing. Free
//! buffers count against the total as well, so the process never holds more than `buffer.memory` for records.
//!
//! Neighbours: [`crate::accumulator::buffer_memory`] is the account, `lanes` asks. Not here: who may wait how long.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::accumulator::buffer_memory::{BufferMemory, WaiterId};
use crate::accumulator::producer_batch::{MemoryOwner, Segment};
use crate::runtime::lane_account::LaneAccount;
use crate::runtime::sync::{Mutex, MutexGuard};
use crate::runtime::wakers::wake_all;
use crate::time::Instant;

/// Free buffers of one size are kept up to this many.
const MAX_FREE_PER_SIZE: usize = 64;

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
            inner.reuse(bytes)
        };
        Some(segment(buffer, bytes, owner, now))
    }

    /// Room for a segment as soon as there is some, in order of asking; none once closed.
    ///
    /// Cancel safety: dropping the future leaves the queue, or gives back what it had just been given.
    pub(crate) fn room_when_free(self: &Arc<Self>, bytes: usize) -> WaitForRoom {
        WaitForRoom { memory: Arc::clone(self), bytes, waiter: None, is_done: false }
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
        let buffer = self.memory.lock().reuse(self.bytes);
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
            self.memory.give_back(Vec::new(), self.bytes);
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
    fn reuse(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let buffer = self.free.get_mut(&bytes)?.pop()?;
        self.free_bytes -= bytes;
        Some(buffer)
    }

    /// Those who can be served now, to be woken outside the lock.
    fn serve(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some(waiter) = self.account.serve_next() {
            if let Some(Some(waker)) = self.wakers.remove(&waiter) {
                woken.push(waker);
            }
        }
        woken
    }

    fn give_back(&mut self, bytes: usize) -> Vec<Waker> {
        self.account.release(bytes);
        self.serve()
    }
}

impl MemoryOwner for Memory {
    fn give_back(&self, mut buffer: Vec<u8>, reserved_bytes: usize) {
        let woken = {
            let mut inner = self.lock();
            let woken = inner.give_back(reserved_bytes);
            let held = inner.account.total_bytes() - inner.account.available_bytes();
            let size = buffer.capacity();
            let kept = inner.free.get(&size).map_or(0, Vec::len);
            if size > 0 && kept < MAX_FREE_PER_SIZE && held + inner.free_bytes + size <= self.total_bytes {
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
                inner.give_back(self.bytes)
            };
            (own, woken)
        };
        drop(own);
        wake_all(woken);
    }
}
