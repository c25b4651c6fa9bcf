//! Records arrive: once, in order, by every way of sending.

use std::sync::mpsc;

use facteur::broker::{Fault, FaultAction};
use facteur::{ErrorCode, Header, Outcome, Record};

use super::support::{PATIENCE, broker, producer, values};

// The first thing anybody tries. Fails if anything between `send` and the log is broken.
#[tokio::test]
async fn a_record_is_delivered_and_its_offset_told() {
    let broker = broker(3).await;
    let producer = producer(&broker, &[]);
    let headers = [Header::new("h", b"1"), Header::new("h", b"2"), Header::null("n")];

    let report = producer
        .send_and_wait(
            Record::to("t").key(b"k").value(b"v").headers(&headers).timestamp_ms(1_700_000_000_000),
        )
        .await
        .expect("delivered");

    assert_eq!((report.topic(), report.offset(), report.timestamp_ms()), ("t", Some(0), 1_700_000_000_000));
    assert_eq!(values(&broker, report.partition()), ["v"]);
    let details = report.details();
    assert_eq!((details.base_sequence, details.producer_epoch, details.attempts), (Some(0), Some(0), 1));
    assert_eq!(details.deduplicated, Some(false));
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// Ten thousand records by each codec, in order per partition. Fails if a batch is lost, doubled or misread.
#[tokio::test]
async fn every_codec_delivers_in_order() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let broker = broker(1).await;
        let producer = producer(&broker, &[("compression.type", codec)]);
        let topic = producer.topic("t").await.expect("known");
        let mut last = None;
        let expected: Vec<String> =
            (0..10_000).map(|i| format!("value number {i} of codec {codec}")).collect();

        for value in &expected {
            last = Some(topic.send(Record::of(value.as_bytes())).await.expect("accepted"));
        }
        producer.flush().await.expect("flushed");

        let report = last.expect("sent").await.expect("delivered");
        assert_eq!(report.offset(), Some(9_999), "codec {codec}");
        assert_eq!(values(&broker, 0), expected, "codec {codec}");
        let closed = producer.close(PATIENCE).await;
        assert_eq!((closed.rejected, closed.unknown), (0, 0));
        broker.stop().await;
    }
}

// The classic: the broker has appended, its answer is lost ([IDEM-3], [IDEM-6]). Fails with duplicates if a retry changes its name, with a
// hole if the window forgets a batch.
#[tokio::test]
async fn lost_answers_are_recognised_and_nothing_is_stored_twice() {
    let broker = broker(3).await;
    let producer = producer(&broker, &[("linger.ms", "0"), ("retry.backoff.ms", "10")]);
    let mut deliveries = Vec::new();
    let mut fault = broker.faults().arm(Fault::lose_produce_answers(1));
    let mut lost = 0;

    for i in 0..3_000_i32 {
        if broker.faults().fired(fault) > 0 {
            lost += 1;
            fault = broker.faults().arm(Fault::lose_produce_answers(1));
        }
        let value = i.to_string();
        let record = Record::to("t").partition(i % 3).value(value.as_bytes());
        deliveries.push(producer.send(record).await.expect("accepted"));
        if i % 50 == 0 {
            // So that there are many batches, and something to lose in each.
            producer.flush().await.expect("flushed");
        }
    }
    for (i, delivery) in deliveries.into_iter().enumerate() {
        let report = delivery.await.expect("delivered in spite of lost answers");
        assert_eq!(report.offset(), Some(i64::try_from(i).expect("small") / 3));
    }

    assert!(lost >= 5, "only {lost} answers were lost: the test shows nothing");
    for partition in 0..3 {
        let expected: Vec<String> =
            (0..3_000).filter(|i| i % 3 == partition).map(|i| i.to_string()).collect();
        assert_eq!(values(&broker, partition), expected);
    }
    assert!(producer.statistics().batches_deduplicated > 0);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// Every code that a broker can answer before or after appending, sprinkled over pipelined batches.
#[tokio::test]
async fn retriable_codes_lead_to_one_copy_in_order() {
    for code in [2, 3, 5, 6, 7, 9, 19, 20, 56, 74, 75, 89, -1, 999] {
        let broker = broker(1).await;
        let producer = producer(
            &broker,
            &[("linger.ms", "0"), ("retry.backoff.ms", "5"), ("retry.backoff.max.ms", "20")],
        );
        let code = ErrorCode(code);
        let mut deliveries = Vec::new();

        for i in 0..400 {
            // A batch found corrupt four times is rejected, so that code comes three times at most.
            if i % 40 == 20 && (code.0 != 2 || i < 140) {
                let action = if matches!(code.0, 2 | 5 | 19 | 74 | 75 | 89) || i % 80 == 20 {
                    FaultAction::AnswerError(code)
                } else {
                    FaultAction::AnswerErrorAfterProcessing(code)
                };
                broker.faults().arm(Fault::new(0, action));
                producer.flush().await.expect("flushed");
            }
            let value = i.to_string();
            deliveries.push(producer.send(Record::to("t").value(value.as_bytes())).await.expect("accepted"));
        }
        for delivery in deliveries {
            delivery.await.unwrap_or_else(|error| panic!("{code}: {error}"));
        }

        let expected: Vec<String> = (0..400).map(|i| i.to_string()).collect();
        assert_eq!(values(&broker, 0), expected, "{code}");
        producer.close(PATIENCE).await;
        broker.stop().await;
    }
}

// A refusal of one batch must not cost its neighbours: the lane starts anew under a fresh identity and goes on (C14,
// [OUT-1], [IDEM-4]).
#[tokio::test]
async fn a_refused_batch_is_rejected_and_the_others_are_delivered() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("linger.ms", "0"), ("retry.backoff.ms", "5")]);
    producer.send_and_wait(Record::to("t").value(b"first")).await.expect("delivered");
    broker.faults().arm(Fault::new(0, FaultAction::AnswerError(ErrorCode(44))));

    let refused = producer.send(Record::to("t").value(b"refused")).await.expect("accepted");
    let error = refused.await.expect_err("refused");
    producer.send_and_wait(Record::to("t").value(b"second")).await.expect("delivered");

    assert_eq!(error.outcome(), Outcome::Rejected);
    assert_eq!(error.code(), Some(ErrorCode(44)));
    assert_eq!(values(&broker, 0), ["first", "second"]);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// The same lanes serve code without a runtime.
