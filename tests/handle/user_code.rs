//! User code that panics, blocks or calls back (C09, C10).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use facteur::accumulator::partitioner::{Partitioner, TopicPartitions};
use facteur::{Error, PartitionerChoice, Producer, Record};

use super::support::{PATIENCE, assert_nothing_leaked, broker, copies, producer, settings};

#[derive(Debug)]
struct Panicking(AtomicBool);

impl Partitioner for Panicking {
    fn partition(&self, record: &Record<'_>, _topic: TopicPartitions<'_>) -> i32 {
        assert!(!self.0.load(Ordering::SeqCst), "a partitioner that panics at {record:?}");
        0
    }
}

// C09: a partitioner that panics does so in its caller, who may go on: nothing is poisoned, nothing is held.
#[tokio::test]
async fn c09_a_panic_in_the_partitioner_reaches_its_caller_alone() {
    let broker = broker().await;
    let partitioner = Arc::new(Panicking(AtomicBool::new(false)));
    let chosen: Arc<dyn Partitioner> = Arc::clone(&partitioner) as _;
    let config =
        settings(&broker, &[]).partitioner(PartitionerChoice::Custom(chosen)).build().expect("valid");
    let producer = Producer::new(config).expect("a producer");
    producer.send_and_wait(Record::to("t").value(b"before")).await.expect("delivered");
    for _ in 0..10 {
        partitioner.0.store(true, Ordering::SeqCst);
        let sender = producer.clone();
        let panicked =
            tokio::spawn(async move { sender.send(Record::to("t").value(b"panics")).await.map(drop) });
        assert!(panicked.await.expect_err("it panics").is_panic());
        let sender = producer.clone();
        let panicked =
            std::thread::spawn(move || sender.try_send(Record::to("t").value(b"panics")).map(drop));
        assert!(panicked.join().is_err());
        partitioner.0.store(false, Ordering::SeqCst);
    }

    producer.send_and_wait(Record::to("t").value(b"after")).await.expect("delivered");

    producer.flush().await.expect("flushed");
    assert_nothing_leaked(&producer, "after the panics");
    assert_eq!(
        copies(&broker).into_iter().collect::<Vec<_>>(),
        [("after".to_owned(), 1), ("before".to_owned(), 1)]
    );
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C10: callbacks that panic, send, flush, close a clone's producer and block. Each is called once; a send from one is
// delivered, a flush is refused as misuse, and nobody waits for the one that blocks but those who asked for callbacks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_callbacks_may_panic_send_flush_and_block() {
    let broker = broker().await;
    let producer = producer(&broker, &[]);
    let (told, is_told) = channel();
    let (go, may_go) = channel::<()>();

    producer
        .send_with_callback(Record::to("t").value(b"1"), |_| panic!("a callback that panics"))
        .await
        .expect("accepted");
    let (inner, sender) = (producer.clone(), told.clone());
    let calling = move |result: Result<facteur::DeliveryReport, Error>| {
        let sent = inner.try_send(Record::to("t").value(b"from a callback")).is_ok();
        let flush = inner.flush_blocking().expect_err("misuse");
        let wait = inner.send_and_wait_blocking(Record::to("t").value(b"never")).expect_err("misuse");
        let misuse = matches!((flush, wait), (Error::Misuse(_), Error::Misuse(_)));
        sender.send((result.is_ok(), sent, misuse)).expect("the test listens");
    };
    producer.send_with_callback(Record::to("t").value(b"2"), calling).await.expect("accepted");
    assert_eq!(is_told.recv_timeout(PATIENCE).expect("called"), (true, true, true));
    producer
        .send_with_callback(Record::to("t").value(b"3"), move |_| {
            may_go.recv_timeout(PATIENCE).expect("the test lets go");
        })
        .await
        .expect("accepted");

    // It blocks; deliveries do not care.
    for index in 0..100 {
        let value = format!("meanwhile {index}");
        producer.send_and_wait(Record::to("t").value(value.as_bytes())).await.expect("delivered");
    }
    go.send(()).expect("it waits");
    producer.flush().await.expect("flushed");

    assert_nothing_leaked(&producer, "after the callbacks");
    let copies = copies(&broker);
    assert!(copies.len() == 104 && copies.values().all(|count| *count == 1), "{copies:?}");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C10, D-22: a close from a callback returns at once and closes in order: what was accepted is delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_a_close_from_a_callback_is_orderly() {
    let broker = broker().await;
    let producer = producer(&broker, &[("linger.ms", "20")]);
    let (told, is_told) = channel();
    let inner = producer.clone();
    let closing = move |_| told.send(inner.close_blocking(PATIENCE)).expect("the test listens");
    producer
        .send_with_callback(Record::to("t").partition(0).value(b"closes"), closing)
        .await
        .expect("accepted");
    let last = producer.send(Record::to("t").partition(1).value(b"last")).await.expect("accepted");

    is_told.recv_timeout(PATIENCE).expect("it returns");

    last.await.expect("delivered in spite of the close");
    assert_eq!(producer.send(Record::to("t")).await.expect_err("closed"), Error::Closed);
    producer.close(PATIENCE).await;
    assert_nothing_leaked(&producer, "after the close");
    broker.stop().await;
}
