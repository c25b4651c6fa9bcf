//! A topic's settings: every pair that was given is kept and returned, some are obeyed.
//!
//! **Why both.** Tools show what they set; a course needs `cleanup.policy`, retention, the timestamp rules and the size
//! limit to act. Values are checked when a topic is created, as Kafka does, so that a typo is an error and not a
//! setting without effect.
//!
//! Neighbours: [`super::cluster`] keeps one per topic, [`super::log_validator`] obeys it. Not here: broker-wide defaults
//! of memory, which are in [`super::config`].

use std::collections::BTreeMap;

/// Kafka's default of `max.message.bytes`.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;
/// Kafka's default of `message.timestamp.after.max.ms` from 4.0 on: one hour.
pub const DEFAULT_TIMESTAMP_AFTER_MAX_MS: i64 = 3_600_000;
/// A topic keeps at most this many settings.
const MAX_SETTINGS: usize = 100;

/// Whose clock stamps the records (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, at append.
    LogAppendTime,
}

/// The settings of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    given: BTreeMap<String, String>,
    /// `max.message.bytes`: the largest batch.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.after.max.ms`: how far ahead of the broker a record may be.
    pub timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`: how far behind the broker a record may be.
    pub timestamp_before_max_ms: i64,
    /// Whether `cleanup.policy` names `compact`: records need keys.
    pub is_compacted: bool,
    /// `retention.ms`, if it limits and `cleanup.policy` names `delete`.
    pub retention_ms: Option<i64>,
    /// `retention.bytes` per partition, if it limits and `cleanup.policy` names `delete`.
    pub retention_bytes: Option<u64>,
    /// `segment.bytes`, if given.
    pub segment_bytes: Option<u64>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            given: BTreeMap::new(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            timestamp_type: TimestampType::CreateTime,
            timestamp_after_max_ms: DEFAULT_TIMESTAMP_AFTER_MAX_MS,
            timestamp_before_max_ms: i64::MAX,
            is_compacted: false,
            retention_ms: Some(604_800_000),
            retention_bytes: None,
            segment_bytes: None,
        }
    }
}

impl TopicConfig {
    /// The settings of a topic, from pairs. A pair without a value means the default.
    ///
    /// # Errors
    /// The text to answer when a name is unknown or a value impossible (Kafka's `INVALID_CONFIG`).
    pub fn from_pairs(pairs: &[(String, Option<String>)]) -> Result<Self, String> {
        if pairs.len() > MAX_SETTINGS {
            return Err(format!("at most {MAX_SETTINGS} settings, {} were given", pairs.len()));
        }
        let mut config = Self::default();
        for (name, value) in pairs {
            let Some(value) = value else { continue };
            config.set(name, value)?;
            config.given.insert(name.clone(), value.clone());
        }
        let deletes = config.given.get("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
        if !deletes {
            config.retention_ms = None;
            config.retention_bytes = None;
        }
        Ok(config)
    }

    /// What was given, by name.
    #[must_use]
    pub const fn given(&self) -> &BTreeMap<String, String> {
        &self.given
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "max.message.bytes" => self.max_message_bytes = parse(name, value)?,
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "CreateTime" => TimestampType::CreateTime,
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => return Err(invalid(name, value, "CreateTime or LogAppendTime")),
                }
            }
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms = not_negative(name, value)?,
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms = not_negative(name, value)?,
            "cleanup.policy" => {
                if !value.split(',').all(|part| matches!(part.trim(), "delete" | "compact")) {
                    return Err(invalid(name, value, "delete, compact or both"));
                }
                self.is_compacted = value.split(',').any(|part| part.trim() == "compact");
            }
            "retention.ms" => self.retention_ms = limit(name, value)?,
            "retention.bytes" => self.retention_bytes = limit(name, value)?.map(i64::unsigned_abs),
            "segment.bytes" => self.segment_bytes = Some(parse(name, value)?),
            _ if KEPT_ONLY.contains(&name) => {}
            _ => return Err(format!("Unknown topic config name: {name}")),
        }
        Ok(())
    }
}

/// Settings that a topic may have, which are kept and returned without effect here.
const KEPT_ONLY: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.downconversion.enable",
    "message.format.version",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.storage.enable",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

fn invalid(name: &str, value: &str, expected: &str) -> String {
    format!("Invalid value {value} for configuration {name}: expected {expected}")
}

fn parse<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.trim().parse().map_err(|_| invalid(name, value, "a number that is not negative"))
}

fn not_negative(name: &str, value: &str) -> Result<i64, String> {
    match parse::<i64>(name, value)? {
        number if number >= 0 => Ok(number),
        _ => Err(invalid(name, value, "a number that is not negative")),
    }
}

/// A limit, where -1 means none.
fn limit(name: &str, value: &str) -> Result<Option<i64>, String> {
    match parse::<i64>(name, value)? {
        -1 => Ok(None),
        number if number >= 0 => Ok(Some(number)),
        _ => Err(invalid(name, value, "-1 or a number that is not negative")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, Option<String>) {
        (name.to_owned(), Some(value.to_owned()))
    }

    // A lab creates a compacted topic; a setting that is only kept must come back as it was given.
    #[test]
    fn settings_are_obeyed_and_returned() {
        let pairs =
            [pair("cleanup.policy", "compact"), pair("segment.ms", "100"), pair("max.message.bytes", "99")];

        let config = TopicConfig::from_pairs(&pairs).unwrap();

        assert!(config.is_compacted);
        assert_eq!(config.retention_ms, None);
        assert_eq!(config.max_message_bytes, 99);
        assert_eq!(config.given().get("segment.ms").map(String::as_str), Some("100"));
    }

    // A typo must be an error, as in Kafka, not a setting without effect.
    #[test]
    fn unknown_names_and_impossible_values_are_refused() {
        for bad in [pair("retention", "1"), pair("retention.ms", "soon"), pair("cleanup.policy", "keep")] {
            assert!(TopicConfig::from_pairs(std::slice::from_ref(&bad)).is_err(), "{bad:?}");
        }
    }
}
