//! `DeleteTopics` (20): topics go, with their records and what is known of their producers.
//!
//! **Why at once.** A real broker deletes in the background; here the answer means that it is done. Neighbours:
//! [`crate::broker::cluster`]. Not here: deleting by id (version 6).

use super::answer::Answer;
use super::{RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, TopicRefusal};
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeleteTopicsRequest {
    pub(super) names: Vec<String>,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    _version: i16,
) -> Result<DeleteTopicsRequest, WireError> {
    let names = reader.array(1, |reader| reader.string())?;
    reader.i32()?;
    reader.skip_tags()?;
    Ok(DeleteTopicsRequest { names })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &DeleteTopicsRequest,
    context: &RequestContext<'_>,
) -> Answer {
    encode(header, request, |name| cluster.delete_topic(name, context.now))
}

pub(super) fn refuse(header: &RequestHeader, request: &DeleteTopicsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_| Err((code, code.name().to_owned())))
}

fn encode(
    header: &RequestHeader,
    request: &DeleteTopicsRequest,
    mut delete: impl FnMut(&str) -> Result<(), TopicRefusal>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.names, |answer, name| {
        let refusal = delete(name).err();
        answer.string(name);
        answer.i16(refusal.as_ref().map_or(0, |(code, _)| code.0));
        if header.version >= 5 {
            answer.nullable_string(refusal.as_ref().map(|(_, why)| why.as_str()));
        }
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
