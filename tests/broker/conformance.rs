//! The deduplication table: D1-D13, D17-D19 and K1-K10, as raw bytes, with the answers that real brokers gave.
//!
//! Measured on Apache Kafka 4.4.0, 3.9.2 and 2.8.2 with Produce 7, acks=-1, one partition, one node; the three differ only
//! for a timestamp ten days ahead. `FACTEUR_KAFKA_BOOTSTRAP=host:port` runs the same table against a real broker, with
//! the same expectations. D14-D16 need three nodes and D20 a follower; D17 needs the clock and stands in `retention.rs`.

use facteur::HostPort;

use crate::batch::{Batch, Lie, wall_ms};
use crate::client::{Client, broker_with};

/// One row: batches in order with code, base offset and append time, and the records in the log at the end.
struct Row {
    name: &'static str,
    steps: Vec<Step>,
    records: i64,
}

struct Step {
    batch: Batch,
    code: i16,
    base_offset: i64,
    /// -1 for a first append; a duplicate is answered with the batch's largest timestamp.
    append_time_ms: i64,
}

fn appended(batch: Batch, base_offset: i64) -> Step {
    Step { batch, code: 0, base_offset, append_time_ms: -1 }
}

fn recognised(batch: Batch, base_offset: i64) -> Step {
    let append_time_ms = batch.timestamp_ms + i64::from(batch.records) - 1;
    Step { batch, code: 0, base_offset, append_time_ms }
}

fn refused(batch: Batch, code: i16) -> Step {
    Step { batch, code, base_offset: -1, append_time_ms: -1 }
}

fn row(name: &'static str, steps: Vec<Step>, records: i64) -> Row {
    Row { name, steps, records }
}

/// A producer id that no broker has given out.
const ID: i64 = 7_000_000_000;

fn sequence_rows() -> Vec<Row> {
    let of = |first, records| Batch::of(ID, 0, first, records);
    let again = of(10, 5);
    let pushed_out = of(10, 5);
    let mut window = vec![appended(of(0, 10), 0), appended(pushed_out.clone(), 10)];
    window.extend((0..5).map(|index| appended(of(15 + index, 1), 15 + i64::from(index))));
    window.push(refused(pushed_out, 45));
    let mut five = vec![appended(of(0, 1), 0), appended(of(1, 1), 1)];
    let oldest = of(2, 1);
    five.push(appended(oldest.clone(), 2));
    five.extend((3..7).map(|first| appended(of(first, 1), i64::from(first))));
    five.push(recognised(oldest, 2));
    vec![
        row("D1 a new producer begins at 0", vec![appended(of(0, 5), 0)], 5),
        row("D2 a new producer begins at 7 in a log never written", vec![appended(of(7, 5), 0)], 5),
        row(
            "D3 as D2 behind a record without id",
            vec![appended(Batch::plain(1), 0), appended(of(7, 5), 1)],
            6,
        ),
        row("D4 the next sequence", vec![appended(of(0, 10), 0), appended(of(10, 5), 10)], 15),
        row(
            "D5, K1 a duplicate",
            vec![appended(of(0, 10), 0), appended(again.clone(), 10), recognised(again, 10)],
            15,
        ),
        row("the fifth-newest is still remembered", five, 7),
        row("D6, K2 a duplicate pushed out of the window", window, 20),
        row(
            "D7, K3 a shorter copy",
            vec![appended(of(0, 10), 0), appended(of(10, 5), 10), refused(of(10, 3), 45)],
            15,
        ),
        row(
            "D7, K3 a longer copy",
            vec![appended(of(0, 10), 0), appended(of(10, 5), 10), refused(of(10, 7), 45)],
            15,
        ),
        row(
            "D8, K4 a gap",
            vec![appended(of(0, 10), 0), appended(of(10, 5), 10), refused(of(16, 1), 45)],
            15,
        ),
        row(
            "D9, K7 the wrap between batches",
            vec![appended(of(i32::MAX - 4, 5), 0), appended(of(0, 5), 5)],
            10,
        ),
        row(
            "D10 the wrap inside a batch",
            vec![
                appended(of(i32::MAX - 16, 10), 0),
                appended(of(i32::MAX - 6, 10), 10),
                appended(of(3, 3), 20),
            ],
            23,
        ),
        row("K6 an unknown producer in the middle of its sequence", vec![appended(of(42, 1), 0)], 1),
    ]
}

fn epoch_rows() -> Vec<Row> {
    let of = |epoch, first, records| Batch::of(ID, epoch, first, records);
    let old = of(0, 0, 5);
    vec![
        row("D11 the next epoch begins at 0", vec![appended(of(3, 0, 5), 0), appended(of(4, 0, 5), 5)], 10),
        row("D12 the next epoch begins at 5", vec![appended(of(3, 0, 5), 0), refused(of(4, 5, 5), 45)], 5),
        row("D13 an older epoch", vec![appended(of(4, 0, 5), 0), refused(of(3, 0, 5), 47)], 5),
        row(
            "K5 a bumped epoch ends deduplication of the old one",
            vec![
                appended(old.clone(), 0),
                appended(of(1, 0, 5), 5),
                refused(old, 47),
                refused(of(2, 5, 1), 45),
            ],
            10,
        ),
        row(
            "a producer id with epoch -1 is appended, and nobody should send it",
            vec![appended(of(-1, 0, 1), 0)],
            1,
        ),
    ]
}

