//! Record batches that are ready before they are sent: only sequence and checksum are left open, and with a codec the packing.
//!
//! **The checksum.** It covers the sequence, so it is another one each time that a body is sent. To run over 128 KiB again
//! would be the greatest cost of a loop that does nothing but write. But a checksum is linear: that of a header and a body is
//! that of the header, moved over the body's length, xor that of the body. Moving is a matrix of 32 bits by 32, the same for
//! all bodies of one length, and is kept as four tables.
//!
//! **With a codec** each batch is compressed anew whenever it is sent, and its checksum runs over what came out. The encoder is
//! facteur's own, called as facteur calls it, because the encoder is what is measured. Everything else is written anew here:
//! a mistake would hide in both.
//!
//! Neighbours: `bin/peer-floor.rs` sends them. Not here: writing, and the window.

use crc32c::{crc32c, crc32c_append, crc32c_combine};
use facteur::config::Compression;
use facteur::wire::compression::{Compressed, codec_of, compressed};
use facteur_peers::Outcome;

const HEADER_BYTES: usize = 61;
const CHECKSUM_AT: std::ops::Range<usize> = 17..21;
/// What the checksum covers begins here.
const CHECKED_FROM: usize = 21;
const MAGIC: u8 = 2;
/// How far a codec lets facteur's batches grow beyond `batch.size`, and the reserve in its estimate of the ratio.
const MAX_COMPRESSION_GAIN: f64 = 8.0;
const RATIO_RESERVE: f64 = 1.05;

type Header = [u8; HEADER_BYTES];

/// What all whole batches of a run have in common.
#[derive(Debug)]
pub struct Shape {
    /// Of a whole batch.
    pub records: usize,
    body_bytes: usize,
    moved: Box<[[u32; 256]; 4]>,
}

/// A batch's records, encoded, without its header.
#[derive(Debug, Default)]
pub struct Batch {
    pub records: i32,
    pub bytes: Vec<u8>,
    checksum: u32,
}

impl Shape {
    /// As many records as fit, at least one. All values have one length.
    ///
    /// # Errors
    ///
    /// More bytes than a batch can have.
    pub fn of(values: &[Vec<u8>], batch_bytes: usize) -> Outcome<Self> {
        let mut bytes = Vec::new();
        let mut records = 0;
        for value in values.iter().cycle() {
            let before = bytes.len();
            write_record(&mut bytes, records, value);
            if records > 0 && HEADER_BYTES + bytes.len() > batch_bytes {
                bytes.truncate(before);
                break;
            }
            records += 1;
        }
        i32::try_from(HEADER_BYTES + bytes.len())?;
        let body_bytes = bytes.len();
        let mut moved = Box::new([[0_u32; 256]; 4]);
        for (place, table) in moved.iter_mut().enumerate() {
            for bit in 0..8 {
                let bit_moved = crc32c_combine(1 << (8 * place + bit), 0, body_bytes);
                let with_bit = table.iter_mut().enumerate().filter(|(byte, _)| byte >> bit & 1 == 1);
                with_bit.for_each(|(_, cell)| *cell ^= bit_moved);
            }
        }
        Ok(Self { records, body_bytes, moved })
    }

    /// The same with a codec: batches that have about so many bytes when compressed, as facteur estimates it.
    ///
    /// # Errors
    ///
    /// As [`Self::of`]; the codec fails.
    pub fn with_codec(values: &[Vec<u8>], batch_bytes: usize, codec: Compression) -> Outcome<Self> {
        let plain = Self::of(values, batch_bytes)?;
        if codec == Compression::None {
            return Ok(plain);
        }
        let body = plain.batch(values, 0)?.bytes;
        let ratio = compressed(codec, &[&body])?.len() as f64 / body.len() as f64;
        let gain = (1.0 / (ratio * RATIO_RESERVE)).clamp(1.0, MAX_COMPRESSION_GAIN);
        Self::of(values, (batch_bytes as f64 * gain) as usize)
    }

    /// A whole batch with the values from this one on, in a circle.
    ///
    /// # Errors
    ///
    /// The values are not of one length.
    pub fn batch(&self, values: &[Vec<u8>], from: usize) -> Outcome<Batch> {
        let turned = values.iter().cycle().skip(from % values.len());
        let batch = Batch::of(turned.take(self.records).map(Vec::as_slice))?;
        if batch.bytes.len() == self.body_bytes { Ok(batch) } else { Err("values of several lengths".into()) }
    }

    fn moved(&self, checksum: u32) -> u32 {
        let [a, b, c, d] = checksum.to_le_bytes().map(usize::from);
        self.moved[0][a] ^ self.moved[1][b] ^ self.moved[2][c] ^ self.moved[3][d]
    }
}

impl Batch {
    /// A batch of these values.
    ///
    /// # Errors
    ///
    /// More than a batch can have.
    pub fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Outcome<Self> {
        let mut bytes = Vec::new();
        let mut records = 0;
        for value in values {
            write_record(&mut bytes, records, value);
            records += 1;
        }
        Ok(Self { records: i32::try_from(records)?, checksum: crc32c(&bytes), bytes })
    }

