//! The other side of the wire, as a script needs it: requests read, answers of any choosing written.
//!
//! It is built on `kafka-protocol` alone, so that what the engine writes is read by somebody else's code.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use facteur::identifiers::ConnectionId;
use facteur::wire::compression::DecompressionLimits;
use facteur::wire::record_batch_reader::BatchView;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, InitProducerIdResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, ProducerId, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use uuid::Uuid;

/// In the place of a leader: the partition is not listed at all, as by a broker that lags behind.
pub const UNLISTED: i32 = -9;

pub const PRODUCE: i16 = 0;
pub const METADATA: i16 = 3;
pub const API_VERSIONS: i16 = 18;
pub const INIT_PRODUCER_ID: i16 = 22;

/// A batch inside a Produce request.
#[derive(Debug, Clone)]
pub struct PeerBatch {
    pub topic: String,
    pub topic_id: [u8; 16],
    pub partition: i32,
    pub bytes: Bytes,
    pub view: BatchView,
    pub values: Vec<String>,
}

impl PeerBatch {
    /// Epoch and base sequence: what most scenarios are about.
    pub fn stamp(&self) -> (i16, i32) {
        (self.view.producer_epoch, self.view.base_sequence)
    }
}

/// A request that the engine wrote.
#[derive(Debug, Clone)]
pub struct Request {
    pub connection: ConnectionId,
    pub node: i32,
    pub api: i16,
    pub version: i16,
    pub correlation_id: i32,
    pub acks: i16,
    pub batches: Vec<PeerBatch>,
    /// Of a Metadata request.
    pub topics: Vec<String>,
    /// The operating system has taken it whole.
    pub is_written: bool,
}

impl Request {
    pub fn read(connection: ConnectionId, node: i32, frame: &Bytes) -> Self {
        let mut bytes = frame.slice(4..);
        let api = i16::from_be_bytes([bytes[0], bytes[1]]);
        let version = i16::from_be_bytes([bytes[2], bytes[3]]);
        let correlation_id = i32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let mut request = Self {
            connection,
            node,
            api,
            version,
            correlation_id,
            acks: 0,
            batches: Vec::new(),
            topics: Vec::new(),
            is_written: true,
        };
        match api {
            PRODUCE => {
                RequestHeader::decode(&mut bytes, ProduceRequest::header_version(version)).expect("a header");
                let produce = ProduceRequest::decode(&mut bytes, version).expect("a Produce request");
                assert!(bytes.is_empty(), "bytes follow the request");
                request.acks = produce.acks;
                for topic in produce.topic_data {
                    for data in topic.partition_data {
                        let bytes = data.records.expect("records");
                        request.batches.push(read_batch(&topic.name, topic.topic_id, data.index, bytes));
                    }
                }
            }
            METADATA => {
                RequestHeader::decode(&mut bytes, MetadataRequest::header_version(version))
                    .expect("a header");
                let metadata = MetadataRequest::decode(&mut bytes, version).expect("a Metadata request");
                let topics = metadata.topics.unwrap_or_default();
                request.topics =
                    topics.into_iter().filter_map(|topic| topic.name).map(|name| name.to_string()).collect();
            }
            _ => {}
        }
        request
    }

    /// The only batch.
    pub fn batch(&self) -> &PeerBatch {
        assert_eq!(self.batches.len(), 1, "the request has one batch");
        &self.batches[0]
    }

    pub fn stamp(&self) -> (i16, i32) {
        self.batch().stamp()
    }

    pub fn value(&self) -> &str {
        &self.batch().values[0]
    }
}

fn read_batch(topic: &TopicName, topic_id: Uuid, partition: i32, bytes: Bytes) -> PeerBatch {
    let view = BatchView::parse(&bytes).expect("a batch");
    view.check_crc().expect("the checksum fits");
    let limits = DecompressionLimits { max_output_bytes: 1 << 24, max_ratio: usize::MAX };
    let values = view
        .records(&limits)
        .expect("records")
        .map(|record| {
            String::from_utf8_lossy(&record.expect("a record").value.unwrap_or_default()).into_owned()
        })
        .collect();
    PeerBatch { topic: topic.to_string(), topic_id: topic_id.into_bytes(), partition, bytes, view, values }
}

/// What a peer says about one partition.
#[derive(Debug, Clone)]
pub struct Reply {
    pub topic: String,
    pub topic_id: [u8; 16],
    pub partition: i32,
    pub code: i16,
    pub offset: i64,
    pub append_time_ms: i64,
    pub log_start: i64,
    pub message: Option<String>,
    pub record_errors: Vec<(i32, Option<String>)>,
    pub leader: Option<(i32, i32)>,
}

impl Reply {
    pub fn to(batch: &PeerBatch, code: i16, offset: i64) -> Self {
        Self {
            topic: batch.topic.clone(),
            topic_id: batch.topic_id,
            partition: batch.partition,
            code,
            offset,
            append_time_ms: -1,
            log_start: 0,
            message: None,
            record_errors: Vec::new(),
            leader: None,
        }
    }

    pub fn message(mut self, text: &str) -> Self {
        self.message = Some(text.to_owned());
        self
    }

    pub fn culprit(mut self, index: i32, text: Option<&str>) -> Self {
        self.record_errors.push((index, text.map(str::to_owned)));
        self
    }

