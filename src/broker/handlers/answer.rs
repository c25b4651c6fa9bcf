//! The bytes of an answer: a length, a header, fields, and record batches that are shared with the log.
//!
//! **Why chunks.** A Fetch answer may hold many megabytes of records. They are not copied: the answer is a list of byte
//! strings, some written here, some the log's own.
//!
//! Neighbours: each file of [`super`] writes one; [`crate::broker::server`] sends it. Not here: fields of any API.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;

use crate::wire::writer::Writer;

/// A whole frame, length prefix included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    chunks: Vec<Bytes>,
}

impl Answer {
    /// The frame, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The frame in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// An answer under construction; its fields are written through [`Writer`].
#[derive(Debug)]
pub(super) struct AnswerWriter {
    chunks: Vec<Bytes>,
    writer: Writer,
    is_flexible: bool,
}

impl AnswerWriter {
    /// Begins an answer; the header of a flexible one ends with tagged fields, of which there are none.
    pub(super) fn new(correlation_id: i32, has_flexible_header: bool, is_flexible: bool) -> Self {
        let mut writer = Writer::bare(is_flexible);
        writer.i32(correlation_id);
        if has_flexible_header {
            writer.raw(&[0]);
        }
        Self { chunks: Vec::new(), writer, is_flexible }
    }

    /// Bytes fields made of parts that are shared, not copied.
    pub(super) fn shared_bytes(&mut self, parts: Vec<Bytes>) {
        let size = parts.iter().map(Bytes::len).fold(0, usize::saturating_add);
        self.writer.length(Some(size));
        let written = std::mem::replace(&mut self.writer, Writer::bare(self.is_flexible));
        self.chunks.push(Bytes::from(written.into_bytes()));
        self.chunks.extend(parts);
    }

    /// An array of which each element writes itself with this writer.
    pub(super) fn array<T>(&mut self, elements: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.writer.length(Some(elements.len()));
        for element in elements {
            write(self, element);
        }
    }

    /// Ends the answer.
    pub(super) fn finish(mut self) -> Answer {
        self.chunks.push(Bytes::from(self.writer.into_bytes()));
        let size = self.chunks.iter().map(Bytes::len).fold(0, usize::saturating_add);
        let length = i32::try_from(size).unwrap_or(i32::MAX);
        let mut chunks = vec![Bytes::copy_from_slice(&length.to_be_bytes())];
        chunks.append(&mut self.chunks);
        Answer { chunks }
    }
}

impl Deref for AnswerWriter {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl DerefMut for AnswerWriter {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}
