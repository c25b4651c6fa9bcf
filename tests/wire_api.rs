//! Every version of every API: an independent implementation reads our requests and writes the answers that we read.
#![allow(clippy::expect_used, reason = "a helper that fails fails its test")]

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use facteur::error::ErrorCode;
use facteur::identifiers::{NodeId, ProducerIdentity, TopicId};
use facteur::wire::WireError;
use facteur::wire::api::fetch::{FetchPartition, FetchRequest, IsolationLevel};
use facteur::wire::api::produce::{PartitionBatch, ProduceRequest, TopicBatches, TopicRef};
use facteur::wire::api::{
    ApiKey, VersionRange, api_versions, create_topics, delete_topics, fetch, init_producer_id, list_offsets,
    metadata, negotiate, produce,
};
use facteur::wire::frame::{decode_response_header, parse_frame_length, peek_correlation_id};
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use proptest::collection::vec;
use proptest::prelude::*;

#[path = "wire_api/groups.rs"]
mod groups;

const CLIENT: &str = "client-ü";
const CORRELATION_ID: i32 = 77;
const TOPIC_ID: TopicId = TopicId([9; 16]);

fn versions(api: ApiKey) -> std::ops::RangeInclusive<i16> {
    api.supported_range().min..=api.supported_range().max
}

fn topic_name(name: &'static str) -> kp::TopicName {
    kp::TopicName(StrBytes::from_static_str(name))
}

fn uuid(id: TopicId) -> uuid::Uuid {
    uuid::Uuid::from_bytes(id.0)
}

/// Reads a whole request frame with the independent decoder: length, header, body, nothing left.
fn read_request<R: Decodable + HeaderVersion>(api: ApiKey, version: i16, frame: &Bytes) -> R {
    let mut bytes = frame.clone();
    let length = parse_frame_length(bytes.split_to(4)[..].try_into().expect("four bytes"), usize::MAX);
    assert_eq!(length, Ok(bytes.len()), "{api:?} {version}");
    let header = kp::RequestHeader::decode(&mut bytes, R::header_version(version)).expect("header");
    assert_eq!(header.request_api_key, api.code());
    assert_eq!(header.request_api_version, version);
    assert_eq!(header.correlation_id, CORRELATION_ID);
    assert_eq!(header.client_id.as_deref(), Some(CLIENT));
    let request = R::decode(&mut bytes, version).expect("body");
    assert!(bytes.is_empty(), "{api:?} {version}: {} bytes too many", bytes.len());
    request
}

/// Writes an answer with the independent encoder and takes its header off with our code: the body.
fn write_response<R: Encodable + HeaderVersion>(api: ApiKey, version: i16, response: &R) -> Bytes {
    let mut bytes = BytesMut::new();
    let header = kp::ResponseHeader::default().with_correlation_id(CORRELATION_ID);
    header.encode(&mut bytes, R::header_version(version)).expect("header");
    response.encode(&mut bytes, version).expect("body");
    let frame = bytes.freeze();
    assert_eq!(peek_correlation_id(&frame), Ok(CORRELATION_ID));
    decode_response_header(frame, CORRELATION_ID, api.has_flexible_response_header(version)).expect("header")
}

/// A body cut off at any byte must be an error, and never a panic.
fn every_cut_is_an_error<T: Debug>(body: &Bytes, decode: impl Fn(Bytes) -> Result<T, WireError>) {
    for length in 0..body.len() {
        assert!(decode(body.slice(..length)).is_err(), "cut to {length} of {}", body.len());
    }
}

