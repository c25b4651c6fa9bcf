//! The four codecs behind two functions: [`compress`] and [`decompress`].
//!
//! **Why contexts are kept.** A new context per batch costs up to 4.8 times the compression itself (gzip level 1 on
//! 16 KiB). Each thread that compresses keeps one per codec and level and reuses it, and the room that it writes to.
//!
//! **Why limits.** A few bytes can claim to unpack to gigabytes. [`DecompressionLimits`] are enforced while unpacking,
//! before memory is reserved.
//!
//! Every codec is pure Rust and can be compiled out (cargo features `gzip`, `snappy`, `lz4`, `zstd`); what is left is
//! an error that says so. Neighbours: whoever seals a batch, and [`super::record_batch_reader`]. Not here: the
//! decision whether a batch is worth compressing (the accumulator's).

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
mod output;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::output::Output;
use crate::config::Compression;
use crate::wire::WireError;
use crate::wire::record_batch::CodecId;

/// What may come out below this size is never refused for its ratio: honest batches of zeros shrink a thousandfold.
const RATIO_FREE_BYTES: usize = 4 * 1024 * 1024;

type LevelRange = RangeInclusive<i32>;
/// zlib's.
const GZIP_LEVELS: LevelRange = 1..=9;
/// Kafka's (`compression.zstd.level`), the same as zstd's.
const ZSTD_LEVELS: LevelRange = -131_072..=22;

/// A thread keeps its room for the next batch up to this: more than a batch of the default sizes at its largest.
const KEPT_OUTPUT_BYTES: usize = 2 * 1024 * 1024;

thread_local! {
    static OUTPUT: Cell<Output> = const { Cell::new(Output::new()) };
}

/// Bounds of what may come out of [`decompress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecompressionLimits {
    /// The most bytes that may come out.
    pub max_output_bytes: usize,
    /// The most bytes that may come out per byte that goes in, beyond the first 4 MiB.
    pub max_ratio: usize,
}

impl Default for DecompressionLimits {
    /// 64 MiB, and 1024 to one.
    fn default() -> Self {
        Self { max_output_bytes: 64 * 1024 * 1024, max_ratio: 1024 }
    }
}

impl DecompressionLimits {
    /// The most bytes that may come out of `input_bytes`.
    #[must_use]
    pub fn allowance(&self, input_bytes: usize) -> usize {
        input_bytes.saturating_mul(self.max_ratio).max(RATIO_FREE_BYTES).min(self.max_output_bytes)
    }
}

/// The codec of a setting.
#[must_use]
pub const fn codec_of(compression: Compression) -> CodecId {
    match compression {
        Compression::None => CodecId::None,
        Compression::Gzip(_) => CodecId::Gzip,
        Compression::Snappy => CodecId::Snappy,
        Compression::Lz4 => CodecId::Lz4,
        Compression::Zstd(_) => CodecId::Zstd,
    }
}

/// Whether the codec was compiled in.
#[must_use]
pub const fn is_available(codec: CodecId) -> bool {
    match codec {
        CodecId::None => true,
        CodecId::Gzip => cfg!(feature = "gzip"),
        CodecId::Snappy => cfg!(feature = "snappy"),
        CodecId::Lz4 => cfg!(feature = "lz4"),
        CodecId::Zstd => cfg!(feature = "zstd"),
    }
}

/// The levels that a codec has, `None` if it has no levels. A level outside is refused by the configuration, never
/// ignored: lz4's levels 2 to 17 need a compressor that does not exist in pure Rust.
#[must_use]
pub const fn supported_levels(codec: CodecId) -> Option<LevelRange> {
    match codec {
        CodecId::None | CodecId::Snappy | CodecId::Lz4 => None,
        CodecId::Gzip => Some(GZIP_LEVELS),
        CodecId::Zstd => Some(ZSTD_LEVELS),
    }
}

/// Appends the compressed form of `segments`, read one after the other, to `out`.
///
/// # Errors
/// [`WireError::Codec`] if the codec is not compiled in, lacks the level, or fails; `out` then has its old length.
pub fn compress<S: AsRef<[u8]>>(
    compression: Compression,
    segments: &[S],
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    out.extend_from_slice(&compressed(compression, segments)?);
    Ok(())
}

/// The compressed form of `segments`, read one after the other, in room that this thread keeps for the next.
///
/// # Errors
/// As [`compress`].
pub fn compressed<S: AsRef<[u8]>>(compression: Compression, segments: &[S]) -> Result<Compressed, WireError> {
    let mut out = OUTPUT.take();
    out.clear();
    // A codec that fails or panics does not give it back.
    guarded(codec_of(compression), || pack(compression, segments, &mut out))?;
    Ok(Compressed(out))
}

/// Compressed bytes. Dropping them makes room for the thread's next.
#[derive(Debug)]
pub struct Compressed(Output);

impl std::ops::Deref for Compressed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.written()
    }
}

