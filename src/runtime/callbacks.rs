//! The callback thread.
//!
//! **Why a thread.** User code never runs under a lock of ours nor on the I/O thread (K13): a slow callback must not
//! stall sending. It is started when the first callback is due. Callbacks of one partition run in send order (D-20).
//! `flush` and `close` wait for those that are due, so that a program may end after them.
//!
//! Neighbours: `lanes` hands over what is due. Not here: what a callback does; a panic in it is caught and told.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
#[cfg(loom)]
use std::sync::mpsc::Receiver;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError};

use crate::error::Error;
use crate::runtime::delivery::DeliveryReport;
use crate::runtime::sync::{AtomicU64, Mutex, Notify};
use crate::runtime::wakers::notify_all;

/// What `send_with_callback` takes.
pub(crate) type Callback = Box<dyn FnOnce(Result<DeliveryReport, Error>) + Send + 'static>;

/// A callback with what it is told.
pub(crate) type Job = Box<dyn FnOnce() + Send + 'static>;

thread_local! {
    static IS_CALLBACK_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs callbacks: a call that waits here would wait for itself.
pub(crate) fn is_callback_thread() -> bool {
    IS_CALLBACK_THREAD.with(Cell::get)
}

/// The queue to the callback thread.
#[derive(Debug, Default)]
pub(crate) struct CallbackQueue {
    sender: Mutex<Option<Sender<Job>>>,
    submitted: AtomicU64,
    progress: Arc<Progress>,
}

/// How many callbacks have run.
#[derive(Debug, Default)]
struct Progress {
    run: AtomicU64,
    changed: Notify,
    /// Under loom a thread of the model takes the place of the callback thread.
    #[cfg(loom)]
    jobs: std::sync::Mutex<Option<Receiver<Job>>>,
}

impl CallbackQueue {
    /// Runs `job` after those before it, or gives it back if there is no thread to run it.
    pub(crate) fn run(&self, job: Job) -> Result<(), Job> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_none() {
            *sender = start(Arc::clone(&self.progress));
        }
        let sent = match &*sender {
            Some(sender) => sender.send(job).map_err(|refused| refused.0),
            None => Err(job),
        };
        match sent {
            Ok(()) => _ = self.submitted.fetch_add(1, Ordering::Release),
            Err(_) => tracing::error!("the callback thread is gone; a callback was not run"),
        }
        sent
    }

    /// Done when every callback that was handed over before has run: a program may end after that.
    pub(crate) async fn drained(&self) {
        let target = self.submitted.load(Ordering::Acquire);
        loop {
            let changed = self.progress.changed.notified();
            if self.progress.run.load(Ordering::Acquire) >= target {
                return;
            }
            changed.await;
        }
    }
}

fn run_one(progress: &Progress, job: Job) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        tracing::error!("a delivery callback panicked; the others still run");
    }
    progress.run.fetch_add(1, Ordering::Release);
    notify_all(&progress.changed);
}

#[cfg(loom)]
fn start(progress: Arc<Progress>) -> Option<Sender<Job>> {
    let (sender, receiver) = channel::<Job>();
    *progress.jobs.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
    Some(sender)
}

#[cfg(loom)]
impl CallbackQueue {
    /// Runs what has been handed over: what the callback thread does when it is not a model's.
    pub(crate) fn run_queued(&self) {
        while let Some(job) = self
            .progress
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .and_then(|jobs| jobs.try_recv().ok())
        {
            run_one(&self.progress, job);
        }
    }
}

#[cfg(not(loom))]
fn start(progress: Arc<Progress>) -> Option<Sender<Job>> {
    let (sender, receiver) = channel::<Job>();
    let started = std::thread::Builder::new().name("facteur-callback".into()).spawn(move || {
        IS_CALLBACK_THREAD.with(|is| is.set(true));
        receiver.into_iter().for_each(|job| run_one(&progress, job));
    });
    match started {
        Ok(_detached) => Some(sender),
        Err(error) => {
            tracing::error!(%error, "the callback thread could not be started");
            None
        }
    }
}
