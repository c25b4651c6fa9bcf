//! Models: a few threads over the code that ships, in every interleaving that the memory model allows.
//!
//! **Why models and not more stress.** A lost wake-up or a popped cell that a flush cannot see is one interleaving in a
//! million on a busy machine; loom visits it every time. Each model is small, says what it promises, and was seen to
//! fail with the bug that its comment names. Run with `scripts/loom.sh`.
//!
//! Neighbours: [`crate::runtime`]'s `sync` is the shim that makes it possible; `tests/handle` has the stress of the
//! whole. Not here: the engine, which has one thread and its own simulation.

mod cell;
mod flush;
mod inbox;
mod life;
mod memory;

use std::sync::Arc;

use crate::accumulator::partition_queue::{TakeMode, Taken};
use crate::accumulator::producer_batch::SealedBatch;
use crate::config::ProducerConfig;
use crate::engine::{Acknowledged, BatchOutcome};
use crate::identifiers::LaneId;
use crate::producer::Producer;
use crate::runtime::lanes::Lane;
use crate::runtime::shared::Shared;

/// Settings without threads of their own: nothing is compressed.
fn config(buffer_memory: &str) -> Arc<ProducerConfig> {
    let builder = ProducerConfig::builder("broker.invalid:9092")
        .property("buffer.memory", buffer_memory)
        .property("max.block.ms", "3600000");
    Arc::new(builder.build().expect("valid settings"))
}

/// A producer without an I/O thread, with one known topic `t` of one partition. The model plays the I/O thread.
fn producer(config: &Arc<ProducerConfig>) -> (Producer, Arc<Shared>, Arc<Lane>) {
    let shared = Shared::new(Arc::clone(config));
    let topic = shared.topics.get_or_add("t");
    let lane = shared.lane_or_new(LaneId(0), &topic.name, 0);
    topic.described(&[Arc::clone(&lane)], vec![0]);
    (Producer::of(Arc::clone(&shared)), shared, lane)
}

fn acknowledged(base_offset: i64) -> BatchOutcome {
    BatchOutcome::Acknowledged(Acknowledged {
        base_offset: Some(base_offset),
        log_append_time_ms: None,
        stamp: None,
        attempts: 1,
        deduplicated: None,
    })
}

/// What the I/O thread does to get the open batch.
fn take(lane: &Lane) -> Option<SealedBatch> {
    loop {
        match lane.take(TakeMode::Always, true).0 {
            Taken::Batch(batch) => return Some(batch),
            Taken::Seal(job) => {
                let _taken_next = lane.complete_seal(job.run().expect("nothing is compressed"));
            }
            Taken::Nothing => return None,
        }
    }
}

/// All interleavings with at most `preemptions` places where a thread is stopped that could go on.
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}
