//! gzip: one member, written with a context that is kept; any number of members read.
//!
//! **Why zlib-rs.** Pure Rust at the speed of C zlib. Neighbours: [`super`] dispatches. Not here: levels other than
//! 1 to 9, which `config` refuses.

use std::cell::RefCell;

use flate2::bufread::MultiGzDecoder;
use flate2::{Compress, FlushCompress, Status};

use super::output::Output;
use super::{failed, read_bounded};
use crate::wire::WireError;
use crate::wire::record_batch::CodecId::Gzip;

/// The largest window: 32 KiB.
const WINDOW_BITS: u8 = 15;
/// Room that the compressor is given at least while it runs.
const STEP_BYTES: usize = 16 * 1024;

thread_local! {
    /// The context of this thread and the level it was made for. One level at a time: a producer has one.
    static CONTEXT: RefCell<Option<(u8, Compress)>> = const { RefCell::new(None) };
}

pub(super) fn compress<S: AsRef<[u8]>>(level: u8, segments: &[S], out: &mut Output) -> Result<(), WireError> {
    if !(1..=9).contains(&level) {
        return Err(failed(Gzip, format!("level {level} does not exist, expected 1 to 9")));
    }
    CONTEXT.with_borrow_mut(|slot| {
        let (context_level, context) = slot.get_or_insert_with(|| (level, new_context(level)));
        if *context_level == level {
            context.reset();
        } else {
            (*context_level, *context) = (level, new_context(level));
        }
        for segment in segments {
            feed(context, segment.as_ref(), FlushCompress::None, out)?;
        }
        feed(context, &[], FlushCompress::Finish, out)
    })
}

fn new_context(level: u8) -> Compress {
    Compress::new_gzip(flate2::Compression::new(u32::from(level)), WINDOW_BITS)
}

/// Feeds `input` until it is taken, or with `Finish` until the stream ends.
fn feed(
    context: &mut Compress,
    mut input: &[u8],
    flush: FlushCompress,
    out: &mut Output,
) -> Result<(), WireError> {
    loop {
        let (taken_before, made_before) = (context.total_in(), context.total_out());
        let status = context
            .compress(input, out.room(STEP_BYTES), flush)
            .map_err(|error| failed(Gzip, error.to_string()))?;
        out.advance(usize::try_from(context.total_out().saturating_sub(made_before)).unwrap_or(usize::MAX));
        let taken = usize::try_from(context.total_in().saturating_sub(taken_before)).unwrap_or(usize::MAX);
        input = input.get(taken..).unwrap_or_default();
        match status {
            Status::StreamEnd => return Ok(()),
            Status::Ok | Status::BufError if input.is_empty() && !matches!(flush, FlushCompress::Finish) => {
                return Ok(());
            }
            Status::BufError if taken == 0 && context.total_out() == made_before => {
                // No progress with all that room: would loop for ever.
                return Err(failed(Gzip, "the compressor made no progress"));
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

pub(super) fn decompress(input: &[u8], allowance: usize) -> Result<Vec<u8>, WireError> {
    read_bounded(Gzip, MultiGzDecoder::new(input), input.len(), allowance)
}
