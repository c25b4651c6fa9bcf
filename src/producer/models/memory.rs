//! The memory permits: waiters come, are served, leave, and are refused by a close.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::explore;
use crate::runtime::lane_account::LaneAccount;
use crate::runtime::memory::Memory;
use crate::time::Instant;

fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

// C01, C03: all memory is held. One waiter has been waiting and gives up at the very moment at which the memory comes
// back; the other waits on. Whoever is served, nothing leaks, and the second is not forgotten. Seen to fail with: a
// `Drop` that, finding itself served, does not give back (the second waits for ever).
#[test]
fn loom_a_waiter_that_gives_up_takes_nothing_with_it() {
    explore(4, || {
        let memory = Memory::new(100);
        let account = LaneAccount::new(Arc::clone(&memory));
        let held = memory.try_segment(100, &account, Instant::ZERO).expect("all of it");
        let mut leaver = memory.room_when_free(60);
        assert!(poll_once(&mut leaver).is_pending());
        let waiter = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || block_on(memory.room_when_free(60)).is_some())
        };
        let holder = thread::spawn(move || drop(held));

        drop(leaver);

        holder.join().expect("no panic");
        assert!(waiter.join().expect("no panic"), "the other waiter is served");
        assert_eq!(memory.available_bytes(), 100, "every permit is back");
        assert!(!memory.has_waiters());
    });
}

// C07, D-22: a close wakes those who wait for memory, also the one who begins to wait just then. Room that was given at
// the same moment is not lost. Seen to fail with: a `close` that wakes before it says that it is closed.
#[test]
fn loom_a_close_refuses_every_waiter() {
    explore(4, || {
        let memory = Memory::new(100);
        let account = LaneAccount::new(Arc::clone(&memory));
        let held = memory.try_segment(100, &account, Instant::ZERO).expect("all of it");
        let waiter = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || drop(block_on(memory.room_when_free(60))))
        };
        let closer = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || memory.close())
        };

        closer.join().expect("no panic");
        waiter.join().expect("the waiter has been refused, though nothing came back");
        drop(held);
        assert_eq!(memory.available_bytes(), 100, "every permit is back");
        assert!(!memory.has_waiters());
    });
}
