//! The client's half of the administrating APIs against an independent codec, and against hostile bytes.

use bytes::{Bytes, BytesMut};
use facteur::HostPort;
use facteur::broker::BrokerConfig;
use facteur::broker::handlers::{Reply, RequestContext, decode, handle};
use facteur::error::ErrorCode;
use facteur::wire::api::incremental_alter_configs::Alteration;
use facteur::wire::api::{
    ApiKey, create_partitions, delete_records, describe_configs, describe_producers,
    incremental_alter_configs,
};
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use proptest::prelude::*;

use crate::protocol::{text, topic};
use crate::support::{at, cluster, create};

fn versions(api: ApiKey) -> std::ops::RangeInclusive<i16> {
    api.supported_range().min..=api.supported_range().max
}

/// What the independent codec reads from one of our requests; nothing may be left.
fn read<R: Decodable + HeaderVersion>(frame: &Bytes, version: i16) -> R {
    let mut bytes = frame.slice(4..);
    let header = kp::RequestHeader::decode(&mut bytes, R::header_version(version)).unwrap();
    assert_eq!((header.request_api_version, header.correlation_id), (version, 7));
    let request = R::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "version {version}: {} bytes too many", bytes.len());
    request
}

/// The body that the independent codec writes, and every beginning of it, which must be an error and no panic.
fn written<R: Encodable, T>(response: &R, version: i16, decode: impl Fn(Bytes) -> Option<T>) -> T {
    let mut bytes = BytesMut::new();
    response.encode(&mut bytes, version).unwrap();
    let body = bytes.freeze();
    for length in 0..body.len() {
        assert!(decode(body.slice(..length)).is_none(), "version {version} cut to {length} bytes");
    }
    decode(body).unwrap()
}

#[test]
fn describe_configs_agrees_with_the_schema_in_every_version() {
    // Fails if a field is missing, out of place, or in the wrong dialect, as do its neighbours below.
    for version in versions(ApiKey::DescribeConfigs) {
        let frame = describe_configs::encode_request(version, 7, "c", &[(2, "orders"), (4, "1")]);
        let request: kp::DescribeConfigsRequest = read(&frame, version);
        assert_eq!(
            (request.resources[1].resource_type, &request.resources[0].resource_name),
            (4, &text("orders"))
        );
        assert!(request.include_synonyms && request.resources[0].configuration_keys.is_none());

        let synonym = kp::describe_configs_response::DescribeConfigsSynonym::default()
            .with_name(text("log.retention.ms"))
            .with_value(None)
            .with_source(5);
        let setting = kp::describe_configs_response::DescribeConfigsResourceResult::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("9")))
            .with_config_source(1)
            .with_is_sensitive(true)
            .with_synonyms(vec![synonym]);
        let result = kp::describe_configs_response::DescribeConfigsResult::default()
            .with_error_code(3)
            .with_error_message(Some(text("why")))
            .with_resource_type(2)
            .with_resource_name(text("orders"))
            .with_configs(vec![setting]);
        let response = kp::DescribeConfigsResponse::default().with_results(vec![result]);
        let read = written(&response, version, |body| describe_configs::decode_response(version, body).ok());
        assert_eq!((read[0].error, read[0].message.as_deref(), read[0].kind), (ErrorCode(3), Some("why"), 2));
        let setting = &read[0].settings[0];
        assert_eq!(
            (setting.name.as_str(), setting.value.as_deref(), setting.source),
            ("retention.ms", Some("9"), 1)
        );
        assert!(setting.is_sensitive && !setting.is_read_only);
        assert_eq!(setting.synonyms, [("log.retention.ms".to_owned(), None, 5)]);
    }
}

