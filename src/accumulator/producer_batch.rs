//! A batch between its first record and its end: open segments, then sealed bytes.
//!
//! **Why sealed means frozen.** A retry must be byte-identical, or the broker does not recognise it (K7). So a sealed
//! batch is an immutable body and a summary; the 61 header bytes are made from the summary when identity and
//! sequence are stamped, and the body is never touched again \[IDEM-3\].
//!
//! Neighbours: [`super::partition_queue`] makes it, `engine::lane` keeps it until it is resolved. Not here: which
//! compression, which is the queue's setting.

use bytes::Bytes;

use crate::config::Compression;
use crate::identifiers::BatchNumber;
use crate::record::Header;
use crate::time::Instant;
use crate::wire::WireError;
use crate::wire::compression::{DecompressionLimits, codec_of, compressed};
use crate::wire::record_batch::{
    BATCH_HEADER_BYTES, BatchSummary, CodecId, RecordFields, append_record, body_crc, encode_header,
    record_size_bytes,
};
use crate::wire::record_batch_reader::BatchView;

/// Who takes a segment's memory back when the last reference to its bytes is gone.
///
/// Implemented by the runtime's pool. The reservation outlives every `Bytes` made from the segment, so a buffer can
/// never be reused while a socket or an undecided attempt still reads it (K14, the class of CVE-2026-35554).
pub trait MemoryOwner: Send + Sync + std::fmt::Debug {
    /// Takes back a reservation of `reserved_bytes`, and a buffer to be used again if its capacity is not zero.
    fn give_back(&self, buffer: Vec<u8>, reserved_bytes: usize);
}

/// A piece of an open batch's body: a buffer with a fixed capacity and its reservation.
#[derive(Debug)]
pub struct Segment {
    buffer: Vec<u8>,
    capacity_bytes: usize,
    /// What is charged to `buffer.memory` for it.
    reserved_bytes: usize,
    owner: Option<std::sync::Arc<dyn MemoryOwner>>,
    /// The buffer is of the pool's making and goes back there.
    is_pooled: bool,
}

impl Segment {
    /// A segment over `buffer`, whose reservation of `reserved_bytes` goes back to `owner` at the end. The buffer's
    /// capacity is at least that.
    #[must_use]
    pub fn new(
        buffer: Vec<u8>,
        reserved_bytes: usize,
        owner: Option<std::sync::Arc<dyn MemoryOwner>>,
    ) -> Self {
        Self { buffer, capacity_bytes: reserved_bytes, reserved_bytes, owner, is_pooled: true }
    }

    /// Bytes that still fit.
    #[must_use]
    pub fn spare_bytes(&self) -> usize {
        self.capacity_bytes - self.buffer.len()
    }

    /// Bytes that are filled.
    #[must_use]
    pub(crate) const fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The whole capacity.
    #[must_use]
    pub const fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    /// The bytes, to be appended to within [`Self::spare_bytes`].
    pub const fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// A segment that no account knows: the parts of a cut batch may exceed `buffer.memory` by that one batch (D-15).
    #[must_use]
    pub fn unaccounted(bytes: Vec<u8>) -> Self {
        Self { capacity_bytes: bytes.len(), buffer: bytes, reserved_bytes: 0, owner: None, is_pooled: false }
    }

    /// A segment of exactly these bytes, no more than this one's capacity. What they do not need of this one's reservation
    /// goes back at once, with its buffer.
    #[must_use]
    fn cut_to(mut self, bytes: &[u8]) -> Self {
        let reserved_bytes = self.reserved_bytes.min(bytes.len());
        self.reserved_bytes -= reserved_bytes;
        let owner = self.owner.clone();
        Self { capacity_bytes: bytes.len(), buffer: bytes.to_vec(), reserved_bytes, owner, is_pooled: false }
    }

