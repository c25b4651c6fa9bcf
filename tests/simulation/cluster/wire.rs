//! The requests that a producer sends, read in place; and the answers, written by hand.
//!
//! **Why not `kafka-protocol`.** A run has about a millisecond, and a request is read a few hundred times in it: nothing
//! here allocates but the list of batches and the answer itself. The engine's own encoders are checked against
//! `kafka-protocol` elsewhere; a frame that this reader does not understand closes the connection, as a broker would.
//!
//! Neighbours: [`super::serving`] dispatches, [`super::produce`] answers Produce. Not here: what is answered.

use bytes::Bytes;

pub const PRODUCE: i16 = 0;
pub const METADATA: i16 = 3;
pub const API_VERSIONS: i16 = 18;
pub const INIT_PRODUCER_ID: i16 = 22;

/// The length of a batch's header.
pub const BATCH_HEADER_BYTES: usize = 61;

/// Reads fields from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    pub at: usize,
    pub is_flexible: bool,
}

impl<'a> Cursor<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, is_flexible: false }
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn uuid(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    pub fn unsigned_varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A zigzag varint.
    pub fn varint(&mut self) -> Option<i64> {
        let raw = self.unsigned_varint()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// A key or a value, which may be null.
    #[allow(clippy::option_option, reason = "cut short, null, and bytes are three things")]
    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.varint()?) {
            Ok(size) => Some(Some(self.take(size)?)),
            Err(_) => Some(None),
        }
    }

    /// A length: `None` in the inner option is null.
    #[allow(clippy::option_option, reason = "cut short, null, and a length are three things")]
    pub fn length(&mut self) -> Option<Option<usize>> {
        if self.is_flexible {
            return Some(usize::try_from(self.unsigned_varint()?).ok()?.checked_sub(1));
        }
        Some(usize::try_from(self.i32()?).ok())
    }

    /// A string or null, as bytes; null is empty.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = if self.is_flexible { self.length()? } else { usize::try_from(self.i16()?).ok() };
        self.take(length.unwrap_or(0))
    }

    pub fn tags(&mut self) -> Option<()> {
        if self.is_flexible {
            for _ in 0..self.unsigned_varint()? {
                self.unsigned_varint()?;
                let size = usize::try_from(self.unsigned_varint()?).ok()?;
                self.take(size)?;
            }
        }
        Some(())
    }
}

/// What stands before every request.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    pub api: i16,
    pub version: i16,
    pub correlation_id: i32,
}

impl Header {
    pub const fn is_flexible(self) -> bool {
        match self.api {
            PRODUCE | METADATA => self.version >= 9,
            API_VERSIONS => self.version >= 3,
            INIT_PRODUCER_ID => self.version >= 2,
            _ => false,
        }
    }
}

/// The header of a frame, and the cursor behind it.
pub fn read_header(frame: &[u8]) -> Option<(Header, Cursor<'_>)> {
    let mut cursor = Cursor::new(frame);
    let header = Header { api: cursor.i16()?, version: cursor.i16()?, correlation_id: cursor.i32()? };
    cursor.string()?;
    cursor.is_flexible = header.is_flexible();
    cursor.tags()?;
    Some((header, cursor))
}

/// A Produce request, flattened.
#[derive(Debug, Clone)]
pub struct ProduceRequest {
    pub acks: i16,
    pub timeout_ms: i32,
    pub topics: Vec<AskedTopic>,
    pub items: Vec<Item>,
}

/// How the request named a topic, and how many of the items are its.
#[derive(Debug, Clone)]
pub struct AskedTopic {
    pub name: Bytes,
    pub id: [u8; 16],
    pub count: usize,
}

/// One partition of the request.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its place in `topics`.
    pub topic: usize,
    pub partition: i32,
    pub records: Bytes,
    pub head: Option<BatchHead>,
}

