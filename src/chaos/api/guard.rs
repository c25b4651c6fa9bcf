//! What every call of the admin API passes: who may call, how long it may take, and its number.
//!
//! **Why.** The port breaks connections and leads to addresses, so no web page may use it: Toxiproxy refuses browsers by
//! their name, we also by `Origin`, and by a `Host` that a foreign name was rebound to. Neighbours: routes read bodies
//! through [`super::body`], which bounds them. Not here: headers' limits, which are [`crate::lab::server`]'s.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::chaos::api::{Admin, answer};
use crate::lab::guard::is_local_name;

/// Time for a call.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(25);
/// Longest path and query.
pub const LONGEST_URI_BYTES: usize = 4096;
const REQUEST_ID_HEADER: &str = "x-toxiproxy-request-id";

/// Checks a call, lets it pass, and gives the answer its number.
pub async fn guard(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let length = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let mut response = if length > LONGEST_URI_BYTES {
        answer::error(StatusCode::URI_TOO_LONG, "path and query may have 4096 bytes together")
    } else if let Some(refused) = foreign(request.headers(), admin.is_loopback_only) {
        refused
    } else {
        tokio::time::timeout(CALL_TIMEOUT, next.run(request)).await.unwrap_or_else(|_elapsed| {
            answer::error(StatusCode::SERVICE_UNAVAILABLE, "the call took more than 25 seconds")
        })
    };
    let id = uuid::Uuid::new_v4().simple().to_string();
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn foreign(headers: &HeaderMap, is_loopback_only: bool) -> Option<Response> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or("");
    if text(header::USER_AGENT).starts_with("Mozilla/") {
        return Some((StatusCode::FORBIDDEN, "User agent not allowed\n").into_response());
    }
    let host = text(header::HOST);
    if is_loopback_only && !host.is_empty() && !is_local_name(host) {
        let why = format!("Host is {host:?}, but this port belongs to this machine alone");
        return Some(answer::error(StatusCode::FORBIDDEN, &why));
    }
    let origin = headers.get(header::ORIGIN)?.to_str().unwrap_or("?");
    let origin_host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    (!origin_host.eq_ignore_ascii_case(host)).then(|| {
        answer::error(StatusCode::FORBIDDEN, &format!("Origin is {origin:?}, which is another site"))
    })
}
