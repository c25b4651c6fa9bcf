//! Rows of the fault matrix whose venue is the injector (N01 to N18, N33, N39): our producer and the embedded broker with byte
//! toxics between them. At the end each record is there once, in order, whatever the network did.

use std::future::Future;
use std::time::Duration;

use facteur::Producer;
use facteur::chaos::view::{NewToxic, ProxyChange};
use facteur::wire::record_batch_reader::BatchView;
use serde_json::{Value, json};

use crate::{PATIENCE, Path, to_partition_1};

const QUICK: &[(&str, &str)] = &[
    ("request.timeout.ms", "400"),
    ("delivery.timeout.ms", "30000"),
    ("reconnect.backoff.max.ms", "200"),
    ("retry.backoff.max.ms", "200"),
    ("batch.size", "200"),
];

/// A toxic: type, stream, attributes.
type Toxic = (&'static str, &'static str, Value);

/// The values of partition 1 in the order of the log.
fn log(path: &Path) -> Vec<String> {
    let batches = path.broker.log("t", 1);
    let values = batches.iter().flat_map(|batch| {
        let view = BatchView::parse(&batch.bytes).expect("a batch");
        let records: Vec<_> = view.records(&Default::default()).expect("records").collect();
        records.into_iter().map(|record| {
            String::from_utf8_lossy(&record.expect("a record").value.unwrap_or_default()).into_owned()
        })
    });
    values.collect()
}

/// Waits, and says whether the time was over first: a fault that lasts so long.
async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(time, future).await.ok()
}

async fn add(path: &Path, (kind, stream, attributes): &Toxic) {
    let mut toxic = NewToxic::new(*kind, attributes.as_object().expect("an object").clone());
    toxic.stream = Some((*stream).to_owned());
    path.injector.add_toxic("kafka", &toxic).expect("a good toxic");
    tokio::task::yield_now().await;
}

/// Sends `records` under the toxic, which is taken away after `lasts` unless everything has arrived before; then everything
/// must have arrived once, in order, and is acknowledged.
async fn all_arrive_once(toxic: Toxic, records: usize, lasts: Duration) -> (Path, Producer) {
    let path = Path::new().await;
    let producer = path.producer(QUICK).await;
    add(&path, &toxic).await;
    let mut deliveries = Vec::new();
    for index in 0..records {
        let value = format!("{index}");
        deliveries.push(producer.send(to_partition_1(value.as_bytes())).await.expect("accepted"));
    }
    let handle = producer.clone();
    let mut flush = Box::pin(handle.flush());
    if within(lasts, &mut flush).await.is_none() {
        path.injector.reset().await.expect("healed");
        within(PATIENCE, flush).await.expect("everything has an outcome").expect("flushed");
    }

    for (delivery, offset) in deliveries.into_iter().zip(1..) {
        let report = delivery.await.expect("acknowledged");
        assert_eq!(report.offset(), Some(offset), "{toxic:?}");
    }
    let mut expected = vec!["warm".to_owned()];
    expected.extend((0..records).map(|index| index.to_string()));
    assert_eq!(log(&path), expected, "{toxic:?}");
    (path, producer)
}

const FOR_GOOD: Duration = PATIENCE;

// N01, N02: answers are late, within the request timeout, with and without jitter. Fails if anything is sent again, or over
// another connection: late is not lost.
#[tokio::test]
async fn n01_latency_delays_and_causes_no_retry() {
    for attributes in [json!({"latency": 200}), json!({"latency": 100, "jitter": 150})] {
        let (path, producer) = all_arrive_once(("latency", "downstream", attributes), 20, FOR_GOOD).await;
        let statistics = producer.statistics();
        assert_eq!((statistics.batches_retried, statistics.connections_opened), (0, 2));
        path.stop(&[producer]).await;
    }
}

