//! Endurance: the real producer and the façade against the embedded broker, faults all the time, and at the end everything
//! must have come back to where it began (`spec/reliability.md` Q15). `scripts/soak.sh` runs it.
//!
//! **Why in one process.** Sockets, tasks, memory, permits and buffers of all parts are then counted together, and a leak
//! of any of them shows. Neighbours: `tests/simulation` searches for wrong orders, which this does not. Not here: speed.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::exit,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a program of its own: it prints, has a clock, and its tasks end with it"
)]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use facteur::broker::{Fault, FaultAction};
use facteur::chaos::view::{NewToxic, ProxyChange};
use facteur::error::ErrorCode;
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::injector::InjectorSettings;
use facteur::lab::profile::Profile;
use facteur::lab::running::{LabSettings, RunningLab};
use facteur::{Outcome, Producer, Record};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Resident memory also has what the allocator keeps for later; a leak is a matter of what is live.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const TOPIC: &str = "soak";
const PARTITIONS: i32 = 3;
/// Sends of the producer between two pauses of ten milliseconds.
const BURST: usize = 3;
const VALUE_BYTES: usize = 900;
/// Values are cut out of this much of what no codec makes smaller: the logs must reach their bounds before the counting.
const NOISE_BYTES: usize = 1 << 20;
/// Memory that may differ between two moments at which the same things are held: the allocator's own.
const SLACK_BYTES: u64 = 48 << 20;
/// Live bytes that may differ: rings and segments are not equally full at both moments.
const HEAP_SLACK_BYTES: u64 = 4 << 20;

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    resident_bytes: u64,
    live_bytes: u64,
    files: u64,
    threads: u64,
    tasks: u64,
    buffer_bytes: u64,
    calls: u64,
    pending_statuses: u64,
}

impl Sample {
    fn take(lab: &RunningLab, producer: &Producer) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let statistics = producer.statistics();
        let shared = lab.shared();
        let busy = shared.most_calls - shared.calls.available_permits();
        Self {
            resident_bytes: field("VmRSS:") * 1024,
            live_bytes: HEAP.current_usage() as u64,
            files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            threads: field("Threads:"),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64,
            buffer_bytes: statistics.buffer_total_bytes - statistics.buffer_available_bytes,
            calls: busy as u64,
            pending_statuses: shared.statuses.pending_count() as u64,
        }
    }

    fn rows(self) -> [(&'static str, u64, u64); 8] {
        [
            ("resident memory, MiB", self.resident_bytes >> 20, SLACK_BYTES >> 20),
            ("live heap, KiB", self.live_bytes >> 10, HEAP_SLACK_BYTES >> 10),
            ("open files and sockets", self.files, 0),
            ("threads", self.threads, 0),
            ("tasks", self.tasks, 0),
            ("producer buffer, bytes", self.buffer_bytes, 0),
            ("call permits in use", self.calls, 0),
            ("pending statuses", self.pending_statuses, 0),
        ]
    }

    fn max(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            live_bytes: self.live_bytes.max(other.live_bytes),
            files: self.files.max(other.files),
            threads: self.threads.max(other.threads),
            tasks: self.tasks.max(other.tasks),
            buffer_bytes: self.buffer_bytes.max(other.buffer_bytes),
            calls: self.calls.max(other.calls),
            pending_statuses: self.pending_statuses.max(other.pending_statuses),
        }
    }
}

/// What became of the records.
#[derive(Debug, Default)]
struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    acknowledged: AtomicU64,
    rejected: AtomicU64,
    unknown: AtomicU64,
    calls: AtomicU64,
    is_over: AtomicBool,
}

impl Tally {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn told(&self) -> u64 {
        [&self.acknowledged, &self.rejected, &self.unknown]
            .map(|counter| counter.load(Ordering::Relaxed))
            .iter()
            .sum()
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let minutes = minutes();
    let mut lab = RunningLab::start(settings()).await.expect("free ports");
    lab.ready().await;
    let lab = Arc::new(lab);
    let broker = lab.broker().expect("the embedded broker").handle();
    let kept = [("retention.bytes", "2097152"), ("segment.bytes", "1048576")];
    broker.create_topic_with(TOPIC, PARTITIONS, &kept).expect("a new topic");
    let bootstrap = lab.lab_injector().expect("the injector").bootstrap();
    let producer = Producer::from_properties([
        ("bootstrap.servers", bootstrap.as_str()),
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "8000"),
        ("max.block.ms", "2000"),
        ("facteur.late.resolution.ms", "5000"),
        ("buffer.memory", "8388608"),
        ("compression.type", "lz4"),
    ]);
    let producer = producer.expect("valid settings");
    let tally = Arc::new(Tally::default());

