//! A cursor over bytes from a stranger: every read is checked, every length is measured against what is left.
//!
//! **Why our own.** A length on the wire is a claim. Decoders that reserve memory by such claims can be brought down
//! by five bytes; this one refuses a count as soon as the rest of the message could not hold that many elements, and
//! never reserves more than a small constant in advance. Slices that it hands out share the frame's memory.
//!
//! Neighbours: every decoder of [`crate::wire`]. Not here: the meaning of any field.
#![warn(clippy::arithmetic_side_effects)]

use bytes::Bytes;

use crate::wire::WireError;
use crate::wire::varint::{unzigzag, unzigzag_long};

/// Elements for which a decoder reserves memory before it has seen them; more are grown into.
const RESERVED_ELEMENTS: usize = 256;
/// Tagged fields that one structure may carry; Kafka knows four at most.
const MAX_TAGGED_FIELDS: u32 = 1_000;
/// Bytes of the longest varint: 5 times 7 bits hold 32.
const MAX_VARINT_BYTES: usize = 5;

/// The cursor. `flexible` selects between the two dialects of the protocol (KIP-482): compact lengths and tagged
/// fields, or fixed-width lengths and none.
#[derive(Debug, Clone)]
pub struct Reader {
    what: &'static str,
    bytes: Bytes,
    at: usize,
    is_flexible: bool,
}

impl Reader {
    /// A cursor at the beginning of `bytes`, in the old dialect; `what` names the message in errors.
    #[must_use]
    pub const fn new(what: &'static str, bytes: Bytes) -> Self {
        Self { what, bytes, at: 0, is_flexible: false }
    }

    /// The same cursor with the dialect chosen.
    #[must_use]
    pub const fn flexible(mut self, is_flexible: bool) -> Self {
        self.is_flexible = is_flexible;
        self
    }

    /// Which dialect is read.
    #[must_use]
    pub const fn is_flexible(&self) -> bool {
        self.is_flexible
    }

