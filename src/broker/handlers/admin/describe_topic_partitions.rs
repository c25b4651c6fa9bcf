//! `DescribeTopicPartitions` (75): topics and their partitions, page by page (KIP-966).
//!
//! **Why pages.** A topic may have more partitions than fit an answer; the client says how many it takes and gets a cursor
//! for the next question. Topics come in the order of their names. `kafka-topics --describe` asks this first.
//!
//! Neighbours: [`super::super::metadata`] answers the same of one page. Not here: eligible leader replicas, which one node
//! never has.

use std::collections::BTreeSet;

use super::super::answer::AnswerWriter;
use super::super::{Answer, RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, INTERNAL_TOPICS, Topic};
use crate::error::ErrorCode;
use crate::identifiers::TopicId;
use crate::wire::WireError;

/// What a broker answers where authorised operations were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;
/// The most partitions in one answer, whatever the client asks for (`max.request.partition.size.limit`).
const MAX_PARTITIONS: usize = 2_000;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DescribeTopicPartitionsRequest {
    /// None of them means all.
    topics: Vec<String>,
    limit: i32,
    cursor: Option<(String, i32)>,
}

impl DescribeTopicPartitionsRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(String::as_str)
    }
}

/// A topic in the answer, with the range of its partitions that is told.
struct Page<'a> {
    name: &'a str,
    found: Result<&'a Topic, ErrorCode>,
    from: usize,
    to: usize,
}

pub(super) fn decode(reader: &mut RequestReader<'_>) -> Result<DescribeTopicPartitionsRequest, WireError> {
    let topics = reader.array(2, |reader| {
        let name = reader.string()?;
        reader.skip_tags()?;
        Ok(name)
    })?;
    let limit = reader.i32()?;
    // A nullable structure begins with -1 for null.
    let cursor = if reader.i8()? < 0 {
        None
    } else {
        let cursor = (reader.string()?, reader.i32()?);
        reader.skip_tags()?;
        Some(cursor)
    };
    reader.skip_tags()?;
    Ok(DescribeTopicPartitionsRequest { topics, limit, cursor })
}

pub(super) fn handle(
    cluster: &Cluster,
    header: &RequestHeader,
    request: &DescribeTopicPartitionsRequest,
) -> Answer {
    let (first, first_partition) = match &request.cursor {
        Some((topic, partition)) => (topic.as_str(), usize::try_from(*partition).unwrap_or(0)),
        None => ("", 0),
    };
    let asked: BTreeSet<&str> = if request.topics.is_empty() {
        cluster.topics().map(|topic| &*topic.name).collect()
    } else {
        request.topic_names().collect()
    };
    let mut room = usize::try_from(request.limit).unwrap_or(0).clamp(1, MAX_PARTITIONS);
    let mut pages = Vec::new();
    let mut next = None;
    for name in asked.range(first..) {
        if room == 0 {
            next = Some((*name, 0));
            break;
        }
        let found = cluster.topic(name).ok_or_else(|| unknown(name));
        let count = found.map_or(0, |topic| topic.partitions.len());
        let from = if *name == first { first_partition.min(count) } else { 0 };
        let to = count.min(from.saturating_add(room));
        room = room.saturating_sub(to.saturating_sub(from));
        pages.push(Page { name, found, from, to });
        if to < count {
            next = Some((*name, to));
            break;
        }
    }
    encode(header, cluster.settings().node_id, &pages, next)
}

fn unknown(name: &str) -> ErrorCode {
    match crate::broker::cluster::topic_name_fault(name) {
        Some(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

pub(super) fn refuse(
    header: &RequestHeader,
    request: &DescribeTopicPartitionsRequest,
    code: ErrorCode,
) -> Answer {
    let page = |name| Page { name, found: Err(code), from: 0, to: 0 };
    encode(header, -1, &request.topic_names().map(page).collect::<Vec<_>>(), None)
}

fn encode(header: &RequestHeader, node: i32, pages: &[Page<'_>], next: Option<(&str, usize)>) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(pages, |answer, page| {
        answer.i16(page.found.as_ref().err().map_or(0, |code| code.0));
        answer.nullable_string(Some(page.name));
        answer.raw(&page.found.as_ref().map_or(TopicId::ZERO, |topic| topic.id).0);
        answer.bool(INTERNAL_TOPICS.contains(&page.name));
        let indices: Vec<usize> = (page.from..page.to).collect();
        answer.array(&indices, |answer, index| encode_partition(answer, node, *index, page));
        answer.i32(NO_OPERATIONS);
        answer.no_tags();
    });
    match next {
        None => answer.i8(-1),
        Some((topic, partition)) => {
            answer.i8(1);
            answer.string(topic);
            answer.i32(i32::try_from(partition).unwrap_or(i32::MAX));
            answer.no_tags();
        }
    }
    answer.no_tags();
    answer.finish()
}

fn encode_partition(answer: &mut AnswerWriter, node: i32, index: usize, page: &Page<'_>) {
    let place = page.found.ok().and_then(|topic| topic.partitions.get(index));
    answer.i16(0);
    answer.i32(i32::try_from(index).unwrap_or(i32::MAX));
    answer.i32(node);
    answer.i32(place.map_or(0, |place| place.leader_epoch));
    // Replicas and those in sync.
    answer.array(&[node], |answer, node| answer.i32(*node));
    answer.array(&[node], |answer, node| answer.i32(*node));
    // Eligible leaders, last known eligible leaders, offline replicas.
    answer.length(Some(0));
    answer.length(Some(0));
    answer.length(Some(0));
    answer.no_tags();
}
