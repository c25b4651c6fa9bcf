//! Produce (0): validate, recognise or append, answer.
//!
//! ```text
//!   transactional bit anywhere ─▶ 53 for all        acks not -1, 0, 1 ─▶ 21 for all
//!   each partition:  one batch, magic 2 (87) ─▶ topic and partition exist (3) ─▶ internal (17) ─▶ writes refused (19)
//!                    ─▶ log_validator ─▶ producer_state_manager ─▶ log
//! ```
//!
//! **Why the order matters.** A batch that is refused by any step leaves no trace; the producer's state changes only
//! after the append. With `acks=0` there is no answer, and an error closes the connection: the only signal there is.
//!
//! Neighbours: [`crate::broker::log_validator`], [`crate::broker::cluster`]. Not here: waiting for replicas (the one node
//! is all of them, so the high watermark has always passed) and versions 0 to 2, which are refused.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::{Answer, AnswerWriter};
use super::{FIRST_SERVED_PRODUCE, Reply, RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, INTERNAL_TOPICS, Written};
use crate::broker::events::{BrokerEvent, EventKind};
use crate::broker::log_validator::{Refusal, Rules, single_batch, validate};
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::record_batch_reader::BatchView;

/// The client that may write internal topics.
const ADMIN_CLIENT: &str = "__admin_client";

/// The request.
#[derive(Debug, Clone)]
pub(super) struct ProduceRequest {
    acks: i16,
    pub(super) topics: Vec<ProduceTopic>,
}

#[derive(Debug, Clone)]
pub(super) struct ProduceTopic {
    pub(super) name: String,
    partitions: Vec<ProducePartition>,
}

#[derive(Debug, Clone)]
struct ProducePartition {
    index: i32,
    records: Option<Bytes>,
}

/// What one partition is answered.
struct PartitionAnswer {
    code: ErrorCode,
    base_offset: i64,
    append_time_ms: i64,
    log_start_offset: i64,
    record_errors: Vec<(i32, String)>,
    message: Option<String>,
}

