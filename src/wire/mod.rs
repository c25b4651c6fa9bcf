//! Bytes ⇄ typed messages, and nothing else: Kafka's wire formats as pure functions.
//!
//! **Why a layer of its own.** The engine decides and the runtime moves bytes; neither should know how a length is
//! spelt. Everything that comes from a peer passes through [`reader::Reader`], which checks before it reads and never
//! reserves memory because a peer said so, so hostile bytes end in a [`WireError`] and never in a panic or a bill.
//!
//! Neighbours: the accumulator appends with [`record_batch`], the engine stamps headers and reads answers through
//! [`api`], the runtime cuts frames with [`frame`], the embedded broker and the consumers read with
//! [`record_batch_reader`]. Not here: sockets, time, retries, and any judgement about an error code.
#![warn(clippy::indexing_slicing)]

pub mod api;
pub mod compression;
mod crc_of_both;
pub mod frame;
pub mod measured_record;
pub mod reader;
pub mod record_batch;
pub mod record_batch_reader;
pub mod varint;
pub mod writer;

use crate::wire::api::ApiKey;
use crate::wire::record_batch::CodecId;

/// What is wrong with bytes, or with a wish to make some: what, where, expected and found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end before the field does.
    #[error("{what}: cut short at byte {at}: {needed} more bytes were expected, {left} are left")]
    Truncated {
        /// The message or structure that was read.
        what: &'static str,
        /// Where in it.
        at: usize,
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes that there are.
        left: usize,
    },
    /// A frame's length prefix is beyond the limit: refused before anything was allocated.
    #[error("the peer announced a frame of {size} bytes, the limit is {limit}{hint}")]
    FrameTooLarge {
        /// The announced size.
        size: usize,
        /// The limit.
        limit: usize,
        /// What the bytes look like instead of Kafka, as the end of the sentence; may be empty.
        hint: &'static str,
    },
    /// A length is negative where none may be.
    #[error("{what}: negative length {length}{hint}")]
    NegativeLength {
        /// The message or structure that was read.
        what: &'static str,
        /// The length as it came.
        length: i64,
        /// What the bytes look like instead of Kafka, as the end of the sentence; may be empty.
        hint: &'static str,
    },
    /// A count is negative, or larger than the bytes that are left could hold.
    #[error("{what}: a count of {count} at byte {at} cannot be true: {left} bytes are left")]
    BadCount {
        /// The message or structure that was read.
        what: &'static str,
        /// Where in it.
        at: usize,
        /// The count as it came.
        count: i64,
        /// Bytes that there are.
        left: usize,
    },
    /// A varint has too many bytes or too many bits.
    #[error("{what}: the varint at byte {at} does not fit its type")]
    BadVarint {
        /// The message or structure that was read.
        what: &'static str,
        /// Where in it.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("{what}: the string that ends at byte {at} is not UTF-8")]
    BadUtf8 {
        /// The message or structure that was read.
        what: &'static str,
        /// Where in it.
        at: usize,
    },
    /// A field is null that may not be.
    #[error("{what}: null at byte {at}, where a value is required")]
    UnexpectedNull {
        /// The message or structure that was read.
        what: &'static str,
        /// Where in it.
        at: usize,
    },
    /// This crate does not speak that version of that API, or the peer and we have none in common.
    #[error("{api:?} version {version} is not supported; this crate speaks {}", api.supported_range())]
    UnsupportedVersion {
        /// The API.
        api: ApiKey,
        /// The version that was asked for.
        version: i16,
    },
    /// Not a record batch of format 2.
    #[error("record batch with magic {magic}, expected 2")]
    BadMagic {
        /// The magic as it came.
        magic: i8,
    },
    /// The checksum does not match the bytes.
    #[error("record batch with CRC {found:08x}, its bytes have {expected:08x}")]
    BadCrc {
        /// The CRC of the bytes.
        expected: u32,
        /// The CRC that the header claims.
        found: u32,
    },
    /// A codec failed, is not compiled in, or refuses the size of what would come out.
    #[error("{codec}: {text}")]
    Codec {
        /// The codec.
        codec: CodecId,
        /// What it said.
        text: String,
    },
    /// The bytes are well-formed and make no sense.
    #[error("{0}")]
    Protocol(String),
}
