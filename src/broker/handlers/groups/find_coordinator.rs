//! `FindCoordinator` (10): which broker looks after a group. With one broker: this one.
//!
//! Version 1 adds the kind of key, 3 is flexible, 4 asks for several keys at once. Transactional ids (kind 1) are
//! answered 15 `COORDINATOR_NOT_AVAILABLE`, which a producer takes for "not yet", since there are no transactions here.
//!
//! **Why librdkafka needs it even to produce.** It sends lz4 uncompressed unless a broker advertises this API: it takes
//! it for the sign of a broker that knows lz4 framing (measured with librdkafka 2.0.2).
//!
//! Neighbours: the advertised address is the listener's, as in Metadata. Not here: share groups.

use crate::broker::cluster::Cluster;
use crate::broker::handlers::answer::{Answer, AnswerWriter};
use crate::broker::handlers::{RequestContext, RequestHeader, RequestReader, begin};
use crate::error::ErrorCode;
use crate::wire::WireError;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// The request: keys, all of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker::handlers) struct FindCoordinatorRequest {
    keys: Vec<String>,
    kind: i8,
}

/// What one key is answered.
struct Found<'a> {
    code: ErrorCode,
    why: Option<&'static str>,
    node: i32,
    host: &'a str,
    port: i32,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    version: i16,
) -> Result<FindCoordinatorRequest, WireError> {
    let first = if version <= 3 { Some(reader.string()?) } else { None };
    let kind = if version >= 1 { reader.i8()? } else { GROUP };
    let keys = match first {
        Some(key) => vec![key],
        None => reader.array(1, |reader| reader.string())?,
    };
    reader.skip_tags()?;
    Ok(FindCoordinatorRequest { keys, kind })
}

pub(super) fn handle(
    cluster: &Cluster,
    header: &RequestHeader,
    request: &FindCoordinatorRequest,
    context: &RequestContext<'_>,
) -> Answer {
    let found = match request.kind {
        GROUP => Found {
            code: ErrorCode::NONE,
            why: None,
            node: cluster.settings().node_id,
            host: &context.advertised.host,
            port: i32::from(context.advertised.port),
        },
        TRANSACTION => nothing(ErrorCode::COORDINATOR_NOT_AVAILABLE, Some("this broker has no transactions")),
        _ => nothing(ErrorCode::INVALID_REQUEST, Some("this broker knows groups only")),
    };
    encode(header, request, &found)
}

pub(super) fn refuse(header: &RequestHeader, request: &FindCoordinatorRequest, code: ErrorCode) -> Answer {
    encode(header, request, &nothing(code, None))
}

const fn nothing(code: ErrorCode, why: Option<&'static str>) -> Found<'static> {
    Found { code, why, node: -1, host: "", port: -1 }
}

fn encode(header: &RequestHeader, request: &FindCoordinatorRequest, found: &Found<'_>) -> Answer {
    let mut answer = begin(header);
    if header.version >= 1 {
        answer.i32(0);
    }
    if header.version >= 4 {
        answer.array(&request.keys, |answer, key| {
            answer.string(key);
            put_node(answer, found);
            answer.i16(found.code.0);
            answer.nullable_string(found.why);
            answer.no_tags();
        });
    } else {
        answer.i16(found.code.0);
        if header.version >= 1 {
            answer.nullable_string(found.why);
        }
        put_node(&mut answer, found);
    }
    answer.no_tags();
    answer.finish()
}

fn put_node(answer: &mut AnswerWriter, found: &Found<'_>) {
    answer.i32(found.node);
    answer.string(found.host);
    answer.i32(found.port);
}
