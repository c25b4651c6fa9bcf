//! Problems: what the façade answers when it cannot say "OK" (RFC 9457, `application/problem+json`).
//!
//! **Why so many members.** Whoever reads the answer must know three things: what happened, whether the record may be
//! in the log (`possiblyWritten`, \[OUT-1\]: an unknown outcome never looks like a failure), and what to do now (the
//! end of `detail`). Neighbours: [`crate::lab::problem_kind`] has the kinds and texts; routes build problems. Not here:
//! success shapes, which are [`crate::lab::dto`]'s.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{AnswerClass, Cause, Error, ErrorCode};
use crate::lab::language::Language;
use crate::lab::problem_kind::ProblemKind;

/// A broker's code, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KafkaError {
    /// The code.
    pub code: i16,
    /// Kafka's name for it.
    pub name: &'static str,
    /// Whether Kafka counts it among the retriable ones.
    pub retriable: bool,
}

impl From<ErrorCode> for KafkaError {
    fn from(code: ErrorCode) -> Self {
        Self { code: code.0, name: code.name(), retriable: code.is_retriable() }
    }
}

/// A problem on its way out. Members are in the order in which they are written.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The kind of problem, as an address of this service that explains it.
    #[serde(rename = "type")]
    type_uri: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, and what to do now.
    detail: String,
    /// The event, if the call named one.
    #[schema(required = true)]
    event_id: Option<String>,
    /// The call's id, or the request that was asked for.
    #[schema(required = true)]
    request_id: Option<String>,
    /// How often the batch was sent, if it was.
    #[schema(required = true)]
    attempts: Option<u32>,
    /// The broker's code, if one was behind it.
    #[schema(required = true)]
    kafka_error: Option<KafkaError>,
    /// Whether a copy may be in the log.
    possibly_written: bool,
    /// The trace.
    #[schema(required = true)]
    trace_id: Option<String>,
    /// The parameter that is wrong, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameter: Option<String>,
    /// What would be allowed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    allowed: Option<Vec<String>>,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    kind: ProblemKind,
    #[serde(skip)]
    language: Language,
}

impl Problem {
    /// A problem of this kind; `happened` is one sentence on what happened, to which the kind's advice is added.
    pub fn new(kind: ProblemKind, language: Language, happened: &str) -> Self {
        Self {
            type_uri: kind.type_uri(),
            title: kind.title(language),
            status: kind.status().as_u16(),
            detail: format!("{} {}", happened.trim_end(), kind.advice(language)),
            event_id: None,
            request_id: None,
            attempts: None,
            kafka_error: None,
            possibly_written: false,
            trace_id: None,
            parameter: None,
            allowed: None,
            retry_after: kind.retry_after_seconds(),
            kind,
            language,
        }
    }

    /// A parameter that is wrong.
    pub fn parameter(
        kind: ProblemKind,
        language: Language,
        name: &str,
        happened: &str,
        allowed: &[&str],
    ) -> Self {
        let mut problem = Self::new(kind, language, happened);
        problem.parameter = Some(name.to_owned());
        if !allowed.is_empty() {
            problem.allowed = Some(allowed.iter().map(|value| (*value).to_owned()).collect());
        }
        problem
    }

    /// What the producer answered.
    pub fn of_producer(error: &Error, language: Language) -> Self {
        let kind = kind_of(error);
        let text = error.to_string();
        let happened = match language {
            Language::English => format!("{}.", capitalised(text.trim_end_matches('.'))),
            Language::French => format!("{} (le producteur dit : {text}).", kind.title(language)),
        };
        let mut problem = Self::new(kind, language, &happened);
        problem.possibly_written = error.may_have_been_written();
        problem.kafka_error = error.code().map(KafkaError::from);
        problem.attempts = attempts_of(error);
        problem
    }

    /// Names the event.
    #[must_use]
    pub fn event_id(mut self, event_id: Option<&str>) -> Self {
        self.event_id = event_id.map(str::to_owned);
        self
    }

    /// Names the request.
    #[must_use]
    pub fn request_id(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }

    /// Names the trace.
    #[must_use]
    pub fn trace_id(mut self, trace_id: &str) -> Self {
        self.trace_id = Some(trace_id.to_owned());
        self
    }

    /// Says that a copy may be in the log.
    #[must_use]
    pub const fn possibly_written(mut self) -> Self {
        self.possibly_written = true;
        self
    }

    /// Whether a copy may be in the log.
    pub const fn is_possibly_written(&self) -> bool {
        self.possibly_written
    }

