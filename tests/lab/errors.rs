//! Every wrong call: status, type, the parameter's name, and that nothing was written.

use crate::support::{call, get, java, records, send, settings, started};

// The originals took most of these in silence; here each is answered by name and nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_parameter_is_answered_by_name() {
    let lab = started(settings()).await;

    for (query, problem, parameter) in [
        ("eventId=E", "missing-parameter", "mode"),
        ("mode=plain", "missing-parameter", "eventId"),
        ("mode=invalid&eventId=E", "invalid-parameter", "mode"),
        ("mode=plain&eventId=", "invalid-parameter", "eventId"),
        ("mode=plain&eventId=E&sendMode=soon", "invalid-parameter", "sendMode"),
        ("mode=plain&eventId=E&partition=x", "invalid-parameter", "partition"),
        ("mode=plain&eventId=E&partition=-1", "invalid-parameter", "partition"),
        ("mode=plain&eventId=E&partition=3", "invalid-parameter", "partition"),
        ("mode=plain&eventId=E&partition=2147483648", "invalid-parameter", "partition"),
        ("mode=plain&eventId=E&topic=a%20b", "invalid-parameter", "topic"),
        ("mode=plain&eventId=E&acks=3", "invalid-parameter", "acks"),
        ("mode=idempotent&eventId=E&acks=0", "invalid-parameter", "acks"),
        ("mode=plain&eventId=E&partitioner=best", "invalid-parameter", "partitioner"),
        ("mode=plain&eventId=E&timeoutMs=NaN", "invalid-parameter", "timeoutMs"),
        ("mode=plain&eventId=E&unknown=1", "invalid-parameter", "unknown"),
    ] {
        let answer = send(java(&lab), query).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, problem), "{query}");
        assert_eq!(answer.json()["parameter"], parameter, "{query}");
        assert_eq!(answer.json()["possiblyWritten"], false, "{query}");
    }
    let answer = send(java(&lab), "mode=plain&eventId=E&partition=3").await;
    assert!(answer.json()["detail"].as_str().unwrap().contains("3 partitions, 0 to 2"), "{answer:?}");
    for query in ["mode=plain&eventId=%4", "mode=plain&eventId=%FF", "mode=plain&eventId=E&eventId=F"] {
        assert_eq!(send(java(&lab), query).await.problem(), "invalid-query", "{query}");
    }
    assert_eq!(records(&lab, "bhf-transactions", 3), 0);
}

// Extension members are always there and in one order, so that a script needs no special cases.
#[tokio::test(flavor = "multi_thread")]
async fn problems_have_their_members_in_order_and_speak_french() {
    let lab = started(settings()).await;

    let french =
        call(java(&lab), "POST", "/api/v1/send?mode=x&eventId=E-7", &["Accept-Language: fr-FR,en;q=0.3"])
            .await;

    let expected = [
        "type",
        "title",
        "status",
        "detail",
        "eventId",
        "requestId",
        "attempts",
        "kafkaError",
        "possiblyWritten",
        "traceId",
        "parameter",
        "allowed",
    ];
    assert_eq!(french.members(), expected);
    assert_eq!(french.header("content-language"), Some("fr"));
    let json = french.json();
    assert_eq!(json["eventId"], "E-7");
    assert_eq!(json["allowed"], serde_json::json!(["plain", "idempotent"]));
    assert!(json["detail"].as_str().unwrap().contains("Corrigez-le"), "{json}");
    assert_eq!(json["traceId"].as_str().unwrap().len(), 32);
}

// B17: a topic that is not there is told within four refreshes, for both send modes, and is not created (D-47).
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_topic_is_404_within_the_bound() {
    let lab = started(settings()).await;

    for send_mode in ["sync", "async"] {
        let answer =
            send(java(&lab), &format!("mode=idempotent&eventId=E&topic=nowhere&sendMode={send_mode}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-topic"), "{answer:?}");
        assert_eq!(answer.json()["kafkaError"]["name"], "UNKNOWN_TOPIC_OR_PARTITION");
    }

    assert!(crate::support::broker(&lab).topics().iter().all(|(name, _)| name != "nowhere"));
    crate::support::broker(&lab).create_topic("nowhere", 1).unwrap();
    assert_eq!(send(java(&lab), "mode=idempotent&eventId=E&topic=nowhere").await.status, 200);
}

// A status that is gone must say so differently from an address that never existed.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_addresses_methods_and_requests_are_told_apart() {
    let lab = started(settings()).await;
    let address = java(&lab);

    let unknown = get(address, "/api/v1/status?requestId=00000000-0000-4000-8000-000000000000").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-request"));
    assert_eq!(get(address, "/api/v1/status/nonsense").await.problem(), "unknown-request");
    assert_eq!(get(address, "/api/v1/status").await.problem(), "missing-parameter");
    assert_eq!(get(address, "/api/v2/send").await.problem(), "not-found");
    assert_eq!(get(address, "/api/v1/../../etc/passwd").await.problem(), "not-found");
    let method = get(address, "/api/v1/send?mode=plain&eventId=E").await;
    assert_eq!(
        (method.status, method.problem().as_str(), method.header("allow")),
        (405, "method-not-allowed", Some("POST"))
    );
    assert_eq!(call(address, "DELETE", "/health", &[]).await.status, 405);
}

// RFC 9457: the type leads to an explanation, for each of them.
#[tokio::test(flavor = "multi_thread")]
async fn every_problem_type_has_a_page() {
    let lab = started(settings()).await;

    for kind in facteur::lab::problem_kind::ProblemKind::all() {
        let page = get(java(&lab), &kind.type_uri()).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains(kind.title(facteur::lab::language::Language::English)), "{page:?}");
    }
    assert_eq!(get(java(&lab), "/problems/none").await.status, 404);
}
