//! Compaction: which records stay, where, when, and what a consumer sees. Lab 02.6 stands on this.

use std::collections::BTreeMap;
use std::time::Duration;

use facteur::Compression;
use facteur::broker::{Broker, BrokerConfig, CompactionCause, CompactionTiming, EventKind};
use facteur::wire::record_batch_reader::split_batches;
use proptest::prelude::*;

use crate::batch::{Batch, Pair};
use crate::client::{Client, Wait};
use crate::support::{START_MS, at, cluster, create, offset, read, table, write};

const COMPACT: (&str, &str) = ("cleanup.policy", "compact");

fn kafka_timing() -> BrokerConfig {
    BrokerConfig { compaction: CompactionTiming::Kafka, ..BrokerConfig::default() }
}

// Lab 02.6 with Kafka's own timing: the newest segment is never compacted, and one closes only when the next record comes.
// Fails if V2 went already, as the course's text says it would.
#[test]
fn with_kafkas_timing_the_active_segment_keeps_its_old_values() {
    let mut cluster = cluster(&kafka_timing());
    create(&mut cluster, "demo", &[COMPACT, ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.01")]);
    for (ms, value) in [(0, "V1"), (1_500, "V2"), (3_000, "V3")] {
        write(&mut cluster, "demo", &Batch::table(&[("customer-42", value)]).at(START_MS + ms), at(ms));
        cluster.sweep(at(ms + 100));
    }
    cluster.sweep(at(60_000));
    assert_eq!(table(&cluster, "demo"), ["1 customer-42=V2", "2 customer-42=V3"]);

    write(&mut cluster, "demo", &Batch::table(&[("another", "x")]).at(START_MS + 61_000), at(61_000));
    cluster.sweep(at(61_100));

    assert_eq!(table(&cluster, "demo"), ["2 customer-42=V3", "3 another=x"]);
}

// The lab's default: soon after the last write only V3 is left, and the event says that this was a shortcut.
#[test]
fn soon_after_a_write_the_teaching_shortcut_compacts_and_says_so() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "demo", &[COMPACT]);
    for value in ["V1", "V2", "V3"] {
        write(&mut cluster, "demo", &Batch::table(&[("customer-42", value)]).at(START_MS), at(0));
    }
    assert_eq!(cluster.soon_compactions(at(400)), [], "not while somebody may still be writing");
    cluster.take_events();

    cluster.compact_due(at(600));

    assert_eq!(table(&cluster, "demo"), ["2 customer-42=V3"]);
    let events = cluster.take_events();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.kind, EventKind::Compacted { removed: 2, kept: 1, cause: CompactionCause::Soon });
    assert!(event.reason().contains("teaching shortcut") && event.reason().contains("--strict-compaction"));
    assert_eq!(cluster.partition("demo", 0).unwrap().log.end_offset(), 3, "offsets go on where they were");
    assert_eq!(offset(write(&mut cluster, "demo", &Batch::table(&[("k", "v")]).at(START_MS), at(700))), 3);
}

// Reading the whole of a large log after each pause would cost more than it teaches.
#[test]
fn the_shortcut_leaves_large_logs_to_kafkas_timing() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "demo", &[COMPACT]);
    for _ in 0..3 {
        let batch = Batch { key: Some(b"k"), ..Batch::plain(10).sized(50_000) };
        write(&mut cluster, "demo", &batch.at(START_MS), at(0));
    }
    assert_eq!(cluster.soon_compactions(at(6_000)), []);
}

// A batch from which records go keeps its identity and its place, in every codec; one that loses nothing keeps its bytes.
#[test]
fn a_batch_with_holes_keeps_offsets_producer_codec_and_a_right_checksum() {
    let codecs = [
        Compression::None,
        Compression::Gzip(6),
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd(3),
    ];
    for codec in codecs {
        let mut cluster = cluster(&kafka_timing());
        create(&mut cluster, "demo", &[COMPACT]);
        let first =
            Batch::table(&[("a", "1"), ("b", "1"), ("c", "1")]).by(77, 2, 40).at(START_MS).compressed(codec);
        let second = Batch::table(&[("b", "2"), ("d", "1")]).at(START_MS).compressed(codec);
        write(&mut cluster, "demo", &first, at(0));
        write(&mut cluster, "demo", &second, at(0));
        let untouched = cluster.batches("demo", 0)[1].bytes.clone();

        let report = cluster.compact_topic("demo", at(1)).unwrap();

        assert_eq!((report.removed, report.kept), (1, 4));
        assert_eq!(table(&cluster, "demo"), ["0 a=1", "2 c=1", "3 b=2", "4 d=1"], "{codec:?}");
        let batches = cluster.batches("demo", 0);
        let view = facteur::wire::record_batch_reader::BatchView::parse(&batches[0].bytes).unwrap();
        assert_eq!((view.producer_id, view.producer_epoch, view.base_sequence), (77, 2, 40));
        assert_eq!((view.base_offset, view.last_offset_delta, view.record_count), (0, 2, 2));
        assert_eq!(view.codec().unwrap(), facteur::wire::compression::codec_of(codec));
        assert_eq!(batches[1].bytes, untouched, "{codec:?}");
        // The producer's state is not the log's: its retry is still recognised.
        assert_eq!(offset(write(&mut cluster, "demo", &first, at(2))), 0, "{codec:?}");
        assert_eq!(cluster.partition("demo", 0).unwrap().log.end_offset(), 5);
    }
}

