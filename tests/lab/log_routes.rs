//! What the routes say that look into the log: audit, topics, records, partition.

use facteur::broker::Fault;
use facteur::lab::running::LabSettings;

use crate::support::{Answer, broker, call, get, java, librdkafka, send, settings, started};

fn members(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.members()
}

// The course's grep as an API: a lost acknowledgement leaves one record or two, and the count says where they are.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_counts_copies_in_the_log() {
    let lab = started(settings()).await;
    for (mode, id) in [("plain", "AUDIT-P"), ("idempotent", "AUDIT-I")] {
        let _armed = broker(&lab).faults().arm(Fault::lose_produce_answers(1));
        assert_eq!(send(java(&lab), &format!("mode={mode}&eventId={id}")).await.status, 200);
    }

    let plain = get(java(&lab), "/api/v1/audit?eventId=AUDIT-P").await;
    let idempotent = get(java(&lab), "/api/v1/audit?eventId=AUDIT-I&topic=bhf-transactions").await.json();
    let nobody = get(java(&lab), "/api/v1/audit?eventId=NOBODY").await.json();
    let all = get(java(&lab), "/api/v1/audit").await.json();

    assert_eq!(
        members(&plain),
        ["topic", "eventId", "count", "places", "events", "duplicates", "recordsRead", "isComplete"]
    );
    let plain = plain.json();
    assert_eq!((&plain["count"], &plain["isComplete"]), (&2.into(), &true.into()), "{plain}");
    let places = plain["places"].as_array().unwrap();
    assert_eq!(places.len(), 2);
    assert!(places.iter().all(|place| place["producerId"] == -1));
    assert_eq!((&idempotent["count"], &nobody["count"]), (&1.into(), &0.into()));
    assert!(idempotent["places"][0]["producerId"].as_i64().unwrap() >= 0);
    assert_eq!(
        all["events"],
        serde_json::json!([{"eventId":"AUDIT-P","count":2},{"eventId":"AUDIT-I","count":1}])
    );
    assert_eq!((&all["duplicates"], &all["recordsRead"]), (&1.into(), &3.into()));
}

// Row 60: what the course looks at in a user interface: topics, partitions, and records with everything that they have.
#[tokio::test(flavor = "multi_thread")]
async fn topics_and_records_can_be_browsed_from_the_beginning() {
    let lab = started(settings()).await;
    for index in 0..5 {
        let query = format!("mode=idempotent&eventId=B-{index}&key=k{index}&partition={}", index % 2);
        assert_eq!(send(java(&lab), &query).await.status, 200);
    }

    let topics = get(java(&lab), "/api/v1/topics").await.json();
    let topic = get(librdkafka(&lab), "/api/v1/topics/bhf-transactions").await.json();
    let all = get(java(&lab), "/api/v1/topics/bhf-transactions/records").await.json();

    assert_eq!(topics, serde_json::json!([{"name":"bhf-transactions","partitions":3,"isInternal":false}]));
    assert_eq!((&topic["records"], topic["partitions"].as_array().unwrap().len()), (&5.into(), 3));
    assert_eq!(
        topic["partitions"][0],
        serde_json::json!({"partition":0,"leader":1,"replicas":[1],"isr":[1],"startOffset":0,"endOffset":3})
    );
    let records = all["records"].as_array().unwrap();
    assert_eq!(records.len(), 5);
    let first = &records[0];
    assert_eq!(
        (&first["partition"], &first["offset"], &first["key"]["text"]),
        (&0.into(), &0.into(), &"k0".into())
    );
    assert!(first["value"]["text"].as_str().unwrap().starts_with(r#"{"eventId":"B-0""#), "{first}");
    assert_eq!(first["headers"][0]["name"], "traceparent");
    assert_eq!((&first["baseSequence"], &first["producerEpoch"]), (&0.into(), &0.into()));
    assert!(first["timestamp"].as_str().unwrap().ends_with('Z'));
}

// A page says where the next one begins; following it reads each record once.
#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_a_gap() {
    let lab = started(settings()).await;
    for index in 0..7 {
        send(java(&lab), &format!("mode=idempotent&eventId=P-{index}&partition=1")).await;
    }
    let page = async |query: &str| {
        get(java(&lab), &format!("/api/v1/topics/bhf-transactions/records?partition=1&{query}")).await.json()
    };
    let mut offsets = Vec::new();
    let mut from = 0;
    while from < 7 {
        let page = page(&format!("limit=3&from={from}")).await;
        offsets.extend(page["records"].as_array().unwrap().iter().map(|one| one["offset"].as_i64().unwrap()));
        assert!(page["partitions"][0]["nextOffset"].as_i64().unwrap() > from, "{page}");
        from = page["partitions"][0]["nextOffset"].as_i64().unwrap();
    }

    let latest = page("from=latest&limit=2").await;
    let beyond = page("from=100").await;

    assert_eq!(offsets, [0, 1, 2, 3, 4, 5, 6]);
    let newest: Vec<i64> =
        latest["records"].as_array().unwrap().iter().map(|one| one["offset"].as_i64().unwrap()).collect();
    assert_eq!(newest, [5, 6]);
    assert_eq!(
        (beyond["records"].as_array().unwrap().len(), &beyond["partitions"][0]["nextOffset"]),
        (0, &7.into())
    );
}

// Row 24 and the course's surprise: one key, two families of clients, two partitions.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_placed_under_both_hashes() {
    let lab = started(settings()).await;

    let both = get(java(&lab), "/api/v1/partition?key=customer-42&partitions=3").await;
    let one = get(java(&lab), "/api/v1/partition?key=customer-42&partitioner=CRC32").await.json();
    let empty = get(java(&lab), "/api/v1/partition?key=").await.json();

    assert_eq!(members(&both), ["key", "partitions", "choices", "doAgree"]);
    let both = both.json();
    let chosen = |answer: &serde_json::Value| -> Vec<Option<i64>> {
        answer["choices"].as_array().unwrap().iter().map(|choice| choice["partition"].as_i64()).collect()
    };
    assert_eq!((chosen(&both), &both["doAgree"]), (vec![Some(0), Some(2)], &false.into()));
    assert_eq!((chosen(&one), &one["partitions"]), (vec![Some(2)], &3.into()));
    // librdkafka takes an empty key for none.
    assert_eq!(chosen(&empty)[1], None);
}

