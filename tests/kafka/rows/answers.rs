//! Rows B09, B12, B14, B32-B34, B36 and C13: what a broker answers, made to measure by the injector, with Kafka behind it.
//!
//! **Why not Kafka's own answers.** These codes come from races that cannot be won on purpose; what matters is what Kafka
//! does with the batches around the one that is refused, and that is real. Neighbours: [`super::nodes`] and
//! [`super::cluster_changes`] for codes that Kafka gives by itself. Not here: answers that no broker gives; the fuzzers.

use std::time::Duration;

use facteur::engine::Observation;
use facteur::{ErrorCode, Outcome, Record};
use serde_json::json;

use super::Row;
use crate::cluster::wait_until;
use crate::reader::Log;
use crate::shared;
use crate::workload::producer_at;

// B09, the first-batch hole. The first batch of a fresh partition is answered "not the leader", and Kafka, which knows
// nothing of this producer, would take the second with whatever sequence it has. Fails if anything is sent behind the
// first before it is acknowledged: then the log begins in the middle and the first batch can never enter.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b09_the_first_batch_leaves_no_hole_when_it_is_refused_on_4_4_0() {
    let mut row = Row::begin("b09", &[("batch.size", "200"), ("facteur.batch.growth.enable", "false")]);
    row.wire().add_to_produce("error_response", "b09", &json!({"code": 6, "count": 2}));

    row.deliver(0, 40);

    let ended = row.end_acknowledged();
    assert_eq!(ended.answers(ErrorCode::NOT_LEADER_OR_FOLLOWER), 2);
    assert_eq!(ended.answers(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), 0, "nothing overtook the first batch");
    assert!(ended.log.batches.len() > 5, "there was more than one batch to overtake it");
    let mut expected = 0;
    for batch in &ended.log.batches {
        assert_eq!(batch.base_sequence, expected, "the log begins at sequence 0 and has no hole");
        expected += batch.record_count;
    }
}

// B12. "Too few replicas, after the append": the batch may be in the log. No Kafka gives this answer on purpose any more:
// since 3.7 the high watermark is held while too few are in sync (KIP-966), and 2.8.2 answered 19 when it was tried. Fails
// if it is taken for a refusal.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b12_too_few_replicas_after_the_append_is_sent_again_on_4_4_0() {
    passing("b12", ErrorCode(20));
}

// B14. The broker's own timeout: the batch may be in the log. Fails if that is taken for a refusal.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b14_a_request_that_timed_out_at_the_broker_is_sent_again_on_4_4_0() {
    passing("b14", ErrorCode::REQUEST_TIMED_OUT);
}

fn passing(topic: &'static str, code: ErrorCode) {
    let mut row = Row::begin(topic, &[]);
    row.deliver(0, 3);
    row.wire().add_to_produce("error_response", topic, &json!({"code": code.0, "count": 3}));

    row.deliver(0, 10);

    let ended = row.end_acknowledged();
    assert_eq!(ended.answers(code), 3);
    assert_eq!(ended.statistics.lane_resets, 0, "the same batch under the same name");
}

// B36, C13. One of five batches on their way is refused for a passing reason; the others reach Kafka without it, and
// Kafka refuses them as out of order. Fails if that is taken for a lost state: then the epoch is raised for nothing.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b36_c13_batches_behind_a_refused_one_go_again_in_order_on_4_4_0() {
    let settings = [("batch.size", "200"), ("facteur.batch.growth.enable", "false")];
    let mut row = Row::begin("b36", &settings);
    row.deliver(0, 1);
    row.wire().add(None, "latency", "downstream", &json!({"latency": 150}));
    row.wire().add_to_produce("error_response", "b36", &json!({"code": 19, "count": 1, "after": 3}));

    row.send_apart(0, 60);
    row.producer.flush_blocking().expect("flush ends");

    let ended = row.end_acknowledged();
    assert_eq!(ended.answers(ErrorCode::NOT_ENOUGH_REPLICAS), 1);
    let refused = ended.answers(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert!(refused > 0, "Kafka refused what came behind the gap");
    assert_eq!(
        (ended.statistics.lane_resets, ended.statistics.epoch_bumps),
        (0, 0),
        "no new identity for that"
    );
}

