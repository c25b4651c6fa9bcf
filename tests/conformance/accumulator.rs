//! Batches and readiness (A1 to A14), and what a batch is (B2 to B4).

use bytes::Bytes;
use facteur::accumulator::producer_batch::{SealJob, Segment, split};
use facteur::engine::Event;
use facteur::identifiers::BatchNumber;
use facteur::time::Instant;
use facteur::wire::compression::DecompressionLimits;
use facteur::wire::record_batch::{RecordFields, append_record, encode_header};
use facteur::wire::record_batch_reader::BatchView;
use facteur::{Cause, Compression, Header};

use super::peer::{METADATA, Reply};
use super::world::World;

const ROOMY: &[(&str, &str)] =
    &[("batch.size", "16384"), ("linger.ms", "600000"), ("delivery.timeout.ms", "2000000")];

// A1: a request has room for one batch. Fails if a partition of the node is served twice before another was served
// once; with room for all, one request takes them all.
#[test]
fn a1_requests_of_a_node_rotate_over_its_partitions() {
    let mut world = World::with(&[("max.request.size", "1500")], 1, &[1, 1, 1]);
    let value = "v".repeat(700);
    for round in 0..2 {
        for partition in 0..3 {
            world.append("t", partition, &value);
        }
        world.run();
        let mut seen: Vec<i32> = Vec::new();
        while let Some(request) = world.requests.pop_front() {
            seen.push(request.batch().partition);
            world.ok(&request, round);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    }

    let mut world = World::with(&[], 1, &[1, 1, 1]);
    for partition in 0..3 {
        world.append("t", partition, "v");
    }
    world.run();
    assert_eq!(world.request().batches.len(), 3);
}

// A request may hold thousands of topics, and brokers answer in an order of their own. Fails if a batch gets another one's
// answer, or if a request that has room for all leaves some out. Partitions of a topic come together here: that a topic
// stands once even when they do not is the test of `engine/request_topics.rs`.
#[test]
fn a_request_of_many_topics_is_answered_in_any_order() {
    let mut world = World::with(&[("batch.size", "200"), ("linger.ms", "5")], 1, &[1]);
    let topics: Vec<String> = (0..300).map(|number| format!("topic-{number}")).collect();
    for (topic, id) in topics.iter().zip(0_u16..) {
        let mut described = world.cluster.topics["t"].clone();
        described.id[..2].copy_from_slice(&(id + 1).to_be_bytes());
        described.partitions = vec![(1, 0), (1, 0)];
        world.cluster.topics.insert(topic.clone(), described);
        world.event(Event::TopicWanted { topic: topic.as_str().into() });
    }
    world.advance(1_000);
    // First one partition of every topic, then the other one of every topic.
    let all: Vec<(&str, i32)> =
        [1, 0].iter().flat_map(|partition| topics.iter().map(|topic| (&**topic, *partition))).collect();
    let records: Vec<usize> =
        all.iter().map(|(topic, partition)| world.append(topic, *partition, "value")).collect();
    world.advance(10);

    let request = world.request();
    assert!(world.requests.is_empty(), "all fit into one");
    let mut named: Vec<(&str, i32)> =
        request.batches.iter().map(|batch| (&*batch.topic, batch.partition)).collect();
    assert_eq!(named.chunk_by(|before, next| before.0 == next.0).count(), 300, "each topic once");
    let mut replies: Vec<Reply> =
        request.batches.iter().zip(0..).map(|(batch, at)| Reply::to(batch, 0, 1_000 + at)).collect();
    replies.reverse();
    world.answer(&request, &replies);

    for (record, place) in records.into_iter().zip(&all) {
        let at = named.iter().position(|name| name == place).expect("it was sent");
        world.assert_acknowledged(record, i64::try_from(1_000 + at).ok());
    }
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 600, "each partition once");
}

