//! Variable-length integers: zigzag in records, unsigned in flexible messages.
//!
//! **Why two kinds.** Records (magic 2) use zigzag, so that -1 (null) is one byte; flexible request fields (KIP-482)
//! use the unsigned form and shift lengths by one instead. Mixing them up yields plausible nonsense, so each has its
//! own name. Neighbours: [`super::record_batch`] writes them on the hot path, [`super::reader`] reads them with
//! checks. Not here: reading.

/// Folds the sign into the lowest bit: 0, -1, 1, -2 … become 0, 1, 2, 3 …
#[must_use]
#[inline]
pub const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

/// As [`zigzag`], for 64 bits.
#[must_use]
#[inline]
pub const fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
#[must_use]
#[inline]
pub const fn unzigzag(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// The inverse of [`zigzag_long`].
#[must_use]
#[inline]
pub const fn unzigzag_long(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Bytes of an unsigned varint: 1 to 5.
#[must_use]
#[inline]
pub const fn size_of_unsigned_varint(value: u32) -> usize {
    sevens(32 - (value | 1).leading_zeros() as usize)
}

/// Bytes of an unsigned varlong: 1 to 10.
#[must_use]
#[inline]
pub const fn size_of_unsigned_varlong(value: u64) -> usize {
    sevens(64 - (value | 1).leading_zeros() as usize)
}

/// `bits.div_ceil(7)` for 1 to 64 bits, by 9/64 instead of 1/7: a shift, where a division becomes several instructions.
const fn sevens(bits: usize) -> usize {
    (bits * 9 + 64) >> 6
}

/// Bytes of a zigzag varint: 1 to 5.
#[must_use]
#[inline]
pub const fn size_of_varint(value: i32) -> usize {
    size_of_unsigned_varint(zigzag(value))
}

/// Bytes of a zigzag varlong: 1 to 10.
#[must_use]
#[inline]
pub const fn size_of_varlong(value: i64) -> usize {
    size_of_unsigned_varlong(zigzag_long(value))
}

/// Appends a zigzag varint.
#[inline]
pub fn put_varint(buffer: &mut Vec<u8>, value: i32) {
    put_unsigned_varint(buffer, zigzag(value));
}

/// Appends a zigzag varlong.
#[inline]
pub fn put_varlong(buffer: &mut Vec<u8>, value: i64) {
    put_unsigned_varlong(buffer, zigzag_long(value));
}

/// Appends an unsigned varint.
#[inline]
pub fn put_unsigned_varint(buffer: &mut Vec<u8>, value: u32) {
    put_unsigned_varlong(buffer, u64::from(value));
}

/// Appends an unsigned varlong.
#[inline]
pub fn put_unsigned_varlong(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    buffer.push(low_byte(value));
}

#[allow(clippy::cast_possible_truncation, reason = "the mask leaves seven bits")]
const fn low_byte(value: u64) -> u8 {
    (value & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    // Fails if a size is wrong for any number of bits.
    #[test]
    fn nine_64ths_are_a_seventh() {
        for bits in 1..=64_usize {
            assert_eq!(super::sevens(bits), bits.div_ceil(7), "{bits} bits");
        }
    }
}
