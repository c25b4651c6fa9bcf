//! zstd: one frame, written with a context that is kept; any number of frames read. By `zstd-pure-rs`.
//!
//! **Why this crate.** Measured on one core of an x86-64 machine, thin LTO, best of seven, on JSON-like payment events
//! of about 180 bytes; ratio and MB/s of input; build cost is `cargo build --release` of the crate alone:
//!
//! | crate | build | 16 KiB, level 1 | level 3 | level 6 | 1 MiB, level 1 | level 3 | level 6 |
//! |---|---|---|---|---|---|---|---|
//! | zstd-pure-rs 0.2.0, context kept | 10 CPU-s | 5.50, 323 | 5.49, 422 | 5.80, 79 | 6.13, 369 | 6.13, 282 | 6.59, 73 |
//! | `rusty_zstd` 0.4.1, one-shot (pooled) | 8 CPU-s | 4.70, 354 | 5.35, 367 | 5.50, 140 | 5.68, 303 | 6.03, 310 | 6.63, 74 |
//! | `rusty_zstd` 0.4.1, `Compressor` kept | 8 CPU-s | 4.98, 335 | 5.45, 32 | 5.74, 44 | 5.55, 327 | 6.03, 181 | 6.63, 71 |
//!
//! Unpacking: 651 and 928 MB/s against 511 and 694. `structured-zstd` 0.2.6 packs as well (earlier measurement), but
//! costs 87 CPU-s to build (24 without its kernels) and panics on an encoder's error. The machine was shared: the
//! speeds are good for comparing columns, not for quoting. Both crates read each other's frames, and of 80,000 mutated
//! frames neither panicked and they disagreed on nothing but empty input, which [`super`] refuses.
//!
//! Neighbours: [`super`] dispatches and catches panics: the crate calls itself immature. Not here: dictionaries and
//! checksums, which Kafka does not use.
#![warn(clippy::arithmetic_side_effects)]

use std::cell::RefCell;

use zstd_pure_rs::prelude::{
    ERR_isError, ZSTD_CCtx, ZSTD_compressBound, ZSTD_compressCCtx, ZSTD_createCCtx, ZSTD_decompress,
    ZSTD_decompressBound,
};
use zstd_pure_rs::{ErrorCode, ZSTD_getErrorCode, ZSTD_getErrorName};

use super::output::Output;
use super::{ZSTD_LEVELS, failed, too_large};
use crate::wire::WireError;
use crate::wire::record_batch::CodecId::Zstd;

thread_local! {
    /// Taken out while in use, so that a context that panicked is never used again.
    static CONTEXT: RefCell<Option<Box<ZSTD_CCtx>>> = const { RefCell::new(None) };
}

pub(super) fn compress(level: i32, input: &[u8], out: &mut Output) -> Result<(), WireError> {
    if !ZSTD_LEVELS.contains(&level) {
        // The crate would clamp it in silence.
        let (least, most) = (ZSTD_LEVELS.start(), ZSTD_LEVELS.end());
        return Err(failed(Zstd, format!("level {level} does not exist, expected {least} to {most}")));
    }
    let bound = ZSTD_compressBound(input.len());
    if ERR_isError(bound) {
        return Err(failed(Zstd, ZSTD_getErrorName(bound)));
    }
    let mut context = CONTEXT
        .take()
        .or_else(ZSTD_createCCtx)
        .ok_or_else(|| failed(Zstd, "no memory for a compression context"))?;
    let size = ZSTD_compressCCtx(&mut context, out.room(bound), input, level);
    CONTEXT.set(Some(context));
    if ERR_isError(size) {
        return Err(failed(Zstd, ZSTD_getErrorName(size)));
    }
    out.advance(size);
    Ok(())
}

/// Unpacks into room for what the frames declare, or could hold if they declare nothing, and never for more than the
/// allowance, which grows with the input.
pub(super) fn decompress(input: &[u8], allowance: usize) -> Result<Vec<u8>, WireError> {
    let bound = usize::try_from(ZSTD_decompressBound(input)).unwrap_or(usize::MAX);
    let mut out = vec![0; bound.min(allowance)];
    let size = ZSTD_decompress(&mut out, input);
    if !ERR_isError(size) {
        out.truncate(size);
        // A frame without a declared size is given room for full blocks; give back what was not needed.
        out.shrink_to(size.saturating_mul(2));
        return Ok(out);
    }
    if bound > allowance && ZSTD_getErrorCode(size) == ErrorCode::DstSizeTooSmall {
        return Err(too_large(Zstd, allowance));
    }
    Err(failed(Zstd, ZSTD_getErrorName(size)))
}
