//! Rows N03, N05, N10, N11, N13, N30 and N31: what happens inside connections, by our injector and Kafka's quotas.
//!
//! N32 is `faults::node_frozen_past_the_request_timeout_on_4_4_0_with_three_nodes`. Neighbours: [`super::links`] for what
//! happens below connections. Not here: TLS and SASL (N35, N36), which are not built.

use std::time::Duration;

use facteur::engine::Observation;
use serde_json::json;

use super::Row;
use crate::cluster::wait_until;

/// Longer than the request timeout.
const LATE: Duration = Duration::from_millis(2_600);

// N03. The answer comes, but after the request timeout: the producer has hung up and asks again. Fails if the record is
// given up, stored twice, or told with another offset than that of the first append.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn n03_an_answer_later_than_the_request_timeout_keeps_the_first_offset_on_4_4_0() {
    let mut row = Row::begin("n03", &[]);
    row.deliver(0, 1);
    row.wire().add_to_produce("delay_response", "n03", &json!({"delay": 2_600, "count": 1}));

    row.deliver(0, 1);

    let ended = row.end_acknowledged();
    assert!(ended.count(|it| matches!(it, Observation::BatchUnanswered { was_written: true, .. })) > 0);
    assert_eq!((ended.log.records.len(), ended.history.recognised), (2, 1), "the retry was recognised");
}

// N05. Every listener is closed and every connection cut for three seconds. Fails if a record is given up, or if the
// producer hammers at the closed door instead of backing off.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn n05_closed_listeners_for_three_seconds_are_waited_out_on_4_4_0() {
    let mut row = Row::with("n05", 3, &[], &[]);
    row.keep_sending(Duration::from_millis(300));

    row.wire().set_up(None, false);
    row.keep_sending(Duration::from_secs(3));
    row.wire().set_up(None, true);

    let ended = row.end_acknowledged();
    let refused = ended.count(|it| matches!(it, Observation::ConnectionLost { .. }));
    assert!((3..120).contains(&refused), "{refused} connections were lost or refused in three seconds");
}

// N10. Requests vanish on the way: the broker never has them. Fails if the producer waits for ever on a connection that
// looks open, or does not reconnect.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn n10_swallowed_requests_are_sent_again_on_4_4_0() {
    swallowed("n10", "upstream");
}

// N11. Answers vanish: the broker has stored what the producer is in doubt of. Fails if it is stored once more.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn n11_swallowed_answers_do_not_repeat_records_on_4_4_0() {
    swallowed("n11", "downstream");
}

fn swallowed(topic: &'static str, stream: &str) {
    let mut row = Row::with(topic, 3, &[], &[]);
    for lane in 0..3 {
        row.deliver(lane, 2);
    }
    row.wire().add(None, "timeout", stream, &json!({"timeout": 0}));
    row.keep_sending(LATE);
    row.wire().clear();

    let ended = row.end_acknowledged();
    let lost = ended.count(|it| matches!(it, Observation::BatchUnanswered { .. }));
    assert!(lost > 0, "no request stayed without an answer");
    assert!(ended.history.retried > 0);
    if stream == "downstream" {
        assert!(ended.statistics.batches_deduplicated > 0, "what was stored and not told is recognised");
    }
}

// N13. Each connection is reset as soon as an answer comes back. Fails if half an answer is believed, or if the resets
// are taken for refusals.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn n13_a_reset_at_the_first_byte_of_an_answer_is_survived_on_4_4_0() {
    let mut row = Row::with("n13", 3, &[], &[]);
    row.keep_sending(Duration::from_millis(200));
    row.wire().add(None, "reset_peer", "downstream", &json!({"timeout": 0}));
    row.keep_sending(Duration::from_secs(1));
    row.wire().clear();

    let ended = row.end_acknowledged();
    assert!(ended.count(|it| matches!(it, Observation::ConnectionLost { .. })) > 2);
}

// N30, N31. A quota of 20 kB/s for this client: Kafka answers with a throttle time and then does not read. Fails if a
// request leaves for that node before the time is over, if the producer reconnects, or if a record is lost for it.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn n30_n31_a_throttled_connection_is_left_alone_on_4_4_0() {
    let mut row = Row::begin("n30", &[("client.id", "n30-greedy"), ("batch.size", "16000")]);
    row.deliver(0, 1);
    row.cluster().limit_client("n30-greedy", Some(20_000.0));
    wait_until("the quota to bite", || {
        row.deliver(0, 150);
        row.count(|it| matches!(it, Observation::Throttled { throttle_ms, .. } if *throttle_ms >= 100)) > 1
    });
    let opened = row.producer.statistics().connections_opened;
    row.deliver(0, 10);
    assert_eq!(
        row.producer.statistics().connections_opened,
        opened,
        "silence on request is no reason to reconnect"
    );
    row.cluster().limit_client("n30-greedy", None);

    let ended = row.end_acknowledged();
    for (at, observed) in ended.seen.iter().enumerate() {
        let Observation::Throttled { node, throttle_ms } = observed.observation else { continue };
        let next =
            ended.seen.iter().skip(at).find(
                |later| matches!(later.observation, Observation::BatchSent { node: to, .. } if to == node),
            );
        let waited_us = next.map(|next| next.at_us - observed.at_us);
        let asked_us = i64::try_from(throttle_ms).expect("a throttle is short") * 1000;
        assert!(
            waited_us.is_none_or(|waited| waited >= asked_us - 20_000),
            "asked for {throttle_ms} ms of quiet, and sent again after {waited_us:?} us"
        );
    }
}
