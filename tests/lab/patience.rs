//! A full buffer, a caller's `timeoutMs`, a call that panics, and the id of every call.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue};
use axum::routing::post;
use facteur::ErrorCode;
use facteur::broker::{Fault, FaultAction};
use facteur::lab::app::{Facade, router};
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::producers::Producers;
use facteur::lab::profile::Profile;
use facteur::lab::request_id::{REQUEST_ID_HEADER, RequestId};
use facteur::lab::running::{LabSettings, RunningLab};
use facteur::lab::server::{HEADER_TIMEOUT, Server};
use tokio::net::TcpListener;

use crate::support::{Answer, broker, call, final_status, get, java, records, send, settings, started};

/// Room for one batch.
fn cramped() -> LabSettings {
    let standard = settings();
    let environment = ProducerEnvironment {
        buffer_memory_bytes: 16 * 1024,
        max_block_ms: 100,
        retries: 1_000_000,
        ..standard.environment.clone()
    };
    LabSettings { environment, ..standard }
}

/// The broker takes no record until the fault is cleared.
fn refusing() -> Fault {
    let action = FaultAction::AnswerError(ErrorCode::NOT_ENOUGH_REPLICAS);
    Fault::new(0, action).count(u32::MAX)
}

/// Asynchronous calls until one is refused: the accepted ones, and the refusal.
async fn fill(lab: &RunningLab) -> (Vec<Answer>, Answer) {
    let key = "k".repeat(3_000);
    let mut accepted = Vec::new();
    for number in 0..200 {
        let query = format!("mode=idempotent&sendMode=async&partition=0&eventId=A-{number}&key={key}");
        let answer = send(java(lab), &query).await;
        if answer.status != 202 {
            return (accepted, answer);
        }
        accepted.push(answer);
    }
    panic!("200 records of 3,000 bytes fit into 16 KiB");
}

// D-58: a full buffer is 429 with a time to come back; what was accepted before is delivered, what was refused is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_buffer_is_429_with_retry_after_and_keeps_what_was_accepted() {
    let lab = started(cramped()).await;
    let armed = broker(&lab).faults().arm(refusing());

    let (accepted, refused) = fill(&lab).await;
    // As large as those that filled it: a small one may still fit into the open batch.
    let again = format!("mode=idempotent&partition=0&eventId=AGAIN&key={}", "k".repeat(3_000));
    let sync = send(java(&lab), &again).await;
    let hurried = send(java(&lab), &format!("{again}&timeoutMs=20")).await;

    for answer in [refused, sync, hurried] {
        assert_eq!((answer.status, answer.problem().as_str()), (429, "buffer-full"), "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["possiblyWritten"], false);
    }
    assert!(!accepted.is_empty());
    let _cleared = broker(&lab).faults().clear(armed);
    for answer in &accepted {
        let request_id = answer.json()["requestId"].as_str().unwrap().to_owned();
        assert_eq!(final_status(java(&lab), &request_id).await.json()["state"], "OK");
    }
    assert_eq!(records(&lab, "bhf-transactions", 3), i64::try_from(accepted.len()).unwrap());
    assert_eq!(lab.shared().statuses.pending_count(), 0, "a refused call left a status behind");
    assert_eq!(send(java(&lab), "mode=idempotent&partition=0&eventId=AFTER").await.status, 200);
}

// `timeoutMs` bounds the whole call: one that still waits for metadata was not accepted and says so, whatever its sendMode.
#[tokio::test(flavor = "multi_thread")]
async fn patience_that_ends_before_acceptance_is_503_and_nothing_is_written() {
    let nobody = "127.0.0.1:1".to_owned();
    let lab = RunningLab::start(LabSettings { bootstrap: Some(nobody), ..settings() }).await.unwrap();

    for send_mode in ["sync", "async"] {
        let query = format!("mode=idempotent&sendMode={send_mode}&eventId=EARLY&timeoutMs=30");
        let answer = send(java(&lab), &query).await;

        assert_eq!((answer.status, answer.problem().as_str()), (503, "not-ready"), "{answer:?}");
        let json = answer.json();
        assert_eq!((&json["possiblyWritten"], &json["eventId"]), (&false.into(), &"EARLY".into()));
        // Without the bound the answer is the same one 10 seconds later, but it does not name the parameter.
        assert!(json["detail"].as_str().unwrap().contains("timeoutMs=30"), "{answer:?}");
        assert!(answer.header("retry-after").is_some() && answer.header("location").is_none());
    }
    assert_eq!(lab.shared().statuses.pending_count(), 0);
}

