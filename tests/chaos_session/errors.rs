//! Answers that the injector gives in the broker's name, read by the independent implementation in every version.

use bytes::Bytes;
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use serde_json::json;

use crate::support::{
    Connection, arm, fired, produce, produced, proxy, read_answer, request, text, topic_name,
};

/// Asks with the toxic armed; the answer, which the broker had no part in.
fn refused<Q: Encodable + HeaderVersion, R: Decodable + HeaderVersion>(api: i16, version: i16, ask: &Q) -> R {
    let proxy = proxy();
    arm(&proxy, "error_response", &json!({"api": api, "code": 6}));
    let mut connection = Connection::new(&proxy);
    connection.client_sends(&request(api, version, 11, ask));
    assert!(connection.to_server.is_empty(), "API {api} version {version}: the broker saw it");
    assert_eq!(fired(&proxy, "error_response"), 1);
    read_answer(version, 11, &connection.to_client)
}

// The producer's answer: each partition of the request, by name or by id, with the code.
#[test]
fn produce_is_refused_at_every_partition() {
    for version in 3..=13 {
        let partition = |index| {
            kp::produce_request::PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(Bytes::from_static(b"records")))
        };
        let mut topic = kp::produce_request::TopicProduceData::default();
        topic.partition_data = vec![partition(0), partition(3)];
        if version >= 13 {
            topic.topic_id = uuid::Uuid::from_bytes([4; 16]);
        } else {
            topic.name = topic_name("t");
        }
        let ask = kp::ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic.clone(), topic]);
        let seen: kp::ProduceResponse = refused(0, version, &ask);
        assert_eq!(seen.responses.len(), 2);
        for topic in seen.responses {
            assert_eq!(topic.name.as_str(), if version >= 13 { "" } else { "t" });
            let partitions: Vec<(i32, i16, i64)> = topic
                .partition_responses
                .iter()
                .map(|partition| (partition.index, partition.error_code, partition.base_offset))
                .collect();
            assert_eq!(partitions, [(0, 6, -1), (3, 6, -1)], "version {version}");
        }
    }
}

#[test]
fn fetch_is_refused_at_every_partition() {
    for version in 4..=18 {
        let partition = kp::fetch_request::FetchPartition::default().with_partition(5);
        let mut topic = kp::fetch_request::FetchTopic::default().with_partitions(vec![partition]);
        if version >= 13 {
            topic.topic_id = uuid::Uuid::from_bytes([4; 16]);
        } else {
            topic.topic = topic_name("t");
        }
        let seen: kp::FetchResponse =
            refused(1, version, &kp::FetchRequest::default().with_topics(vec![topic]));
        let partition = &seen.responses[0].partitions[0];
        assert_eq!(
            (partition.partition_index, partition.error_code, seen.error_code),
            (5, 6, 0),
            "version {version}"
        );
        if version >= 7 {
            // A session that goes on names no partition: the code stands at the top.
            let seen: kp::FetchResponse = refused(1, version, &kp::FetchRequest::default());
            assert_eq!((seen.error_code, seen.responses.len()), (6, 0));
        }
    }
}

#[test]
fn list_offsets_is_refused_at_every_partition() {
    for version in 1..=10 {
        let partition = kp::list_offsets_request::ListOffsetsPartition::default().with_partition_index(2);
        let topic = kp::list_offsets_request::ListOffsetsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        let ask = kp::ListOffsetsRequest::default().with_topics(vec![topic]);
        let seen: kp::ListOffsetsResponse = refused(2, version, &ask);
        let partition = &seen.topics[0].partitions[0];
        assert_eq!(
            (partition.partition_index, partition.error_code, partition.offset),
            (2, 6, -1),
            "{version}"
        );
    }
}

#[test]
fn metadata_is_refused_at_every_topic() {
    for version in 0..=13 {
        let topic = kp::metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("t")));
        let ask = kp::MetadataRequest::default().with_topics(Some(vec![topic]));
        let seen: kp::MetadataResponse = refused(3, version, &ask);
        assert_eq!(seen.topics.len(), 1);
        assert_eq!(seen.topics[0].error_code, 6, "version {version}");
        assert_eq!(seen.topics[0].name.as_deref().map(|name| name.as_str()), Some("t"));
    }
    let seen: kp::MetadataResponse = refused(3, 13, &kp::MetadataRequest::default().with_topics(None));
    assert_eq!(seen.error_code, 6, "all topics: the code stands at the top");
}

#[test]
fn find_coordinator_is_refused_at_every_key() {
    for version in 0..=6 {
        let ask = kp::FindCoordinatorRequest::default();
        let ask = if version >= 4 {
            ask.with_coordinator_keys(vec![text("a"), text("b")])
        } else {
            ask.with_key(text("a"))
        };
        let seen: kp::FindCoordinatorResponse = refused(10, version, &ask);
        if version >= 4 {
            let codes: Vec<(&str, i16)> =
                seen.coordinators.iter().map(|found| (found.key.as_str(), found.error_code)).collect();
            assert_eq!(codes, [("a", 6), ("b", 6)]);
        } else {
            assert_eq!((seen.error_code, seen.port), (6, -1), "version {version}");
        }
    }
}

