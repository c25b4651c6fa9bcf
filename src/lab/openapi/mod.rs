//! The façade's OpenAPI 3.1 document: collected from the handlers, completed here, served at `/openapi.json`.
//!
//! **Why from the handlers.** A contract that is written beside the code drifts from it. Here a route *is* its annotation:
//! [`crate::lab::app::api`] registers both in one step, and a test holds that nothing is served without it. What is
//! the same for every call (the answers of [`crate::lab::guard`], `X-Request-Id`, the language) is added here once, so a
//! new route only describes itself. Neighbours: [`problems`] turns problem kinds into documented answers,
//! `routes/docs` serves the result. Not here: the routes.

pub mod chaos_parameters;
pub mod log_parameters;
pub mod parameters;
pub mod problems;

use std::sync::{Arc, OnceLock};

use axum::routing::MethodRouter;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Response, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::lab::app::{Facade, api};
use crate::lab::error::Problem;
use crate::lab::openapi::parameters::header;
use crate::lab::openapi::problems::{ALWAYS, answers_of};

/// A router that documents what it serves.
pub type Api = OpenApiRouter<Arc<Facade>>;

/// A router without routes; the document has its title, tags, and the shape of problems.
pub fn empty() -> Api {
    OpenApiRouter::with_openapi(
        OpenApiBuilder::new()
            .info(
                InfoBuilder::new()
                    .title("facteur, the lab's façade")
                    .version(env!("CARGO_PKG_VERSION"))
                    .description(Some(ABOUT))
                    .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
                    .build(),
            )
            .paths(Paths::new())
            .components(Some(problem_schemas()))
            .tags(Some(
                TAGS.iter()
                    .map(|(name, about)| TagBuilder::new().name(*name).description(Some(*about)).build()),
            ))
            .build(),
    )
}

/// Serves what is at `original` under a second address too, and documents it there.
#[must_use]
pub fn alias(router: Api, original: &str, address: &str, method: MethodRouter<Arc<Facade>>) -> Api {
    let mut router = router.route(address, method);
    let paths = &mut router.get_openapi_mut().paths.paths;
    let Some(item) = paths.get(original) else { return router };
    let mut copy = item.clone();
    for operation in operations(&mut copy) {
        let suffix = address.replace(|sign: char| !sign.is_ascii_alphanumeric(), "_");
        operation.operation_id = operation.operation_id.as_ref().map(|id| format!("{id}{suffix}"));
        operation.description = Some(format!("The same as `{original}`."));
    }
    paths.insert(address.to_owned(), copy);
    router
}

/// The whole document, made once.
pub fn document() -> &'static OpenApi {
    static DOCUMENT: OnceLock<OpenApi> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document = api().into_openapi();
        for item in document.paths.paths.values_mut() {
            for operation in operations(item) {
                complete(operation);
            }
        }
        document
    })
}

/// What every operation has in common.
fn complete(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    parameters.extend(common_parameters().map(Into::into));
    let answers = &mut operation.responses.responses;
    for (status, common) in answers_of(ALWAYS) {
        match answers.get_mut(&status) {
            Some(RefOr::T(own)) => add_examples(own, common),
            Some(RefOr::Ref(_)) => {}
            None => drop(answers.insert(status, common.into())),
        }
    }
    // hyper answers this before there is a route, so it has no body.
    let too_large = ResponseBuilder::new().description("The head has more than 64 fields or 16 KiB.");
    answers.entry("431".to_owned()).or_insert_with(|| too_large.build().into());
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    for (_, answer) in answers.iter_mut().filter(|(status, _)| *status != "431") {
        if let RefOr::T(answer) = answer {
            let header = HeaderBuilder::new()
                .schema(Some(text.clone()))
                .description(Some("The caller's `X-Request-Id` if it is short and plain, else a new one."))
                .build();
            answer.headers.insert("X-Request-Id".to_owned(), header.into());
        }
    }
}

/// A route's own problem and a common one may share a status.
fn add_examples(own: &mut Response, common: Response) {
    for (kind, content) in common.content {
        match (own.content.get_mut(&kind), content) {
            (Some(RefOr::T(own)), RefOr::T(common)) => own.examples.extend(common.examples),
            (Some(_), _) => {}
            (None, content) => drop(own.content.insert(kind, content)),
        }
    }
    own.headers.extend(common.headers);
    own.description = format!("{}\n{}", own.description, common.description);
}

fn common_parameters() -> impl Iterator<Item = Parameter> {
    [
        ("Accept-Language", "`fr` for French problems; English is the default.", "fr"),
        ("X-Request-Id", "Comes back in the answer if it is short and plain.", "call-42"),
    ]
    .into_iter()
    .map(|(name, about, example)| {
        header(name, ObjectBuilder::new().schema_type(Type::String).examples([example]).build(), about)
    })
}

/// The operations of a path, whatever their method.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
        &mut item.head,
        &mut item.options,
    ]
    .into_iter()
    .flatten()
}

fn problem_schemas() -> Components {
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    let mut components = Components::new();
    components.schemas.extend(schemas);
    components
}

const ABOUT: &str = "\
One event becomes one Kafka record. Parameters travel in the query string; answers are compact JSON; everything that is not \
a success is a problem (RFC 9457) whose `type` leads to an explanation, whose `detail` says what to do now, and whose \
`possiblyWritten` says whether the record may be in the log all the same.";

const TAGS: &[(&str, &str)] = &[
    ("events", "Sending events, and what became of them."),
    ("labs", "What happened to an event, what is in the log, and the labs themselves."),
    ("faults", "Faults between the producers and Kafka."),
    ("health", "Probes and figures for operators."),
    ("contract", "This document, its pages, and the pages of problems."),
];
