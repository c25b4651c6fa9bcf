//! One append, alone: encoding a record into its partition's open batch, without threads or sockets.
//!
//! ```text
//! cargo bench --bench append
//! ```
//!
//! Batches are sealed when full (checksum included: it is part of a record's cost) and their segments used again, as the
//! pool does. See `docs/performance.md`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use facteur::accumulator::partition_queue::{
    AppendTime, PartitionQueue, QueueLimits, TakeMode, Taken, TryAppend,
};
use facteur::accumulator::partitioner::KeyHash;
use facteur::accumulator::producer_batch::{MemoryOwner, SealJob, Segment};
use facteur::time::Instant;
use facteur::{Header, ProducerConfig, Record};

/// Buffers that are used again.
#[derive(Debug, Default)]
struct Recycler {
    free: Mutex<Vec<(usize, Vec<u8>)>>,
}

impl Recycler {
    fn segment(self: &Arc<Self>, bytes: usize) -> Segment {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let place = free.iter().position(|(size, _)| *size == bytes);
        let buffer = place.map_or_else(|| Vec::with_capacity(bytes), |place| free.swap_remove(place).1);
        Segment::new(buffer, bytes, Some(Arc::clone(self) as Arc<dyn MemoryOwner>))
    }
}

impl MemoryOwner for Recycler {
    fn give_back(&self, mut buffer: Vec<u8>, reserved_bytes: usize) {
        buffer.clear();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push((reserved_bytes, buffer));
    }
}

const TIME: AppendTime = AppendTime { now: Instant::ZERO, wall_ms: 1_700_000_000_000 };

/// Appends one record, whatever that takes.
fn append(queue: &mut PartitionQueue, recycler: &Arc<Recycler>, record: &Record<'_>) -> u32 {
    loop {
        match queue.try_append(record, TIME) {
            TryAppend::Appended(appended) => {
                if appended.wake {
                    take(queue);
                }
                return appended.index;
            }
            TryAppend::Sealed(job) => complete(queue, job),
            TryAppend::NeedsSegment(bytes) => drop(queue.install(recycler.segment(bytes), bytes, TIME.now)),
        }
    }
}

/// The engine's part: the batch is taken, acknowledged and gone.
fn take(queue: &mut PartitionQueue) {
    loop {
        match queue.take(TakeMode::IfFull, true) {
            Taken::Batch(batch) => drop(black_box(batch)),
            Taken::Seal(job) => complete(queue, job),
            Taken::Nothing => return,
        }
    }
}

fn complete(queue: &mut PartitionQueue, job: SealJob) {
    if let Ok(batch) = job.run() {
        queue.complete_seal(batch);
    }
}

fn appends(criterion: &mut Criterion) {
    let config = ProducerConfig::builder("127.0.0.1:9092").property("batch.size", "131072").build();
    let Ok(config) = config else { return };
    let limits = QueueLimits::new(&config);
    let headers =
        [Header::new("trace", b"0123456789abcdef"), Header::new("kind", b"paid"), Header::null("empty")];
    let mut group = criterion.benchmark_group("append");
    for value_bytes in [100, 1024] {
        let value: Vec<u8> = (0_u8..=255).cycle().take(value_bytes).collect();
        let plain = Record::of(&value);
        let shapes = [
            ("value", plain),
            ("key and value", plain.key(b"customer-000042")),
            ("value and three headers", plain.headers(&headers)),
        ];
        group.throughput(Throughput::Elements(1));
        for (shape, record) in shapes {
            let mut queue = PartitionQueue::new(limits);
            let recycler = Arc::new(Recycler::default());
            group.bench_function(format!("{value_bytes} B, {shape}"), |bencher| {
                bencher.iter(|| append(&mut queue, &recycler, black_box(&record)));
            });
        }
    }
    group.finish();
}

fn partitions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("partition of a key");
    for (name, hash) in [("murmur2", KeyHash::Murmur2), ("crc32", KeyHash::Crc32)] {
        for key in
            [b"k42".as_slice(), b"customer-000042", b"0123456789abcdef0123456789abcdef0123456789abcdef"]
        {
            group.bench_function(format!("{name}, {} B", key.len()), |bencher| {
                bencher.iter(|| hash.partition(black_box(Some(key)), 6));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, appends, partitions);
criterion_main!(benches);
