//! `GET /api/v1/lab` and `POST /api/v1/lab/{id}/run`: the course's labs over HTTP.
//!
//! **Why a failed checkpoint is 200.** The lab ran and this is its result; a problem is only what kept it from running.
//! Neighbours: [`crate::lab::runner`] takes the steps, [`crate::lab::runner::desk`] lets one lab run at a time. Not here:
//! the labs' texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use crate::lab::app::Facade;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::problems::responses_of;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::runner::checkpoint::Checkpoint;
use crate::lab::runner::desk::LabOverview;
use crate::lab::runner::lab_id::LabId;
use crate::lab::runner::run::Runner;

/// The problems of `POST /api/v1/lab/{id}/run`.
#[derive(Debug, Clone, Copy)]
pub struct LabProblems;

impl IntoResponses for LabProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses_of(&[ProblemKind::NotFound, ProblemKind::LabRunning, ProblemKind::Draining])
    }
}

/// The labs, and how each one ended last.
#[utoipa::path(get, path = "/api/v1/lab", tag = "labs",
    responses((status = 200, description = "The labs.", body = LabOverview)))]
pub async fn overview(State(facade): State<Arc<Facade>>, headers: HeaderMap) -> Json<LabOverview> {
    Json(facade.shared.labs.overview(Language::of(&headers)))
}

/// Runs a lab from its first step to its checkpoint.
///
/// It sends records, injects faults and heals them, as a student would. A checkpoint that is not reached is 200 with
/// `ok: false`. Lab 02.3 takes some 5 s, lab 02.6 up to a minute on a real Kafka.
///
/// # Errors
///
/// 404 for a name that is none, 409 while another lab runs, 503 while the lab stops.
#[utoipa::path(post, path = "/api/v1/lab/{id}/run", tag = "labs",
    params(("id" = String, Path, description = "`02.0` to `02.6`, or another name of `GET /api/v1/lab`.", example = "02.1")),
    responses((status = 200, description = "The checkpoint.", body = Checkpoint), LabProblems))]
pub async fn run(
    State(facade): State<Arc<Facade>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Checkpoint>, Problem> {
    let language = Language::of(&headers);
    let lab: LabId = id.parse().map_err(|_error| {
        let names: Vec<&str> = LabId::all().map(LabId::name).collect();
        let names = names.join(", ");
        let happened = match language {
            Language::English => format!("There is no lab {id:?}; there are {names}."),
            Language::French => format!("Il n'y a pas de lab {id:?} ; il y a {names}."),
        };
        Problem::new(ProblemKind::NotFound, language, &happened)
    })?;
    let desk = &facade.shared.labs;
    let target = match desk.target() {
        Some(target) if !facade.shared.is_draining() => target.clone(),
        Some(_) | None => {
            let happened = language.pick("The lab is not open now.", "Le lab n'est pas ouvert en ce moment.");
            return Err(Problem::new(ProblemKind::Draining, language, happened));
        }
    };
    let turn = desk.begin(lab).map_err(|running| {
        let happened = match language {
            Language::English => format!("Lab {running} runs now."),
            Language::French => format!("Le lab {running} est en cours."),
        };
        Problem::new(ProblemKind::LabRunning, language, &happened)
    })?;
    let checkpoint = Box::pin(Runner::new(target, language).run(lab)).await;
    turn.end(&checkpoint);
    Ok(Json(checkpoint))
}
