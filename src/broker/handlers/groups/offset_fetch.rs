//! `OffsetFetch` (9): how far groups had read, for those partitions or for all.
//!
//! Version 2 may ask for all (null) and adds a code for the group, 3 the throttle time, 5 leader epochs, 6 is flexible,
//! 7 may ask for offsets that no transaction can take back (there are none here, so all are stable), 8 asks for several
//! groups at once.
//!
//! **Why an unknown group is no error.** A consumer asks before it has committed anything: offset -1 sends it to its
//! `auto.offset.reset`. Neighbours: [`crate::broker::groups`] has the offsets. Not here: version 9 (KIP-848).

use crate::broker::cluster::Cluster;
use crate::broker::groups::{CommittedOffset, Offsets};
use crate::broker::handlers::answer::{Answer, AnswerWriter};
use crate::broker::handlers::{RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request: one group up to version 7, several from 8 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct OffsetFetchRequest {
    groups: Vec<FetchGroup>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FetchGroup {
    id: String,
    /// `None` asks for all.
    topics: Option<Vec<FetchTopic>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FetchTopic {
    name: String,
    partitions: Vec<i32>,
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<OffsetFetchRequest, WireError> {
    let groups = if version >= 8 {
        reader.array(2, |reader| {
            let group = decode_group(reader)?;
            reader.skip_tags()?;
            Ok(group)
        })?
    } else {
        let mut group = decode_group(reader)?;
        if version < 2 {
            // Null is no word of version 1.
            group.topics.get_or_insert_default();
        }
        vec![group]
    };
    if version >= 7 {
        reader.bool()?;
    }
    reader.skip_tags()?;
    Ok(OffsetFetchRequest { groups })
}

fn decode_group(reader: &mut RequestReader<'_>) -> Result<FetchGroup, WireError> {
    let id = reader.string()?;
    let topics = reader.nullable_array(3, |reader| {
        let name = reader.string()?;
        let partitions = reader.array(4, |reader| reader.i32())?;
        reader.skip_tags()?;
        Ok(FetchTopic { name, partitions })
    })?;
    Ok(FetchGroup { id, topics })
}

impl OffsetFetchRequest {
    pub(super) fn topics(&self) -> Vec<&str> {
        let topics = self.groups.iter().flat_map(|group| group.topics.iter().flatten());
        topics.map(|topic| topic.name.as_str()).collect()
    }
}

pub(super) fn handle(cluster: &Cluster, header: &RequestHeader, request: &OffsetFetchRequest) -> Answer {
    encode(header, request, ErrorCode::NONE, |id| cluster.groups.offsets(id))
}

pub(super) fn refuse(header: &RequestHeader, request: &OffsetFetchRequest, code: ErrorCode) -> Answer {
    encode(header, request, code, |_| None)
}

fn encode<'a>(
    header: &RequestHeader,
    request: &OffsetFetchRequest,
    code: ErrorCode,
    offsets: impl Fn(&str) -> Option<&'a Offsets>,
) -> Answer {
    let version = header.version;
    let mut answer = begin(header);
    if version >= 3 {
        answer.i32(0);
    }
    if version >= 8 {
        answer.array(&request.groups, |answer, group| {
            answer.string(&group.id);
            put_topics(answer, version, group, offsets(&group.id), code);
            answer.i16(code.0);
            answer.no_tags();
        });
    } else if let Some(group) = request.groups.first() {
        put_topics(&mut answer, version, group, offsets(&group.id), code);
        if version >= 2 {
            answer.i16(code.0);
        }
    }
    answer.no_tags();
    answer.finish()
}

fn put_topics(
    answer: &mut AnswerWriter,
    version: i16,
    group: &FetchGroup,
    offsets: Option<&Offsets>,
    code: ErrorCode,
) {
    match &group.topics {
        Some(topics) => answer.array(topics, |answer, topic| {
            answer.string(&topic.name);
            answer.array(&topic.partitions, |answer, partition| {
                let committed = offsets.and_then(|offsets| offsets.get(&topic.name, *partition));
                put_offset(answer, version, *partition, committed, code);
            });
            answer.no_tags();
        }),
        None => {
            let all: Vec<_> = offsets.into_iter().flat_map(Offsets::topics).collect();
            answer.array(&all, |answer, (name, partitions)| {
                answer.string(name);
                let partitions: Vec<_> = partitions.iter().collect();
                answer.array(&partitions, |answer, (partition, committed)| {
                    put_offset(answer, version, **partition, Some(committed), code);
                });
                answer.no_tags();
            });
        }
    }
}

fn put_offset(
    answer: &mut AnswerWriter,
    version: i16,
    partition: i32,
    committed: Option<&CommittedOffset>,
    code: ErrorCode,
) {
    answer.i32(partition);
    answer.i64(committed.map_or(-1, |committed| committed.offset));
    if version >= 5 {
        answer.i32(committed.map_or(-1, |committed| committed.leader_epoch));
    }
    answer.nullable_string(Some(committed.map_or("", |committed| committed.metadata.as_str())));
    answer.i16(code.0);
    answer.no_tags();
}