#[test]
fn create_topics_is_refused_at_every_topic() {
    for version in 2..=7 {
        let assignment = kp::create_topics_request::CreatableReplicaAssignment::default()
            .with_broker_ids(vec![1.into(), 2.into()]);
        let topic = kp::create_topics_request::CreatableTopic::default()
            .with_name(topic_name("t"))
            .with_assignments(vec![assignment.clone(), assignment]);
        let ask = kp::CreateTopicsRequest::default()
            .with_topics(vec![topic.clone().with_name(topic_name("s")), topic]);
        let seen: kp::CreateTopicsResponse = refused(19, version, &ask);
        let codes: Vec<(&str, i16)> =
            seen.topics.iter().map(|topic| (topic.name.as_str(), topic.error_code)).collect();
        assert_eq!(codes, [("s", 6), ("t", 6)], "version {version}");
    }
}

#[test]
fn init_producer_id_is_refused() {
    // The independent implementation writes this request up to version 5.
    for version in 0..=5 {
        let seen: kp::InitProducerIdResponse = refused(22, version, &kp::InitProducerIdRequest::default());
        assert_eq!((seen.error_code, i64::from(seen.producer_id)), (6, -1), "version {version}");
    }
}

// Answers come in the order of the questions, whoever gives them: a client closes on anything else.
#[test]
fn an_injected_answer_waits_for_its_turn() {
    let proxy = proxy();
    arm(&proxy, "error_response", &json!({"api": "Produce", "code": 6, "after": 1}));
    let mut connection = Connection::new(&proxy);
    let (first, second, third) =
        (produce(9, 1, -1, "t", 10), produce(9, 2, -1, "t", 10), produce(9, 3, -1, "t", 10));
    connection.client_sends(&[first.clone(), second, third.clone()].concat());
    assert_eq!(connection.to_server, [first, third].concat());
    assert!(connection.to_client.is_empty(), "the first is not answered yet");

    let answered = produced(9, 1);
    connection.server_sends(&answered[..6]);
    connection.server_sends(&answered[6..]);
    assert!(connection.to_client.starts_with(&answered));
    let seen: kp::ProduceResponse = read_answer(9, 2, &connection.to_client[answered.len()..]);
    assert_eq!(seen.responses[0].partition_responses[0].error_code, 6);
    let so_far = connection.to_client.len();
    connection.server_sends(&produced(9, 3));
    assert_eq!(connection.to_client[so_far..], produced(9, 3));
    assert_eq!(connection.closed, None);
}

// "All topics" in an old version has no place for a code: the request goes its way, and the fault is still to come.
#[test]
fn where_no_code_can_stand_the_request_passes() {
    let proxy = proxy();
    arm(&proxy, "error_response", &json!({"api": "Metadata", "code": 5}));
    let mut connection = Connection::new(&proxy);
    let all = request(3, 9, 1, &kp::MetadataRequest::default().with_topics(None));
    connection.client_sends(&all);
    assert_eq!(connection.to_server, all);
    assert_eq!(fired(&proxy, "error_response"), 0);
    let topic = kp::metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("t")));
    connection.client_sends(&request(
        3,
        9,
        2,
        &kp::MetadataRequest::default().with_topics(Some(vec![topic])),
    ));
    assert_eq!(fired(&proxy, "error_response"), 1);
}

// acks=0 cannot be refused by an answer; a broker closes the connection, and so does the injector.
#[test]
fn a_request_without_answer_is_refused_by_closing() {
    let proxy = proxy();
    arm(&proxy, "error_response", &json!({"api": "Produce", "code": 6}));
    let mut connection = Connection::new(&proxy);
    connection.client_sends(&produce(9, 1, 0, "t", 10));
    assert!(connection.to_server.is_empty() && connection.to_client.is_empty());
    assert!(connection.closed.is_some());
}

// Clients ignore a Metadata answer without brokers: those of the last real answer are named, at the injector's address.
#[test]
fn an_invented_metadata_answer_names_the_known_brokers() {
    let proxy = proxy();
    let mut connection = Connection::new(&proxy);
    connection.client_sends(&request(3, 12, 1, &kp::MetadataRequest::default()));
    let broker = kp::metadata_response::MetadataResponseBroker::default()
        .with_node_id(1.into())
        .with_host(text("kafka"))
        .with_port(9092);
    connection.server_sends(&crate::support::answer(
        12,
        1,
        &kp::MetadataResponse::default().with_brokers(vec![broker]),
    ));
    let so_far = connection.to_client.len();

    arm(&proxy, "error_response", &json!({"api": "Metadata", "code": 5}));
    let topic = kp::metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("t")));
    connection.client_sends(&request(
        3,
        12,
        2,
        &kp::MetadataRequest::default().with_topics(Some(vec![topic])),
    ));

    let seen: kp::MetadataResponse = read_answer(12, 2, &connection.to_client[so_far..]);
    assert_eq!(seen.brokers.len(), 1);
    assert_eq!((seen.brokers[0].host.as_str(), seen.brokers[0].port), (crate::support::PROXY_HOST, 30_001));
}
