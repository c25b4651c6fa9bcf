//! `GET /api/v1/topics…`: topics, their partitions, their records (spec 1.7; the course looks with Kafka UI).
//!
//! **Why the beginning by default.** Who opens a browser of messages wants to see what is there; "latest" shows an empty
//! list and looks like a loss (spec row 84). Neighbours: [`crate::lab::topic_reader`] reads, not through the injector.
//! Not here: creating topics, which is `facteur topics`'.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
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
use crate::lab::openapi::log_parameters::RecordsQuery;
use crate::lab::openapi::problems::{RecordsProblems, TopicProblems, TopicsProblems};
use crate::lab::problem_kind::ProblemKind;
use crate::lab::topic_reader::{Extent, ReadError, TopicReader};
use crate::wire::api::metadata::Topic;

/// Records of one answer.
pub const MAX_LIMIT: usize = 1000;
/// Records of an answer that names no limit.
pub const DEFAULT_LIMIT: usize = 100;
/// Bytes of a key, a value or a header that are shown.
const MAX_SHOWN_BYTES: usize = 16 * 1024;
/// How long a page of records may take.
const MAX_TIME: Duration = Duration::from_secs(5);

/// A topic in the list.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicLine {
    /// Its name.
    #[schema(example = "bhf-transactions")]
    pub name: String,
    /// Its partitions.
    pub partitions: usize,
    /// Whether it is Kafka's own.
    pub is_internal: bool,
}

/// A topic.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicDetail {
    /// Its name.
    #[schema(example = "bhf-transactions")]
    pub name: String,
    /// Whether it is Kafka's own.
    pub is_internal: bool,
    /// Offsets in it, from the first that is there to the last: as many records, unless it was compacted.
    pub records: i64,
    /// Its partitions.
    pub partitions: Vec<PartitionDetail>,
}

/// A partition.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionDetail {
    /// Its number.
    pub partition: i32,
    /// Who leads it; null if nobody does.
    #[schema(required = true)]
    pub leader: Option<i32>,
    /// Who has a copy.
    pub replicas: Vec<i32>,
    /// Whose copy is up to date.
    pub isr: Vec<i32>,
    /// The first offset that is there; null without a leader.
    #[schema(required = true)]
    pub start_offset: Option<i64>,
    /// The offset that the next record gets; null without a leader.
    #[schema(required = true)]
    pub end_offset: Option<i64>,
}

/// A page of records.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Records {
    /// The topic.
    #[schema(example = "bhf-transactions")]
    pub topic: String,
    /// The records, by partition and offset.
    pub records: Vec<RecordLine>,
    /// For each partition of the page: the `from` of the next page, and where the partition ends.
    pub partitions: Vec<PageEnd>,
}

/// Where a page ends in a partition.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageEnd {
    /// The partition.
    pub partition: i32,
    /// The first offset that is there.
    pub start_offset: i64,
    /// The offset that the next record gets.
    pub end_offset: i64,
    /// The offset after the last record of this page.
    pub next_offset: i64,
}

/// A record.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordLine {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, ISO-8601, UTC.
    pub timestamp: String,
    /// Its key.
    #[schema(required = true)]
    pub key: Option<Content>,
    /// Its value.
    #[schema(required = true)]
    pub value: Option<Content>,
    /// Its headers, in order.
    pub headers: Vec<HeaderLine>,
    /// The producer's id; -1 where it has none.
    pub producer_id: i64,
    /// The producer's epoch; -1 where it has none.
    pub producer_epoch: i16,
    /// The first sequence of its batch; -1 where it has none.
    pub base_sequence: i32,
}

/// A header of a record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HeaderLine {
    /// Its name.
    pub name: String,
    /// Its value.
    #[schema(required = true)]
    pub value: Option<Content>,
}

/// Some bytes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// The first 16 KiB of them: as text, or in hexadecimal if they are no UTF-8.
    pub text: String,
    /// Whether `text` is hexadecimal.
    pub is_hex: bool,
    /// How many bytes there are in all.
    pub size_bytes: usize,
}

/// Every topic.
#[utoipa::path(get, path = "/api/v1/topics", tag = "labs",
    responses((status = 200, description = "The topics, by name.", body = Vec<TopicLine>), TopicsProblems))]
pub async fn list(
    State(facade): State<Arc<Facade>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let listed = async {
        Asked::parse(query.as_deref(), &[], language)?;
        let topics = topics(&facade.shared.direct_bootstrap).await;
        topics.map_err(|error| problem_of_read(&error, "", language))
    };
    answered(listed.await)
}

/// One topic and its partitions.
#[utoipa::path(get, path = "/api/v1/topics/{topic}", tag = "labs",
    params(("topic" = String, Path, description = "The topic.", example = "bhf-transactions",
        pattern = r"^(?!\.{1,2}$)[a-zA-Z0-9._-]+$", max_length = 249)),
    responses((status = 200, description = "The topic.", body = TopicDetail), TopicProblems))]
