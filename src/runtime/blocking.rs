//! Waiting on a thread: what the blocking twins are made of.
//!
//! **Why not a runtime.** A future of this crate needs no runtime, only somebody to poll it: a parked thread will do.
//! Neighbours: the `*_blocking` methods. Not here: timeouts, which are futures of [`super::timers`].

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` on this thread until it is done.
///
/// The first poll has a waker that does nothing: most sends are done by then, and a real waker is an allocation, which
/// would be the dearest step of `send_blocking`. What is not done is polled again at once with the real one.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return output;
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}
