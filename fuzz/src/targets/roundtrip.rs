//! Structure-aware: batches, requests and answers made of choices, written by one implementation and read by another.
//!
//! **Why `kafka-protocol`.** It is generated from Kafka's schemas; a field that we write or read in the wrong place or
//! version is a difference, not an opinion. Neighbours: `tests/wire_api.rs` has one example per version; here are all
//! values.

use bytes::{Bytes, BytesMut};
use facteur::identifiers::{ProducerIdentity, TopicId};
use facteur::wire::api::produce::{PartitionBatch, ProduceRequest, TopicBatches, TopicRef};
use facteur::wire::api::{ApiKey, api_versions, init_producer_id, list_offsets, metadata, produce};
use facteur::wire::compression::{DecompressionLimits, codec_of, compress};
use facteur::wire::record_batch::{
    BatchSummary, ProducerStamp, RecordFields, append_record, body_crc, encode_header, record_size_bytes,
};
use facteur::wire::record_batch_reader::BatchView;
use facteur::{Compression, Header};
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use kafka_protocol::records::RecordBatchDecoder;

use super::tape::Tape;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.below(6) {
        0 => batch(&mut tape),
        1 => produce_request(&mut tape),
        2 => other_requests(&mut tape),
        3 => produce_answer(&mut tape),
        4 => metadata_answer(&mut tape),
        _ => other_answers(&mut tape),
    }
}

