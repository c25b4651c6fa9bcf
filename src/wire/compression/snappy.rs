//! snappy: written in xerial's framing, as Java does; read framed or raw.
//!
//! ```text
//! 82 53 4e 41 50 50 59 00   magic
//! 00 00 00 01  00 00 00 01  version and lowest compatible version
//! then blocks: length (i32, big-endian), raw snappy of at most 32 KiB of input
//! ```
//!
//! **Why both.** librdkafka writes one raw block without framing, Java writes the stream of the xerial library; a
//! reader tells them apart by the magic. Neighbours: [`super`] dispatches. Not here: Google's own "framing format",
//! which Kafka does not use.
#![warn(clippy::arithmetic_side_effects)]

use std::cell::RefCell;

use bytes::Buf as _;
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::output::Output;
use super::{failed, too_large};
use crate::wire::WireError;
use crate::wire::record_batch::CodecId::Snappy;

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const XERIAL_HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Input per block; what Java writes, and what the encoder's tables are best at.
const BLOCK_BYTES: usize = 32 * 1024;
/// The most that a byte of snappy can stand for: a copy of 64 bytes takes three.
const MAX_EXPANSION: usize = 32;

thread_local! {
    static ENCODER: RefCell<Encoder> = RefCell::new(Encoder::new());
}

/// Blocks end with their segment: what lies in two pieces need not be joined first.
pub(super) fn compress<S: AsRef<[u8]>>(segments: &[S], out: &mut Output) -> Result<(), WireError> {
    out.extend(XERIAL_HEADER);
    ENCODER.with_borrow_mut(|encoder| {
        for block in segments.iter().flat_map(|segment| segment.as_ref().chunks(BLOCK_BYTES)) {
            let length_at = out.len();
            out.extend(&[0; 4]);
            let room = out.room(max_compress_len(block.len()));
            let size = encoder.compress(block, room).map_err(|error| failed(Snappy, error.to_string()))?;
            let length = i32::try_from(size).map_err(|_| failed(Snappy, "a block of more than 2 GiB"))?;
            out.advance(size);
            out.patch(length_at, length.to_be_bytes());
        }
        Ok(())
    })
}

pub(super) fn decompress(input: &[u8], allowance: usize) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    if !input.starts_with(MAGIC) {
        unpack_block(input, allowance, &mut out)?;
        return Ok(out);
    }
    let mut rest =
        input.get(XERIAL_HEADER.len()..).ok_or_else(|| failed(Snappy, "the header is cut short"))?;
    while !rest.is_empty() {
        let length = rest.try_get_i32().map_err(|_| failed(Snappy, "a block's length is cut short"))?;
        let length = usize::try_from(length).map_err(|_| failed(Snappy, "a block of negative length"))?;
        let (block, after) =
            rest.split_at_checked(length).ok_or_else(|| failed(Snappy, "a block is cut short"))?;
        unpack_block(block, allowance, &mut out)?;
        rest = after;
    }
    Ok(out)
}

/// Appends what a raw block holds. The block's own claim of its size is believed only as far as its bytes could
/// make it true.
fn unpack_block(block: &[u8], allowance: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let claimed = decompress_len(block).map_err(|error| failed(Snappy, error.to_string()))?;
    let start = out.len();
    let end = start.saturating_add(claimed);
    if end > allowance {
        return Err(too_large(Snappy, allowance));
    }
    if claimed > block.len().saturating_mul(MAX_EXPANSION) {
        return Err(failed(Snappy, format!("{} bytes cannot unpack to {claimed}", block.len())));
    }
    out.resize(end, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let size = Decoder::new().decompress(block, room).map_err(|error| failed(Snappy, error.to_string()))?;
    out.truncate(start.saturating_add(size));
    Ok(())
}
