//! The parameters of `POST /api/v1/send`, as the document shows them.
//!
//! **Why by hand.** The route reads its query itself, so that it can answer with the place of a mistake
//! (F04), so no extractor could be derived from; this only describes it. The allowed words and bounds come from the parser's own tables, so that the two
//! cannot disagree. Neighbours: [`crate::lab::send_parameters`] parses. Not here: the parsing.

use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::lab::idempotency::LONGEST_KEY;
use crate::lab::send_parameters::{
    BOOLEANS, LONGEST_EVENT_ID_BYTES, LONGEST_TIMEOUT_MS, MODES, PARTITIONERS, SEND_MODES,
};

/// The query of `POST /api/v1/send`.
#[derive(Debug, Clone, Copy)]
pub struct SendQuery;

impl IntoParams for SendQuery {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        use Required::{False as Optional, True as Needed};
        vec![
            query(
                "mode",
                Needed,
                modes(),
                "`plain`: a retry can store a second copy. `idempotent`: the broker recognises a retry.",
            ),
            query(
                "eventId",
                Needed,
                event_id(),
                "Names the event; at most 512 bytes of UTF-8, not blank. It is **not** an idempotency key: the same one twice \
                 is two records.",
            ),
            query(
                "sendMode",
                Optional,
                send_modes(),
                "`sync` answers with the offset; `async` answers 202 and the address of a status.",
            ),
            query("key", Optional, text(), "The record's key; the eventId if it is missing or blank."),
            query(
                "keyless",
                Optional,
                booleans(),
                "`true` sends the record without a key; not together with `key`.",
            ),
            query(
                "partition",
                Optional,
                partition(),
                "The partition; by default the key's hash chooses, as the profile's clients would. It must exist.",
            ),
            query("topic", Optional, topic(), "An existing topic; by default the lab's own."),
            query(
                "acks",
                Optional,
                acks(),
                "Which acknowledgements are waited for; mode `idempotent` needs `all`.",
            ),
            query(
                "partitioner",
                Optional,
                partitioners(),
                "How a record without `partition` gets one; by default as the profile's clients do it.",
            ),
            query(
                "timeoutMs",
                Optional,
                timeout_ms(),
                "How long this call may take. When it is over and the record was accepted, the answer is 202.",
            ),
        ]
    }
}

/// The headers of `POST /api/v1/send`.
#[derive(Debug, Clone, Copy)]
pub struct SendHeaders;

impl IntoParams for SendHeaders {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let trace = ObjectBuilder::new()
            .schema_type(Type::String)
            .examples(["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
            .build();
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(LONGEST_KEY))
            .pattern(Some(r#"^[!#-\[\]-~]+$"#))
            .examples(["8e03978e-40d5-43e8-bc93-6894a57f9324"])
            .build();
        let about_key = "The same key again, with the same parameters, is answered with the first call's answer \
                         (`Idempotent-Replayed: true`) and writes nothing; kept in memory for an hour. Quotes around it are taken off.";
        vec![
            header("Idempotency-Key", key, about_key),
            header("traceparent", trace, "W3C trace context; goes into the record's headers."),
        ]
    }
}

/// A parameter of a query string.
pub fn query(name: &str, required: Required, schema: Object, about: &str) -> Parameter {
    parameter(name, ParameterIn::Query, required, schema, about)
}

/// A header that need not be there.
pub fn header(name: &str, schema: Object, about: &str) -> Parameter {
    parameter(name, ParameterIn::Header, Required::False, schema, about)
}

fn parameter(name: &str, place: ParameterIn, required: Required, schema: Object, about: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn words<'a>(words: impl Iterator<Item = &'a str>, example: &str) -> Object {
    let words: Vec<&str> = words.collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).examples([example]).build()
}

fn modes() -> Object {
    words(MODES.iter().map(|(word, _)| *word), "idempotent")
}

fn send_modes() -> Object {
    let mut object = words(SEND_MODES.iter().map(|(word, _)| *word), "sync");
    object.default = Some("sync".into());
    object
}

fn partitioners() -> Object {
    // No example: together with that of `partition` it would be a call that is refused.
    let mut object = words(PARTITIONERS.iter().map(|(word, _)| *word), "murmur2");
    object.examples.clear();
    object
}

fn booleans() -> Object {
    let mut object = words(BOOLEANS.iter().map(|(word, _)| *word), "false");
    object.default = Some("false".into());
    object
}

fn acks() -> Object {
    words(["0", "1", "all"].into_iter(), "all")
}

fn text() -> Object {
    ObjectBuilder::new().schema_type(Type::String).examples(["customer-42"]).build()
}

fn event_id() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_EVENT_ID_BYTES))
        .pattern(Some(r"\S"))
        .examples(["E-1"])
        .build()
}

pub(super) fn topic() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(crate::topic_name::MAX_LEN))
        .pattern(Some(r"^(?!\.{1,2}$)[a-zA-Z0-9._-]+$"))
        .examples(["bhf-transactions"])
        .build()
}

fn partition() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(i32::MAX))
        .examples([0])
        .build()
}

fn timeout_ms() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(LONGEST_TIMEOUT_MS))
        .examples([2000])
        .build()
}
