//! The parameters of the routes that inject faults, as the document shows them.
//!
//! **Why by hand.** As in [`super::parameters`]. Neighbours: `routes/chaos` reads them. Not here: the attributes of each
//! toxic, which are the injector's and follow Toxiproxy.

use utoipa::IntoParams;
use utoipa::openapi::Required::{False as Optional, True as Needed};
use utoipa::openapi::path::{Parameter, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::chaos::kafka::toxic::TYPES;
use crate::chaos::toxic::BYTE_TYPES;
use crate::chaos::toxic_list::LONGEST_NAME_BYTES;
use crate::lab::openapi::parameters::query;
use crate::lab::send_parameters::BOOLEANS;

/// The query of `POST /api/v1/chaos/proxies/{proxy}`.
#[derive(Debug, Clone, Copy)]
pub struct ProxyChangeQuery;

impl IntoParams for ProxyChangeQuery {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let words = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(BOOLEANS.iter().map(|(word, _)| *word)))
            .examples(["true"])
            .build();
        vec![query(
            "enabled",
            Needed,
            words,
            "`false` closes its port and its connections; `true` opens it again.",
        )]
    }
}

/// The query of `POST /api/v1/chaos/proxies/{proxy}/toxics`.
#[derive(Debug, Clone, Copy)]
pub struct ToxicQuery;

impl IntoParams for ToxicQuery {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let share = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(1))
            .default(Some(1.into()))
            .examples([1])
            .build();
        let streams = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(["upstream", "downstream"]))
            .default(Some("downstream".into()))
            .examples(["downstream"])
            .build();
        let attributes = ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(ObjectBuilder::new().schema_type(Type::String)))
            .examples([serde_json::json!({"latency": 100})])
            .build();
        let mut attributes = query(
            "attributes",
            Optional,
            attributes,
            "The type's attributes, each as a parameter of its own: `latency=5000&jitter=100`, or \
             `api=Produce&count=1`.",
        );
        attributes.style = Some(ParameterStyle::Form);
        attributes.explode = Some(true);
        vec![
            query("type", Needed, types(), "Toxiproxy's types, or one of Kafka's such as `drop_response`."),
            query("name", Optional, name(), "Its name; by default the type and the stream."),
            query("stream", Optional, streams, "Which way: requests are `upstream`, answers `downstream`."),
            query("toxicity", Optional, share, "The share of connections that it acts on."),
            attributes,
        ]
    }
}

/// The words that the injector takes, from its own tables.
fn types() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(BYTE_TYPES.into_iter().chain(TYPES)))
        .examples(["latency"])
        .build()
}

/// Without control characters.
fn name() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$"))
        .max_length(Some(LONGEST_NAME_BYTES))
        .examples(["slow"])
        .build()
}
