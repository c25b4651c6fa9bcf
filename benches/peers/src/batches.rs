//! Record batches that are ready before they are sent: only sequence and checksum are left open.
//!
//! **The checksum.** It covers the sequence, so it is another one each time that a body is sent. To run over 128 KiB again
//! would be the greatest cost of a loop that does nothing but write. But a checksum is linear: that of a header and a body is
//! that of the header, moved over the body's length, xor that of the body. Moving is a matrix of 32 bits by 32, the same for
//! all bodies of one length, and is kept as four tables.
//!
//! Neighbours: `bin/peer-floor.rs` sends them. No code is shared with facteur: a mistake would hide in both.

use crc32c::{crc32c, crc32c_combine};
use facteur_peers::Outcome;

const HEADER_BYTES: usize = 61;
/// What the checksum covers begins here.
const CHECKED_FROM: usize = 21;
const MAGIC: u8 = 2;

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
    pub fn header(
        &self,
        shape: &Shape,
        (producer_id, epoch): (i64, i16),
        sequence: i32,
    ) -> Outcome<[u8; HEADER_BYTES]> {
        let mut header = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            header[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&0_i64.to_be_bytes());
        put(&i32::try_from(HEADER_BYTES - 12 + self.bytes.len())?.to_be_bytes());
        put(&(-1_i32).to_be_bytes());
        put(&[MAGIC]);
        put(&[0; 4]);
        put(&0_i16.to_be_bytes());
        put(&(self.records - 1).to_be_bytes());
        put(&TIMESTAMP_MS.to_be_bytes());
        put(&TIMESTAMP_MS.to_be_bytes());
        put(&producer_id.to_be_bytes());
        put(&epoch.to_be_bytes());
        put(&sequence.to_be_bytes());
        put(&self.records.to_be_bytes());
        let of_header = crc32c(&header[CHECKED_FROM..]);
        let checksum = if self.bytes.len() == shape.body_bytes {
            shape.moved(of_header) ^ self.checksum
        } else {
            crc32c_combine(of_header, self.checksum, self.bytes.len())
        };
        header[17..21].copy_from_slice(&checksum.to_be_bytes());
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