// The codes, names and dialects of all keys, ours and the independent codec's. Fails if a row of the table is wrong: then
// every header of that API would be, too.
#[test]
fn the_table_of_apis_agrees_with_the_schemas() {
    for api in ApiKey::ALL {
        let theirs = kp::ApiKey::try_from(api.code()).expect("a known key");
        assert_eq!(format!("{theirs:?}"), api.name());
        for version in theirs.valid_versions().min..=theirs.valid_versions().max {
            let is_flexible = theirs.request_header_version(version) >= 2;
            assert_eq!(api.is_flexible(version), is_flexible, "{api:?} {version}");
            let has_flexible_header = theirs.response_header_version(version) >= 1;
            assert_eq!(api.has_flexible_response_header(version), has_flexible_header, "{api:?} {version}");
        }
        assert_eq!(ApiKey::from_code(api.code()), Some(api));
    }
    assert!(ApiKey::ALL.is_sorted_by_key(|api| api.code()));
    assert_eq!(ApiKey::from_code(4), None);
    assert_eq!(negotiate(VersionRange::NONE, VersionRange { min: 0, max: 9 }), None);
    assert_eq!(VersionRange::NONE.to_string(), "none");
}

// Fails if a version's fields are written otherwise than the protocol has them, or its answer is read otherwise.
#[test]
fn api_versions_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::ApiVersions) {
        let frame = api_versions::encode_request(version, CORRELATION_ID, CLIENT);
        let request: kp::ApiVersionsRequest = read_request(ApiKey::ApiVersions, version, &frame);
        if version >= 3 {
            assert_eq!(request.client_software_name.as_str(), "facteur");
            assert_eq!(request.client_software_version.as_str(), env!("CARGO_PKG_VERSION"));
        }

        let range = |key, min, max| {
            kp::api_versions_response::ApiVersion::default()
                .with_api_key(key)
                .with_min_version(min)
                .with_max_version(max)
        };
        let mut response =
            kp::ApiVersionsResponse::default().with_api_keys(vec![range(0, 0, 11), range(999, 1, 2)]);
        if version >= 1 {
            response.throttle_time_ms = i32::MAX;
        }
        if version >= 3 {
            response.finalized_features_epoch = 5;
        }
        let body = write_response(ApiKey::ApiVersions, version, &response);
        let ours = api_versions::decode_response(version, body.clone()).expect("an answer");

        assert_eq!(ours.error, ErrorCode::NONE);
        assert_eq!(ours.ranges.get(&0), Some(&VersionRange { min: 0, max: 11 }));
        assert_eq!(ours.ranges.len(), 2);
        assert_eq!(ours.throttle_ms, if version >= 1 { 3_600_000 } else { 0 }, "capped at an hour");
        assert_eq!(ours.version_for(ApiKey::Produce), Ok(11));
        assert!(ours.version_for(ApiKey::Metadata).is_err());
        every_cut_is_an_error(&body, |body| api_versions::decode_response(version, body));
    }
}

// An old broker answers our newest version with error 35 in a version 0 body. Fails if it is read as what we asked for.
#[test]
fn error_35_is_read_as_version_0_and_says_what_to_ask_again_with() {
    let range = kp::api_versions_response::ApiVersion::default()
        .with_api_key(18)
        .with_min_version(0)
        .with_max_version(2);
    let response = kp::ApiVersionsResponse::default().with_error_code(35).with_api_keys(vec![range]);
    let body = write_response(ApiKey::ApiVersions, 0, &response);

    let ours = api_versions::decode_response(4, body).expect("an answer");

    assert_eq!(ours.error, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(ours.version_to_ask_again_with(), 2);
    let bare = api_versions::decode_response(4, Bytes::from_static(&[0, 35])).expect("an answer");
    assert_eq!(bare.version_to_ask_again_with(), 0);
}

fn metadata_response(version: i16) -> kp::MetadataResponse {
    let broker = |id: i32, host: &'static str, port| {
        kp::metadata_response::MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_static_str(host))
            .with_port(port)
            .with_rack((version >= 1).then(|| StrBytes::from_static_str("r1")))
    };
    let mut partition = kp::metadata_response::MetadataResponsePartition::default()
        .with_error_code(5)
        .with_partition_index(3)
        .with_leader_id((-1).into())
        .with_replica_nodes(vec![1.into(), 2.into()])
        .with_isr_nodes(vec![2.into()]);
    if version >= 5 {
        partition.offline_replicas = vec![1.into()];
    }
    if version >= 7 {
        partition.leader_epoch = 12;
    }
    let mut topic = kp::metadata_response::MetadataResponseTopic::default()
        .with_name(Some(topic_name("orders")))
        .with_partitions(vec![partition]);
    if version >= 10 {
        topic.topic_id = uuid(TOPIC_ID);
    }
    // A broker that one can reach, and four that nobody can.
    let brokers = vec![
        broker(1, "h", 9092),
        broker(2, "h", 0),
        broker(3, "h", 65_536),
        broker(4, "", 1),
        broker(-1, "h", 1),
    ];
    let mut response = kp::MetadataResponse::default().with_brokers(brokers).with_topics(vec![topic]);
    if version >= 1 {
        response.controller_id = 1.into();
    }
    if version >= 2 {
        response.cluster_id = Some(StrBytes::from_static_str("cluster"));
    }
    if version >= 3 {
        response.throttle_time_ms = -1;
    }
    if version >= 13 {
        response.error_code = 129;
    }
    response
}

