//! Leaders killed, nodes frozen, answers lost, all under load: nothing may be lost, repeated or reordered.
//!
//! **Why these three.** They are the three ways in which an answer fails to come: the broker is gone, the broker is
//! late, the wire is cut. In each the batch may be in the log already, and only its identity tells. Each run has at least
//! 200,000 records, and prints one line for the whole and one per incident. Every fault is far shorter than the delivery
//! timeout, so doubt is no excuse: every record must be acknowledged. Neighbours: [`crate::cluster`], [`crate::relay`].

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use facteur::Producer;

use crate::cluster::{Cluster, Setup, wait_until};
use crate::oracle::{Verdict, disagreements, judge};
use crate::reader::Log;
use crate::relay::Relay;
use crate::workload::{History, LANES, Load, minimum_records, producer, under};

const ONE_NODE: Setup = Setup { version: "4.4.0", nodes: 1 };
const THREE_NODES: Setup = Setup { version: "4.4.0", nodes: 3 };

const KILLS: u16 = 5;
const FREEZES: u16 = 3;
/// Lost answers come one at a time, so that each hits other batches; every sixth time the retry's answer is lost too.
const LOSS_ROUNDS: u16 = 24;
const ROUNDS_PER_DOUBLE_LOSS: u16 = 6;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Short enough that a fault outlasts a request, long enough that none outlasts a record.
const SETTINGS: &[(&str, &str)] =
    &[("request.timeout.ms", "2000"), ("delivery.timeout.ms", "120000"), ("linger.ms", "5"), ("acks", "all")];

// A leader dies in the middle of writing, five times, and comes back. Fails if a batch that it had stored and not
// acknowledged is sent again under another name, or is given up.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn leader_killed_five_times_on_4_4_0_with_one_node() {
    leader_killed(ONE_NODE);
}

// As above, but another replica takes over with what it has.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn leader_killed_five_times_on_4_4_0_with_three_nodes() {
    leader_killed(THREE_NODES);
}

// The only broker stops answering for longer than the request timeout, then works off what it had been sent. Fails if
// the retries, which it finds in its queue as well, are stored again.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn node_frozen_past_the_request_timeout_on_4_4_0_with_one_node() {
    node_frozen(ONE_NODE);
}

// The frozen leader is replaced, wakes up and still believes in itself for a moment. Fails if what it then stores or
// answers is taken for the truth.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn node_frozen_past_the_request_timeout_on_4_4_0_with_three_nodes() {
    node_frozen(THREE_NODES);
}

// [IDEM-3] The batch is stored, its answer is lost with the connection. Fails if the retry is not the same bytes under the same
// sequence, for then the broker stores it a second time.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn answers_lost_and_retries_recognised_on_4_4_0_with_one_node() {
    answers_lost(ONE_NODE);
}

// As above with replicas: the answer that is lost is the one that waited for them.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn answers_lost_and_retries_recognised_on_4_4_0_with_three_nodes() {
    answers_lost(THREE_NODES);
}

// The control: without idempotence the same fault must repeat records. Fails if the relay does not do what it says or
// the oracle cannot see a repetition in a real log; then every other test here would pass for nothing.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn answers_lost_without_idempotence_repeat_records_on_4_4_0() {
    let cluster = Cluster::start(ONE_NODE);
    let topic = "answers-lost-plain";
    cluster.create_topic(topic, LANES, &[]);
    let relays: Vec<(i32, Relay)> =
        cluster.addresses().into_iter().map(|(id, address)| (id, Relay::start(address, None))).collect();
    let settings: Vec<_> = SETTINGS.iter().copied().chain([("enable.idempotence", "false")]).collect();
    let producer = producer(&cluster, &relays, &settings);

    let history = under(&producer, topic, Load { minimum: 10_000, burst: 6 }, |_| {
        for (_, relay) in &relays {
            relay.drop_answers(1);
            wait_until("the answer to be lost", || relay.dropped() > 0);
        }
    });

    let total = judge(&history.sent, &Log::fetch(&cluster, topic, LANES).logged()).total;
    println!("control, no idempotence, answer lost once: {total}");
    assert_eq!((total.acknowledged, total.lost()), (total.sent, 0));
    assert!(total.repeated() > 0, "a retry of a stored batch is stored again without idempotence: {total}");
}

fn leader_killed(setup: Setup) {
    let mut cluster = Cluster::start(setup);
    let topic = "leader-killed";
    cluster.create_topic(topic, LANES, &[]);
    let producer = producer(&cluster, &[], SETTINGS);

    let history = under(&producer, topic, load(6), |phase| {
        for kill in 1..=KILLS {
            flow();
            let leader = cluster.await_leader(topic, i32::from(kill) % LANES);
            phase.store(kill, Ordering::SeqCst);
            cluster.kill(leader);
            if setup.nodes > 1 {
                cluster.await_other_leader(topic, i32::from(kill) % LANES, leader);
                flow();
            }
            cluster.restart(leader);
            cluster.await_full_isr(topic, LANES);
        }
        // An orderly shutdown is a fault of its own: leadership is handed over while requests are on their way.
        flow();
        let leader = cluster.await_leader(topic, 0);
        phase.store(KILLS + 1, Ordering::SeqCst);
        cluster.stop(leader);
        cluster.restart(leader);
        cluster.await_full_isr(topic, LANES);
    });

    conclude(
        &cluster,
        topic,
        &producer,
        &history,
        &format!("leader killed {KILLS} times, then stopped once"),
    );
}

