//! `GET /problems/{name}`: what a problem's `type` means, for people.
//!
//! **Why.** RFC 9457 wants the `type` to lead to an explanation. Neighbours: [`crate::lab::problem_kind`] has the texts.
//! Not here: problems themselves.

use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::problems::NotFoundProblems;
use crate::lab::problem_kind::ProblemKind;

/// What a kind of problem means.
///
/// A few lines of text, in the reader's language.
#[utoipa::path(get, path = "/problems/{name}", tag = "contract",
    params(("name" = String, Path, description = "The last part of a problem's `type`.", example = "delivery-unknown")),
    responses(
        (status = 200, description = "What it means and what to do.", body = String, content_type = "text/plain",
            headers(("Content-Language" = String, description = "`en` or `fr`."))),
        NotFoundProblems,
    ))]
pub async fn page(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    let Some(kind) = ProblemKind::named(&name) else {
        let happened = match language {
            Language::English => format!("There is no problem named {name:?}."),
            Language::French => format!("Aucun problème ne se nomme {name:?}."),
        };
        return Problem::new(ProblemKind::NotFound, language, &happened).into_response();
    };
    let text = format!(
        "{}\n{} (HTTP {})\n\n{}\n",
        kind.name(),
        kind.title(language),
        kind.status().as_u16(),
        kind.advice(language)
    );
    ([(header::CONTENT_LANGUAGE, language.tag())], text).into_response()
}