// N03: answers are later than the request timeout, for a while. Fails by a second copy, or by an offset that is not the
// first copy's.
#[tokio::test]
async fn n03_latency_beyond_the_request_timeout_ends_in_one_copy() {
    let toxic = ("latency", "downstream", json!({"latency": 700}));
    let (path, producer) = all_arrive_once(toxic, 20, Duration::from_millis(1_500)).await;
    assert!(producer.statistics().batches_retried > 0);
    path.stop(&[producer]).await;
}

// N05, N34: the listener is closed and all connections are cut, for more than a second. Fails if the producer does not come
// back by itself.
#[tokio::test]
async fn n05_a_proxy_that_is_down_for_a_while_loses_nothing() {
    let path = Path::new().await;
    let producer = path.producer(QUICK).await;
    let down = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    path.injector.update("kafka", &down).await.expect("down");
    let mut deliveries = Vec::new();
    for value in ["a", "b", "c"] {
        deliveries.push(producer.send(to_partition_1(value.as_bytes())).await.expect("accepted"));
    }
    let mut flush = Box::pin(producer.flush());
    assert!(within(Duration::from_millis(1_500), &mut flush).await.is_none(), "nobody can be reached");
    path.injector.reset().await.expect("up");
    within(PATIENCE, flush).await.expect("in time").expect("flushed");

    for delivery in deliveries {
        delivery.await.expect("acknowledged");
    }
    assert_eq!(log(&path), ["warm", "a", "b", "c"]);
    path.stop(&[producer]).await;
}

// N08, N10, N11: nothing passes any more, upstream or downstream, and the sockets stay open. Fails if the producer waits for
// them for ever, or if what was stored meanwhile is stored again.
#[tokio::test]
async fn n10_a_line_that_swallows_everything_is_given_up_and_loses_nothing() {
    for toxic in [
        ("timeout", "upstream", json!({"timeout": 0})),
        ("timeout", "downstream", json!({"timeout": 0})),
        ("bandwidth", "upstream", json!({"rate": 0})),
        ("bandwidth", "downstream", json!({"rate": 0})),
    ] {
        let (path, producer) = all_arrive_once(toxic, 30, Duration::from_millis(1_200)).await;
        assert!(producer.statistics().connections_opened > 2);
        path.stop(&[producer]).await;
    }
}

// N12: the line swallows what comes and closes after a tenth of a second without data.
#[tokio::test]
async fn n12_a_line_that_closes_without_an_answer_loses_nothing() {
    for stream in ["upstream", "downstream"] {
        let toxic = ("timeout", stream, json!({"timeout": 100}));
        let (path, producer) = all_arrive_once(toxic, 30, Duration::from_millis(800)).await;
        path.stop(&[producer]).await;
    }
}

// N13, N14, N33: the connection is reset at the first byte, of the answer or of the request. Fails by a second copy.
#[tokio::test]
async fn n13_resets_at_the_first_byte_lose_nothing() {
    for stream in ["upstream", "downstream"] {
        let toxic = ("reset_peer", stream, json!({"timeout": 0}));
        let (path, producer) = all_arrive_once(toxic, 30, Duration::from_millis(600)).await;
        assert!(producer.statistics().batches_retried > 0, "{stream}");
        path.stop(&[producer]).await;
    }
}

// N15, N16: exactly k bytes pass in one direction, then the connection ends. Some k here; every k in virtual time. Fails if a
// part of a frame is acted on.
#[tokio::test]
async fn n15_frames_cut_after_k_bytes_lose_nothing() {
    for stream in ["upstream", "downstream"] {
        for bytes in [0, 1, 3, 4, 5, 8, 20, 57, 120] {
            let toxic = ("limit_data", stream, json!({"bytes": bytes}));
            let (path, producer) = all_arrive_once(toxic, 5, Duration::from_millis(150)).await;
            path.stop(&[producer]).await;
        }
    }
}