// A2: the batch is full and the lingering time long. Fails if it waits.
#[test]
fn a2_a_full_batch_is_sent_at_once_and_the_next_record_opens_another() {
    let properties = [("batch.size", "300"), ("linger.ms", "5000"), ("delivery.timeout.ms", "20000")];
    let mut world = World::with(&properties, 1, &[1]);
    for _ in 0..3 {
        world.send(0, &"v".repeat(100));
    }
    let request = world.request();
    assert!(request.batch().values.len() >= 2);
    world.ok(&request, 0);
    world.send(0, "w");
    world.advance(900);
    assert!(world.requests.is_empty(), "the second batch lingers");
}

// A3: one record is larger than `batch.size`. It goes alone and at once; the small ones keep lingering.
#[test]
fn a3_a_record_larger_than_a_batch_travels_alone_and_at_once() {
    let properties = [("batch.size", "300"), ("linger.ms", "5000"), ("delivery.timeout.ms", "20000")];
    let mut world = World::with(&properties, 1, &[1, 1]);
    world.send(1, "small");
    world.send(0, &"v".repeat(5000));
    let request = world.request();
    assert_eq!((request.batch().partition, request.batch().values.len()), (0, 1));
}

// A4: lingering. Fails if it is sent early, late, or if the engine would not wake by itself.
#[test]
fn a4_a_batch_lingers_for_exactly_its_time() {
    let mut world = World::with(&[("batch.size", "16384"), ("linger.ms", "10")], 2, &[1, 2]);
    world.send(0, "a");
    world.advance(4);
    world.send(1, "b");
    assert_eq!(world.until_next().expect("a timer").as_millis(), 6);
    world.advance(5);
    assert!(world.requests.is_empty());
    world.advance(1);
    assert_eq!(world.request().batch().partition, 0);
    world.advance(4);
    assert_eq!(world.request().batch().partition, 1);
}

// A5: one lane backs off, another of the same node has news. Fails if the backoff holds up both, or neither.
#[test]
fn a5_a_lane_that_backs_off_does_not_hold_up_its_neighbour() {
    let mut world = World::with(&[("retry.backoff.ms", "500")], 1, &[1, 1]);
    world.send(0, "a");
    let request = world.request();
    world.code(&request, 5);
    world.send(1, "b");
    let request = world.request();
    assert_eq!(request.batch().partition, 1);
    world.ok(&request, 0);
    world.advance(300);
    assert!(world.requests.is_empty());
    world.advance(400);
    assert_eq!(world.request().batch().partition, 0);
}

// A7: metadata names a newer leader while the batch backs off. Fails if the backoff is served to the end; and if the
// next failure at the same leader is not backed off.
#[test]
fn a7_a_newer_leader_ends_the_backoff_once() {
    let mut world = World::with(&[("retry.backoff.ms", "900"), ("retry.backoff.max.ms", "900")], 2, &[1]);
    world.send(0, "a");
    let request = world.request();
    world.move_leader(0, 2, 1);
    world.code(&request, 5);
    world.advance(20);
    // The refresh has its own backoff since the first answer; whichever comes first must not be the lane's.
    let before = world.now;
    while world.requests.is_empty() {
        world.advance(1);
        assert!(world.now.since(before).as_millis() < 950);
    }
    let request = world.request();
    assert_eq!(request.node, 2);
    let learnt = world.now;
    world.code(&request, 5);
    world.advance(700);
    assert!(world.requests.is_empty(), "no second skip after {learnt:?}");
}

// A8: flush. Fails if lingering goes on during it, or is forgotten after it.
#[test]
fn a8_a_flush_sends_what_lingers_and_ends_there() {
    let mut world = World::with(ROOMY, 1, &[1, 1]);
    let records = [world.send(0, "a"), world.send(1, "b")];
    assert!(world.requests.is_empty());
    world.event(Event::FlushBegun);
    while let Some(request) = world.requests.pop_front() {
        world.ok(&request, 0);
    }
    for record in records {
        world.assert_acknowledged(record, Some(0));
    }
    world.event(Event::FlushEnded);
    world.send(0, "c");
    world.advance(900);
    assert!(world.requests.is_empty());
}

