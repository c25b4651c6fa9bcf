//! The rules that one thread cannot show (D-68): what the real driver does with a silent socket, and where callbacks run.
//!
//! `scripts/mutants.sh` runs these under their mutants (K11, K13) and wants to see them fail.

use std::sync::mpsc;
use std::time::Duration;

use facteur::broker::{Fault, FaultAction};
use facteur::engine::Observation;
use facteur::{Observations, Observed, Producer, ProducerConfig, Record};

use super::support::{PATIENCE, broker, producer, trace, values};

// K11: an answer cannot be skipped, so a request that is overdue takes its connection with it, and the retry has a new one.
// Fails if the connection stays: then both attempts leave by one socket, and the second waits behind the first.
#[tokio::test]
async fn k11_an_overdue_request_takes_its_connection_with_it() {
    trace();
    let broker = broker(1).await;
    let sink = Observations::with_capacity(1_000);
    let config = ProducerConfig::builder(&broker.bootstrap().to_string())
        .property("request.timeout.ms", "400")
        .property("delivery.timeout.ms", "10000")
        .property("linger.ms", "0")
        .build()
        .expect("valid settings");
    let producer = Producer::builder(config).observer(sink.clone()).build().expect("a producer");
    let topic = producer.topic("t").await.expect("known");
    broker.faults().arm(Fault::new(0, FaultAction::DelayAnswer(Duration::from_secs(2))));

    let delivery = topic.send(Record::of(b"v")).await.expect("accepted");
    let outcome = tokio::time::timeout(PATIENCE, delivery).await.expect("an outcome").expect("delivered");

    assert_eq!(outcome.offset(), Some(0));
    producer.close(PATIENCE).await;
    let observed: Vec<Observed> = sink.take().into();
    let sent: Vec<_> = observed
        .iter()
        .filter(|one| matches!(one.observation, Observation::BatchSent { .. }))
        .map(|one| one.local_address.expect("connected"))
        .collect();
    assert!(sent.len() >= 2, "the batch was retried: {sent:?}");
    assert_ne!(sent[0], sent[1], "the retry left by the socket that still owes an answer");
    let lost = observed.iter().find_map(|one| {
        let Observation::ConnectionLost { reason, .. } = &one.observation else { return None };
        Some(&**reason)
    });
    assert!(lost.expect("a connection was lost").contains("request.timeout.ms"));
    assert_eq!(values(&broker, 0), ["v"]);
    broker.stop().await;
}

// K13: user code runs under no lock of ours and not inside the I/O step. A callback that waits for the next record's
// delivery must get it. Fails by its patience if callbacks run on the I/O thread: nothing is delivered while one waits. The
// second record is sent only once the callback has begun, so that it is not of the same batch.
#[tokio::test]
async fn k13_a_callback_that_waits_holds_nobody_up() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("linger.ms", "0")]);
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let (begin, has_begun) = tokio::sync::oneshot::channel();

    let callback = move |result: Result<facteur::DeliveryReport, facteur::Error>| {
        begin.send(()).expect("the test listens");
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let was_released = may_go_on.recv_timeout(Duration::from_secs(5)).is_ok();
        tell.send((result.expect("delivered").offset(), thread, was_released)).expect("the test listens");
    };
    producer.send_with_callback(Record::to("t").value(b"first"), callback).await.expect("accepted");
    tokio::time::timeout(PATIENCE, has_begun).await.expect("the callback runs").expect("it says so");
    let second = producer.send(Record::to("t").value(b"second")).await.expect("accepted");
    let second = tokio::time::timeout(Duration::from_secs(4), second).await;
    go_on.send(()).expect("the callback waits");
    let (offset, thread, was_released) = told.recv_timeout(PATIENCE).expect("the callback came to its end");

    assert_eq!(second.expect("nobody was held up").expect("delivered").offset(), Some(1));
    assert_eq!((offset, &*thread, was_released), (Some(0), "facteur-callback", true));
    producer.close(PATIENCE).await;
    broker.stop().await;
}