    /// Bytes that are left.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// How many bytes have been read.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// What is read, for errors made by the caller.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// The next `count` bytes, sharing memory with the source.
    ///
    /// # Errors
    /// [`WireError::Truncated`] if there are fewer.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<Bytes, WireError> {
        let end = self.end_of(count)?;
        let slice = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(slice)
    }

    /// Skips `count` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] if there are fewer.
    #[inline]
    pub fn skip(&mut self, count: usize) -> Result<(), WireError> {
        self.at = self.end_of(count)?;
        Ok(())
    }

    #[inline]
    fn end_of(&self, count: usize) -> Result<usize, WireError> {
        match self.at.checked_add(count) {
            Some(end) if end <= self.bytes.len() => Ok(end),
            _ => Err(self.truncated(count)),
        }
    }

    #[cold]
    fn truncated(&self, needed: usize) -> WireError {
        WireError::Truncated { what: self.what, at: self.at, needed, left: self.remaining() }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let Some(chunk) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>) else {
            return Err(self.truncated(N));
        };
        let chunk = *chunk;
        self.at = self.at.saturating_add(N);
        Ok(chunk)
    }

    /// One byte, signed.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    #[inline]
    pub fn i8(&mut self) -> Result<i8, WireError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// A boolean: any byte but 0 is true.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    pub fn bool(&mut self) -> Result<bool, WireError> {
        Ok(self.i8()? != 0)
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    #[inline]
    pub fn i16(&mut self) -> Result<i16, WireError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, WireError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Four bytes, big-endian, unsigned.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, WireError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end.
    pub fn uuid(&mut self) -> Result<[u8; 16], WireError> {
        self.array()
    }

    /// An unsigned varint of at most five bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end, [`WireError::BadVarint`] beyond 32 bits or five bytes.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let start = self.at;
        let value = self.unsigned_varlong()?;
        let bad = WireError::BadVarint { what: self.what, at: start };
        if self.at.saturating_sub(start) > MAX_VARINT_BYTES {
            // Kafka refuses one that is drawn out with empty bytes, too.
            return Err(bad);
        }
        u32::try_from(value).map_err(|_| bad)
    }

    /// An unsigned varlong of at most ten bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end, [`WireError::BadVarint`] beyond 64 bits.
    #[inline]
    pub fn unsigned_varlong(&mut self) -> Result<u64, WireError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // Nearly all varints of a record are one byte.
        if let Some(&first) = rest.first()
            && first < 0x80
        {
            self.at = self.at.saturating_add(1);
            return Ok(u64::from(first));
        }
        let mut value = 0_u64;
        for (index, &byte) in (0_u32..10).zip(rest) {
            // The tenth byte holds bit 63 and nothing else.
            if index == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << index.saturating_mul(7);
            if byte < 0x80 {
                self.at = self.at.saturating_add(index as usize).saturating_add(1);
                return Ok(value);
            }
        }
        if rest.len() < 10 {
            return Err(self.truncated(rest.len().saturating_add(1)));
        }
        Err(WireError::BadVarint { what: self.what, at: self.at })
    }

    /// A zigzag varint.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end, [`WireError::BadVarint`] beyond 32 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<i32, WireError> {
        self.unsigned_varint().map(unzigzag)
    }

    /// A zigzag varlong.
    ///
    /// # Errors
    /// [`WireError::Truncated`] at the end, [`WireError::BadVarint`] beyond 64 bits.
    #[inline]
    pub fn varlong(&mut self) -> Result<i64, WireError> {
        self.unsigned_varlong().map(unzigzag_long)
    }

    /// A length that was read as a signed number: `None` for -1.
    fn length(&self, length: i64) -> Result<Option<usize>, WireError> {
        if length == -1 {
            return Ok(None);
        }
        usize::try_from(length).map(Some).map_err(|_| WireError::NegativeLength {
            what: self.what,
            length,
            hint: "",
        })
    }

    /// The length of a string (16 bits in the old dialect) or of bytes and arrays (32 bits).
    fn long_length(&mut self) -> Result<Option<usize>, WireError> {
        if self.is_flexible {
            return self.compact_length();
        }
        let length = self.i32()?;
        self.length(i64::from(length))
    }

    fn compact_length(&mut self) -> Result<Option<usize>, WireError> {
        Ok((self.unsigned_varint()? as usize).checked_sub(1))
    }

    fn null(&self) -> WireError {
        WireError::UnexpectedNull { what: self.what, at: self.at }
    }

    /// A string that may be null.
    ///
    /// # Errors
    /// [`WireError`] if it is cut short or not UTF-8.
    pub fn nullable_string(&mut self) -> Result<Option<String>, WireError> {
        let length = if self.is_flexible {
            self.compact_length()?
        } else {
            let length = self.i16()?;
            self.length(i64::from(length))?
        };
        length.map(|length| self.utf8(length)).transpose()
    }

    /// A string.
    ///
    /// # Errors
    /// [`WireError`] if it is null, cut short or not UTF-8.
    pub fn string(&mut self) -> Result<String, WireError> {
        self.nullable_string()?.ok_or_else(|| self.null())
    }

    /// `length` bytes as a string.
    ///
    /// # Errors
    /// [`WireError`] if it is cut short or not UTF-8.
    pub fn utf8(&mut self, length: usize) -> Result<String, WireError> {
        let end = self.end_of(length)?;
        let text = self.bytes.get(self.at..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let text = text.ok_or(WireError::BadUtf8 { what: self.what, at: end })?.to_owned();
        self.at = end;
        Ok(text)
    }

    /// Bytes that may be null.
    ///
    /// # Errors
    /// [`WireError`] if they are cut short.
    pub fn nullable_bytes(&mut self) -> Result<Option<Bytes>, WireError> {
        let length = self.long_length()?;
        length.map(|length| self.take(length)).transpose()
    }

    /// A record's key, value or header value: a zigzag length, -1 for null.
    ///
    /// # Errors
    /// [`WireError`] if it is cut short.
    #[inline]
    pub fn varint_bytes(&mut self) -> Result<Option<Bytes>, WireError> {
        let length = self.varint()?;
        let length = self.length(i64::from(length))?;
        length.map(|length| self.take(length)).transpose()
    }

    /// The count of an array that may be null, refused if the rest could not hold that many elements of at least
    /// `min_element_bytes` each.
    ///
    /// # Errors
    /// [`WireError::BadCount`] for a count that cannot be true.
    pub fn nullable_array_count(&mut self, min_element_bytes: usize) -> Result<Option<usize>, WireError> {
        let at = self.at;
        let Some(count) = self.long_length()? else { return Ok(None) };
        self.check_count(at, count, min_element_bytes)?;
        Ok(Some(count))
    }

    /// As [`Self::nullable_array_count`], for an array that is always there.
    ///
    /// # Errors
    /// [`WireError::BadCount`] for a count that cannot be true, [`WireError::UnexpectedNull`] for null.
    pub fn array_count(&mut self, min_element_bytes: usize) -> Result<usize, WireError> {
        self.nullable_array_count(min_element_bytes)?.ok_or_else(|| self.null())
    }

    /// Refuses `count` if the rest could not hold that many elements.
    ///
    /// # Errors
    /// [`WireError::BadCount`].
    pub fn check_count(&self, at: usize, count: usize, min_element_bytes: usize) -> Result<(), WireError> {
        if count.saturating_mul(min_element_bytes.max(1)) > self.remaining() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            return Err(WireError::BadCount { what: self.what, at, count, left: self.remaining() });
        }
        Ok(())
    }

    /// An array: its count, checked, then each element by `read`.
    ///
    /// # Errors
    /// [`WireError::BadCount`] for a count that cannot be true, and whatever `read` says.
    pub fn array_of<T>(
        &mut self,
        min_element_bytes: usize,
        read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.array_count(min_element_bytes)?;
        self.elements(count, read)
    }

    /// As [`Self::array_of`], of which no honest peer sends more than `most` elements: each costs more memory than bytes,
    /// so that too many are refused before the first is read.
    ///
    /// # Errors
    /// As [`Self::array_of`], and [`WireError::Protocol`] for more elements.
    pub fn array_of_at_most<T>(
        &mut self,
        most: usize,
        min_element_bytes: usize,
        read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.clone().array_count(min_element_bytes)?;
        if count > most {
            let what = self.what;
            return Err(WireError::Protocol(format!("{what} with a list of {count}, more than {most}")));
        }
        self.array_of(min_element_bytes, read)
    }

    /// As [`Self::array_of`], with null read as empty.
    ///
    /// # Errors
    /// [`WireError::BadCount`] for a count that cannot be true, and whatever `read` says.
    pub fn nullable_array_of<T>(
        &mut self,
        min_element_bytes: usize,
        read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.nullable_array_count(min_element_bytes)?.unwrap_or(0);
        self.elements(count, read)
    }

    fn elements<T>(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let mut elements = Vec::with_capacity(count.min(RESERVED_ELEMENTS));
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(elements)
    }

    /// The tagged fields at the end of a structure, skipped; nothing in the old dialect.
    ///
    /// # Errors
    /// [`WireError`] if they are cut short or absurdly many.
    pub fn skip_tags(&mut self) -> Result<(), WireError> {
        self.tags(|_, _| Ok(()))
    }

    /// The tagged fields at the end of a structure, each handed to `read` as a cursor of its own; what `read` leaves
    /// is ignored, so unknown tags are skipped by not reading them. Nothing in the old dialect.
    ///
    /// # Errors
    /// [`WireError`] if they are cut short or absurdly many, and whatever `read` says.
    pub fn tags(
        &mut self,
        mut read: impl FnMut(u32, &mut Self) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        if !self.is_flexible {
            return Ok(());
        }
        let at = self.at;
        let count = self.unsigned_varint()?;
        if count > MAX_TAGGED_FIELDS || count as usize > self.remaining() {
            let left = self.remaining();
            return Err(WireError::BadCount { what: self.what, at, count: i64::from(count), left });
        }
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            let mut field = Self::new(self.what, self.take(size)?).flexible(true);
            read(tag, &mut field)?;
        }
        Ok(())
    }
}
