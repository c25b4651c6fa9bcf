//! `GET /api/v1/audit`: how often an event is in the log (spec 1.7; the course counts the same with `grep`).
//!
//! **Why from the log.** Producer and broker say what they believe; the log is what a consumer gets. The rule is the
//! course's: a record counts if its value holds the eventId as it is. Read through the Kafka protocol and not through
//! the injector, so that a fault does not change the count. Neighbours: [`crate::lab::topic_reader`] reads. Not here:
//! who wrote the copies, which is `routes/trace`'s.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::message_format::ConsumedRecord;
use crate::lab::app::Facade;
use crate::lab::asked::Asked;
use crate::lab::clock;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::log_parameters::AuditQuery;
use crate::lab::openapi::problems::AuditProblems;
use crate::lab::routes::topics::problem_of_read;
use crate::lab::send_parameters::LONGEST_EVENT_ID_BYTES;
use crate::lab::topic_reader::{ReadError, TopicReader};

/// Records that one audit reads at most.
pub const MAX_RECORDS: u64 = 1_000_000;
/// How long one audit may take.
pub const MAX_TIME: Duration = Duration::from_secs(5);
/// Events that are told apart at most, when none is named.
const MAX_EVENTS: usize = 100_000;
/// Copies whose place is told, and events that are listed.
const MAX_LISTED: usize = 100;

/// What is in the log.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The topic.
    #[schema(example = "bhf-transactions")]
    pub topic: String,
    /// The event that was asked for; null if all were.
    #[schema(required = true)]
    pub event_id: Option<String>,
    /// Records whose value holds it; all records that name an event, if none was asked for.
    pub count: u64,
    /// Where the first hundred of them are.
    pub places: Vec<Place>,
    /// Events and their copies, most copies first, at most a hundred; only if no event was asked for.
    pub events: Vec<EventCount>,
    /// Records beyond the first of each event; only if no event was asked for.
    pub duplicates: u64,
    /// Records that were read.
    pub records_read: u64,
    /// Whether the whole topic was read: false after a million records, a hundred thousand events or five seconds.
    pub is_complete: bool,
}

/// Where a copy is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The producer's id; -1 where it has none.
    pub producer_id: i64,
    /// The first sequence of its batch; -1 where it has none.
    pub base_sequence: i32,
}

/// An event and how often it is there.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventCount {
    /// The event, as its record's value names it.
    pub event_id: String,
    /// Its copies.
    pub count: u64,
}

/// How often an event is in the log.
#[utoipa::path(get, path = "/api/v1/audit", tag = "labs", params(AuditQuery),
    responses((status = 200, description = "What is in the log.", body = Audit), AuditProblems))]
pub async fn audit(
    State(facade): State<Arc<Facade>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    match answer(&facade, query.as_deref(), language).await {
        Ok(audit) => ([(header::CACHE_CONTROL, "no-store")], Json(audit)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn answer(facade: &Facade, query: Option<&str>, language: Language) -> Result<Audit, Box<Problem>> {
    let asked = Asked::parse(query, NAMES, language)?;
    let topic = asked.topic(&facade.shared.default_topic)?;
    let event_id = asked.bounded_text("eventId", LONGEST_EVENT_ID_BYTES)?.map(str::to_owned);
    count(&facade.shared.direct_bootstrap, &topic, event_id)
        .await
        .map_err(|error| problem_of_read(&error, &topic, language))
}

/// Reads a topic from its beginning and counts.
///
/// # Errors
///
/// [`ReadError`]
///
/// # Cancel safety
///
/// Dropping the future closes the connections.
pub async fn count(bootstrap: &str, topic: &str, event_id: Option<String>) -> Result<Audit, ReadError> {
    let deadline = clock::now() + MAX_TIME;
    let mut reader = TopicReader::connect(bootstrap).await?;
    let found = reader.topic(topic).await?;
    let mut counter = Counter::new(topic, event_id);
    let mut is_complete = true;
    for (partition, extent) in reader.extents(&found).await? {
        let mut handle = |record: ConsumedRecord| counter.add(&record);
        is_complete &= reader.read(topic, partition, extent, deadline, &mut handle).await?;
    }
    Ok(counter.audit(is_complete))
}

struct Counter {
    audit: Audit,
    events: BTreeMap<String, u64>,
}

impl Counter {
    fn new(topic: &str, event_id: Option<String>) -> Self {
        Self {
            audit: Audit { topic: topic.to_owned(), event_id, ..Audit::default() },
            events: BTreeMap::new(),
        }
    }

    fn add(&mut self, record: &ConsumedRecord) -> ControlFlow<()> {
        if self.audit.records_read >= MAX_RECORDS {
            return ControlFlow::Break(());
        }
        self.audit.records_read += 1;
        let value = record.value.as_deref().unwrap_or_default();
        match &self.audit.event_id {
            Some(event_id) if !holds(value, event_id.as_bytes()) => return ControlFlow::Continue(()),
            Some(_) => {}
            None => {
                let Some(event_id) = event_of(value) else { return ControlFlow::Continue(()) };
                if self.events.len() >= MAX_EVENTS && !self.events.contains_key(&event_id) {
                    return ControlFlow::Break(());
                }
                *self.events.entry(event_id).or_default() += 1;
            }
        }
        self.audit.count += 1;
        if self.audit.places.len() < MAX_LISTED {
            self.audit.places.push(Place {
                partition: record.partition,
                offset: record.offset,
                producer_id: record.producer_id,
                base_sequence: record.base_sequence,
            });
        }
        ControlFlow::Continue(())
    }

    fn audit(mut self, is_complete: bool) -> Audit {
        self.audit.is_complete = is_complete;
        self.audit.duplicates = self.events.values().map(|count| count.saturating_sub(1)).sum();
        let mut events: Vec<EventCount> =
            self.events.into_iter().map(|(event_id, count)| EventCount { event_id, count }).collect();
        // Stable: events with as many copies stay in the order of their names.
        events.sort_by_key(|event| std::cmp::Reverse(event.count));
        events.truncate(MAX_LISTED);
        self.audit.events = events;
        self.audit
    }
}

/// The course's rule: what `grep` would find.
fn holds(value: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && value.windows(wanted.len()).any(|window| window == wanted)
}

/// The event that a record of ours names.
fn event_of(value: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(value).ok()?;
    json.get("eventId")?.as_str().map(str::to_owned)
}

/// The parameters.
pub const NAMES: &[&str] = &["topic", "eventId"];

#[cfg(test)]
mod tests {
    use super::*;

    // The course's grep finds an id inside another one too; whoever counts must know, and count alike.
    #[test]
    fn a_record_counts_if_its_value_holds_the_event_id_anywhere() {
        assert!(holds(br#"{"eventId":"E-1"}"#, b"E-1"));
        assert!(holds(br#"{"eventId":"E-10"}"#, b"E-1"));
        assert!(!holds(br#"{"eventId":"E-2"}"#, b"E-1"));
        assert!(!holds(b"", b"E-1") && !holds(b"anything", b""));
    }
}