#[test]
fn incremental_alter_configs_agrees_with_the_schema_in_every_version() {
    // Fails if an operation has another's number: "append" sent as "set" would replace a list.
    let changes = vec![
        ("a", Alteration::Set("1")),
        ("b", Alteration::Delete),
        ("c", Alteration::Append("x")),
        ("d", Alteration::Subtract("y")),
    ];
    for version in versions(ApiKey::IncrementalAlterConfigs) {
        let frame =
            incremental_alter_configs::encode_request(version, 7, "c", &[("orders", changes.clone())]);
        let request: kp::IncrementalAlterConfigsRequest = read(&frame, version);
        let resource = &request.resources[0];
        assert_eq!(
            (resource.resource_type, &resource.resource_name, request.validate_only),
            (2, &text("orders"), false)
        );
        let seen: Vec<_> = resource
            .configs
            .iter()
            .map(|change| (change.name.as_str(), change.config_operation, change.value.as_deref()))
            .collect();
        assert_eq!(seen, [("a", 0, Some("1")), ("b", 1, None), ("c", 2, Some("x")), ("d", 3, Some("y"))]);

        let result = kp::incremental_alter_configs_response::AlterConfigsResourceResponse::default()
            .with_error_code(40)
            .with_error_message(Some(text("why")))
            .with_resource_name(text("orders"));
        let response = kp::IncrementalAlterConfigsResponse::default().with_responses(vec![result]);
        let read = written(&response, version, |body| {
            incremental_alter_configs::decode_response(version, body).ok()
        });
        assert_eq!(
            (read[0].error.0, read[0].message.as_deref(), read[0].name.as_str()),
            (40, Some("why"), "orders")
        );
    }
}

#[test]
fn delete_records_agrees_with_the_schema_in_every_version() {
    // Fails if partition and offset change places, which would delete the wrong records.
    for version in versions(ApiKey::DeleteRecords) {
        let frame = delete_records::encode_request(version, 7, "c", ("orders", &[(1, 99), (2, -1)]), 500);
        let request: kp::DeleteRecordsRequest = read(&frame, version);
        assert_eq!((request.timeout_ms, &request.topics[0].name), (500, &topic("orders")));
        let partitions = &request.topics[0].partitions;
        assert_eq!((partitions[0].partition_index, partitions[0].offset, partitions[1].offset), (1, 99, -1));

        let partition = kp::delete_records_response::DeleteRecordsPartitionResult::default()
            .with_partition_index(1)
            .with_low_watermark(99)
            .with_error_code(44);
        let answered = kp::delete_records_response::DeleteRecordsTopicResult::default()
            .with_name(topic("orders"))
            .with_partitions(vec![partition]);
        let response = kp::DeleteRecordsResponse::default().with_topics(vec![answered]);
        let read = written(&response, version, |body| delete_records::decode_response(version, body).ok());
        assert_eq!((read[0].partition, read[0].low_watermark, read[0].error.0), (1, 99, 44));
    }
}

#[test]
fn create_partitions_agrees_with_the_schema_in_every_version() {
    // Fails if the assignments are sent as an empty list, which asks for none where null leaves it to the broker.
    for version in versions(ApiKey::CreatePartitions) {
        let frame = create_partitions::encode_request(version, 7, "c", &[("orders", 6)], 500);
        let request: kp::CreatePartitionsRequest = read(&frame, version);
        assert_eq!((request.topics[0].count, &request.topics[0].assignments), (6, &None));
        assert_eq!((request.timeout_ms, request.validate_only), (500, false));

        let answered = kp::create_partitions_response::CreatePartitionsTopicResult::default()
            .with_name(topic("orders"))
            .with_error_code(37)
            .with_error_message(Some(text("why")));
        let response = kp::CreatePartitionsResponse::default().with_results(vec![answered]);
        let read = written(&response, version, |body| create_partitions::decode_response(version, body).ok());
        assert_eq!(
            (read[0].name.as_str(), read[0].error.0, read[0].message.as_deref()),
            ("orders", 37, Some("why"))
        );
    }
}

