//! Checks a partition's bytes in a Produce request before they may enter the log.
//!
//! **Why each check has its own code.** A client decides by the code whether to resend, to cut the batch or to give up,
//! so the codes here are those of a real broker, measured (D18): nearly everything that is malformed is 87
//! `INVALID_RECORD`, a checksum that does not match is 2 `CORRUPT_MESSAGE`, which is retried.
//!
//! The order is Kafka's: one batch of magic 2; codec allowed; base offset 0; size; checksum; then the contents. The
//! payload is decompressed to count the records, within limits, so a few hostile bytes cannot unpack to gigabytes.
//!
//! Neighbours: [`super::handlers::produce`] calls it, [`super::topic_config`] has the limits. Not here: sequences, which
//! are [`super::producer_state_manager`]'s, and anything that needs to know the log.

use bytes::{Bytes, BytesMut};

use super::log::BatchSummary;
use super::rewritten_batch::{Rewrite, rewritten};
use super::topic_config::{TimestampType, TopicConfig};
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::compression::DecompressionLimits;
use crate::wire::record_batch::CodecId;
use crate::wire::record_batch_reader::{BatchView, RecordView};

/// At most this many culprits are named in an answer.
const MAX_RECORD_ERRORS: usize = 100;
/// The first Produce version that may carry zstd.
const FIRST_ZSTD_VERSION: i16 = 7;
/// The attribute bit that says `LogAppendTime`.
const LOG_APPEND_TIME_BIT: i16 = 0x08;

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code to answer.
    pub code: ErrorCode,
    /// Why, in words.
    pub why: String,
    /// The culprits (KIP-467): index in the batch and reason.
    pub record_errors: Vec<(i32, String)>,
}

impl Refusal {
    /// A refusal of the whole batch.
    pub fn new(code: ErrorCode, why: impl Into<String>) -> Self {
        Self { code, why: why.into(), record_errors: Vec::new() }
    }
}

/// What the checks depend on besides the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The version of the Produce request.
    pub produce_version: i16,
    /// The topic's settings.
    pub topic: &'a TopicConfig,
    /// The broker's wall clock, milliseconds.
    pub now_ms: i64,
}

/// A batch that may be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidBatch {
    /// Its bytes, as they are to be stored but for base offset and leader epoch.
    pub bytes: Bytes,
    /// What its header says, timestamps as stored.
    pub summary: BatchSummary,
    /// The append time to answer: -1 unless the topic has `LogAppendTime`.
    pub append_time_ms: i64,
}

/// The one batch in a partition's bytes, header only.
///
/// # Errors
/// [`Refusal`] 87 if there is none, more than one, or another format; 2 if its length cannot be true.
pub fn single_batch(records: Option<&Bytes>) -> Result<BatchView, Refusal> {
    let none =
        || Refusal::new(ErrorCode::INVALID_RECORD, "the request has no record batch for this partition");
    let records = records.filter(|records| !records.is_empty()).ok_or_else(none)?;
    let view = BatchView::parse(records).map_err(|error| {
        if matches!(error, WireError::Truncated { .. }) {
            none()
        } else if matches!(error, WireError::BadMagic { .. }) {
            Refusal::new(ErrorCode::INVALID_RECORD, error.to_string())
        } else {
            Refusal::new(ErrorCode::CORRUPT_MESSAGE, error.to_string())
        }
    })?;
    if view.total_size_bytes < records.len() {
        let why = "the request has more than one record batch for this partition";
        return Err(Refusal::new(ErrorCode::INVALID_RECORD, why));
    }
    Ok(view)
}

/// Checks a batch found by [`single_batch`] in `records`.
///
/// # Errors
/// [`Refusal`] with the code that a real broker answers.
pub fn validate(view: &BatchView, records: &Bytes, rules: &Rules<'_>) -> Result<ValidBatch, Refusal> {
    check_header(view, rules)?;
    let largest_ms = check_records(view, rules)?;
    match recompressed(view, rules)? {
        Some(bytes) => {
            let view = BatchView::parse(&bytes).map_err(|error| refuse_contents(&error))?;
            Ok(stamped(&view, &bytes, largest_ms, rules))
        }
        None => Ok(stamped(view, records, largest_ms, rules)),
    }
}

