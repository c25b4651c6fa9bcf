//! Every version of every API, written and read by an independent codec (`kafka-protocol`), and the rules of versions.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use facteur::HostPort;
use facteur::broker::handlers::advertised_range;
use facteur::broker::{Broker, BrokerConfig, BrokerError, Listener};
use facteur::wire::api::{ApiKey, VersionRange};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, FetchRequest, FetchResponse, InitProducerIdRequest, InitProducerIdResponse,
    ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use crate::batch::Batch;
use crate::client::{Client, broker_with};

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Sends a request written by `kafka-protocol` and lets it read the whole answer.
pub async fn ask<Q, R>(client: &mut Client, api: ApiKey, version: i16, request: &Q) -> R
where
    Q: Encodable + HeaderVersion + Sync,
    R: Decodable + HeaderVersion,
{
    send(client, api, version, request).await;
    receive(client, api, version).await
}

/// Sends a request written by `kafka-protocol`.
pub async fn send<Q>(client: &mut Client, api: ApiKey, version: i16, request: &Q)
where
    Q: Encodable + HeaderVersion + Sync,
{
    let header = RequestHeader::default()
        .with_request_api_key(api.code())
        .with_request_api_version(version)
        .with_correlation_id(77)
        .with_client_id(Some(text("oracle")));
    let mut frame = BytesMut::new();
    header.encode(&mut frame, Q::header_version(version)).unwrap();
    request.encode(&mut frame, version).unwrap();
    client.send_raw(&u32::try_from(frame.len()).unwrap().to_be_bytes()).await;
    client.send_raw(&frame).await;
}

/// Lets `kafka-protocol` read the whole answer.
pub async fn receive<R>(client: &mut Client, api: ApiKey, version: i16) -> R
where
    R: Decodable + HeaderVersion,
{
    let mut answer: Bytes =
        client.receive().await.unwrap_or_else(|| panic!("{api:?} version {version}: closed"));
    let header = ResponseHeader::decode(&mut answer, R::header_version(version)).unwrap();
    assert_eq!(header.correlation_id, 77);
    let response =
        R::decode(&mut answer, version).unwrap_or_else(|error| panic!("{api:?} version {version}: {error}"));
    assert!(answer.is_empty(), "{api:?} version {version}: {} bytes too many", answer.len());
    response
}

pub fn versions(api: ApiKey) -> std::ops::RangeInclusive<i16> {
    let VersionRange { min, max } = advertised_range(api);
    min..=max
}

// Fails if a field is missing, out of place, or written in the wrong dialect in any version.
#[tokio::test]
async fn an_independent_codec_understands_every_version_of_topics_and_metadata() {
    let broker = broker_with(&[]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for version in versions(ApiKey::CreateTopics) {
        let setting =
            CreatableTopicConfig::default().with_name(text("segment.ms")).with_value(Some(text("9")));
        let good = CreatableTopic::default()
            .with_name(topic(&format!("t{version}")))
            .with_num_partitions(2)
            .with_replication_factor(1)
            .with_configs(vec![setting]);
        let bad = CreatableTopic::default()
            .with_name(topic("no good"))
            .with_num_partitions(1)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![good, bad]).with_timeout_ms(9);
        let answer: CreateTopicsResponse = ask(&mut client, ApiKey::CreateTopics, version, &request).await;
        assert_eq!(answer.topics[0].error_code, 0);
        assert_eq!(answer.topics[1].error_code, 17);
        if version >= 5 {
            assert_eq!(answer.topics[0].num_partitions, 2);
            let told = answer.topics[0].configs.as_ref().unwrap();
            let told = |name: &str| told.iter().find(|setting| setting.name == text(name)).unwrap();
            assert_eq!(told("segment.ms").value, Some(text("9")));
            assert_eq!((told("segment.ms").config_source, told("retention.ms").config_source), (1, 5));
        }
    }
    for version in versions(ApiKey::Metadata) {
        let asked = |name: &str| MetadataRequestTopic::default().with_name(Some(topic(name)));
        let made = format!("made-by-{version}");
        let request =
            MetadataRequest::default().with_topics(Some(vec![asked("t7"), asked(&made), asked("no good")]));
        let answer: MetadataResponse = ask(&mut client, ApiKey::Metadata, version, &request).await;
        let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, 0, 17], "version {version}");
        assert_eq!(answer.topics[0].partitions.len(), 2);
        assert_eq!(i32::from(broker.bootstrap().port), answer.brokers[0].port);
        let all: MetadataResponse = ask(
            &mut client,
            ApiKey::Metadata,
            version,
            &MetadataRequest::default().with_topics((version == 0).then(Vec::new)),
        )
        .await;
        assert!(all.topics.len() > 6, "version {version}");
    }
    for version in versions(ApiKey::DeleteTopics) {
        let names = vec![topic(&format!("t{}", version + 1)), topic("missing")];
        let request = DeleteTopicsRequest::default().with_topic_names(names);
        let answer: DeleteTopicsResponse = ask(&mut client, ApiKey::DeleteTopics, version, &request).await;
        let codes: Vec<i16> = answer.responses.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, 3], "version {version}");
    }
}