pub fn read_produce(frame: &Bytes, version: i16, mut cursor: Cursor<'_>) -> Option<ProduceRequest> {
    let cursor = &mut cursor;
    cursor.string()?;
    let (acks, timeout_ms) = (cursor.i16()?, cursor.i32()?);
    let topic_count = cursor.length()?.unwrap_or(0);
    let mut request = ProduceRequest { acks, timeout_ms, topics: Vec::new(), items: Vec::new() };
    for topic in 0..topic_count {
        let mut asked = AskedTopic { name: Bytes::new(), id: [0; 16], count: 0 };
        if version >= 13 {
            asked.id = cursor.uuid()?;
        } else {
            let name = cursor.string()?;
            asked.name = frame.slice(cursor.at - name.len()..cursor.at);
        }
        asked.count = cursor.length()?.unwrap_or(0);
        for _ in 0..asked.count {
            let partition = cursor.i32()?;
            let size = cursor.length()?.unwrap_or(0);
            let bytes = cursor.take(size)?;
            let head = BatchHead::read(bytes);
            let records = frame.slice(cursor.at - size..cursor.at);
            request.items.push(Item { topic, partition, records, head });
            cursor.tags()?;
        }
        cursor.tags()?;
        request.topics.push(asked);
    }
    Some(request)
}

/// The header of a record batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHead {
    pub base_offset: i64,
    /// Bytes of the whole batch, as it claims.
    pub size: usize,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub max_timestamp_ms: i64,
    pub producer_id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl BatchHead {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let base_offset = cursor.i64()?;
        let length = usize::try_from(cursor.i32()?).ok()?;
        cursor.i32()?;
        let (magic, crc, attributes, last_offset_delta) =
            (cursor.i8()?, cursor.u32()?, cursor.i16()?, cursor.i32()?);
        cursor.i64()?;
        Some(Self {
            base_offset,
            size: length.checked_add(12)?,
            magic,
            crc,
            attributes,
            last_offset_delta,
            max_timestamp_ms: cursor.i64()?,
            producer_id: cursor.i64()?,
            epoch: cursor.i16()?,
            base_sequence: cursor.i32()?,
            count: cursor.i32()?,
        })
    }
}

/// A record, in place.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    pub offset_delta: i32,
    pub timestamp_delta_ms: i64,
    /// From its attributes to its headers.
    pub whole: &'a [u8],
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// Visits the records of an uncompressed batch, in order, until one makes no sense; none of a compressed one.
pub fn for_each_value(batch: &[u8], visit: impl FnMut(RawRecord<'_>)) -> Option<()> {
    let head = BatchHead::read(batch)?;
    if head.attributes & 7 != 0 {
        return None;
    }
    for_each_record(batch.get(BATCH_HEADER_BYTES..)?, head.count, visit)
}

/// Visits the records of a batch's body, unpacked.
pub fn for_each_record(body: &[u8], count: i32, mut visit: impl FnMut(RawRecord<'_>)) -> Option<()> {
    let mut cursor = Cursor::new(body);
    for _ in 0..count {
        let size = usize::try_from(cursor.varint()?).ok()?;
        let whole = cursor.take(size)?;
        let mut fields = Cursor::new(whole);
        fields.i8()?;
        let timestamp_delta_ms = fields.varint()?;
        let offset_delta = i32::try_from(fields.varint()?).ok()?;
        let key = fields.nullable()?;
        let value = fields.nullable()?;
        visit(RawRecord { offset_delta, timestamp_delta_ms, whole, key, value });
    }
    Some(())
}

/// Writes an answer: no length prefix.
#[derive(Debug)]
pub struct Answer {
    pub bytes: Vec<u8>,
    is_flexible: bool,
}

impl Answer {
    pub fn to(header: Header) -> Self {
        let mut answer = Self { bytes: Vec::with_capacity(128), is_flexible: header.is_flexible() };
        answer.i32(header.correlation_id);
        if header.api != API_VERSIONS {
            answer.tags();
        }
        answer
    }

    /// Fields of the new dialect without a header.
    pub const fn flexible() -> Self {
        Self { bytes: Vec::new(), is_flexible: true }
    }

    /// The answer in the old dialect, whatever was asked.
    pub fn plain(mut self) -> Self {
        self.is_flexible = false;
        self
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    pub fn unsigned_varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub fn length(&mut self, length: usize) {
        if self.is_flexible { self.unsigned_varint(length + 1) } else { self.i32(length as i32) }
    }

    pub fn string(&mut self, text: &[u8]) {
        if self.is_flexible {
            self.unsigned_varint(text.len() + 1);
        } else {
            self.i16(text.len() as i16);
        }
        self.raw(text);
    }

    pub fn null_string(&mut self) {
        if self.is_flexible { self.bytes.push(0) } else { self.i16(-1) }
    }

    pub fn tags(&mut self) {
        if self.is_flexible {
            self.bytes.push(0);
        }
    }

    pub fn finish(self) -> Bytes {
        Bytes::from(self.bytes)
    }
}