// A9: the end. Every record hears the reason once, and all memory is free.
#[test]
fn a9_shutting_down_resolves_everything() {
    let mut world = World::with(&[], 2, &[1, -1]);
    let on_its_way = world.send(0, "a");
    let behind = world.send(0, "b");
    let queued = world.send(1, "c");
    world.engine.shut_down(world.now, &Cause::Closed);
    world.run();

    assert_eq!(world.unknown(on_its_way), Cause::Closed);
    assert_eq!(world.rejected(behind), Cause::Closed);
    assert_eq!(world.rejected(queued), Cause::Closed);
    let request = world.request();
    world.cut(request.connection);
    world.advance(1_000);
    world.assert_at_rest();
}

// A10: the connection has its one request; the second lane waits for the answer.
#[test]
fn a10_a_full_connection_takes_nothing_until_it_is_answered() {
    let mut world = World::with(&[("max.in.flight.requests.per.connection", "1")], 1, &[1, 1]);
    world.send(0, "a");
    world.send(1, "b");
    let request = world.request();
    assert!(world.requests.is_empty());
    world.ok(&request, 0);
    assert_eq!(world.request().batch().partition, 1);
}

// A11: somebody waits for memory. Fails if the batches that hold it keep lingering.
#[test]
fn a11_short_memory_ends_lingering() {
    let mut world = World::with(ROOMY, 1, &[1]);
    world.send(0, "a");
    assert!(world.requests.is_empty());
    world.event(Event::MemoryPressure { waiting: true });
    assert_eq!(world.requests.len(), 1);
}

// A13: partitions without a leader. Records are kept, metadata is asked again and again, slower each time, and they
// are sent when a leader is there.
#[test]
fn a13_records_of_a_leaderless_partition_wait_while_metadata_is_asked() {
    let mut world = World::with(&[], 3, &[-1, 1]);
    let kept = world.send(0, "a");
    let other = world.send(1, "b");
    let request = world.request();
    world.ok(&request, 0);
    world.assert_acknowledged(other, Some(0));
    let before = world.count(METADATA);
    world.advance(5_000);
    let asked = world.count(METADATA) - before;
    assert!((3..30).contains(&asked), "{asked} requests in five seconds");
    world.assert_pending(kept);

    world.move_leader(0, 3, 4);
    world.advance(1_500);
    let request = world.requests.pop_back().expect("sent");
    assert_eq!(request.node, 3);
    world.ok(&request, 7);
    world.assert_acknowledged(kept, Some(7));
}

