//! Whoever watches a producer sees each attempt, and whoever does not pays nothing.

use facteur::broker::Fault;
use facteur::engine::Observation;
use facteur::{Observations, Observed, Producer, ProducerConfig, Record};

use super::support::{PATIENCE, broker, trace, values};

fn of_batches(observed: &[Observed]) -> Vec<&'static str> {
    observed
        .iter()
        .filter(|one| one.observation.batch().is_some())
        .map(|one| one.observation.name())
        .collect()
}

// D-63: the story of a lost acknowledgement, from observations alone. Fails if an attempt is not told, if the two bear
// different names, or if the socket cannot be found by its local address, which is what an injector knows of it.
#[tokio::test]
async fn a_lost_answer_is_told_as_two_attempts_of_one_name() {
    trace();
    let broker = broker(1).await;
    let sink = Observations::with_capacity(1_000);
    let config = ProducerConfig::builder(&broker.bootstrap().to_string())
        .client_id("watched")
        .property("facteur.late.resolution.ms", "2000")
        .build()
        .expect("valid settings");
    let producer = Producer::builder(config).observer(sink.clone()).build().expect("a producer");
    let topic = producer.topic("t").await.expect("known");
    let _armed = broker.handle().faults().arm(Fault::lose_produce_answers(1));

    let delivery = topic.send(Record::of(b"v")).await.expect("accepted");
    let place = delivery.place();
    delivery.await.expect("delivered");

    producer.close(PATIENCE).await;
    let observed: Vec<Observed> = sink.take().into();
    assert_eq!(
        of_batches(&observed),
        [
            "BatchStamped",
            "BatchSent",
            "BatchUnanswered",
            "BatchRetried",
            "BatchSent",
            "BatchAnswered",
            "BatchAcknowledged"
        ]
    );
    let mut sent = Vec::new();
    for one in &observed {
        assert_eq!((&*one.client_id, one.producer), ("watched", place.producer));
        if let Some(batch) = one.observation.batch() {
            assert_eq!((batch.lane, batch.batch), (place.lane, place.batch));
            assert!((batch.first_record..batch.first_record + batch.records).contains(&place.index));
        }
        if let Observation::BatchSent { batch, correlation_id, .. } = &one.observation {
            sent.push((batch.attempt, batch.stamp, one.local_address.expect("connected"), *correlation_id));
        }
        if let Observation::BatchUnanswered { was_written, .. } = &one.observation {
            assert!(*was_written && one.local_address == Some(sent[0].2));
        }
    }
    assert_eq!((sent[0].0, sent[1].0), (1, 2));
    assert!(sent[0].1.is_some() && sent[0].1 == sent[1].1, "the retry has another name: {sent:?}");
    assert_ne!(sent[0].2, sent[1].2, "the lost answer ended its connection");
    assert!(observed.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
    assert_eq!((values(&broker, 0).len(), sink.lost()), (1, 0));
    broker.stop().await;
}

// Two sinks see the same, and a small one loses its oldest without holding anybody up.
#[tokio::test]
async fn a_small_sink_loses_its_oldest_and_delays_nothing() {
    trace();
    let broker = broker(1).await;
    let (large, small) = (Observations::with_capacity(10_000), Observations::with_capacity(2));
    let config = ProducerConfig::builder(&broker.bootstrap().to_string()).build().expect("valid settings");
    let builder = Producer::builder(config).observer(large.clone()).observer(small.clone());
    let producer = builder.build().expect("a producer");

    for _ in 0..20 {
        producer.send_and_wait(Record::to("t").value(b"v")).await.expect("delivered");
    }

    producer.close(PATIENCE).await;
    let (large_taken, small_taken) = (large.take(), small.take());
    assert_eq!((small_taken.len(), large.lost()), (2, 0));
    assert_eq!(small.lost() + 2, large_taken.len() as u64);
    assert!(large_taken.iter().rev().take(2).rev().eq(small_taken.iter()));
    broker.stop().await;
}
