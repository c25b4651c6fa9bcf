//! A record on its way in: what the caller hands to `send`.
//!
//! **Why it borrows.** The bytes are copied exactly once, into the open batch of their partition. Until then they
//! stay the caller's, so a refused record never has to be "given back": [`Record`] is `Copy` and whoever built it
//! still holds it, whatever `send` answered.
//!
//! Neighbours: [`crate::producer`] takes it, [`crate::wire::record_batch`] encodes it. Not here: serialisation of
//! user types; keys and values are bytes.

/// One header of a record: a UTF-8 key and optional bytes. Order and repeated keys are kept, as Kafka keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The header's name. Kafka does not allow it to be absent; it may be empty.
    pub key: &'a str,
    /// The header's value; `None` is Kafka's null, which differs from zero bytes.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// A header with a value.
    pub const fn new(key: &'a str, value: &'a [u8]) -> Self {
        Self { key, value: Some(value) }
    }

    /// A header whose value is null.
    pub const fn null(key: &'a str) -> Self {
        Self { key, value: None }
    }
}

/// A record to be sent. Borrowed, cheap to copy, built in a chain:
///
/// ```
/// use facteur::{Header, Record};
///
/// let headers = [Header::new("trace", b"01")];
/// let record = Record::to("orders").key(b"customer-42").value(b"paid").headers(&headers);
/// assert_eq!(record.topic, "orders");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The topic's name. Ignored by [`crate::TopicHandle`], which knows its topic.
    pub topic: &'a str,
    /// The partition, or `None` to let the partitioner choose.
    pub partition: Option<i32>,
    /// The key; `None` is a keyless record, which differs from an empty key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [Header<'a>],
    /// Milliseconds since the Unix epoch, or `None` for "now" (at most 1 ms old).
    pub timestamp_ms: Option<i64>,
}

impl<'a> Record<'a> {
    /// A record for `topic` without key, value and headers.
    #[must_use]
    pub const fn to(topic: &'a str) -> Self {
        Self { topic, partition: None, key: None, value: None, headers: &[], timestamp_ms: None }
    }

    /// A record with a value, for a [`crate::TopicHandle`], which knows the topic.
    #[must_use]
    pub const fn of(value: &'a [u8]) -> Self {
        Self { value: Some(value), ..Self::to("") }
    }

    /// Sets the key.
    #[must_use]
    pub const fn key(mut self, key: &'a [u8]) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the value.
    #[must_use]
    pub const fn value(mut self, value: &'a [u8]) -> Self {
        self.value = Some(value);
        self
    }

    /// Sets the headers.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the partition, which bypasses every partitioner.
    #[must_use]
    pub const fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the create time in milliseconds since the Unix epoch; it must not be negative.
    #[must_use]
    pub const fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }
}
