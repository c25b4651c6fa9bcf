//! `/metrics`: the names that dashboards know, with figures that are true.

use std::collections::BTreeSet;
use std::time::Duration;

use facteur::broker::{Fault, FaultAction};
use serde_json::Value;

use crate::support::{broker, call, get, java, librdkafka, send, settings, started};

/// The value of the one sample with this name and all these labels.
fn sample(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let found: Vec<&str> = text
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name))
        .filter(|line| wanted.iter().all(|label| line.contains(label.as_str())))
        .collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].rsplit(' ').next().unwrap().parse().unwrap()
}

// A figure that is always zero, or counted in the wrong place, is worse than none: each is compared with what happened.
#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_those_of_what_happened() {
    let lab = started(settings()).await;
    for _ in 0..3 {
        assert_eq!(send(java(&lab), "mode=plain&eventId=E").await.status, 200);
    }
    let _armed = broker(&lab).faults().arm(Fault::new(0, FaultAction::LoseAnswer));
    let repeated = send(librdkafka(&lab), "mode=idempotent&eventId=R").await;
    assert_eq!((repeated.status, &repeated.json()["attempts"]), (200, &2.into()), "{repeated:?}");
    assert_eq!(send(java(&lab), "mode=wrong&eventId=E").await.status, 400);

    let answer = get(java(&lab), "/metrics").await;

    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.body;
    let plain = [("profile", "java"), ("mode", "plain")];
    let idempotent = [("profile", "librdkafka"), ("mode", "idempotent")];
    for (name, labels, value) in [
        ("kafka_producer_record_send_total", plain, 3.0),
        ("kafka_producer_record_retry_total", plain, 0.0),
        ("kafka_producer_record_send_total", idempotent, 2.0),
        ("kafka_producer_record_retry_total", idempotent, 1.0),
        ("kafka_producer_request_latency_seconds_count", plain, 3.0),
        ("kafka_producer_record_queue_time_seconds_count", plain, 3.0),
        ("kafka_producer_batch_size_bytes_count", idempotent, 1.0),
        ("kafka_producer_produce_throttle_time_seconds_count", plain, 0.0),
        ("kafka_producer_requests_in_flight", plain, 0.0),
        ("lab_dedup_hits_total", plain, 0.0),
        ("lab_dedup_hits_total", idempotent, 1.0),
        ("messaging_client_operation_duration_seconds_count", plain, 3.0),
    ] {
        assert_eq!(sample(&text, name, &labels), value, "{name} {labels:?}");
    }
    let acknowledged = [("profile", "java"), ("mode", "plain"), ("outcome", "acknowledged")];
    assert_eq!(sample(&text, "messaging_client_sent_messages_total", &acknowledged), 3.0);
    let unknown = [("profile", "java"), ("mode", "plain"), ("outcome", "unknown")];
    assert_eq!(sample(&text, "kafka_producer_record_error_total", &unknown), 0.0);
    assert_eq!(
        sample(&text, "kafka_producer_buffer_available_bytes", &plain),
        sample(&text, "kafka_producer_buffer_total_bytes", &plain)
    );
    let refused = [("http_route", "/api/v1/send"), ("http_response_status_code", "400")];
    assert_eq!(sample(&text, "http_server_request_duration_seconds_count", &refused), 1.0);
    assert!(sample(&text, "process_resident_memory_bytes", &[]) > 1_000_000.0);
    let batches = sample(&text, "kafka_producer_batch_size_bytes_sum", &plain);
    assert!((3.0 * 200.0..3.0 * 1000.0).contains(&batches), "{batches}");
}

