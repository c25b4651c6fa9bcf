//! Reads record batches, format 2: for the embedded broker's validator, for consumers, for cutting a batch in two.
//!
//! **Why structural only.** Parsing answers one question, "where is what"; whether the CRC fits, the codec is allowed
//! or the counts agree is for the caller to judge, because a broker must refuse some batches with some codes and a
//! consumer must skip others. Records are read lazily, with their bytes shared rather than copied.
//!
//! Neighbours: [`super::record_batch`] is the inverse and has the layout; [`super::compression`] unpacks the body. Not
//! here: message formats 0 and 1, which no broker since 4.0 stores.
#![warn(clippy::arithmetic_side_effects)]

use bytes::Bytes;

use crate::wire::WireError;
use crate::wire::compression::{DecompressionLimits, decompress};
use crate::wire::reader::Reader;
use crate::wire::record_batch::{BATCH_HEADER_BYTES, CodecId, TRANSACTIONAL_BIT};

/// The bytes of a batch that its length field does not count: base offset and the length itself.
const LENGTH_FIELD_END: usize = 12;
/// The smallest record: seven fields of a byte each.
const MIN_RECORD_BYTES: usize = 7;
/// The smallest record header: two lengths.
const MIN_HEADER_BYTES: usize = 2;
/// Record headers for which memory is reserved before they are seen.
const RESERVED_HEADERS: usize = 16;

/// A batch's header, field by field, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchView {
    /// The offset of the first record; 0 from a producer.
    pub base_offset: i64,
    /// The epoch of the leader that wrote it; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// The checksum that the header claims.
    pub crc: u32,
    /// The attribute bits.
    pub attributes: i16,
    /// The last record's offset less the base offset.
    pub last_offset_delta: i32,
    /// The first record's timestamp.
    pub base_timestamp_ms: i64,
    /// The largest timestamp.
    pub max_timestamp_ms: i64,
    /// The producer's id, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The first record's sequence, or -1.
    pub base_sequence: i32,
    /// How many records the header claims.
    pub record_count: i32,
    /// The records, compressed if the attributes say so.
    pub body: Bytes,
    /// Bytes of the whole batch, header included.
    pub total_size_bytes: usize,
    /// Everything that the CRC covers: from the attributes on.
    covered: Bytes,
}

impl BatchView {
    /// The batch at the beginning of `bytes`; what follows it is left alone, see [`Self::total_size_bytes`].
    ///
    /// # Errors
    /// [`WireError`] if the batch is cut short, its length is impossible, or its magic is not 2.
    pub fn parse(bytes: &Bytes) -> Result<Self, WireError> {
        Self::read(&mut Reader::new("record batch", bytes.clone()))
    }

    /// The batch at the cursor, which is left behind it.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let base_offset = reader.i64()?;
        let length = reader.i32()?;
        let length = usize::try_from(length).map_err(|_| WireError::NegativeLength {
            what: "record batch",
            length: i64::from(length),
            hint: "",
        })?;
        let partition_leader_epoch = reader.i32()?;
        let magic = reader.i8()?;
        if magic != 2 {
            return Err(WireError::BadMagic { magic });
        }
        let total_size_bytes = length.saturating_add(LENGTH_FIELD_END);
        if total_size_bytes < BATCH_HEADER_BYTES {
            return Err(WireError::Protocol(format!(
                "record batch of {total_size_bytes} bytes, its header alone has {BATCH_HEADER_BYTES}"
            )));
        }
        let crc = reader.u32()?;
        // From here on everything is covered: the length less leader epoch, magic and crc.
        let covered = reader.take(length.saturating_sub(9))?;
        let mut fields = Reader::new("record batch", covered.clone());
        Ok(Self {
            base_offset,
            partition_leader_epoch,
            crc,
            attributes: fields.i16()?,
            last_offset_delta: fields.i32()?,
            base_timestamp_ms: fields.i64()?,
            max_timestamp_ms: fields.i64()?,
            producer_id: fields.i64()?,
            producer_epoch: fields.i16()?,
            base_sequence: fields.i32()?,
            record_count: fields.i32()?,
            body: fields.take(fields.remaining())?,
            total_size_bytes,
            covered,
        })
    }

    /// Whether the CRC is that of the bytes.
    #[must_use]
    pub fn crc_is_valid(&self) -> bool {
        self.computed_crc() == self.crc
    }

    /// The CRC of the bytes.
    #[must_use]
    pub fn computed_crc(&self) -> u32 {
        crc_fast::crc32_iscsi(&self.covered)
    }

    /// # Errors
    /// [`WireError::BadCrc`] with both values.
    pub fn check_crc(&self) -> Result<(), WireError> {
        let expected = self.computed_crc();
        if expected == self.crc { Ok(()) } else { Err(WireError::BadCrc { expected, found: self.crc }) }
    }

    /// How the body is compressed.
    ///
    /// # Errors
    /// [`WireError::Protocol`] for a codec number that means nothing.
    pub fn codec(&self) -> Result<CodecId, WireError> {
        CodecId::from_attributes(self.attributes)
    }

    /// Whether the batch belongs to a transaction (attribute bit 4).
    #[must_use]
    pub const fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch is a broker's marker rather than data (attribute bit 5).
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Whether the timestamps are the broker's (attribute bit 3, `LogAppendTime`) rather than the producer's.
    #[must_use]
    pub const fn is_log_append_time(&self) -> bool {
        self.attributes & 0x08 != 0
    }

    /// Whether the header carries a producer id.
    #[must_use]
    pub const fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// The offset of the last record.
    #[must_use]
    pub const fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta as i64)
    }

    /// The records, unpacked. The iterator ends after the first error; a record too few or bytes too many are errors.
    ///
    /// # Errors
    /// [`WireError`] if the codec is unknown, the body does not unpack within `limits`, or the count cannot be true.
    pub fn records(&self, limits: &DecompressionLimits) -> Result<RecordIter, WireError> {
        let body = match self.codec()? {
            CodecId::None => self.body.clone(),
            codec @ (CodecId::Gzip | CodecId::Snappy | CodecId::Lz4 | CodecId::Zstd) => {
                Bytes::from(decompress(codec, &self.body, limits)?)
            }
        };
        let reader = Reader::new("records", body);
        let bad_count = || WireError::BadCount {
            what: "records",
            at: 57,
            count: i64::from(self.record_count),
            left: reader.remaining(),
        };
        let count = usize::try_from(self.record_count).map_err(|_| bad_count())?;
        reader.check_count(57, count, MIN_RECORD_BYTES)?;
        Ok(RecordIter { reader, left: count, has_failed: false })
    }
}