    pub fn leader(mut self, node: i32, epoch: i32) -> Self {
        self.leader = Some((node, epoch));
        self
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn frame<T: Encodable + HeaderVersion>(correlation_id: i32, version: i16, body: &T) -> Bytes {
    let mut bytes = BytesMut::new();
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(&mut bytes, T::header_version(version))
        .expect("a header");
    body.encode(&mut bytes, version).expect("a body");
    bytes.freeze()
}

pub fn produce_answer(
    request: &Request,
    replies: &[Reply],
    throttle_ms: i32,
    endpoints: &[(i32, &str)],
) -> Bytes {
    let version = request.version;
    let responses = replies
        .iter()
        .map(|reply| {
            let mut partition = PartitionProduceResponse::default()
                .with_index(reply.partition)
                .with_error_code(reply.code)
                .with_base_offset(reply.offset)
                .with_log_append_time_ms(reply.append_time_ms);
            if version >= 5 {
                partition = partition.with_log_start_offset(reply.log_start);
            }
            if version >= 8 {
                partition =
                    partition.with_error_message(reply.message.as_deref().map(text)).with_record_errors(
                        reply
                            .record_errors
                            .iter()
                            .map(|(index, message)| {
                                BatchIndexAndErrorMessage::default()
                                    .with_batch_index(*index)
                                    .with_batch_index_error_message(message.as_deref().map(text))
                            })
                            .collect(),
                    );
            }
            if version >= 10
                && let Some((node, epoch)) = reply.leader
            {
                partition = partition.with_current_leader(
                    LeaderIdAndEpoch::default().with_leader_id(BrokerId(node)).with_leader_epoch(epoch),
                );
            }
            let topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
            if version >= 13 {
                topic.with_topic_id(Uuid::from_bytes(reply.topic_id))
            } else {
                topic.with_name(TopicName(text(&reply.topic)))
            }
        })
        .collect();
    let mut body = ProduceResponse::default().with_responses(responses).with_throttle_time_ms(throttle_ms);
    if version >= 10 {
        body = body.with_node_endpoints(
            endpoints
                .iter()
                .map(|(node, host)| {
                    NodeEndpoint::default()
                        .with_node_id(BrokerId(*node))
                        .with_host(text(host))
                        .with_port(9092)
                })
                .collect(),
        );
    }
    frame(request.correlation_id, version, &body)
}

/// What the peers tell of themselves.
#[derive(Debug, Clone)]
pub struct PeerCluster {
    pub nodes: Vec<i32>,
    pub topics: BTreeMap<String, PeerTopic>,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub init_error: i16,
    pub produce_max: i16,
    pub metadata_max: i16,
    pub versions_max: i16,
    pub tells_versions_range: bool,
    pub metadata_error: i16,
    pub has_no_brokers: bool,
    /// Before 0.11 there was none.
    pub knows_init_producer_id: bool,
}

#[derive(Debug, Clone)]
pub struct PeerTopic {
    pub id: [u8; 16],
    pub error: i16,
    /// Leader (-1: none) and its epoch.
    pub partitions: Vec<(i32, i32)>,
}

impl PeerCluster {
    pub fn versions(&self, request: &Request) -> Bytes {
        if request.version > self.versions_max {
            // KIP-511: the refusal is in version 0, whatever was asked.
            let mut body = ApiVersionsResponse::default().with_error_code(35);
            if self.tells_versions_range {
                let range = ApiVersion::default().with_api_key(API_VERSIONS).with_min_version(0);
                body = body.with_api_keys(vec![range.with_max_version(self.versions_max)]);
            }
            return frame(request.correlation_id, 0, &body);
        }
        let keys = [
            (PRODUCE, 3, self.produce_max),
            (METADATA, 0, self.metadata_max),
            (API_VERSIONS, 0, 4),
            (INIT_PRODUCER_ID, 0, 5),
        ]
        .map(|(key, min, max)| {
            ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
        });
        let told = if self.knows_init_producer_id { keys.len() } else { keys.len() - 1 };
        let body = ApiVersionsResponse::default().with_api_keys(keys[..told].to_vec());
        frame(request.correlation_id, request.version, &body)
    }

    pub fn metadata(&self, request: &Request) -> Bytes {
        let brokers = if self.has_no_brokers { &[][..] } else { &self.nodes[..] }
            .iter()
            .map(|node| {
                MetadataResponseBroker::default()
                    .with_node_id(BrokerId(*node))
                    .with_host(text(&format!("b{node}")))
                    .with_port(9092)
            })
            .collect();
        let topics = request.topics.iter().map(|name| self.topic(name, request.version)).collect();
        let mut body = MetadataResponse::default().with_brokers(brokers).with_topics(topics);
        if request.version >= 13 {
            body = body.with_error_code(self.metadata_error);
        }
        frame(request.correlation_id, request.version, &body)
    }

    fn topic(&self, name: &str, version: i16) -> MetadataResponseTopic {
        let named = MetadataResponseTopic::default().with_name(Some(TopicName(text(name))));
        let Some(topic) = self.topics.get(name) else { return named.with_error_code(3) };
        let partitions = topic
            .partitions
            .iter()
            .zip(0..)
            .filter(|((leader, _), _)| *leader != UNLISTED)
            .map(|((leader, epoch), index)| {
                let partition = MetadataResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(if *leader < 0 { 5 } else { 0 })
                    .with_leader_id(BrokerId(*leader));
                if version >= 7 { partition.with_leader_epoch(*epoch) } else { partition }
            })
            .collect();
        let named = named.with_error_code(topic.error).with_partitions(partitions);
        if version >= 10 { named.with_topic_id(Uuid::from_bytes(topic.id)) } else { named }
    }

    pub fn init_producer_id(&mut self, request: &Request) -> Bytes {
        let mut body = InitProducerIdResponse::default().with_error_code(self.init_error);
        if self.init_error == 0 {
            body =
                body.with_producer_id(ProducerId(self.producer_id)).with_producer_epoch(self.producer_epoch);
            self.producer_id += 1;
            self.producer_epoch = 0;
        }
        frame(request.correlation_id, request.version, &body)
    }
}