pub async fn describe(
    State(facade): State<Arc<Facade>>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    let described = async {
        Asked::parse(query.as_deref(), &[], language)?.check_topic(&topic)?;
        let detail = detail(&facade.shared.direct_bootstrap, &topic).await;
        detail.map_err(|error| problem_of_read(&error, &topic, language))
    };
    answered(described.await)
}

/// A page of a topic's records.
#[utoipa::path(get, path = "/api/v1/topics/{topic}/records", tag = "labs",
    params(("topic" = String, Path, description = "The topic.", example = "bhf-transactions",
        pattern = r"^(?!\.{1,2}$)[a-zA-Z0-9._-]+$", max_length = 249), RecordsQuery),
    responses((status = 200, description = "A page.", body = Records), RecordsProblems))]
pub async fn records(
    State(facade): State<Arc<Facade>>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    answered(page(&facade.shared.direct_bootstrap, &topic, query.as_deref(), language).await)
}

fn answered<T: Serialize>(outcome: Result<T, Box<Problem>>) -> Response {
    match outcome {
        Ok(body) => ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The problem of a topic that cannot be read.
pub fn problem_of_read(error: &ReadError, topic: &str, language: Language) -> Box<Problem> {
    let (kind, happened) = match (error, language) {
        (ReadError::UnknownTopic, Language::English) => {
            (ProblemKind::UnknownTopic, format!("There is no topic {topic:?}."))
        }
        (ReadError::UnknownTopic, Language::French) => {
            (ProblemKind::UnknownTopic, format!("Le topic {topic:?} n'existe pas."))
        }
        (ReadError::Unreachable(said), Language::English) => {
            (ProblemKind::NotReady, format!("Kafka did not answer: {said}."))
        }
        (ReadError::Unreachable(said), Language::French) => {
            (ProblemKind::NotReady, format!("Kafka n'a pas répondu ({said})."))
        }
        (ReadError::Unreadable(said), Language::English) => {
            (ProblemKind::LogUnreadable, format!("The log cannot be read: {said}."))
        }
        (ReadError::Unreadable(said), Language::French) => {
            (ProblemKind::LogUnreadable, format!("Le journal est illisible ({said})."))
        }
    };
    Box::new(Problem::new(kind, language, &happened))
}

async fn topics(bootstrap: &str) -> Result<Vec<TopicLine>, ReadError> {
    let topics = TopicReader::connect(bootstrap).await?.topics().await?;
    let lines = topics.into_iter().map(|topic| TopicLine {
        partitions: topic.partitions.len(),
        is_internal: topic.is_internal,
        name: topic.name,
    });
    Ok(lines.collect())
}

async fn detail(bootstrap: &str, name: &str) -> Result<TopicDetail, ReadError> {
    let mut reader = TopicReader::connect(bootstrap).await?;
    let topic = reader.topic(name).await?;
    let extents = reader.extents(&topic).await?;
    Ok(TopicDetail {
        records: extents.values().map(|extent| extent.end.saturating_sub(extent.start)).sum(),
        partitions: partitions_of(&topic, &extents),
        is_internal: topic.is_internal,
        name: topic.name,
    })
}

fn partitions_of(topic: &Topic, extents: &BTreeMap<i32, Extent>) -> Vec<PartitionDetail> {
    let mut partitions: Vec<PartitionDetail> = topic
        .partitions
        .iter()
        .map(|partition| PartitionDetail {
            partition: partition.partition,
            leader: partition.leader.map(|leader| leader.0),
            replicas: partition.replicas.iter().map(|node| node.0).collect(),
            isr: partition.isr.iter().map(|node| node.0).collect(),
            start_offset: extents.get(&partition.partition).map(|extent| extent.start),
            end_offset: extents.get(&partition.partition).map(|extent| extent.end),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.partition);
    partitions
}

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
enum From {
    Earliest,
    /// So that the page ends with the newest record.
    Latest,
    Offset(i64),
}

async fn page(
    bootstrap: &str,
    topic: &str,
    query: Option<&str>,
    language: Language,
) -> Result<Records, Box<Problem>> {
    let asked = Asked::parse(query, NAMES, language)?;
    asked.check_topic(topic)?;
    let wanted = asked.number("partition", 0..=i32::MAX)?;
    let limit = asked.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    let from = from(&asked, wanted)?;
    let failed = |error: ReadError| problem_of_read(&error, topic, language);
    let mut reader = TopicReader::connect(bootstrap).await.map_err(failed)?;
    let found = reader.topic(topic).await.map_err(failed)?;
    let mut extents = reader.extents(&found).await.map_err(failed)?;
    if let Some(wanted) = wanted {
        let count = found.partitions.len();
        if !found.partitions.iter().any(|partition| partition.partition == wanted) {
            let english =
                format!("a partition of {topic}, which has {count}: 0 to {}", count.saturating_sub(1));
            let french =
                format!("une partition de {topic}, qui en a {count} : de 0 à {}", count.saturating_sub(1));
            return Err(asked.invalid("partition", &wanted.to_string(), (&english, &french), &[]));
        }
        extents.retain(|partition, _| *partition == wanted);
    }
    read_page(&mut reader, topic, &extents, (from, limit)).await.map_err(failed)
}

fn from(asked: &Asked, partition: Option<i32>) -> Result<From, Box<Problem>> {
    let words = ["earliest", "latest"];
    match asked.raw("from") {
        None => Ok(From::Earliest),
        Some(word) if word.eq_ignore_ascii_case("earliest") => Ok(From::Earliest),
        Some(word) if word.eq_ignore_ascii_case("latest") => Ok(From::Latest),
        Some(text) => match (text.parse::<i64>(), partition) {
            (Ok(offset), Some(_)) if offset >= 0 => Ok(From::Offset(offset)),
            (Ok(offset), None) if offset >= 0 => {
                let english = "earliest or latest without a partition: an offset belongs to one";
                let french = "earliest ou latest sans partition : un offset appartient à une partition";
                Err(asked.invalid("from", text, (english, french), &words))
            }
            (Ok(_) | Err(_), _) => {
                let english = "earliest, latest, or an offset from 0 on";
                let french = "earliest, latest, ou un offset à partir de 0";
                Err(asked.invalid("from", text, (english, french), &words))
            }
        },
    }
}

async fn read_page(
    reader: &mut TopicReader,
    topic: &str,
    extents: &BTreeMap<i32, Extent>,
    (from, limit): (From, usize),
) -> Result<Records, ReadError> {
    let deadline = clock::now() + MAX_TIME;
    let mut page = Records { topic: topic.to_owned(), records: Vec::new(), partitions: Vec::new() };
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    for (index, (partition, extent)) in extents.iter().enumerate() {
        // What the partitions before have left over is shared by the rest.
        let left = limit.saturating_sub(page.records.len());
        let share = left.div_ceil(extents.len().saturating_sub(index).max(1));
        let start = match from {
            From::Earliest => extent.start,
            From::Latest => extent.end.saturating_sub(most.min(i64::try_from(share).unwrap_or(most))),
            From::Offset(offset) => offset,
        };
        let range = Extent { start: start.clamp(extent.start, extent.end), ..*extent };
        let mut end = PageEnd {
            partition: *partition,
            start_offset: extent.start,
            end_offset: extent.end,
            next_offset: range.start,
        };
        let mut taken = 0;
        let mut handle = |record: ConsumedRecord| {
            if taken >= share {
                return ControlFlow::Break(());
            }
            taken += 1;
            end.next_offset = record.offset.saturating_add(1);
            page.records.push(line_of(&record));
            ControlFlow::Continue(())
        };
        if share > 0 && reader.read(topic, *partition, range, deadline, &mut handle).await? {
            end.next_offset = extent.end;
        }
        page.partitions.push(end);
    }
    Ok(page)
}

fn line_of(record: &ConsumedRecord) -> RecordLine {
    RecordLine {
        partition: record.partition,
        offset: record.offset,
        timestamp: clock::iso_8601(record.timestamp_ms),
        key: record.key.as_deref().map(content),
        value: record.value.as_deref().map(content),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| HeaderLine { name: name.clone(), value: value.as_deref().map(content) })
            .collect(),
        producer_id: record.producer_id,
        producer_epoch: record.producer_epoch,
        base_sequence: record.base_sequence,
    }
}

fn content(bytes: &[u8]) -> Content {
    let size_bytes = bytes.len();
    let shown = bytes.get(..MAX_SHOWN_BYTES).unwrap_or(bytes);
    // A character that the bound cuts is left out; bytes that are no text are shown as such.
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() && size_bytes > shown.len() => {
            shown.get(..error.valid_up_to()).and_then(|whole| std::str::from_utf8(whole).ok())
        }
        Err(_) => None,
    };
    match text {
        Some(text) => Content { text: text.to_owned(), is_hex: false, size_bytes },
        None => {
            let mut hex = String::with_capacity(shown.len() * 2);
            for byte in shown {
                // Writing to a string cannot fail.
                let _infallible = write!(hex, "{byte:02x}");
            }
            Content { text: hex, is_hex: true, size_bytes }
        }
    }
}

/// The parameters of a page.
pub const NAMES: &[&str] = &["partition", "from", "limit"];

#[cfg(test)]
mod tests {
    use super::*;

    // What is shown of a value is bounded, whole characters, and marked if it is not text: a binary key must not become
    // question marks that look like data.
    #[test]
    fn content_is_text_or_hexadecimal_and_bounded() {
        let text = content("é".as_bytes());
        assert_eq!((text.text.as_str(), text.is_hex, text.size_bytes), ("é", false, 2));
        let bytes = content(&[0xff, 0x00]);
        assert_eq!((bytes.text.as_str(), bytes.is_hex), ("ff00", true));
        let long = format!("x{}", "é".repeat(MAX_SHOWN_BYTES));
        let cut = content(long.as_bytes());
        assert_eq!((cut.text.len(), cut.is_hex, cut.size_bytes), (MAX_SHOWN_BYTES - 1, false, long.len()));
    }
}