// What a caller chooses must never become a label: a million event ids would be a million series.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_chooses_is_no_label() {
    let lab = started(settings()).await;
    assert_eq!(send(java(&lab), "mode=plain&eventId=SECRET-ID&key=SECRET-KEY").await.status, 200);
    assert_eq!(send(java(&lab), "mode=plain&eventId=E&topic=SECRET-TOPIC&timeoutMs=50").await.status, 503);
    assert_eq!(get(java(&lab), "/api/v1/status/SECRET-REQUEST").await.status, 404);
    assert_eq!(get(java(&lab), "/SECRET-PATH").await.status, 404);
    assert_eq!(call(java(&lab), "SECRETMETHOD", "/health", &[]).await.status, 405);

    let text = get(java(&lab), "/metrics").await.body;

    assert!(!text.contains("SECRET"), "{text}");
    assert!(text.contains(r#"http_route="/api/v1/status/{requestId}""#), "{text}");
    assert!(
        text.contains(r#"http_route="none""#) && text.contains(r#"http_request_method="other""#),
        "{text}"
    );
}

// An asynchronous record's duration is that of its delivery, not of its 202.
#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_record_is_measured_to_its_outcome() {
    let lab = started(settings()).await;
    let _armed =
        broker(&lab).faults().arm(Fault::new(0, FaultAction::DelayAnswer(Duration::from_millis(300))));
    let accepted = send(java(&lab), "mode=idempotent&sendMode=async&eventId=A").await;
    let request_id = accepted.json()["requestId"].as_str().unwrap().to_owned();

    crate::support::final_status(java(&lab), &request_id).await;

    let text = get(java(&lab), "/metrics").await.body;
    let labels = [("mode", "idempotent"), ("outcome", "acknowledged")];
    let seconds = sample(&text, "messaging_client_operation_duration_seconds_sum", &labels);
    assert!((0.3..10.0).contains(&seconds), "{seconds}");
}

// The figure that the course is about: a lost answer stores a plain record twice and an idempotent one once.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_one_duplicate_for_plain_and_none_for_idempotent() {
    let lab = started(settings()).await;
    for mode in ["plain", "idempotent"] {
        let _armed = broker(&lab).faults().arm(Fault::new(0, FaultAction::LoseAnswer));
        let answer = send(
            java(&lab),
            &format!("mode={mode}&acks={}&eventId=D", if mode == "plain" { "1" } else { "all" }),
        )
        .await;
        assert_eq!((answer.status, &answer.json()["attempts"]), (200, &2.into()), "{answer:?}");
    }

    let text = loop {
        let text = get(java(&lab), "/metrics").await.body;
        if sample(&text, "lab_duplicates_total", &[("mode", "plain")]) > 0.0 {
            break text;
        }
        tokio::task::yield_now().await;
    };

    assert_eq!(sample(&text, "lab_duplicates_total", &[("mode", "plain")]), 1.0);
    assert_eq!(sample(&text, "lab_duplicates_total", &[("mode", "idempotent")]), 0.0);
    assert_eq!(crate::support::records(&lab, "bhf-transactions", 3), 3);
}

/// Every metric's name in the queries of a dashboard.
fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let (true, Some(query)) = (name == "expr" || name == "query", member.as_str()) {
                    let words = query.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
                    let prefixes = ["kafka_", "messaging_", "lab_", "http_server_", "process_"];
                    let is_name = |word: &&str| prefixes.iter().any(|prefix| word.starts_with(prefix));
                    names.extend(words.filter(is_name).map(str::to_owned));
                }
                names_in(member, names);
            }
        }
        Value::Array(members) => members.iter().for_each(|member| names_in(member, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

// A dashboard that asks for a name that is not there shows an empty picture and no error.
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_asks_for_nothing_that_is_not_there() {
    let lab = started(settings()).await;
    assert_eq!(send(java(&lab), "mode=plain&eventId=E").await.status, 200);
    assert_eq!(send(java(&lab), "mode=idempotent&eventId=E").await.status, 200);
    let text = get(java(&lab), "/metrics").await.body;
    let samples: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let dashboard: Value = serde_json::from_str(include_str!("../../docs/grafana.json")).unwrap();

    let mut names = BTreeSet::new();
    names_in(&dashboard, &mut names);
    // A label is no metric.
    names.retain(|name| {
        !["http_route", "http_response_status_code", "http_request_method"].contains(&name.as_str())
    });

    assert!(names.len() >= 15, "{names:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !samples.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "asked for and not there: {missing:?}\n{text}");
}