// B34. Kafka cannot give a producer id yet, for four reasons in turn. Fails if one of them is taken for the end.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b34_no_producer_id_yet_is_waited_out_on_4_4_0() {
    let mut shared = shared::lock();
    let (cluster, wire) = shared.parts();
    cluster.create_topic("b34", 1, &[]);
    for (number, code) in [7, 14, 15, 51].into_iter().enumerate() {
        let once = json!({"api": "InitProducerId", "code": code, "count": 1, "clientId": "b34"});
        wire.add_named(&format!("init-{number}"), "error_response", &once);
    }
    let bootstrap = wire.bootstrap.clone();
    let mut row = Row::on(shared, "b34", 1, (&bootstrap, &[("client.id", "b34")]));

    row.deliver(0, 20);

    assert_eq!(row.wire().fired(), 4, "each refusal was given");
    row.end_acknowledged();
}

// B32. No right to write to one topic: its records are refused, the others' are not, and when the right is given the
// same producer goes on. Fails if the refusal sticks.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b32_a_topic_that_may_not_be_written_heals_with_the_right_on_4_4_0() {
    let mut row = Row::begin("b32", &[]);
    row.cluster().create_topic("b32-other", 1, &[]);
    row.deliver(0, 5);
    row.wire().add_to_produce("error_response", "b32", &json!({"code": 29, "count": 1}));

    let refused = row.producer.send_and_wait_blocking(Record::to("b32").partition(0).value(b"no"));
    let other = row.producer.send_and_wait_blocking(Record::to("b32-other").partition(0).value(b"yes"));
    let refused = refused.expect_err("there is no right to write");
    assert_eq!(refused.outcome(), Outcome::Rejected, "{refused}");
    other.expect("the other topic may be written");
    row.deliver(0, 5);

    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 10, "the refused record is not there");
}

// B33. No right to be idempotent: everything that waits is refused, and the next record tries again. A producer asks as
// soon as it is built, so the first refusal may come before there is a record, and the second is for the first. Fails if
// the producer must be built anew after the right is given.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b33_a_refused_producer_id_is_asked_for_again_by_the_next_record_on_4_4_0() {
    let mut shared = shared::lock();
    let (cluster, wire) = shared.parts();
    cluster.create_topic("b33", 1, &[]);
    let once = json!({"api": "InitProducerId", "code": 31, "count": 2, "clientId": "b33"});
    wire.add_named("init", "error_response", &once);
    let settings = [("acks", "all"), ("delivery.timeout.ms", "60000"), ("client.id", "b33")];
    let producer = producer_at(&wire.bootstrap, &settings);

    let first = producer.send_and_wait_blocking(Record::to("b33").partition(0).value(b"early"));
    let refused = first.expect_err("no producer id, no record");
    assert_eq!(refused.outcome(), Outcome::Rejected, "{refused}");
    wait_until("the next record to be taken", || {
        producer.send_and_wait_blocking(Record::to("b33").partition(0).value(b"late")).is_ok()
    });
    producer.close_blocking(Duration::from_secs(5));
    let log = Log::fetch(cluster, "b33", 1);
    let values: Vec<_> = log.records.iter().map(|record| record.value.as_deref()).collect();
    assert_eq!(values, [Some(&b"late"[..])], "the refused record is not in the log");
}

// A toxic that never acts would make every test here pass for nothing: the first of them counts answers, and this one
// that the count is Kafka's as well, for without a toxic there is no such answer.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn without_a_fault_no_answer_is_an_error_on_4_4_0() {
    let mut row = Row::begin("calm", &[]);
    row.deliver(0, 100);

    let ended = row.end_acknowledged();
    let errors = ended.count(|it| matches!(it, Observation::BatchAnswered { code, .. } if !code.is_none()));
    assert_eq!((errors, ended.history.retried), (0, 0));
}
