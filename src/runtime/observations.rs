//! A place for observations: bounded, drops the oldest, counts what it lost, never waits (D-52).
//!
//! **Why a buffer and not a callback.** A callback would run on the I/O thread, where somebody's slow code delays every
//! partition. Here the thread pushes under a lock that is held for a push or a swap and goes on; whoever watches takes
//! what has come when it likes, and learns how much it was too slow for. Without one, a producer builds no observation
//! at all. Neighbours: `observer` pushes; the lab's time line and its metrics take. Not here: what the values mean,
//! which is [`crate::engine::observation`]'s.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::engine::Observation;

/// An observation with what the engine does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// The producer's number in this process: two producers may have one `client.id`.
    pub producer: u64,
    /// The producer's `client.id`.
    pub client_id: Arc<str>,
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
    /// Our end of the connection, if the observation is about one that was opened.
    pub local_address: Option<SocketAddr>,
    /// What happened.
    pub observation: Observation,
}

/// The sink that a producer is given with [`crate::ProducerBuilder::observer`]. Cheap to clone: all clones are one sink,
/// and several producers may share it.
#[derive(Debug, Clone)]
pub struct Observations {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    capacity: usize,
    waiting: Mutex<VecDeque<Observed>>,
    lost: AtomicU64,
    changed: Notify,
}

impl Observations {
    /// A sink that holds at most this many observations; 0 is taken as 1.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                capacity: capacity.max(1),
                waiting: Mutex::default(),
                lost: AtomicU64::new(0),
                changed: Notify::new(),
            }),
        }
    }

    /// What has come since the last call, oldest first.
    #[must_use]
    pub fn take(&self) -> VecDeque<Observed> {
        std::mem::take(&mut *self.waiting())
    }

    /// How many observations went before they were taken, because the sink was full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.inner.lost.load(Ordering::Relaxed)
    }

    /// Waits until something has come since the last [`Self::take`]. For one waiter at a time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&self) {
        while self.waiting().is_empty() {
            self.inner.changed.notified().await;
        }
    }

    pub(crate) fn push(&self, observed: Observed) {
        let was_empty = {
            let mut waiting = self.waiting();
            if waiting.len() >= self.inner.capacity {
                waiting.pop_front();
                self.inner.lost.fetch_add(1, Ordering::Relaxed);
            }
            waiting.push_back(observed);
            waiting.len() == 1
        };
        if was_empty {
            self.inner.changed.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Observed>> {
        // A panic while it was held leaves whole values behind.
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Observation;
    use crate::identifiers::ProducerIdentity;

    fn observed(producer_id: i64) -> Observed {
        let identity = ProducerIdentity { producer_id, epoch: 0 };
        Observed {
            producer: 1,
            client_id: "p".into(),
            at_us: 0,
            local_address: None,
            observation: Observation::ProducerIdAssigned { identity },
        }
    }

    // D-52: a watcher that does not look must cost a bounded amount of memory and no waiting; it loses the oldest.
    #[test]
    fn a_full_sink_drops_the_oldest_and_counts_it() {
        let sink = Observations::with_capacity(3);
        for producer_id in 0..5 {
            sink.push(observed(producer_id));
        }

        let taken = sink.take();

        assert_eq!(taken.into_iter().collect::<Vec<_>>(), [observed(2), observed(3), observed(4)]);
        assert_eq!(sink.lost(), 2);
        assert!(sink.take().is_empty());
    }

    // A waiter that was told of a push must find it, whether it came before or after the wait began.
    #[tokio::test]
    async fn a_waiter_is_woken_by_a_push_before_or_during_the_wait() {
        let sink = Observations::with_capacity(3);
        sink.push(observed(1));
        sink.changed().await;
        assert_eq!(sink.take().len(), 1);

        let (_, ()) = tokio::join!(sink.changed(), async { sink.push(observed(2)) });

        assert_eq!(sink.take(), [observed(2)]);
    }
}