/// The batch in the codec of `compression.type`, if it has another one.
fn recompressed(view: &BatchView, rules: &Rules<'_>) -> Result<Option<Bytes>, Refusal> {
    let Some(codec) = rules.topic.compression.filter(|codec| view.codec().is_ok_and(|has| has != *codec))
    else {
        return Ok(None);
    };
    let unpacked = view.records(&DecompressionLimits::default()).and_then(Iterator::collect);
    let records: Vec<RecordView> = unpacked.map_err(|error| refuse_contents(&error))?;
    let rewrite = Rewrite { records: &records, codec, delete_horizon_ms: None };
    rewritten(view, &rewrite).map(Some).map_err(|error| refuse_contents(&error))
}

/// The batch with the timestamps that its topic wants.
fn stamped(view: &BatchView, records: &Bytes, largest_ms: i64, rules: &Rules<'_>) -> ValidBatch {
    let mut summary = BatchSummary {
        base_timestamp_ms: view.base_timestamp_ms,
        max_timestamp_ms: largest_ms,
        producer_id: view.producer_id,
        producer_epoch: view.producer_epoch,
        base_sequence: view.base_sequence,
        last_offset_delta: view.last_offset_delta,
    };
    match rules.topic.timestamp_type {
        TimestampType::CreateTime if largest_ms == view.max_timestamp_ms => {
            ValidBatch { bytes: records.clone(), summary, append_time_ms: -1 }
        }
        TimestampType::CreateTime => {
            let bytes = with_timestamps(records, view.attributes, largest_ms);
            ValidBatch { bytes, summary, append_time_ms: -1 }
        }
        TimestampType::LogAppendTime => {
            summary.max_timestamp_ms = rules.now_ms;
            let bytes = with_timestamps(records, view.attributes | LOG_APPEND_TIME_BIT, rules.now_ms);
            ValidBatch { bytes, summary, append_time_ms: rules.now_ms }
        }
    }
}

fn check_header(view: &BatchView, rules: &Rules<'_>) -> Result<(), Refusal> {
    let invalid = |why: String| Err(Refusal::new(ErrorCode::INVALID_RECORD, why));
    let codec = match view.codec() {
        Ok(codec) => codec,
        Err(error) => return invalid(error.to_string()),
    };
    if matches!(codec, CodecId::Zstd) && rules.produce_version < FIRST_ZSTD_VERSION {
        let why = format!("Produce version {} may not carry zstd", rules.produce_version);
        return Err(Refusal::new(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, why));
    }
    if view.base_offset != 0 {
        return invalid(format!(
            "the base offset of a batch from a client must be 0, it is {}",
            view.base_offset
        ));
    }
    if view.total_size_bytes > rules.topic.max_message_bytes {
        let limit = rules.topic.max_message_bytes;
        let why = format!("the batch has {} bytes, max.message.bytes is {limit}", view.total_size_bytes);
        return Err(Refusal::new(ErrorCode::MESSAGE_TOO_LARGE, why));
    }
    if let Err(error) = view.check_crc() {
        return Err(Refusal::new(ErrorCode::CORRUPT_MESSAGE, error.to_string()));
    }
    let count = view.record_count;
    if count <= 0 || i64::from(view.last_offset_delta).saturating_add(1) != i64::from(count) {
        return invalid(format!("{count} records, but the last offset delta is {}", view.last_offset_delta));
    }
    if view.is_control() {
        return invalid("a client may not write control batches".to_owned());
    }
    if view.has_producer_id() && view.base_sequence < 0 {
        return invalid(format!("producer id {} without a sequence", view.producer_id));
    }
    if view.is_log_append_time() {
        let why = "a producer may not set the timestamp type LogAppendTime";
        return Err(Refusal::new(ErrorCode::INVALID_TIMESTAMP, why));
    }
    Ok(())
}

