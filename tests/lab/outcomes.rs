//! What the façade says when Kafka answers badly, late, or not at all.

use std::time::Duration;

use facteur::ErrorCode;
use facteur::broker::{Fault, FaultAction};
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::running::LabSettings;

use crate::support::{broker, final_status, get, java, records, send, settings, started};

/// Records fail after a second.
fn impatient() -> LabSettings {
    let environment = ProducerEnvironment {
        request_timeout_ms: 300,
        socket_timeout_ms: 300,
        delivery_timeout_ms: 1_000,
        retry_backoff_ms: 20,
        retries: 1_000,
        ..ProducerEnvironment::default()
    };
    LabSettings { environment, ..settings() }
}

const PRODUCE: i16 = 0;

// The course's point: the same lost acknowledgement, one copy with idempotence and two without.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_duplicates_in_plain_mode_only() {
    let lab = started(settings()).await;

    for (mode, copies) in [("idempotent", 1), ("plain", 2)] {
        let before = records(&lab, "bhf-transactions", 3);
        let _armed = broker(&lab).faults().arm(Fault::lose_produce_answers(1));
        let answer = send(java(&lab), &format!("mode={mode}&eventId=LOST-{mode}")).await;
        assert_eq!((answer.status, answer.json()["attempts"].as_i64()), (200, Some(2)), "{answer:?}");
        assert_eq!(records(&lab, "bhf-transactions", 3) - before, copies, "{mode}");
    }
}

// D-58: when nobody knows, the answer says so; it must look neither like success nor like failure.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_504_and_possibly_written() {
    let lab = started(impatient()).await;
    let _armed = broker(&lab).faults().arm(Fault::lose_produce_answers(10_000));

    let answer = send(java(&lab), "mode=plain&eventId=U-1").await;
    let accepted = send(java(&lab), "mode=idempotent&sendMode=async&eventId=U-2").await.json();

    assert_eq!((answer.status, answer.problem().as_str()), (504, "delivery-unknown"));
    assert_eq!(answer.json()["possiblyWritten"], true);
    assert!(answer.json()["attempts"].as_i64().unwrap() >= 1);
    let status = final_status(java(&lab), accepted["requestId"].as_str().unwrap()).await;
    assert_eq!(status.members()[..5], ["state", "requestId", "error", "kafkaError", "possiblyWritten"]);
    assert_eq!(
        (&status.json()["state"], &status.json()["possiblyWritten"]),
        (&"UNKNOWN".into(), &true.into())
    );
}

// A record that is certainly not in the log is a different thing, and may be sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_certain_rejection_is_told_by_its_cause() {
    let lab = started(impatient()).await;

    for (code, status, problem) in [
        (ErrorCode::TOPIC_AUTHORIZATION_FAILED, 403, "not-authorised"),
        (ErrorCode::MESSAGE_TOO_LARGE, 413, "record-too-large"),
        (ErrorCode::INVALID_RECORD, 422, "record-refused"),
        (ErrorCode::INVALID_TIMESTAMP, 502, "broker-rejected"),
        (ErrorCode::NOT_ENOUGH_REPLICAS, 504, "delivery-timeout"),
    ] {
        let id = broker(&lab).faults().arm(Fault::new(PRODUCE, FaultAction::AnswerError(code)).count(10_000));
        let answer = send(java(&lab), "mode=plain&eventId=R").await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{code}: {answer:?}");
        assert_eq!(answer.json()["possiblyWritten"], false, "{code}");
        assert_eq!(answer.json()["kafkaError"]["code"], code.0, "{code}");
        let _cleared = broker(&lab).faults().clear(id);
    }
    let action = FaultAction::AnswerError(ErrorCode::INVALID_TIMESTAMP);
    let _armed = broker(&lab).faults().arm(Fault::new(PRODUCE, action));
    let accepted = send(java(&lab), "mode=plain&sendMode=async&eventId=R").await.json();
    let status = final_status(java(&lab), accepted["requestId"].as_str().unwrap()).await;
    assert_eq!(
        (&status.json()["state"], &status.json()["possiblyWritten"]),
        (&"ERROR".into(), &false.into())
    );
    assert_eq!(records(&lab, "bhf-transactions", 3), 0);
}

// F12: the caller's patience ends before the delivery's; the record goes on and its status can be asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_out_of_patience_is_pending_and_then_ok() {
    let lab = started(settings()).await;
    let _armed =
        broker(&lab).faults().arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(Duration::from_millis(700))));

    let answer = send(java(&lab), "mode=idempotent&eventId=SLOW&timeoutMs=50").await;

    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!((&answer.json()["sendMode"], &answer.json()["state"]), (&"sync".into(), &"PENDING".into()));
    let location = answer.header("location").unwrap().to_owned();
    let pending = get(java(&lab), &location).await;
    assert_eq!(pending.members(), ["state", "requestId", "ageMs", "attempts"]);
    assert_eq!(pending.json()["state"], "PENDING");
    let status = final_status(java(&lab), answer.json()["requestId"].as_str().unwrap()).await;
    assert_eq!(status.json()["state"], "OK");
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

// A timeout that is not reached leaves no trace in the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_within_its_patience_is_an_ordinary_answer() {
    let lab = started(settings()).await;

    let answer = send(java(&lab), "mode=idempotent&eventId=QUICK&timeoutMs=20000").await;

    assert_eq!(answer.status, 200);
    assert_eq!(lab.shared().statuses.pending_count(), 0);
}

// D-5: the caller was told "unknown" and keeps that word; when the resent batch is acknowledged later, the status says so
// beside it. Fails if the late answer is lost, or if it changes what was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_stands_beside_the_unknown_outcome() {
    let environment = ProducerEnvironment { delivery_timeout_ms: 3_000, ..impatient().environment };
    let lab = started(LabSettings { environment, ..settings() }).await;
    let armed = broker(&lab).faults().arm(Fault::lose_produce_answers(10_000));
    let accepted = send(java(&lab), "mode=idempotent&sendMode=async&eventId=LATE").await.json();
    let request_id = accepted["requestId"].as_str().unwrap();
    let unknown = final_status(java(&lab), request_id).await.json();
    assert_eq!((&unknown["state"], unknown.get("lateOutcome")), (&"UNKNOWN".into(), None), "{unknown}");

    let _cleared = broker(&lab).faults().clear(armed);

    let mut last = unknown;
    for _ in 0..500 {
        last = get(java(&lab), &format!("/api/v1/status?requestId={request_id}")).await.json();
        if last.get("lateOutcome").is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        (&last["state"], &last["lateOutcome"]),
        (&"UNKNOWN".into(), &serde_json::json!({"state": "OK", "offset": 0})),
        "{last}"
    );
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}
