//! Record batches for tests, right or wrong on purpose.

use bytes::Bytes;
use facteur::identifiers::ProducerIdentity;
use facteur::wire::compression::compress;
use facteur::wire::record_batch::{
    BatchSummary, ProducerStamp, RecordFields, append_record, body_crc, encode_header,
};
use facteur::{Compression, Record};

/// A batch to be built.
#[derive(Debug, Clone)]
pub struct Batch {
    pub identity: Option<(i64, i16, i32)>,
    pub records: u32,
    pub timestamp_ms: i64,
    pub compression: Compression,
    pub key: Option<&'static [u8]>,
    pub value_bytes: usize,
    /// Keys and values, instead of records that are all alike.
    pub contents: Vec<Pair>,
    pub lie: Lie,
}

/// A record's key and value; `None` is null.
pub type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What is wrong with it.
#[allow(dead_code, reason = "each test target that has this file tells other lies")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    Nothing,
    Crc,
    /// Overwrites header bytes; the CRC fits.
    Header(usize, &'static [u8]),
    /// The batch stands there twice.
    Twice,
    Empty,
}

/// The time of a batch that says nothing about it: now, so that no broker finds it too old or too new.
pub fn wall_ms() -> i64 {
    #[allow(clippy::disallowed_methods, reason = "a real broker compares with its own clock")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

impl Batch {
    /// `records` records without a producer.
    pub fn plain(records: u32) -> Self {
        Self {
            identity: None,
            records,
            timestamp_ms: wall_ms(),
            compression: Compression::None,
            key: None,
            value_bytes: 10,
            contents: Vec::new(),
            lie: Lie::Nothing,
        }
    }

    /// The sequences `first..first + records` of a producer.
    pub fn of(producer_id: i64, epoch: i16, first: i32, records: u32) -> Self {
        Self { identity: Some((producer_id, epoch, first)), ..Self::plain(records) }
    }

    /// Records with these keys and values; an empty value is a tombstone.
    pub fn table(pairs: &[(&str, &str)]) -> Self {
        let pair = |(key, value): &(&str, &str)| {
            let value = (!value.is_empty()).then(|| value.as_bytes().to_vec());
            (Some(key.as_bytes().to_vec()), value)
        };
        Self::containing(&pairs.iter().map(pair).collect::<Vec<_>>())
    }

    /// Records with these keys and values.
    pub fn containing(contents: &[Pair]) -> Self {
        Self { contents: contents.to_vec(), ..Self::plain(u32::try_from(contents.len()).unwrap()) }
    }

    /// The same from a producer.
    pub fn by(self, producer_id: i64, epoch: i16, first: i32) -> Self {
        Self { identity: Some((producer_id, epoch, first)), ..self }
    }

    pub fn at(self, timestamp_ms: i64) -> Self {
        Self { timestamp_ms, ..self }
    }

    pub fn lie(self, lie: Lie) -> Self {
        Self { lie, ..self }
    }

    pub fn compressed(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    pub fn key(self, key: &'static [u8]) -> Self {
        Self { key: Some(key), ..self }
    }

    pub fn sized(self, value_bytes: usize) -> Self {
        Self { value_bytes, ..self }
    }

    /// The bytes. Record `i` has the timestamp of the batch plus `i` ms.
    pub fn bytes(&self) -> Vec<u8> {
        let value = vec![b'v'; self.value_bytes];
        let mut plain = Vec::new();
        for index in 0..self.records {
            let record = Record::of(&value);
            let pair = self.contents.get(usize::try_from(index).unwrap());
            append_record(
                &mut plain,
                &RecordFields {
                    offset_delta: i32::try_from(index).unwrap(),
                    timestamp_delta_ms: i64::from(index),
                    key: pair.map_or(self.key, |(key, _)| key.as_deref()),
                    value: pair.map_or(record.value, |(_, value)| value.as_deref()),
                    headers: &[],
                },
            );
        }
        let mut body = Vec::new();
        compress(self.compression, &[Bytes::from(plain)], &mut body).unwrap();
        let summary = BatchSummary {
            codec: facteur::wire::compression::codec_of(self.compression),
            record_count: self.records,
            base_timestamp_ms: self.timestamp_ms,
            max_timestamp_ms: self.timestamp_ms + i64::from(self.records.saturating_sub(1)),
            body_size_bytes: body.len(),
            body_crc: body_crc(&[Bytes::copy_from_slice(&body)]),
            is_transactional: false,
        };
        let stamp = self.identity.map(|(producer_id, epoch, base_sequence)| ProducerStamp {
            identity: ProducerIdentity { producer_id, epoch },
            base_sequence,
        });
        let mut bytes = encode_header(&summary, stamp).to_vec();
        bytes.extend_from_slice(&body);
        apply(self.lie, &mut bytes);
        bytes
    }
}

fn apply(lie: Lie, bytes: &mut Vec<u8>) {
    match lie {
        Lie::Nothing => {}
        Lie::Crc => bytes[17] ^= 0xff,
        Lie::Header(at, field) => {
            bytes[at..at + field.len()].copy_from_slice(field);
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        Lie::Twice => {
            let copy = bytes.clone();
            bytes.extend_from_slice(&copy);
        }
        Lie::Empty => bytes.clear(),
    }
}
