//! Faults of every kind on three real nodes under load, and the oracle's verdict: a short form and a long one.
//!
//! **Why one run with everything.** Each fault alone has a test in [`crate::faults`]; what follows one upon the other,
//! in an order that nobody chose, finds what nobody thought of. The contract is the whole of it: never lost once
//! acknowledged, never twice, never out of order. Doubt is allowed and counted. Neighbours: [`crate::nemesis`] brings
//! the faults, [`crate::oracle`] judges. Not here: rows of the fault matrix, which have tests of their own.
//!
//! `scripts/kafka-faults.sh` runs the long form; RECORDS, FAULTS, SEED and COMBO say how much, which and in which order.
//! `DELIVERY_TIMEOUT_MS=4000` makes faults outlast records, so that some are rejected or unknown: the promises hold for
//! those too. `IDEMPOTENCE=false` is the control: the same faults must then repeat records, or the judge sees nothing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use facteur::{Producer, Record};

use crate::cluster::{Cluster, Options, Setup};
use crate::consoles;
use crate::faults::replica_agrees;
use crate::nemesis::{Kind, LinkFault, Nemesis, NodeFault, WireFault};
use crate::oracle::{Logged, Tally, Verdict, judge};
use crate::reader::Log;
use crate::shared;
use crate::wire::Wire;
use crate::workload::{History, LANES, Load, producer_at, under};

/// The longest that a fresh record may take once everything is whole again (liveness bound L at these settings).
const CANARY_PATIENCE: Duration = Duration::from_secs(20);

const SETTINGS: &[(&str, &str)] = &[
    ("request.timeout.ms", "2000"),
    ("linger.ms", "5"),
    ("acks", "all"),
    ("reconnect.backoff.max.ms", "500"),
    ("socket.connection.setup.timeout.ms", "2000"),
    ("socket.connection.setup.timeout.max.ms", "4000"),
];

/// The short form's faults: one of each family, so that fifty thousand records meet all of them in a minute.
const SHORT: [Kind; 9] = [
    Kind::Wire(WireFault::LostAnswers),
    Kind::Node(NodeFault::Kill),
    Kind::Wire(WireFault::CutAnswer),
    Kind::Node(NodeFault::MoveLeaders),
    Kind::Link(LinkFault::BrokerIsolated),
    Kind::Wire(WireFault::SwallowAnswers),
    Kind::Node(NodeFault::Freeze),
    Kind::Link(LinkFault::ClientOneWay),
    Kind::Node(NodeFault::FullDisk),
];

// Nine faults within a minute, fifty thousand records. Fails on the first record that is lost, repeated, out of order,
// told wrongly or never told about, when a replica or kcat reads another log, or when a healed cluster takes no records.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn nothing_is_lost_repeated_or_reordered_in_a_short_storm_on_4_4_0() {
    let mut shared = shared::lock();
    let (cluster, wire) = shared.parts();
    let plan = Plan { records: 50_000, burst: 2, topic: "short-storm", seed: seed() };
    storm(cluster, wire, &plan, &SHORT, |nemesis, begun| nemesis.play(&SHORT, begun));
}

// A million records and fifty faults of all kinds, drawn from SEED.
#[test]
#[ignore = "takes many minutes: run scripts/kafka-faults.sh"]
fn nothing_is_lost_repeated_or_reordered_in_a_long_storm() {
    let options = Options { has_links: true, small_disk_mib: Some(1024), ..Options::default() };
    let mut cluster = Cluster::start_with(Setup { version: "4.4.0", nodes: 3 }, options);
    let wire = Wire::start(&cluster);
    let combo = std::env::var("COMBO").unwrap_or_else(|_| "all".to_owned());
    let (records, faults) = (from_environment("RECORDS", 1_000_000), from_environment("FAULTS", 50));
    let burst = from_environment("BURST", 3);
    println!("RECORDS={records} FAULTS={faults} SEED={} COMBO={combo}", seed());
    let plan = Plan { records, burst, topic: "long-storm", seed: seed() };
    storm(&mut cluster, &wire, &plan, &Kind::of_combo(&combo), |nemesis, begun| nemesis.rage(faults, begun));
}

