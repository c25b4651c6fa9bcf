//! The circuit breaker of theory 4.2 around real sends (row 14).

use std::time::Duration;

use facteur::broker::{Fault, FaultAction};
use facteur::lab::breaker::BreakerSettings;
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::running::{LabSettings, RunningLab};

use crate::support::{Answer, broker, get, java, librdkafka, records, send, settings, started};

fn with_breaker(cool_down: Duration) -> LabSettings {
    let standard = settings();
    let environment = ProducerEnvironment {
        request_timeout_ms: 100,
        delivery_timeout_ms: 200,
        retries: 1_000_000,
        ..standard.environment.clone()
    };
    LabSettings { environment, breaker: Some(BreakerSettings { threshold: 5, cool_down }), ..standard }
}

async fn state(lab: &RunningLab, profile: &str) -> String {
    let text = get(java(lab), "/metrics").await.body;
    let start = format!("lab_circuit_state{{profile=\"{profile}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
}

async fn try_send(lab: &RunningLab) -> Answer {
    send(java(lab), "mode=idempotent&eventId=E").await
}

// Row 14: broker down, five failures, open, healed, half-open, closed. Without the half-open state it would never close,
// or let everything in at once.
#[tokio::test(flavor = "multi_thread")]
async fn five_failures_open_the_circuit_and_one_success_after_the_cool_down_closes_it() {
    let lab = started(with_breaker(Duration::from_millis(800))).await;
    let down = Fault::new(0, FaultAction::CloseBeforeProcessing).count(u32::MAX);
    let armed = broker(&lab).faults().arm(down);
    for number in 1..=5 {
        assert_eq!(state(&lab, "java").await, "0", "before failure {number}");
        let failed = try_send(&lab).await;
        assert_eq!(failed.status, 504, "{failed:?}");
    }

    let refused = try_send(&lab).await;

    assert_eq!(state(&lab, "java").await, "2");
    assert_eq!((refused.status, refused.problem().as_str()), (503, "circuit-open"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["possiblyWritten"], false);
    assert_eq!(state(&lab, "librdkafka").await, "0", "the other façade has a circuit of its own");

    // Still down: the one call that may try fails, and the cool-down begins anew.
    let failed = loop {
        let answer = try_send(&lab).await;
        if answer.status != 503 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(failed.status, 504, "{failed:?}");
    assert_eq!(try_send(&lab).await.problem(), "circuit-open");

    let _cleared = broker(&lab).faults().clear(armed);
    let healed = loop {
        let answer = try_send(&lab).await;
        if answer.status != 503 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(healed.status, 200, "{healed:?}");
    assert_eq!(state(&lab, "java").await, "0");
    assert_eq!(try_send(&lab).await.status, 200);
}

// What callers do wrong is no sign that Kafka is away; neither is a refusal that Kafka itself gives.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_calls_do_not_open_the_circuit() {
    let lab = started(with_breaker(Duration::from_secs(60))).await;
    for _ in 0..6 {
        assert_eq!(send(java(&lab), "mode=wrong&eventId=E").await.status, 400);
        assert_eq!(send(java(&lab), "mode=plain&eventId=E&partition=99").await.status, 400);
    }

    assert_eq!(try_send(&lab).await.status, 200);
    assert_eq!(state(&lab, "java").await, "0");
}

// An asynchronous call is answered before anybody knows; its failure counts all the same.
#[tokio::test(flavor = "multi_thread")]
async fn failures_of_asynchronous_calls_open_the_circuit() {
    let lab = started(with_breaker(Duration::from_secs(60))).await;
    let down = Fault::new(0, FaultAction::CloseBeforeProcessing).count(u32::MAX);
    let _armed = broker(&lab).faults().arm(down);
    for number in 0..5 {
        let accepted = send(java(&lab), &format!("mode=idempotent&sendMode=async&eventId=A-{number}")).await;
        assert_eq!(accepted.status, 202);
    }
    while lab.shared().statuses.pending_count() > 0 {
        tokio::task::yield_now().await;
    }

    let refused = send(java(&lab), "mode=idempotent&sendMode=async&eventId=LAST").await;

    assert_eq!((refused.status, refused.problem().as_str()), (503, "circuit-open"));
    assert_eq!(
        refused.header("retry-after").map(|seconds| seconds.parse::<u32>().unwrap() >= 50),
        Some(true)
    );
    assert_eq!(records(&lab, "bhf-transactions", 3), 0);
}

// Off unless asked for: the labs want to see every failure.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_every_call_is_tried() {
    let lab = started(LabSettings { breaker: None, ..with_breaker(Duration::from_secs(60)) }).await;
    let down = Fault::new(0, FaultAction::CloseBeforeProcessing).count(u32::MAX);
    let _armed = broker(&lab).faults().arm(down);

    for _ in 0..6 {
        assert_eq!(send(librdkafka(&lab), "mode=idempotent&eventId=E").await.status, 504);
    }
}
