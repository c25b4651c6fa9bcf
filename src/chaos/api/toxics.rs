//! The routes of toxics.
//!
//! **Why 200 and not 201.** Toxiproxy answers a new toxic with 200, and its clients check it. Neighbours:
//! [`super::proxies`]. Not here: what a toxic does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::chaos::api::{Admin, answer, body};

/// `GET /proxies/{proxy}/toxics`.
pub async fn list(State(admin): State<Arc<Admin>>, Path(proxy): Path<String>) -> Response {
    match admin.injector.toxics(&proxy) {
        Ok(views) => answer::json(StatusCode::OK, &views),
        Err(error) => answer::refusal(&error),
    }
}

/// `POST /proxies/{proxy}/toxics`.
pub async fn create(State(admin): State<Arc<Admin>>, Path(proxy): Path<String>, request: Body) -> Response {
    if let Err(error) = admin.injector.proxy(&proxy) {
        return answer::refusal(&error);
    }
    let value = match body::read(request).await {
        Ok(value) => value,
        Err(refused) => return refused,
    };
    let (wanted, mut warnings) = match body::new_toxic(&value) {
        Ok(parsed) => parsed,
        Err(error) => return answer::refusal(&error),
    };
    match admin.injector.add_toxic(&proxy, &wanted) {
        Ok(added) => {
            warnings.extend(added.warnings);
            answer::warned(StatusCode::OK, &added.value, &warnings)
        }
        Err(error) => answer::refusal(&error),
    }
}

/// `GET /proxies/{proxy}/toxics/{toxic}`.
pub async fn show(State(admin): State<Arc<Admin>>, Path((proxy, toxic)): Path<(String, String)>) -> Response {
    match admin.injector.toxic(&proxy, &toxic) {
        Ok(view) => answer::json(StatusCode::OK, &view),
        Err(error) => answer::refusal(&error),
    }
}

/// `POST` or `PATCH /proxies/{proxy}/toxics/{toxic}`.
pub async fn update(
    State(admin): State<Arc<Admin>>,
    Path((proxy, toxic)): Path<(String, String)>,
    request: Body,
) -> Response {
    if let Err(error) = admin.injector.toxic(&proxy, &toxic) {
        return answer::refusal(&error);
    }
    let value = match body::read(request).await {
        Ok(value) => value,
        Err(refused) => return refused,
    };
    let (change, mut warnings) = match body::toxic_change(&value) {
        Ok(parsed) => parsed,
        Err(error) => return answer::refusal(&error),
    };
    match admin.injector.update_toxic(&proxy, &toxic, &change) {
        Ok(updated) => {
            warnings.extend(updated.warnings);
            answer::warned(StatusCode::OK, &updated.value, &warnings)
        }
        Err(error) => answer::refusal(&error),
    }
}

/// `DELETE /proxies/{proxy}/toxics/{toxic}`.
pub async fn delete(
    State(admin): State<Arc<Admin>>,
    Path((proxy, toxic)): Path<(String, String)>,
) -> Response {
    match admin.injector.remove_toxic(&proxy, &toxic) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => answer::refusal(&error),
    }
}
