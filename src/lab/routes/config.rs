//! `GET /api/v1/config`: the settings that the producers of this port have, and who said each (spec 1.7, row 86).
//!
//! **Why.** Half of the course's riddles are a timeout that is not what one believes. Neighbours:
//! [`crate::lab::effective_settings`] has the list; `facteur config` prints the same. Not here: changing them, which
//! needs new producers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::lab::app::Facade;
use crate::lab::asked::Asked;
use crate::lab::effective_settings::EffectiveSetting;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::problems::OptionalQueryProblems;
use crate::lab::profile::Mode;

/// The settings behind a port.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigAnswer {
    /// The clients that this port imitates.
    #[schema(example = "java")]
    pub profile: &'static str,
    /// Its two producers.
    pub producers: Vec<ProducerSettings>,
}

/// The settings of one producer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProducerSettings {
    /// `plain` or `idempotent`.
    pub mode: &'static str,
    /// Every setting, in the order of the reference page.
    pub settings: Vec<EffectiveSetting>,
}

/// The settings of the producers, and where each came from.
#[utoipa::path(get, path = "/api/v1/config", tag = "labs",
    responses((status = 200, description = "Every setting.", body = ConfigAnswer), OptionalQueryProblems))]
pub async fn config(
    State(facade): State<Arc<Facade>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    match answer(&facade, query.as_deref(), language) {
        Ok(answer) => ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn answer(facade: &Facade, query: Option<&str>, language: Language) -> Result<ConfigAnswer, Box<Problem>> {
    Asked::parse(query, &[], language)?;
    let mut producers = Vec::new();
    for mode in [Mode::Plain, Mode::Idempotent] {
        let settings = facade.producers.effective(mode);
        let settings = settings.map_err(|error| Box::new(Problem::of_producer(&error, language)))?;
        producers.push(ProducerSettings { mode: mode.name(), settings });
    }
    Ok(ConfigAnswer { profile: facade.profile.name(), producers })
}
