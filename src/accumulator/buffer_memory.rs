//! `buffer.memory`: who may hold how much, and who waits in which order.
//!
//! **Why by batch buffer.** Memory is reserved when a batch needs a segment, not when a record comes, so the common
//! append touches nothing shared (D-33). Waiters are served strictly in order and newcomers do not overtake them
//! (KAFKA's pool, scenario M1; D-36).
//!
//! Neighbours: `runtime::memory` puts a mutex and wakers around it. Not here: buffers themselves.

use std::collections::VecDeque;

/// A place in the queue of those who wait for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(u64);

/// The account of `buffer.memory`.
#[derive(Debug)]
pub struct BufferMemory {
    total_bytes: usize,
    available_bytes: usize,
    waiters: VecDeque<(WaiterId, usize)>,
    next_waiter: u64,
}

impl BufferMemory {
    /// An account of `total_bytes`, all free.
    #[must_use]
    pub const fn new(total_bytes: usize) -> Self {
        Self { total_bytes, available_bytes: total_bytes, waiters: VecDeque::new(), next_waiter: 0 }
    }

    /// `buffer.memory`.
    #[must_use]
    pub const fn total_bytes(&self) -> usize {
        self.total_bytes
    }

    /// What nobody holds.
    #[must_use]
    pub const fn available_bytes(&self) -> usize {
        self.available_bytes
    }

    /// Whether anybody waits; then every non-empty lane is sent without lingering.
    #[must_use]
    pub fn has_waiters(&self) -> bool {
        !self.waiters.is_empty()
    }

    /// Takes `bytes` at once, or nothing if there is no room or others wait.
    pub fn try_reserve(&mut self, bytes: usize) -> bool {
        if self.waiters.is_empty() && bytes <= self.available_bytes {
            self.available_bytes -= bytes;
            return true;
        }
        false
    }

    /// Joins the queue for `bytes`, which must not exceed the total (the caller checks: it could never be served).
    ///
    /// # Panics
    ///
    /// If `bytes` exceeds the total.
    pub fn wait(&mut self, bytes: usize) -> WaiterId {
        assert!(
            bytes <= self.total_bytes,
            "a waiter for {bytes} of {} bytes would wait for ever",
            self.total_bytes
        );
        let id = WaiterId(self.next_waiter);
        self.next_waiter += 1;
        self.waiters.push_back((id, bytes));
        id
    }

    /// Leaves the queue; true if the waiter was still in it, false if it had been served already.
    pub fn cancel(&mut self, id: WaiterId) -> bool {
        match self.waiters.iter().position(|(waiter, _)| *waiter == id) {
            Some(place) => self.waiters.remove(place).is_some(),
            None => false,
        }
    }

    /// Gives `bytes` back.
    ///
    /// # Panics
    ///
    /// If more comes back than was given: somebody counted a buffer twice.
    pub fn release(&mut self, bytes: usize) {
        self.available_bytes += bytes;
        assert!(
            self.available_bytes <= self.total_bytes,
            "[MEM-1] more memory came back than was given: {} of {}",
            self.available_bytes,
            self.total_bytes
        );
    }

    /// Serves the waiter at the head if its bytes are there: its id, to be woken. Call until `None`.
    pub fn serve_next(&mut self) -> Option<WaiterId> {
        let (id, bytes) = *self.waiters.front()?;
        if bytes > self.available_bytes {
            return None;
        }
        self.available_bytes -= bytes;
        self.waiters.pop_front();
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // M1: a later small request must not overtake an earlier large one. Fails if `try_reserve` ignores the queue.
    #[test]
    fn a_small_newcomer_does_not_overtake_a_large_waiter() {
        let mut memory = BufferMemory::new(100);
        assert!(memory.try_reserve(80));
        let large = memory.wait(50);
        let small = memory.wait(10);

        assert!(!memory.try_reserve(10));
        assert_eq!(memory.serve_next(), None);
        memory.release(80);

        assert_eq!(memory.serve_next(), Some(large));
        assert_eq!(memory.serve_next(), Some(small));
        assert_eq!(memory.available_bytes(), 40);
    }

    // M1: a waiter that gives up must leave no trace, or the next one waits for ever (KAFKA-4840).
    #[test]
    fn a_cancelled_waiter_lets_the_next_one_through() {
        let mut memory = BufferMemory::new(100);
        assert!(memory.try_reserve(60));
        let large = memory.wait(90);
        let small = memory.wait(30);

        assert!(memory.cancel(large));

        assert_eq!(memory.serve_next(), Some(small));
        assert!(!memory.cancel(small));
    }
}