    /// Puts `bytes`, no more than fit, in place of what it holds. If they need less than half of it, the rest goes back (D-33).
    #[must_use]
    fn refilled(mut self, bytes: &[u8]) -> Self {
        if bytes.len() < self.capacity_bytes / 2 {
            return self.cut_to(bytes);
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        self
    }

    /// Puts `bytes` in place of what `segments` hold, which is more; segments that they do not need go back. So a compressed
    /// batch needs no memory of its own.
    fn refill(segments: Vec<Self>, mut bytes: &[u8]) -> Vec<Bytes> {
        let mut body = Vec::with_capacity(segments.len());
        for segment in segments {
            let (piece, rest) = bytes.split_at(bytes.len().min(segment.capacity_bytes));
            if !piece.is_empty() {
                body.push(segment.refilled(piece).freeze());
            }
            bytes = rest;
        }
        body
    }

    /// Freezes the segment; the reservation goes with the bytes, and comes back with the last of them.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// use facteur::accumulator::producer_batch::{MemoryOwner, Segment};
    ///
    /// #[derive(Debug, Default)]
    /// struct Account(AtomicUsize);
    /// impl MemoryOwner for Account {
    ///     fn give_back(&self, _buffer: Vec<u8>, reserved_bytes: usize) {
    ///         self.0.fetch_add(reserved_bytes, Ordering::SeqCst);
    ///     }
    /// }
    ///
    /// let account = Arc::new(Account::default());
    /// let owner: Arc<dyn MemoryOwner> = account.clone();
    /// let batch = Segment::new(b"sealed".to_vec(), 6, Some(owner)).freeze();
    /// let under_the_socket = batch.slice(2..);
    /// drop(batch);
    /// assert_eq!((&*under_the_socket, account.0.load(Ordering::SeqCst)), (&b"aled"[..], 0));
    /// drop(under_the_socket);
    /// assert_eq!(account.0.load(Ordering::SeqCst), 6);
    /// ```
    ///
    /// So the mutant of K14, memory that is used again under a socket, cannot be written in safe code. Nobody can give a
    /// segment back, or write to it, once it is frozen:
    ///
    /// ```compile_fail,E0382
    /// # use facteur::accumulator::producer_batch::Segment;
    /// let segment = Segment::unaccounted(b"sealed".to_vec());
    /// let under_the_socket = segment.freeze();
    /// drop(segment);
    /// ```
    ///
    /// ```compile_fail,E0382
    /// # use facteur::accumulator::producer_batch::Segment;
    /// let mut segment = Segment::unaccounted(b"sealed".to_vec());
    /// let under_the_socket = segment.freeze();
    /// segment.buffer_mut().clear();
    /// ```
    ///
    /// Nor can the bytes themselves be written to:
    ///
    /// ```compile_fail,E0594
    /// # use facteur::accumulator::producer_batch::Segment;
    /// let mut under_the_socket = Segment::unaccounted(b"sealed".to_vec()).freeze();
    /// under_the_socket[0] = 0;
    /// ```
    #[must_use]
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Segment {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            let buffer = if self.is_pooled { std::mem::take(&mut self.buffer) } else { Vec::new() };
            owner.give_back(buffer, self.reserved_bytes);
        }
    }
}

/// A batch that takes no more records but is not yet compressed and checksummed: work for whoever sealed it.
#[derive(Debug)]
pub struct SealJob {
    /// The batch's number in its lane.
    pub number: BatchNumber,
    /// The records, as appended.
    pub body: Vec<Segment>,
    /// How many records.
    pub record_count: u32,
    /// Timestamp of the first record.
    pub base_timestamp_ms: i64,
    /// Largest timestamp.
    pub max_timestamp_ms: i64,
    /// Bytes of the body.
    pub body_bytes: usize,
    /// When the first record came; `delivery.timeout.ms` runs from here (D-18).
    pub created_at: Instant,
    /// The codec to use.
    pub compression: Compression,
}

/// A batch with its final bytes, waiting to be stamped and sent.
#[derive(Debug, Clone)]
pub struct SealedBatch {
    /// The batch's number in its lane.
    pub number: BatchNumber,
    /// Place of the first record within the batch as it was accepted; not 0 after a split.
    pub first_record: u32,
    /// What the header says.
    pub summary: BatchSummary,
    /// The records section, compressed if that made it smaller.
    pub body: Vec<Bytes>,
    /// Bytes of the records before compression.
    pub uncompressed_bytes: usize,
    /// When the first record came.
    pub created_at: Instant,
}

impl SealedBatch {
    /// Bytes on the wire: header and body.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.summary.body_size_bytes
    }

    /// Records in the batch.
    #[must_use]
    pub const fn record_count(&self) -> u32 {
        self.summary.record_count
    }
}

impl SealJob {
    /// Compresses and checksums. A payload that does not shrink goes out as it is, decided here once and for all, so
    /// that retries are identical (D-37).
    ///
    /// # Errors
    ///
    /// The codec's own failure; the records are certainly not sent then.
    pub fn run(mut self) -> Result<SealedBatch, Box<(Self, WireError)>> {
        let mut codec = CodecId::None;
        let mut body = Vec::new();
        if self.compression != Compression::None {
            let packed = match compressed(self.compression, &self.body) {
                Ok(packed) => packed,
                Err(error) => return Err(Box::new((self, error))),
            };
            if packed.len() < self.body_bytes {
                codec = codec_of(self.compression);
                body = Segment::refill(std::mem::take(&mut self.body), &packed);
            }
        }
        if codec == CodecId::None {
            body = self.body.into_iter().map(Segment::freeze).collect();
        }
        let summary = BatchSummary {
            codec,
            record_count: self.record_count,
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            body_size_bytes: body.iter().map(Bytes::len).sum(),
            body_crc: body_crc(&body),
            is_transactional: false,
        };
        Ok(SealedBatch {
            number: self.number,
            first_record: 0,
            summary,
            body,
            uncompressed_bytes: self.body_bytes,
            created_at: self.created_at,
        })
    }
}

