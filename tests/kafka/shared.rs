//! One cluster for many tests: three nodes of 4.4.0 that can be cut off, filled up, and reached through our injector.
//!
//! **Why shared.** Three JVMs take longer to start than most rows of the fault matrix take to show; so whoever needs no
//! cluster of its own takes this one, and heals what the one before left behind, also by a panic. It is started by the
//! first and ended with this process by [`crate::node::Reaper`]. Neighbours: [`crate::storm`], `rows`. Not here: tests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cluster::{Cluster, Options, Setup};
use crate::wire::Wire;

/// Producers are forgotten soon where a row shortens `producer.id.expiration.ms`; otherwise this changes nothing.
const SETTINGS: &[&str] = &["producer.id.expiration.check.interval.ms=500"];

static SHARED: Mutex<Option<(Cluster, Wire)>> = Mutex::new(None);

/// The cluster, for one test.
pub struct Shared(MutexGuard<'static, Option<(Cluster, Wire)>>);

/// Takes the cluster, whole: what an earlier test broke is healed.
pub fn lock() -> Shared {
    // A test that failed while it had the cluster poisons the lock; healing is all that this needs.
    let mut guard = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.is_none() {
        let options = Options { has_links: true, small_disk_mib: Some(256), settings: SETTINGS };
        let cluster = Cluster::start_with(Setup { version: "4.4.0", nodes: 3 }, options);
        let wire = Wire::start(&cluster);
        *guard = Some((cluster, wire));
    }
    let mut shared = Shared(guard);
    let (cluster, wire) = shared.parts();
    wire.clear();
    cluster.heal();
    cluster.await_acquaintance();
    shared
}

impl Shared {
    /// The cluster and the injector in front of it.
    pub fn parts(&mut self) -> (&mut Cluster, &Wire) {
        let (cluster, wire) = self.0.as_mut().expect("it was started when the lock was taken");
        (cluster, wire)
    }
}
