//! The routes of proxies.
//!
//! **Why the answers differ so.** Toxiproxy answers a creation with 201, a deletion with 204, and the list as an object by
//! name; clients depend on each. Neighbours: [`super::toxics`]. Not here: what a proxy does.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::chaos::api::{Admin, answer, body};
use crate::chaos::error::ChaosError;
use crate::chaos::injector::{MOST_PROXIES, PopulateError};
use crate::chaos::view::NewProxy;

/// `GET /proxies`.
pub async fn list(State(admin): State<Arc<Admin>>) -> Response {
    let by_name: BTreeMap<String, _> =
        admin.injector.proxies().into_iter().map(|proxy| (proxy.name.clone(), proxy)).collect();
    answer::json(StatusCode::OK, &by_name)
}

/// `POST /proxies`.
pub async fn create(State(admin): State<Arc<Admin>>, request: Body) -> Response {
    let value = match body::read(request).await {
        Ok(value) => value,
        Err(refused) => return refused,
    };
    let (wanted, mut warnings) = match body::new_proxy(&value) {
        Ok(parsed) => parsed,
        Err(error) => return answer::refusal(&error),
    };
    match admin.injector.create(wanted).await {
        Ok(created) => {
            warnings.extend(created.warnings);
            answer::warned(StatusCode::CREATED, &created.value, &warnings)
        }
        Err(error) => answer::refusal(&error),
    }
}

/// `POST /populate`.
pub async fn populate(State(admin): State<Arc<Admin>>, request: Body) -> Response {
    let value = match body::read(request).await {
        Ok(value) => value,
        Err(refused) => return refused,
    };
    let populated = match populate_list(&value) {
        Ok(wanted) => admin.injector.populate(&wanted).await,
        Err(error) => Err(PopulateError { error, created: Vec::new() }),
    };
    match populated {
        Ok(proxies) => answer::json(StatusCode::CREATED, &json!({ "proxies": proxies })),
        Err(PopulateError { error, created }) => {
            let status = answer::status_of(&error);
            let body = json!({ "error": error.message, "status": status.as_u16(), "proxies": created });
            answer::json(status, &body)
        }
    }
}

fn populate_list(value: &Value) -> Result<Vec<NewProxy>, ChaosError> {
    let list = value.as_array().ok_or_else(|| ChaosError::bad_body("expected an array of proxies"))?;
    if list.len() > MOST_PROXIES {
        return Err(ChaosError::bad_body(format!("{} proxies; at most {MOST_PROXIES}", list.len())));
    }
    list.iter().map(|entry| body::new_proxy(entry).map(|(proxy, _warnings)| proxy)).collect()
}

/// `POST /reset`.
pub async fn reset(State(admin): State<Arc<Admin>>) -> Response {
    match admin.injector.reset().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => answer::refusal(&error),
    }
}

/// `GET /proxies/{proxy}`.
pub async fn show(State(admin): State<Arc<Admin>>, Path(proxy): Path<String>) -> Response {
    match admin.injector.proxy(&proxy) {
        Ok(view) => answer::json(StatusCode::OK, &view),
        Err(error) => answer::refusal(&error),
    }
}

/// `POST` or `PATCH /proxies/{proxy}`.
pub async fn update(State(admin): State<Arc<Admin>>, Path(proxy): Path<String>, request: Body) -> Response {
    if let Err(error) = admin.injector.proxy(&proxy) {
        return answer::refusal(&error);
    }
    let value = match body::read(request).await {
        Ok(value) => value,
        Err(refused) => return refused,
    };
    let (change, mut warnings) = match body::proxy_change(&value) {
        Ok(parsed) => parsed,
        Err(error) => return answer::refusal(&error),
    };
    match admin.injector.update(&proxy, &change).await {
        Ok(updated) => {
            warnings.extend(updated.warnings);
            answer::warned(StatusCode::OK, &updated.value, &warnings)
        }
        Err(error) => answer::refusal(&error),
    }
}

/// `DELETE /proxies/{proxy}`.
pub async fn delete(State(admin): State<Arc<Admin>>, Path(proxy): Path<String>) -> Response {
    match admin.injector.delete(&proxy).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => answer::refusal(&error),
    }
}