// G45 (KAFKA-8335): Kafka's cleaner told batches apart by their sequence alone, so one producer's last batch could go for
// another's, and its state with it. Fails if after a compaction any of these retries is stored again.
#[test]
fn g45_compaction_keeps_producers_with_the_same_sequences_apart() {
    let mut cluster = cluster(&kafka_timing());
    create(&mut cluster, "demo", &[COMPACT]);
    let batches: Vec<Batch> = [(77, 0, 0), (78, 0, 0), (77, 1, 0), (79, 5, 0)]
        .into_iter()
        .map(|(id, epoch, first)| Batch::table(&[("k", "v")]).by(id, epoch, first).at(START_MS))
        .collect();
    for (batch, expected) in batches.iter().zip(0..) {
        assert_eq!(offset(write(&mut cluster, "demo", batch, at(0))), expected);
    }
    assert_eq!(cluster.compact_topic("demo", at(1)).unwrap().kept, 1);

    for (batch, expected) in batches.iter().zip(0..).skip(1) {
        assert_eq!(
            offset(write(&mut cluster, "demo", batch, at(2))),
            expected,
            "a duplicate of its own producer"
        );
    }
    assert_eq!(cluster.partition("demo", 0).unwrap().log.end_offset(), 4);
}

// KIP-534: a tombstone stays delete.retention.ms from the first compaction that met it, not from its own time.
#[test]
fn a_tombstone_stays_for_its_time_and_then_goes() {
    let mut cluster = cluster(&kafka_timing());
    create(&mut cluster, "demo", &[COMPACT, ("delete.retention.ms", "1000")]);
    write(&mut cluster, "demo", &Batch::table(&[("a", "1"), ("b", "1")]).at(START_MS), at(0));
    write(&mut cluster, "demo", &Batch::table(&[("a", "")]).at(START_MS), at(0));
    write(&mut cluster, "demo", &Batch::table(&[("c", "1")]).at(START_MS), at(0));

    cluster.compact_topic("demo", at(50_000)).unwrap();
    assert_eq!(table(&cluster, "demo"), ["1 b=1", "2 a=∅", "3 c=1"]);
    let record = &cluster.batches("demo", 0)[1];
    assert_eq!(record.summary.base_timestamp_ms, START_MS + 51_000, "the batch says when it may go");
    assert_eq!(record.summary.base_timestamp_ms + record.records().unwrap()[0].timestamp_delta_ms, START_MS);
    cluster.compact_topic("demo", at(50_999)).unwrap();
    assert_eq!(table(&cluster, "demo").len(), 3, "its time has not come");
    cluster.compact_topic("demo", at(51_000)).unwrap();

    assert_eq!(table(&cluster, "demo"), ["1 b=1", "3 c=1"]);
}

// A reader at the tombstone that goes must get past it: else `consume -e` would wait for ever.
#[test]
fn a_log_that_ends_in_a_removed_tombstone_still_leads_to_its_end() {
    let mut cluster = cluster(&kafka_timing());
    create(&mut cluster, "demo", &[COMPACT, ("delete.retention.ms", "0")]);
    write(&mut cluster, "demo", &Batch::table(&[("a", "1")]).at(START_MS), at(0));
    write(&mut cluster, "demo", &Batch::table(&[("a", "")]).at(START_MS), at(0));
    cluster.compact_topic("demo", at(1)).unwrap();
    cluster.compact_topic("demo", at(2)).unwrap();

    assert_eq!(read(&cluster, "demo"), []);
    let batches = cluster.batches("demo", 0);
    assert_eq!((batches.len(), batches[0].last_offset(), batches[0].record_count()), (1, 1, 0));
    write(&mut cluster, "demo", &Batch::table(&[("b", "1")]).at(START_MS), at(3));
    cluster.compact_topic("demo", at(4)).unwrap();
    assert_eq!(cluster.batches("demo", 0).len(), 1, "an empty header goes when others follow it");
}

