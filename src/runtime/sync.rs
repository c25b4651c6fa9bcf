//! The locks and atomics by which threads agree: std's, or loom's where every interleaving is tried.
//!
//! **Why a shim.** `loom/` builds this very source with `cfg(loom)`, and the models in `src/producer/models/` then run the
//! code that ships, not a copy of it. What carries no agreement (the published clock, a lane's heuristics, counters that
//! are only shown) stays on std: each further atomic multiplies the interleavings. `Arc` stays std's as well, because
//! loom's cannot become `Arc<dyn …>`.
//!
//! Neighbours: everything in `runtime` that two threads touch. Not here: channels and threads.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock, RwLock};
#[cfg(not(loom))]
pub(crate) use tokio::sync::Notify;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, RwLock};
#[cfg(loom)]
pub(crate) use notify::Notify;
#[cfg(loom)]
pub(crate) use once::OnceLock;

/// loom has none: std's cell behind a flag of loom's, so that a reader may be late to see it.
#[cfg(loom)]
mod once {
    use std::sync::atomic::Ordering;

    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        is_set: super::AtomicBool,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { is_set: super::AtomicBool::new(false), value: std::sync::OnceLock::new() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.is_set.load(Ordering::Acquire) { self.value.get() } else { None }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.is_set.store(true, Ordering::Release);
            Ok(())
        }
    }
}

/// tokio's semantics on loom's lock: a future made before `notify_waiters` is done by it, polled or not.
#[cfg(loom)]
mod notify {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::PoisonError;
    use std::task::{Context, Poll, Waker};

    #[derive(Debug)]
    pub(crate) struct Notify {
        inner: super::Mutex<Inner>,
    }

    #[derive(Debug, Default)]
    struct Inner {
        calls: u64,
        has_permit: bool,
        waiting: Vec<Waker>,
    }

    impl Default for Notify {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Notify {
        pub(crate) fn new() -> Self {
            Self { inner: super::Mutex::new(Inner::default()) }
        }

        fn lock(&self) -> super::MutexGuard<'_, Inner> {
            self.inner.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn notified(&self) -> Notified<'_> {
            Notified { notify: self, calls: self.lock().calls }
        }

        pub(crate) fn notify_waiters(&self) {
            let waiting = {
                let mut inner = self.lock();
                inner.calls += 1;
                std::mem::take(&mut inner.waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        }

        pub(crate) fn notify_one(&self) {
            let waiting = {
                let mut inner = self.lock();
                inner.has_permit = true;
                std::mem::take(&mut inner.waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    #[derive(Debug)]
    pub(crate) struct Notified<'a> {
        notify: &'a Notify,
        calls: u64,
    }

    impl Future for Notified<'_> {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let mut inner = self.notify.lock();
            if inner.calls != self.calls || std::mem::take(&mut inner.has_permit) {
                return Poll::Ready(());
            }
            if !inner.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                inner.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        }
    }
}