/// Walks the records; answers the largest timestamp.
fn check_records(view: &BatchView, rules: &Rules<'_>) -> Result<i64, Refusal> {
    let records = view.records(&DecompressionLimits::default()).map_err(|error| refuse_contents(&error))?;
    let mut expected_delta = 0_i32;
    let mut largest_ms = i64::MIN;
    let mut culprits = Culprits::default();
    for record in records {
        let record = record.map_err(|error| refuse_contents(&error))?;
        if record.offset_delta != expected_delta {
            let why =
                format!("record {expected_delta} of the batch has offset delta {}", record.offset_delta);
            return Err(Refusal::new(ErrorCode::INVALID_RECORD, why));
        }
        let timestamp_ms = view.base_timestamp_ms.saturating_add(record.timestamp_delta_ms);
        largest_ms = largest_ms.max(timestamp_ms);
        culprits.look_at(&record, timestamp_ms, rules);
        expected_delta = expected_delta.saturating_add(1);
    }
    culprits.into_result().map(|()| largest_ms)
}

fn refuse_contents(error: &WireError) -> Refusal {
    let code = if matches!(error, WireError::Codec { .. }) {
        ErrorCode::CORRUPT_MESSAGE
    } else {
        ErrorCode::INVALID_RECORD
    };
    Refusal::new(code, error.to_string())
}

/// Records that break a rule of their topic.
#[derive(Default)]
struct Culprits {
    code: Option<ErrorCode>,
    errors: Vec<(i32, String)>,
}

impl Culprits {
    fn look_at(&mut self, record: &RecordView, timestamp_ms: i64, rules: &Rules<'_>) {
        if rules.topic.is_compacted && record.key.is_none() {
            let why = "a compacted topic cannot accept a record without key".to_owned();
            self.add(ErrorCode::INVALID_RECORD, record.offset_delta, why);
        } else if matches!(rules.topic.timestamp_type, TimestampType::CreateTime) && timestamp_ms >= 0 {
            let ahead = timestamp_ms.saturating_sub(rules.now_ms);
            let is_outside = ahead > rules.topic.timestamp_after_max_ms
                || ahead.saturating_neg() > rules.topic.timestamp_before_max_ms;
            if is_outside {
                let why = format!(
                    "timestamp {timestamp_ms} is outside message.timestamp.before.max.ms and after.max.ms around {}",
                    rules.now_ms
                );
                self.add(ErrorCode::INVALID_TIMESTAMP, record.offset_delta, why);
            }
        }
    }

    fn add(&mut self, code: ErrorCode, index: i32, why: String) {
        self.code.get_or_insert(code);
        if self.errors.len() < MAX_RECORD_ERRORS {
            self.errors.push((index, why));
        }
    }

    fn into_result(self) -> Result<(), Refusal> {
        let Some(code) = self.code else { return Ok(()) };
        let why = "one or more records were rejected";
        Err(Refusal { code, why: why.to_owned(), record_errors: self.errors })
    }
}

/// The batch with other attributes and another largest timestamp, and the checksum that belongs to them.
///
/// | offset | size | field |
/// |---|---|---|
/// | 17 | 4 | CRC-32C of everything from 21 on |
/// | 21 | 2 | attributes |
/// | 35 | 8 | largest timestamp |
fn with_timestamps(batch: &Bytes, attributes: i16, max_timestamp_ms: i64) -> Bytes {
    let mut bytes = BytesMut::from(&batch[..]);
    put(&mut bytes, 21, &attributes.to_be_bytes());
    put(&mut bytes, 35, &max_timestamp_ms.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(bytes.get(21..).unwrap_or_default());
    put(&mut bytes, 17, &crc.to_be_bytes());
    bytes.freeze()
}

fn put(bytes: &mut BytesMut, at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(field.len())) {
        place.copy_from_slice(field);
    }
}