// min.compaction.lag.ms promises that a reader who is that close behind sees every value.
#[test]
fn records_younger_than_the_minimal_lag_are_safe() {
    let mut cluster = cluster(&kafka_timing());
    create(&mut cluster, "demo", &[COMPACT, ("min.compaction.lag.ms", "10000"), ("segment.ms", "1")]);
    for (ms, value) in [(0, "1"), (100, "2"), (9_000, "3"), (9_100, "4"), (9_200, "5")] {
        write(&mut cluster, "demo", &Batch::table(&[("a", value)]).at(START_MS + ms), at(ms));
    }

    cluster.sweep(at(11_000));
    assert_eq!(table(&cluster, "demo"), ["1 a=2", "2 a=3", "3 a=4", "4 a=5"]);
    cluster.sweep(at(30_000));

    assert_eq!(table(&cluster, "demo"), ["3 a=4", "4 a=5"], "the active segment is safe in any case");
}

// The ratio keeps Kafka from reading a large log for a few new bytes; the maximal lag overrules it.
#[test]
fn the_dirty_ratio_holds_back_and_the_maximal_lag_overrules() {
    let mut cluster = cluster(&kafka_timing());
    create(
        &mut cluster,
        "demo",
        &[
            COMPACT,
            ("min.cleanable.dirty.ratio", "0.9"),
            ("max.compaction.lag.ms", "60000"),
            ("segment.ms", "1"),
        ],
    );
    for (ms, key) in [(0, "a"), (10, "b"), (20, "c")] {
        write(&mut cluster, "demo", &Batch::table(&[(key, "1")]).at(START_MS + ms), at(ms));
    }
    cluster.sweep(at(30));
    write(&mut cluster, "demo", &Batch::table(&[("a", "2")]).at(START_MS + 40), at(40));
    write(&mut cluster, "demo", &Batch::table(&[("d", "1")]).at(START_MS + 50), at(50));
    cluster.take_events();

    cluster.sweep(at(59_000));
    assert_eq!(table(&cluster, "demo").len(), 5, "half of the log is dirty, that is too little");
    cluster.sweep(at(60_100));

    assert_eq!(table(&cluster, "demo"), ["1 b=1", "2 c=1", "3 a=2", "4 d=1"]);
    let causes: Vec<EventKind> = cluster.take_events().into_iter().map(|event| event.kind).collect();
    assert_eq!(causes, [EventKind::Compacted { removed: 1, kept: 3, cause: CompactionCause::MaxLag }]);
}

// A topic that becomes compacted has records without keys from before; they have no place in a table.
#[test]
fn a_topic_that_becomes_compacted_loses_its_records_without_keys() {
    let mut cluster = cluster(&kafka_timing());
    create(&mut cluster, "demo", &[]);
    write(&mut cluster, "demo", &Batch::plain(2).at(START_MS), at(0));
    write(&mut cluster, "demo", &Batch::table(&[("a", "1")]).at(START_MS), at(0));
    let compacted = facteur::broker::topic_config::TopicConfig::from_pairs(&[(
        "cleanup.policy".to_owned(),
        Some("compact".to_owned()),
    )]);
    assert!(cluster.compact_topic("demo", at(1)).is_none(), "not before");

    assert!(cluster.alter_topic("demo", compacted.unwrap(), "cleanup.policy=compact", at(1)));
    cluster.compact_topic("demo", at(2)).unwrap();

    assert_eq!(table(&cluster, "demo"), ["2 a=1"]);
}

// Two compactions of one log at once, and retention in between: the slower one must not bring back what is gone.
#[test]
fn a_compaction_that_was_overtaken_changes_nothing() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "demo", &[("cleanup.policy", "compact,delete")]);
    for value in ["1", "2"] {
        write(&mut cluster, "demo", &Batch::table(&[("a", value)]).at(START_MS), at(0));
    }
    let due = cluster.soon_compactions(at(1_000)).remove(0);
    let slow = cluster.begin_compaction(due.clone(), at(1_000)).unwrap().run();
    let cut = cluster.begin_compaction(due, at(1_000)).unwrap().run();
    cluster.delete_records("demo", 0, 2, at(1_001)).unwrap();

    assert_eq!(cluster.finish_compaction(cut, at(1_002)).removed, 1);
    assert_eq!(read(&cluster, "demo"), [], "what was deleted meanwhile stays deleted");
    assert_eq!(cluster.finish_compaction(slow, at(1_003)).removed, 0);
    assert_eq!((cluster.memory_bytes(), cluster.partition("demo", 0).unwrap().log.size_bytes()), (0, 0));
}