    /// The header of this body as the batch of a producer (id and epoch) with a sequence.
    ///
    /// # Errors
    ///
    /// More bytes than a batch can have.
    pub fn header(&self, shape: &Shape, producer: (i64, i16), sequence: i32) -> Outcome<Header> {
        let mut header = self.unchecked_header(self.bytes.len(), 0, producer, sequence)?;
        let of_header = crc32c(&header[CHECKED_FROM..]);
        let checksum = if self.bytes.len() == shape.body_bytes {
            shape.moved(of_header) ^ self.checksum
        } else {
            crc32c_combine(of_header, self.checksum, self.bytes.len())
        };
        header[CHECKSUM_AT].copy_from_slice(&checksum.to_be_bytes());
        Ok(header)
    }

    /// Compresses the body: what to send instead of it, and its header.
    ///
    /// # Errors
    ///
    /// The codec fails, or more bytes than a batch can have.
    pub fn packed(
        &self,
        codec: Compression,
        producer: (i64, i16),
        sequence: i32,
    ) -> Outcome<(Header, Compressed)> {
        let body = compressed(codec, &[&self.bytes])?;
        let mut header = self.unchecked_header(body.len(), codec_of(codec).bits(), producer, sequence)?;
        let checksum = crc32c_append(crc32c(&header[CHECKED_FROM..]), &body);
        header[CHECKSUM_AT].copy_from_slice(&checksum.to_be_bytes());
        Ok((header, body))
    }

    /// All but the checksum.
    fn unchecked_header(
        &self,
        body_bytes: usize,
        attributes: i16,
        (producer_id, epoch): (i64, i16),
        sequence: i32,
    ) -> Outcome<Header> {
        let mut header = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            header[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&0_i64.to_be_bytes());
        put(&i32::try_from(HEADER_BYTES - 12 + body_bytes)?.to_be_bytes());
        put(&(-1_i32).to_be_bytes());
        put(&[MAGIC]);
        put(&[0; 4]);
        put(&attributes.to_be_bytes());
        put(&(self.records - 1).to_be_bytes());
        put(&TIMESTAMP_MS.to_be_bytes());
        put(&TIMESTAMP_MS.to_be_bytes());
        put(&producer_id.to_be_bytes());
        put(&epoch.to_be_bytes());
        put(&sequence.to_be_bytes());
        put(&self.records.to_be_bytes());
        Ok(header)
    }
}

/// Any time will do for the sink.
const TIMESTAMP_MS: i64 = 1_700_000_000_000;

fn write_record(bytes: &mut Vec<u8>, offset_delta: usize, value: &[u8]) {
    let mut body = Vec::with_capacity(value.len() + 16);
    // Attributes, timestamp delta.
    body.extend_from_slice(&[0, 0]);
    write_varint(&mut body, offset_delta as i64);
    write_varint(&mut body, -1);
    write_varint(&mut body, value.len() as i64);
    body.extend_from_slice(value);
    // No headers.
    body.push(0);
    write_varint(bytes, body.len() as i64);
    bytes.extend_from_slice(&body);
}

fn write_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    while rest >= 0x80 {
        bytes.push(rest as u8 & 0x7f | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use facteur::wire::compression::DecompressionLimits;
    use facteur::wire::record_batch_reader::BatchView;

    use super::*;

    const PRODUCER: (i64, i16) = (7, 1);

    fn values() -> Vec<Vec<u8>> {
        (0..100)
            .map(|number| format!("{{\"number\":{number:04},\"status\":\"pending\"}}").into_bytes())
            .collect()
    }

    /// The sink does not unpack; facteur's reader does.
    fn check(header: Header, body: &[u8], codec: Compression, expected: &[Vec<u8>]) {
        let bytes = [&header, body].concat();
        let view = BatchView::parse(&bytes.into()).unwrap();
        view.check_crc().unwrap();
        assert_eq!(view.codec().unwrap(), codec_of(codec));
        assert_eq!((view.producer_id, view.producer_epoch, view.base_sequence), (7, 1, 42));
        assert_eq!(view.last_offset_delta + 1, view.record_count);
        let records = view.records(&DecompressionLimits::default()).unwrap();
        let found: Vec<_> = records.map(|record| record.unwrap().value.unwrap().to_vec()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn batches_are_what_facteur_reads() {
        let values = values();
        let shape = Shape::of(&values, 1_000).unwrap();
        let whole = shape.batch(&values, 0).unwrap();
        let smaller = Batch::of(values[..3].iter().map(Vec::as_slice)).unwrap();
        for (batch, records) in [(whole, shape.records), (smaller, 3)] {
            let header = batch.header(&shape, PRODUCER, 42).unwrap();
            check(header, &batch.bytes, Compression::None, &values[..records]);
            for codec in [Compression::Gzip(6), Compression::Snappy, Compression::Lz4, Compression::Zstd(3)] {
                let (header, body) = batch.packed(codec, PRODUCER, 42).unwrap();
                check(header, &body, codec, &values[..records]);
            }
        }
    }

    #[test]
    fn with_a_codec_a_batch_grows_to_the_size_asked_for() {
        let values = values();
        let plain = Shape::of(&values, 2_000).unwrap();
        let codec = Compression::Zstd(3);
        let shape = Shape::with_codec(&values, 2_000, codec).unwrap();
        assert!(shape.records > plain.records && shape.body_bytes <= 8 * 2_000);
        assert_eq!(Shape::with_codec(&values, 2_000, Compression::None).unwrap().records, plain.records);
    }
}