// B3: a cut loses nothing. Fails if a header, a key, a timestamp or the codec is lost on the way.
#[test]
fn b3_a_cut_keeps_keys_headers_timestamps_and_codec() {
    let headers = [Header { key: "h", value: Some(b"1") }, Header { key: "h", value: None }];
    let mut body = Vec::new();
    let values: Vec<String> = (0..40).map(|index| format!("value {index} {}", "x".repeat(50))).collect();
    for (value, index) in values.iter().zip(0_i32..) {
        let fields = RecordFields {
            offset_delta: index,
            timestamp_delta_ms: i64::from(index) * 10 - 100,
            key: (index % 2 == 0).then_some(b"key".as_slice()),
            value: Some(value.as_bytes()),
            headers: &headers,
        };
        append_record(&mut body, &fields);
    }
    let body_bytes = body.len();
    let job = SealJob {
        number: BatchNumber(0),
        body: vec![Segment::unaccounted(body)],
        record_count: 40,
        base_timestamp_ms: 1_000_000,
        max_timestamp_ms: 1_000_290,
        body_bytes,
        created_at: Instant::from_millis(5),
        compression: Compression::Gzip(6),
    };
    let parent = job.run().expect("compresses");
    let children = split(&parent, Compression::Gzip(6), body_bytes / 2, |_| true).expect("readable");

    assert!(children.len() >= 2);
    assert_eq!(
        children.iter().map(facteur::accumulator::producer_batch::SealedBatch::record_count).sum::<u32>(),
        40
    );
    let mut index = 0_i32;
    for child in &children {
        assert_eq!(i32::try_from(child.first_record).expect("small"), index);
        assert_eq!(child.summary.codec, parent.summary.codec);
        assert_eq!(child.created_at, parent.created_at);
        assert!(child.uncompressed_bytes <= body_bytes / 2);
        let mut whole = encode_header(&child.summary, None).to_vec();
        child.body.iter().for_each(|part| whole.extend_from_slice(part));
        let view = BatchView::parse(&Bytes::from(whole)).expect("a batch");
        let limits = DecompressionLimits { max_output_bytes: 1 << 20, max_ratio: usize::MAX };
        for record in view.records(&limits).expect("records") {
            let record = record.expect("a record");
            assert_eq!(
                view.base_timestamp_ms + record.timestamp_delta_ms,
                1_000_000 + i64::from(index) * 10 - 100
            );
            assert_eq!(record.key.is_some(), index % 2 == 0);
            assert_eq!(
                record.value.as_deref(),
                Some(values[usize::try_from(index).expect("small")].as_bytes())
            );
            assert_eq!(record.headers.len(), 2);
            index += 1;
        }
    }
}

// B4: the batch was taken. Fails if a record joins it afterwards.
#[test]
fn b4_a_taken_batch_takes_no_more_records() {
    let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
    world.send(0, "a");
    world.send(0, "b");
    let request = world.request();
    assert_eq!(request.batch().values, ["a"]);
    world.ok(&request, 0);
    assert_eq!(world.request().batch().values, ["b"]);
}

// B2: an outcome is final. A batch that ended may be answered once more: nothing changes, nothing panics.
#[test]
fn b2_a_second_answer_to_a_finished_batch_is_a_protocol_error_and_changes_nothing() {
    let mut world = World::new();
    let record = world.send(0, "a");
    let request = world.request();
    world.ok(&request, 3);
    world.code(&request, 10);

    world.assert_acknowledged(record, Some(3));
    assert!(
        !world.connections.contains_key(&request.connection),
        "an answer to no request: the connection cannot be trusted"
    );
    world.advance(500);
    let next = world.send(0, "b");
    let request = world.request();
    world.ok(&request, 4);
    world.assert_acknowledged(next, Some(4));
}

// C35: a payload that no codec makes smaller. It goes out as it is, so that the broker has nothing to inflate, and the memory
// held for it is what it takes. Fails if a batch grows by its compression, or if the account does not come out even.
#[test]
fn c35_a_payload_that_does_not_shrink_goes_out_uncompressed() {
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let mut world = World::with(&[("compression.type", codec), ("batch.size", "16384")], 1, &[1]);
        let mut brokers = super::brokers::Brokers::default();
        // Too short to shrink; then one that shrinks well.
        for (value, is_smaller) in [("x", false), (&*"y".repeat(3_000), true)] {
            let record = world.send(0, value);
            let held = world.reserved_bytes();
            let request = world.request();
            let is_compressed = request.batch().view.codec().expect("a codec")
                != facteur::wire::compression::codec_of(Compression::None);
            assert_eq!(is_compressed, is_smaller, "{codec}: {} bytes", value.len());
            assert!(request.batch().bytes.len() <= 61 + value.len() + 20, "{codec}");
            assert!(held >= request.batch().bytes.len() - 61, "{codec}: {held} bytes are held");
            brokers.serve(&mut world, &request);
            world.acknowledged(record);
        }
        world.assert_at_rest();
    }
}
