//! Waking: the one moment at which code of others runs on our threads.
//!
//! **Why guarded.** A waker is user code. One that panics must not end the I/O thread, nor keep the others from being
//! woken (D-49); and it runs, and is dropped, under no lock of ours, because an executor may run the task at once and
//! the last waker may own it (K13).
//!
//! Neighbours: everything in `runtime` that wakes. Not here: callbacks, which have a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use crate::runtime::sync::Notify;

/// Wakes all of them, whatever one does.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        guarded(|| waker.wake());
    }
}

/// As [`Notify::notify_waiters`].
pub(crate) fn notify_all(notify: &Notify) {
    guarded(|| notify.notify_waiters());
}

fn guarded(wake: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(wake)).is_err() {
        tracing::error!(target: "facteur", "a waker panicked; the others are still woken");
    }
}