// As above, for records.
#[tokio::test]
async fn an_independent_codec_understands_every_version_of_records_and_ids() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for version in 0..=5 {
        let answer: InitProducerIdResponse = ask(
            &mut client,
            ApiKey::InitProducerId,
            version,
            &InitProducerIdRequest::default()
                .with_transactional_id(None)
                .with_producer_id((-1).into())
                .with_producer_epoch(-1),
        )
        .await;
        assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
    }
    for version in 3..=11 {
        let partition = PartitionProduceData::default().with_records(Some(Batch::plain(1).bytes().into()));
        let data =
            TopicProduceData::default().with_name(topic("orders")).with_partition_data(vec![partition]);
        let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![data]);
        let answer: ProduceResponse = ask(&mut client, ApiKey::Produce, version, &request).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, i64::from(version - 3)));
    }
    for version in versions(ApiKey::ListOffsets) {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let asked = ListOffsetsTopic::default().with_name(topic("orders")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![asked]);
        let answer: ListOffsetsResponse = ask(&mut client, ApiKey::ListOffsets, version, &request).await;
        assert_eq!(answer.topics[0].partitions[0].offset, 9);
    }
    for version in versions(ApiKey::Fetch) {
        let partition = FetchPartition::default().with_fetch_offset(3).with_partition_max_bytes(1 << 20);
        let asked = FetchTopic::default().with_topic(topic("orders")).with_partitions(vec![partition]);
        let request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![asked]);
        let answer: FetchResponse = ask(&mut client, ApiKey::Fetch, version, &request).await;
        let partition = &answer.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, 9));
        assert_eq!(partition.records.as_ref().unwrap()[..8], 3_i64.to_be_bytes());
    }
    for version in versions(ApiKey::ApiVersions) {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text(if version >= 3 { "oracle" } else { "" }))
            .with_client_software_version(text(if version >= 3 { "1.0" } else { "" }));
        let answer: ApiVersionsResponse = ask(&mut client, ApiKey::ApiVersions, version, &request).await;
        let served = ApiKey::ALL.into_iter().filter(|api| !advertised_range(*api).is_empty()).count();
        assert_eq!((answer.error_code, answer.api_keys.len()), (0, served));
        assert!(answer.api_keys.iter().any(|range| range.api_key == 10), "librdkafka's lz4 depends on it");
    }
}

// Record errors travel from version 8 on (KIP-467): a client learns which record was at fault.
#[tokio::test]
async fn a_compacted_topic_names_the_records_without_key() {
    let broker = broker_with(&[]).await;
    broker.create_topic_with("compacted", 1, &[("cleanup.policy", "compact")]).unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await;
    let partition = PartitionProduceData::default().with_records(Some(Batch::plain(2).bytes().into()));
    let data = TopicProduceData::default().with_name(topic("compacted")).with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![data]);

    let answer: ProduceResponse = ask(&mut client, ApiKey::Produce, 9, &request).await;

    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (87, -1));
    let culprits: Vec<i32> = partition.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!(culprits, [0, 1]);
    let keyed = client.produce("compacted", &Batch::plain(2).key(b"k").bytes()).await.unwrap();
    assert_eq!(keyed.code, 0);
}

