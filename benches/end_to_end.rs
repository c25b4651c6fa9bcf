//! From `send` to acknowledgement: what a record costs the client, against a sink in another process.
//!
//! ```text
//! cargo bench --bench end_to_end                     all ways of sending, five rounds each
//! cargo bench --bench end_to_end -- --only=try_send  one of them
//!     --records=N --rounds=N  how much;    --verify  the sink checks checksums and sequences
//!     --max-ns=N  exit 1 if a median of 100-byte records is above N
//!     --sink=HOST:PORT --partitions=N --rtt-us=N  only the sink, for another client; it answers so much later
//! cargo test --benches                               the short form: a smoke test
//! ```
//!
//! One producing thread, idempotent, acks=all, linger 5 ms, batches of 128 KiB, 32 MiB of buffer memory, a keyless topic
//! of six partitions. CPU is user and system time of the whole process, I/O thread included, from the first `send` to the
//! end of `flush`. See `docs/performance.md`.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that measures with the real clock and prints"
)]

mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use facteur::{Producer, ProducerConfig, TopicHandle};
use support::cost::{CpuTime, forget_peak_memory, peak_memory_bytes};
use support::sink::{self, SinkOptions};
use support::sink_process::SinkProcess;
use support::ways::{self, Outcome};

const PARTITIONS: i32 = 6;

/// A way of sending.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    name: &'static str,
    value_bytes: usize,
    send: fn(&TopicHandle, &[u8], u64) -> Outcome<()>,
}

const SCENARIOS: [Scenario; 5] = [
    Scenario { name: "try_send, 100 B", value_bytes: 100, send: ways::by_try_send },
    Scenario { name: "send_blocking, 100 B", value_bytes: 100, send: ways::by_send_blocking },
    Scenario { name: "send().await, 100 B", value_bytes: 100, send: ways::by_async_send },
    Scenario { name: "send().await + delivery.await, 100 B", value_bytes: 100, send: ways::by_awaiting },
    Scenario { name: "try_send, 1 KiB", value_bytes: 1024, send: ways::by_try_send },
];

#[derive(Debug)]
struct Options {
    records: u64,
    rounds: usize,
    only: Option<String>,
    verify: bool,
    max_ns: Option<f64>,
    sink: Option<String>,
    partitions: i32,
    rtt: Duration,
}

fn main() -> ExitCode {
    let outcome = options().and_then(|options| match &options.sink {
        Some(address) => {
            sink::run(
                address,
                SinkOptions { partitions: options.partitions, verify: options.verify, rtt: options.rtt },
            )?;
            Ok(true)
        }
        None => measure_all(&options),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Outcome<Options> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As criterion does: `cargo bench` says `--bench`, `cargo test` does not.
    let is_short = !arguments.iter().any(|argument| argument == "--bench")
        || arguments.iter().any(|argument| argument == "--test");
    let value =
        |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='));
    let (records, rounds) = if is_short { (200_000, 1) } else { (10_000_000, 5) };
    Ok(Options {
        records: value("--records").map_or(Ok(records), str::parse)?,
        rounds: value("--rounds").map_or(Ok(rounds), str::parse)?,
        only: value("--only").map(str::to_owned),
        verify: is_short || arguments.iter().any(|argument| argument == "--verify"),
        max_ns: value("--max-ns").map(str::parse).transpose()?,
        sink: value("--sink").map(str::to_owned),
        partitions: value("--partitions").map_or(Ok(PARTITIONS), str::parse)?,
        rtt: Duration::from_micros(value("--rtt-us").map_or(Ok(0), str::parse)?),
    })
}

/// True if every bar is met.
fn measure_all(options: &Options) -> Outcome<bool> {
    let mut is_met = true;
    println!(
        "{:<38} {:>13} {:>24} {:>8} {:>8} {:>10} {:>10} {:>16}",
        "",
        "records/s",
        "ns CPU/record (range)",
        "user",
        "system",
        "peak RSS",
        "KiB/batch",
        "batches/request"
    );
    for scenario in SCENARIOS {
        if options.only.as_ref().is_some_and(|only| !scenario.name.contains(only.as_str())) {
            continue;
        }
        let median = measure(scenario, options)?;
        if scenario.value_bytes == 100 && options.max_ns.is_some_and(|most| median > most) {
            is_met = false;
        }
    }
    Ok(is_met)
}

#[derive(Debug, Clone, Copy)]
struct Round {
    ns: f64,
    user_ns: f64,
    system_ns: f64,
    records_per_second: f64,
}

/// The median of CPU per record.
fn measure(scenario: Scenario, options: &Options) -> Outcome<f64> {
    let mut sink = SinkProcess::start(options.partitions, options.verify)?;
    let records = if scenario.value_bytes > 100 { options.records / 5 } else { options.records };
    forget_peak_memory()?;
    let producer = Producer::new(
        ProducerConfig::builder(sink.address())
            .property("linger.ms", "5")
            .property("batch.size", "131072")
            .property("buffer.memory", "33554432")
            .property("acks", "all")
            .build()?,
    )?;
    let topic = producer.topic_blocking("bench")?;
    let value: Vec<u8> = (0_u8..=255).cycle().take(scenario.value_bytes).collect();
    let warm_up = records / 10;
    (scenario.send)(&topic, &value, warm_up)?;
    producer.flush_blocking()?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let (begun, before) = (Instant::now(), CpuTime::now()?);
        (scenario.send)(&topic, &value, records)?;
        producer.flush_blocking()?;
        let (used, elapsed) = (CpuTime::now()?.since(before), begun.elapsed());
        let per_record = |ns: u64| ns as f64 / records as f64;
        rounds.push(Round {
            ns: per_record(used.user_ns + used.system_ns),
            user_ns: per_record(used.user_ns),
            system_ns: per_record(used.system_ns),
            records_per_second: records as f64 / elapsed.as_secs_f64(),
        });
    }
    let peak = peak_memory_bytes()?;
    let sent = warm_up + records * options.rounds as u64;
    let statistics = producer.statistics();
    let totals = sink.totals()?;
    if statistics.records_acknowledged != sent || totals.records != sent || totals.violations != 0 {
        return Err(format!("{sent} records were sent, but: {totals:?}, {statistics:?}").into());
    }
    producer.close_blocking(Duration::from_secs(5));
    rounds.sort_by(|a, b| a.ns.total_cmp(&b.ns));
    let (Some(least), Some(most), Some(median)) =
        (rounds.first(), rounds.last(), rounds.get(rounds.len() / 2))
    else {
        return Err("no rounds".into());
    };
    println!(
        "{:<38} {:>13.0} {:>8.1} ({:>5.1} - {:>5.1}) {:>8.1} {:>8.1} {:>7.1} MB {:>10.0} {:>16.1}",
        scenario.name,
        median.records_per_second,
        median.ns,
        least.ns,
        most.ns,
        median.user_ns,
        median.system_ns,
        peak as f64 / 1e6,
        totals.bytes as f64 / 1024.0 / totals.batches as f64,
        totals.batches as f64 / totals.requests as f64,
    );
    Ok(median.ns)
}
