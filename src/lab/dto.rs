//! The shapes that leave the façade, and the record's value. Members are written in the order of these structs.
//!
//! **Why the order matters.** The course reads answers with `sed` and by eye; the order and the compact spelling are part
//! of the contract (spec 1.3, 1.4), and `requestId` occurs exactly once. Neighbours: routes fill them in. Not here:
//! problems, which are [`crate::lab::error`]'s.

use serde::Serialize;
use utoipa::ToSchema;

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
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendAnswer {
    /// `OK`.
    #[schema(example = "OK")]
    pub status: &'static str,
    /// The topic.
    #[schema(example = "bhf-transactions")]
    pub topic: String,
    /// The partition.
    #[schema(example = 2)]
    pub partition: i32,
    /// The offset; -1 where nobody told it (acks=0).
    #[schema(example = 41)]
    pub offset: i64,
    /// The event.
    #[schema(example = "E-1")]
    pub event_id: String,
    /// `plain` or `idempotent`.
    #[schema(example = "idempotent")]
    pub mode: &'static str,
    /// `sync`.
    #[schema(example = "sync")]
    pub send_mode: &'static str,
    /// The effective key.
    #[schema(example = "E-1", required = true)]
    pub key: Option<String>,
    /// Null in mode `plain`.
    #[schema(example = 1000, required = true)]
    pub producer_id: Option<i64>,
    /// Null in mode `plain`.
    #[schema(example = 0, required = true)]
    pub producer_epoch: Option<i16>,
    /// Null in mode `plain`.
    #[schema(example = 7, required = true)]
    pub base_sequence: Option<i32>,
    /// How often the batch was sent.
    #[schema(example = 1)]
    pub attempts: u32,
    /// Whether the broker had it already; null where nobody can know (D-27).
    #[schema(example = false, required = true)]
    pub deduplicated: Option<bool>,
    /// From the call's arrival to this answer.
    #[schema(example = 1.25)]
    pub latency_ms: f64,
    /// The record's timestamp, ISO-8601, UTC.
    #[schema(example = "2026-02-03T04:05:06.789Z")]
    pub timestamp: String,
    /// The trace.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub trace_id: String,
}

/// 202: the record is accepted, its outcome comes later.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedAnswer {
    /// `ACCEPTED`.
    #[schema(example = "ACCEPTED")]
    pub status: &'static str,
    /// What to ask `/api/v1/status` for.
    #[schema(example = "4f1c0c7e-9c9b-4f0e-9d3c-0b0a4d8d2c11")]
    pub request_id: String,
    /// The event.
    #[schema(example = "E-2")]
    pub event_id: String,
    /// `PENDING`.
    #[schema(example = "PENDING")]
    pub state: &'static str,
    /// `plain` or `idempotent`.
    #[schema(example = "idempotent")]
    pub mode: &'static str,
    /// `async`, or `sync` when `timeoutMs` was over.
    #[schema(example = "async")]
    pub send_mode: &'static str,
    /// The topic.
    #[schema(example = "bhf-transactions")]
    pub topic: String,
    /// The effective key.
    #[schema(example = "E-2", required = true)]
    pub key: Option<String>,
    /// The partition, if the call named one.
    #[schema(required = true)]
    pub partition: Option<i32>,
}

/// The answer of `/api/v1/status`.
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingStatus {
    /// `PENDING`.
    #[schema(example = "PENDING")]
    pub state: &'static str,
    /// The request.
    pub request_id: String,
    /// Since the call was accepted.
    #[schema(example = 120)]
    pub age_ms: u64,
    /// How often the batch was sent so far.
    #[schema(example = 1)]
    pub attempts: u32,
}

/// The record is in the log.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveredStatus {
    /// `OK`.
    #[schema(example = "OK")]
    pub state: &'static str,
    /// The topic.
    #[schema(example = "bhf-transactions")]
    pub topic: String,
    /// The partition.
    #[schema(example = 2)]
    pub partition: i32,
    /// The offset; -1 where nobody told it (acks=0).
    #[schema(example = 41)]
    pub offset: i64,
    /// The request.
    pub request_id: String,
    /// The event.
    #[schema(example = "E-2")]
    pub event_id: String,
    /// How often the batch was sent.
    #[schema(example = 1)]
    pub attempts: u32,
    /// Null in mode `plain`.
    #[schema(required = true)]
    pub producer_id: Option<i64>,
    /// Null in mode `plain`.
    #[schema(required = true)]
    pub base_sequence: Option<i32>,
    /// Whether the broker had it already; null where nobody can know (D-27).
    #[schema(required = true)]
    pub deduplicated: Option<bool>,
}

/// The record is certainly not in the log (`ERROR`), or nobody knows (`UNKNOWN`).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedStatus {
    /// `ERROR` or `UNKNOWN`.
    #[schema(example = "ERROR")]
    pub state: &'static str,
    /// The request.
    pub request_id: String,
    /// What happened and what to do now.
    pub error: String,
    /// The broker's code, if one was behind it.
    #[schema(required = true)]
    pub kafka_error: Option<KafkaError>,
    /// Whether a copy may be in the log.
    pub possibly_written: bool,
    /// The event.
    #[schema(example = "E-2")]
    pub event_id: String,
    /// How often the batch was sent, if it was.
    #[schema(required = true)]
    pub attempts: Option<u32>,
    /// What was learnt after the caller had been told that nobody knows; absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_outcome: Option<LateStatus>,
}

/// What became of a record whose outcome was unknown (D-5).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LateStatus {
    /// `OK`: it is in the log after all. `UNKNOWN`: it is not resent any more, and nobody will ever know.
    #[schema(example = "OK")]
    pub state: &'static str,
    /// Its offset; -1 where that is not known.
    pub offset: i64,
}

/// The answer of `/livez` and `/readyz`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProbeAnswer {
    /// `live`, `ready`, `not-ready` or `draining`.
    pub status: &'static str,
    /// One line per check.
    pub checks: Vec<ProbeCheck>,
}

/// One check of a probe.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProbeCheck {
    /// What was looked at.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}
