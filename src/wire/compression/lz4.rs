//! lz4: one frame of independent 64 KiB blocks, no checksums, no content size; any legal frame is read.
//!
//! ```text
//! 04 22 4d 18   magic
//! 60 40 82      FLG (version 1, independent blocks), BD (64 KiB), header checksum
//! then blocks: size (u32, little-endian; high bit: stored as is), bytes; end mark 0
//! ```
//!
//! **Why the frame is ours.** Brokers demand independent blocks, and `lz4_flex`'s frame encoder makes a new context
//! and copies the input for each batch; its block function with a kept table is 1.7 times as fast on 16 KiB.
//! Neighbours: [`super`] dispatches. Not here: levels: the slow compressor (HC) does not exist in pure Rust.
#![warn(clippy::arithmetic_side_effects)]

use std::cell::RefCell;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use lz4_flex::frame::FrameDecoder;

use super::output::Output;
use super::{failed, read_bounded};
use crate::wire::WireError;
use crate::wire::record_batch::CodecId::Lz4;

const FRAME_HEADER: &[u8; 7] = b"\x04\x22\x4d\x18\x60\x40\x82";
const END_MARK: [u8; 4] = [0; 4];
/// Input per block, as BD says.
const BLOCK_BYTES: usize = 64 * 1024;
/// The high bit of a block's size: the block is stored as is.
const STORED: u32 = 0x8000_0000;

thread_local! {
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::large());
}

/// Blocks end with their segment: what lies in two pieces need not be joined first.
pub(super) fn compress<S: AsRef<[u8]>>(segments: &[S], out: &mut Output) -> Result<(), WireError> {
    out.extend(FRAME_HEADER);
    TABLE.with_borrow_mut(|table| {
        for block in segments.iter().flat_map(|segment| segment.as_ref().chunks(BLOCK_BYTES)) {
            compress_block(table, block, out)?;
        }
        out.extend(&END_MARK);
        Ok(())
    })
}

fn compress_block(table: &mut CompressTable, block: &[u8], out: &mut Output) -> Result<(), WireError> {
    let size_at = out.len();
    out.extend(&[0; 4]);
    let room = out.room(get_maximum_output_size(block.len()));
    let size =
        compress_into_with_table(block, room, table).map_err(|error| failed(Lz4, error.to_string()))?;
    let field = if size < block.len() {
        out.advance(size);
        u32::try_from(size).unwrap_or(u32::MAX)
    } else {
        // A block that does not shrink is stored: it must not be larger than BD says.
        out.extend(block);
        u32::try_from(block.len()).unwrap_or(u32::MAX) | STORED
    };
    out.patch(size_at, field.to_le_bytes());
    Ok(())
}

pub(super) fn decompress(input: &[u8], allowance: usize) -> Result<Vec<u8>, WireError> {
    read_bounded(Lz4, FrameDecoder::new(input), input.len(), allowance)
}