impl Drop for Compressed {
    fn drop(&mut self) {
        let out = std::mem::replace(&mut self.0, Output::new());
        if out.capacity() <= KEPT_OUTPUT_BYTES {
            OUTPUT.set(out);
        }
    }
}

fn pack<S: AsRef<[u8]>>(compression: Compression, segments: &[S], out: &mut Output) -> Result<(), WireError> {
    match compression {
        Compression::None => {
            for segment in segments {
                out.extend(segment.as_ref());
            }
            Ok(())
        }
        #[cfg(feature = "gzip")]
        Compression::Gzip(level) => gzip::compress(level, segments, out),
        #[cfg(feature = "snappy")]
        Compression::Snappy => snappy::compress(segments, out),
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::compress(segments, out),
        #[cfg(feature = "zstd")]
        Compression::Zstd(level) => zstd::compress(level, &contiguous(segments), out),
        #[allow(unreachable_patterns, reason = "reachable when a codec is compiled out")]
        Compression::Gzip(_) | Compression::Snappy | Compression::Lz4 | Compression::Zstd(_) => {
            Err(not_compiled_in(codec_of(compression)))
        }
    }
}

/// Unpacks `input`.
///
/// # Errors
/// [`WireError::Codec`] if the codec is not compiled in, the bytes are not its format, or more would come out than
/// `limits` allow.
pub fn decompress(codec: CodecId, input: &[u8], limits: &DecompressionLimits) -> Result<Vec<u8>, WireError> {
    if input.is_empty() && codec != CodecId::None {
        // Every format has a header; some decoders take nothing for an empty result.
        return Err(failed(codec, "no bytes to unpack"));
    }
    let allowance = limits.allowance(input.len());
    guarded(codec, || unpack(codec, input, allowance))
}

fn unpack(codec: CodecId, input: &[u8], allowance: usize) -> Result<Vec<u8>, WireError> {
    match codec {
        CodecId::None if input.len() > allowance => Err(too_large(codec, allowance)),
        CodecId::None => Ok(input.to_vec()),
        #[cfg(feature = "gzip")]
        CodecId::Gzip => gzip::decompress(input, allowance),
        #[cfg(feature = "snappy")]
        CodecId::Snappy => snappy::decompress(input, allowance),
        #[cfg(feature = "lz4")]
        CodecId::Lz4 => lz4::decompress(input, allowance),
        #[cfg(feature = "zstd")]
        CodecId::Zstd => zstd::decompress(input, allowance),
        #[allow(unreachable_patterns, reason = "reachable when a codec is compiled out")]
        CodecId::Gzip | CodecId::Snappy | CodecId::Lz4 | CodecId::Zstd => Err(not_compiled_in(codec)),
    }
}

/// Runs a codec; a panic in it becomes an error. None is known, but some of these crates are young, and what they work
/// on may come from a stranger. Nothing of ours is left half-done: the caller takes back what was written, and each
/// codec begins by resetting its context or by taking it out of its place. (With `panic = "abort"` there is no rescue.)
fn guarded<T>(codec: CodecId, work: impl FnOnce() -> Result<T, WireError>) -> Result<T, WireError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(failed(codec, "the codec panicked")))
}

/// The segments as one slice; copied only if there are several.
#[cfg(feature = "zstd")]
fn contiguous<S: AsRef<[u8]>>(segments: &[S]) -> std::borrow::Cow<'_, [u8]> {
    use std::borrow::Cow;
    match segments {
        [] => Cow::Borrowed(&[]),
        [one] => Cow::Borrowed(one.as_ref()),
        several => {
            let mut whole = Vec::with_capacity(several.iter().map(|segment| segment.as_ref().len()).sum());
            for segment in several {
                whole.extend_from_slice(segment.as_ref());
            }
            Cow::Owned(whole)
        }
    }
}

fn failed(codec: CodecId, text: impl Into<String>) -> WireError {
    WireError::Codec { codec, text: text.into() }
}

fn too_large(codec: CodecId, allowance: usize) -> WireError {
    failed(codec, format!("more than {allowance} bytes would come out, which the limits do not allow"))
}

fn not_compiled_in(codec: CodecId) -> WireError {
    failed(codec, format!("this build of facteur has no {codec}: enable the cargo feature `{codec}`"))
}

/// Reads `source` to its end, at most `allowance` bytes, reserving no more than what has come out already.
#[cfg(any(feature = "gzip", feature = "lz4"))]
fn read_bounded(
    codec: CodecId,
    source: impl std::io::Read,
    input_bytes: usize,
    allowance: usize,
) -> Result<Vec<u8>, WireError> {
    use std::io::Read as _;
    let mut out = Vec::with_capacity(input_bytes.saturating_mul(4).min(allowance));
    let limit = u64::try_from(allowance).unwrap_or(u64::MAX).saturating_add(1);
    source.take(limit).read_to_end(&mut out).map_err(|error| failed(codec, error.to_string()))?;
    if out.len() > allowance {
        return Err(too_large(codec, allowance));
    }
    Ok(out)
}
