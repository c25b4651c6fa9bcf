//! `/api/v1/chaos/…`: the injector, for the lab's page (spec 1.7).
//!
//! **Why not the admin API.** Toxiproxy's API answers 403 to every browser, and speaks JSON bodies; a page of this origin
//! needs a door of its own. It is thin: parameters travel in the query, as everywhere here, and what is wrong is said in
//! the injector's words. Foreign pages are kept out by [`crate::lab::guard`]; with `--no-chaos` there is nothing here.
//! Neighbours: [`crate::chaos::injector`] does the work. Not here: creating proxies, which is the admin API's.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::chaos::injector::Injector;
use crate::chaos::view::{NewToxic, ProxyChange, ProxyView, ToxicView};
use crate::chaos::{ChaosError, ChaosErrorKind};
use crate::lab::app::Facade;
use crate::lab::asked::Asked;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::chaos_parameters::{ProxyChangeQuery, ToxicQuery};
use crate::lab::openapi::problems::{
    ChaosConflictProblems, ChaosNamedProblems, ChaosProblems, ChaosQueryProblems,
};
use crate::lab::problem_kind::ProblemKind;
use crate::lab::send_parameters::BOOLEANS;

/// The injector.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChaosState {
    /// Decides every draw: the same seed and the same calls give the same faults.
    pub seed: u64,
    /// Its proxies, by name.
    pub proxies: Vec<ProxyState>,
}

/// A proxy.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyState {
    /// Its name.
    #[schema(example = "kafka")]
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// Where it leads.
    pub upstream: String,
    /// Whether it listens: `false` is the fault "down".
    pub enabled: bool,
    /// What it takes its connections for: `auto`, `kafka` or `tcp`.
    pub protocol: &'static str,
    /// The proxy whose toxics it shares; null if it has its own.
    #[schema(required = true)]
    pub parent: Option<String>,
    /// Its toxics.
    pub toxics: Vec<ToxicState>,
}

/// A toxic.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToxicState {
    /// Its name.
    #[schema(example = "latency_downstream")]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `upstream` or `downstream`.
    pub stream: String,
    /// The share of connections that it acts on, 0 to 1.
    pub toxicity: f64,
    /// Its attributes, with defaults; of Kafka's ones also how often it `fired`.
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// What was ignored, or is dangerous; only after adding it.
    pub warnings: Vec<String>,
}

/// The injector, its proxies and their toxics.
#[utoipa::path(get, path = "/api/v1/chaos", tag = "faults",
    responses((status = 200, description = "The injector.", body = ChaosState), ChaosProblems))]
pub async fn state(State(facade): State<Arc<Facade>>, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    answered(injector(&facade, language).map(state_of))
}

/// One proxy.
#[utoipa::path(get, path = "/api/v1/chaos/proxies/{proxy}", tag = "faults",
    params(("proxy" = String, Path, description = "The proxy.", example = "kafka")),
    responses((status = 200, description = "The proxy.", body = ProxyState), ChaosNamedProblems))]
pub async fn proxy(
    State(facade): State<Arc<Facade>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let found = injector(&facade, language)
        .and_then(|injector| injector.proxy(&name).map_err(|error| refused(&error, language)));
    answered(found.map(proxy_state))
}

/// Takes a proxy down, or up again.
#[utoipa::path(post, path = "/api/v1/chaos/proxies/{proxy}", tag = "faults",
    params(("proxy" = String, Path, description = "The proxy.", example = "kafka"), ProxyChangeQuery),
    responses((status = 200, description = "The proxy as it is now.", body = ProxyState), ChaosConflictProblems))]
pub async fn change_proxy(
    State(facade): State<Arc<Facade>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let changed = async {
        let injector = injector(&facade, language)?;
        let asked = Asked::parse(query.as_deref(), &["enabled"], language)?;
        let enabled = asked.choice("enabled", BOOLEANS)?;
        let enabled = Some(enabled.ok_or_else(|| asked.missing("enabled", &["true", "false"]))?);
        let change = ProxyChange { enabled, ..ProxyChange::default() };
        let changed = injector.update(&name, &change).await;
        changed.map(|warned| proxy_state(warned.value)).map_err(|error| refused(&error, language))
    };
    answered(changed.await)
}

/// Adds a toxic to a proxy; it acts at once.
#[utoipa::path(post, path = "/api/v1/chaos/proxies/{proxy}/toxics", tag = "faults",
    params(("proxy" = String, Path, description = "The proxy.", example = "kafka"), ToxicQuery),
    responses((status = 201, description = "The toxic.", body = ToxicState), ChaosConflictProblems))]
