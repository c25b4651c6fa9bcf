//! `DescribeProducers` (61): which producers a partition remembers, with epoch and last sequence.
//!
//! **Why it is worth a lab step.** It shows the broker's half of idempotence with Kafka's own tool: `kafka-transactions
//! describe-producers` prints our producer's id, its epoch, and the last sequence number that was appended (KIP-664).
//!
//! Neighbours: [`crate::broker::producer_state_manager`] remembers. Not here: transactions, so the coordinator epoch and
//! the start of a current transaction are always -1.

use super::super::{Answer, RequestHeader, RequestReader, begin};
use crate::broker::cluster::Cluster;
use crate::broker::producer_state_manager::KnownProducer;
use crate::error::ErrorCode;
use crate::wire::WireError;

/// Producers told in one answer, all partitions together; those beyond it are left out.
const MAX_PRODUCERS: usize = 100_000;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DescribeProducersRequest {
    topics: Vec<(String, Vec<i32>)>,
}

impl DescribeProducersRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|(name, _)| name.as_str())
    }
}

pub(super) fn decode(reader: &mut RequestReader<'_>) -> Result<DescribeProducersRequest, WireError> {
    let topics = reader.array(3, |reader| {
        let topic = (reader.string()?, reader.array(4, |reader| reader.i32())?);
        reader.skip_tags()?;
        Ok(topic)
    })?;
    reader.skip_tags()?;
    Ok(DescribeProducersRequest { topics })
}

pub(super) fn handle(
    cluster: &Cluster,
    header: &RequestHeader,
    request: &DescribeProducersRequest,
) -> Answer {
    let mut room = MAX_PRODUCERS;
    encode(header, request, |topic, partition| {
        let place = cluster.partition(topic, partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let producers: Vec<KnownProducer> = cluster.producers().known(place.number).take(room).collect();
        room = room.saturating_sub(producers.len());
        Ok(producers)
    })
}

pub(super) fn refuse(header: &RequestHeader, request: &DescribeProducersRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_, _| Err(code))
}

fn encode(
    header: &RequestHeader,
    request: &DescribeProducersRequest,
    mut look_up: impl FnMut(&str, i32) -> Result<Vec<KnownProducer>, ErrorCode>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.topics, |answer, (name, partitions)| {
        answer.string(name);
        answer.array(partitions, |answer, partition| {
            let result = look_up(name, *partition);
            let code = result.as_ref().err().copied();
            answer.i32(*partition);
            answer.i16(code.map_or(0, |code| code.0));
            answer.nullable_string(code.map(|_| "This server does not host this topic-partition."));
            answer.array(&result.unwrap_or_default(), |answer, producer| {
                answer.i64(producer.producer_id);
                answer.i32(i32::from(producer.epoch));
                answer.i32(producer.last_sequence);
                answer.i64(producer.last_timestamp_ms);
                answer.i32(-1);
                answer.i64(-1);
                answer.no_tags();
            });
            answer.no_tags();
        });
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
