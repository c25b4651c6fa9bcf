//! `GET /api/v1/trace/{eventId}`: the story of one event (spec 1.7, D-63).
//!
//! **Why it may be asked at once.** Witnesses tell through bounded buffers, so the last stages may be some milliseconds
//! behind; the story says what it knows now, and asking again says more. Neighbours: [`crate::lab::timeline`] has it.
//! Not here: the log, which `routes/audit` reads.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::lab::app::Facade;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::problems::TraceProblems;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::routes::audit::count;
use crate::lab::timeline::story::{Story, story_of};

/// What happened to an event, attempt by attempt.
#[utoipa::path(get, path = "/api/v1/trace/{eventId}", tag = "labs",
    params(("eventId" = String, Path, description = "The event, as it was sent.", example = "E-1")),
    responses((status = 200, description = "Its story, oldest stage first.", body = Story), TraceProblems))]
pub async fn trace(
    State(facade): State<Arc<Facade>>,
    Path(event_id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let shared = &facade.shared;
    match story_of(&shared.timeline, &event_id, shared.broker.is_some(), language) {
        Some(mut story) => {
            // An outside Kafka tells nobody what it did: the log is asked, unless it is too long to be read here.
            if shared.broker.is_none()
                && let Some(topic) = story.topic().map(str::to_owned)
                && let Ok(found) = count(&shared.direct_bootstrap, &topic, Some(event_id)).await
                && found.is_complete
            {
                story.count_in_the_log(found.count, language);
            }
            ([(header::CACHE_CONTROL, "no-store")], Json(story)).into_response()
        }
        None => unknown(&event_id, language).event_id(Some(&event_id)).into_response(),
    }
}

fn unknown(event_id: &str, language: Language) -> Problem {
    let shown: String = event_id.chars().take(64).collect();
    let happened = match language {
        Language::English => format!("No call with the eventId {shown:?} is remembered."),
        Language::French => format!("Aucun appel avec l'eventId {shown:?} n'est en mémoire."),
    };
    Problem::new(ProblemKind::UnknownEvent, language, &happened)
}