    // Rings, logs and caches fill first: what is bounded is at its bound when the counting begins.
    let load = begin_load(&lab, &producer, &tally, Duration::ZERO);
    pause(Duration::from_secs(30)).await;
    end_load(load, &tally).await;
    settle(&producer).await;
    let before = Sample::take(&lab, &producer);
    println!("before: {before:?}");

    let load = begin_load(&lab, &producer, &tally, Duration::from_millis(10));
    let (peak, faults) = run(&lab, &producer, &tally, minutes).await;
    end_load(load, &tally).await;
    settle(&producer).await;
    let after = Sample::take(&lab, &producer);
    let is_good = report(&tally, faults, (before, peak, after));

    producer.close(Duration::from_secs(10)).await;
    drop(broker);
    std::process::exit(i32::from(!is_good));
}

fn minutes() -> u64 {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => 60,
        (Some("--minutes"), Some(number)) => number.parse().expect("--minutes takes a whole number"),
        other => panic!("soak takes --minutes N, and not {other:?}"),
    }
}

fn settings() -> LabSettings {
    LabSettings {
        java_port: 0,
        librdkafka_port: 0,
        kafka_ports: vec![0, 0],
        injector: Some(InjectorSettings { admin_port: 0, proxy_port: 0, seed: Some(7) }),
        topics: Vec::new(),
        default_topic: TOPIC.to_owned(),
        environment: ProducerEnvironment {
            request_timeout_ms: 1_000,
            delivery_timeout_ms: 8_000,
            max_block_ms: 2_000,
            ..ProducerEnvironment::default()
        },
        timeline_capacity: 2_000,
        status_capacity: 1_000,
        idempotency_capacity: 1_000,
        ..LabSettings::default()
    }
}

type Load = Vec<tokio::task::JoinHandle<()>>;

/// Records through the producer, and events through the façade, until [`end_load`].
fn begin_load(lab: &Arc<RunningLab>, producer: &Producer, tally: &Arc<Tally>, wait: Duration) -> Load {
    tally.is_over.store(false, Ordering::Release);
    let records = tokio::spawn(send_records(producer.clone(), Arc::clone(tally), wait));
    let events = tokio::spawn(call_facade(lab.address(Profile::Java), Arc::clone(tally)));
    vec![records, events]
}

async fn end_load(load: Load, tally: &Tally) {
    tally.is_over.store(true, Ordering::Release);
    for task in load {
        task.await.expect("no part of the load panics");
    }
}

async fn send_records(producer: Producer, tally: Arc<Tally>, wait: Duration) {
    let noise = noise(NOISE_BYTES);
    let mut number = 0_u64;
    while !tally.is_over.load(Ordering::Acquire) {
        for _ in 0..BURST {
            number += 1;
            let key = number.to_be_bytes();
            let at = number as usize * (VALUE_BYTES + 1) % (NOISE_BYTES - VALUE_BYTES);
            let payload = &noise[at..at + VALUE_BYTES];
            match producer.send(Record::to(TOPIC).key(&key).value(payload)).await {
                Ok(delivery) => {
                    Tally::count(&tally.accepted);
                    let tally = Arc::clone(&tally);
                    tokio::spawn(async move {
                        Tally::count(match delivery.await {
                            Ok(_) => &tally.acknowledged,
                            Err(error) if error.outcome() == Outcome::Unknown => &tally.unknown,
                            Err(_) => &tally.rejected,
                        });
                    });
                }
                Err(_full_or_not_ready) => Tally::count(&tally.refused),
            }
        }
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
    }
}

/// What no codec makes smaller.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

