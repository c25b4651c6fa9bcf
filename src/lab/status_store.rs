//! What became of accepted requests: bounded, and nothing pending is ever lost (D-64, F19).
//!
//! **Why bounded by count and age.** The original kept every status for ever. Here there are at most
//! [`CAPACITY`] entries. A final one stays [`RETENTION`], counted from its outcome, unless the count is reached: then
//! the oldest final one goes. A pending one never goes; when all are pending the next call is refused before anything is
//! written. Neighbours: `routes/send` reserves, a watcher task completes, `routes/status` asks. Not here: anything that
//! survives a restart.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::error::Error;
use crate::lab::clock;
use crate::runtime::delivery::{Delivery, DeliveryReport, RecordPlace};
use crate::time::Instant;

/// Most entries that are kept.
pub const CAPACITY: usize = 100_000;
/// How long a final entry stays while there is room. It goes when the next request comes.
pub const RETENTION: Duration = Duration::from_secs(60);

/// The outcome of a delivery.
pub type Outcome = Result<DeliveryReport, Error>;

/// A delivery that one task awaits while others ask for its attempts.
#[derive(Debug, Clone)]
pub struct SharedDelivery(Arc<Mutex<Delivery>>);

impl SharedDelivery {
    /// Shares a delivery.
    pub fn new(delivery: Delivery) -> Self {
        Self(Arc::new(Mutex::new(delivery)))
    }

    /// Waits for the outcome. Only one task may wait at a time: the last one to poll is the one that is woken.
    ///
    /// # Errors
    ///
    /// The record's own: rejected or unknown.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing; the next call waits again.
    pub async fn outcome(&self) -> Outcome {
        poll_fn(|context| Pin::new(&mut *lock(&self.0)).poll(context)).await
    }

    /// How often the batch was sent so far.
    pub fn attempts(&self) -> u32 {
        lock(&self.0).attempts()
    }

    /// Where the record is in its producer.
    pub fn place(&self) -> RecordPlace {
        lock(&self.0).place()
    }

    /// The partition that the record went to.
    pub fn partition(&self) -> i32 {
        lock(&self.0).partition()
    }
}

/// What is known about a request.
#[derive(Debug, Clone)]
pub struct Status {
    /// The event.
    pub event_id: String,
    /// The topic.
    pub topic: String,
    /// When the request was accepted.
    pub accepted: Instant,
    /// Where its record is in its producer, once that has accepted it.
    pub place: Option<RecordPlace>,
    /// How far it has come.
    pub progress: Progress,
}

/// How far a request has come.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Its record is on its way; the delivery is there once the producer has accepted it.
    Pending(Option<SharedDelivery>),
    /// Its outcome.
    Final(Outcome),
}

/// All entries are pending: nothing may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreFull;

/// The store.
#[derive(Debug)]
pub struct StatusStore {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<Uuid, Status>,
    /// Final entries, oldest first, with the time at which they became final.
    finals: VecDeque<(Uuid, Instant)>,
}

impl Default for StatusStore {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl StatusStore {
    /// A store for so many entries.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity, inner: Mutex::default() }
    }

    /// Makes a pending entry before anything is sent.
    ///
    /// # Errors
    ///
    /// [`StoreFull`] if every entry is pending.
    pub fn reserve(self: &Arc<Self>, event_id: &str, topic: &str) -> Result<Reservation, StoreFull> {
        let now = clock::now();
        let mut inner = lock(&self.inner);
        inner.forget_expired(now);
        if inner.entries.len() >= self.capacity {
            inner.forget_oldest_final().ok_or(StoreFull)?;
        }
        let id = Uuid::new_v4();
        let (event_id, topic) = (event_id.to_owned(), topic.to_owned());
        inner.entries.insert(
            id,
            Status { event_id, topic, accepted: now, place: None, progress: Progress::Pending(None) },
        );
        drop(inner);
        Ok(Reservation { id, store: Arc::clone(self), is_kept: false })
    }

    /// What is known about a request; `None` if the id is unknown or expired.
    pub fn find(&self, id: Uuid) -> Option<Status> {
        lock(&self.inner).entries.get(&id).cloned()
    }

    /// How many requests are pending.
    pub fn pending_count(&self) -> usize {
        let inner = lock(&self.inner);
        inner.entries.len().saturating_sub(inner.finals.len())
    }

    fn attach(&self, id: Uuid, delivery: SharedDelivery) {
        if let Some(status) = lock(&self.inner).entries.get_mut(&id) {
            status.place = Some(delivery.place());
            status.progress = Progress::Pending(Some(delivery));
        }
    }

    fn complete(&self, id: Uuid, outcome: Outcome) {
        let mut inner = lock(&self.inner);
        if let Some(status) = inner.entries.get_mut(&id) {
            status.progress = Progress::Final(outcome);
            inner.finals.push_back((id, clock::now()));
        }
    }