    /// Says for how long it is not worth trying again: the next whole second, and at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: std::time::Duration) -> Self {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        self.retry_after = Some(seconds.saturating_add(u32::from(wait.subsec_nanos() > 0)).max(1));
        self
    }

    /// Gives a problem on its way out the ids that its route did not know; other answers pass as they are.
    pub fn complete(mut response: Response, request_id: &str, trace_id: &str) -> Response {
        let Some(mut problem) = response.extensions_mut().remove::<Self>() else { return response };
        problem.request_id.get_or_insert_with(|| request_id.to_owned());
        problem.trace_id.get_or_insert_with(|| trace_id.to_owned());
        if let Ok(text) = serde_json::to_vec(&problem) {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(text);
        }
        response
    }

    /// Its kind.
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (kind, language, retry_after) = (self.kind, self.language, self.retry_after);
        let mut response = (kind.status(), Json(&self)).into_response();
        // For `complete`, which knows the ids of every call.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Which kind of problem a producer's error is (spec 1.5, D-58).
pub fn kind_of(error: &Error) -> ProblemKind {
    match error {
        Error::Unknown { cause, .. } if is_fatal(cause) => ProblemKind::ProducerFatal,
        Error::Unknown { .. } => ProblemKind::DeliveryUnknown,
        Error::Rejected { cause, .. } => kind_of_rejection(cause),
        Error::BufferFull { .. } => ProblemKind::BufferFull,
        Error::RecordTooLarge { .. } => ProblemKind::RecordTooLarge,
        Error::InvalidTopic { .. } | Error::UnknownPartition { .. } => ProblemKind::InvalidParameter,
        Error::TopicNotAvailable { code: Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), .. } => {
            ProblemKind::UnknownTopic
        }
        Error::TopicNotAvailable { .. } | Error::NotReady { .. } => ProblemKind::NotReady,
        Error::TopicAuthorization { .. } => ProblemKind::NotAuthorised,
        Error::InvalidRecord(_) => ProblemKind::RecordRefused,
        Error::Closed => ProblemKind::Draining,
        Error::Defect(_) => ProblemKind::ProducerFatal,
        Error::Config(_) | Error::Misuse(_) => ProblemKind::Internal,
    }
}

/// Why an accepted record was not acknowledged, and after how many attempts; none if it was never accepted.
fn ending(error: &Error) -> Option<(&Cause, u32)> {
    if let Error::Rejected { cause, attempts, .. } | Error::Unknown { cause, attempts, .. } = error {
        Some((cause, *attempts))
    } else {
        None
    }
}

/// Whether the producer that said this must be replaced.
pub fn is_fatal_error(error: &Error) -> bool {
    matches!(error, Error::Closed | Error::Defect(_))
        || ending(error).is_some_and(|(cause, _)| is_fatal(cause))
}

const fn is_fatal(cause: &Cause) -> bool {
    matches!(cause, Cause::Defect(_))
}

fn kind_of_rejection(cause: &Cause) -> ProblemKind {
    match cause {
        Cause::DeliveryTimeout { .. } => ProblemKind::DeliveryTimeout,
        Cause::Network => ProblemKind::BrokerRejected,
        Cause::Closed => ProblemKind::Draining,
        Cause::TopicRecreated => ProblemKind::UnknownTopic,
        Cause::Compression(_) => ProblemKind::Internal,
        Cause::Defect(_) => ProblemKind::ProducerFatal,
        Cause::Broker { code, .. } if is_authorisation(*code) => ProblemKind::NotAuthorised,
        Cause::Broker { code, .. } => match code.class() {
            AnswerClass::TooLarge => ProblemKind::RecordTooLarge,
            AnswerClass::InvalidRecords => ProblemKind::RecordRefused,
            AnswerClass::OutOfOrder | AnswerClass::IdentityLost | AnswerClass::RejectProducer => {
                ProblemKind::ProducerFatal
            }
            AnswerClass::Success
            | AnswerClass::Indeterminate
            | AnswerClass::Resend
            | AnswerClass::ResendFewTimes
            | AnswerClass::RejectBatch => ProblemKind::BrokerRejected,
        },
    }
}

fn is_authorisation(code: ErrorCode) -> bool {
    [
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ]
    .contains(&code)
}

/// How often the record's batch was handed to a connection, if it was accepted.
pub fn attempts_of(error: &Error) -> Option<u32> {
    ending(error).map(|(_, attempts)| attempts)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
