//! `GET /openapi.json`, `/docs` and `/swagger`: the contract, for programs and for people (spec 1.7).
//!
//! **Why our own handlers around Swagger UI.** Its router would be a part of what is served that the document does not
//! know. Its files are in the binary, so the pages work in a class room without a network; they need no inline script
//! and no inline style, so the policy below allows none. Neighbours: [`crate::lab::openapi`] makes the document. Not
//! here: the lab's own page.

use std::sync::{Arc, OnceLock};

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi;
use crate::lab::problem_kind::ProblemKind;

/// What the pages may load: their own files, and pictures that are written into the style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "contract",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json")))]
pub async fn document() -> Response {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        // Strings and maps with string keys: there is nothing in it that JSON could not write.
        openapi::document().to_json().unwrap_or_else(|error| error.to_string()).into()
    });
    ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response()
}

/// The document as pages to read and to try.
#[utoipa::path(get, path = "/docs", tag = "contract",
    responses((status = 303, description = "The pages are at `/docs/index.html`; their files are in the program.",
        headers(("Location" = String, description = "`/docs/index.html`.")))))]
pub async fn page() -> Redirect {
    Redirect::to("/docs/index.html")
}

/// A file of the pages.
pub async fn asset(Path(asset): Path<String>, headers: HeaderMap) -> Response {
    // Without the top bar: it carries the only inline style, and would load any address that one types.
    let config = Config::new(["/openapi.json"]).validator_url("none").use_base_layout();
    let Ok(Some(file)) = utoipa_swagger_ui::serve(&asset, Arc::new(config)) else {
        let language = Language::of(&headers);
        let happened = match language {
            Language::English => format!("The pages have no file {asset:?}."),
            Language::French => format!("Les pages n'ont pas de fichier {asset:?}."),
        };
        return Problem::new(ProblemKind::NotFound, language, &happened).into_response();
    };
    let mut response = (StatusCode::OK, file.bytes.into_owned()).into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&file.content_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if file.gzpipped {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
