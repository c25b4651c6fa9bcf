//! Faults that hit one request.

use std::sync::Arc;
use std::time::Duration;

use facteur::chaos::kafka::toxic::KafkaToxic;
use kafka_protocol::messages as kp;
use serde_json::{Map, json};

use crate::support::{
    CLIENT, Connection, answer, arm, fired, produce, produced, proxy, request, text, topic_name,
};

// The course's experiment: the broker has acted, exactly one answer is lost. Fails if an answer before it is lost as
// well, if its request is not passed on, or if a second connection is hit.
#[test]
fn drop_response_loses_exactly_one_answer() {
    let proxy = proxy();
    arm(&proxy, "drop_response", &json!({"api": "Produce", "count": 1, "after": 1}));
    let mut connection = Connection::new(&proxy);
    let asked = [produce(9, 1, -1, "t", 10), produce(9, 2, -1, "t", 10)].concat();
    connection.client_sends(&asked);
    assert_eq!(connection.to_server, asked, "the broker gets both");
    assert_eq!(fired(&proxy, "drop_response"), 0, "nothing is lost yet");

    connection.server_sends(&[produced(9, 1), produced(9, 2)].concat());

    assert_eq!(connection.to_client, produced(9, 1), "the first answer came");
    assert!(connection.closed.is_some());
    assert_eq!(fired(&proxy, "drop_response"), 1);
    let event = connection.events.last().expect("an event");
    assert_eq!(event.kind.name(), "fault_fired");
    let hit = event.request.as_ref().expect("the request");
    assert_eq!((hit.api_key, hit.correlation_id, hit.client_id.as_deref()), (0, 2, Some(CLIENT)));
    assert_eq!(hit.topics, vec![Arc::from("t")]);

    let mut next = Connection::new(&proxy);
    next.client_sends(&produce(9, 1, -1, "t", 10));
    next.server_sends(&produced(9, 1));
    assert_eq!(next.to_client, produced(9, 1), "once means once");
}

// A connection that ends before the answer comes has not used up the fault: the next one is hit.
#[test]
fn a_fault_that_did_not_happen_is_not_used_up() {
    let proxy = proxy();
    arm(&proxy, "drop_response", &json!({"api": "Produce"}));
    let mut first = Connection::new(&proxy);
    first.client_sends(&produce(9, 1, -1, "t", 10));
    drop(first);

    let mut second = Connection::new(&proxy);
    second.client_sends(&produce(9, 1, -1, "t", 10));
    second.server_sends(&produced(9, 1));

    assert!(second.closed.is_some(), "the second is hit");
    assert_eq!(fired(&proxy, "drop_response"), 1);
}

// Removed means removed, even for a request that was to be hit; armed means at once, even on an open connection.
#[test]
fn changes_act_on_open_connections() {
    let proxy = proxy();
    let mut connection = Connection::new(&proxy);
    connection.client_sends(&produce(9, 1, -1, "t", 10));
    connection.server_sends(&produced(9, 1));
    arm(&proxy, "drop_response", &json!({"api": "Produce"}));
    connection.client_sends(&produce(9, 2, -1, "t", 10));
    assert!(proxy.remove("drop_response"));
    connection.server_sends(&produced(9, 2));
    assert_eq!(connection.to_client, [produced(9, 1), produced(9, 2)].concat());

    arm(&proxy, "drop_response", &json!({"api": "Produce"}));
    connection.client_sends(&produce(9, 3, -1, "t", 10));
    connection.server_sends(&produced(9, 3));
    assert!(connection.closed.is_some());
    // An update makes a one-shot toxic act again.
    let again = KafkaToxic::parse("drop_response", &Map::new()).expect("a toxic");
    assert!(proxy.update("drop_response", again, 1.0));
    assert_eq!(fired(&proxy, "drop_response"), 0);
    let mut next = Connection::new(&proxy);
    next.client_sends(&produce(9, 4, -1, "t", 10));
    next.server_sends(&produced(9, 4));
    assert!(next.closed.is_some());
}

