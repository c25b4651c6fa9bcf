//! Waiting for memory that only lingering holds back (D-35, D-36).

use std::time::{Duration, Instant};

use facteur::Record;

use super::support::{PATIENCE, assert_nothing_leaked, broker, producer};

// D-35: a lane without progress for a request timeout may hold half of the buffer. A lane that merely lingers has made no
// progress either, but nothing is wrong with it: who waits for it ends the lingering, as who waits for memory does. Found:
// against a healthy broker the sender waited for `max.block.ms` and was refused with half of the buffer free.
#[tokio::test]
async fn d35_who_waits_for_a_lane_that_lingers_ends_the_lingering() {
    let broker = broker().await;
    let settings = [
        ("buffer.memory", "65536"),
        ("batch.size", "60000"),
        ("linger.ms", "60000"),
        ("request.timeout.ms", "300"),
        ("delivery.timeout.ms", "120000"),
        ("max.block.ms", "10000"),
    ];
    let producer = producer(&broker, &settings);
    producer.topic("t").await.expect("known");
    let value = [b'v'; 15_000];
    let first = producer.send(Record::to("t").partition(0).value(&value)).await.expect("accepted");
    // Longer than the request timeout: the lane counts as without progress.
    tokio::time::sleep(Duration::from_millis(400)).await;

    let begun = Instant::now();
    for _ in 0..3 {
        let sent = producer.send(Record::to("t").partition(0).value(&value)).await;
        drop(sent.expect("the broker is well, and there is room"));
    }

    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    first.await.expect("delivered");
    producer.close(PATIENCE).await;
    assert_nothing_leaked(&producer, "after lingering");
    broker.stop().await;
}