struct Owned {
    delta: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn optional(tape: &mut Tape<'_>, most: usize) -> Option<Vec<u8>> {
    if tape.below(4) == 0 { None } else { Some(tape.bytes(most).to_vec()) }
}

fn records(tape: &mut Tape<'_>) -> Vec<Owned> {
    let count = 1 + tape.below(12);
    (0..count)
        .map(|_| Owned {
            delta: tape.i64(),
            key: optional(tape, 40),
            value: optional(tape, 600),
            headers: (0..tape.below(3)).map(|_| (tape.text(12), optional(tape, 20))).collect(),
        })
        .collect()
}

fn batch(tape: &mut Tape<'_>) {
    let compression = tape.pick(&[
        Compression::None,
        Compression::None,
        Compression::Gzip(1),
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd(1),
    ]);
    let identity = ProducerIdentity { producer_id: tape.i64() & i64::MAX, epoch: tape.i16() & i16::MAX };
    let stamp = ProducerStamp { identity, base_sequence: tape.i32() & i32::MAX };
    let records = records(tape);
    let mut plain = Vec::new();
    for (offset_delta, record) in (0..).zip(&records) {
        let headers: Vec<Header<'_>> =
            record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let fields = RecordFields {
            offset_delta,
            timestamp_delta_ms: record.delta,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        let before = plain.len();
        append_record(&mut plain, &fields);
        assert_eq!(plain.len() - before, record_size_bytes(&fields), "the size that was computed");
    }
    let mut body = Vec::new();
    compress(compression, &[&plain[..plain.len() / 2], &plain[plain.len() / 2..]], &mut body)
        .expect("built in");
    let body = Bytes::from(body);
    let summary = BatchSummary {
        codec: codec_of(compression),
        record_count: u32::try_from(records.len()).expect("few"),
        base_timestamp_ms: 1_000,
        max_timestamp_ms: 2_000,
        body_size_bytes: body.len(),
        body_crc: body_crc(std::slice::from_ref(&body)),
        is_transactional: false,
    };
    let bytes = Bytes::from([&encode_header(&summary, Some(stamp))[..], &body].concat());
    ours_agrees(&bytes, &records, stamp);
    if compression == Compression::None {
        theirs_agrees(&bytes, &records, stamp);
    }
}

fn ours_agrees(bytes: &Bytes, records: &[Owned], stamp: ProducerStamp) {
    let view = BatchView::parse(bytes).expect("our own batch");
    view.check_crc().expect("its checksum");
    assert_eq!((view.producer_id, view.base_sequence), (stamp.identity.producer_id, stamp.base_sequence));
    let found = view.records(&DecompressionLimits::default()).expect("its records");
    let mut count = 0;
    for (found, sent) in found.zip(records) {
        let found = found.expect("a record");
        assert_eq!(found.timestamp_delta_ms, sent.delta);
        assert_eq!(found.key.as_deref(), sent.key.as_deref());
        assert_eq!(found.value.as_deref(), sent.value.as_deref());
        let headers = found.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        assert!(headers.eq(sent.headers.iter().map(|(key, value)| (key.as_str(), value.as_deref()))));
        count += 1;
    }
    assert_eq!(count, records.len());
}

fn theirs_agrees(bytes: &Bytes, records: &[Owned], stamp: ProducerStamp) {
    // Their sums overflow where ours are checked, and their headers are a map: they get what they can hold.
    let fits = |record: &Owned| record.delta.unsigned_abs() < 1 << 40 && record.headers.len() < 2;
    let last = i64::from(stamp.base_sequence) + i64::try_from(records.len()).expect("few");
    if !records.iter().all(fits) || last > i64::from(i32::MAX) {
        return;
    }
    let theirs = RecordBatchDecoder::decode(&mut bytes.clone()).expect("they can read it");
    assert_eq!(theirs.records.len(), records.len());
    for (theirs, sent) in theirs.records.iter().zip(records) {
        assert_eq!(theirs.timestamp, 1_000 + sent.delta);
        assert_eq!(theirs.key.as_deref(), sent.key.as_deref());
        assert_eq!(theirs.value.as_deref(), sent.value.as_deref());
        assert_eq!(theirs.producer_epoch, stamp.identity.epoch);
    }
}

fn version_of(tape: &mut Tape<'_>, api: ApiKey) -> i16 {
    let range = api.supported_range();
    range.min + i16::from(tape.byte()) % (range.max - range.min + 1)
}

/// Their reading of our frame; nothing may be left over.
fn read<R: Decodable + HeaderVersion>(version: i16, frame: &Bytes, client_id: &str) -> R {
    let mut bytes = frame.slice(4..);
    assert_eq!(
        i32::from_be_bytes(frame[..4].try_into().expect("four")),
        i32::try_from(bytes.len()).expect("short")
    );
    let header = kp::RequestHeader::decode(&mut bytes, R::header_version(version)).expect("a header");
    assert_eq!(header.client_id.as_deref().unwrap_or(""), client_id);
    let body = R::decode(&mut bytes, version).expect("a request");
    assert!(bytes.is_empty(), "{} bytes follow the request", bytes.len());
    body
}

/// Their writing of an answer's body; nothing if a field cannot stand in that version.
fn written<R: Encodable>(version: i16, response: &R) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    response.encode(&mut bytes, version).ok()?;
    Some(bytes.freeze())
}

fn produce_request(tape: &mut Tape<'_>) {
    let version = version_of(tape, ApiKey::Produce);
    let client_id = tape.text(30);
    let names: Vec<String> = (0..tape.below(4)).map(|_| tape.text(20)).collect();
    let (acks, timeout_ms, correlation_id) = (tape.i16(), tape.i32(), tape.i32());
    let topics: Vec<TopicBatches<'_>> = names
        .iter()
        .map(|topic| TopicBatches {
            topic,
            topic_id: TopicId([tape.byte(); 16]),
            partitions: (0..tape.below(4))
                .map(|_| PartitionBatch {
                    partition: tape.i32(),
                    header: [tape.byte(); 61],
                    body: vec![
                        Bytes::copy_from_slice(tape.bytes(200)),
                        Bytes::copy_from_slice(tape.bytes(9)),
                    ],
                })
                .collect(),
        })
        .collect();
    let sent = topics.clone();
    let request = ProduceRequest { version, correlation_id, client_id: &client_id, acks, timeout_ms, topics };
    let framing = produce::max_framing_bytes(
        &client_id,
        sent.iter().map(|topic| (topic.topic.len(), topic.partitions.len())),
    );
    let frame = Bytes::from(produce::encode_request(request).concat());
    let bodies: usize =
        sent.iter().flat_map(|topic| &topic.partitions).flat_map(|part| &part.body).map(Bytes::len).sum();
    assert!(frame.len() <= framing + bodies, "callers count too few bytes");
    let theirs: kp::ProduceRequest = read(version, &frame, &client_id);
    assert_eq!((theirs.acks, theirs.timeout_ms, theirs.topic_data.len()), (acks, timeout_ms, sent.len()));
    for (theirs, ours) in theirs.topic_data.iter().zip(&sent) {
        if version >= 13 {
            assert_eq!(theirs.topic_id.into_bytes(), ours.topic_id.0);
        } else {
            assert_eq!(theirs.name.as_str(), ours.topic);
        }
        assert_eq!(theirs.partition_data.len(), ours.partitions.len());
        for (theirs, ours) in theirs.partition_data.iter().zip(&ours.partitions) {
            assert_eq!(theirs.index, ours.partition);
            let expected = [&ours.header[..], &ours.body[0], &ours.body[1]].concat();
            assert_eq!(theirs.records.as_deref(), Some(&expected[..]));
        }
    }
}

fn other_requests(tape: &mut Tape<'_>) {
    let client_id = tape.text(30);
    let correlation_id = tape.i32();
    let names: Vec<String> = (0..tape.below(5)).map(|_| tape.text(20)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let version = version_of(tape, ApiKey::Metadata);
    let frame = metadata::encode_request(version, correlation_id, &client_id, Some(&names), tape.coin());
    let theirs: kp::MetadataRequest = read(version, &frame, &client_id);
    let found: Vec<String> = theirs
        .topics
        .iter()
        .flatten()
        .filter_map(|topic| topic.name.as_ref())
        .map(|name| name.to_string())
        .collect();
    assert_eq!(found, names);

    let version = version_of(tape, ApiKey::ListOffsets);
    let asked: Vec<(i32, i64)> = (0..tape.below(4)).map(|_| (tape.i32(), tape.i64())).collect();
    let frame = list_offsets::encode_request(version, correlation_id, &client_id, &[("t", &asked)]);
    let theirs: kp::ListOffsetsRequest = read(version, &frame, &client_id);
    let found = theirs.topics[0].partitions.iter().map(|part| (part.partition_index, part.timestamp));
    assert!(found.eq(asked.iter().copied()));

    let version = version_of(tape, ApiKey::InitProducerId);
    let frame = init_producer_id::encode_request(version, correlation_id, &client_id);
    let theirs: kp::InitProducerIdRequest = read(version, &frame, &client_id);
    assert_eq!((theirs.producer_id.0, theirs.producer_epoch), (-1, -1));
}

fn text(tape: &mut Tape<'_>, most: usize) -> StrBytes {
    StrBytes::from_string(tape.text(most))
}

fn produce_answer(tape: &mut Tape<'_>) {
    let version = version_of(tape, ApiKey::Produce);
    let mut sent = Vec::new();
    let topics = (0..tape.below(4))
        .map(|_| {
            let mut topic = kp::produce_response::TopicProduceResponse::default();
            if version >= 13 {
                topic.topic_id = uuid::Uuid::from_bytes([tape.byte(); 16]);
            } else {
                topic.name = kp::TopicName(text(tape, 20));
            }
            for _ in 0..tape.below(4) {
                let part = produced_partition(tape, version);
                let name = match version {
                    13.. => TopicRef::Id(TopicId(topic.topic_id.into_bytes())),
                    _ => TopicRef::Name(topic.name.to_string()),
                };
                sent.push((name, part.clone()));
                topic.partition_responses.push(part);
            }
            topic
        })
        .collect();
    let response = kp::ProduceResponse::default().with_responses(topics).with_throttle_time_ms(tape.i32());
    let Some(body) = written(version, &response) else { return };
    let ours = produce::decode_response(version, &body).expect("an honest answer");
    assert!(ours.throttle_ms >= 0);
    assert_eq!(ours.partitions.len(), sent.len());
    for (ours, (topic, sent)) in ours.partitions.iter().zip(&sent) {
        assert_eq!((&ours.topic, ours.partition, ours.error.0), (topic, sent.index, sent.error_code));
        assert_eq!((ours.base_offset, ours.log_append_time_ms), (sent.base_offset, sent.log_append_time_ms));
        assert_eq!(ours.message.as_deref(), sent.error_message.as_deref());
        assert_eq!(ours.record_errors.len(), sent.record_errors.len());
        let leader = (sent.current_leader.leader_id.0, sent.current_leader.leader_epoch);
        let expected = (leader.0 >= 0).then_some(leader);
        assert_eq!(ours.current_leader.map(|(node, epoch)| (node.0, epoch)), expected);
    }
}

fn produced_partition(tape: &mut Tape<'_>, version: i16) -> kp::produce_response::PartitionProduceResponse {
    let mut part = kp::produce_response::PartitionProduceResponse::default()
        .with_index(tape.i32())
        .with_error_code(tape.i16())
        .with_base_offset(tape.i64())
        .with_log_append_time_ms(tape.i64());
    if version >= 5 {
        part.log_start_offset = tape.i64();
    }
    if version >= 8 {
        part.error_message = tape.coin().then(|| text(tape, 20));
        for _ in 0..tape.below(3) {
            let culprit = kp::produce_response::BatchIndexAndErrorMessage::default()
                .with_batch_index(tape.i32())
                .with_batch_index_error_message(tape.coin().then(|| text(tape, 9)));
            part.record_errors.push(culprit);
        }
    }
    if version >= 10 && tape.coin() {
        part.current_leader.leader_id = tape.i32().into();
        part.current_leader.leader_epoch = tape.i32();
    }
    part
}

fn metadata_answer(tape: &mut Tape<'_>) {
    let version = version_of(tape, ApiKey::Metadata);
    let mut response = kp::MetadataResponse::default();
    for _ in 0..tape.below(5) {
        let broker = kp::metadata_response::MetadataResponseBroker::default()
            .with_node_id(tape.i32().into())
            .with_host(text(tape, 12))
            .with_port(tape.i32());
        response.brokers.push(broker);
    }
    for _ in 0..tape.below(4) {
        let mut topic = kp::metadata_response::MetadataResponseTopic::default()
            .with_error_code(tape.i16())
            .with_name(Some(kp::TopicName(text(tape, 12))));
        if version >= 10 {
            topic.topic_id = uuid::Uuid::from_bytes([tape.byte(); 16]);
        }
        for _ in 0..tape.below(5) {
            let mut part = kp::metadata_response::MetadataResponsePartition::default()
                .with_error_code(tape.i16())
                .with_partition_index(tape.i32())
                .with_leader_id(tape.i32().into())
                .with_replica_nodes((0..tape.below(4)).map(|_| tape.i32().into()).collect());
            if version >= 7 {
                part.leader_epoch = tape.i32();
            }
            topic.partitions.push(part);
        }
        response.topics.push(topic);
    }
    let Some(body) = written(version, &response) else { return };
    let ours = metadata::decode_response(version, body);
    let parts = || response.topics.iter().flat_map(|topic| &topic.partitions);
    if parts().any(|part| part.partition_index < 0) {
        assert!(ours.is_err(), "a negative partition");
        return;
    }
    let ours = ours.expect("an honest answer");
    let can_be_reached = |broker: &&kp::metadata_response::MetadataResponseBroker| {
        broker.node_id.0 >= 0 && (1..=65_535).contains(&broker.port) && !broker.host.is_empty()
    };
    assert_eq!(ours.brokers.len(), response.brokers.iter().filter(can_be_reached).count());
    assert_eq!(ours.topics.len(), response.topics.len());
    for (ours, theirs) in ours.topics.iter().flat_map(|topic| &topic.partitions).zip(parts()) {
        assert_eq!((ours.partition, ours.error.0), (theirs.partition_index, theirs.error_code));
        assert_eq!(ours.leader.map(|node| node.0), Some(theirs.leader_id.0).filter(|id| *id >= 0));
        assert_eq!(ours.leader_epoch, Some(theirs.leader_epoch).filter(|epoch| version >= 7 && *epoch >= 0));
        assert_eq!(ours.replicas.len(), theirs.replica_nodes.len());
    }
}

fn other_answers(tape: &mut Tape<'_>) {
    let version = version_of(tape, ApiKey::ApiVersions);
    let mut response = kp::ApiVersionsResponse::default().with_error_code(tape.pick(&[0, 0, 0, 35, 42]));
    for _ in 0..tape.below(6) {
        let range = kp::api_versions_response::ApiVersion::default()
            .with_api_key(i16::from(tape.byte() % 80))
            .with_min_version(tape.i16())
            .with_max_version(tape.i16());
        response.api_keys.push(range);
    }
    // Error 35 is answered in version 0, whatever was asked (KIP-511).
    let body = written(if response.error_code == 35 { 0 } else { version }, &response);
    if let Some(body) = body {
        let ours = api_versions::decode_response(version, body).expect("an honest answer");
        assert_eq!(ours.error.0, response.error_code);
        for api in ApiKey::ALL {
            if let Ok(chosen) = ours.version_for(api) {
                let offered = response.api_keys.iter().filter(|range| range.api_key == api.code());
                assert!(
                    offered.clone().any(|range| (range.min_version..=range.max_version).contains(&chosen))
                );
                assert!(api.supported_range().contains(chosen));
            }
        }
    }
    let version = version_of(tape, ApiKey::InitProducerId);
    let response = kp::InitProducerIdResponse::default()
        .with_error_code(tape.pick(&[0, 0, 14, 53]))
        .with_producer_id(tape.i64().into())
        .with_producer_epoch(tape.i16());
    let Some(body) = written(version, &response) else { return };
    if let Ok(ours) = init_producer_id::decode_response(version, body)
        && ours.error.is_none()
    {
        assert_eq!(ours.identity.producer_id, response.producer_id.0);
        assert_eq!(ours.identity.epoch, response.producer_epoch);
    }
}
