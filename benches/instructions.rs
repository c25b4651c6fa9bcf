//! What a record and a batch cost in instructions: the guard against slow changes (`scripts/instructions.sh`).
//!
//! ```text
//! scripts/instructions.sh              counts under callgrind and compares with benches/instructions.txt
//! scripts/instructions.sh --update     writes the new counts
//! ```
//!
//! **Why instructions.** They are the same in every run, so two per cent are seen where a clock shows ten per cent of
//! noise. They are not time: a change that saves instructions and misses the cache is for `end_to_end` to judge. The
//! script runs each path twice, with one and with two loads, and takes the difference: what happens once is not counted.
//!
//! The paths: `append`, a record of 100 bytes into its partition's batch, sealing included; `round-trip`, a batch from its
//! queue through the engine to its acknowledgement; the sink's answer, made without a socket, is part of it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that is run by a script, with the sink of the other benches"
)]

use std::collections::VecDeque;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use facteur::accumulator::partition_queue::{
    AppendTime, PartitionQueue, QueueLimits, TakeMode, Taken, TryAppend,
};
use facteur::accumulator::producer_batch::{MemoryOwner, SealJob, Segment};
use facteur::engine::{Action, Engine, Event};
use facteur::identifiers::{ConnectionId, LaneId};
use facteur::time::Instant;
use facteur::{ProducerConfig, Record};

#[allow(dead_code, reason = "it has no socket here")]
#[path = "support/sink.rs"]
mod sink;

/// Buffers that are used again.
#[derive(Debug, Default)]
struct Recycler {
    free: Mutex<Vec<Vec<u8>>>,
}

impl MemoryOwner for Recycler {
    fn give_back(&self, mut buffer: Vec<u8>, _reserved_bytes: usize) {
        buffer.clear();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// A partition's queue, as the producing threads and the driver use it.
struct Lane {
    queue: PartitionQueue,
    recycler: Arc<Recycler>,
}

impl Lane {
    fn new(config: &ProducerConfig) -> Self {
        Self { queue: PartitionQueue::new(QueueLimits::new(config)), recycler: Arc::default() }
    }

    /// Appends one record; true if its batch has just become full and somebody waits for it.
    fn append(&mut self, record: &Record<'_>, time: AppendTime) -> bool {
        loop {
            match self.queue.try_append(record, time) {
                TryAppend::Appended(appended) => return appended.wake || appended.is_full,
                TryAppend::Sealed(job) => self.complete(job),
                TryAppend::NeedsSegment(bytes) => {
                    let free = self.recycler.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let buffer = free.unwrap_or_else(|| Vec::with_capacity(bytes));
                    let owner: Arc<dyn MemoryOwner> = Arc::<Recycler>::clone(&self.recycler);
                    drop(self.queue.install(Segment::new(buffer, bytes, Some(owner)), bytes, time.now));
                }
            }
        }
    }

    fn take(&mut self, mode: TakeMode) -> Option<facteur::accumulator::producer_batch::SealedBatch> {
        loop {
            match self.queue.take(mode, true) {
                Taken::Batch(batch) => return Some(batch),
                Taken::Seal(job) => self.complete(job),
                Taken::Nothing => return None,
            }
        }
    }

    fn complete(&mut self, job: SealJob) {
        if let Ok(batch) = job.run() {
            self.queue.complete_seal(batch);
        }
    }
}

/// Appends so many records, and takes each batch when it is full.
fn append(records: u64) {
    let Some(config) = config() else { return };
    let mut lane = Lane::new(&config);
    let value = [b'x'; 100];
    let record = Record::of(&value);
    let time = AppendTime { now: Instant::ZERO, wall_ms: 1_700_000_000_000 };
    for _ in 0..records {
        if lane.append(black_box(&record), time) {
            drop(black_box(lane.take(TakeMode::IfFull)));
        }
    }
}

fn config() -> Option<Arc<ProducerConfig>> {
    let builder = ProducerConfig::builder("127.0.0.1:9092").property("batch.size", "131072");
    builder.property("linger.ms", "0").build().ok().map(Arc::new)
}

/// The engine between a queue and a sink, in virtual time.
struct World {
    engine: Engine,
    lane: Lane,
    sink: sink::Answers,
    inbox: VecDeque<Event>,
    now: Instant,
    acknowledged: u64,
}

impl World {
    fn new(config: &Arc<ProducerConfig>) -> Self {
        let options = sink::SinkOptions { partitions: 1, verify: false, rtt: Duration::ZERO };
        Self {
            engine: Engine::new(Arc::clone(config), 7, false),
            lane: Lane::new(config),
            sink: sink::Answers::new(options, std::net::SocketAddr::from(([127, 0, 0, 1], 9092))),
            inbox: VecDeque::new(),
            now: Instant::ZERO,
            acknowledged: 0,
        }
    }

    fn run(&mut self) {
        loop {
            while let Some(event) = self.inbox.pop_front() {
                self.engine.handle(self.now, event);
            }
            let Some(action) = self.engine.poll(self.now) else { return };
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Connect { connection, .. } => self.inbox.push_back(Event::Connected { connection }),
            Action::Send { connection, correlation_id, frame } => {
                self.inbox.push_back(Event::Written { connection, correlation_id });
                self.answer(connection, &frame);
            }
            Action::Take { lane, mode, .. } => {
                let batch = self.lane.take(mode);
                let status = self.lane.queue.status();
                self.inbox.push_back(Event::Taken { lane, batch, status });
            }
            Action::Complete { .. } => self.acknowledged += 1,
            Action::Disconnect { .. }
            | Action::ExpireLane { .. }
            | Action::FailLane { .. }
            | Action::Retrying { .. }
            | Action::LimitGrowth { .. }
            | Action::TopicUpdated { .. }
            | Action::Readiness { .. }
            | Action::Observe(_) => {}
        }
    }

    fn answer(&mut self, connection: ConnectionId, frame: &[Bytes]) {
        let whole = frame.concat();
        match whole.get(4..).map(|request| self.sink.to(request)) {
            Some(Ok(answer)) => {
                self.inbox.push_back(Event::Received { connection, frame: Bytes::from(answer) });
            }
            refused => eprintln!("the sink: {refused:?}"),
        }
    }
}

/// So many batches of one record, each acknowledged before the next.
fn round_trips(batches: u64) {
    let Some(config) = config() else { return };
    let mut world = World::new(&config);
    world.inbox.push_back(Event::TopicWanted { topic: "bench".into() });
    world.run();
    let value = [b'x'; 100];
    let record = Record::to("bench").value(&value);
    for _ in 0..batches {
        let time = AppendTime { now: world.now, wall_ms: 1_700_000_000_000 };
        world.lane.append(&record, time);
        let status = world.lane.queue.status();
        world.inbox.push_back(Event::BatchOpened { lane: LaneId(0), status });
        world.run();
        world.now = world.now + Duration::from_micros(100);
    }
    assert_eq!(world.acknowledged, batches, "every batch is acknowledged");
}

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let count = |text: &String| text.parse::<u64>().ok();
    match (arguments.first().map(String::as_str), arguments.get(1).and_then(count)) {
        (Some("append"), Some(records)) => append(records),
        (Some("round-trip"), Some(batches)) => round_trips(batches),
        // `cargo test --benches`: do they still run?
        (None, None) => {
            append(10_000);
            round_trips(100);
        }
        _ => {
            eprintln!("usage: instructions append|round-trip COUNT");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
