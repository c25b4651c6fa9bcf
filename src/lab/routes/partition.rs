//! `GET /api/v1/partition`: where a key would go, under each family's hash (spec 1.7, row 24).
//!
//! **Why both.** Java's clients and librdkafka's put one key into different partitions; whoever mixes them loses the
//! order per key, and nothing says so. Neighbours: [`crate::accumulator::partitioner`] has the hashes. Not here: sticky
//! and round robin, which do not look at the key.

use axum::Json;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accumulator::partitioner::{KeyHash, crc32, murmur2};
use crate::lab::asked::Asked;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::openapi::log_parameters::PartitionQuery;
use crate::lab::openapi::problems::QueryProblems;

/// The largest number of partitions that is computed with.
pub const MAX_PARTITIONS: i32 = 1_000_000;
/// The course's number of partitions.
pub const DEFAULT_PARTITIONS: i32 = 3;
/// The longest key: fully escaped it still fits into an address.
pub const MAX_KEY_BYTES: usize = 1024;

/// Where a key goes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionAnswer {
    /// The key.
    #[schema(example = "customer-42")]
    pub key: String,
    /// Among so many partitions.
    pub partitions: i32,
    /// One entry per hash that was asked for.
    pub choices: Vec<PartitionChoice>,
    /// Whether all of them choose the same partition.
    pub do_agree: bool,
}

/// What one family of clients does.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionChoice {
    /// `murmur2` or `crc32`.
    pub partitioner: &'static str,
    /// Whose it is.
    pub clients: &'static str,
    /// The hash, as its own clients count it: signed for murmur2.
    pub hash: i64,
    /// The partition; null if these clients take the key for none (librdkafka and an empty key).
    #[schema(required = true)]
    pub partition: Option<i32>,
}

/// Where a key would go.
#[utoipa::path(get, path = "/api/v1/partition", tag = "labs", params(PartitionQuery),
    responses((status = 200, description = "The partition under each hash.", body = PartitionAnswer), QueryProblems))]
pub async fn partition(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    match answer(query.as_deref(), Language::of(&headers)) {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn answer(query: Option<&str>, language: Language) -> Result<PartitionAnswer, Box<Problem>> {
    let asked = Asked::parse(query, NAMES, language)?;
    asked.bounded_text("key", MAX_KEY_BYTES)?;
    let key = asked.raw("key").ok_or_else(|| asked.missing("key", &[]))?;
    let partitions = asked.number("partitions", 1..=MAX_PARTITIONS)?.unwrap_or(DEFAULT_PARTITIONS);
    let wanted = asked.choice("partitioner", HASHES)?;
    let choices: Vec<PartitionChoice> = HASHES
        .iter()
        .filter(|(_, hash)| wanted.is_none_or(|wanted| wanted == *hash))
        .map(|(name, hash)| choice(name, *hash, key.as_bytes(), partitions))
        .collect();
    let first = choices.first().and_then(|choice| choice.partition);
    let do_agree = choices.iter().all(|choice| choice.partition == first);
    Ok(PartitionAnswer { key: key.to_owned(), partitions, choices, do_agree })
}

fn choice(name: &'static str, hash: KeyHash, key: &[u8], partitions: i32) -> PartitionChoice {
    let (clients, number) = match hash {
        KeyHash::Murmur2 => ("Java", i64::from(murmur2(key))),
        KeyHash::Crc32 => ("librdkafka: .NET, Python, Go, C", i64::from(crc32(key))),
    };
    PartitionChoice {
        partitioner: name,
        clients,
        hash: number,
        partition: hash.partition(Some(key), partitions),
    }
}

/// The words of `partitioner`.
pub const HASHES: &[(&str, KeyHash)] = &[("murmur2", KeyHash::Murmur2), ("crc32", KeyHash::Crc32)];
/// The parameters.
pub const NAMES: &[&str] = &["key", "partitions", "partitioner"];
