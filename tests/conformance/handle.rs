//! Scenarios of the handle, against the embedded broker: calls, callbacks, flush, close, memory (A12, C4 to C11, E13, M2).

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use facteur::broker::{Fault, FaultAction};
use facteur::{Error, ErrorCode, Outcome, Record, TrySendError};

use super::support::{PATIENCE, broker, producer, values};

/// Every Produce request is answered so until the fault is cleared.
fn refusing(code: i16) -> Fault {
    Fault { count: 1_000_000, ..Fault::new(0, FaultAction::AnswerError(ErrorCode(code))) }
}

// A12: five threads, many partitions. Fails if a record is lost, doubled, or out of its thread's order.
#[tokio::test(flavor = "multi_thread")]
async fn a12_records_of_five_threads_arrive_once_and_in_each_threads_order() {
    let broker = broker(7).await;
    let producer = producer(&broker, &[("batch.size", "500")]);
    let threads: Vec<_> = (0..5)
        .map(|thread| {
            let producer = producer.clone();
            std::thread::spawn(move || {
                for index in 0..400 {
                    let value = format!("{thread}:{index}");
                    let record = Record::to("t").partition(index % 7).value(value.as_bytes());
                    drop(producer.send_blocking(record).expect("accepted"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    producer.flush().await.expect("flushed");

    let mut total = 0;
    for partition in 0..7 {
        let mut last = [-1; 5];
        for value in values(&broker, partition) {
            let (thread, index) = value.split_once(':').expect("ours");
            let (thread, index): (usize, i32) =
                (thread.parse().expect("a number"), index.parse().expect("a number"));
            assert!(index > last[thread], "{value} after {}", last[thread]);
            last[thread] = index;
            total += 1;
        }
    }
    assert_eq!(total, 2_000);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C4, otherwise than Java: Java returns a failed future; ours refuses at the call, with the time that it waited.
#[tokio::test]
async fn c4_a_missing_topic_is_refused_after_max_block() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("max.block.ms", "400")]);
    let error = producer.send(Record::to("missing").value(b"v")).await.expect_err("no such topic");

    let Error::TopicNotAvailable { waited, .. } = &error else { panic!("{error:?}") };
    assert!(*waited >= Duration::from_millis(400));
    assert_eq!(error.outcome(), Outcome::Rejected);
    assert!(producer.statistics().metadata_requests > 1, "asked more than once");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C5: a partition that the topic does not have. Named with the count.
#[tokio::test]
async fn c5_a_partition_out_of_range_is_refused_with_the_count() {
    let broker = broker(2).await;
    let producer = producer(&broker, &[("max.block.ms", "300")]);
    let error = producer.send(Record::to("t").partition(5).value(b"v")).await.expect_err("out of range");

    assert!(matches!(error, Error::UnknownPartition { partition: 5, partition_count: 2, .. }), "{error:?}");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C6: a name that no topic can have is refused at once, without asking anybody.
#[tokio::test]
async fn c6_an_invalid_topic_name_is_refused_at_once() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[]);
    let error = producer.send(Record::to("no spaces").value(b"v")).await.expect_err("invalid");
    assert!(matches!(error, Error::InvalidTopic { .. }), "{error:?}");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C7, M2: a record that can never fit, into a request or into memory. Refused at once.
#[tokio::test]
async fn c7_a_record_that_can_never_fit_is_refused_at_once() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("max.request.size", "1000")]);
    let value = vec![0; 2_000];
    let error = producer.send(Record::to("t").value(&value)).await.expect_err("too large");
    assert!(matches!(error, Error::RecordTooLarge { limit_name: "max.request.size", .. }), "{error:?}");
    assert!(matches!(producer.try_send(Record::to("t").value(&value)), Err(TrySendError::TooLarge(_))));
    producer.close(PATIENCE).await;

    let producer = super::support::producer(&broker, &[("buffer.memory", "1500"), ("batch.size", "500")]);
    let error = producer.send(Record::to("t").value(&value)).await.expect_err("too large");
    assert!(matches!(error, Error::RecordTooLarge { limit_name: "buffer.memory", .. }), "{error:?}");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C8: somebody waits for a topic while the producer is closed. Fails if the waiter sits out its `max.block.ms`.
#[tokio::test]
async fn c8_close_wakes_a_sender_that_waits_for_metadata() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("max.block.ms", "60000")]);
    let waiter = {
        let producer = producer.clone();
        async move { producer.send(Record::to("missing").value(b"v")).await }
    };
    let (refused, _report) = tokio::join!(waiter, async {
        producer.ready(PATIENCE).await.expect("ready");
        producer.close(PATIENCE).await
    });

    assert_eq!(refused.expect_err("closed"), Error::Closed);
    broker.stop().await;
}

// C9: closing twice is fine; a send afterwards is refused.
#[tokio::test]
async fn c9_closing_twice_is_fine() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[]);
    drop(producer.send(Record::to("t").value(b"v")).await.expect("accepted"));
    assert_eq!(producer.close(PATIENCE).await.acknowledged, 1);
    assert_eq!(producer.close(PATIENCE).await.acknowledged, 0);
    assert_eq!(producer.send(Record::to("t").value(b"v")).await.expect_err("closed"), Error::Closed);
    broker.stop().await;
}

