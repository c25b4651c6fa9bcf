//! The baseline: as many tasks as a client's, woken in the same way, without any Kafka.
//!
//! **Why.** A task that waits for each of its records costs a wake-up and a turn of the executor, whatever the client does.
//! What a client costs beyond that is its own. Here a task registers its waker and waits; a thread outside the executor wakes
//! all who wait as soon as they are as many as the records of a batch, or after `linger.ms`: the rhythm of acknowledgements.
//!
//! Not here: anything that is sent. What it counts as acknowledged was only woken, and the arena says so.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use facteur_peers::{Client, Options, Outcome, Tally, Timed, WORKERS, Work, serve};
use tokio::runtime::{Builder, Runtime};

/// Bytes of a record beside its value.
const RECORD_BYTES: usize = 8;

/// Who waits, and for which ring.
#[derive(Debug, Default)]
struct Waiting {
    ring: u64,
    wakers: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Bell {
    waiting: Mutex<Waiting>,
    someone_waits: Condvar,
    /// Rings before this one have been rung.
    rung: AtomicU64,
}

/// Waits for the next ring.
struct Ring<'a> {
    bell: &'a Bell,
    group: usize,
    waits_for: Option<u64>,
}

impl Future for Ring<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(ring) = self.waits_for {
            let is_rung = self.bell.rung.load(Ordering::Acquire) > ring;
            return if is_rung { Poll::Ready(()) } else { Poll::Pending };
        }
        let mut waiting = self.bell.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.wakers.push(context.waker().clone());
        let (ring, count) = (waiting.ring, waiting.wakers.len());
        drop(waiting);
        self.waits_for = Some(ring);
        if count == 1 || count == self.group {
            self.bell.someone_waits.notify_one();
        }
        Poll::Pending
    }
}

impl Bell {
    /// Rings for ever.
    fn ring(&self, group: usize, linger: Duration) {
        loop {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            while waiting.wakers.is_empty() {
                waiting = self.someone_waits.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let due = Instant::now() + linger;
            while waiting.wakers.len() < group {
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let woken = self.someone_waits.wait_timeout(waiting, left);
                waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
            let wakers = std::mem::take(&mut waiting.wakers);
            waiting.ring += 1;
            self.rung.store(waiting.ring, Ordering::Release);
            drop(waiting);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

struct Baseline {
    bell: Arc<Bell>,
    group: usize,
    runtime: Runtime,
}

impl Client for Baseline {
    fn send(&self, _: &mut Work, _: u64, _: &Arc<Tally>) -> Outcome<()> {
        Err("the baseline is for tasks".into())
    }

    fn send_timed(&self, _: &mut Work, _: usize, _: &Arc<Timed>) -> Outcome<()> {
        Err("the baseline has no rate".into())
    }

    async fn one_by_one(&self, _: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        for _ in 0..records {
            Ring { bell: &self.bell, group: self.group, waits_for: None }.await;
        }
        tally.count_many(records, 0);
        Ok(())
    }

    fn runtime(&self) -> Outcome<&Runtime> {
        Ok(&self.runtime)
    }

    fn flush(&self, _: &Arc<Tally>) -> Outcome<()> {
        Ok(())
    }
}

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let batch_bytes = if options.is_own_best { 131_072 } else { options.batch_bytes };
    let value_bytes = options.values.first().map_or(1, Vec::len);
    let group = (batch_bytes / (value_bytes + RECORD_BYTES)).max(1);
    let bell = Arc::new(Bell::default());
    let (ringing, linger) = (Arc::clone(&bell), Duration::from_millis(options.linger_ms));
    std::thread::spawn(move || ringing.ring(group, linger));
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).build()?;
    serve("the baseline: tasks woken, nothing sent", &options, Baseline { bell, group, runtime })
}