fn node_frozen(setup: Setup) {
    let mut cluster = Cluster::start(setup);
    let topic = "node-frozen";
    cluster.create_topic(topic, LANES, &[]);
    let producer = producer(&cluster, &[], SETTINGS);

    let history = under(&producer, topic, load(15), |phase| {
        for freeze in 1..=FREEZES {
            flow();
            let leader = cluster.await_leader(topic, i32::from(freeze) % LANES);
            phase.store(freeze, Ordering::SeqCst);
            cluster.freeze(leader);
            thread::sleep(REQUEST_TIMEOUT + REQUEST_TIMEOUT);
            cluster.thaw(leader);
            cluster.await_full_isr(topic, LANES);
        }
    });

    conclude(&cluster, topic, &producer, &history, &format!("node frozen {FREEZES} times"));
}

fn answers_lost(setup: Setup) {
    let cluster = Cluster::start(setup);
    let topic = "answers-lost";
    cluster.create_topic(topic, LANES, &[]);
    let relays: Vec<(i32, Relay)> =
        cluster.addresses().into_iter().map(|(id, address)| (id, Relay::start(address, None))).collect();
    let producer = producer(&cluster, &relays, SETTINGS);
    let dropped = || relays.iter().map(|(_, relay)| relay.dropped()).sum::<u32>();

    let history = under(&producer, topic, load(15), |phase| {
        for round in 1..=LOSS_ROUNDS {
            thread::sleep(Duration::from_millis(500));
            phase.store(round, Ordering::SeqCst);
            let leader = cluster.await_leader(topic, i32::from(round) % LANES);
            let (before, count) = (dropped(), if round % ROUNDS_PER_DOUBLE_LOSS == 0 { 2 } else { 1 });
            for (_, relay) in relays.iter().filter(|(id, _)| *id == leader) {
                relay.drop_answers(count);
            }
            wait_until("the answers to be lost", || dropped() >= before + count);
        }
    });

    let lost = dropped();
    println!("answers lost: {lost}, records of recognised retries: {}", history.recognised);
    assert!(lost >= 20, "only {lost} answers were lost");
    assert!(
        producer.statistics().batches_deduplicated >= u64::from(LOSS_ROUNDS),
        "in {LOSS_ROUNDS} rounds an answer was lost after its batches were stored, so their retries must have been recognised: {:?}",
        producer.statistics()
    );
    conclude(&cluster, topic, &producer, &history, &format!("answers lost {lost} times"));
}

fn load(burst: u32) -> Load {
    Load { minimum: minimum_records(), burst }
}

/// Lets records flow between two incidents.
fn flow() {
    thread::sleep(Duration::from_millis(1500));
}

/// Reads the log back, judges, prints, and fails on any finding; then compares the replicas.
fn conclude(cluster: &Cluster, topic: &str, producer: &Producer, history: &History, fault: &str) {
    let setup = cluster.setup;
    cluster.await_full_isr(topic, LANES);
    let log = Log::fetch(cluster, topic, LANES);
    let verdict: Verdict = judge(&history.sent, &log.logged());
    let run = format!("{} x{}, {fault}", setup.version, setup.nodes);
    println!("{}", verdict.report(&run));
    println!(
        "{run}: records sent more than once {}, recognised by the broker {}; {:?}",
        history.retried,
        history.recognised,
        producer.statistics()
    );

    let total = verdict.total;
    assert!(total.is_clean(), "{run}: {total}");
    assert_eq!(total.acknowledged, total.sent, "{run}: each fault is shorter than the delivery timeout");
    assert!(total.sent >= u64::from(minimum_records()));
    assert!(history.retried > 0, "{run}: the fault hit nothing");
    for id in cluster.ports().into_keys() {
        replica_agrees(cluster, id, topic, &log);
    }
}

/// Q6: the files of a replica hold what the leaders answered, batch by batch and byte by byte (the checksums say so).
pub fn replica_agrees(cluster: &Cluster, id: i32, topic: &str, fetched: &Log) {
    let mut replica = Log::default();
    for partition in 0..LANES {
        let read = Log::from_segments(partition, &cluster.segments(id, topic, partition));
        replica.records.extend(read.records);
        replica.batches.extend(read.batches);
    }
    let places = disagreements(&fetched.logged(), &replica.logged());
    assert!(
        places.is_empty(),
        "node {id} disagrees with the leaders at {:?}",
        places.iter().take(5).collect::<Vec<_>>()
    );
    assert_eq!(replica.batches, fetched.batches, "node {id} has the same batches");
}