// D-61: filters, so that another client's request does not eat the fault.
#[test]
fn filters_choose_the_request() {
    let hits = |attributes: serde_json::Value, asked: &[u8]| {
        let proxy = proxy();
        arm(&proxy, "close_after_request", &attributes);
        let mut connection = Connection::new(&proxy);
        connection.client_sends(asked);
        connection.closed.is_some()
    };
    let orders = produce(9, 1, -1, "orders", 10);
    assert!(hits(json!({}), &orders));
    assert!(hits(json!({"api": "Produce", "topic": "orders", "clientId": CLIENT}), &orders));
    assert!(hits(json!({"topic": "orders"}), &orders));
    assert!(!hits(json!({"topic": "other"}), &orders));
    assert!(!hits(json!({"clientId": "other"}), &orders));
    assert!(!hits(json!({"api": "Fetch"}), &orders));
    // Every API whose topics are read, in a version of each dialect.
    for version in [4, 11, 12] {
        let partition = kp::fetch_request::FetchPartition::default();
        let topic = kp::fetch_request::FetchTopic::default()
            .with_topic(topic_name("x"))
            .with_partitions(vec![partition]);
        let asked = request(1, version, 1, &kp::FetchRequest::default().with_topics(vec![topic]));
        assert!(hits(json!({"topic": "x"}), &asked), "Fetch {version}");
    }
    for version in [1, 5, 7] {
        let partition = kp::list_offsets_request::ListOffsetsPartition::default();
        let topic = kp::list_offsets_request::ListOffsetsTopic::default();
        let topic = topic.with_name(topic_name("x")).with_partitions(vec![partition]);
        let asked = request(2, version, 1, &kp::ListOffsetsRequest::default().with_topics(vec![topic]));
        assert!(hits(json!({"topic": "x"}), &asked), "ListOffsets {version}");
    }
    for version in [0, 8, 13] {
        let topic = kp::metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("x")));
        let asked = request(3, version, 1, &kp::MetadataRequest::default().with_topics(Some(vec![topic])));
        assert!(hits(json!({"topic": "x"}), &asked), "Metadata {version}");
    }
    for version in [2, 7] {
        let setting = kp::create_topics_request::CreatableTopicConfig::default().with_name(text("a"));
        let topic = kp::create_topics_request::CreatableTopic::default().with_configs(vec![setting]);
        let topics = ["w", "x"].map(|name| topic.clone().with_name(topic_name(name))).to_vec();
        let asked = request(19, version, 1, &kp::CreateTopicsRequest::default().with_topics(topics));
        assert!(hits(json!({"topic": "x"}), &asked), "CreateTopics {version}");
    }
    for version in [1, 4, 6] {
        let mut body = kp::DeleteTopicsRequest::default();
        if version >= 6 {
            let topic =
                kp::delete_topics_request::DeleteTopicState::default().with_name(Some(topic_name("x")));
            body.topics = vec![topic];
        } else {
            body.topic_names = vec![topic_name("x")];
        }
        assert!(hits(json!({"topic": "x"}), &request(20, version, 1, &body)), "DeleteTopics {version}");
    }
}

// Produce 13 names topics by id; the names were in an earlier answer.
#[test]
fn a_topic_filter_finds_topics_by_id() {
    let proxy = proxy();
    let mut connection = Connection::new(&proxy);
    connection.client_sends(&request(3, 12, 1, &kp::MetadataRequest::default()));
    let partition = kp::metadata_response::MetadataResponsePartition::default()
        .with_replica_nodes(vec![1.into(), 2.into()])
        .with_isr_nodes(vec![1.into()]);
    let topic = kp::metadata_response::MetadataResponseTopic::default()
        .with_name(Some(topic_name("orders")))
        .with_topic_id(uuid::Uuid::from_bytes([9; 16]))
        .with_partitions(vec![partition.clone(), partition]);
    connection.server_sends(&answer(12, 1, &kp::MetadataResponse::default().with_topics(vec![topic])));

    arm(&proxy, "close_after_request", &json!({"topic": "orders"}));
    connection.client_sends(&produce(13, 2, -1, "", 10));

    assert!(connection.closed.is_some());
}

