//! A session between two test hands, and frames written by the independent implementation.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use facteur::chaos::events::ChaosEvent;
use facteur::chaos::kafka::proxy::{AdvertisedBroker, Advertiser, KafkaProxy};
use facteur::chaos::kafka::session::{KafkaSession, KafkaStep};
use facteur::chaos::kafka::toxic::KafkaToxic;
use facteur::config::HostPort;
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use serde_json::Value;

pub const CLIENT: &str = "lab-1";

/// Sends every broker to one host, to port 30000 + its id: longer than what the tests advertise.
#[derive(Debug)]
pub struct ByNode;

pub const PROXY_HOST: &str = "proxy.of.the.lab.example";

impl Advertiser for ByNode {
    fn addresses_for(&self, brokers: &[AdvertisedBroker]) -> Vec<HostPort> {
        let port = |node: i32| u16::try_from(30_000 + node).expect("a port");
        brokers
            .iter()
            .map(|broker| HostPort { host: PROXY_HOST.to_owned(), port: port(broker.node_id) })
            .collect()
    }
}

/// A session and everything that it asked for.
#[derive(Debug)]
pub struct Connection {
    pub session: KafkaSession,
    pub to_server: Vec<u8>,
    pub to_client: Vec<u8>,
    pub delays: Vec<Duration>,
    pub events: Vec<ChaosEvent>,
    pub closed: Option<String>,
    /// How many pieces went towards the server.
    pub pieces_to_server: usize,
}

impl Connection {
    pub fn new(proxy: &Arc<KafkaProxy>) -> Self {
        Self {
            session: KafkaSession::new(Arc::clone(proxy)),
            to_server: Vec::new(),
            to_client: Vec::new(),
            delays: Vec::new(),
            events: Vec::new(),
            closed: None,
            pieces_to_server: 0,
        }
    }

    pub fn client_sends(&mut self, bytes: &[u8]) {
        let mut steps = Vec::new();
        self.session.from_client(Bytes::copy_from_slice(bytes), &mut steps);
        self.perform(steps);
    }

    pub fn server_sends(&mut self, bytes: &[u8]) {
        let mut steps = Vec::new();
        self.session.from_server(Bytes::copy_from_slice(bytes), &mut steps);
        self.perform(steps);
    }

    fn perform(&mut self, steps: Vec<KafkaStep>) {
        for step in steps {
            assert!(self.closed.is_none() || matches!(step, KafkaStep::Event(_)), "{step:?} after the close");
            match step {
                KafkaStep::ToServer(bytes) => {
                    self.pieces_to_server += 1;
                    self.to_server.extend_from_slice(&bytes);
                }
                KafkaStep::ToClient(bytes) => self.to_client.extend_from_slice(&bytes),
                KafkaStep::DelayToClient(delay) => self.delays.push(delay),
                KafkaStep::Close { reason } => self.closed = Some(reason),
                KafkaStep::Event(event) => self.events.push(*event),
            }
        }
    }
}

pub fn proxy() -> Arc<KafkaProxy> {
    KafkaProxy::new(Arc::new(ByNode), 7)
}

pub fn arm(proxy: &KafkaProxy, type_name: &str, attributes: &Value) {
    let toxic = KafkaToxic::parse(type_name, attributes.as_object().expect("an object")).expect("a toxic");
    proxy.arm(&Arc::from(type_name), toxic, 1.0);
}

pub fn fired(proxy: &KafkaProxy, name: &str) -> u64 {
    proxy.find(name).expect("armed").fired
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn topic_name(name: &str) -> kp::TopicName {
    kp::TopicName(text(name))
}

pub fn request<R: Encodable + HeaderVersion>(
    api: i16,
    version: i16,
    correlation_id: i32,
    body: &R,
) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let header = kp::RequestHeader::default()
        .with_request_api_key(api)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(text(CLIENT)));
    header.encode(&mut bytes, R::header_version(version)).expect("header");
    body.encode(&mut bytes, version).expect("body");
    framed(&bytes)
}

pub fn answer<R: Encodable + HeaderVersion>(version: i16, correlation_id: i32, body: &R) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let header = kp::ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut bytes, R::header_version(version)).expect("header");
    body.encode(&mut bytes, version).expect("body");
    framed(&bytes)
}

pub fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = i32::try_from(bytes.len()).expect("short");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Reads one whole answer frame; nothing may be left.
pub fn read_answer<R: Decodable + HeaderVersion>(version: i16, correlation_id: i32, frame: &[u8]) -> R {
    let mut bytes = Bytes::copy_from_slice(frame);
    let length = i32::from_be_bytes(bytes.split_to(4)[..].try_into().expect("four bytes"));
    assert_eq!(usize::try_from(length).expect("a length"), bytes.len(), "the frame's length");
    let header = kp::ResponseHeader::decode(&mut bytes, R::header_version(version)).expect("header");
    assert_eq!(header.correlation_id, correlation_id);
    let body = R::decode(&mut bytes, version).expect("body");
    assert!(bytes.is_empty(), "{} bytes too many", bytes.len());
    body
}

/// A Produce request with one batch of `size` bytes that nobody will look at.
pub fn produce(version: i16, correlation_id: i32, acks: i16, topic: &str, size: usize) -> Vec<u8> {
    let partition = kp::produce_request::PartitionProduceData::default()
        .with_index(2)
        .with_records(Some(Bytes::from(vec![0xab; size])));
    let mut data = kp::produce_request::TopicProduceData::default().with_partition_data(vec![partition]);
    if version >= 13 {
        data.topic_id = uuid::Uuid::from_bytes([9; 16]);
    } else {
        data.name = topic_name(topic);
    }
    let body =
        kp::ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![data]);
    request(0, version, correlation_id, &body)
}

/// An empty answer to it.
pub fn produced(version: i16, correlation_id: i32) -> Vec<u8> {
    answer(version, correlation_id, &kp::ProduceResponse::default())
}
