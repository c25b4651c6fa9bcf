//! What went wrong in other clients around the handle: closing, flushing, callbacks, panics, brokers that are not Apache's.
//! Each against the embedded broker, over real sockets.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use facteur::accumulator::partitioner::{Partitioner, TopicPartitions};
use facteur::broker::{Broker, BrokerConfig, Fault, FaultAction, Personality};
use facteur::config::PartitionerChoice;
use facteur::{Cause, Error, ErrorCode, Outcome, Producer, ProducerConfig, Record, TrySendError};

use super::support::{PATIENCE, broker, producer, values};

const PRODUCE: i16 = 0;
const INIT_PRODUCER_ID: i16 = 22;

async fn broker_with(personality: Personality) -> Broker {
    let config = BrokerConfig {
        topics: vec![("t".to_owned(), 1)],
        auto_create_topics: false,
        personality,
        ..BrokerConfig::default()
    };
    Broker::start(config).await.expect("a free port")
}

// C02: a record that can never fit, and nobody to ask: there is no broker at all. Fails if the refusal waits for one, or if
// the caller hears "full" and tries for ever.
#[test]
fn c02_a_record_that_can_never_fit_is_refused_without_asking_anybody() {
    let limits: [(&[(&str, &str)], &str); 2] = [
        (&[("max.request.size", "1000")], "max.request.size"),
        (&[("buffer.memory", "1000"), ("batch.size", "500")], "buffer.memory"),
    ];
    for (properties, name) in limits {
        // Port 9 is never dialled with success here; nothing is to be sent.
        let mut builder = ProducerConfig::builder("127.0.0.1:9");
        for (property, value) in properties {
            builder = builder.property(property, value);
        }
        let producer = Producer::new(builder.build().expect("valid settings")).expect("starts");
        let refused = producer.try_send(Record::to("t").value(&[0; 2_000]));
        let Err(TrySendError::TooLarge(Error::RecordTooLarge { limit_name, .. })) = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(*limit_name, name);
        producer.close_blocking(Duration::ZERO);
    }
}

/// Blocks whoever wakes it for so long: user code that stalls the I/O thread.
struct Stall(Duration);

impl Wake for Stall {
    fn wake(self: Arc<Self>) {
        // Nobody sends: a wait of exactly this length.
        let (_sender, receiver) = mpsc::channel::<()>();
        assert!(receiver.recv_timeout(self.0).is_err());
    }
}

// C22, C21, K16: somebody's waker blocks the I/O thread for two seconds. The answer to the next record lies in the socket
// all that time, and meanwhile its request and its delivery timeout pass. Fails if the clock is looked at before the
// socket is read: the record would end "unknown" although its answer is there.
#[tokio::test(flavor = "multi_thread")]
async fn c22_answers_that_came_during_a_stall_are_read_before_anything_expires() {
    let broker = broker(1).await;
    let properties = [
        ("request.timeout.ms", "500"),
        ("delivery.timeout.ms", "900"),
        ("linger.ms", "0"),
        ("batch.size", "1"),
    ];
    let producer = producer(&broker, &properties);
    producer.send_and_wait(Record::to("t").value(b"gate")).await.expect("delivered");
    for _ in 0..2 {
        broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_millis(200))));
    }
    let first = producer.send(Record::to("t").value(b"first")).await.expect("accepted");
    let second = producer.send(Record::to("t").value(b"second")).await.expect("accepted");
    {
        let mut first = pin!(first);
        let waker = Waker::from(Arc::new(Stall(Duration::from_secs(2))));
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let report = second.await.expect("its answer was there before its time was over");
        assert_eq!(report.offset(), Some(2));
        assert!(matches!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_))));
    }
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// G19 (KAFKA-4235), C06, C07, G72: four threads send with callbacks while the producer is closed, twice, under them. Fails if
// a callback of an accepted record is not called, or called twice, or if a record is in the log that was refused.
#[tokio::test(flavor = "multi_thread")]
async fn g19_sends_that_race_a_close_are_refused_or_called_back_exactly_once() {
    let broker = broker(3).await;
    for patience in [Duration::ZERO, PATIENCE] {
        let producer = producer(&broker, &[]);
        producer.topic("t").await.expect("known");
        let called = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (producer, called) = (producer.clone(), Arc::clone(&called));
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                    let mut accepted = 0;
                    loop {
                        let called = Arc::clone(&called);
                        let callback = move |_: Result<facteur::DeliveryReport, Error>| {
                            called.fetch_add(1, Ordering::Relaxed);
                        };
                        let record = Record::to("t").value(b"v");
                        match runtime.block_on(producer.send_with_callback(record, callback)) {
                            Ok(()) => accepted += 1,
                            Err(error) => {
                                assert_eq!(error, Error::Closed);
                                return accepted;
                            }
                        }
                    }
                })
            })
            .collect();
        while called.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
        let (one, two) = tokio::join!(producer.close(patience), producer.close(patience));
        let accepted: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
        assert_eq!(producer.close(PATIENCE).await, facteur::CloseReport::default());
        // The last callbacks run behind the close.
        while called.load(Ordering::Relaxed) < accepted {
            tokio::task::yield_now().await;
        }
        assert_eq!(called.load(Ordering::Relaxed), accepted, "{one:?} {two:?}");
        let statistics = producer.statistics();
        let told = statistics.records_acknowledged + statistics.records_rejected + statistics.records_unknown;
        assert_eq!(told, statistics.records_accepted);
        if patience > Duration::ZERO {
            assert_eq!(statistics.records_acknowledged, statistics.records_accepted);
        }
    }
    broker.stop().await;
}

