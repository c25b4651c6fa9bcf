//! The shapes of the course: members, order, headers. Its own shell lines are `tests/labs/course.sh`.

use crate::support::{call, final_status, get, java, librdkafka, records, send, settings, started};

// The course's first call compares with "OK", character by character.
#[tokio::test(flavor = "multi_thread")]
async fn health_is_ok_without_quotes_or_newline() {
    let lab = started(settings()).await;

    for address in [java(&lab), librdkafka(&lab)] {
        let answer = get(address, "/health").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

// Members and their order are the contract; a plain producer has no identity to show.
#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_answer_has_the_members_in_order() {
    let lab = started(settings()).await;

    let plain = send(java(&lab), "mode=plain&sendMode=sync&eventId=JAVA-SYNC-1").await;
    let idempotent = send(librdkafka(&lab), "mode=idempotent&eventId=NET-1&key=k1&partition=2").await;

    assert_eq!(plain.status, 200);
    let expected = [
        "status",
        "topic",
        "partition",
        "offset",
        "eventId",
        "mode",
        "sendMode",
        "key",
        "producerId",
        "producerEpoch",
        "baseSequence",
        "attempts",
        "deduplicated",
        "latencyMs",
        "timestamp",
        "traceId",
    ];
    assert_eq!(plain.members(), expected);
    assert!(
        plain.body.starts_with(r#"{"status":"OK","topic":"bhf-transactions","partition":"#),
        "{}",
        plain.body
    );
    let json = plain.json();
    assert_eq!(
        (&json["key"], &json["offset"], &json["attempts"]),
        (&"JAVA-SYNC-1".into(), &0.into(), &1.into())
    );
    assert!(
        json["producerId"].is_null() && json["producerEpoch"].is_null() && json["baseSequence"].is_null()
    );
    let json = idempotent.json();
    assert_eq!(
        (&json["partition"], &json["key"], &json["baseSequence"]),
        (&2.into(), &"k1".into(), &0.into())
    );
    assert!(json["producerId"].is_i64() && json["producerEpoch"] == 0 && json["deduplicated"] == false);
}

// The course takes the requestId with sed; a space after the colon or a second occurrence would break every lab.
#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_answer_leads_to_its_status() {
    let lab = started(settings()).await;

    let accepted = send(java(&lab), "mode=idempotent&sendMode=async&eventId=JAVA-ASYNC-1").await;

    assert_eq!(accepted.status, 202);
    let expected =
        ["status", "requestId", "eventId", "state", "mode", "sendMode", "topic", "key", "partition"];
    assert_eq!(accepted.members(), expected);
    assert_eq!(accepted.body.matches("requestId").count(), 1);
    let request_id =
        accepted.body.split(r#""requestId":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(accepted.header("location"), Some(format!("/api/v1/status?requestId={request_id}").as_str()));
    assert_eq!(accepted.json()["partition"], serde_json::Value::Null);

    let status = final_status(java(&lab), &request_id).await;
    let expected = [
        "state",
        "topic",
        "partition",
        "offset",
        "requestId",
        "eventId",
        "attempts",
        "producerId",
        "baseSequence",
        "deduplicated",
    ];
    assert_eq!(status.members(), expected);
    assert_eq!(status.json()["state"], "OK");
    let by_path = get(java(&lab), &format!("/api/v1/status/{request_id}")).await;
    assert_eq!(by_path.body, status.body);
}

// The lab's counter greps lines for the eventId; consumers need the trace in the record.
#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_one_line_of_json_with_headers() {
    let lab = started(settings()).await;
    let traceparent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let path = "/api/v1/send?mode=plain&eventId=a%22b%0Ac&partition=1&sendMode=synchronous";

    let answer = call(java(&lab), "POST", path, &[traceparent]).await;

    assert_eq!(answer.json()["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let bootstrap = lab.bootstrap().to_owned();
    let record = tokio::task::spawn_blocking(move || consumed(&bootstrap, "bhf-transactions")).await.unwrap();
    let value = record["value"].as_str().unwrap();
    assert!(
        value.starts_with(r#"{"eventId":"a\"b\nc","mode":"plain","sendMode":"sync","api":"rust","ts":""#),
        "{value}"
    );
    assert!(value.ends_with(r#"Z","profile":"java"}"#), "{value}");
    assert!(!value.contains('\n'));
    assert_eq!(record["key"], "a\"b\nc");
    assert_eq!(
        record["headers"],
        serde_json::json!([
            ["traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
            ["producer-mode", "plain"],
            ["send-mode", "sync"]
        ])
    );
}

/// The first record of a topic, as the command line prints it.
fn consumed(bootstrap: &str, topic: &str) -> serde_json::Value {
    let arguments = ["consume", "-b", bootstrap, "-t", topic, "--from-beginning", "-e", "-c", "1", "--json"];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_facteur")).args(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

// The two ports are two families of clients: the same key may go to two partitions, each as its family would choose.
#[tokio::test(flavor = "multi_thread")]
async fn the_profiles_hash_keys_as_their_clients_do() {
    let lab = started(settings()).await;
    let partition = |answer: crate::support::Answer| answer.json()["partition"].as_i64().unwrap();

    let mut differ = false;
    for key in ["a", "b", "c", "d", "e", "f"] {
        let query = format!("mode=plain&eventId=E&key={key}");
        let (one, other) =
            (partition(send(java(&lab), &query).await), partition(send(librdkafka(&lab), &query).await));
        let crc = partition(send(java(&lab), &format!("{query}&partitioner=crc32")).await);
        let murmur = partition(send(librdkafka(&lab), &format!("{query}&partitioner=murmur2")).await);
        assert_eq!((one, other), (murmur, crc), "key {key}");
        differ |= one != other;
    }
    assert!(differ, "six keys never went to different partitions");
}

// Keyless records exist only here; acks=0 tells no offset.
#[tokio::test(flavor = "multi_thread")]
async fn keyless_and_unconfirmed_sends_work() {
    let lab = started(settings()).await;

    let keyless = send(java(&lab), "mode=plain&eventId=E&keyless=true").await;
    let unconfirmed = send(java(&lab), "mode=plain&eventId=E&acks=0").await;
    let all = send(java(&lab), "mode=plain&eventId=E&acks=all").await;
    let sticky = send(java(&lab), "mode=idempotent&eventId=E&partitioner=sticky").await;
    let round = send(java(&lab), "mode=idempotent&eventId=E&partitioner=roundrobin&acks=all").await;

    assert_eq!(keyless.json()["key"], serde_json::Value::Null);
    assert_eq!((unconfirmed.status, unconfirmed.json()["offset"].as_i64()), (200, Some(-1)));
    assert_eq!([all.status, sticky.status, round.status], [200; 3]);
}

// D-57: an eventId is no idempotency key; the lab on what idempotence does not do rests on it.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_id_twice_is_two_records() {
    let lab = started(settings()).await;

    for _ in 0..2 {
        assert_eq!(send(java(&lab), "mode=idempotent&eventId=SAME").await.status, 200);
    }

    assert_eq!(records(&lab, "bhf-transactions", 3), 2);
}

// Orchestrators look at these; livez must not depend on Kafka, and readyz says what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn probes_tell_life_and_readiness() {
    let lab = started(settings()).await;

    let (live, ready) = (get(java(&lab), "/livez").await, get(java(&lab), "/readyz").await);

    assert_eq!((live.status, live.json()["status"].as_str()), (200, Some("live")));
    assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("ready")));
    assert_eq!(ready.json()["checks"].as_array().unwrap().len(), 4);
    for alias in ["/health/live", "/health/ready", "/actuator/health/liveness", "/actuator/health/readiness"]
    {
        assert_eq!(get(librdkafka(&lab), alias).await.status, 200, "{alias}");
    }
}