// F04: whatever is wrong is named, with what would have been right, in the reader's language.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_questions_are_refused_by_name() {
    let lab = started(settings()).await;
    let records = "/api/v1/topics/bhf-transactions/records";

    for (path, status, problem, parameter) in [
        ("/api/v1/audit?event=E".to_owned(), 400, "invalid-parameter", "event"),
        ("/api/v1/audit?topic=a%20b".to_owned(), 400, "invalid-parameter", "topic"),
        (format!("/api/v1/audit?eventId={}", "x".repeat(513)), 400, "invalid-parameter", "eventId"),
        ("/api/v1/audit?topic=missing".to_owned(), 404, "unknown-topic", ""),
        ("/api/v1/audit?eventId=%zz".to_owned(), 400, "invalid-query", ""),
        ("/api/v1/topics?x=1".to_owned(), 400, "invalid-parameter", "x"),
        ("/api/v1/topics/missing".to_owned(), 404, "unknown-topic", ""),
        ("/api/v1/topics/a%20b".to_owned(), 400, "invalid-parameter", "topic"),
        ("/api/v1/topics/missing/records".to_owned(), 404, "unknown-topic", ""),
        (format!("{records}?partition=3"), 400, "invalid-parameter", "partition"),
        (format!("{records}?partition=-1"), 400, "invalid-parameter", "partition"),
        (format!("{records}?limit=0"), 400, "invalid-parameter", "limit"),
        (format!("{records}?limit=1001"), 400, "invalid-parameter", "limit"),
        (format!("{records}?from=middle"), 400, "invalid-parameter", "from"),
        (format!("{records}?from=5"), 400, "invalid-parameter", "from"),
        (format!("{records}?partition=0&from=-5"), 400, "invalid-parameter", "from"),
        ("/api/v1/partition".to_owned(), 400, "missing-parameter", "key"),
        ("/api/v1/partition?key=k&partitions=0".to_owned(), 400, "invalid-parameter", "partitions"),
        ("/api/v1/partition?key=k&partitioner=sticky".to_owned(), 400, "invalid-parameter", "partitioner"),
    ] {
        let english = get(java(&lab), &path).await;
        let french = call(java(&lab), "GET", &path, &["Accept-Language: fr"]).await;
        assert_eq!((english.status, english.problem().as_str()), (status, problem), "{path}: {english:?}");
        assert_eq!(english.json()["parameter"].as_str().unwrap_or(""), parameter, "{path}");
        assert_ne!(english.json()["detail"], french.json()["detail"], "{path}");
    }
    let allowed =
        get(java(&lab), "/api/v1/partition?key=k&partitioner=sticky").await.json()["allowed"].clone();
    assert_eq!(allowed, serde_json::json!(["murmur2", "crc32"]));
}

// A Kafka that is not there is a 503 that says so, and soon.
#[tokio::test(flavor = "multi_thread")]
async fn without_kafka_the_log_is_not_ready() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lab = facteur::lab::running::RunningLab::start(LabSettings {
        bootstrap: Some(free.to_string()),
        ..settings()
    });
    let lab = lab.await.unwrap();

    for path in ["/api/v1/topics", "/api/v1/audit", "/api/v1/topics/t/records"] {
        let answer = get(java(&lab), path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "not-ready"), "{answer:?}");
    }
}