// C9, D-22: closing from a callback starts an orderly close and returns. Java's is forced there.
#[tokio::test(flavor = "multi_thread")]
async fn c9_closing_from_a_callback_returns() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[]);
    let (tell, told) = mpsc::channel();
    let handle = producer.clone();
    let callback = move |result: Result<_, Error>| {
        handle.close_blocking(PATIENCE);
        tell.send(result.is_ok()).expect("somebody listens");
    };
    producer.send_with_callback(Record::to("t").value(b"v"), callback).await.expect("accepted");

    assert!(told.recv_timeout(PATIENCE).expect("the callback came to its end"));
    assert_eq!(producer.send(Record::to("t").value(b"v")).await.expect_err("closed"), Error::Closed);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C10: a refused batch's callback names topic and partition. Otherwise than Java there is no offset of -1 but an error.
#[tokio::test(flavor = "multi_thread")]
async fn c10_a_failed_sends_callback_names_topic_and_partition() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[]);
    broker.faults().arm(refusing(29));
    let (tell, told) = mpsc::channel();
    let callback = move |result: Result<facteur::DeliveryReport, Error>| {
        tell.send(result.expect_err("refused")).expect("somebody listens");
    };
    producer.send_with_callback(Record::to("t").partition(0).value(b"v"), callback).await.expect("accepted");

    let error = told.recv_timeout(PATIENCE).expect("called");
    let Error::Rejected { topic, partition, .. } = &error else { panic!("{error:?}") };
    assert_eq!((&**topic, *partition), ("t", 0));
    assert_eq!(error.code(), Some(ErrorCode(29)));
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C11: after a flush every earlier record has its outcome, failures too.
#[tokio::test]
async fn c11_a_flush_ends_when_every_earlier_record_has_an_outcome() {
    let broker = broker(3).await;
    let producer = producer(&broker, &[("linger.ms", "6000"), ("delivery.timeout.ms", "8000")]);
    let mut deliveries = Vec::new();
    let fault = broker.faults().arm(Fault { count: 2, ..refusing(29) });
    for index in 0..90 {
        let record = Record::to("t").partition(index % 3).value(b"v");
        deliveries.push(producer.send(record).await.expect("accepted"));
    }
    producer.flush().await.expect("flushed");

    for delivery in &deliveries {
        assert!(delivery.try_result().is_some());
    }
    assert!(broker.faults().fired(fault) > 0);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// E13: the callback of an expired batch sends again. Fails by a deadlock, or if the record is refused.
#[tokio::test(flavor = "multi_thread")]
async fn e13_the_callback_of_an_expired_record_may_send() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("delivery.timeout.ms", "1200"), ("request.timeout.ms", "1000")]);
    producer.ready(PATIENCE).await.expect("ready");
    let fault = broker.faults().arm(refusing(19));
    let (tell, told) = mpsc::channel();
    let again = Arc::new(Mutex::new(Some(producer.clone())));
    let broker_handle = broker.handle();
    let callback = move |result: Result<facteur::DeliveryReport, Error>| {
        broker_handle.faults().clear(fault);
        let producer = again.lock().expect("not poisoned").take().expect("called once");
        let accepted = producer.try_send(Record::to("t").value(b"again"));
        tell.send((result.is_err(), accepted)).expect("somebody listens");
    };
    producer.send_with_callback(Record::to("t").value(b"first"), callback).await.expect("accepted");

    let (has_expired, accepted) = told.recv_timeout(PATIENCE).expect("called");
    assert!(has_expired);
    accepted.expect("accepted").await.expect("delivered");
    assert_eq!(values(&broker, 0), ["again"]);
    producer.close(PATIENCE).await;
    broker.stop().await;
}
