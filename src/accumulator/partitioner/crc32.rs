//! The CRC-32 (IEEE) by which librdkafka's default partitioner places keys.
//!
//! **Why it exists.** Confluent's .NET, Python and Go clients and rust-rdkafka place keys by it; a topic that they write
//! too needs the same. Neighbours: [`super::KeyHash`]. Not here: the checksum of record batches, which is CRC-32C.

/// The checksum of a key.
#[must_use]
pub fn crc32(key: &[u8]) -> u32 {
    crc32fast::hash(key)
}
