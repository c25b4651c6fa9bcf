//! The parameters of the routes that look: audit, records, partition; as the document shows them.
//!
//! **Why by hand.** As in [`super::parameters`]: the routes read their query themselves, this only describes it, from the
//! same bounds. Neighbours: `routes/audit`, `routes/topics`, `routes/partition`. Not here: the parsing.

use utoipa::IntoParams;
use utoipa::openapi::Required::{False as Optional, True as Needed};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::lab::openapi::parameters::{header, query, topic};
use crate::lab::routes::events;
use crate::lab::routes::partition::{DEFAULT_PARTITIONS, HASHES, MAX_KEY_BYTES, MAX_PARTITIONS};
use crate::lab::routes::topics::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::lab::send_parameters::LONGEST_EVENT_ID_BYTES;

/// The query of `GET /api/v1/audit`.
#[derive(Debug, Clone, Copy)]
pub struct AuditQuery;

impl IntoParams for AuditQuery {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let event_id = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(LONGEST_EVENT_ID_BYTES))
            .examples(["E-1"])
            .build();
        vec![
            query("topic", Optional, topic(), "The topic; by default the lab's own."),
            query(
                "eventId",
                Optional,
                event_id,
                "The event; a record counts if its value holds it, as with `grep`. Without it every event is counted.",
            ),
        ]
    }
}

/// The query of `GET /api/v1/topics/{topic}/records`.
#[derive(Debug, Clone, Copy)]
pub struct RecordsQuery;

impl IntoParams for RecordsQuery {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let from = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^([Ee]arliest|[Ll]atest|[0-9]{1,18})$"))
            .default(Some("earliest".into()))
            .examples(["earliest"])
            .build();
        vec![
            query("partition", Optional, whole(0, i32::MAX), "The partition; by default all of them."),
            query(
                "from",
                Optional,
                from,
                "`earliest`, `latest` (the newest records), or, with `partition`, the first offset.",
            ),
            query(
                "limit",
                Optional,
                with_default(whole(1, MAX_LIMIT), DEFAULT_LIMIT.into()),
                "The most records of the answer.",
            ),
        ]
    }
}

/// The query of `GET /api/v1/partition`.
#[derive(Debug, Clone, Copy)]
pub struct PartitionQuery;

impl IntoParams for PartitionQuery {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(MAX_KEY_BYTES))
            .examples(["customer-42"])
            .build();
        let hashes = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(HASHES.iter().map(|(word, _)| *word)))
            .examples(["murmur2"])
            .build();
        vec![
            query("key", Needed, key, "The record's key; it may be empty."),
            query(
                "partitions",
                Optional,
                with_default(whole(1, MAX_PARTITIONS), DEFAULT_PARTITIONS.into()),
                "How many partitions the topic has.",
            ),
            query(
                "partitioner",
                Optional,
                hashes,
                "Whose hash; by default Java's `murmur2` and librdkafka's `crc32` beside each other.",
            ),
        ]
    }
}

/// The query of `GET /api/v1/events`, and its header.
#[derive(Debug, Clone, Copy)]
pub struct EventsQuery;

impl IntoParams for EventsQuery {
    fn into_params(_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = || {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(0))
                .maximum(Some(LARGEST_ID_IN_JSON))
                .examples([0])
                .build()
        };
        vec![
            query(
                "after",
                Optional,
                id(),
                "Only events after this one. A page begins with the oldest without it, a stream with the next.",
            ),
            query(
                "limit",
                Optional,
                with_default(whole(1, events::MAX_LIMIT), events::DEFAULT_LIMIT.into()),
                "The most events of a page.",
            ),
            header("Last-Event-ID", id(), "Where a stream goes on; before `after`."),
        ]
    }
}

fn whole<T: Into<utoipa::Number>>(least: i32, most: T) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most)).build()
}

fn with_default(mut object: Object, default: serde_json::Value) -> Object {
    object.default = Some(default);
    object
}

/// [`events::LARGEST_ID`], in the schema's own type.
const LARGEST_ID_IN_JSON: f64 = 9_007_199_254_740_991.0;
