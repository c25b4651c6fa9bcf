//! The CRC-32C of two pieces one after the other, from the CRCs of the pieces.
//!
//! **Why our own.** A batch's header is made when it is first sent, long after its body was checksummed (D-39), and the
//! two checksums are joined. What the `crc32c` crate has for it squares 32×32 bit matrices, 50 µs per batch, and
//! the driver would pay them: a fifth of all CPU. Appending n bytes multiplies a CRC, as a polynomial, by x^8n, and that
//! power is at most one multiplication per bit of n.
//!
//! Neighbours: [`super::record_batch`] is the only user. Not here: checksums of bytes, which are the crate's.

/// The Castagnoli polynomial without its highest term, lowest power in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial 1, in that order of bits.
const ONE: u32 = 1 << 31;
/// Bits in a length: no more powers are needed.
const POWERS: usize = usize::BITS as usize;

/// x^(8·2^k) for each k: what appending 2^k bytes multiplies by.
const POWERS_OF_A_BYTE: [u32; POWERS] = powers();

/// The CRC of the first piece followed by a second of `second_bytes`.
#[must_use]
pub fn crc_of_both(first: u32, second: u32, second_bytes: usize) -> u32 {
    let mut shifted = first;
    let mut rest = second_bytes;
    for power in POWERS_OF_A_BYTE {
        if rest == 0 {
            break;
        }
        if rest & 1 == 1 {
            shifted = product(shifted, power);
        }
        rest >>= 1;
    }
    shifted ^ second
}

/// The product of two polynomials over GF(2), modulo the CRC's.
const fn product(a: u32, b: u32) -> u32 {
    let mut product = 0;
    let mut b = b;
    let mut bit = ONE;
    while bit != 0 {
        // Without a branch: the bits of a CRC are as good as random.
        product ^= b & 0_u32.wrapping_sub((a & bit != 0) as u32);
        b = (b >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(b & 1));
        bit >>= 1;
    }
    product
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, and bounded by the loop")]
const fn powers() -> [u32; POWERS] {
    let mut powers = [0; POWERS];
    // x^8, then each the square of the one before.
    let mut power = ONE >> 8;
    let mut k = 0;
    while k < POWERS {
        powers[k] = power;
        power = product(power, power);
        k += 1;
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::*;

    // A wrong power at any bit of the length would make every broker refuse the batches of such lengths. Fails if the
    // joined checksum differs from that of the joined bytes.
    #[test]
    fn joining_checksums_is_checksumming_the_joined_bytes() {
        let bytes: Vec<u8> =
            (0_u32..70_000).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let head = crc32c::crc32c(&bytes[..40]);

        for length in [0, 1, 2, 3, 7, 8, 61, 255, 256, 1_023, 4_096, 65_535, 65_536, 69_960] {
            let tail = &bytes[40..40 + length];
            let joined = crc_of_both(head, crc32c::crc32c(tail), length);
            assert_eq!(joined, crc32c::crc32c(&bytes[..40 + length]), "{length} bytes");
        }
    }

    // The second opinion, for lengths that nobody wants to allocate. Fails if a high power is wrong.
    #[test]
    fn long_lengths_agree_with_the_checksum_crate() {
        for length in [1 << 20, (1 << 24) + 12_345, (1 << 31) - 1] {
            assert_eq!(
                crc_of_both(0x1234_5678, 0x9abc_def0, length),
                crc32c::crc32c_combine(0x1234_5678, 0x9abc_def0, length),
                "{length} bytes"
            );
        }
    }
}
