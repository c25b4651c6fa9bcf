//! InitProducerId (22): a producer id that no one else has.
//!
//! **Why a bump is not seen here.** A producer without a transactional id that asks again, with or without its old id and
//! epoch, gets a new id and epoch 0; it bumps its epoch by itself (KIP-360), and the log accepts that.
//!
//! Neighbours: [`crate::broker::cluster`] gives the ids. Not here: transactions: a transactional id is answered 53, as
//! by a broker on which the client may not use it.

use super::answer::Answer;
use super::{RequestContext, RequestHeader, RequestReader, begin};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InitProducerIdRequest {
    transactional_id: Option<String>,
    producer_id: i64,
    producer_epoch: i16,
}

pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    version: i16,
) -> Result<InitProducerIdRequest, WireError> {
    let transactional_id = reader.nullable_string()?;
    reader.i32()?;
    let (producer_id, producer_epoch) = if version >= 3 { (reader.i64()?, reader.i16()?) } else { (-1, -1) };
    reader.skip_tags()?;
    Ok(InitProducerIdRequest { transactional_id, producer_id, producer_epoch })
}

pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &InitProducerIdRequest,
    context: &RequestContext<'_>,
) -> Answer {
    match request.transactional_id.as_deref() {
        Some("") => return refuse(header, ErrorCode::INVALID_REQUEST),
        Some(_) => return refuse(header, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        None => {}
    }
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return refuse(header, ErrorCode::INVALID_REQUEST);
    }
    let id = cluster.give_producer_id(context.now);
    encode(header, ErrorCode::NONE, id, 0)
}

pub(super) fn refuse(header: &RequestHeader, code: ErrorCode) -> Answer {
    encode(header, code, -1, -1)
}

fn encode(header: &RequestHeader, code: ErrorCode, producer_id: i64, epoch: i16) -> Answer {
    let mut answer = begin(header);
    answer.i32(0);
    answer.i16(code.0);
    answer.i64(producer_id);
    answer.i16(epoch);
    answer.no_tags();
    answer.finish()
}
