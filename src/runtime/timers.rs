//! Timeouts of callers, kept by the I/O thread.
//!
//! **Why not tokio's.** A caller may have no runtime, or another one; the I/O thread always has a clock. Neighbours:
//! `driver` fires them, `producer` waits on them. Not here: the engine's timers, which are its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::runtime::shared::Shared;
use crate::runtime::sync::Mutex;
use crate::runtime::wakers::wake_all;
use crate::time::Instant;

/// Who waits for which time.
#[derive(Debug, Default)]
pub(crate) struct CallerTimers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<(Instant, u64), Waker>,
    next_id: u64,
    is_closed: bool,
}

impl CallerTimers {
    /// The earliest.
    pub(crate) fn next(&self) -> Option<Instant> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// Wakes those whose time has come.
    pub(crate) fn fire(&self, now: Instant) {
        loop {
            let due = {
                let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                match inner.waiting.first_entry() {
                    Some(entry) if entry.key().0 <= now => Some(entry.remove()),
                    _ => None,
                }
            };
            match due {
                Some(waker) => wake_all([waker]),
                None => return,
            }
        }
    }

    /// The I/O thread ends: every timeout is over, so that nobody waits for a clock that stands still.
    pub(crate) fn close(&self) {
        let wakers = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.is_closed = true;
            std::mem::take(&mut inner.waiting)
        };
        wake_all(wakers.into_values());
    }
}

/// Done at a point in time.
#[derive(Debug)]
pub(crate) struct Sleep {
    shared: Arc<Shared>,
    at: Instant,
    id: Option<u64>,
}

impl Sleep {
    pub(crate) const fn new(shared: Arc<Shared>, at: Instant) -> Self {
        Self { shared, at, id: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.environment.now() >= self.at {
            return Poll::Ready(());
        }
        let shared = Arc::clone(&self.shared);
        // A waker is user code: cloned before the lock, and the one that it replaces dropped after it.
        let waker = cx.waker().clone();
        let (is_earliest, _before) = {
            let mut inner = shared.timers.inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.is_closed {
                return Poll::Ready(());
            }
            let id = match self.id {
                Some(id) => id,
                None => {
                    inner.next_id += 1;
                    inner.next_id
                }
            };
            self.id = Some(id);
            let before = inner.waiting.insert((self.at, id), waker);
            let is_earliest = inner.waiting.first_key_value().is_some_and(|(key, _)| *key == (self.at, id));
            (is_earliest, before)
        };
        if is_earliest {
            shared.wake();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let waker = {
                let mut inner = self.shared.timers.inner.lock().unwrap_or_else(PoisonError::into_inner);
                inner.waiting.remove(&(self.at, id))
            };
            drop(waker);
        }
    }
}

/// Whichever comes first: the future's output, or none at `at`.
pub(crate) async fn until<F: Future>(shared: &Arc<Shared>, at: Instant, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut sleep = std::pin::pin!(Sleep::new(Arc::clone(shared), at));
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}
