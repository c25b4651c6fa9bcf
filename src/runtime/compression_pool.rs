//! Threads that compress large batches.
//!
//! **Why not the appender or the driver.** A large batch takes milliseconds to compress: an async caller must not stall
//! its runtime that long, and the driver never may. The batch keeps its place in its lane meanwhile, so order does not
//! depend on who is faster (D-38).
//!
//! Neighbours: `shared` decides who compresses. Not here: small batches, which whoever sealed them compresses.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::accumulator::producer_batch::SealJob;
use crate::runtime::lanes::Lane;
use crate::runtime::shared::Shared;

const MAX_THREADS: usize = 2;
const QUEUE_LENGTH: usize = 64;

struct Work {
    shared: Weak<Shared>,
    lane: Arc<Lane>,
    job: SealJob,
}

/// At most two threads, started on first use.
#[derive(Default)]
pub(crate) struct CompressionPool {
    sender: Mutex<Option<SyncSender<Work>>>,
}

impl std::fmt::Debug for CompressionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressionPool").finish_non_exhaustive()
    }
}

impl CompressionPool {
    /// Takes the job, or gives it back if the queue is full: the sealer does it then.
    pub(crate) fn offer(
        &self,
        shared: &Arc<Shared>,
        lane: &Arc<Lane>,
        job: SealJob,
    ) -> Result<(), Box<SealJob>> {
        let sender = {
            let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
            if sender.is_none() {
                *sender = start();
            }
            sender.clone()
        };
        let Some(sender) = sender else { return Err(Box::new(job)) };
        let work = Work { shared: Arc::downgrade(shared), lane: Arc::clone(lane), job };
        match sender.try_send(work) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => Err(Box::new(work.job)),
        }
    }
}

fn start() -> Option<SyncSender<Work>> {
    let (sender, receiver) = sync_channel::<Work>(QUEUE_LENGTH);
    let receiver = Arc::new(Mutex::new(receiver));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut started = 0;
    for _ in 0..MAX_THREADS.min(cores) {
        let receiver = Arc::clone(&receiver);
        if std::thread::Builder::new().name("facteur-compress".into()).spawn(move || run(&receiver)).is_ok() {
            started += 1;
        }
    }
    (started > 0).then_some(sender)
}

fn run(receiver: &Mutex<Receiver<Work>>) {
    loop {
        let work = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = work else { return };
        if let Some(shared) = work.shared.upgrade() {
            shared.run_seal(&work.lane, work.job);
        }
    }
}
