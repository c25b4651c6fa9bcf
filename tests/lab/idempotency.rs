//! Two layers of idempotence: what `Idempotency-Key` covers, and that eventId does not (F07-F10, D-57).

use std::time::Duration;

use facteur::ErrorCode;
use facteur::broker::{Fault, FaultAction};
use facteur::lab::environment::ProducerEnvironment;
use facteur::lab::running::LabSettings;

use crate::support::{Answer, broker, call, final_status, java, librdkafka, records, settings, started};

async fn send_with(address: std::net::SocketAddr, query: &str, key: &str) -> Answer {
    let header = format!("Idempotency-Key: {key}");
    call(address, "POST", &format!("/api/v1/send?{query}"), &[&header]).await
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

// D-57 and the lab "what idempotence does not do": the same eventId twice is two records, in either mode; the header
// makes it one.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_posted_twice_is_stored_twice_without_the_header_and_once_with_it() {
    let lab = started(settings()).await;
    for mode in ["plain", "idempotent"] {
        let query = format!("mode={mode}&eventId=TWICE");
        let before = records(&lab, "bhf-transactions", 3);
        for _ in 0..2 {
            assert_eq!(crate::support::send(java(&lab), &query).await.status, 200);
        }
        assert_eq!(records(&lab, "bhf-transactions", 3), before + 2, "{mode} without the header");

        let first = send_with(java(&lab), &query, &format!("\"key-{mode}\"")).await;
        let second = send_with(java(&lab), &query, &format!("key-{mode}")).await;

        assert_eq!(records(&lab, "bhf-transactions", 3), before + 3, "{mode} with the header");
        assert_eq!((first.status, second.status), (200, 200));
        assert_eq!(first.body, second.body);
        assert!(!replayed(&first) && replayed(&second), "{second:?}");
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    }
}

// F08: a key that is used for something else is the caller's mistake; the first result stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_other_parameters_is_422_and_the_first_answer_stays() {
    let lab = started(settings()).await;
    let first = send_with(java(&lab), "mode=plain&eventId=A", "k").await;

    for query in ["mode=plain&eventId=B", "mode=idempotent&eventId=A", "mode=plain&eventId=A&sendMode=async"]
    {
        let other = send_with(java(&lab), query, "k").await;
        assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-key-reused"), "{query}");
        assert_eq!(other.json()["possiblyWritten"], false);
    }
    let other_port = send_with(librdkafka(&lab), "mode=plain&eventId=A", "k").await;
    assert_eq!(other_port.problem(), "idempotency-key-reused");

    let patient = send_with(java(&lab), "mode=plain&eventId=A&timeoutMs=5000", "k").await;
    assert!(replayed(&patient), "patience is not part of the call: {patient:?}");
    assert_eq!(patient.body, first.body);
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

// F09: a hundred at once are one send; the others are told that it runs, or get its answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_with_one_key_at_once_are_one_record() {
    let lab = started(settings()).await;
    let address = java(&lab);
    let _armed =
        broker(&lab).faults().arm(Fault::new(0, FaultAction::DelayAnswer(Duration::from_millis(500))));

    let calls: Vec<_> = (0..100)
        .map(|_| tokio::spawn(async move { send_with(address, "mode=idempotent&eventId=SAME", "k").await }))
        .collect();

    let (mut fresh, mut running) = (0, 0);
    for call in calls {
        let answer = call.await.unwrap();
        match answer.status {
            200 if replayed(&answer) => {}
            200 => fresh += 1,
            409 => {
                assert_eq!(answer.problem(), "idempotency-key-in-use");
                assert_eq!(answer.header("retry-after"), Some("1"));
                running += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(fresh, 1);
    assert!(running > 0, "nobody met the running call");
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

// An asynchronous call is repeated with the same request, whose status tells the outcome.
#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_call_is_answered_with_the_same_request() {
    let lab = started(settings()).await;

    let first = send_with(java(&lab), "mode=idempotent&sendMode=async&eventId=A", "k").await;
    let second = send_with(java(&lab), "mode=idempotent&sendMode=async&eventId=A", "k").await;

    assert_eq!((first.status, second.status), (202, 202));
    assert!(replayed(&second));
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("location"), second.header("location"));
    let request_id = first.json()["requestId"].as_str().unwrap().to_owned();
    assert_eq!(final_status(java(&lab), &request_id).await.json()["state"], "OK");
    assert_eq!(records(&lab, "bhf-transactions", 3), 1);
}

fn impatient() -> LabSettings {
    let standard = settings();
    let environment = ProducerEnvironment {
        request_timeout_ms: 200,
        delivery_timeout_ms: 500,
        retries: 1_000_000,
        ..standard.environment.clone()
    };
    LabSettings { environment, ..standard }
}

// "Certainly not written" frees the key: to hold it would keep the caller from ever sending the event.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_says_not_written_frees_the_key() {
    let lab = started(impatient()).await;
    let action = FaultAction::AnswerError(ErrorCode::NOT_ENOUGH_REPLICAS);
    let armed = broker(&lab).faults().arm(Fault::new(0, action).count(u32::MAX));

    let failed = send_with(java(&lab), "mode=idempotent&eventId=E", "sync").await;
    assert_eq!((failed.status, &failed.json()["possiblyWritten"]), (504, &false.into()), "{failed:?}");
    let accepted = send_with(java(&lab), "mode=idempotent&sendMode=async&eventId=E", "async").await;
    let request_id = accepted.json()["requestId"].as_str().unwrap().to_owned();
    assert_eq!(final_status(java(&lab), &request_id).await.json()["state"], "ERROR");
    let _cleared = broker(&lab).faults().clear(armed);

    let sync = send_with(java(&lab), "mode=idempotent&eventId=E", "sync").await;
    let again = send_with(java(&lab), "mode=idempotent&sendMode=async&eventId=E", "async").await;

    assert_eq!((sync.status, replayed(&sync)), (200, false), "{sync:?}");
    assert_eq!((again.status, replayed(&again)), (202, false), "{again:?}");
    assert_ne!(accepted.body, again.body);
}

