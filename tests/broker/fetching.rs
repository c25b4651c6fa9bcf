//! Reading back: verbatim batches, long polling, limits, offsets by time.

use facteur::Compression;
use facteur::wire::record_batch_reader::BatchView;

use crate::batch::{Batch, wall_ms};
use crate::client::{Client, Wait, broker_with};

// Consumers and checksums rely on it: only base offset and leader epoch differ from what was sent.
#[tokio::test]
async fn batches_come_back_verbatim_but_for_their_place() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let codecs = [
        Compression::None,
        Compression::Gzip(6),
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd(3),
    ];
    let mut expected = Vec::new();
    for (index, codec) in (0_i64..).zip(codecs) {
        let sent = Batch::plain(4).compressed(codec).bytes();
        assert_eq!(client.produce("orders", &sent).await.unwrap().base_offset, index * 4);
        expected.extend_from_slice(&(index * 4).to_be_bytes());
        expected.extend_from_slice(&sent[8..12]);
        expected.extend_from_slice(&[0; 4]);
        expected.extend_from_slice(&sent[16..]);
    }

    let (code, high_watermark, records) = client.fetch("orders", 0, Wait::NOT).await.unwrap();

    assert_eq!((code, high_watermark), (0, 20));
    assert!(records == expected, "the bytes differ from what was sent");
}

// A consumer at the end must get its answer when data comes, not when its time is up (an hour here).
#[tokio::test]
async fn a_fetch_at_the_end_is_answered_by_the_next_append() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut consumer = Client::connect(&broker.bootstrap()).await;
    let mut producer = Client::connect(&broker.bootstrap()).await;

    consumer.send_fetch("orders", 0, Wait { max_ms: 3_600_000, ..Wait::NOT }).await;
    producer.produce("orders", &Batch::plain(1).bytes()).await.unwrap();
    let (code, high_watermark, records) = consumer.fetched().await.unwrap();

    assert_eq!((code, high_watermark), (0, 1));
    assert!(!records.is_empty());
}

// min.bytes holds an answer back; max.wait ends the waiting with what there is.
#[tokio::test]
async fn a_fetch_waits_for_enough_bytes_or_the_end_of_its_time() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    client.produce("orders", &Batch::plain(1).bytes()).await.unwrap();

    let empty = client.fetch("orders", 1, Wait { max_ms: 20, ..Wait::NOT }).await.unwrap();
    let little =
        client.fetch("orders", 0, Wait { max_ms: 20, min_bytes: 1 << 19, ..Wait::NOT }).await.unwrap();

    assert_eq!((empty.0, empty.2.len()), (0, 0));
    assert!(!little.2.is_empty());
}

// A consumer with a small limit would be stuck for ever at a large batch.
#[tokio::test]
async fn at_least_one_batch_is_given_however_small_the_limit() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for _ in 0..3 {
        client.produce("orders", &Batch::plain(1).sized(5_000).bytes()).await.unwrap();
    }

    let one = client.fetch("orders", 1, Wait { max_bytes: 10, ..Wait::NOT }).await.unwrap().2;
    let two = client.fetch("orders", 0, Wait { max_bytes: 11_000, ..Wait::NOT }).await.unwrap().2;

    assert_eq!(BatchView::parse(&one).unwrap().base_offset, 1);
    assert_eq!(BatchView::parse(&one).unwrap().total_size_bytes, one.len());
    assert_eq!(BatchView::parse(&two).unwrap().total_size_bytes * 2, two.len());
}

// Errors that consumers act upon.
#[tokio::test]
async fn impossible_places_are_answered_at_once() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let patient = Wait { max_ms: 3_600_000, ..Wait::NOT };

    assert_eq!(client.fetch("orders", 1, patient).await.unwrap().0, 1);
    assert_eq!(client.fetch("orders", -7, patient).await.unwrap().0, 1);
    assert_eq!(client.fetch("missing", 0, patient).await.unwrap().0, 3);
    assert_eq!(client.list_offset("missing", -1).await.0, 3);
}

// Time questions look into batches, compressed ones too.
#[tokio::test]
async fn offsets_are_found_by_time() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let start = wall_ms() - 1_000_000;
    client.produce("orders", &Batch::plain(10).at(start).compressed(Compression::Lz4).bytes()).await.unwrap();
    client.produce("orders", &Batch::plain(10).at(start + 500).bytes()).await.unwrap();

    assert_eq!(client.list_offset("orders", -2).await, (0, -1, 0));
    assert_eq!(client.list_offset("orders", -1).await, (0, -1, 20));
    assert_eq!(client.list_offset("orders", start + 3).await, (0, start + 3, 3));
    assert_eq!(client.list_offset("orders", start + 10).await, (0, start + 500, 10));
    assert_eq!(client.list_offset("orders", start + 9_999).await, (0, -1, -1));
    assert_eq!(client.list_offset("orders", -3).await, (0, start + 509, 19));
}

// LogAppendTime rewrites the timestamps and the checksum, and says the time in the answer.
#[tokio::test]
async fn a_log_append_time_topic_stamps_batches_itself() {
    let broker = broker_with(&[]).await;
    broker.create_topic_with("orders", 1, &[("message.timestamp.type", "LogAppendTime")]).unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await;

    let answer = client.produce("orders", &Batch::plain(2).at(1_000).bytes()).await.unwrap();

    let stored = broker.log("orders", 0);
    let view = BatchView::parse(&stored[0].bytes).unwrap();
    assert!(view.crc_is_valid() && view.is_log_append_time());
    assert_eq!(view.max_timestamp_ms, answer.append_time_ms);
    assert!(answer.append_time_ms > 1_000);
}