async fn call_facade(address: std::net::SocketAddr, tally: Arc<Tally>) {
    let mut number = 0_u64;
    while !tally.is_over.load(Ordering::Acquire) {
        number += 1;
        let mode = if number.is_multiple_of(2) { "sync" } else { "async" };
        let request = format!(
            "POST /api/v1/send?mode=idempotent&eventId=S-{number}&sendMode={mode} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        if let Ok(mut stream) = tokio::net::TcpStream::connect(address).await
            && stream.write_all(request.as_bytes()).await.is_ok()
        {
            let mut answer = Vec::new();
            if stream.read_to_end(&mut answer).await.is_ok() && !answer.is_empty() {
                Tally::count(&tally.calls);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One fault after the other until the time is over; the highest sample, and how many faults there were.
async fn run(lab: &RunningLab, producer: &Producer, tally: &Tally, minutes: u64) -> (Sample, u64) {
    let (began, mut peak, mut faults) = (Instant::now(), Sample::default(), 0_u64);
    let mut told_minutes = 0;
    while began.elapsed() < Duration::from_secs(60 * minutes) {
        begin_fault(lab, faults).await;
        for _ in 0..3 {
            pause(Duration::from_millis(900)).await;
            peak = peak.max(Sample::take(lab, producer));
        }
        heal(lab).await;
        faults += 1;
        pause(Duration::from_millis(1_500)).await;
        let minutes_now = began.elapsed().as_secs() / 60;
        if minutes_now > told_minutes {
            told_minutes = minutes_now;
            let accepted = tally.accepted.load(Ordering::Relaxed);
            println!(
                "{told_minutes} min, {accepted} records, {faults} faults: {:?}",
                Sample::take(lab, producer)
            );
        }
    }
    (peak, faults)
}

/// The faults, in turn.
fn toxics() -> [(&'static str, &'static str, Value); 10] {
    [
        ("latency", "downstream", json!({ "latency": 300, "jitter": 200 })),
        ("timeout", "downstream", json!({ "timeout": 0 })),
        ("reset_peer", "downstream", json!({ "timeout": 50 })),
        ("limit_data", "downstream", json!({ "bytes": 700 })),
        ("limit_data", "upstream", json!({ "bytes": 5000 })),
        ("bandwidth", "upstream", json!({ "rate": 20 })),
        ("slicer", "downstream", json!({ "average_size": 7, "size_variation": 3, "delay": 100 })),
        ("drop_response", "downstream", json!({ "api": "Produce", "count": 3 })),
        ("close_after_request", "downstream", json!({ "api": "Produce", "count": 3 })),
        ("duplicate_request", "downstream", json!({ "api": "Produce", "count": 3 })),
    ]
}

async fn begin_fault(lab: &RunningLab, number: u64) {
    let injector = lab.injector().expect("the injector");
    let proxy = injector.proxies().first().map(|proxy| proxy.name.clone()).expect("the lab's proxy");
    let toxics = toxics();
    let kinds = toxics.len() as u64 + 2;
    let place = number % kinds;
    if let Some((type_name, stream, attributes)) = toxics.get(usize::try_from(place).unwrap_or(0)) {
        let toxic = NewToxic {
            type_name: (*type_name).to_owned(),
            name: None,
            stream: Some((*stream).to_owned()),
            toxicity: 1.0,
            attributes: attributes.as_object().cloned().unwrap_or_default(),
        };
        injector.add_toxic(&proxy, &toxic).expect("a right toxic");
    } else if place == toxics.len() as u64 {
        let down = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
        injector.update(&proxy, &down).await.expect("the proxy goes down");
    } else {
        let broker = lab.broker().expect("the embedded broker").handle();
        let code = ErrorCode([6, 7, 19, 45][usize::try_from(number / kinds % 4).unwrap_or(0)]);
        broker.faults().arm(Fault::new(0, FaultAction::AnswerError(code)));
        broker.faults().arm(Fault::new(0, FaultAction::AnswerErrorAfterProcessing(ErrorCode(7))));
        broker.faults().arm(Fault::new(0, FaultAction::LoseAnswer));
    }
}

async fn heal(lab: &RunningLab) {
    let injector = lab.injector().expect("the injector");
    injector.reset().await.expect("everything listens again");
    lab.broker().expect("the embedded broker").handle().faults().clear_all();
}

/// Until nothing is on its way any more: late resolution, closing connections and idle threads need their time.
async fn settle(producer: &Producer) {
    drop(producer.flush().await);
    pause(Duration::from_secs(20)).await;
}

async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Prints everything; whether it is as it should be.
fn report(tally: &Tally, faults: u64, (before, peak, after): (Sample, Sample, Sample)) -> bool {
    println!("\n{:<26} {:>10} {:>10} {:>10}", "", "before", "peak", "after");
    let mut is_good = true;
    for ((name, before, slack), ((_, peak, _), (_, after, _))) in
        before.rows().into_iter().zip(peak.rows().into_iter().zip(after.rows()))
    {
        let is_back = after <= before + slack;
        is_good &= is_back;
        let mark = if is_back { "" } else { "  NOT BACK" };
        println!("{name:<26} {before:>10} {peak:>10} {after:>10}{mark}");
    }
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "\n{faults} faults; records: {} accepted, {} acknowledged, {} rejected, {} unknown, {} refused; {} calls answered",
        number(&tally.accepted),
        number(&tally.acknowledged),
        number(&tally.rejected),
        number(&tally.unknown),
        number(&tally.refused),
        number(&tally.calls),
    );
    if number(&tally.accepted) != tally.told() {
        println!("{} records have no outcome", number(&tally.accepted).abs_diff(tally.told()));
        is_good = false;
    }
    println!("{}", if is_good { "PASSED: everything came back" } else { "FAILED" });
    is_good
}