#[test]
fn a_plain_thread_sends_and_waits() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime for the broker");
    let broker = runtime.block_on(broker(1));
    let producer = producer(&broker, &[]);

    let first = producer.send_and_wait_blocking(Record::to("t").value(b"a")).expect("delivered");
    let second =
        producer.send_blocking(Record::to("t").value(b"b")).expect("accepted").wait().expect("delivered");
    producer.flush_blocking().expect("flushed");

    assert_eq!((first.offset(), second.offset()), (Some(0), Some(1)));
    let closed = producer.close_blocking(PATIENCE);
    assert_eq!(closed.unknown, 0);
    runtime.block_on(broker.stop());
}

// D-20: callbacks of a partition run in send order, exactly once each, and a panic in one harms nobody.
#[tokio::test]
async fn callbacks_run_once_each_in_send_order() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("linger.ms", "1")]);
    let (sender, receiver) = mpsc::channel();

    for i in 0..500_i64 {
        let sender = sender.clone();
        let callback = move |result: Result<facteur::DeliveryReport, facteur::Error>| {
            sender.send((i, result.expect("delivered").offset())).expect("the test listens");
            assert!(i != 250, "a callback that panics");
        };
        let value = i.to_string();
        producer
            .send_with_callback(Record::to("t").value(value.as_bytes()), callback)
            .await
            .expect("accepted");
    }
    producer.flush().await.expect("flushed");

    // Not one is still to come: a program may end here. Fails if the flush waits for outcomes alone.
    let told: Vec<(i64, Option<i64>)> = receiver.try_iter().collect();
    let expected: Vec<(i64, Option<i64>)> = (0..500).map(|i| (i, Some(i))).collect();
    assert_eq!(told, expected);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// acks=0: nobody confirms anything, so there is no offset, and nothing is waited for.
#[tokio::test]
async fn acks_zero_completes_without_an_offset() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("acks", "0"), ("enable.idempotence", "false")]);

    let report = producer.send_and_wait(Record::to("t").value(b"v")).await.expect("written");

    assert_eq!((report.offset(), report.details().producer_id), (None, None));
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// Without idempotence a lost answer duplicates: that is the course's central experiment.
#[tokio::test]
async fn a_plain_producer_stores_a_record_twice_when_its_answer_is_lost() {
    let broker = broker(1).await;
    let producer =
        producer(&broker, &[("acks", "1"), ("enable.idempotence", "false"), ("retry.backoff.ms", "5")]);
    producer.send_and_wait(Record::to("t").value(b"warm")).await.expect("delivered");
    broker.faults().arm(Fault::lose_produce_answers(1));

    producer.send_and_wait(Record::to("t").value(b"twice")).await.expect("delivered");

    assert_eq!(values(&broker, 0), ["warm", "twice", "twice"]);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// B09, [IDEM-5], the first-batch hole: a broker accepts any first sequence. If two batches were on their way to a fresh
// partition and the first were refused, the second would be taken and the first refused for ever.
#[tokio::test]
async fn the_first_batch_travels_alone_so_that_none_can_overtake_it() {
    let broker = broker(1).await;
    broker.faults().arm(Fault::new(0, FaultAction::AnswerError(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
    // One record a batch, so that there are many: without this the open batch would grow while the first one waits.
    let one_each = ("facteur.batch.growth.enable", "false");
    let producer =
        producer(&broker, &[("linger.ms", "0"), ("batch.size", "1"), ("retry.backoff.ms", "5"), one_each]);
    let expected: Vec<String> = (0..200).map(|i| i.to_string()).collect();
    let mut deliveries = Vec::new();

    for value in &expected {
        deliveries.push(producer.send(Record::to("t").value(value.as_bytes())).await.expect("accepted"));
    }
    for (i, delivery) in (0_i64..).zip(deliveries) {
        assert_eq!(delivery.await.expect("delivered").offset(), Some(i));
    }

    assert_eq!(values(&broker, 0), expected);
    producer.close(PATIENCE).await;
    broker.stop().await;
}
