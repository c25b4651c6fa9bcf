//! Sequence numbers: how a broker recognises a batch that it has seen.
//!
//! **Why unwrapped.** On the wire a sequence is 31 bits and wraps from 2147483647 to 0 (KAFKA-7693). Inside the
//! producer it is a `u64` that never wraps, so "earlier" and "later" are plain comparisons; it is folded once, in
//! [`Sequence::to_wire`], when a header is stamped \[IDEM-2\]. Neighbours: `engine::partition_sequences` counts with
//! it, `wire::record_batch` writes it. Not here: the broker's own arithmetic on folded numbers.

use std::fmt;

/// A position in a lane's sequence space; counts records, not batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(u64);

impl Sequence {
    /// The first sequence of every identity.
    pub const ZERO: Self = Self(0);

    /// A sequence from an unwrapped count.
    #[must_use]
    pub const fn new(unwrapped: u64) -> Self {
        Self(unwrapped)
    }

    /// The unwrapped count.
    #[must_use]
    pub const fn unwrapped(self) -> u64 {
        self.0
    }

    /// The sequence of the record that follows `records` records from here.
    #[must_use]
    pub const fn advance(self, records: u32) -> Self {
        Self(self.0 + records as u64)
    }

    /// The number as it travels: modulo 2^31.
    ///
    /// ```
    /// use facteur::sequence::Sequence;
    /// assert_eq!(Sequence::new(2_147_483_647).advance(1).to_wire(), 0);
    /// ```
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the mask leaves 31 bits")]
    pub const fn to_wire(self) -> i32 {
        (self.0 & 0x7fff_ffff) as i32
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_wire())
    }
}

/// `sequence + records` on the wire's 31 bits: 2147483647 is followed by 0.
///
/// Used by the embedded broker, which only ever sees folded numbers.
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "the mask leaves 31 bits")]
#[allow(clippy::cast_sign_loss, reason = "wire sequences that reach here are not negative")]
pub const fn wire_add(sequence: i32, records: i32) -> i32 {
    ((sequence as i64 + records as i64) & 0x7fff_ffff) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    // The wrap was broken in Java, franz-go (twice) and kfake. Fails if the modulus is 2^31 - 1 or the sum overflows.
    #[test]
    fn sequences_wrap_at_two_to_the_thirty_one() {
        assert_eq!(wire_add(i32::MAX, 1), 0);
        assert_eq!(wire_add(i32::MAX, 100), 99);
        assert_eq!(wire_add(2_147_483_640, 7), i32::MAX);
        assert_eq!(wire_add(2_147_483_640, 8), 0);
        assert_eq!(Sequence::new(u64::from(u32::MAX) * 8).advance(8).to_wire(), 0);
    }
}