/// Cuts a batch that the broker found too large into parts of at most half its size, in order (D-15).
///
/// The children are new batches: unstamped, uncounted by `buffer.memory`, with the parent's creation time, so that no
/// record gets a new deadline. `keep` says which records go along (D-16 leaves the refused ones out).
///
/// # Errors
///
/// The parent's own bytes cannot be read back: a defect of the codec. Nothing was sent.
pub fn split(
    parent: &SealedBatch,
    compression: Compression,
    target_bytes: usize,
    keep: impl Fn(u32) -> bool,
) -> Result<Vec<SealedBatch>, WireError> {
    let mut whole = Vec::with_capacity(parent.size_bytes());
    whole.extend_from_slice(&encode_header(&parent.summary, None));
    for part in &parent.body {
        whole.extend_from_slice(part);
    }
    let view = BatchView::parse(&Bytes::from(whole))?;
    let limits =
        DecompressionLimits { max_output_bytes: parent.uncompressed_bytes.max(1), max_ratio: usize::MAX };
    let mut children = Vec::new();
    let mut child = Child::new(parent.first_record);
    for (index, record) in (0_u32..).zip(view.records(&limits)?) {
        let record = record?;
        if !keep(index) {
            child.finish(parent, compression, &mut children)?;
            child = Child::new(parent.first_record + index + 1);
            continue;
        }
        let headers: Vec<Header<'_>> =
            record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let timestamp_ms = view.base_timestamp_ms.saturating_add(record.timestamp_delta_ms);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let size = record_size_bytes(&child.fields(timestamp_ms, key, value, &headers));
        // Looked at before the record goes in: a small record before a large one must not make a child as large as
        // its parent, which would be cut for ever.
        if child.count > 0 && child.body.len() + size > target_bytes {
            child.finish(parent, compression, &mut children)?;
            child = Child::new(parent.first_record + index);
        }
        child.push(timestamp_ms, key, value, &headers);
    }
    child.finish(parent, compression, &mut children)?;
    Ok(children)
}

/// A part of a split batch while it is filled.
struct Child {
    first_record: u32,
    count: u32,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    body: Vec<u8>,
}

impl Child {
    const fn new(first_record: u32) -> Self {
        Self { first_record, count: 0, base_timestamp_ms: 0, max_timestamp_ms: i64::MIN, body: Vec::new() }
    }

    fn fields<'a>(
        &self,
        timestamp_ms: i64,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a [Header<'a>],
    ) -> RecordFields<'a> {
        let base_timestamp_ms = if self.count == 0 { timestamp_ms } else { self.base_timestamp_ms };
        RecordFields {
            offset_delta: i32::try_from(self.count).unwrap_or(i32::MAX),
            timestamp_delta_ms: timestamp_ms.wrapping_sub(base_timestamp_ms),
            key,
            value,
            headers,
        }
    }

    fn push(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) {
        if self.count == 0 {
            self.base_timestamp_ms = timestamp_ms;
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        let fields = self.fields(timestamp_ms, key, value, headers);
        append_record(&mut self.body, &fields);
        self.count += 1;
    }

    fn finish(
        self,
        parent: &SealedBatch,
        compression: Compression,
        children: &mut Vec<SealedBatch>,
    ) -> Result<(), WireError> {
        if self.count == 0 {
            return Ok(());
        }
        let body_bytes = self.body.len();
        let job = SealJob {
            number: parent.number,
            body: vec![Segment::unaccounted(self.body)],
            record_count: self.count,
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            body_bytes,
            created_at: parent.created_at,
            compression,
        };
        let mut sealed = job.run().map_err(|failed| failed.1)?;
        sealed.first_record = self.first_record;
        children.push(sealed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Account(AtomicUsize);

    impl MemoryOwner for Account {
        fn give_back(&self, _buffer: Vec<u8>, reserved_bytes: usize) {
            self.0.fetch_add(reserved_bytes, Ordering::Relaxed);
        }
    }

    // D-33: a compressed batch lies in the segments of its records, and what it does not need goes back at once. Fails if bytes
    // are lost or out of order, or if a reservation is kept too long, given back twice, or lost.
    #[test]
    fn compressed_bytes_take_their_records_place() {
        let account = Arc::new(Account::default());
        let segment = |byte: u8| {
            let owner: Arc<dyn MemoryOwner> = Arc::<Account>::clone(&account);
            Segment::new(vec![byte; 100], 100, Some(owner))
        };
        let packed: Vec<u8> = (0..130).collect();

        let body = Segment::refill(vec![segment(1), segment(2), segment(3)], &packed);

        assert_eq!(body.iter().map(Bytes::len).collect::<Vec<_>>(), [100, 30]);
        assert_eq!(body.concat(), packed);
        let given_back = || account.0.load(Ordering::Relaxed);
        assert_eq!(given_back(), 70 + 100, "what the second does not need, and the third");
        drop(body);
        assert_eq!(given_back(), 300);
    }
}