/// One record, its bytes shared with the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView {
    /// Its offset less the batch's base offset.
    pub offset_delta: i32,
    /// Its timestamp less the batch's base timestamp.
    pub timestamp_delta_ms: i64,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value; `None` is null.
    pub value: Option<Bytes>,
    /// Headers, in order, repeated keys included.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// The records of a batch, in order.
#[derive(Debug, Clone)]
pub struct RecordIter {
    reader: Reader,
    left: usize,
    has_failed: bool,
}

impl Iterator for RecordIter {
    type Item = Result<RecordView, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let record = if self.left == 0 {
            let surplus = self.reader.remaining();
            (surplus > 0).then(|| {
                Err(WireError::Protocol(format!("{surplus} bytes follow the last record of the batch")))
            })
        } else {
            self.left = self.left.saturating_sub(1);
            Some(read_record(&mut self.reader))
        };
        self.has_failed = matches!(record, Some(Err(_)));
        record
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.saturating_add(1)))
    }
}

fn read_record(reader: &mut Reader) -> Result<RecordView, WireError> {
    let at = reader.position();
    let length = reader.varint()?;
    let length = usize::try_from(length).map_err(|_| WireError::NegativeLength {
        what: "record",
        length: i64::from(length),
        hint: "",
    })?;
    let mut fields = Reader::new("record", reader.take(length)?);
    fields.i8()?;
    let timestamp_delta_ms = fields.varlong()?;
    let offset_delta = fields.varint()?;
    let key = fields.varint_bytes()?;
    let value = fields.varint_bytes()?;
    let headers = read_headers(&mut fields)?;
    if fields.remaining() > 0 {
        return Err(WireError::Protocol(format!(
            "the record at byte {at} of its batch claims {} bytes more than its fields have",
            fields.remaining()
        )));
    }
    Ok(RecordView { offset_delta, timestamp_delta_ms, key, value, headers })
}

fn read_headers(reader: &mut Reader) -> Result<Vec<(String, Option<Bytes>)>, WireError> {
    let at = reader.position();
    let count = reader.varint()?;
    let count = usize::try_from(count).map_err(|_| WireError::BadCount {
        what: "record headers",
        at,
        count: i64::from(count),
        left: reader.remaining(),
    })?;
    reader.check_count(at, count, MIN_HEADER_BYTES)?;
    let mut headers = Vec::with_capacity(count.min(RESERVED_HEADERS));
    for _ in 0..count {
        let length = reader.varint()?;
        let length = usize::try_from(length).map_err(|_| WireError::NegativeLength {
            what: "record header key",
            length: i64::from(length),
            hint: "",
        })?;
        let key = reader.utf8(length)?;
        headers.push((key, reader.varint_bytes()?));
    }
    Ok(headers)
}

/// The batches of a Fetch answer or a log segment, in order. A last batch that is cut short is left out, as every
/// consumer does: brokers cut answers at a byte limit. Any other fault is returned, and ends the iteration.
#[must_use]
pub fn split_batches(bytes: Bytes) -> BatchIter {
    BatchIter { reader: Reader::new("record batches", bytes), has_ended: false }
}

/// See [`split_batches`].
#[derive(Debug, Clone)]
pub struct BatchIter {
    reader: Reader,
    has_ended: bool,
}

impl BatchIter {
    /// How many bytes the batches handed out so far take.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.reader.position()
    }
}

impl Iterator for BatchIter {
    type Item = Result<BatchView, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended || self.reader.remaining() == 0 {
            return None;
        }
        let mut ahead = self.reader.clone();
        let batch = BatchView::read(&mut ahead);
        match &batch {
            Ok(_) => self.reader = ahead,
            Err(_) => self.has_ended = true,
        }
        if matches!(batch, Err(WireError::Truncated { .. })) { None } else { Some(batch) }
    }
}
