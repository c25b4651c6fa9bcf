//! Second copies in the log: `lab_duplicates_total`, the figure that the course is about.
//!
//! **How a copy is known** (D-63). A producer says which batch each of its requests carries; the embedded broker says
//! which request each append came from. A batch that was appended twice is stored twice, whatever its records look
//! like. Neither witness waits for the other, so each leaves what it knows until the other has come. Correlation ids begin
//! anew with a connection: what has been matched is forgotten at once, and the newest request with a name counts.
//!
//! Without the embedded broker nobody sees appends, and the figure is not shown. Neighbours: `timeline::watch` hands the
//! observations over, [`crate::lab::running`] the broker's events. Not here: how one event came to be stored twice, which
//! is the time line's to tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::broker::{BrokerEvent, EventKind};
use crate::engine::Observation;
use crate::identifiers::{BatchNumber, LaneId};
use crate::lab::profile::Mode;
use crate::runtime::observations::Observed;

/// Requests and batches that are remembered.
const CAPACITY: usize = 16_384;

/// One partition's part of a request: client, topic, partition, correlation id.
type Request = (Arc<str>, Arc<str>, i32, i32);
/// One batch: client, lane, number, and whether it has an identity.
type Batch = (Arc<str>, LaneId, BatchNumber, Mode);

/// Counts batches that were appended more than once.
#[derive(Debug, Default)]
pub struct Copies(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sent: Remembered<Request, Batch>,
    appended: Remembered<Request, u64>,
    stored: Remembered<Batch, u32>,
    duplicates: BTreeMap<Mode, u64>,
}

impl Copies {
    /// A producer tells something.
    pub fn observe(&self, observed: &Observed) {
        let Observation::BatchSent { batch, correlation_id, .. } = &observed.observation else { return };
        let client = &observed.client_id;
        let mode = if batch.stamp.is_some() { Mode::Idempotent } else { Mode::Plain };
        let request = (Arc::clone(client), Arc::clone(&batch.topic), batch.partition, *correlation_id);
        let batch = (Arc::clone(client), batch.lane, batch.batch, mode);
        let mut inner = self.inner();
        match inner.appended.forget(&request) {
            Some(records) => inner.stored_once_more(batch, records),
            None => inner.sent.remember(request, batch),
        }
    }

    /// The broker tells something.
    pub fn appended(&self, event: &BrokerEvent) {
        let (EventKind::Appended, Some(request), Some(topic), Some(partition)) =
            (&event.kind, &event.request, &event.topic, event.partition)
        else {
            return;
        };
        let records = u64::try_from(event.records.unwrap_or(0)).unwrap_or(0);
        let request = (Arc::clone(&request.client_id), Arc::clone(topic), partition, request.correlation_id);
        let mut inner = self.inner();
        match inner.sent.forget(&request) {
            Some(batch) => inner.stored_once_more(batch, records),
            None => inner.appended.remember(request, records),
        }
    }

    /// Records stored again, so far.
    pub fn of(&self, mode: Mode) -> u64 {
        self.inner().duplicates.get(&mode).copied().unwrap_or(0)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held leaves whole values behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn stored_once_more(&mut self, batch: Batch, records: u64) {
        let mode = batch.3;
        let before = self.stored.forget(&batch).unwrap_or(0);
        self.stored.remember(batch, before.saturating_add(1));
        if before > 0 {
            *self.duplicates.entry(mode).or_default() += records;
        }
    }
}

/// A map that forgets what came first.
#[derive(Debug)]
struct Remembered<K, V> {
    entries: BTreeMap<K, (u64, V)>,
    order: VecDeque<(u64, K)>,
    next: u64,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new(), next: 0 }
    }
}

impl<K: Ord + Clone, V> Remembered<K, V> {
    fn remember(&mut self, key: K, value: V) {
        self.next += 1;
        self.order.push_back((self.next, key.clone()));
        self.entries.insert(key, (self.next, value));
        while self.order.len() > CAPACITY {
            let Some((number, key)) = self.order.pop_front() else { return };
            if self.entries.get(&key).is_some_and(|(of, _)| *of == number) {
                self.entries.remove(&key);
            }
        }
    }

    fn forget(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }
}

/// Hears the broker until it ends. What it missed because it was too slow is not counted.
///
/// # Cancel safety
///
/// Dropping the future loses nothing but what would have come.
pub async fn hear(copies: Arc<Copies>, mut events: Receiver<BrokerEvent>) {
    loop {
        match events.recv().await {
            Ok(event) => copies.appended(&event),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A bound that is not kept would grow with every request of an outside Kafka, which nobody answers for.
    #[test]
    fn only_the_newest_are_remembered() {
        let mut remembered = Remembered::default();
        for key in 0..CAPACITY + 10 {
            remembered.remember(key, ());
        }
        for _ in 0..3 {
            remembered.remember(0, ());
        }

        assert!(remembered.entries.len() <= CAPACITY && remembered.order.len() <= CAPACITY);
        assert_eq!(remembered.forget(&5), None);
        assert_eq!(remembered.forget(&0), Some(()), "the newest place of a key counts");
    }
}
