//! The story of one event, from four witnesses.

use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig, Fault, FaultAction};
use facteur::lab::running::{LabSettings, RunningLab};
use serde_json::Value;

use crate::support::{Answer, broker, call, get, java, librdkafka, records, send, settings, started};

/// Asks until the story has come to its end: witnesses may be some milliseconds behind.
async fn story(lab: &RunningLab, event_id: &str, stages: &[&str]) -> Value {
    let mut last = Value::Null;
    for _ in 0..500 {
        let answer = get(java(lab), &format!("/api/v1/trace/{event_id}")).await;
        if answer.status == 200 {
            last = answer.json();
            let sends = last["sends"].as_array().unwrap();
            if sends.iter().all(|send| stages.iter().all(|wanted| of_kind(send, wanted).next().is_some())) {
                return last;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the story of {event_id} never had {stages:?}: {last:#}");
}

fn of_kind<'a>(send: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    send["stages"].as_array().unwrap().iter().filter(move |stage| stage["stage"] == kind)
}

fn kinds(send: &Value) -> Vec<&str> {
    send["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect()
}

fn times_ascend(send: &Value) {
    let times: Vec<f64> =
        send["stages"].as_array().unwrap().iter().map(|stage| stage["sinceMs"].as_f64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{times:?}");
    assert!(times.iter().all(|time| (0.0..60_000.0).contains(time)), "{times:?}");
}

const WHOLE: [&str; 3] = ["broker", "acknowledged", "http_answer"];

// The heart of the course, told: the answer is lost, the same sequence goes out again, the broker recognises it. Fails if
// the witnesses are not brought together, or if the story claims a second copy.
#[tokio::test(flavor = "multi_thread")]
async fn an_idempotent_send_whose_answer_was_lost_tells_two_attempts_and_one_copy() {
    let lab = started(settings()).await;
    let _armed = broker(&lab).faults().arm(Fault::lose_produce_answers(1));
    assert_eq!(send(java(&lab), "mode=idempotent&eventId=E-1").await.status, 200);

    let story = story(&lab, "E-1", &WHOLE).await;

    let send = &story["sends"][0];
    assert_eq!(
        (&send["attempts"], &send["outcome"], &send["copies"]),
        (&2.into(), &"OK".into(), &1.into()),
        "{story:#}"
    );
    assert_eq!((&story["copies"], &story["copiesFrom"]), (&1.into(), &"broker".into()));
    let sent: Vec<&Value> = of_kind(send, "sent").collect();
    assert_eq!(sent[0]["producerId"], sent[1]["producerId"]);
    assert!(sent[0]["producerId"].as_i64().unwrap() >= 0);
    assert_eq!(sent[0]["baseSequence"], sent[1]["baseSequence"]);
    assert_ne!(sent[0]["localAddress"], sent[1]["localAddress"]);
    let unanswered = of_kind(send, "unanswered").next().unwrap();
    assert_eq!((&unanswered["attempt"], &unanswered["localAddress"]), (&1.into(), &sent[0]["localAddress"]));
    let of_broker: Vec<(i64, &str)> = of_kind(send, "broker")
        .map(|stage| (stage["attempt"].as_i64().unwrap(), stage["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(of_broker, [(1, "fault_fired"), (1, "appended"), (2, "duplicate_recognised")], "{story:#}");
    assert_eq!(
        kinds(send)[..4],
        ["http_call", "accepted", "stamped", "sent"],
        "the beginning is out of order: {story:#}"
    );
    assert_eq!(kinds(send).last(), Some(&"http_answer"));
    times_ascend(send);
    assert!(story["verdict"].as_str().unwrap().contains("recognised the repetition"), "{story:#}");
}

// The injector's part of the story: which answer it lost, on which connection and request, between the broker's append
// and the producer's retry. Fails if the injector's connection is not found by the producer's local address.
#[tokio::test(flavor = "multi_thread")]
async fn the_injectors_deed_stands_between_the_append_and_the_retry() {
    let lab = started(settings()).await;
    let lose = "/api/v1/chaos/proxies/kafka/toxics?type=drop_response&name=lose&api=Produce&count=1";
    for (mode, event_id, copies) in [("idempotent", "DROP-I", 1), ("plain", "DROP-P", 2)] {
        assert_eq!(call(java(&lab), "POST", lose, &["Content-Length: 0"]).await.status, 201);
        assert_eq!(send(java(&lab), &format!("mode={mode}&eventId={event_id}")).await.status, 200);

        let story = story(&lab, event_id, &["injector", "broker", "acknowledged", "http_answer"]).await;

        let send = &story["sends"][0];
        assert_eq!((&send["attempts"], &send["copies"]), (&2.into(), &copies.into()), "{story:#}");
        let deed = of_kind(send, "injector").find(|stage| stage["kind"] == "fault_fired").unwrap();
        let first = of_kind(send, "sent").next().unwrap();
        assert_eq!(
            (&deed["attempt"], &deed["correlationId"]),
            (&1.into(), &first["correlationId"]),
            "{story:#}"
        );
        assert!(deed["text"].as_str().unwrap().contains("lose @ kafka"), "{deed}");
        let place = |wanted: &Value| {
            send["stages"].as_array().unwrap().iter().position(|stage| stage == wanted).unwrap()
        };
        let appended = of_kind(send, "broker").find(|stage| stage["kind"] == "appended").unwrap();
        let retried = of_kind(send, "sent").nth(1).unwrap();
        assert!(place(appended) < place(deed) && place(deed) < place(retried), "{story:#}");
        let removed = call(java(&lab), "DELETE", "/api/v1/chaos/proxies/kafka/toxics/lose", &[]).await;
        assert_eq!(removed.status, 204);
    }
}

// After each loss the correlation ids start anew on a new connection, so the next batch of the partition comes to the
// numbers of the one before. The story of the first once took the events of the second for its own, and told two copies.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_batch_with_the_same_correlation_ids_keeps_its_own_events() {
    let lab = started(settings()).await;
    for event_id in ["FIRST", "SECOND", "THIRD"] {
        let _armed = broker(&lab).faults().arm(Fault::lose_produce_answers(1));
        let query = format!("mode=idempotent&partition=0&eventId={event_id}");
        assert_eq!(send(java(&lab), &query).await.status, 200);
        assert_eq!(
            send(java(&lab), &format!("mode=plain&partition=0&eventId={event_id}-plain")).await.status,
            200
        );
    }
    story(&lab, "THIRD", &WHOLE).await;

    for event_id in ["FIRST", "SECOND", "THIRD"] {
        let story = story(&lab, event_id, &WHOLE).await;
        assert_eq!((&story["sends"][0]["attempts"], &story["copies"]), (&2.into(), &1.into()), "{story:#}");
        let story = self::story(&lab, &format!("{event_id}-plain"), &WHOLE).await;
        assert_eq!((&story["sends"][0]["attempts"], &story["copies"]), (&1.into(), &1.into()), "{story:#}");
    }
}

// The same fault without idempotence: two appends, and the reason is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_send_whose_answer_was_lost_tells_two_appends() {
    let lab = started(settings()).await;
    let _armed = broker(&lab).faults().arm(Fault::lose_produce_answers(1));
    assert_eq!(send(librdkafka(&lab), "mode=plain&eventId=P-1").await.status, 200);

    let story = story(&lab, "P-1", &WHOLE).await;

    let send = &story["sends"][0];
    assert_eq!((&send["attempts"], &send["copies"]), (&2.into(), &2.into()), "{story:#}");
    let appends: Vec<i64> = of_kind(send, "broker")
        .filter(|stage| stage["kind"] == "appended")
        .map(|stage| stage["attempt"].as_i64().unwrap())
        .collect();
    assert_eq!(appends, [1, 2], "{story:#}");
    assert!(of_kind(send, "stamped").next().is_none(), "a plain batch has no sequence: {story:#}");
    assert!(story["verdict"].as_str().unwrap().contains("2 copies"), "{story:#}");
    assert_eq!(records(&lab, "bhf-transactions", 3), 2);
}

// D-57: one eventId posted twice is two sends with one copy each, and the story says what idempotence does not cover.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_posted_twice_is_two_sends_in_one_story() {
    let lab = started(settings()).await;
    send(java(&lab), "mode=idempotent&eventId=TWICE").await;
    send(java(&lab), "mode=idempotent&eventId=TWICE").await;

    let story = story(&lab, "TWICE", &WHOLE).await;

    assert_eq!((story["sends"].as_array().unwrap().len(), &story["copies"]), (2, &2.into()), "{story:#}");
    assert!(story["sends"].as_array().unwrap().iter().all(|send| send["copies"] == 1), "{story:#}");
    assert!(story["verdict"].as_str().unwrap().contains("Idempotency-Key"));
}

// An asynchronous call is answered before its record has an outcome; the story goes on after the answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_an_asynchronous_send_goes_on_after_its_answer() {
    let lab = started(settings()).await;
    let delay = FaultAction::DelayAnswer(Duration::from_millis(300));
    let _armed = broker(&lab).faults().arm(Fault::new(0, delay));
    assert_eq!(send(java(&lab), "mode=idempotent&sendMode=async&eventId=A-1").await.status, 202);
    let pending = story(&lab, "A-1", &["sent", "http_answer"]).await;
    assert_eq!(pending["sends"][0]["outcome"], "PENDING", "{pending:#}");

    let story = story(&lab, "A-1", &WHOLE).await;

    assert_eq!(story["sends"][0]["outcome"], "OK");
    let kinds = kinds(&story["sends"][0]);
    let place = |kind| kinds.iter().position(|known| *known == kind).unwrap();
    assert!(place("http_answer") < place("acknowledged"), "{kinds:?}");
}

// A class reads French; an event that nobody knows is a 404 that says what to do.
#[tokio::test(flavor = "multi_thread")]
async fn stories_are_told_in_french_and_unknown_events_are_404() {
    let lab = started(settings()).await;
    send(java(&lab), "mode=idempotent&eventId=FR").await;
    let _whole = story(&lab, "FR", &WHOLE).await;

    let french = call(java(&lab), "GET", "/api/v1/trace/FR", &["Accept-Language: fr"]).await.json();
    let unknown = get(java(&lab), "/api/v1/trace/NOBODY%20%C3%A9").await;

    let send = &french["sends"][0];
    assert!(of_kind(send, "http_call").next().unwrap()["text"].as_str().unwrap().starts_with("appel HTTP"));
    assert!(french["verdict"].as_str().unwrap().starts_with("Une copie"), "{french:#}");
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-event"));
    assert_eq!(unknown.json()["eventId"], "NOBODY é");
    let unreadable = get(java(&lab), "/api/v1/trace/%ff").await;
    assert_eq!((unreadable.status, unreadable.problem().as_str()), (400, "invalid-path"));
}

// The time line has a bound: an old event is forgotten, and a new one is still told whole.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_bound_the_oldest_story_is_forgotten_and_the_newest_is_whole() {
    let lab = started(LabSettings { timeline_capacity: 60, ..settings() }).await;
    send(java(&lab), "mode=idempotent&eventId=OLD").await;
    let _whole = story(&lab, "OLD", &WHOLE).await;
    for index in 0..20 {
        send(java(&lab), &format!("mode=idempotent&eventId=NEW-{index}")).await;
    }

    let newest = story(&lab, "NEW-19", &WHOLE).await;

    assert_eq!(lab.shared().timeline.len(), 60);
    assert_eq!(newest["copies"], 1);
    let forgotten: Answer = get(java(&lab), "/api/v1/trace/OLD").await;
    assert_eq!((forgotten.status, forgotten.problem().as_str()), (404, "unknown-event"));
}

// An outside Kafka tells no events: attempts are told by the producer, and copies are counted in the log.
#[tokio::test(flavor = "multi_thread")]
async fn with_an_outside_kafka_the_copies_are_counted_in_the_log() {
    let topics = vec![("bhf-transactions".to_owned(), 3)];
    let kafka = Broker::start(BrokerConfig { topics, ..BrokerConfig::default() }).await.unwrap();
    let lab = started(LabSettings { bootstrap: Some(kafka.bootstrap().to_string()), ..settings() }).await;
    let _armed = kafka.faults().arm(Fault::lose_produce_answers(1));
    assert_eq!(send(java(&lab), "mode=plain&eventId=OUT-1").await.status, 200);

    let story = story(&lab, "OUT-1", &["unanswered", "acknowledged", "http_answer"]).await;

    let send = &story["sends"][0];
    assert_eq!((&send["attempts"], &send["copies"]), (&2.into(), &Value::Null), "{story:#}");
    assert_eq!((&story["copies"], &story["copiesFrom"]), (&2.into(), &"log".into()), "{story:#}");
    assert!(story["verdict"].as_str().unwrap().ends_with("The log holds 2 copies."), "{story:#}");
    lab.stop().await;
    kafka.stop().await;
}