// As above; and brokers that nobody could connect to are left out, a leader that is none is none.
#[test]
fn metadata_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::Metadata) {
        let some: &[&str] = &["orders", "payments"];
        for (topics, names) in [(None, None), (Some(some), Some(2)), (Some(&[][..]), Some(0))] {
            let frame = metadata::encode_request(version, CORRELATION_ID, CLIENT, topics, version < 4);
            let request: kp::MetadataRequest = read_request(ApiKey::Metadata, version, &frame);
            let expected = if version == 0 { Some(names.unwrap_or(0)) } else { names };
            assert_eq!(request.topics.map(|topics| topics.len()), expected, "version {version}");
            assert_eq!(request.allow_auto_topic_creation, version < 4);
        }

        let body = write_response(ApiKey::Metadata, version, &metadata_response(version));
        let ours = metadata::decode_response(version, body.clone()).expect("an answer");

        assert_eq!(ours.throttle_ms, 0);
        assert_eq!(ours.brokers.len(), 1);
        assert_eq!((ours.brokers[0].node, ours.brokers[0].port), (NodeId(1), 9092));
        assert_eq!(ours.brokers[0].rack.as_deref(), (version >= 1).then_some("r1"));
        assert_eq!(ours.cluster_id.as_deref(), (version >= 2).then_some("cluster"));
        assert_eq!(ours.controller, (version >= 1).then_some(NodeId(1)));
        assert_eq!(ours.error, if version >= 13 { ErrorCode::REBOOTSTRAP_REQUIRED } else { ErrorCode::NONE });
        let topic = &ours.topics[0];
        assert_eq!(topic.name, "orders");
        assert_eq!(topic.id, if version >= 10 { TOPIC_ID } else { TopicId::ZERO });
        let partition = &topic.partitions[0];
        assert_eq!((partition.error, partition.partition), (ErrorCode::LEADER_NOT_AVAILABLE, 3));
        assert_eq!((partition.leader, partition.leader_epoch), (None, (version >= 7).then_some(12)));
        assert_eq!(partition.replicas, [NodeId(1), NodeId(2)]);
        assert_eq!(partition.isr, [NodeId(2)]);
        every_cut_is_an_error(&body, |body| metadata::decode_response(version, body));
    }
}

// As above; and an identity that is none is not taken for one.
#[test]
fn init_producer_id_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::InitProducerId) {
        let frame = init_producer_id::encode_request(version, CORRELATION_ID, CLIENT);
        let request: kp::InitProducerIdRequest = read_request(ApiKey::InitProducerId, version, &frame);
        assert_eq!(request.transactional_id, None);
        assert_eq!((request.producer_id.0, request.producer_epoch), (-1, -1));

        let response =
            kp::InitProducerIdResponse::default().with_producer_id(4000.into()).with_producer_epoch(0);
        let body = write_response(ApiKey::InitProducerId, version, &response);
        let ours = init_producer_id::decode_response(version, body.clone()).expect("an answer");
        assert_eq!(ours.identity, ProducerIdentity { producer_id: 4000, epoch: 0 });
        every_cut_is_an_error(&body, |body| init_producer_id::decode_response(version, body));

        let nonsense = response.with_producer_id((-1).into());
        let body = write_response(ApiKey::InitProducerId, version, &nonsense);
        assert!(init_producer_id::decode_response(version, body).is_err());
    }
}

