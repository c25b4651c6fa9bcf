//! Row C11: sequences that wrap from 2147483647 to 0, as we fold them and as Kafka counts them.
//!
//! **Why by hand.** Two thousand million records are too many, and no setting starts a producer near the wrap. So the
//! batches are made by the encoder and folded by the [`Sequence`] that ship, and only the sending is done here: Kafka
//! knows nothing of a new producer and takes any first sequence. The engine's own run over the wrap is a scenario of the
//! simulation. Neighbours: `sequence.rs`, `wire/record_batch.rs`. Not here: what a broker answers otherwise; the D table.

use bytes::Bytes;
use facteur::identifiers::ProducerIdentity;
use facteur::sequence::Sequence;
use facteur::wire::record_batch::{
    BatchSummary, CodecId, ProducerStamp, RecordFields, append_record, body_crc, encode_header,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest};

use crate::admin::Connection;
use crate::cluster::{topic_name, wait_until};
use crate::reader::Log;
use crate::shared;

const PRODUCE_VERSION: i16 = 9;

/// A batch of `count` records that begins at `sequence`.
fn batch(identity: ProducerIdentity, sequence: Sequence, count: u32) -> Bytes {
    let mut body = Vec::new();
    for delta in 0..count {
        let value = format!("{}", sequence.advance(delta).unwrapped());
        let offset_delta = i32::try_from(delta).expect("few records");
        let fields = RecordFields {
            offset_delta,
            timestamp_delta_ms: 0,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        };
        append_record(&mut body, &fields);
    }
    let body = Bytes::from(body);
    let now_ms = crate::workload::now_ms();
    let summary = BatchSummary {
        codec: CodecId::None,
        record_count: count,
        base_timestamp_ms: now_ms,
        max_timestamp_ms: now_ms,
        body_size_bytes: body.len(),
        body_crc: body_crc(std::slice::from_ref(&body)),
        is_transactional: false,
    };
    let header = encode_header(&summary, Some(ProducerStamp { identity, base_sequence: sequence.to_wire() }));
    [&header[..], &body[..]].concat().into()
}

/// Sends a batch; the code and the first offset of the answer.
fn produce(link: &mut Connection, topic: &str, records: Bytes) -> (i16, i64) {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic]);
    let answer = link.call(&request, PRODUCE_VERSION).expect("Kafka answers");
    let found = &answer.responses[0].partition_responses[0];
    (found.error_code, found.base_offset)
}

/// A producer id; a node that is just fetching a block of them answers "later".
fn new_identity(link: &mut Connection) -> ProducerIdentity {
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    let mut identity = None;
    wait_until("Kafka to give a producer id", || {
        let given = link.call(&request, 2).ok().filter(|given| given.error_code == 0);
        identity = given
            .map(|given| ProducerIdentity { producer_id: given.producer_id.0, epoch: given.producer_epoch });
        identity.is_some()
    });
    identity.expect("it was waited for")
}

// C11. Three producers cross the wrap: one with a batch that ends at 2147483647, one with a batch that starts there, one
// with a batch over it. Each batch is sent twice, as after a lost answer. Fails if Kafka finds a gap, or does not
// recognise a second copy: then our arithmetic is not Kafka's.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn c11_sequences_wrap_as_kafka_counts_them_on_4_4_0() {
    let mut shared = shared::lock();
    let (cluster, _) = shared.parts();
    cluster.create_topic("c11", 1, &[]);
    let address = cluster.addresses()[&cluster.await_leader("c11", 0)];
    let mut link = Connection::open(address).expect("the leader listens");
    let wrap: u64 = 1 << 31;

    let mut expected = Vec::new();
    for (before, counts) in [(20, [10, 10, 10, 10]), (11, [10, 1, 10, 10]), (15, [10, 10, 10, 10])] {
        let identity = new_identity(&mut link);
        let mut sequence = Sequence::new(wrap - before);
        for count in counts {
            let first = produce(&mut link, "c11", batch(identity, sequence, count));
            let again = produce(&mut link, "c11", batch(identity, sequence, count));
            assert_eq!((first.0, again), (0, first), "{count} records from sequence {sequence}");
            expected.extend((0..count).map(|delta| sequence.advance(delta).unwrapped().to_string()));
            sequence = sequence.advance(count);
        }
        // The one thing that must still be refused: a gap.
        assert_eq!(
            produce(&mut link, "c11", batch(identity, sequence.advance(1), 1)).0,
            45,
            "a gap is a gap"
        );
    }

    let log = Log::fetch(cluster, "c11", 1);
    let values: Vec<String> = log
        .records
        .iter()
        .map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned())
        .collect();
    assert_eq!(values, expected, "each record once, in order");
    assert!(
        log.batches.iter().any(|batch| batch.base_sequence == i32::MAX),
        "a batch starts at the last sequence"
    );
}
