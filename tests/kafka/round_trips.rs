//! 100,000 records per codec to a real broker and back, by three readers that must agree with the sender.
//!
//! **Why three.** Our reader could share a misunderstanding with our writer; Kafka's console consumer and kcat cannot.
//! All four lists, sender included, are compared by SHA-256 over partition, offset, timestamp, headers, key and value.
//! Kafka's own log dump then confirms producer id, epoch and sequences. Neighbours: [`crate::consoles`], [`crate::reader`].

use std::thread;

use facteur::{Header, Record};

use crate::cluster::{Cluster, Setup};
use crate::consoles::{Line, console_consumer, console_producer, dump_log, kcat, lines_of, sha256};
use crate::reader::Log;
use crate::workload::{now_ms, producer};

const RECORDS: i64 = 100_000;
const PARTITIONS: i32 = 3;
/// Names, and their numbers in a batch's attributes.
const CODECS: &[(&str, i16)] = &[("none", 0), ("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)];

// The newest Kafka. Fails if any reader sees another byte, place or order than the producer was told.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn every_codec_reads_back_the_same_on_4_4_0_with_one_node() {
    round_trips(Setup { version: "4.4.0", nodes: 1 });
}

// As above, with replicas and several leaders.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn every_codec_reads_back_the_same_on_4_4_0_with_three_nodes() {
    round_trips(Setup { version: "4.4.0", nodes: 3 });
}

// The last Kafka of the 3 line.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn every_codec_reads_back_the_same_on_3_9_2_with_one_node() {
    round_trips(Setup { version: "3.9.2", nodes: 1 });
}

// The oldest that is promised, with ZooKeeper.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn every_codec_reads_back_the_same_on_2_8_2_with_one_node() {
    round_trips(Setup { version: "2.8.2", nodes: 1 });
}

// The readers themselves, on what Java's console producer wrote. Fails if one of them is wrong, before it accuses ours.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn three_readers_agree_on_what_java_wrote_on_4_4_0() {
    let cluster = Cluster::start(Setup { version: "4.4.0", nodes: 1 });
    let keys: Vec<String> = (0..1_000).map(|i| format!("customer-{i}")).collect();
    cluster.create_topic("readers", PARTITIONS, &[]);

    console_producer(&cluster, "readers", &keys);

    let log = Log::fetch(&cluster, "readers", PARTITIONS);
    let by_us = lines_of(&log);
    assert_eq!(by_us.len(), keys.len());
    assert_eq!(sha256(console_consumer(&cluster, "readers", keys.len())), sha256(by_us.clone()));
    assert_eq!(sha256(kcat(&cluster, "readers")), sha256(by_us));
    identities_are_confirmed(&cluster, "readers", &log, &[]);
}

fn round_trips(setup: Setup) {
    let cluster = Cluster::start(setup);
    for (codec, number) in CODECS {
        let topic = format!("round-trip-{codec}");
        cluster.create_topic(&topic, PARTITIONS, &[]);
        let sent = send(&cluster, &topic, codec);

        let count = sent.lines.len();
        let (log, by_kafka, by_kcat) = thread::scope(|scope| {
            let by_kafka = scope.spawn(|| sha256(console_consumer(&cluster, &topic, count)));
            let by_kcat = scope.spawn(|| sha256(kcat(&cluster, &topic)));
            let log = Log::fetch(&cluster, &topic, PARTITIONS);
            (log, by_kafka.join().expect("the console consumer ran"), by_kcat.join().expect("kcat ran"))
        });

        assert_eq!(log.records.len(), count, "{codec}: our reader finds as many as were sent");
        let by_us = sha256(lines_of(&log));
        let expected = sha256(sent.lines);
        println!("{} x{} {codec}: {count} records, sha256 {expected}", setup.version, setup.nodes);
        assert_eq!(by_us, expected, "{codec}: our reader");
        assert_eq!(by_kafka, expected, "{codec}: Kafka's console consumer");
        assert_eq!(by_kcat, expected, "{codec}: kcat");
        identities_are_confirmed(&cluster, &topic, &log, &sent.identities);
        // A batch that does not shrink is sent as it is. These values shrink; a batch of a few, sealed by a slow moment, may not.
        let plain = log.batches.iter().filter(|batch| batch.codec != *number);
        let plain: Vec<_> = plain.filter(|batch| batch.codec != 0 || batch.record_count >= 10).collect();
        assert!(plain.is_empty(), "{codec}: every batch is compressed with it, yet: {plain:?}");
    }
}

/// What the producer was given and what it told.
struct SentRecords {
    lines: Vec<Line>,
    /// Partition, offset, producer id, epoch, base sequence of the batch.
    identities: Vec<(i32, i64, i64, i16, i32)>,
}

fn send(cluster: &Cluster, topic: &str, codec: &str) -> SentRecords {
    let producer = producer(cluster, &[], &[("compression.type", codec), ("linger.ms", "5")]);
    let begun_ms = now_ms();
    let mut pending = Vec::new();
    for i in 0..RECORDS {
        let (key, value) =
            (format!("customer-{}", i % 1_009), format!("order {i} of {codec} paid {}", i * 37 % 1_000));
        let header = format!("t{}", i % 13);
        let headers = [Header::new("trace", header.as_bytes()), Header::new("trace", b"again")];
        let record = Record::to(topic)
            .key(key.as_bytes())
            .value(value.as_bytes())
            .headers(&headers)
            .timestamp_ms(begun_ms + i % 10);
        let delivery = producer.send_blocking(record).expect("the record is accepted");
        pending.push((i, key, value, format!("trace={header},trace=again"), delivery));
    }
    let mut sent = SentRecords { lines: Vec::new(), identities: Vec::new() };
    for (i, key, value, headers, delivery) in pending {
        let report = delivery.wait().expect("the record is acknowledged");
        let (partition, offset) = (report.partition(), report.offset().expect("acks=all tells the offset"));
        let timestamp_ms = begun_ms + i % 10;
        assert_eq!(report.timestamp_ms(), timestamp_ms, "the topic keeps create times");
        let details = report.details();
        sent.identities.push((
            partition,
            offset,
            details.producer_id.expect("idempotence is on"),
            details.producer_epoch.expect("idempotence is on"),
            details.base_sequence.expect("idempotence is on"),
        ));
        sent.lines.push(Line { partition, offset, timestamp_ms, headers, key, value });
    }
    sent
}

/// Three witnesses of each batch's identity: Kafka's dump of its files, our Fetch, and what the producer told.
fn identities_are_confirmed(cluster: &Cluster, topic: &str, log: &Log, told: &[(i32, i64, i64, i16, i32)]) {
    let dumped = dump_log(cluster, 1, topic, PARTITIONS);
    assert_eq!(dumped, log.batches, "Kafka's dump and our reader see the same batches");
    for (partition, offset, producer_id, epoch, base_sequence) in told {
        let next =
            dumped.partition_point(|batch| (batch.partition, batch.base_offset) <= (*partition, *offset));
        let batch = next.checked_sub(1).and_then(|at| dumped.get(at)).expect("some batch holds the offset");
        assert!(
            batch.partition == *partition && batch.last_offset >= *offset,
            "no batch holds {partition}@{offset}"
        );
        let found = (batch.producer_id, batch.producer_epoch, batch.base_sequence);
        assert_eq!(found, (*producer_id, *epoch, *base_sequence), "identity of {partition}@{offset}");
    }
    for pair in dumped.windows(2) {
        if let [first, second] = pair
            && first.partition == second.partition
        {
            assert_eq!(
                second.base_sequence,
                first.base_sequence + first.record_count,
                "sequences have no gap"
            );
        }
    }
}
