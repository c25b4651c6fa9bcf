//! How often a record and a batch go to the heap, from `send` to acknowledgement.
//!
//! ```text
//! cargo bench --bench allocations        every way of sending; exit status 1 if a batch allocates more than forty times
//! cargo test --benches                   the short form
//! ```
//!
//! **Why counted.** Per record there must be none: a batch's records share one cell, segments come back to their pool,
//! headers and frames are the batch's. What is left is per batch or per request, and a batch has a thousand records. The
//! counts are those of the whole process, the I/O thread included; the sink is another process. Neighbours: `end_to_end`
//! measures the same ways of sending in time.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that counts and prints, with the sink of the other benches"
)]

#[allow(dead_code, reason = "it measures no time")]
mod support;

use std::alloc::System;
use std::process::ExitCode;
use std::time::Duration;

use facteur::{Producer, ProducerConfig, TopicHandle};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::sink::{self, SinkOptions};
use support::sink_process::SinkProcess;
use support::ways::{self, Outcome};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PARTITIONS: i32 = 6;
/// What a batch and its share of a request may cost, however many records it has.
const MOST_PER_BATCH: f64 = 40.0;

type Send = fn(&TopicHandle, &[u8], u64) -> Outcome<()>;

const WAYS: [(&str, usize, Send); 5] = [
    ("try_send, 100 B", 100, ways::by_try_send),
    ("send_blocking, 100 B", 100, ways::by_send_blocking),
    ("send().await, 100 B", 100, ways::by_async_send),
    ("send().await + delivery.await, 100 B", 100, ways::by_awaiting),
    ("try_send, 1 KiB", 1024, ways::by_try_send),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // `support::sink_process` starts this program again, as the sink.
    if let Some(address) = arguments.iter().find_map(|it| it.strip_prefix("--sink=")) {
        let options = SinkOptions { partitions: PARTITIONS, verify: false, rtt: Duration::ZERO };
        return sink::run(address, options).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let records = if arguments.iter().any(|it| it == "--bench") { 5_000_000 } else { 200_000 };
    println!(
        "{:<38} {:>9} {:>9} {:>19} {:>18} {:>17}",
        "", "records", "batches", "allocations/record", "allocations/batch", "bytes/batch"
    );
    let mut is_met = true;
    for (name, value_bytes, send) in WAYS {
        match count(name, value_bytes, send, records) {
            Ok(per_batch) => is_met &= per_batch <= MOST_PER_BATCH,
            Err(error) => {
                eprintln!("{name}: {error}");
                is_met = false;
            }
        }
    }
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Allocations for each batch, growing of what is there included.
fn count(name: &str, value_bytes: usize, send: Send, records: u64) -> Outcome<f64> {
    let mut sink = SinkProcess::start(PARTITIONS, false)?;
    let producer = Producer::new(
        ProducerConfig::builder(sink.address())
            .property("linger.ms", "5")
            .property("batch.size", "131072")
            .build()?,
    )?;
    let topic = producer.topic_blocking("bench")?;
    let value = vec![b'x'; value_bytes];
    send(&topic, &value, records / 2)?;
    producer.flush_blocking()?;

    let (before, region) = (producer.statistics(), Region::new(ALLOCATOR));
    send(&topic, &value, records)?;
    producer.flush_blocking()?;
    let (heap, after) = (region.change(), producer.statistics());

    let acknowledged = after.records_acknowledged - before.records_acknowledged;
    if acknowledged != records || sink.totals()?.violations != 0 {
        return Err(format!("{records} records were sent, {acknowledged} acknowledged").into());
    }
    producer.close_blocking(Duration::from_secs(5));
    let batches = after.batches_sent - before.batches_sent;
    let allocations = (heap.allocations + heap.reallocations) as f64;
    let per_batch = allocations / batches as f64;
    println!(
        "{name:<38} {records:>9} {batches:>9} {:>19.5} {per_batch:>18.1} {:>17.0}",
        allocations / records as f64,
        (heap.bytes_allocated + heap.bytes_reallocated.unsigned_abs()) as f64 / batches as f64,
    );
    Ok(per_batch)
}
