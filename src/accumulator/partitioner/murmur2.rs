//! murmur2 as Kafka's Java client computes it.
//!
//! **Why our own.** Thirty lines that must agree with Java bit for bit, seed and unsigned tail included, for keys to land
//! where other clients put them. Neighbours: [`super::partition_for_key`]. Not here: the modulus.

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// The hash of a key, signed as Java prints it.
#[must_use]
pub fn murmur2(key: &[u8]) -> i32 {
    // Java's lengths are 32 bits wide; a key is bounded by max.request.size, so nothing is cut in practice.
    let length = u32::try_from(key.len() & 0xffff_ffff).unwrap_or(u32::MAX);
    let (words, tail) = key.as_chunks::<4>();
    let mut hash = SEED ^ length;
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> R;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    if !tail.is_empty() {
        // Bytes are unsigned: a sign-extended tail moves every key that ends in a byte above 127.
        let rest = tail.iter().rev().fold(0, |rest, byte| (rest << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash.cast_signed()
}

/// Java's `toPositive`: the sign bit is masked. Not `abs`, which moves half of all keys.
#[must_use]
pub const fn positive(hash: i32) -> i32 {
    hash & 0x7fff_ffff
}
