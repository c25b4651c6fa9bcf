//! Answers of the admin API.
//!
//! **Why errors as JSON with its own type.** Toxiproxy sends the same text as `text/plain`; clients parse it either way.
//! Neighbours: every route. Not here: what is answered.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::chaos::error::{ChaosError, ChaosErrorKind};

/// Where warnings stand, one header line each.
pub const WARNING_HEADER: &str = "x-lab-warning";

/// A value as JSON.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    text(status, serde_json::to_string(value))
}

/// A value as JSON and a newline, where Toxiproxy sends one.
pub fn json_line<T: Serialize>(status: StatusCode, value: &T) -> Response {
    text(status, serde_json::to_string(value).map(|text| text + "\n"))
}

/// A value with warnings.
pub fn warned<T: Serialize>(status: StatusCode, value: &T, warnings: &[String]) -> Response {
    let mut response = json(status, value);
    for warning in warnings {
        // A header is ASCII: what is not is shown by its escape.
        let ascii: String = warning.chars().flat_map(char::escape_default).collect();
        if let Ok(value) = HeaderValue::from_str(&ascii.replace("\\\"", "\"")) {
            response.headers_mut().append(WARNING_HEADER, value);
        }
    }
    response
}

/// An error.
pub fn error(status: StatusCode, message: &str) -> Response {
    json_line(status, &json!({ "error": message, "status": status.as_u16() }))
}

/// A refusal of the injector.
pub fn refusal(refused: &ChaosError) -> Response {
    error(status_of(refused), &refused.message)
}

/// The status of a refusal.
pub const fn status_of(refused: &ChaosError) -> StatusCode {
    match refused.kind {
        ChaosErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        ChaosErrorKind::NotFound => StatusCode::NOT_FOUND,
        ChaosErrorKind::Conflict => StatusCode::CONFLICT,
        ChaosErrorKind::Listen => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn text(status: StatusCode, text: Result<String, serde_json::Error>) -> Response {
    match text {
        Ok(text) => {
            (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