fn contents() -> impl Strategy<Value = Vec<Vec<Pair>>> {
    let key = proptest::collection::vec(0..6_u8, 1..2);
    let value = proptest::option::weighted(0.8, proptest::collection::vec(any::<u8>(), 0..20));
    let pair = (key.prop_map(Some), value);
    proptest::collection::vec(proptest::collection::vec(pair, 1..6), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // The law of a compacted log: whatever is written, compacted and written again, the last value of each key is there
    // at its own offset, nothing else is, and offsets rise. Fails if a record is lost, moved, or kept too long.
    #[test]
    fn compaction_keeps_exactly_the_last_value_of_each_key(batches in contents(), pauses in any::<u32>(), codec in 0..5_usize) {
        let mut cluster = cluster(&kafka_timing());
        create(&mut cluster, "demo", &[COMPACT, ("internal.segment.bytes", "200")]);
        let codec = [Compression::None, Compression::Gzip(1), Compression::Snappy, Compression::Lz4, Compression::Zstd(1)][codec];
        let mut expected = BTreeMap::new();
        let mut next = 0_i64;
        for (index, contents) in batches.iter().enumerate() {
            let batch = Batch::containing(contents).at(START_MS).compressed(codec);
            prop_assert_eq!(offset(write(&mut cluster, "demo", &batch, at(0))), next);
            for pair in contents {
                expected.insert(pair.0.clone(), (next, pair.clone()));
                next += 1;
            }
            if pauses >> (index % 32) & 1 == 1 {
                cluster.compact_topic("demo", at(1)).unwrap();
            }
        }

        cluster.compact_topic("demo", at(2)).unwrap();

        let mut wanted: Vec<(i64, Pair)> = expected.into_values().collect();
        wanted.sort_by_key(|(offset, _)| *offset);
        prop_assert_eq!(read(&cluster, "demo"), wanted);
        let log = &cluster.partition("demo", 0).unwrap().log;
        prop_assert_eq!((log.start_offset(), log.end_offset()), (0, next));
        let sizes: u64 = log.batches().map(|batch| batch.bytes.len() as u64).sum();
        prop_assert_eq!((log.size_bytes(), cluster.memory_bytes()), (sizes, sizes));
        // And once more: nothing changes any more.
        let again = cluster.compact_topic("demo", at(3)).unwrap();
        prop_assert_eq!(again.removed, 0);
    }
}

// Over the socket: a record without key is refused as by Kafka, and a consumer reads across the holes.
#[tokio::test]
async fn a_client_writes_to_a_compacted_topic_and_reads_what_is_left() {
    let broker = Broker::start(BrokerConfig::default()).await.unwrap();
    let mut events = broker.subscribe();
    let mut client = Client::connect(&broker.bootstrap()).await;
    assert_eq!(client.create_topic("demo", &[COMPACT]).await, 0);

    assert_eq!(client.produce("demo", &Batch::plain(1).bytes()).await.unwrap().code, 87);
    for value in ["V1", "V2", "V3"] {
        let batch = Batch::table(&[("customer-42", value), ("other", value)]).bytes();
        assert_eq!(client.produce("demo", &batch).await.unwrap().code, 0);
    }
    let compacted = async {
        while !matches!(events.recv().await.unwrap().kind, EventKind::Compacted { removed: 4, kept: 2, .. }) {
        }
    };
    tokio::time::timeout(Duration::from_secs(20), compacted)
        .await
        .expect("four records go soon after the writes");

    for from in [0, 3] {
        let (code, high_watermark, bytes) = client.fetch("demo", from, Wait::NOT).await.unwrap();
        assert_eq!((code, high_watermark), (0, 6));
        let batches: Vec<_> = split_batches(bytes).map(Result::unwrap).collect();
        assert_eq!(
            (batches.len(), batches[0].base_offset, batches[0].record_count),
            (1, 4, 2),
            "from {from}"
        );
    }
    assert_eq!(client.list_offset("demo", -2).await, (0, -1, 0));
    broker.stop().await;
}

// `BrokerHandle::compact` is the lab's explicit wish; on a topic of another policy it must say so.
#[tokio::test]
async fn the_handle_compacts_at_once_and_names_what_it_cannot() {
    let broker = Broker::start(kafka_timing()).await.unwrap();
    broker.create_topic_with("demo", 1, &[COMPACT]).unwrap();
    broker.create_topic("plain", 1).unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await;
    for value in ["V1", "V2"] {
        client.produce("demo", &Batch::table(&[("k", value)]).bytes()).await.unwrap();
    }

    let report = broker.compact("demo").unwrap();

    assert_eq!((report.removed, report.kept), (1, 1));
    let error = broker.compact("plain").unwrap_err().to_string();
    assert!(error.contains("plain") && error.contains("cleanup.policy"), "{error}");
}
