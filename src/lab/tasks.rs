//! Where the façade spawns tasks.
//!
//! **Why one door.** Each task has an owner and an end: per-connection tasks end with their connection and are counted
//! by [`crate::lab::server`]; a delivery's watcher ends with its delivery, which the producer bounds; the warm-up task
//! ends with the lab. Neighbours: `server`, `status_store`, `running`. Not here: the producer's own thread.

use std::future::Future;

use tokio::task::JoinHandle;

/// Spawns a task on the façade's runtime. The caller says, where it calls, who ends it.
#[allow(
    clippy::disallowed_methods,
    reason = "the façade's one place that spawns; the module doc says who ends what"
)]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// Waits on the façade's runtime: time limits of calls and of the drain.
#[allow(clippy::disallowed_methods, reason = "HTTP time limits are the façade's own, not the producer's")]
pub async fn sleep(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}