// The whole request arrives, in one piece after the other, and only then does the connection close.
#[test]
fn close_after_request_passes_the_request_whole() {
    let proxy = proxy();
    arm(&proxy, "close_after_request", &json!({"api": "Produce"}));
    let mut connection = Connection::new(&proxy);
    let asked = produce(9, 1, 0, "t", 200_000);
    for piece in asked.chunks(1_000) {
        connection.client_sends(piece);
    }
    assert_eq!(connection.to_server, asked);
    assert!(connection.closed.is_some());
    assert_eq!(fired(&proxy, "close_after_request"), 1);
}

// A network that repeats: the broker sees the request twice, the client one answer. The answer to the next request must
// not be taken for the second.
#[test]
fn duplicate_request_reaches_the_broker_twice() {
    let proxy = proxy();
    arm(&proxy, "duplicate_request", &json!({"api": "Produce"}));
    let mut connection = Connection::new(&proxy);
    let (first, next) = (produce(9, 1, -1, "t", 100), produce(9, 2, -1, "t", 100));
    connection.client_sends(&[first.clone(), next.clone()].concat());
    assert_eq!(connection.to_server, [first.clone(), first, next].concat());

    let answers = [produced(9, 1), produced(9, 1), produced(9, 2)].concat();
    for piece in answers.chunks(5) {
        connection.server_sends(piece);
    }

    assert_eq!(connection.to_client, [produced(9, 1), produced(9, 2)].concat());
    assert_eq!(connection.closed, None);
    // Without an answer there is none to withhold.
    arm(&proxy, "duplicate_request", &json!({"api": "Produce"}));
    let silent = produce(9, 3, 0, "t", 100);
    let before = connection.to_server.len();
    connection.client_sends(&silent);
    assert_eq!(connection.to_server[before..], [silent.clone(), silent].concat());
    connection.client_sends(&produce(9, 4, -1, "t", 1));
    connection.server_sends(&produced(9, 4));
    assert_eq!(connection.closed, None);
}

// Without end by default; answers keep their order because the delay stands in it.
#[test]
fn delay_response_delays_every_answer() {
    let proxy = proxy();
    arm(&proxy, "delay_response", &json!({"api": "Produce", "delay": 40}));
    let mut connection = Connection::new(&proxy);
    for id in 0..3 {
        connection.client_sends(&produce(9, id, -1, "t", 10));
        connection.server_sends(&produced(9, id));
    }
    assert_eq!(connection.delays, [Duration::from_millis(40); 3]);
    assert_eq!(fired(&proxy, "delay_response"), 3);
    // acks=0 has no answer that could wait.
    connection.client_sends(&produce(9, 9, 0, "t", 10));
    assert_eq!(fired(&proxy, "delay_response"), 3);
}

// A toxicity of 0 never acts, one of 1 always; in between the seed decides, the same way every time.
#[test]
fn toxicity_is_drawn_from_the_seed() {
    let run = |toxicity: f64| {
        let proxy = proxy();
        let toxic = KafkaToxic::parse("delay_response", json!({"delay": 1}).as_object().expect("an object"));
        proxy.arm(&Arc::from("d"), toxic.expect("a toxic"), toxicity);
        let mut connection = Connection::new(&proxy);
        for id in 0..100 {
            connection.client_sends(&produce(9, id, -1, "t", 10));
            connection.server_sends(&produced(9, id));
        }
        fired(&proxy, "d")
    };
    assert_eq!(run(0.0), 0);
    assert_eq!(run(1.0), 100);
    let half = run(0.5);
    assert!((20..=80).contains(&half), "{half}");
    assert_eq!(run(0.5), half, "the same seed, the same draws");
}