// No patience at all is still an honest call: the record is accepted at once, and its outcome can be asked for.
#[tokio::test(flavor = "multi_thread")]
async fn no_patience_at_all_is_202_once_accepted() {
    let lab = started(settings()).await;
    let armed = broker(&lab).faults().arm(refusing());

    let answer = send(java(&lab), "mode=idempotent&eventId=NOW&timeoutMs=0").await;

    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.header("location").is_some());
    let _cleared = broker(&lab).faults().clear(armed);
    let request_id = answer.json()["requestId"].as_str().unwrap().to_owned();
    assert_eq!(final_status(java(&lab), &request_id).await.json()["state"], "OK");
}

// F15: a defect in one call is that call's 500; its permit comes back, and the next call is served.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_500_for_its_call_alone_and_leaks_no_permit() {
    let lab = started(LabSettings { most_calls: 1, ..settings() }).await;
    let shared = Arc::clone(lab.shared());
    let producers = Producers::new(Profile::Java, lab.bootstrap().to_owned(), ProducerEnvironment::default());
    let facade = Arc::new(Facade { profile: Profile::Java, producers, shared: Arc::clone(&shared) });
    let calls = Arc::clone(&shared.calls);
    let defect = move || async move {
        let permit = calls.try_acquire_owned().expect("the permit of the call before came back");
        assert_eq!(permit.num_permits(), 0, "a defect");
    };
    let routes: Router = Router::new().route("/defect", post(defect)).fallback_service(router(facade));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::start(listener, address, routes, HEADER_TIMEOUT);

    for _ in 0..3 {
        let answer = call(address, "POST", "/defect", &["X-Request-Id: mine"]).await;
        assert_eq!((answer.status, answer.problem().as_str()), (500, "internal"), "{answer:?}");
        let json = answer.json();
        // It is not known how far the call had come.
        assert_eq!((&json["possiblyWritten"], &json["requestId"]), (&true.into(), &"mine".into()));
        assert_eq!(json["traceId"].as_str().map(str::len), Some(32));
    }
    let answer = send(address, "mode=idempotent&eventId=NEXT").await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(shared.calls.available_permits(), 1);
    server.stop_accepting(HEADER_TIMEOUT);
    assert!(server.stopped().await);
}

// A caller's X-Request-Id comes back, or a new one comes; problems have it in their body too, and a trace as well.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_request_id() {
    let lab = started(settings()).await;
    let address = java(&lab);

    let path = "/api/v1/send?mode=plain&eventId=E";
    let given = call(address, "POST", path, &["X-Request-Id: call-42"]).await;
    assert_eq!((given.status, given.header("x-request-id")), (200, Some("call-42")));
    let made = get(address, "/health").await;
    assert_eq!(made.header("x-request-id").map(str::len), Some(36), "{made:?}");
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/send", 405),
        ("POST", "/api/v1/send?mode=wrong&eventId=E", 400),
        ("GET", "/api/v1/status", 400),
    ] {
        let problem = call(address, method, path, &["X-Request-Id: call-43"]).await;
        assert_eq!((problem.status, problem.header("x-request-id")), (status, Some("call-43")), "{path}");
        assert_eq!(problem.json()["requestId"], "call-43", "{problem:?}");
        assert_eq!(problem.json()["traceId"].as_str().map(str::len), Some(32), "{problem:?}");
        let length: usize = problem.header("content-length").unwrap().parse().unwrap();
        assert_eq!(length, problem.body.len(), "{problem:?}");
    }
    let strange = call(address, "GET", "/nothing", &["X-Request-Id: <b>bold</b>"]).await;
    assert_eq!(strange.header("x-request-id").map(str::len), Some(36));
    assert_eq!(strange.json()["requestId"].as_str(), strange.header("x-request-id"));
}

// A caller's id comes back as it is; one that is long or strange would end up in somebody's log line.
#[test]
fn plain_request_ids_are_kept_and_strange_ones_replaced() {
    let of = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID_HEADER, HeaderValue::from_str(text).unwrap());
        RequestId::of(&headers).as_str().to_owned()
    };

    assert_eq!(of("call-42_a.b:c/d+e="), "call-42_a.b:c/d+e=");
    for strange in ["", "a b", "<script>", "a\"b", &"x".repeat(129)] {
        let made = of(strange);
        assert!(made != strange && made.len() == 36, "{strange:?} became {made:?}");
    }
}
