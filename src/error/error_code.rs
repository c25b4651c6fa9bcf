//! THE table: every error code a broker may answer to Produce, and what it says about the batch.
//!
//! **Why one table.** Retry policy lives here and nowhere else. Each row answers four questions: what kind of answer
//! it is, whether metadata should be refreshed, what the producer does with the lane, and the name users know. The
//! classes are those of `docs/invariants.md` \[OUT-2\]: the indeterminate rows are exactly those that a broker can
//! answer *after* it has appended the batch. Codes that the table does not hold are indeterminate too (D-12): an
//! unknown code says nothing about the log.
//!
//! Neighbours: `engine::produce_response` acts on it. Not here: InitProducerId, whose codes are read in
//! `engine::producer_id_state`.

use std::fmt;

/// A Kafka error code, as it came over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

/// What an answer says about *this attempt* of a batch. Earlier doubt is not cleared by it \[OUT-3\].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerClass {
    /// The batch is in the log.
    Success,
    /// The batch may or may not be in the log: resend the same bytes.
    Indeterminate,
    /// Certainly not in the log; the same bytes may succeed later.
    Resend,
    /// As [`Self::Resend`], but only a few times: our bytes may be at fault.
    ResendFewTimes,
    /// Certainly not in the log and will never be: the batch or its topic is refused.
    RejectBatch,
    /// As [`Self::RejectBatch`], and a batch of several records may fit when cut.
    TooLarge,
    /// As [`Self::RejectBatch`], but the answer may name the culprits (KIP-467).
    InvalidRecords,
    /// The sequence is not the one the broker expects: harmless behind others, lost state at the head.
    OutOfOrder,
    /// The broker does not accept this identity any more.
    IdentityLost,
    /// The whole producer is refused.
    RejectProducer,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
struct Row {
    code: i16,
    name: &'static str,
    class: AnswerClass,
    refresh: bool,
    retriable: bool,
}

const fn row(code: i16, name: &'static str, class: AnswerClass, refresh: bool, retriable: bool) -> Row {
    Row { code, name, class, refresh, retriable }
}

