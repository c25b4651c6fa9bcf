//! `buffer.memory` without wakers: who waits is looked at after each step.
//!
//! The account is the one that ships ([`BufferMemory`]); this is what `runtime::memory` and `runtime::lane_account` put
//! around it. Neighbours: `producer` asks. Not here: reuse of buffers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use facteur::accumulator::buffer_memory::{BufferMemory, WaiterId};
use facteur::accumulator::producer_batch::{MemoryOwner, Segment};

#[derive(Debug)]
struct Inner {
    account: BufferMemory,
    /// Waiters whose bytes are reserved and who have not come for them.
    served: Vec<WaiterId>,
    /// Something came back.
    has_changed: bool,
    /// Most bytes that were ever held.
    peak_bytes: usize,
}

/// The account of a producer.
#[derive(Debug)]
pub struct Memory {
    inner: Mutex<Inner>,
    /// As the account says; asked at every step, so kept outside of the lock.
    has_waiters: AtomicBool,
    /// Somebody's bytes are reserved.
    has_served: AtomicBool,
    total_bytes: usize,
}

impl Memory {
    pub fn new(total_bytes: usize) -> Arc<Self> {
        let account = BufferMemory::new(total_bytes);
        let inner = Inner { account, served: Vec::new(), has_changed: false, peak_bytes: 0 };
        Arc::new(Self {
            inner: Mutex::new(inner),
            has_waiters: AtomicBool::new(false),
            has_served: AtomicBool::new(false),
            total_bytes,
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut inner);
        self.has_waiters.store(inner.account.has_waiters(), Ordering::Relaxed);
        self.has_served.store(!inner.served.is_empty(), Ordering::Relaxed);
        result
    }

    pub const fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    pub fn held_bytes(&self) -> usize {
        self.total_bytes - self.with(|inner| inner.account.available_bytes())
    }

    pub fn peak_bytes(&self) -> usize {
        self.with(|inner| inner.peak_bytes)
    }

    pub fn has_waiters(&self) -> bool {
        self.has_waiters.load(Ordering::Relaxed)
    }

    pub fn try_reserve(&self, bytes: usize) -> bool {
        self.with(|inner| {
            let is_reserved = inner.account.try_reserve(bytes);
            let held = self.total_bytes - inner.account.available_bytes();
            inner.peak_bytes = inner.peak_bytes.max(held);
            is_reserved
        })
    }

    pub fn wait(&self, bytes: usize) -> WaiterId {
        self.with(|inner| inner.account.wait(bytes))
    }

    /// Whether the waiter has its bytes now.
    pub fn is_served(&self, waiter: WaiterId) -> bool {
        if !self.has_served.load(Ordering::Relaxed) {
            return false;
        }
        self.with(|inner| match inner.served.iter().position(|served| *served == waiter) {
            Some(place) => {
                inner.served.remove(place);
                true
            }
            None => false,
        })
    }

    /// The waiter gives up; what it had just been given goes back.
    pub fn cancel(&self, waiter: WaiterId, bytes: usize) {
        self.with(|inner| {
            if inner.account.cancel(waiter) {
                inner.serve();
            } else if let Some(place) = inner.served.iter().position(|served| *served == waiter) {
                inner.served.remove(place);
                inner.account.release(bytes);
                inner.serve();
            }
            inner.has_changed = true;
        });
    }

    /// Whether anything came back since the last call.
    pub fn take_changed(&self) -> bool {
        self.with(|inner| std::mem::take(&mut inner.has_changed))
    }
}

impl Inner {
    fn serve(&mut self) {
        while let Some(waiter) = self.account.serve_next() {
            self.served.push(waiter);
        }
    }
}

/// A lane's share of the account (D-35).
#[derive(Debug)]
pub struct Share {
    memory: Arc<Memory>,
    held_bytes: AtomicUsize,
}

impl Share {
    pub fn new(memory: &Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { memory: Arc::clone(memory), held_bytes: AtomicUsize::new(0) })
    }

    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// A segment whose bytes are reserved already.
    pub fn segment(self: &Arc<Self>, bytes: usize) -> Segment {
        self.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        Segment::new(Vec::with_capacity(bytes), bytes, Some(Arc::clone(self) as Arc<dyn MemoryOwner>))
    }
}

impl MemoryOwner for Share {
    fn give_back(&self, _buffer: Vec<u8>, reserved_bytes: usize) {
        self.held_bytes.fetch_sub(reserved_bytes, Ordering::Relaxed);
        self.memory.with(|inner| {
            inner.account.release(reserved_bytes);
            inner.serve();
            inner.has_changed = true;
        });
    }
}