impl PartitionAnswer {
    const fn error(code: ErrorCode) -> Self {
        Self {
            code,
            base_offset: -1,
            append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            message: None,
        }
    }
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<ProduceRequest, WireError> {
    if version >= FIRST_SERVED_PRODUCE {
        reader.nullable_string()?;
    }
    let acks = reader.i16()?;
    reader.i32()?;
    let topics = reader.array(3, |reader| {
        let name = reader.string()?;
        let partitions = reader.array(5, |reader| {
            let index = reader.i32()?;
            let records = reader.nullable_bytes()?;
            reader.skip_tags()?;
            Ok(ProducePartition { index, records })
        })?;
        reader.skip_tags()?;
        Ok(ProduceTopic { name, partitions })
    })?;
    reader.skip_tags()?;
    Ok(ProduceRequest { acks, topics })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &ProduceRequest,
    context: &RequestContext<'_>,
) -> Reply {
    let refuses_all = refusal_of_all(request);
    let mut first_error = None;
    let answer = encode(header, request, |topic, partition| {
        let answer = match refuses_all {
            Some(code) => PartitionAnswer::error(code),
            None => write(cluster, header, topic, partition, context),
        };
        if !answer.code.is_none() {
            first_error.get_or_insert(answer.code);
        }
        answer
    });
    match (request.acks, first_error) {
        (0, None) => Reply::Silence,
        (0, Some(code)) => Reply::Close(format!("acks=0 and the answer would be {code}")),
        (_, _) => Reply::Answer(answer),
    }
}

/// The answer that says `code` for every partition; `None` if the client wants no answers.
pub(super) fn refuse(header: &RequestHeader, request: &ProduceRequest, code: ErrorCode) -> Option<Answer> {
    (request.acks != 0).then(|| encode(header, request, |_, _| PartitionAnswer::error(code)))
}

/// Reasons that concern the request as a whole, in Kafka's order.
fn refusal_of_all(request: &ProduceRequest) -> Option<ErrorCode> {
    let is_transactional = |partition: &ProducePartition| {
        let batch = partition.records.as_ref().and_then(|records| BatchView::parse(records).ok());
        batch.is_some_and(|batch| batch.is_transactional())
    };
    if request.topics.iter().flat_map(|topic| &topic.partitions).any(is_transactional) {
        return Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    (!matches!(request.acks, -1..=1)).then_some(ErrorCode::INVALID_REQUIRED_ACKS)
}

/// One partition, from its bytes to its answer.
fn write(
    cluster: &mut Cluster,
    header: &RequestHeader,
    topic: &str,
    partition: &ProducePartition,
    context: &RequestContext<'_>,
) -> PartitionAnswer {
    let index = partition.index;
    let valid = match check(cluster, header, topic, partition, context) {
        Ok(valid) => valid,
        Err(refusal) => return refused(cluster, topic, index, refusal, context),
    };
    let personality = cluster.settings().personality;
    match cluster.write(topic, index, &valid, context.now) {
        Some(Written::At { base_offset, append_time_ms, log_start_offset }) => PartitionAnswer {
            base_offset,
            append_time_ms,
            log_start_offset,
            ..PartitionAnswer::error(ErrorCode::NONE)
        },
        Some(Written::Refused { code, log_start_offset }) => {
            PartitionAnswer { log_start_offset, ..PartitionAnswer::error(personality.answer(code)) }
        }
        None => PartitionAnswer::error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

fn check(
    cluster: &Cluster,
    header: &RequestHeader,
    topic: &str,
    partition: &ProducePartition,
    context: &RequestContext<'_>,
) -> Result<crate::broker::log_validator::ValidBatch, Refusal> {
    let found = cluster.topic(topic).filter(|_| cluster.partition(topic, partition.index).is_some());
    let Some(found) = found else {
        let why = format!("there is no partition {} of topic {topic}", partition.index);
        return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
    };
    let view = single_batch(partition.records.as_ref())?;
    if INTERNAL_TOPICS.contains(&topic) && header.client_id != ADMIN_CLIENT {
        return Err(Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, "the topic is internal"));
    }
    if let Some(code) = cluster.faults.writes_refused_with() {
        return Err(Refusal::new(code, "the broker was told to refuse writes"));
    }
    let rules = Rules { produce_version: header.version, topic: &found.config, now_ms: context.now.wall_ms };
    let records = partition.records.clone().unwrap_or_default();
    validate(&view, &records, &rules)
}

/// Notes the refusal and answers it.
fn refused(
    cluster: &mut Cluster,
    topic: &str,
    partition: i32,
    refusal: Refusal,
    context: &RequestContext<'_>,
) -> PartitionAnswer {
    let code = cluster.settings().personality.answer(refusal.code);
    let kind = EventKind::BatchRefused { code, why: refusal.why.as_str().into() };
    let name: Arc<str> = topic.into();
    cluster.note(BrokerEvent::new(kind, context.now.wall_ms).on(&name, Some(partition)));
    PartitionAnswer {
        record_errors: refusal.record_errors,
        message: Some(refusal.why),
        ..PartitionAnswer::error(code)
    }
}

fn encode(
    header: &RequestHeader,
    request: &ProduceRequest,
    mut write: impl FnMut(&str, &ProducePartition) -> PartitionAnswer,
) -> Answer {
    let mut answer = begin(header);
    answer.array(&request.topics, |answer, topic| {
        answer.string(&topic.name);
        answer.array(&topic.partitions, |answer, partition| {
            let written = write(&topic.name, partition);
            encode_partition(answer, header.version, partition.index, &written);
        });
        answer.no_tags();
    });
    if header.version >= 1 {
        answer.i32(0);
    }
    answer.no_tags();
    answer.finish()
}

fn encode_partition(answer: &mut AnswerWriter, version: i16, index: i32, written: &PartitionAnswer) {
    answer.i32(index);
    answer.i16(written.code.0);
    answer.i64(written.base_offset);
    if version >= 2 {
        answer.i64(written.append_time_ms);
    }
    if version >= 5 {
        answer.i64(written.log_start_offset);
    }
    if version >= 8 {
        answer.array(&written.record_errors, |answer, (record, why)| {
            answer.i32(*record);
            answer.nullable_string(Some(why));
            answer.no_tags();
        });
        answer.nullable_string(written.message.as_deref());
    }
    answer.no_tags();
}