fn produce_request(version: i16) -> ProduceRequest<'static> {
    let batch = |partition| PartitionBatch {
        partition,
        header: [0xab; 61],
        body: vec![Bytes::from_static(b"first "), Bytes::new(), Bytes::from_static(b"second")],
    };
    ProduceRequest {
        version,
        correlation_id: CORRELATION_ID,
        client_id: CLIENT,
        acks: -1,
        timeout_ms: 30_000,
        topics: vec![
            TopicBatches { topic: "a", topic_id: TOPIC_ID, partitions: vec![batch(0), batch(4)] },
            TopicBatches { topic: "orders", topic_id: TopicId([3; 16]), partitions: vec![batch(1)] },
        ],
    }
}

// Fails if the segments, put together, are not the request; if a body is copied; or if callers count too few bytes.
#[test]
fn produce_requests_agree_with_the_schema_in_every_version_and_copy_no_body() {
    for version in versions(ApiKey::Produce) {
        let request = produce_request(version);
        let body_at = request.topics[0].partitions[0].body[0].as_ptr();
        let segments = produce::encode_request(request);
        assert!(segments.iter().any(|segment| segment.as_ptr() == body_at), "the body is where it was");

        let whole = Bytes::from(segments.concat());
        let theirs: kp::ProduceRequest = read_request(ApiKey::Produce, version, &whole);

        assert_eq!((theirs.acks, theirs.timeout_ms, &theirs.transactional_id), (-1, 30_000, &None));
        assert_eq!(theirs.topic_data.len(), 2);
        assert_eq!(theirs.topic_data[0].partition_data.len(), 2);
        if version >= 13 {
            assert_eq!(theirs.topic_data[0].topic_id, uuid(TOPIC_ID));
        } else {
            assert_eq!(theirs.topic_data[1].name.0.as_str(), "orders");
        }
        for topic in &theirs.topic_data {
            for partition in &topic.partition_data {
                let expected = [&[0xab; 61][..], b"first second"].concat();
                assert_eq!(partition.records.as_deref(), Some(&expected[..]));
            }
        }
        let bound = produce::max_framing_bytes(CLIENT, [("a".len(), 2), ("orders".len(), 1)]);
        assert!(whole.len() <= bound + 3 * b"first second".len(), "version {version}");
    }
}

fn produce_response(version: i16) -> kp::ProduceResponse {
    let mut partition = kp::produce_response::PartitionProduceResponse::default()
        .with_index(4)
        .with_error_code(6)
        .with_base_offset(1_000_000_000_000)
        .with_log_append_time_ms(17);
    if version >= 5 {
        partition.log_start_offset = 5;
    }
    if version >= 8 {
        let culprit = kp::produce_response::BatchIndexAndErrorMessage::default()
            .with_batch_index(2)
            .with_batch_index_error_message(Some(StrBytes::from_static_str("bad")));
        partition.record_errors = vec![culprit, Default::default()];
        partition.error_message = Some(StrBytes::from_static_str("moved"));
    }
    if version >= 10 {
        partition.current_leader =
            kp::produce_response::LeaderIdAndEpoch::default().with_leader_id(2.into()).with_leader_epoch(9);
    }
    let mut topic = kp::produce_response::TopicProduceResponse::default()
        .with_partition_responses(vec![partition, Default::default()]);
    if version >= 13 {
        topic.topic_id = uuid(TOPIC_ID);
    } else {
        topic.name = topic_name("orders");
    }
    let mut response = kp::ProduceResponse::default().with_responses(vec![topic]).with_throttle_time_ms(3);
    if version >= 10 {
        let endpoint = kp::produce_response::NodeEndpoint::default()
            .with_node_id(2.into())
            .with_host(StrBytes::from_static_str("h2"))
            .with_port(9093);
        response.node_endpoints = vec![endpoint];
    }
    response
}

