//! `GET /api/v1/status`: what became of an accepted request (spec 1.4, D-58, D-64).
//!
//! **Why four states.** `OK` and `ERROR` are certain; `PENDING` is not over; `UNKNOWN` is over and nobody knows: looking
//! like either of the first two would be a lie. Neighbours: [`crate::lab::status_store`] keeps them. Not here: waiting.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::error::Error;
use crate::lab::app::Facade;
use crate::lab::clock;
use crate::lab::dto::{DeliveredStatus, FailedStatus, LateStatus, PendingStatus, StatusAnswer};
use crate::lab::error::{KafkaError, Problem, attempts_of};
use crate::lab::language::Language;
use crate::lab::openapi::problems::StatusProblems;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::query::Query;
use crate::lab::send_parameters::problem_of_query;
use crate::lab::status_store::{Progress, SharedDelivery, Status};
use crate::lab::timeline::join::{self, LateOutcome};
use crate::runtime::delivery::DeliveryReport;

/// What became of an accepted request.
#[utoipa::path(get, path = "/api/v1/status", tag = "events",
    params(("requestId" = String, Query, description = "From the answer 202.", pattern = r"\S",
        example = "4f1c0c7e-9c9b-4f0e-9d3c-0b0a4d8d2c11")),
    responses((status = 200, description = "How far it has come.", body = StatusAnswer), StatusProblems))]
pub async fn by_query(
    State(facade): State<Arc<Facade>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let query = match Query::parse(query.as_deref().unwrap_or("")) {
        Ok(query) => query,
        Err(error) => return problem_of_query(&error, language).into_response(),
    };
    let Some(request_id) = query.value("requestId").filter(|text| !text.trim().is_empty()) else {
        let happened = language
            .pick("The query parameter requestId is missing.", "Le paramètre de requête requestId manque.");
        return Problem::parameter(ProblemKind::MissingParameter, language, "requestId", happened, &[])
            .into_response();
    };
    answer(&facade, request_id.trim(), language)
}

/// What became of an accepted request; the id is part of the path.
#[utoipa::path(get, path = "/api/v1/status/{requestId}", tag = "events",
    params(("requestId" = String, Path, description = "From the answer 202.",
        example = "4f1c0c7e-9c9b-4f0e-9d3c-0b0a4d8d2c11")),
    responses((status = 200, description = "How far it has come.", body = StatusAnswer), StatusProblems))]
pub async fn by_path(
    State(facade): State<Arc<Facade>>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&facade, &request_id, Language::of(&headers))
}

fn answer(facade: &Facade, request_id: &str, language: Language) -> Response {
    let found = Uuid::parse_str(request_id).ok().and_then(|id| facade.shared.statuses.find(id));
    let Some(status) = found else {
        let shown: String = request_id.chars().take(64).collect();
        let happened = match language {
            Language::English => format!("There is no request {shown:?} any more, or there never was."),
            Language::French => format!("La requête {shown:?} n'existe plus, ou n'a jamais existé."),
        };
        return Problem::new(ProblemKind::UnknownRequest, language, &happened)
            .request_id(&shown)
            .into_response();
    };
    let body = match &status.progress {
        Progress::Pending(delivery) => StatusAnswer::Pending(pending(&status, request_id, delivery.as_ref())),
        Progress::Final(Ok(report)) => StatusAnswer::Delivered(delivered(&status, request_id, report)),
        Progress::Final(Err(error)) => {
            let late = late_outcome(facade, &status, error);
            StatusAnswer::Failed(FailedStatus {
                late_outcome: late,
                ..failed(&status, request_id, error, language)
            })
        }
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn pending(status: &Status, request_id: &str, delivery: Option<&SharedDelivery>) -> PendingStatus {
    PendingStatus {
        state: "PENDING",
        request_id: request_id.to_owned(),
        age_ms: u64::try_from(clock::now().since(status.accepted).as_millis()).unwrap_or(u64::MAX),
        attempts: delivery.map_or(0, SharedDelivery::attempts),
    }
}

fn delivered(status: &Status, request_id: &str, report: &DeliveryReport) -> DeliveredStatus {
    let details = report.details();
    DeliveredStatus {
        state: "OK",
        topic: report.topic().to_owned(),
        partition: report.partition(),
        offset: report.offset().unwrap_or(-1),
        request_id: request_id.to_owned(),
        event_id: status.event_id.clone(),
        attempts: details.attempts,
        producer_id: details.producer_id,
        base_sequence: details.base_sequence,
        deduplicated: details.deduplicated,
    }
}

/// Unknown was the last word to the caller; what was learnt later stands beside it (D-5).
fn late_outcome(facade: &Facade, status: &Status, error: &Error) -> Option<LateStatus> {
    if !error.may_have_been_written() {
        return None;
    }
    Some(match join::late_outcome(&facade.shared.timeline, status.place?)? {
        LateOutcome::Acknowledged { offset } => LateStatus { state: "OK", offset: offset.unwrap_or(-1) },
        LateOutcome::Abandoned => LateStatus { state: "UNKNOWN", offset: -1 },
    })
}

fn failed(status: &Status, request_id: &str, error: &Error, language: Language) -> FailedStatus {
    let kind = crate::lab::error::kind_of(error);
    FailedStatus {
        state: if error.may_have_been_written() { "UNKNOWN" } else { "ERROR" },
        request_id: request_id.to_owned(),
        error: format!("{}: {error}. {}", kind.title(language), kind.advice(language)),
        kafka_error: error.code().map(KafkaError::from),
        possibly_written: error.may_have_been_written(),
        event_id: status.event_id.clone(),
        attempts: attempts_of(error),
        late_outcome: None,
    }
}
