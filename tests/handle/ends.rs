//! How a producer ends: dropped, closed twice, closed under traffic, with its caller's runtime gone (C05 to C08).

use std::time::{Duration, Instant};

use facteur::broker::{Fault, FaultAction};
use facteur::{Error, Outcome, Record, TrySendError};

use super::support::{PATIENCE, assert_nothing_leaked, broker, copies, producer};

const PRODUCE: i16 = 0;

// C05: the last handle is dropped while one record is on its way and another has not left. Both are told at once, the
// first as unknown and the second as rejected, and the log does not contradict it.
#[tokio::test]
async fn c05_a_dropped_producer_tells_every_record_its_outcome() {
    let broker = broker().await;
    let producer = producer(
        &broker,
        &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000"), ("request.timeout.ms", "30000")],
    );
    producer.topic("t").await.expect("known");
    let fault = broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_secs(5))));
    let sent = producer.send(Record::to("t").partition(0).value(b"sent")).await.expect("accepted");
    let flushing = tokio::time::timeout(Duration::from_millis(200), producer.flush()).await;
    assert!(flushing.is_err(), "its answer takes five seconds");
    let waits = producer.send(Record::to("t").partition(1).value(b"waits")).await.expect("accepted");
    assert_eq!(broker.faults().fired(fault), 1, "the first is with the broker");

    let begun = Instant::now();
    drop(producer);
    let sent = sent.await.expect_err("nobody knows");
    let waits = waits.await.expect_err("it never left");

    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!((sent.outcome(), waits.outcome()), (Outcome::Unknown, Outcome::Rejected));
    assert!(!copies(&broker).contains_key("waits"), "rejected is not in the log");
    broker.stop().await;
}

// C06: three closes at once, with batches in flight whose answers take a while, and one more afterwards. All return; each
// record has one outcome, delivered here since there was time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c06_closing_twice_and_at_once_is_one_close() {
    let broker = broker().await;
    let producer = producer(&broker, &[("batch.size", "1"), ("linger.ms", "0")]);
    producer.send_and_wait(Record::to("t").partition(0).value(b"warm")).await.expect("delivered");
    broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_millis(200))));
    let mut deliveries = Vec::new();
    for index in 0..50 {
        let value = index.to_string();
        deliveries.push(
            producer.send(Record::to("t").partition(0).value(value.as_bytes())).await.expect("accepted"),
        );
    }

    let (one, two) = (producer.clone(), producer.clone());
    let (one, two) = (
        tokio::spawn(async move { one.close(PATIENCE).await }),
        tokio::spawn(async move { two.close(PATIENCE).await }),
    );
    let third = producer.close(PATIENCE).await;
    one.await.expect("no panic");
    two.await.expect("no panic");
    let again = producer.close(Duration::ZERO).await;

    for delivery in deliveries {
        delivery.await.expect("there was time");
    }
    assert!(third.rejected == 0 && third.unknown == 0 && again.acknowledged == 0);
    assert!(copies(&broker).values().all(|count| *count == 1));
    assert!(matches!(producer.try_send(Record::to("t")), Err(TrySendError::Failed(Error::Closed))));
    assert_nothing_leaked(&producer, "after four closes");
    broker.stop().await;
}

// C07, D-22: a close without time, under traffic from another thread: every record that was accepted is told what became
// of it, and what is told as rejected is not in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c07_a_send_that_races_a_close_is_refused_or_told() {
    let broker = broker().await;
    for round in 0..20 {
        let producer = producer(&broker, &[("linger.ms", "0")]);
        producer.topic("t").await.expect("known");
        let sender = producer.clone();
        let sending = std::thread::spawn(move || {
            let mut accepted = Vec::new();
            for index in 0.. {
                let value = format!("{round} {index}");
                match sender.send_blocking(Record::to("t").value(value.as_bytes())) {
                    Ok(delivery) => accepted.push((value, delivery)),
                    Err(error) => return (accepted, error),
                }
            }
            unreachable!("the close ends it")
        });
        tokio::time::sleep(Duration::from_millis(3)).await;
        producer.close(Duration::from_millis(round % 4)).await;

        let (accepted, error) = sending.join().expect("no panic");
        assert_eq!(error, Error::Closed);
        let copies = copies(&broker);
        for (value, delivery) in accepted {
            let found = copies.get(&value).copied().unwrap_or(0);
            match delivery.try_result().unwrap_or_else(|| panic!("{value} was not told")) {
                Ok(_) => assert_eq!(found, 1, "{value} is acknowledged"),
                Err(error) if error.outcome() == Outcome::Rejected => {
                    assert_eq!(found, 0, "{value}: {error}");
                }
                Err(_) => assert!(found <= 1, "{value}"),
            }
        }
        assert_nothing_leaked(&producer, &format!("round {round}"));
    }
    broker.stop().await;
}

// C08: the caller's runtime is shut down with sends and deliveries in it. The producer has a thread of its own: what was
// accepted is delivered all the same, nothing panics, and the handle works on from a plain thread.
#[test]
fn c08_the_callers_runtime_may_go_at_any_time() {
    let for_broker = tokio::runtime::Runtime::new().expect("a runtime for the broker");
    let broker = for_broker.block_on(broker());
    let producer = producer(&broker, &[("linger.ms", "5")]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    for task in 0..20 {
        let producer = producer.clone();
        runtime.spawn(async move {
            for index in 0.. {
                let value = format!("{task} {index}");
                let _dropped_with_the_runtime =
                    producer.send_and_wait(Record::to("t").value(value.as_bytes())).await;
            }
        });
    }
    while producer.statistics().records_accepted < 200 {
        std::thread::yield_now();
    }

    runtime.shutdown_timeout(PATIENCE);

    producer.flush_blocking().expect("flushed");
    assert_nothing_leaked(&producer, "after the runtime");
    let copies = copies(&broker);
    assert!(copies.values().all(|count| *count == 1));
    assert_eq!(u64::try_from(copies.len()).expect("few"), producer.statistics().records_accepted);
    producer.send_and_wait_blocking(Record::to("t").value(b"after")).expect("delivered");
    let closed = producer.close_blocking(PATIENCE);
    assert_eq!((closed.rejected, closed.unknown), (0, 0));
    for_broker.block_on(broker.stop());
}