#[test]
fn describe_producers_agrees_with_the_schema() {
    // Fails if epoch and sequence change places, which both are 32 bits here.
    let frame = describe_producers::encode_request(0, 7, "c", &[("orders", &[0, 3])]);
    let request: kp::DescribeProducersRequest = read(&frame, 0);
    assert_eq!(
        (&request.topics[0].name, &request.topics[0].partition_indexes),
        (&topic("orders"), &vec![0, 3])
    );

    let producer = kp::describe_producers_response::ProducerState::default()
        .with_producer_id(kp::ProducerId(41))
        .with_producer_epoch(2)
        .with_last_sequence(9)
        .with_last_timestamp(77)
        .with_coordinator_epoch(-1)
        .with_current_txn_start_offset(-1);
    let partition = kp::describe_producers_response::PartitionResponse::default()
        .with_partition_index(3)
        .with_active_producers(vec![producer]);
    let answered = kp::describe_producers_response::TopicResponse::default()
        .with_name(topic("orders"))
        .with_partitions(vec![partition]);
    let response = kp::DescribeProducersResponse::default().with_topics(vec![answered]);
    let read = written(&response, 0, |body| describe_producers::decode_response(0, body).ok());
    assert_eq!((read[0].topic.as_str(), read[0].partition, read[0].error), ("orders", 3, ErrorCode::NONE));
    let one = read[0].producers[0];
    assert_eq!((one.producer_id, one.epoch, one.last_sequence, one.last_timestamp_ms), (41, 2, 9, 77));
    assert_eq!((one.coordinator_epoch, one.transaction_start_offset), (-1, -1));
}

/// The administrating APIs of the broker, with their versions.
const SERVED: [ApiKey; 9] = [
    ApiKey::DeleteRecords,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::DescribeTopicPartitions,
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Requests of strangers: noise, and noise that begins as a request does. Whatever can be read is also handled. Fails on
    // an unchecked count, length or index, or on memory that is reserved for a claim.
    #[test]
    fn hostile_requests_never_panic(
        api in proptest::sample::select(SERVED.to_vec()),
        version in 0_i16..5,
        noise in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xff), any::<u8>()], 0..120),
    ) {
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&api.code().to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
        if api.is_flexible(version) {
            frame.extend_from_slice(&[0]);
        }
        frame.extend_from_slice(&noise);
        let mut cluster = cluster(&BrokerConfig::default());
        create(&mut cluster, "t", &[]);
        if let Ok(request) = decode(&frame.freeze(), &std::collections::BTreeMap::new()) {
            let advertised = HostPort { host: "h".to_owned(), port: 1 };
            let context = RequestContext { advertised: &advertised, peer: None, now: at(1) };
            let Reply::Answer(answer) = handle(&mut cluster, &request, &context).reply else {
                panic!("administration is always answered")
            };
            prop_assert!(answer.to_vec().len() >= 8);
        }
    }
}

// A short question must not get an answer of gigabytes. Fails if a repeated resource is described without end.
#[test]
fn a_request_for_very_many_settings_is_answered_in_parts() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "t", &[]);
    let resources = vec![(2, "t"); 6_000];
    let frame = describe_configs::encode_request(4, 7, "c", &resources);
    let request = decode(&frame.slice(4..), &std::collections::BTreeMap::new()).unwrap();
    let advertised = HostPort { host: "h".to_owned(), port: 1 };
    let context = RequestContext { advertised: &advertised, peer: None, now: at(1) };

    let Reply::Answer(answer) = handle(&mut cluster, &request, &context).reply else { panic!("an answer") };

    // Length, correlation id, tags of the header.
    let body = Bytes::from(answer.to_vec()).slice(9..);
    let described = describe_configs::decode_response(4, body).unwrap();
    assert_eq!(
        (described.len(), described[4_999].error, described[5_000].error.0),
        (6_000, ErrorCode::NONE, 42)
    );
    assert!(described[5_000].message.as_ref().unwrap().contains("in parts"));
}