pub async fn add_toxic(
    State(facade): State<Arc<Facade>>,
    Path(proxy): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let added = injector(&facade, language).and_then(|injector| {
        let wanted = toxic_of(query.as_deref().unwrap_or(""), language)?;
        injector.add_toxic(&proxy, &wanted).map_err(|error| refused(&error, language))
    });
    match added {
        Ok(warned) => (StatusCode::CREATED, Json(toxic_state(warned.value, warned.warnings))).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Removes a toxic.
#[utoipa::path(delete, path = "/api/v1/chaos/proxies/{proxy}/toxics/{toxic}", tag = "faults",
    params(("proxy" = String, Path, description = "The proxy.", example = "kafka"),
        ("toxic" = String, Path, description = "The toxic.", example = "latency_downstream")),
    responses((status = 204, description = "It is gone."), ChaosNamedProblems))]
pub async fn remove_toxic(
    State(facade): State<Arc<Facade>>,
    Path((proxy, toxic)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let removed = injector(&facade, language).and_then(|injector| {
        injector.remove_toxic(&proxy, &toxic).map_err(|error| refused(&error, language))
    });
    match removed {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Takes every proxy up and every toxic away.
#[utoipa::path(post, path = "/api/v1/chaos/reset", tag = "faults",
    responses((status = 200, description = "The injector as it is now.", body = ChaosState), ChaosQueryProblems))]
pub async fn reset(State(facade): State<Arc<Facade>>, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    let reset = async {
        let injector = injector(&facade, language)?;
        injector.reset().await.map_err(|error| refused(&error, language))?;
        Ok(state_of(injector))
    };
    answered(reset.await)
}

fn answered<T: Serialize>(outcome: Result<T, Box<Problem>>) -> Response {
    match outcome {
        Ok(body) => ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn injector(facade: &Facade, language: Language) -> Result<&Injector, Box<Problem>> {
    facade.shared.injector.as_ref().ok_or_else(|| {
        let happened =
            language.pick("This lab has no fault injector.", "Ce lab n'a pas d'injecteur de pannes.");
        Box::new(Problem::new(ProblemKind::ChaosOff, language, happened))
    })
}

/// The injector's refusal, in its own words.
fn refused(error: &ChaosError, language: Language) -> Box<Problem> {
    let kind = match error.kind {
        ChaosErrorKind::BadRequest => ProblemKind::InvalidParameter,
        ChaosErrorKind::NotFound => ProblemKind::NotFound,
        ChaosErrorKind::Conflict | ChaosErrorKind::Listen => ProblemKind::FaultConflict,
    };
    let happened = match language {
        Language::English => format!("The injector says: {}.", error.message.trim_end_matches('.')),
        Language::French => format!("L'injecteur répond : {}.", error.message.trim_end_matches('.')),
    };
    Box::new(Problem::new(kind, language, &happened))
}

/// What is not a member of every toxic is an attribute: a number where it can be one.
fn toxic_of(query: &str, language: Language) -> Result<NewToxic, Box<Problem>> {
    let asked = Asked::parse_any(Some(query), language)?;
    let type_name = asked.text("type").ok_or_else(|| asked.missing("type", &[]))?;
    let toxicity = match asked.raw("toxicity") {
        None => 1.0,
        Some(text) => {
            text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
                asked.invalid("toxicity", text, ("a number from 0 to 1", "un nombre de 0 à 1"), &[])
            })?
        }
    };
    let attributes = asked.names().filter(|name| !MEMBERS.contains(name)).filter_map(|name| {
        let text = asked.raw(name)?;
        let value = text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from);
        Some((name.to_owned(), value))
    });
    Ok(NewToxic {
        name: asked.text("name").map(str::to_owned),
        stream: asked.raw("stream").map(str::to_owned),
        toxicity,
        ..NewToxic::new(type_name, attributes.collect())
    })
}

fn state_of(injector: &Injector) -> ChaosState {
    let mut proxies: Vec<ProxyState> = injector.proxies().into_iter().map(proxy_state).collect();
    proxies.sort_by(|one, other| one.name.cmp(&other.name));
    ChaosState { seed: injector.seed(), proxies }
}

fn proxy_state(view: ProxyView) -> ProxyState {
    ProxyState {
        name: view.name,
        listen: view.listen,
        upstream: view.upstream,
        enabled: view.enabled,
        protocol: view.protocol,
        parent: view.parent,
        toxics: view.toxics.into_iter().map(|toxic| toxic_state(toxic, Vec::new())).collect(),
    }
}

fn toxic_state(view: ToxicView, warnings: Vec<String>) -> ToxicState {
    ToxicState {
        name: view.name,
        type_name: view.type_name,
        stream: view.stream,
        toxicity: view.toxicity,
        attributes: view.attributes,
        warnings,
    }
}

/// What every toxic has; the rest are its type's attributes.
const MEMBERS: &[&str] = &["type", "name", "stream", "toxicity"];