fn from_environment(name: &str, otherwise: u32) -> u32 {
    std::env::var(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn seed() -> u64 {
    u64::from(from_environment("SEED", 1))
}

struct Plan {
    records: u32,
    burst: u32,
    topic: &'static str,
    seed: u64,
}

fn storm(
    cluster: &mut Cluster,
    wire: &Wire,
    plan: &Plan,
    kinds: &[Kind],
    rage: impl FnOnce(&mut Nemesis<'_>, &mut dyn FnMut(u16)),
) {
    let begun = Instant::now();
    cluster.create_topic(plan.topic, LANES, &[]);
    let idempotence = std::env::var("IDEMPOTENCE").unwrap_or_else(|_| "true".to_owned());
    let delivery_timeout_ms = from_environment("DELIVERY_TIMEOUT_MS", 120_000).to_string();
    let own =
        [("enable.idempotence", idempotence.as_str()), ("delivery.timeout.ms", delivery_timeout_ms.as_str())];
    let settings: Vec<_> = SETTINGS.iter().copied().chain(own).collect();
    let producer = producer_at(&wire.bootstrap, &settings);
    let mut made = Vec::new();
    let history = under(&producer, plan.topic, Load { minimum: plan.records, burst: plan.burst }, |phase| {
        let mut nemesis = Nemesis::new(cluster, wire, plan.topic, kinds, plan.seed);
        rage(&mut nemesis, &mut |number| phase.store(number, Ordering::SeqCst));
        made.extend(nemesis.made.iter().map(|(kind, count)| (kind.name(), *count)));
    });
    let slowest = canaries(&producer, plan.topic);
    producer.close_blocking(Duration::from_secs(60));
    println!("the slowest record after healing took {} ms", slowest.as_millis());
    cluster.await_full_isr(plan.topic, LANES);

    let log = Log::fetch(cluster, plan.topic, LANES);
    let logged: Vec<Logged> = log.logged().into_iter().filter(|found| found.id.0 != CANARY).collect();
    let verdict = judge(&history.sent, &logged);
    print_verdict(&verdict, &history, &producer, &made, begun.elapsed());
    second_reader_agrees(cluster, plan.topic, &log);
    for id in cluster.ids() {
        replica_agrees(cluster, id, plan.topic, &log);
    }
    let total = verdict.total;
    assert!(total.is_clean(), "{total}");
    assert!(total.sent >= u64::from(plan.records), "only {} records were sent", total.sent);
    assert!(kinds.is_empty() || history.retried > 0, "no fault hit a record");
    assert!(slowest < CANARY_PATIENCE, "a healed cluster took {slowest:?} for a record");
}

/// The id that no record of the history has.
const CANARY: u64 = u64::MAX;

/// Q14: once all is whole, a fresh record on each lane is acknowledged soon.
fn canaries(producer: &Producer, topic: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    for lane in 0..LANES {
        let begun = Instant::now();
        let record = Record::to(topic).partition(lane).key(b"canary").value(b"canary");
        producer.send_and_wait_blocking(record).expect("a healed cluster takes records");
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

fn print_verdict(
    verdict: &Verdict,
    history: &History,
    producer: &Producer,
    made: &[(&'static str, u32)],
    took: Duration,
) {
    let total = verdict.total;
    let Tally { sent, refused, acknowledged, rejected, unknown, .. } = total;
    let statistics = producer.statistics();
    let faults: u32 = made.iter().map(|(_, count)| count).sum();
    let by_kind: Vec<String> = made.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("--- the oracle's verdict");
    println!(
        "records accepted {}, acked {acknowledged}, rejected {rejected}, unknown {unknown}",
        sent - refused
    );
    println!("lost {}, repeated {}, reordered {}", total.lost(), total.repeated(), total.reordered());
    println!(
        "phantom {}, misplaced {}, corrupted {}, without outcome {}, refused by send {refused}",
        total.phantom(),
        total.misplaced(),
        total.corrupted(),
        total.stuck()
    );
    println!("faults {faults}: {}", by_kind.join(", "));
    println!(
        "batches sent {}, retried {}, known to be recognised {}, late acknowledgements {}; lane resets {}, epoch bumps {}; \
         connections opened {}; records acknowledged after a retry {}",
        statistics.batches_sent,
        statistics.batches_retried,
        statistics.batches_deduplicated,
        statistics.late_acknowledgements,
        statistics.lane_resets,
        statistics.epoch_bumps,
        statistics.connections_opened,
        history.retried
    );
    println!("took {} s, reading back included", took.as_secs());
    for (phase, tally) in verdict.phases.iter().filter(|(_, tally)| !tally.is_clean() || tally.unknown > 0) {
        println!("incident {phase}: {tally}");
    }
}

/// Q6 with a reader that shares nothing with ours: kcat finds the same record at every place.
fn second_reader_agrees(cluster: &Cluster, topic: &str, log: &Log) {
    let by_kcat = consoles::sha256(consoles::kcat(cluster, topic));
    assert_eq!(by_kcat, consoles::sha256(consoles::lines_of(log)), "kcat reads another log than we do");
    println!("kcat reads the same {} records, sha256 {by_kcat}", log.records.len());
}
