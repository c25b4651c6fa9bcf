//! zstd, by `zstd-pure-rs`.
//!
//! Neighbours: [`super`] dispatches. Not here: dictionaries, which Kafka does not use.
#![warn(clippy::arithmetic_side_effects)]

use zstd_pure_rs::prelude::{ERR_isError, ZSTD_compress, ZSTD_compressBound, ZSTD_decompress};
use zstd_pure_rs::{ErrorCode, ZSTD_getErrorCode, ZSTD_getErrorName};

use super::{failed, too_large};
use crate::wire::WireError;
use crate::wire::record_batch::CodecId::Zstd;

pub(super) fn compress(level: i32, input: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    out.resize(start.saturating_add(ZSTD_compressBound(input.len())), 0);
    let size = ZSTD_compress(out.get_mut(start..).unwrap_or_default(), input, level);
    if ERR_isError(size) {
        return Err(failed(Zstd, ZSTD_getErrorName(size)));
    }
    out.truncate(start.saturating_add(size));
    Ok(())
}

pub(super) fn decompress(input: &[u8], allowance: usize) -> Result<Vec<u8>, WireError> {
    let mut room = input.len().saturating_mul(8).max(64 * 1024).min(allowance);
    loop {
        let mut out = vec![0; room];
        let size = ZSTD_decompress(&mut out, input);
        if !ERR_isError(size) {
            out.truncate(size);
            return Ok(out);
        }
        if ZSTD_getErrorCode(size) != ErrorCode::DstSizeTooSmall {
            return Err(failed(Zstd, ZSTD_getErrorName(size)));
        }
        if room >= allowance {
            return Err(too_large(Zstd, allowance));
        }
        room = room.saturating_mul(8).min(allowance);
    }
}