// N09: the end of the connection is held back for a moment. Fails if the half-closed socket is used again.
#[tokio::test]
async fn n09_a_connection_that_closes_slowly_is_not_used_again() {
    let path = Path::new().await;
    let producer = path.producer(QUICK).await;
    add(&path, &("slow_close", "downstream", json!({"delay": 300}))).await;
    path.broker
        .faults()
        .arm(facteur::broker::Fault::new(0, facteur::broker::FaultAction::CloseBeforeProcessing));
    for value in ["a", "b"] {
        let sent = producer.send_and_wait(to_partition_1(value.as_bytes()));
        within(PATIENCE, sent).await.expect("in time").expect("acknowledged");
    }
    assert_eq!(log(&path), ["warm", "a", "b"]);
    path.stop(&[producer]).await;
}

// N17, N18: both directions in single bytes, and upstream in small pieces with a pause between them. Fails if a frame's end
// is looked for in one piece only.
#[tokio::test]
async fn n17_frames_in_single_bytes_are_read_like_whole_ones() {
    for (stream, attributes) in [
        ("upstream", json!({"average_size": 1, "size_variation": 0, "delay": 0})),
        ("downstream", json!({"average_size": 1, "size_variation": 0, "delay": 0})),
        ("upstream", json!({"average_size": 40, "size_variation": 10, "delay": 5_000})),
    ] {
        let (path, producer) = all_arrive_once(("slicer", stream, attributes), 20, FOR_GOOD).await;
        assert_eq!(producer.statistics().batches_retried, 0);
        path.stop(&[producer]).await;
    }
}

// N04, N06: the line is dead for longer than the record's whole time. Fails if the caller is told "rejected" of what was
// written, or if a later record is lost with it.
#[tokio::test]
async fn n04_a_line_dead_past_the_deadline_leaves_the_record_unknown_and_the_lane_alive() {
    let path = Path::new().await;
    let settings = [QUICK, &[("delivery.timeout.ms", "1000")]].concat();
    let producer = path.producer(&settings).await;
    add(&path, &("timeout", "downstream", json!({"timeout": 0}))).await;
    let error = producer.send_and_wait(to_partition_1(b"doubtful")).await.expect_err("no answer ever");
    assert_eq!(error.outcome(), facteur::Outcome::Unknown, "{error}");
    path.injector.reset().await.expect("healed");
    let later = async {
        loop {
            // Each has a second; the line may still be found dead once.
            if producer.send_and_wait(to_partition_1(b"later")).await.is_ok() {
                break;
            }
        }
    };
    within(PATIENCE, later).await.expect("the lane goes on");

    let log = log(&path);
    assert_eq!(log.iter().filter(|value| *value == "doubtful").count(), 1, "stored once: {log:?}");
    assert_eq!((&*log[1], &**log.last().expect("some")), ("doubtful", "later"), "in order");
    path.stop(&[producer]).await;
}

// N39: the broker's side of the line stops reading. Fails if memory grows past `buffer.memory`, or if the callers are not
// told to wait.
#[tokio::test]
async fn n39_a_peer_that_stops_reading_becomes_backpressure() {
    let path = Path::new().await;
    let settings = [
        QUICK,
        &[
            ("buffer.memory", "100000"),
            ("max.request.size", "20000"),
            ("batch.size", "16384"),
            ("max.block.ms", "200"),
        ],
    ]
    .concat();
    let producer = path.producer(&settings).await;
    add(&path, &("bandwidth", "upstream", json!({"rate": 0}))).await;
    let value = vec![b'v'; 1_000];
    let mut deliveries = Vec::new();
    let refused = loop {
        match producer.send(to_partition_1(&value)).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => break error,
        }
        assert!(deliveries.len() < 200, "100 kB hold no 200 records of 1 kB");
    };
    assert!(matches!(refused, facteur::Error::BufferFull { .. }), "{refused}");
    path.injector.reset().await.expect("healed");
    for delivery in deliveries {
        delivery.await.expect("accepted, so delivered");
    }
    let statistics = producer.statistics();
    assert_eq!(statistics.records_acknowledged, statistics.records_accepted);
    assert_eq!(log(&path).len(), usize::try_from(statistics.records_accepted).expect("few"), "once each");
    path.stop(&[producer]).await;
}
