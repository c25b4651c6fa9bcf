//! Problems as documented answers: one answer per status, one example per kind.
//!
//! **Why from the table.** Titles, advice, statuses and `Retry-After` stand in one table that the answers themselves are
//! made of; a second list in annotations would drift. A route names its kinds with a unit type that implements
//! `IntoResponses` by [`responses_of`]. Neighbours: [`crate::lab::problem_kind`] is the table. Not here: which call ends
//! with which kind, which is each route's.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Response, ResponseBuilder};

use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::problem_kind::ProblemKind;

/// What any call may be answered before it reaches its route, and after it failed there.
pub const ALWAYS: &[ProblemKind] = &[
    ProblemKind::ForeignOrigin,
    ProblemKind::BodyTimeout,
    ProblemKind::InvalidBody,
    ProblemKind::BodyTooLarge,
    ProblemKind::UriTooLong,
    ProblemKind::InvalidPath,
    ProblemKind::UnsupportedEncoding,
    ProblemKind::CallTimeout,
    ProblemKind::Internal,
];

/// The answers of these kinds, by status, as an annotation wants them.
pub fn responses_of(kinds: &[ProblemKind]) -> BTreeMap<String, RefOr<Response>> {
    answers_of(kinds).into_iter().map(|(status, answer)| (status, RefOr::T(answer))).collect()
}

/// The answers of these kinds, by status.
pub fn answers_of(kinds: &[ProblemKind]) -> BTreeMap<String, Response> {
    let mut by_status: BTreeMap<String, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status().as_str().to_owned()).or_default().push(*kind);
    }
    by_status.into_iter().map(|(status, kinds)| (status, response_of(&kinds))).collect()
}

fn response_of(kinds: &[ProblemKind]) -> Response {
    let titles: Vec<String> =
        kinds.iter().map(|kind| format!("`{}`: {}.", kind.name(), kind.title(Language::English))).collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(kinds.iter().map(|kind| (kind.name(), example_of(*kind))))
        .build();
    let mut response = ResponseBuilder::new()
        .description(titles.join("\n"))
        .content("application/problem+json", content)
        .header("Content-Language", header_of_text("`en` or `fr`, as `Accept-Language` asked."));
    if kinds.iter().any(|kind| kind.retry_after_seconds().is_some()) {
        response = response.header("Retry-After", retry_after());
    }
    response.build()
}

fn example_of(kind: ProblemKind) -> Example {
    let problem = Problem::new(kind, Language::English, "…")
        .request_id("4f1c0c7e-9c9b-4f0e-9d3c-0b0a4d8d2c11")
        .trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
    ExampleBuilder::new()
        .summary(kind.title(Language::English))
        .value(serde_json::to_value(problem).ok())
        .build()
}

/// The header `Retry-After`, in seconds.
pub fn retry_after() -> Header {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
    HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait.")).build()
}

fn header_of_text(about: &str) -> Header {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(text)).description(Some(about)).build()
}

/// The problems of `POST /api/v1/send`.
#[derive(Debug, Clone, Copy)]
pub struct SendProblems;

impl IntoResponses for SendProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[
            ProblemKind::MissingParameter,
            ProblemKind::InvalidParameter,
            ProblemKind::InvalidQuery,
            ProblemKind::UnknownTopic,
            ProblemKind::RecordTooLarge,
            ProblemKind::BufferFull,
            ProblemKind::NotReady,
            ProblemKind::Overloaded,
            ProblemKind::CircuitOpen,
            ProblemKind::InvalidIdempotencyKey,
            ProblemKind::IdempotencyKeyInUse,
            ProblemKind::IdempotencyKeyReused,
            ProblemKind::StatusStoreFull,
            ProblemKind::Draining,
            ProblemKind::DeliveryTimeout,
            ProblemKind::DeliveryUnknown,
            ProblemKind::BrokerRejected,
            ProblemKind::RecordRefused,
            ProblemKind::NotAuthorised,
            ProblemKind::ProducerFatal,
        ])
    }
}

/// The problems of `GET /api/v1/status`.
#[derive(Debug, Clone, Copy)]
pub struct StatusProblems;

impl IntoResponses for StatusProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::MissingParameter, ProblemKind::InvalidQuery, ProblemKind::UnknownRequest])
    }
}

/// The problems of `GET /api/v1/trace/{eventId}`.
#[derive(Debug, Clone, Copy)]
pub struct TraceProblems;

impl IntoResponses for TraceProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::UnknownEvent])
    }
}

/// The problems of a route that only reads its query.
#[derive(Debug, Clone, Copy)]
pub struct QueryProblems;

impl IntoResponses for QueryProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(QUERY)
    }
}

/// The problems of a route that takes no parameter.
#[derive(Debug, Clone, Copy)]
pub struct OptionalQueryProblems;

impl IntoResponses for OptionalQueryProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::InvalidParameter, ProblemKind::InvalidQuery])
    }
}

/// The problems of a route of the injector.
#[derive(Debug, Clone, Copy)]
pub struct ChaosProblems;

impl IntoResponses for ChaosProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::ChaosOff])
    }
}

/// The problems of a route that heals the injector.
#[derive(Debug, Clone, Copy)]
pub struct ChaosQueryProblems;

impl IntoResponses for ChaosQueryProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::ChaosOff, ProblemKind::FaultConflict])
    }
}

/// The problems of a route of the injector whose path names something.
#[derive(Debug, Clone, Copy)]
pub struct ChaosNamedProblems;

impl IntoResponses for ChaosNamedProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::ChaosOff, ProblemKind::NotFound])
    }
}

/// The problems of a route that changes the injector.
#[derive(Debug, Clone, Copy)]
pub struct ChaosConflictProblems;

impl IntoResponses for ChaosConflictProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[
            ProblemKind::MissingParameter,
            ProblemKind::InvalidParameter,
            ProblemKind::InvalidQuery,
            ProblemKind::ChaosOff,
            ProblemKind::NotFound,
            ProblemKind::FaultConflict,
        ])
    }
}

/// The problems of `GET /api/v1/events`.
#[derive(Debug, Clone, Copy)]
pub struct EventsProblems;

impl IntoResponses for EventsProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::InvalidParameter, ProblemKind::InvalidQuery, ProblemKind::Overloaded])
    }
}

/// The problems of `GET /api/v1/topics`.
#[derive(Debug, Clone, Copy)]
pub struct TopicsProblems;

impl IntoResponses for TopicsProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[
            ProblemKind::InvalidParameter,
            ProblemKind::InvalidQuery,
            ProblemKind::NotReady,
            ProblemKind::LogUnreadable,
        ])
    }
}

/// The problems of a route that reads one topic.
#[derive(Debug, Clone, Copy)]
pub struct TopicProblems;

impl IntoResponses for TopicProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[
            ProblemKind::InvalidParameter,
            ProblemKind::InvalidQuery,
            ProblemKind::UnknownTopic,
            ProblemKind::NotReady,
            ProblemKind::LogUnreadable,
        ])
    }
}

/// The problems of `GET /api/v1/topics/{topic}/records`.
pub type RecordsProblems = TopicProblems;
/// The problems of `GET /api/v1/audit`.
pub type AuditProblems = TopicProblems;

const QUERY: &[ProblemKind] =
    &[ProblemKind::MissingParameter, ProblemKind::InvalidParameter, ProblemKind::InvalidQuery];

/// The problems of a route whose path names something.
#[derive(Debug, Clone, Copy)]
pub struct NotFoundProblems;

impl IntoResponses for NotFoundProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::NotFound])
    }
}