/// Sorted by code: looked up by binary search, and a test holds the order.
const TABLE: &[Row] = {
    use AnswerClass as C;
    &[
        row(-1, "UNKNOWN_SERVER_ERROR", C::Indeterminate, false, false),
        row(0, "NONE", C::Success, false, false),
        row(2, "CORRUPT_MESSAGE", C::ResendFewTimes, false, true),
        row(3, "UNKNOWN_TOPIC_OR_PARTITION", C::Indeterminate, true, true),
        row(5, "LEADER_NOT_AVAILABLE", C::Resend, true, true),
        row(6, "NOT_LEADER_OR_FOLLOWER", C::Indeterminate, true, true),
        row(7, "REQUEST_TIMED_OUT", C::Indeterminate, false, true),
        row(8, "BROKER_NOT_AVAILABLE", C::Indeterminate, true, false),
        row(9, "REPLICA_NOT_AVAILABLE", C::Indeterminate, true, true),
        row(10, "MESSAGE_TOO_LARGE", C::TooLarge, false, false),
        row(13, "NETWORK_EXCEPTION", C::Indeterminate, true, true),
        row(14, "COORDINATOR_LOAD_IN_PROGRESS", C::Indeterminate, false, true),
        row(15, "COORDINATOR_NOT_AVAILABLE", C::Indeterminate, false, true),
        row(16, "NOT_COORDINATOR", C::Indeterminate, false, true),
        row(17, "INVALID_TOPIC_EXCEPTION", C::RejectBatch, false, false),
        row(18, "RECORD_LIST_TOO_LARGE", C::TooLarge, false, false),
        row(19, "NOT_ENOUGH_REPLICAS", C::Resend, false, true),
        row(20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", C::Indeterminate, false, true),
        row(21, "INVALID_REQUIRED_ACKS", C::RejectBatch, false, false),
        row(29, "TOPIC_AUTHORIZATION_FAILED", C::RejectBatch, true, false),
        row(31, "CLUSTER_AUTHORIZATION_FAILED", C::RejectProducer, false, false),
        row(32, "INVALID_TIMESTAMP", C::RejectBatch, false, false),
        row(33, "UNSUPPORTED_SASL_MECHANISM", C::Indeterminate, false, false),
        row(35, "UNSUPPORTED_VERSION", C::RejectProducer, false, false),
        row(37, "INVALID_PARTITIONS", C::Indeterminate, false, false),
        row(41, "NOT_CONTROLLER", C::Indeterminate, true, true),
        row(42, "INVALID_REQUEST", C::RejectBatch, false, false),
        row(43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", C::RejectBatch, false, false),
        row(44, "POLICY_VIOLATION", C::RejectBatch, false, false),
        row(45, "OUT_OF_ORDER_SEQUENCE_NUMBER", C::OutOfOrder, false, false),
        row(46, "DUPLICATE_SEQUENCE_NUMBER", C::Success, false, false),
        row(47, "INVALID_PRODUCER_EPOCH", C::IdentityLost, false, false),
        row(48, "INVALID_TXN_STATE", C::RejectBatch, false, false),
        row(49, "INVALID_PRODUCER_ID_MAPPING", C::IdentityLost, false, false),
        row(50, "INVALID_TRANSACTION_TIMEOUT", C::Indeterminate, false, false),
        row(51, "CONCURRENT_TRANSACTIONS", C::Resend, false, true),
        row(53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", C::RejectProducer, false, false),
        row(54, "SECURITY_DISABLED", C::RejectBatch, false, false),
        row(55, "OPERATION_NOT_ATTEMPTED", C::Indeterminate, false, false),
        row(56, "KAFKA_STORAGE_ERROR", C::Indeterminate, true, true),
        row(57, "LOG_DIR_NOT_FOUND", C::Indeterminate, false, false),
        row(58, "SASL_AUTHENTICATION_FAILED", C::RejectProducer, false, false),
        row(59, "UNKNOWN_PRODUCER_ID", C::IdentityLost, false, false),
        row(72, "LISTENER_NOT_FOUND", C::Indeterminate, true, true),
        row(74, "FENCED_LEADER_EPOCH", C::Resend, true, true),
        row(75, "UNKNOWN_LEADER_EPOCH", C::Resend, true, true),
        row(76, "UNSUPPORTED_COMPRESSION_TYPE", C::RejectBatch, false, false),
        row(78, "OFFSET_NOT_AVAILABLE", C::Indeterminate, false, true),
        row(87, "INVALID_RECORD", C::InvalidRecords, false, false),
        row(89, "THROTTLING_QUOTA_EXCEEDED", C::Resend, false, true),
        row(90, "PRODUCER_FENCED", C::IdentityLost, false, false),
        row(100, "UNKNOWN_TOPIC_ID", C::Resend, true, true),
        row(103, "INCONSISTENT_TOPIC_ID", C::Resend, true, true),
        row(120, "TRANSACTION_ABORTABLE", C::RejectBatch, false, false),
        row(129, "REBOOTSTRAP_REQUIRED", C::Indeterminate, true, true),
    ]
};

#[allow(missing_docs, reason = "the names are Kafka's own and stand in the table above")]
impl ErrorCode {
    pub const UNKNOWN_SERVER_ERROR: Self = Self(-1);
    pub const NONE: Self = Self(0);
    pub const CORRUPT_MESSAGE: Self = Self(2);
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    pub const NOT_LEADER_OR_FOLLOWER: Self = Self(6);
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    pub const OFFSET_METADATA_TOO_LARGE: Self = Self(12);
    pub const MESSAGE_TOO_LARGE: Self = Self(10);
    pub const NETWORK_EXCEPTION: Self = Self(13);
    pub const COORDINATOR_LOAD_IN_PROGRESS: Self = Self(14);
    pub const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    pub const NOT_COORDINATOR: Self = Self(16);
    pub const INVALID_TOPIC_EXCEPTION: Self = Self(17);
    pub const RECORD_LIST_TOO_LARGE: Self = Self(18);
    pub const NOT_ENOUGH_REPLICAS: Self = Self(19);
    pub const INVALID_REQUIRED_ACKS: Self = Self(21);
    pub const ILLEGAL_GENERATION: Self = Self(22);
    pub const INCONSISTENT_GROUP_PROTOCOL: Self = Self(23);
    pub const INVALID_GROUP_ID: Self = Self(24);
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    pub const INVALID_SESSION_TIMEOUT: Self = Self(26);
    pub const REBALANCE_IN_PROGRESS: Self = Self(27);
    pub const INVALID_COMMIT_OFFSET_SIZE: Self = Self(28);
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    pub const CLUSTER_AUTHORIZATION_FAILED: Self = Self(31);
    pub const INVALID_TIMESTAMP: Self = Self(32);
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    pub const TOPIC_ALREADY_EXISTS: Self = Self(36);
    pub const INVALID_PARTITIONS: Self = Self(37);
    pub const INVALID_REQUEST: Self = Self(42);
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: Self = Self(45);
    pub const DUPLICATE_SEQUENCE_NUMBER: Self = Self(46);
    pub const INVALID_PRODUCER_EPOCH: Self = Self(47);
    pub const INVALID_TXN_STATE: Self = Self(48);
    pub const CONCURRENT_TRANSACTIONS: Self = Self(51);
    pub const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Self = Self(53);
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
    pub const UNKNOWN_PRODUCER_ID: Self = Self(59);
    pub const NON_EMPTY_GROUP: Self = Self(68);
    pub const GROUP_ID_NOT_FOUND: Self = Self(69);
    pub const FENCED_LEADER_EPOCH: Self = Self(74);
    pub const UNSUPPORTED_COMPRESSION_TYPE: Self = Self(76);
    pub const MEMBER_ID_REQUIRED: Self = Self(79);
    pub const GROUP_MAX_SIZE_REACHED: Self = Self(81);
    pub const FENCED_INSTANCE_ID: Self = Self(82);
    pub const INVALID_RECORD: Self = Self(87);
    pub const PRODUCER_FENCED: Self = Self(90);
    pub const UNKNOWN_TOPIC_ID: Self = Self(100);
    pub const INCONSISTENT_TOPIC_ID: Self = Self(103);
    pub const REBOOTSTRAP_REQUIRED: Self = Self(129);

    /// Whether this is code 0.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// What the code, as an answer to Produce, says about the batch.
    #[must_use]
    pub fn class(self) -> AnswerClass {
        self.row().map_or(AnswerClass::Indeterminate, |row| row.class)
    }

    /// Whether the answer means that our metadata may be old.
    #[must_use]
    pub fn wants_metadata_refresh(self) -> bool {
        self.row().is_some_and(|row| row.refresh)
    }

    /// Whether Kafka counts the code among the retriable ones.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.retriable)
    }

    /// Kafka's name for the code, or `UNKNOWN_ERROR_CODE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            12 => "OFFSET_METADATA_TOO_LARGE",
            22 => "ILLEGAL_GENERATION",
            23 => "INCONSISTENT_GROUP_PROTOCOL",
            24 => "INVALID_GROUP_ID",
            25 => "UNKNOWN_MEMBER_ID",
            26 => "INVALID_SESSION_TIMEOUT",
            27 => "REBALANCE_IN_PROGRESS",
            28 => "INVALID_COMMIT_OFFSET_SIZE",
            36 => "TOPIC_ALREADY_EXISTS",
            38 => "INVALID_REPLICATION_FACTOR",
            40 => "INVALID_CONFIG",
            68 => "NON_EMPTY_GROUP",
            69 => "GROUP_ID_NOT_FOUND",
            79 => "MEMBER_ID_REQUIRED",
            81 => "GROUP_MAX_SIZE_REACHED",
            82 => "FENCED_INSTANCE_ID",
            _ => self.row().map_or("UNKNOWN_ERROR_CODE", |row| row.name),
        }
    }

    /// Every code of the table, in ascending order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| Self(row.code))
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.binary_search_by_key(&self.0, |row| row.code).ok().and_then(|index| TABLE.get(index))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A row in the wrong place would not be found by the search, and its code would silently become indeterminate.
    #[test]
    fn the_table_is_sorted_and_has_no_code_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    // [OUT-2]: K2 rests on this set: the delayed-produce path of a broker can answer these after it has appended.
    #[test]
    fn codes_that_a_broker_can_answer_after_appending_are_indeterminate() {
        for code in [3, 6, 7, 20, 56, -1, 9999] {
            assert_eq!(ErrorCode(code).class(), AnswerClass::Indeterminate, "code {code}");
        }
    }
}