/// A partitioner that panics at the records whose key says so.
#[derive(Debug)]
struct Panicking;

impl Partitioner for Panicking {
    fn partition(&self, record: &Record<'_>, _: TopicPartitions<'_>) -> i32 {
        assert!(record.key.is_none(), "a partitioner of the user's own that panics");
        0
    }
}

// G20 (KAFKA-4741), C09: user code panics between the check and the append. Fails if memory is lost, if a lock stays
// poisoned, or if the producer cannot be used afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn g20_a_panicking_partitioner_costs_its_caller_only() {
    let broker = broker(1).await;
    let config = ProducerConfig::builder(&broker.bootstrap().to_string())
        .partitioner(PartitionerChoice::Custom(Arc::new(Panicking)));
    let producer = Producer::new(config.build().expect("valid settings")).expect("starts");
    producer.topic("t").await.expect("known");
    for turn in 0..20 {
        let handle = producer.clone();
        let caller = std::thread::spawn(move || {
            drop(handle.send_blocking(Record::to("t").key(b"panic").value(b"lost")));
        });
        assert!(caller.join().is_err(), "the panic reaches the caller");
        let value = format!("{turn}");
        producer.send_and_wait(Record::to("t").value(value.as_bytes())).await.expect("delivered");
    }

    let expected: Vec<String> = (0..20).map(|turn| turn.to_string()).collect();
    assert_eq!(values(&broker, 0), expected);
    let statistics = producer.statistics();
    assert_eq!(statistics.buffer_available_bytes, statistics.buffer_total_bytes);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// G21 (KAFKA-5503, KAFKA-8061): the broker gives no producer id, and the producer is closed meanwhile. Java waited for
// ever. Fails if the close does, or if a record that was never sent is told to be in doubt.
#[tokio::test]
async fn g21_a_close_while_a_producer_id_is_waited_for_ends_in_time() {
    let broker = broker(1).await;
    let refusal = FaultAction::AnswerError(ErrorCode(14));
    broker.faults().arm(Fault::new(INIT_PRODUCER_ID, refusal).count(u32::MAX));
    let producer = producer(&broker, &[]);
    let pending = producer.send(Record::to("t").value(b"v")).await.expect("accepted");
    let report =
        tokio::time::timeout(PATIENCE, producer.close(Duration::from_millis(200))).await.expect("ends");

    assert_eq!((report.acknowledged, report.rejected, report.unknown), (0, 1, 0));
    assert_eq!(pending.await.expect_err("never sent").outcome(), Outcome::Rejected);
    broker.stop().await;
}

// G83 (Jepsen on Bufstream): a close against a broker that says nothing hung for over an hour. Fails if ours waits longer
// than it was told, or if what was written is told to be rejected.
#[tokio::test]
async fn g83_a_close_against_a_silent_broker_ends_at_its_deadline() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("request.timeout.ms", "6000"), ("linger.ms", "0")]);
    producer.send_and_wait(Record::to("t").value(b"gate")).await.expect("delivered");
    broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_secs(5))));
    let written = producer.send(Record::to("t").value(b"v")).await.expect("accepted");
    while producer.statistics().requests_sent < 2 {
        tokio::task::yield_now().await;
    }
    let report = tokio::time::timeout(Duration::from_secs(4), producer.close(Duration::from_millis(100)))
        .await
        .expect("ends long before the broker speaks");

    assert_eq!((report.acknowledged, report.rejected, report.unknown), (0, 0, 1));
    assert_eq!(written.await.expect_err("nobody knows").outcome(), Outcome::Unknown);
    broker.stop().await;
}