// Fails if an answer is given to the wrong partition, an offset is misread, or the new leader's hint is lost.
#[test]
fn produce_answers_agree_with_the_schema_in_every_version() {
    for version in versions(ApiKey::Produce) {
        let body = write_response(ApiKey::Produce, version, &produce_response(version));
        let ours = produce::decode_response(version, &body).expect("an answer");

        assert_eq!(ours.throttle_ms, 3);
        assert_eq!(ours.partitions.len(), 2);
        let answer = &ours.partitions[0];
        let topic = if version >= 13 { TopicRef::Id(TOPIC_ID) } else { TopicRef::Name("orders".to_owned()) };
        assert_eq!(answer.topic, topic);
        assert_eq!((answer.partition, answer.error), (4, ErrorCode::NOT_LEADER_OR_FOLLOWER));
        assert_eq!((answer.base_offset, answer.log_append_time_ms), (1_000_000_000_000, 17));
        assert_eq!(answer.log_start_offset, if version >= 5 { 5 } else { -1 });
        let culprits = [(2, Some("bad".to_owned())), (0, None)];
        assert_eq!(answer.record_errors, if version >= 8 { &culprits[..] } else { &[] });
        assert_eq!(answer.message.as_deref(), (version >= 8).then_some("moved"));
        assert_eq!(answer.current_leader, (version >= 10).then_some((NodeId(2), 9)));
        assert_eq!(ours.node_endpoints.len(), usize::from(version >= 10));
        every_cut_is_an_error(&body, |body| produce::decode_response(version, &body));
    }
}

// As above: a wrong offset would make a checker miss records.
#[test]
fn list_offsets_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::ListOffsets) {
        let partitions: &[(i32, i64)] = &[(0, list_offsets::LATEST), (1, list_offsets::EARLIEST)];
        let frame = list_offsets::encode_request(version, CORRELATION_ID, CLIENT, &[("orders", partitions)]);
        let request: kp::ListOffsetsRequest = read_request(ApiKey::ListOffsets, version, &frame);
        assert_eq!(request.replica_id.0, -1);
        assert_eq!(request.topics[0].name.0.as_str(), "orders");
        assert_eq!(request.topics[0].partitions[1].timestamp, -2);

        let partition = kp::list_offsets_response::ListOffsetsPartitionResponse::default()
            .with_partition_index(1)
            .with_offset(42);
        let topic = kp::list_offsets_response::ListOffsetsTopicResponse::default()
            .with_name(topic_name("orders"))
            .with_partitions(vec![partition]);
        let response = kp::ListOffsetsResponse::default().with_topics(vec![topic]);
        let body = write_response(ApiKey::ListOffsets, version, &response);
        let ours = list_offsets::decode_response(version, body.clone()).expect("an answer");
        assert_eq!((ours.partitions[0].topic.as_str(), ours.partitions[0].offset), ("orders", 42));
        every_cut_is_an_error(&body, |body| list_offsets::decode_response(version, body));
    }
}

// As above: wrong records would make a checker accuse the producer.
#[test]
fn fetch_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::Fetch) {
        let partition = FetchPartition { partition: 2, fetch_offset: 100, max_bytes: 1 << 20 };
        let request = FetchRequest {
            version,
            correlation_id: CORRELATION_ID,
            client_id: CLIENT,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1 << 25,
            isolation_level: IsolationLevel::ReadCommitted,
            topics: vec![("orders", vec![partition])],
        };
        let theirs: kp::FetchRequest = read_request(ApiKey::Fetch, version, &fetch::encode_request(&request));
        assert_eq!((theirs.max_wait_ms, theirs.max_bytes, theirs.isolation_level), (500, 1 << 25, 1));
        assert_eq!(theirs.session_epoch, -1);
        assert_eq!(theirs.topics[0].topic.0.as_str(), "orders");
        let asked = &theirs.topics[0].partitions[0];
        assert_eq!((asked.partition, asked.fetch_offset, asked.partition_max_bytes), (2, 100, 1 << 20));

        let aborted = kp::fetch_response::AbortedTransaction::default()
            .with_producer_id(7.into())
            .with_first_offset(99);
        let partition = kp::fetch_response::PartitionData::default()
            .with_partition_index(2)
            .with_high_watermark(123)
            .with_last_stable_offset(120)
            .with_aborted_transactions(Some(vec![aborted]))
            .with_records(Some(Bytes::from_static(b"records")));
        let topic = kp::fetch_response::FetchableTopicResponse::default()
            .with_topic(topic_name("orders"))
            .with_partitions(vec![partition]);
        let response = kp::FetchResponse::default().with_responses(vec![topic]);
        let body = write_response(ApiKey::Fetch, version, &response);
        let ours = fetch::decode_response(version, body.clone()).expect("an answer");
        let fetched = &ours.partitions[0];
        assert_eq!((fetched.topic.as_str(), fetched.partition), ("orders", 2));
        assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (123, 120));
        assert_eq!(fetched.aborted_transactions, [(7, 99)]);
        assert_eq!(&fetched.records[..], b"records");
        every_cut_is_an_error(&body, |body| fetch::decode_response(version, body));
    }
}

