//! `CreatePartitions` (37): more partitions for topics that exist.
//!
//! **Why only more.** Records cannot move, so partitions never become fewer; and from then on a key may go to another
//! partition than before, which the event says. Assignments may name this one node only.
//!
//! Neighbours: [`crate::broker::cluster`] has the rule. Not here: new topics.

use std::collections::BTreeSet;

use super::super::{Answer, RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::{Cluster, TopicRefusal};
use crate::error::ErrorCode;
use crate::wire::WireError;

const INVALID_REPLICA_ASSIGNMENT: ErrorCode = ErrorCode(39);

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct CreatePartitionsRequest {
    topics: Vec<Wish>,
    validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    name: String,
    total: i32,
    /// The replicas of each new partition, if the client says.
    assignments: Option<Vec<Vec<i32>>>,
}

impl CreatePartitionsRequest {
    pub(super) fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|topic| topic.name.as_str())
    }
}

pub(super) fn decode(reader: &mut RequestReader<'_>) -> Result<CreatePartitionsRequest, WireError> {
    let topics = reader.array(7, |reader| {
        let name = reader.string()?;
        let total = reader.i32()?;
        let assignments = reader.nullable_array(1, |reader| {
            let replicas = reader.array(4, |reader| reader.i32())?;
            reader.skip_tags()?;
            Ok(replicas)
        })?;
        reader.skip_tags()?;
        Ok(Wish { name, total, assignments })
    })?;
    reader.i32()?;
    let validate_only = reader.bool()?;
    reader.skip_tags()?;
    Ok(CreatePartitionsRequest { topics, validate_only })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &CreatePartitionsRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> = request.topic_names().filter(|name| !seen.insert(*name)).collect();
    encode(header, request, |wish| {
        if twice.contains(wish.name.as_str()) {
            let why = format!("Duplicate topic name '{}' in the request.", wish.name);
            return Err((ErrorCode::INVALID_REQUEST, why));
        }
        cluster.check_more_partitions(&wish.name, wish.total)?;
        check_assignments(cluster, wish)?;
        if request.validate_only {
            Ok(())
        } else {
            cluster.add_partitions(&wish.name, wish.total, context.now)
        }
    })
}

fn check_assignments(cluster: &Cluster, wish: &Wish) -> Result<(), TopicRefusal> {
    let Some(assignments) = &wish.assignments else { return Ok(()) };
    let node = cluster.settings().node_id;
    let present = cluster.topic(&wish.name).map_or(0, |topic| topic.partitions.len());
    let added = usize::try_from(wish.total).unwrap_or(0).saturating_sub(present);
    if assignments.len() == added && assignments.iter().all(|replicas| replicas[..] == [node]) {
        return Ok(());
    }
    let why = format!(
        "{added} partitions are added, so {added} assignments are expected, each with replica {node} alone; {} were given",
        assignments.len()
    );
    Err((INVALID_REPLICA_ASSIGNMENT, why))
}

pub(super) fn refuse(header: &RequestHeader, request: &CreatePartitionsRequest, code: ErrorCode) -> Answer {
    encode(header, request, |_| Err((code, code.name().to_owned())))
}

fn encode(
    header: &RequestHeader,
    request: &CreatePartitionsRequest,
    mut add: impl FnMut(&Wish) -> Result<(), TopicRefusal>,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.array(&request.topics, |answer, wish| {
        let result = add(wish);
        answer.string(&wish.name);
        answer.i16(result.as_ref().err().map_or(0, |(code, _)| code.0));
        answer.nullable_string(result.as_ref().err().map(|(_, why)| why.as_str()));
        answer.no_tags();
    });
    answer.no_tags();
    answer.finish()
}
