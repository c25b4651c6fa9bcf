//! The shapes that leave the façade, and the record's value. Members are written in the order of these structs.
//!
//! **Why the order matters.** The course reads answers with `sed` and by eye; the order and the compact spelling are part
//! of the contract (spec 1.3, 1.4), and `requestId` occurs exactly once. Neighbours: routes fill them in. Not here:
//! problems, which are [`crate::lab::error`]'s.

use serde::Serialize;

use crate::lab::error::KafkaError;

/// The record's value: one line of JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordValue<'a> {
    /// The event.
    pub event_id: &'a str,
    /// `plain` or `idempotent`.
    pub mode: &'static str,
    /// `sync` or `async`.
    pub send_mode: &'static str,
    /// Always `rust`.
    pub api: &'static str,
    /// When the call came, ISO-8601, UTC.
    pub ts: String,
    /// `java` or `librdkafka`.
    pub profile: &'static str,
}

/// 200: the record is in the log.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SendAnswer {
    /// `OK`.
    pub status: &'static str,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset; -1 where nobody told it (acks=0).
    pub offset: i64,
    /// The event.
    pub event_id: String,
    /// `plain` or `idempotent`.
    pub mode: &'static str,
    /// `sync`.
    pub send_mode: &'static str,
    /// The effective key.
    pub key: Option<String>,
    /// Null in mode `plain`.
    pub producer_id: Option<i64>,
    /// Null in mode `plain`.
    pub producer_epoch: Option<i16>,
    /// Null in mode `plain`.
    pub base_sequence: Option<i32>,
    /// How often the batch was sent.
    pub attempts: u32,
    /// Whether the broker had it already; null where nobody can know (D-27).
    pub deduplicated: Option<bool>,
    /// From the call's arrival to this answer.
    pub latency_ms: f64,
    /// The record's timestamp, ISO-8601, UTC.
    pub timestamp: String,
    /// The trace.
    pub trace_id: String,
}

/// 202: the record is accepted, its outcome comes later.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedAnswer {
    /// `ACCEPTED`.
    pub status: &'static str,
    /// What to ask `/api/v1/status` for.
    pub request_id: String,
    /// The event.
    pub event_id: String,
    /// `PENDING`.
    pub state: &'static str,
    /// `plain` or `idempotent`.
    pub mode: &'static str,
    /// `async`, or `sync` when `timeoutMs` was over.
    pub send_mode: &'static str,
    /// The topic.
    pub topic: String,
    /// The effective key.
    pub key: Option<String>,
    /// The partition, if the call named one.
    pub partition: Option<i32>,
}

/// The answer of `/api/v1/status`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum StatusAnswer {
    /// `PENDING`.
    Pending(PendingStatus),
    /// `OK`.
    Delivered(DeliveredStatus),
    /// `ERROR` or `UNKNOWN`.
    Failed(FailedStatus),
}

/// No outcome yet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingStatus {
    /// `PENDING`.
    pub state: &'static str,
    /// The request.
    pub request_id: String,
    /// Since the call was accepted.
    pub age_ms: u64,
    /// How often the batch was sent so far.
    pub attempts: u32,
}

/// The record is in the log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveredStatus {
    /// `OK`.
    pub state: &'static str,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset; -1 where nobody told it (acks=0).
    pub offset: i64,
    /// The request.
    pub request_id: String,
    /// The event.
    pub event_id: String,
    /// How often the batch was sent.
    pub attempts: u32,
    /// Null in mode `plain`.
    pub producer_id: Option<i64>,
    /// Null in mode `plain`.
    pub base_sequence: Option<i32>,
    /// Whether the broker had it already; null where nobody can know (D-27).
    pub deduplicated: Option<bool>,
}

/// The record is certainly not in the log (`ERROR`), or nobody knows (`UNKNOWN`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedStatus {
    /// `ERROR` or `UNKNOWN`.
    pub state: &'static str,
    /// The request.
    pub request_id: String,
    /// What happened and what to do now.
    pub error: String,
    /// The broker's code, if one was behind it.
    pub kafka_error: Option<KafkaError>,
    /// Whether a copy may be in the log.
    pub possibly_written: bool,
    /// The event.
    pub event_id: String,
    /// How often the batch was sent, if it was.
    pub attempts: Option<u32>,
}

/// The answer of `/livez` and `/readyz`.
#[derive(Debug, Serialize)]
pub struct ProbeAnswer {
    /// `live`, `ready`, `not-ready` or `draining`.
    pub status: &'static str,
    /// One line per check.
    pub checks: Vec<ProbeCheck>,
}

/// One check of a probe.
#[derive(Debug, Clone, Serialize)]
pub struct ProbeCheck {
    /// What was looked at.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}