// As above; the broker's own words must not be lost.
#[test]
fn create_topics_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::CreateTopics) {
        let topic = create_topics::NewTopic {
            name: "orders",
            partitions: 6,
            replication_factor: 3,
            configs: vec![("cleanup.policy", "compact")],
        };
        let frame = create_topics::encode_request(version, CORRELATION_ID, CLIENT, &[topic], 5_000);
        let request: kp::CreateTopicsRequest = read_request(ApiKey::CreateTopics, version, &frame);
        assert_eq!((request.timeout_ms, request.validate_only), (5_000, false));
        let asked = &request.topics[0];
        assert_eq!((asked.name.0.as_str(), asked.num_partitions, asked.replication_factor), ("orders", 6, 3));
        assert_eq!(asked.configs[0].value.as_deref(), Some("compact"));

        let mut result = kp::create_topics_response::CreatableTopicResult::default()
            .with_name(topic_name("orders"))
            .with_error_code(36)
            .with_error_message(Some(StrBytes::from_static_str("there already")));
        if version >= 5 {
            result.topic_config_error_code = 29;
            result.num_partitions = 6;
            let config = kp::create_topics_response::CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str("cleanup.policy"));
            result.configs = Some(vec![config]);
        }
        if version >= 7 {
            result.topic_id = uuid(TOPIC_ID);
        }
        let response = kp::CreateTopicsResponse::default().with_topics(vec![result]);
        let body = write_response(ApiKey::CreateTopics, version, &response);
        let ours = create_topics::decode_response(version, body.clone()).expect("an answer");
        assert_eq!(ours.topics[0].error, ErrorCode::TOPIC_ALREADY_EXISTS);
        assert_eq!(ours.topics[0].message.as_deref(), Some("there already"));
        assert_eq!(ours.topics[0].partitions, if version >= 5 { 6 } else { -1 });
        assert_eq!(ours.topics[0].id, if version >= 7 { TOPIC_ID } else { TopicId::ZERO });
        every_cut_is_an_error(&body, |body| create_topics::decode_response(version, body));
    }
}

// As above; the broker's own words must not be lost.
#[test]
fn delete_topics_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::DeleteTopics) {
        let frame = delete_topics::encode_request(version, CORRELATION_ID, CLIENT, &["a", "b"], 5_000);
        let request: kp::DeleteTopicsRequest = read_request(ApiKey::DeleteTopics, version, &frame);
        assert_eq!(request.topic_names, [topic_name("a"), topic_name("b")]);

        let mut result = kp::delete_topics_response::DeletableTopicResult::default()
            .with_name(Some(topic_name("a")))
            .with_error_code(3);
        if version >= 5 {
            result.error_message = Some(StrBytes::from_static_str("never heard of it"));
        }
        let response = kp::DeleteTopicsResponse::default().with_responses(vec![result]);
        let body = write_response(ApiKey::DeleteTopics, version, &response);
        let ours = delete_topics::decode_response(version, body.clone()).expect("an answer");
        assert_eq!(ours.topics[0].error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(ours.topics[0].message.is_some(), version >= 5);
        every_cut_is_an_error(&body, |body| delete_topics::decode_response(version, body));
    }
}