// G23 (KAFKA-12870), C28: Java's count of flushes was raised and not lowered, so lingering was over for good. Here flushes
// are dropped half way. Fails if a record is sent before its lingering time.
#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    reason = "it measures a lower bound: a busy machine only makes it longer"
)]
async fn g23_a_flush_that_is_dropped_leaves_lingering_as_it_was() {
    const LINGER_MS: u64 = 400;
    let broker = broker(1).await;
    let producer = producer(&broker, &[("linger.ms", "400")]);
    producer.send_and_wait(Record::to("t").value(b"warm")).await.expect("delivered");
    for _ in 0..3 {
        broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_millis(50))));
        let held = producer.send(Record::to("t").value(b"held")).await.expect("accepted");
        {
            let mut flush = pin!(producer.flush());
            assert!(flush.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        held.await.expect("delivered");
    }
    let begun = tokio::time::Instant::now();
    producer.send_and_wait(Record::to("t").value(b"lingers")).await.expect("delivered");

    assert!(begun.elapsed() >= Duration::from_millis(LINGER_MS - 10), "{:?}", begun.elapsed());
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// G24 (KAFKA-12736): Java's flush kept every batch alive until the last one was done. Fails if the memory of what is
// delivered does not come back while a flush still waits for another topic.
#[tokio::test]
async fn g24_a_flush_that_waits_does_not_hold_the_memory_of_what_is_delivered() {
    let config = BrokerConfig {
        topics: vec![("t".to_owned(), 1), ("stuck".to_owned(), 1)],
        auto_create_topics: false,
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).await.expect("a free port");
    let producer = producer(&broker, &[("batch.size", "16384")]);
    let stuck = FaultAction::AnswerError(ErrorCode(19));
    let fault = broker.faults().arm(Fault::new(PRODUCE, stuck).topic("stuck").count(u32::MAX));
    let held = producer.send(Record::to("stuck").value(b"held")).await.expect("accepted");
    let large = vec![0_u8; 10_000];
    let mut deliveries = Vec::new();
    for _ in 0..100 {
        deliveries.push(producer.send(Record::to("t").value(&large)).await.expect("accepted"));
    }
    let mut flush = pin!(producer.flush());
    assert!(flush.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    for delivery in deliveries {
        delivery.await.expect("delivered");
    }
    let wait = async {
        loop {
            let statistics = producer.statistics();
            if statistics.buffer_total_bytes - statistics.buffer_available_bytes < 50_000 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("a megabyte came back while the flush waits");
    assert!(flush.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());

    broker.faults().clear(fault);
    held.await.expect("delivered");
    flush.await.expect("flushed");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// G74 (franz-go 63cf8fa6, 02c97966), C10, C36: a callback sends into a full buffer. A queue without bound was their first
// answer, a deadlock their second. Fails if the callback waits for memory that only later callbacks would free.
#[tokio::test(flavor = "multi_thread")]
async fn g74_a_callback_that_sends_into_a_full_buffer_is_told_so_at_once() {
    let broker = broker(1).await;
    let properties = [
        ("buffer.memory", "65536"),
        ("batch.size", "16384"),
        ("max.request.size", "32768"),
        ("max.block.ms", "15000"),
    ];
    let producer = producer(&broker, &properties);
    producer.send_and_wait(Record::to("t").value(b"warm")).await.expect("delivered");
    broker.faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_millis(100))));
    let (tell, told) = mpsc::channel();
    let handle = producer.clone();
    let callback = move |result: Result<facteur::DeliveryReport, Error>| {
        let large = vec![0_u8; 4_000];
        let mut accepted = 0_usize;
        let refused = loop {
            match handle.send_blocking(Record::to("t").value(&large)) {
                Ok(_delivered_later) => accepted += 1,
                Err(error) => break error,
            }
            if accepted > 200_000 {
                break Error::Closed;
            }
        };
        let flushed = handle.flush_blocking();
        tell.send((result.is_ok(), refused, flushed.is_err())).expect("somebody listens");
    };
    producer.send_with_callback(Record::to("t").value(b"v"), callback).await.expect("accepted");

    let (is_ok, refused, is_misuse) = told.recv_timeout(PATIENCE).expect("the callback came to its end");
    assert!(is_ok && is_misuse);
    assert!(matches!(refused, Error::BufferFull { .. }), "{refused}");
    producer.flush().await.expect("flushed");
    let statistics = producer.statistics();
    assert_eq!(statistics.records_acknowledged, statistics.records_accepted);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// G49 (redpanda #3039): a broker that remembers no batch answers 45 to a duplicate. A client that takes that for "not
// written" bumps and writes it again. Fails if ours does: the record must end unknown, and be there once.
#[tokio::test]
async fn g49_a_broker_without_memory_of_batches_costs_certainty_and_no_second_copy() {
    let broker = broker_with(Personality::NoDedupWindow).await;
    let producer = producer(&broker, &[("linger.ms", "0")]);
    producer.send_and_wait(Record::to("t").value(b"gate")).await.expect("delivered");
    for turn in 0..5 {
        broker.faults().arm(Fault::lose_produce_answers(1));
        let value = format!("lost {turn}");
        let error = producer
            .send_and_wait(Record::to("t").value(value.as_bytes()))
            .await
            .expect_err("nobody can know");
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
        let value = format!("after {turn}");
        producer.send_and_wait(Record::to("t").value(value.as_bytes())).await.expect("the lane goes on");
    }

    let mut expected = vec!["gate".to_owned()];
    expected.extend((0..5).flat_map(|turn| [format!("lost {turn}"), format!("after {turn}")]));
    assert_eq!(values(&broker, 0), expected);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// G51 (redpanda #22687), B41: a broker that does not accept an epoch which it has not given out itself. Fails if the lane is
// stuck between its bump and the broker's refusal.
#[tokio::test]
async fn g51_a_broker_that_refuses_a_raised_epoch_gives_a_new_id_instead() {
    let broker = broker_with(Personality::NoLocalEpochBump).await;
    let producer = producer(&broker, &[("linger.ms", "0")]);
    producer.send_and_wait(Record::to("t").value(b"gate")).await.expect("delivered");
    broker.faults().arm(Fault::new(PRODUCE, FaultAction::AnswerError(ErrorCode(44))));
    let error = producer.send_and_wait(Record::to("t").value(b"refused")).await.expect_err("refused");
    assert_eq!(error.outcome(), Outcome::Rejected);
    let report = producer.send_and_wait(Record::to("t").value(b"after")).await.expect("delivered");

    assert_eq!((report.details().producer_epoch, report.details().base_sequence), (Some(0), Some(0)));
    assert_eq!(values(&broker, 0), ["gate", "after"]);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// B39: brokers that answer a duplicate with 46 and no offset. Fails if the record counts as failed, or as written at some
// offset that nobody told.
#[tokio::test]
async fn b39_a_duplicate_told_by_46_is_a_success_without_an_offset() {
    let broker = broker_with(Personality::DuplicateAnswers46).await;
    let producer = producer(&broker, &[("linger.ms", "0")]);
    producer.send_and_wait(Record::to("t").value(b"gate")).await.expect("delivered");
    broker.faults().arm(Fault::lose_produce_answers(1));
    let report = producer.send_and_wait(Record::to("t").value(b"lost")).await.expect("delivered");

    assert_eq!((report.offset(), report.details().deduplicated), (None, Some(true)));
    assert_eq!(values(&broker, 0), ["gate", "lost"]);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C32: the application dies with a record in doubt and sends it again after its restart. The new producer has another id:
// there are two copies, as the README says. Fails if that changes without being told.
#[tokio::test]
async fn c32_a_restarted_application_that_sends_again_makes_a_second_copy() {
    let broker = broker(1).await;
    for life in 1..=2 {
        let producer = producer(&broker, &[("linger.ms", "0")]);
        broker.faults().arm(Fault::lose_produce_answers(1));
        let delivery = producer.send(Record::to("t").value(b"order 42")).await.expect("accepted");
        let stored = async {
            while values(&broker, 0).len() < life {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, stored).await.expect("stored, and nobody was told");
        drop((producer, delivery));
    }
    assert_eq!(values(&broker, 0), ["order 42", "order 42"]);
    broker.stop().await;
}

// C04: the caller accepts and walks away. Fails if the record goes with its `Delivery`.
#[tokio::test]
async fn c04_a_record_whose_delivery_is_dropped_is_delivered_all_the_same() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("linger.ms", "100")]);
    for value in [b"a", b"b", b"c"] {
        let mut delivery = Box::pin(producer.send(Record::to("t").value(value)).await.expect("accepted"));
        // Once without having been asked, then in the middle of a wait.
        if value != b"a" {
            assert!(delivery.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(delivery);
    }
    producer.flush().await.expect("flushed");

    assert_eq!(values(&broker, 0), ["a", "b", "c"]);
    assert_eq!(producer.statistics().records_acknowledged, 3);
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// G22, G36 (KAFKA-14831): a producer that has ended says so, with its cause, to everybody and at once. Fails if a call waits
// for a thread that is gone.
#[tokio::test]
async fn g36_after_the_end_every_call_is_refused_at_once() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("max.block.ms", "60000")]);
    let pending = producer.send(Record::to("t").value(b"v")).await.expect("accepted");
    producer.close(Duration::ZERO).await;
    let outcome = pending.await.expect_err("closed without patience");
    assert!(matches!(
        &outcome,
        Error::Rejected { cause: Cause::Closed, .. } | Error::Unknown { cause: Cause::Closed, .. }
    ));
    for topic in ["t", "never-seen"] {
        assert_eq!(producer.send(Record::to(topic).value(b"v")).await.expect_err("closed"), Error::Closed);
    }
    assert_eq!(producer.topic("other").await.expect_err("closed"), Error::Closed);
    producer.flush().await.expect("nothing to wait for");
    broker.stop().await;
}

// C08: the application's runtime is shut down with records pending, the producer lives on. Fails by a panic in a drop, by a
// record that nobody sends any more, or by a `Delivery` that waits for ever: the producer's own thread does the work.
#[test]
#[allow(clippy::disallowed_methods, reason = "the tasks' owner is the runtime that is shut down with them")]
fn c08_records_outlive_the_runtime_that_sent_them() {
    let of_the_broker = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let broker = of_the_broker.block_on(broker(1));
    let producer = {
        let _entered = of_the_broker.enter();
        producer(&broker, &[("linger.ms", "200")])
    };
    let application = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut kept = None;
    application.block_on(async {
        let handle = producer.clone();
        let first =
            handle.send(Record::to("t").value(b"awaited by a task that goes")).await.expect("accepted");
        tokio::spawn(first);
        let waiter = producer.clone();
        tokio::spawn(async move { waiter.send(Record::to("unknown").value(b"never")).await });
        tokio::task::yield_now().await;
        kept = Some(producer.send(Record::to("t").value(b"kept")).await.expect("accepted"));
    });
    application.shutdown_background();

    let report = of_the_broker.block_on(kept.expect("accepted")).expect("delivered");
    assert_eq!(report.offset(), Some(1));
    assert_eq!(values(&broker, 0), ["awaited by a task that goes", "kept"]);
    producer.flush_blocking().expect("flushed");
    producer.close_blocking(PATIENCE);
    let statistics = producer.statistics();
    assert_eq!(statistics.buffer_available_bytes, statistics.buffer_total_bytes);
    of_the_broker.block_on(broker.stop());
}

// C34: records for a named partition, for a key and for neither, all sent while nobody knows the topic yet. They are accepted
// in the order of the sends, and that is the log's. Fails if the way of choosing changes the order.
#[tokio::test]
async fn c34_every_way_of_choosing_a_partition_keeps_the_order_of_sends() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[]);
    let texts: Vec<String> = (0..30).map(|index| index.to_string()).collect();
    let mut sends: Vec<_> = texts
        .iter()
        .zip(0..)
        .map(|(text, index)| {
            let record = Record::to("t").value(text.as_bytes());
            let record = match index % 3 {
                0 => record.partition(0),
                1 => record.key(b"k"),
                _ => record,
            };
            Box::pin(producer.send(record))
        })
        .collect();
    for send in &mut sends {
        assert!(
            send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(),
            "nobody knows the topic"
        );
    }
    for send in sends {
        drop(send.await.expect("accepted"));
    }
    producer.flush().await.expect("flushed");

    assert_eq!(values(&broker, 0), texts);
    producer.close(PATIENCE).await;
    broker.stop().await;
}