// "Nobody knows" binds the key: making the call again is the very duplicate that it is there to prevent.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_repeated_and_not_sent_again() {
    let lab = started(impatient()).await;
    let lost = Fault::new(0, FaultAction::LoseAnswer).count(u32::MAX);
    let armed = broker(&lab).faults().arm(lost);
    let first = send_with(java(&lab), "mode=plain&acks=1&eventId=E", "k").await;
    assert_eq!((first.status, first.problem().as_str()), (504, "delivery-unknown"), "{first:?}");
    let _cleared = broker(&lab).faults().clear(armed);
    let written = records(&lab, "bhf-transactions", 3);

    let second = send_with(java(&lab), "mode=plain&acks=1&eventId=E", "k").await;

    assert_eq!(
        (second.status, second.problem().as_str(), replayed(&second)),
        (504, "delivery-unknown", true)
    );
    assert_eq!(second.json()["possiblyWritten"], true);
    assert_eq!(records(&lab, "bhf-transactions", 3), written);
}

// F10: the oldest finished key goes at the bound; whoever repeats it is told that it was known once.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_went_is_new_again_and_says_so() {
    let lab = started(LabSettings { idempotency_capacity: 2, ..settings() }).await;
    for key in ["one", "two", "three"] {
        let answer = send_with(java(&lab), &format!("mode=plain&eventId={key}"), key).await;
        assert_eq!((answer.status, answer.header("idempotent-expired")), (200, None));
    }

    let again = send_with(java(&lab), "mode=plain&eventId=one", "one").await;

    assert_eq!((again.status, replayed(&again)), (200, false));
    assert_eq!(again.header("idempotent-expired"), Some("true"));
    assert_eq!(records(&lab, "bhf-transactions", 3), 4);
    assert!(lab.shared().idempotency.len() <= 2);
}

// A key comes from strangers: what is odd about it is said in both languages, and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_are_refused_by_name() {
    let lab = started(settings()).await;
    let long = "x".repeat(129);
    for key in ["", "a b", &long, "\"a\"b\""] {
        let answer = send_with(java(&lab), "mode=plain&eventId=E", key).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "invalid-idempotency-key"), "{key:?}");
        assert_eq!(answer.json()["parameter"], "Idempotency-Key");
    }
    let path = "/api/v1/send?mode=plain&eventId=E";
    let twice = call(java(&lab), "POST", path, &["Idempotency-Key: a", "Idempotency-Key: b"]).await;
    assert_eq!(twice.problem(), "invalid-idempotency-key");
    let french = call(java(&lab), "POST", path, &["Idempotency-Key: a b", "Accept-Language: fr"]).await;
    assert_eq!(french.header("content-language"), Some("fr"));
    assert!(french.json()["detail"].as_str().unwrap().starts_with("Une Idempotency-Key"), "{french:?}");
    assert_eq!(records(&lab, "bhf-transactions", 3), 0);
    // Other routes do not look at it.
    assert_eq!(call(java(&lab), "GET", "/health", &["Idempotency-Key: a b"]).await.status, 200);
}