/// Every decoder, in every version, over the same bytes.
fn decode_with_everything(body: &Bytes) {
    for version in -1..=14 {
        let results = [
            api_versions::decode_response(version, body.clone()).is_ok(),
            metadata::decode_response(version, body.clone()).is_ok(),
            init_producer_id::decode_response(version, body.clone()).is_ok(),
            produce::decode_response(version, body).is_ok(),
            list_offsets::decode_response(version, body.clone()).is_ok(),
            fetch::decode_response(version, body.clone()).is_ok(),
            create_topics::decode_response(version, body.clone()).is_ok(),
            delete_topics::decode_response(version, body.clone()).is_ok(),
        ];
        std::hint::black_box(results);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    // Hostile bytes: an error or nonsense, never a panic.
    #[test]
    fn random_answers_never_panic(noise in vec(any::<u8>(), 0..200)) {
        decode_with_everything(&Bytes::from(noise));
    }

    // Nearly right answers get further in. Fails on an unchecked index, length or subtraction.
    #[test]
    fn damaged_answers_never_panic(
        version in 3_i16..=13,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let bodies = [
            write_response(ApiKey::Metadata, version, &metadata_response(version)),
            write_response(ApiKey::Produce, version, &produce_response(version)),
        ];
        for body in bodies {
            let mut bytes = body.to_vec();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] ^= byte;
            }
            decode_with_everything(&Bytes::from(bytes));
        }
    }
}

// An array that claims 2^31 elements in a handful of bytes. Fails if memory is reserved for the claim.
#[test]
fn lying_array_counts_are_refused() {
    let old = Bytes::from_static(&[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let error = metadata::decode_response(3, old).expect_err("it lies");
    assert!(matches!(error, WireError::BadCount { count: 0x7fff_ffff, .. }), "{error}");
    let flexible = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0]);
    let error = produce::decode_response(9, &flexible).expect_err("it lies");
    assert!(matches!(error, WireError::BadCount { .. }), "{error}");
}

// The first four bytes of peers that are not Kafka: refused, and the error says what they look like.
#[test]
fn frame_lengths_beyond_the_limit_are_refused_with_a_hint() {
    let refused =
        |prefix: &[u8; 4]| parse_frame_length(*prefix, 64 << 20).expect_err("not a length").to_string();
    assert!(refused(b"HTTP").contains("HTTP"));
    assert!(refused(b"SSH-").contains("SSH"));
    assert!(refused(&[0x15, 0x03, 0x03, 0x00]).contains("TLS"));
    assert!(refused(&[0x16, 0x03, 0x01, 0x02]).contains("TLS"));
    assert!(refused(&[0xff; 4]).contains("negative"));
    assert_eq!(parse_frame_length([0, 0, 1, 0], 256), Ok(256));
    assert!(parse_frame_length([0, 0, 1, 1], 256).is_err());
}

// Answers come in order: one to another request means that the connection is out of step.
#[test]
fn an_answer_to_another_request_is_refused() {
    let frame = Bytes::from_static(&[0, 0, 0, 8, 1, 2, 3]);
    assert!(matches!(decode_response_header(frame.clone(), 7, false), Err(WireError::Protocol(_))));
    assert_eq!(decode_response_header(frame, 8, false).as_deref(), Ok(&[1, 2, 3][..]));
}

// The highest version that both have; none if the ranges do not meet.
#[test]
fn negotiation_takes_the_highest_common_version() {
    let range = |min, max| VersionRange { min, max };
    assert_eq!(negotiate(range(3, 13), range(0, 11)), Some(11));
    assert_eq!(negotiate(range(3, 13), range(3, 20)), Some(13));
    assert_eq!(negotiate(range(3, 13), range(13, 15)), Some(13));
    assert_eq!(negotiate(range(3, 13), range(0, 2)), None);
    assert_eq!(negotiate(range(3, 13), range(14, 15)), None);
    assert_eq!(negotiate(range(3, 13), range(5, 4)), None);
}