fn validation_rows() -> Vec<Row> {
    let wrong = |name, lie, code| row(name, vec![refused(Batch::of(ID, 0, 0, 3).lie(lie), code)], 0);
    vec![
        wrong("D18, K8 two batches", Lie::Twice, 87),
        wrong("D18, K8 magic 1", Lie::Header(16, &[1]), 87),
        wrong("D18 control bit", Lie::Header(21, &[0, 0x20]), 87),
        wrong("D18, K8 wrong count", Lie::Header(57, &[0, 0, 0, 5]), 87),
        wrong("D18 wrong last offset delta", Lie::Header(23, &[0, 0, 0, 7]), 87),
        wrong("D18, K8 base offset not 0", Lie::Header(0, &[0, 0, 0, 0, 0, 0, 0, 9]), 87),
        wrong("D18, K8 no records", Lie::Empty, 87),
        wrong("D18, K8 CRC", Lie::Crc, 2),
        wrong("D19 transactional bit without a transaction", Lie::Header(21, &[0, 0x10]), 53),
        row("producer id with sequence -1", vec![refused(Batch::of(ID, 0, -1, 1), 87)], 0),
        row(
            "a refused batch leaves no trace",
            vec![
                appended(Batch::of(ID, 0, 0, 5), 0),
                refused(Batch::of(ID, 0, 5, 5).lie(Lie::Crc), 2),
                appended(Batch::of(ID, 0, 5, 5), 5),
            ],
            10,
        ),
        row(
            "timestamp ten days ahead (4.4; 3.9 and 2.8 append)",
            vec![refused(Batch::plain(1).at(wall_ms() + 864_000_000), 32)],
            0,
        ),
    ]
}

async fn run(address: &HostPort, prefix: &str, rows: Vec<Row>) {
    let mut client = Client::connect(address).await;
    for (number, row) in rows.iter().enumerate() {
        let topic = format!("{prefix}-{number}");
        assert_eq!(client.create_topic(&topic, &[]).await, 0, "{}", row.name);
        // A real cluster answers 3 or 6 until the new partition's leader has heard of it.
        let mut tries = 0;
        while client.list_offset(&topic, -1).await.0 != 0 {
            tries += 1;
            assert!(tries < 100_000, "{}: the partition has no leader", row.name);
        }
        for (index, step) in row.steps.iter().enumerate() {
            let found = client.produce(&topic, &step.batch.bytes()).await.unwrap();
            let expected = (step.code, step.base_offset, step.append_time_ms);
            assert_eq!(
                (found.code, found.base_offset, found.append_time_ms),
                expected,
                "{}, batch {index}: code, base offset, append time",
                row.name
            );
        }
        let (_, _, next) = client.list_offset(&topic, -1).await;
        assert_eq!(next, row.records, "{}: records in the log", row.name);
    }
}

/// The broker under test: our own, or the one that the environment names.
pub fn real_kafka() -> Option<HostPort> {
    let address = std::env::var("FACTEUR_KAFKA_BOOTSTRAP").ok()?;
    let (host, port) = address.rsplit_once(':').expect("FACTEUR_KAFKA_BOOTSTRAP is host:port");
    Some(HostPort { host: host.to_owned(), port: port.parse().unwrap() })
}

async fn run_everywhere(prefix: &str, rows: fn() -> Vec<Row>) {
    let broker = broker_with(&[]).await;
    run(&broker.bootstrap(), prefix, rows()).await;
    broker.stop().await;
    if let Some(kafka) = real_kafka() {
        run(&kafka, &format!("{prefix}-{}", wall_ms()), rows()).await;
    }
}

// The broker's half of idempotence, as measured. A row fails by name with what was answered instead.
#[tokio::test]
async fn sequences_are_answered_as_by_a_real_broker() {
    run_everywhere("sequences", sequence_rows).await;
}

// A producer bumps its epoch by itself (KIP-360); the old epoch must be dead afterwards.
#[tokio::test]
async fn epochs_are_answered_as_by_a_real_broker() {
    run_everywhere("epochs", epoch_rows).await;
}

// Malformed batches: nearly all 87, and nothing in the log.
#[tokio::test]
async fn malformed_batches_are_refused_as_by_a_real_broker() {
    run_everywhere("malformed", validation_rows).await;
}

// K9, K10: with one node the high watermark has passed at once, so acks -1, 1 and the retry of either agree.
#[tokio::test]
async fn a_retry_with_other_acks_is_still_recognised() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let batch = Batch::of(ID, 0, 0, 3).bytes();

    client.send_produce("orders", 0, 1, &batch).await;
    let first = client.produced().await.unwrap();
    let second = client.produce("orders", &batch).await.unwrap();

    assert_eq!((first.code, first.base_offset), (0, 0));
    assert_eq!((second.code, second.base_offset), (0, 0));
    assert_eq!(broker.high_watermark("orders", 0), Some(3));
}

// 8.1 step 4 and step 12: acks out of range is 21 for all; acks=0 is never answered, and an error closes.
#[tokio::test]
async fn acks_zero_is_silent_and_an_error_closes() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    client.send_produce("orders", 0, 2, &Batch::plain(1).bytes()).await;
    assert_eq!(client.produced().await.unwrap().code, 21);

    client.send_produce("orders", 0, 0, &Batch::plain(1).bytes()).await;
    let (_, _, next) = client.list_offset("orders", -1).await;
    assert_eq!(next, 1, "the answer to the next request comes right behind");

    client.send_produce("orders", 0, 0, &Batch::plain(1).lie(Lie::Crc).bytes()).await;
    assert_eq!(client.receive().await, None);
}
