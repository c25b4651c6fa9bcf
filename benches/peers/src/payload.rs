//! Values that look like an application's: text that repeats itself a little, different in every record.

/// Bytes of all values: what fits into a cache, so that reading them costs every client little.
pub const PLAIN_BYTES: usize = 1_000_000;
/// With a codec: more than any client puts into one batch, which would hold values twice and pack the second for nothing.
pub const PACKED_BYTES: usize = 2_000_000;

/// About `total` bytes of values of this size, one after the other. The same on every machine and in every run.
#[must_use]
pub fn values(size: usize, total: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "order",
        "customer",
        "amount",
        "currency",
        "EUR",
        "paid",
        "shipped",
        "address",
        "street",
        "city",
        "invoice",
        "created",
        "updated",
        "status",
        "pending",
        "reference",
    ];
    let count = (total / size).clamp(64, 4_096);
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut all = Vec::with_capacity(count * size);
    for number in 0..count {
        let end = all.len() + size;
        all.extend_from_slice(format!("{{\"id\":{number},").as_bytes());
        while all.len() < end {
            let drawn = next();
            let word = WORDS[(drawn >> 32) as usize % WORDS.len()];
            all.extend_from_slice(format!("\"{word}\":\"{:x}\",", drawn & 0xFF_FFFF).as_bytes());
        }
        all.truncate(end);
    }
    all
}
