//! `DescribeCluster` (60): the one node, without topics.
//!
//! **Why besides Metadata.** Admin clients ask it first (KIP-700). The address is that of the listener the question came in
//! by, as in Metadata, so that nobody leaves a faulty path by accident.
//!
//! Neighbours: [`super::super::metadata`]. Not here: controllers as an endpoint type of their own, which are refused.

use super::super::{Answer, RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;

/// What a broker answers where authorised operations were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;
/// Every operation on a cluster that an open broker allows: the bits of create, alter, describe, cluster action, describe
/// configs, alter configs, idempotent write.
const ALL_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
/// Endpoint types: 1 brokers, 2 controllers.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
const UNSUPPORTED_ENDPOINT_TYPE: ErrorCode = ErrorCode(115);
const MISMATCHED_ENDPOINT_TYPE: ErrorCode = ErrorCode(114);

/// The request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker::handlers) struct DescribeClusterRequest {
    wants_operations: bool,
    endpoint_type: i8,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    version: i16,
) -> Result<DescribeClusterRequest, WireError> {
    let wants_operations = reader.bool()?;
    let endpoint_type = if version >= 1 { reader.i8()? } else { BROKERS };
    reader.skip_tags()?;
    Ok(DescribeClusterRequest { wants_operations, endpoint_type })
}

pub(super) fn handle(
    cluster: &Cluster,
    header: &RequestHeader,
    request: &DescribeClusterRequest,
    context: &RequestContext<'_>,
) -> Answer {
    match request.endpoint_type {
        BROKERS => {
            let operations = if request.wants_operations { ALL_OPERATIONS } else { NO_OPERATIONS };
            encode(header, Ok((cluster, context)), operations)
        }
        CONTROLLERS => encode(
            header,
            Err((MISMATCHED_ENDPOINT_TYPE, "The request was sent to a broker, not to a controller.")),
            NO_OPERATIONS,
        ),
        _ => encode(
            header,
            Err((UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type; expected 1 (brokers).")),
            NO_OPERATIONS,
        ),
    }
}

pub(super) fn refuse(header: &RequestHeader, code: ErrorCode) -> Answer {
    encode(header, Err((code, code.name())), NO_OPERATIONS)
}

fn encode(
    header: &RequestHeader,
    found: Result<(&Cluster, &RequestContext<'_>), (ErrorCode, &str)>,
    operations: i32,
) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.i16(found.as_ref().err().map_or(0, |(code, _)| code.0));
    answer.nullable_string(found.as_ref().err().map(|(_, why)| *why));
    if header.version >= 1 {
        answer.i8(BROKERS);
    }
    let found = found.ok();
    answer.string(found.map_or("", |(cluster, _)| cluster.cluster_id()));
    answer.i32(found.map_or(-1, |(cluster, _)| cluster.settings().node_id));
    let brokers: Vec<_> = found.into_iter().collect();
    answer.array(&brokers, |answer, (cluster, context)| {
        answer.i32(cluster.settings().node_id);
        answer.string(&context.advertised.host);
        answer.i32(i32::from(context.advertised.port));
        answer.nullable_string(None);
        answer.no_tags();
    });
    answer.i32(operations);
    answer.no_tags();
    answer.finish()
}
