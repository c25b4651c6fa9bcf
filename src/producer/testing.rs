//! What tests of the handle share: a producer whose I/O thread is the test itself.
//!
//! **Why without the thread.** The moment at which an outcome comes, memory returns or the producer ends is then the
//! test's to choose, on one thread or on several.
//!
//! Neighbours: `models` and `tests` use it. Not here: sockets, which `tests/handle` and `false_network` have.

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
pub(super) fn config(buffer_memory: &str) -> Arc<ProducerConfig> {
    let builder = ProducerConfig::builder("broker.invalid:9092")
        .property("buffer.memory", buffer_memory)
        .property("max.block.ms", "3600000");
    Arc::new(builder.build().expect("valid settings"))
}

/// A producer without an I/O thread, with one known topic `t` of one partition. The model plays the I/O thread.
pub(super) fn producer(config: &Arc<ProducerConfig>) -> (Producer, Arc<Shared>, Arc<Lane>) {
    let (producer, shared, mut lanes) = producer_of(config, 1);
    (producer, shared, lanes.remove(0))
}

/// As [`producer`], with as many partitions, all of which have a leader.
pub(super) fn producer_of(
    config: &Arc<ProducerConfig>,
    partitions: i32,
) -> (Producer, Arc<Shared>, Vec<Arc<Lane>>) {
    let shared = Shared::new(Arc::clone(config));
    let topic = shared.topics.get_or_add("t");
    let lane = |partition: i32| shared.lane_or_new(LaneId(partition.unsigned_abs()), &topic.name, partition);
    let lanes: Vec<_> = (0..partitions).map(lane).collect();
    topic.described(&lanes, (0..partitions).collect());
    (Producer::of(Arc::clone(&shared)), shared, lanes)
}

pub(super) fn acknowledged(base_offset: i64) -> BatchOutcome {
    BatchOutcome::Acknowledged(Acknowledged {
        base_offset: Some(base_offset),
        log_append_time_ms: None,
        stamp: None,
        attempts: 1,
        deduplicated: None,
    })
}

/// What the I/O thread does to get the open batch.
pub(super) fn take(lane: &Lane) -> Option<SealedBatch> {
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