    fn remove(&self, id: Uuid) {
        lock(&self.inner).entries.remove(&id);
    }
}

impl Inner {
    fn forget_expired(&mut self, now: Instant) {
        while self.finals.front().is_some_and(|(_, since)| now.since(*since) > RETENTION) {
            let _gone = self.forget_oldest_final();
        }
    }

    fn forget_oldest_final(&mut self) -> Option<()> {
        let (id, _) = self.finals.pop_front()?;
        self.entries.remove(&id);
        Some(())
    }
}

/// A pending entry that is taken back unless it is kept: a refused send, a panic or a quick answer leaves no trace.
#[derive(Debug)]
pub struct Reservation {
    id: Uuid,
    store: Arc<StatusStore>,
    is_kept: bool,
}

impl Reservation {
    /// The request's id.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Keeps the entry, awaits the delivery and tells the outcome; the future is for a task of its own.
    pub fn keep(
        mut self,
        delivery: SharedDelivery,
        tell: impl FnOnce(&Outcome) + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.is_kept = true;
        self.store.attach(self.id, delivery.clone());
        let (id, store) = (self.id, Arc::clone(&self.store));
        async move {
            let outcome = delivery.outcome().await;
            tell(&outcome);
            store.complete(id, outcome);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_kept {
            self.store.remove(self.id);
        }
    }
}

/// A panic while the lock was held leaves plain data behind, so the lock's poison is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve_and_leak(store: &Arc<StatusStore>) -> Uuid {
        let mut reservation = store.reserve("E", "t").unwrap();
        reservation.is_kept = true;
        reservation.id()
    }

    // D-64: a pending status may never go, so a store full of them must refuse instead.
    #[test]
    fn a_store_full_of_pending_requests_refuses_the_next() {
        let store = Arc::new(StatusStore::with_capacity(2));
        let ids = [reserve_and_leak(&store), reserve_and_leak(&store)];

        assert_eq!(store.reserve("E", "t").unwrap_err(), StoreFull);
        assert!(ids.iter().all(|id| store.find(*id).is_some()));
    }

    // D-64: at the bound the oldest final entry goes, and only that one.
    #[test]
    fn at_the_bound_the_oldest_final_entry_goes() {
        let store = Arc::new(StatusStore::with_capacity(3));
        let (pending, first, second) =
            (reserve_and_leak(&store), reserve_and_leak(&store), reserve_and_leak(&store));
        store.complete(second, Err(Error::Closed));
        store.complete(first, Err(Error::Closed));

        let next = reserve_and_leak(&store);

        assert!(store.find(second).is_none(), "the first to become final is the oldest");
        assert!([pending, first, next].iter().all(|id| store.find(*id).is_some()));
        assert_eq!(store.pending_count(), 2);
    }

    // D-64: a caller has a minute to ask for an outcome; after it the entry's memory is wanted back, for a quarter of an
    // hour of full load is 100,000 entries. Fails if a final entry goes earlier, stays longer, or a pending one goes.
    #[test]
    fn a_final_status_stays_for_a_minute() {
        let store = Arc::new(StatusStore::default());
        let (pending, ended) = (reserve_and_leak(&store), reserve_and_leak(&store));
        let before = clock::now();
        store.complete(ended, Err(Error::Closed));
        let after = clock::now();

        lock(&store.inner).forget_expired(before + Duration::from_secs(60));
        assert!(store.find(ended).is_some(), "the minute is not over");

        lock(&store.inner).forget_expired(after + Duration::from_millis(60_001));
        assert!(store.find(ended).is_none(), "a minute and no longer");
        assert!(store.find(pending).is_some());
    }

    // F19: however many come and end, the store holds its bound, and what is pending is never the price. Fails if either
    // list grows, or a pending entry goes.
    #[test]
    fn f19_statuses_beyond_number_stay_within_the_bound() {
        let store = Arc::new(StatusStore::with_capacity(100));
        let pending: Vec<Uuid> = (0..10).map(|_| reserve_and_leak(&store)).collect();

        for _ in 0..100_000 {
            let id = reserve_and_leak(&store);
            store.complete(id, Err(Error::Closed));
        }

        let inner = lock(&store.inner);
        assert_eq!((inner.entries.len(), inner.finals.len()), (100, 90));
        assert!(inner.finals.capacity() < 1_000, "{} places", inner.finals.capacity());
        drop(inner);
        assert!(pending.iter().all(|id| store.find(*id).is_some()));
        assert_eq!(store.pending_count(), 10);
    }

    // A send that is refused after the reservation must not leave an entry that is pending for ever.
    #[test]
    fn a_reservation_that_is_dropped_leaves_no_entry() {
        let store = Arc::new(StatusStore::with_capacity(1));
        let id = store.reserve("E", "t").unwrap().id();

        assert!(store.find(id).is_none());
        assert_eq!(store.pending_count(), 0);
    }
}