// KIP-511: a newer client must learn the range from a body of version 0, on a connection that stays open.
#[tokio::test]
async fn an_unknown_version_of_api_versions_is_answered_in_version_zero() {
    let broker = broker_with(&[]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    // Header of version 2 and a body that this broker cannot know.
    client.send_raw(&[0, 0, 0, 15, 0, 18, 0, 99, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4]).await;

    let answer = client.receive().await.unwrap();

    let expected = [0, 0, 0, 5, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
    assert_eq!(answer[..], expected);
    assert_eq!(client.create_topic("open", &[]).await, 0);
}

// KAFKA-18659: versions 0 to 2 are advertised for librdkafka's sake, and refused when used. Others close.
#[tokio::test]
async fn old_produce_is_refused_and_other_unknown_versions_close() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let body = |writer: &mut facteur::wire::writer::Writer| {
        writer.i16(-1);
        writer.i32(0);
        writer.array_of(&["orders"], |writer, name| {
            writer.string(name);
            writer.array_of(&[0], |writer, partition| {
                writer.i32(*partition);
                writer.length(None);
            });
        });
    };

    let mut answer = client.ask(ApiKey::Produce, 2, body).await.unwrap();
    answer.skip(4 + 2 + 6 + 4 + 4).unwrap();

    assert_eq!(answer.i16().unwrap(), 35);
    assert!(client.ask(ApiKey::Produce, 12, body).await.is_none());
}

// A lab lowers what the broker speaks, so that a protocol analyser can read it.
#[tokio::test]
async fn a_cap_lowers_what_is_advertised_and_served() {
    let config = BrokerConfig { caps: BTreeMap::from([(0, 9)]), ..BrokerConfig::default() };
    let broker = Broker::start(config).await.unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await;

    let answer: ApiVersionsResponse =
        ask(&mut client, ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()).await;

    let produce = answer.api_keys.iter().find(|range| range.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 9));
    assert!(client.ask(ApiKey::Produce, 10, |_| {}).await.is_none());
}

async fn advertised(address: &HostPort) -> (String, i32) {
    let mut client = Client::connect(address).await;
    let answer: MetadataResponse =
        ask(&mut client, ApiKey::Metadata, 9, &MetadataRequest::default().with_topics(None)).await;
    (answer.brokers[0].host.to_string(), answer.brokers[0].port)
}

// Clients dial what Metadata says: an injector in front of one listener must be advertised there and only there.
#[tokio::test]
async fn each_listener_advertises_its_own_address() {
    let proxied = HostPort { host: "kafka".to_owned(), port: 29_092 };
    let config = BrokerConfig {
        listeners: vec![
            Listener::loopback("plain"),
            Listener { advertised: Some(proxied), ..Listener::loopback("proxied") },
            Listener::new("wildcard", "0.0.0.0:0".parse().unwrap()),
        ],
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).await.unwrap();
    let ports: Vec<u16> = broker.addresses().iter().map(|(_, address)| address.port()).collect();
    let local = |port| HostPort { host: "127.0.0.1".to_owned(), port };

    assert_eq!(advertised(&local(ports[0])).await, ("127.0.0.1".to_owned(), i32::from(ports[0])));
    assert_eq!(advertised(&local(ports[1])).await, ("kafka".to_owned(), 29_092));
    assert_eq!(advertised(&local(ports[2])).await, ("localhost".to_owned(), i32::from(ports[2])));
}

// D-65: a busy port must be named, not passed over.
#[tokio::test]
async fn a_busy_port_is_named_with_what_to_do() {
    let first = broker_with(&[]).await;
    let taken = first.addresses()[0].1;
    let config = BrokerConfig { listeners: vec![Listener::new("lab", taken)], ..BrokerConfig::default() };

    let error = Broker::start(config).await.unwrap_err();

    assert!(matches!(error, BrokerError::PortInUse { port, .. } if port == taken.port()));
    assert!(error.to_string().contains("stop it, or give the listener another port"), "{error}");
}

// D-47 and Metadata 4: creation on demand only if both sides want it.
#[tokio::test]
async fn topics_are_not_created_when_either_side_says_no() {
    let asked = MetadataRequestTopic::default().with_name(Some(topic("orders")));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    let willing = broker_with(&[]).await;
    let unwilling =
        Broker::start(BrokerConfig { auto_create_topics: false, ..BrokerConfig::default() }).await.unwrap();
    for (broker, allow) in [(&willing, false), (&unwilling, true)] {
        let mut client = Client::connect(&broker.bootstrap()).await;
        let request = request.clone().with_allow_auto_topic_creation(allow);
        let answer: MetadataResponse = ask(&mut client, ApiKey::Metadata, 9, &request).await;
        assert_eq!(answer.topics[0].error_code, 3);
        assert!(broker.topics().is_empty());
    }
}

// D-53: a new start must not give out a producer id again, and must look like another cluster.
#[tokio::test]
async fn a_restart_is_another_cluster_with_other_producer_ids() {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let broker = broker_with(&[("orders", 1)]).await;
        let mut client = Client::connect(&broker.bootstrap()).await;
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let answer: InitProducerIdResponse = ask(&mut client, ApiKey::InitProducerId, 2, &request).await;
        seen.push((answer.producer_id.0, broker.cluster_id()));
        assert!(answer.producer_id.0 < 1 << 53, "it must fit a JSON number");
        broker.stop().await;
    }
    assert!(seen[0].0 != seen[1].0 && seen[1].0 != seen[2].0 && seen[0].0 != seen[2].0, "{seen:?}");
    assert!(seen[0].1 != seen[1].1 && seen[1].1 != seen[2].1);
}
