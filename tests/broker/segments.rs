//! Segments, retention and timestamps by a topic's settings, with a clock of the test's own.

use facteur::broker::BrokerConfig;
use facteur::broker::log_validator::{Rules, single_batch, validate};
use facteur::broker::topic_config::TopicConfig;
use facteur::wire::record_batch::CodecId;
use facteur::wire::record_batch_reader::BatchView;
use facteur::{Compression, ErrorCode};

use crate::batch::Batch;
use crate::support::{START_MS, at, cluster, create, read, write};

fn segments(cluster: &facteur::broker::cluster::Cluster) -> usize {
    cluster.partition("t", 0).unwrap().log.segment_count()
}

fn config(settings: &[(&str, &str)]) -> TopicConfig {
    let pairs: Vec<(String, Option<String>)> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    TopicConfig::from_pairs(&pairs).unwrap()
}

// segment.ms counts by record time from the segment's first batch, and acts only when the next record is appended.
#[test]
fn a_segment_rolls_by_time_only_when_the_next_record_comes() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "t", &[("segment.ms", "1000")]);
    write(&mut cluster, "t", &Batch::plain(1).at(START_MS), at(0));
    cluster.sweep(at(500_000));
    assert_eq!(segments(&cluster), 1, "time alone closes nothing");

    write(&mut cluster, "t", &Batch::plain(1).at(START_MS + 1_000), at(500_000));
    assert_eq!(segments(&cluster), 1, "exactly segment.ms apart is not longer");
    write(&mut cluster, "t", &Batch::plain(1).at(START_MS + 1_001), at(500_000));
    assert_eq!(segments(&cluster), 2);
    write(&mut cluster, "t", &Batch::plain(1).at(START_MS), at(500_000));
    assert_eq!(segments(&cluster), 2, "an older record joins the newest segment");
}

#[test]
fn a_segment_rolls_when_the_next_batch_would_not_fit() {
    // Fails if a segment grows beyond its size, or is closed a batch too early.
    let size = Batch::plain(1).sized(100).bytes().len();
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "t", &[("internal.segment.bytes", &(2 * size).to_string())]);
    let counts: Vec<usize> = (0..5)
        .map(|_| {
            write(&mut cluster, "t", &Batch::plain(1).sized(100).at(START_MS), at(0));
            segments(&cluster)
        })
        .collect();
    assert_eq!(counts, [1, 1, 2, 2, 3]);
}

// Kafka keeps at least retention.bytes: a segment goes when the rest alone has as many.
#[test]
fn retention_bytes_keeps_at_least_what_it_says() {
    let size = u64::try_from(Batch::plain(1).sized(1_000).bytes().len()).unwrap();
    let mut cluster = cluster(&BrokerConfig::default());
    create(
        &mut cluster,
        "t",
        &[("internal.segment.bytes", &size.to_string()), ("retention.bytes", &(3 * size).to_string())],
    );
    for _ in 0..10 {
        write(&mut cluster, "t", &Batch::plain(1).sized(1_000).at(START_MS), at(0));
    }
    let log = &cluster.partition("t", 0).unwrap().log;
    assert_eq!((log.size_bytes(), log.start_offset(), log.end_offset()), (3 * size, 7, 10));
}

// A topic with both policies is a table that forgets: old segments go even if they hold the newest value of a key.
#[test]
fn compact_and_delete_together_forget_old_segments() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(
        &mut cluster,
        "t",
        &[("cleanup.policy", "compact,delete"), ("retention.ms", "10000"), ("segment.ms", "100")],
    );
    write(&mut cluster, "t", &Batch::table(&[("old", "1")]).at(START_MS), at(0));
    write(&mut cluster, "t", &Batch::table(&[("new", "1")]).at(START_MS + 9_000), at(9_000));

    cluster.sweep(at(10_500));

    assert_eq!(crate::support::table(&cluster, "t"), ["1 new=1"]);
    assert_eq!(cluster.partition("t", 0).unwrap().log.start_offset(), 1);
}

// `kafka-configs --alter` on a living topic: the new limit acts on the next append.
#[test]
fn altered_limits_act_on_what_is_written_next() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "t", &[]);
    write(&mut cluster, "t", &Batch::plain(1).at(START_MS), at(0));
    write(&mut cluster, "t", &Batch::plain(1).at(START_MS + 5_000), at(5_000));
    assert_eq!(segments(&cluster), 1);

    assert!(cluster.alter_topic("t", config(&[("segment.ms", "1000")]), "segment.ms=1000", at(5_000)));
    write(&mut cluster, "t", &Batch::plain(1).at(START_MS + 6_000), at(6_000));

    assert_eq!(segments(&cluster), 2);
    let what = cluster.take_events().iter().map(facteur::broker::BrokerEvent::reason).collect::<String>();
    assert!(what.contains("settings changed: segment.ms=1000"), "{what}");
}

fn stored(batch: &Batch, config: &TopicConfig, now_ms: i64) -> Result<BatchView, ErrorCode> {
    let bytes = batch.bytes().into();
    let view = single_batch(Some(&bytes)).unwrap();
    let rules = Rules { produce_version: 9, topic: config, now_ms };
    validate(&view, &bytes, &rules)
        .map(|valid| BatchView::parse(&valid.bytes).unwrap())
        .map_err(|refusal| refusal.code)
}

