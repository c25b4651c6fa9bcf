//! Variable-length integers: read as a second, plainer reader reads them, and written back in the size that was said.

use bytes::Bytes;
use facteur::wire::reader::Reader;
use facteur::wire::varint::{
    put_unsigned_varint, put_unsigned_varlong, put_varint, put_varlong, size_of_unsigned_varint,
    size_of_unsigned_varlong, size_of_varint, size_of_varlong, unzigzag, unzigzag_long, zigzag, zigzag_long,
};

/// The value and its bytes, in 128 bits, or nothing if it is cut short, too long or too large.
fn plain(data: &[u8], most_bytes: usize, bits: u32) -> Option<(u64, usize)> {
    let mut value = 0_u128;
    for (place, byte) in data.iter().take(most_bytes).enumerate() {
        value |= u128::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return (value < 1 << bits).then(|| (u64::try_from(value).expect("64 bits"), place + 1));
        }
    }
    None
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let reader = || Reader::new("varint", Bytes::copy_from_slice(data));
    let (mut short, mut long) = (reader(), reader());
    let (found, found_long) = (short.unsigned_varint().ok(), long.unsigned_varlong().ok());
    assert_eq!(found.map(|value| (u64::from(value), short.position())), plain(data, 5, 32), "varint");
    assert_eq!(found_long.map(|value| (value, long.position())), plain(data, 10, 64), "varlong");
    assert_eq!(reader().varint().ok(), found.map(unzigzag));
    assert_eq!(reader().varlong().ok(), found_long.map(unzigzag_long));
    if let Some(value) = found {
        written_back(value);
    }
    if let Some(value) = found_long {
        written_back_long(value);
    }
}

fn written_back(value: u32) {
    let mut buffer = Vec::new();
    put_unsigned_varint(&mut buffer, value);
    assert_eq!(buffer.len(), size_of_unsigned_varint(value));
    assert_eq!(plain(&buffer, 5, 32), Some((u64::from(value), buffer.len())));
    let signed = unzigzag(value);
    assert_eq!(zigzag(signed), value);
    let mut folded = Vec::new();
    put_varint(&mut folded, signed);
    assert_eq!((folded.len(), &folded), (size_of_varint(signed), &buffer));
}

fn written_back_long(value: u64) {
    let mut buffer = Vec::new();
    put_unsigned_varlong(&mut buffer, value);
    assert_eq!(buffer.len(), size_of_unsigned_varlong(value));
    assert_eq!(plain(&buffer, 10, 64), Some((value, buffer.len())));
    let signed = unzigzag_long(value);
    assert_eq!(zigzag_long(signed), value);
    let mut folded = Vec::new();
    put_varlong(&mut folded, signed);
    assert_eq!((folded.len(), &folded), (size_of_varlong(signed), &buffer));
}