// Whose clock counts, and how far a record's own may be off: 32 INVALID_TIMESTAMP outside, with the broker's clock never.
#[test]
fn timestamps_obey_their_type_and_their_bounds() {
    let tight =
        config(&[("message.timestamp.after.max.ms", "100"), ("message.timestamp.before.max.ms", "50")]);
    for (ms, expected) in [(100, None), (101, Some(32)), (-50, None), (-51, Some(32))] {
        let result = stored(&Batch::plain(1).at(START_MS + ms), &tight, START_MS);
        assert_eq!(result.err().map(|code| code.0), expected, "{ms} ms off");
    }
    let append =
        config(&[("message.timestamp.type", "LogAppendTime"), ("message.timestamp.after.max.ms", "0")]);
    let view = stored(&Batch::plain(3).at(START_MS + 99), &append, START_MS).unwrap();
    assert!(view.is_log_append_time() && view.crc_is_valid());
    assert_eq!(view.max_timestamp_ms, START_MS);
}

// max.message.bytes counts the batch as it came, compressed and with its header.
#[test]
fn max_message_bytes_is_the_size_of_the_whole_batch() {
    let batch = Batch::plain(1).at(START_MS);
    let size = batch.bytes().len();
    let limited = |limit: usize| config(&[("max.message.bytes", &limit.to_string())]);
    assert!(stored(&batch, &limited(size), START_MS).is_ok());
    assert_eq!(stored(&batch, &limited(size - 1), START_MS).unwrap_err(), ErrorCode::MESSAGE_TOO_LARGE);
}

// compression.type decides what is stored; `producer` keeps the bytes, another name packs anew with the same contents.
#[test]
fn compression_type_decides_how_batches_are_stored() {
    for (name, codec) in [("uncompressed", CodecId::None), ("lz4", CodecId::Lz4), ("producer", CodecId::Gzip)]
    {
        let batch = Batch::plain(20).sized(50).by(5, 0, 3).at(START_MS).compressed(Compression::Gzip(6));
        let view = stored(&batch, &config(&[("compression.type", name)]), START_MS).unwrap();
        assert_eq!(view.codec().unwrap(), codec, "{name}");
        assert!(view.crc_is_valid());
        assert_eq!((view.producer_id, view.base_sequence, view.record_count), (5, 3, 20));
        let mut cluster = cluster(&BrokerConfig::default());
        create(&mut cluster, "t", &[("compression.type", name)]);
        write(&mut cluster, "t", &batch, at(0));
        assert_eq!(read(&cluster, "t").len(), 20);
    }
}

// DeleteRecords moves the start, drops what lies before it, and is refused where it cannot be meant.
#[test]
fn deleting_records_moves_the_start_of_the_log() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "t", &[("internal.segment.bytes", "1")]);
    create(&mut cluster, "table", &[("cleanup.policy", "compact")]);
    for _ in 0..4 {
        write(&mut cluster, "t", &Batch::plain(2).at(START_MS), at(0));
    }
    let code = |result: Result<i64, ErrorCode>| result.unwrap_err().0;

    assert_eq!(cluster.delete_records("t", 0, 3, at(1)), Ok(3));
    let log = &cluster.partition("t", 0).unwrap().log;
    assert_eq!((log.start_offset(), log.segment_count()), (3, 3), "a batch that is cut in two stays");
    assert_eq!(cluster.delete_records("t", 0, 1, at(1)), Ok(3), "the start never moves back");
    assert_eq!(code(cluster.delete_records("t", 0, 9, at(1))), 1);
    assert_eq!(code(cluster.delete_records("t", 0, -2, at(1))), 1);
    assert_eq!(code(cluster.delete_records("t", 1, 0, at(1))), 3);
    assert_eq!(code(cluster.delete_records("none", 0, 0, at(1))), 3);
    assert_eq!(code(cluster.delete_records("table", 0, 0, at(1))), 44);
    assert_eq!(cluster.delete_records("t", 0, -1, at(1)), Ok(8));
    assert_eq!((cluster.memory_bytes(), cluster.partition("t", 0).unwrap().log.end_offset()), (0, 8));
    write(&mut cluster, "t", &Batch::plain(1).at(START_MS), at(2));
    assert_eq!(read(&cluster, "t").len(), 1);
}

// More partitions only ever come on top; fewer, as many, or none at all are refused with 37.
#[test]
fn partitions_can_only_be_added() {
    let mut cluster = cluster(&BrokerConfig { max_partitions: 5, ..BrokerConfig::default() });
    create(&mut cluster, "t", &[]);
    let refused = |cluster: &mut facteur::broker::cluster::Cluster, total| {
        cluster.add_partitions("t", total, at(1)).unwrap_err().0.0
    };
    assert_eq!([0, 1, -1, 6].map(|total| refused(&mut cluster, total)), [37; 4]);
    assert_eq!(cluster.add_partitions("none", 2, at(1)).unwrap_err().0.0, 3);

    cluster.add_partitions("t", 5, at(1)).unwrap();

    assert_eq!(cluster.topic("t").unwrap().partitions.len(), 5);
}
