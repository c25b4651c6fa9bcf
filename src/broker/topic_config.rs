//! A topic's settings: every pair that was given is kept and returned, most are obeyed.
//!
//! **Why both.** Tools show what they set; a course needs `cleanup.policy`, retention, segments, the timestamp rules and
//! the size limit to act. Values are checked when a topic is created or altered, as Kafka does, so that a typo is an error
//! and not a setting without effect.
//!
//! Neighbours: [`definitions`] has the table of what there is; [`super::cluster`] keeps one `TopicConfig` per topic,
//! [`super::log_validator`], [`super::log`] and the cleaner obey it. Not here: broker-wide defaults of memory, which are in
//! [`super::config`].

pub mod definitions;

use std::collections::BTreeMap;

use self::definitions::{definition, parts};
use crate::wire::record_batch::CodecId;

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

/// One change of a setting, as `IncrementalAlterConfigs` asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Give it this value.
    Set(String),
    /// Go back to the default.
    Delete,
    /// Add these words to a list.
    Append(String),
    /// Take these words from a list.
    Subtract(String),
}

/// The settings of a topic.
#[derive(Debug, Clone, PartialEq)]
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
    /// `compression.type`: the codec of what is stored; `None` keeps the producer's.
    pub compression: Option<CodecId>,
    /// Whether `cleanup.policy` names `compact`: records need keys.
    pub is_compacted: bool,
    /// Whether `cleanup.policy` names `delete`: segments go by age and size.
    pub is_deleted: bool,
    /// `retention.ms`, if it limits and `cleanup.policy` names `delete`.
    pub retention_ms: Option<i64>,
    /// `retention.bytes` per partition, if it limits and `cleanup.policy` names `delete`.
    pub retention_bytes: Option<u64>,
    /// `segment.bytes`, if given.
    pub segment_bytes: Option<u64>,
    /// `segment.ms`; in a compacted topic no more than `max.compaction.lag.ms`.
    pub segment_ms: i64,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self::of(BTreeMap::new())
    }
}

impl TopicConfig {
    /// The settings of a topic, from pairs. A pair without a value means the default.
    ///
    /// # Errors
    /// The text to answer when a name is unknown or a value impossible (Kafka's `INVALID_CONFIG`).
    pub fn from_pairs(pairs: &[(String, Option<String>)]) -> Result<Self, String> {
        let changes = pairs.iter().filter_map(|(name, value)| {
            value.as_ref().map(|value| (name.clone(), Change::Set(value.clone())))
        });
        Self::default().altered(&changes.collect::<Vec<_>>())
    }

    /// The settings after these changes, in order.
    ///
    /// # Errors
    /// The text to answer when a name is unknown, a value impossible, or two settings contradict each other.
    pub fn altered(&self, changes: &[(String, Change)]) -> Result<Self, String> {
        if changes.len() > MAX_SETTINGS {
            return Err(format!("at most {MAX_SETTINGS} settings, {} were given", changes.len()));
        }
        let mut given = self.given.clone();
        for (name, change) in changes {
            apply(&mut given, name, change)?;
        }
        let config = Self::of(given);
        let (min, max) = (config.min_compaction_lag_ms, config.max_compaction_lag_ms);
        if min > max {
            return Err(format!(
                "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
            ));
        }
        Ok(config)
    }

    /// What was given, by name.
    #[must_use]
    pub const fn given(&self) -> &BTreeMap<String, String> {
        &self.given
    }

    /// Reads checked values.
    fn of(given: BTreeMap<String, String>) -> Self {
        let value = Values { given: &given };
        let policies: Vec<String> =
            parts(value.text("cleanup.policy")).map(str::to_ascii_lowercase).collect();
        let has = |policy: &str| policies.iter().any(|part| part == policy);
        let (is_compacted, is_deleted) = (has("compact"), has("delete"));
        let limit = |name: &str| Some(value.number(name)).filter(|limit| is_deleted && *limit >= 0);
        let max_compaction_lag_ms = value.number("max.compaction.lag.ms");
        let longest_segment = if is_compacted { max_compaction_lag_ms } else { i64::MAX };
        let segment_bytes = given.get("internal.segment.bytes").or_else(|| given.get("segment.bytes"));
        Self {
            max_message_bytes: usize::try_from(value.number("max.message.bytes")).unwrap_or(0),
            timestamp_type: match value.text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_after_max_ms: value.number("message.timestamp.after.max.ms"),
            timestamp_before_max_ms: value.number("message.timestamp.before.max.ms"),
            compression: codec_named(value.text("compression.type")),
            is_compacted,
            is_deleted,
            retention_ms: limit("retention.ms"),
            retention_bytes: limit("retention.bytes").map(i64::unsigned_abs),
            segment_bytes: segment_bytes.and_then(|text| text.trim().parse().ok()),
            segment_ms: value.number("segment.ms").min(longest_segment),
            min_cleanable_dirty_ratio: value.text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
            min_compaction_lag_ms: value.number("min.compaction.lag.ms"),
            max_compaction_lag_ms,
            delete_retention_ms: value.number("delete.retention.ms"),
            given,
        }
    }
}

/// Checked values: what was given, else the default.
struct Values<'a> {
    given: &'a BTreeMap<String, String>,
}

impl<'a> Values<'a> {
    fn text(&self, name: &str) -> &'a str {
        let default = definition(name).map_or("", |known| known.default);
        self.given.get(name).map_or(default, |text| text.trim())
    }

    fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }
}

fn codec_named(name: &str) -> Option<CodecId> {
    match name {
        "uncompressed" => Some(CodecId::None),
        _ => CodecId::ALL.into_iter().find(|codec| *codec != CodecId::None && codec.name() == name),
    }
}

fn apply(given: &mut BTreeMap<String, String>, name: &str, change: &Change) -> Result<(), String> {
    let Some(known) = definition(name) else {
        return Err(format!("Unknown topic config name: {name}"));
    };
    let old = || given.get(name).map_or(known.default, String::as_str);
    let value = match change {
        Change::Delete => {
            given.remove(name);
            return Ok(());
        }
        Change::Set(value) => value.clone(),
        Change::Append(_) | Change::Subtract(_) if !known.is_list() => {
            return Err(format!("Can't append to or subtract from {name}: its value is no list"));
        }
        Change::Append(added) => {
            let fresh = parts(added).filter(|part| !parts(old()).any(|there| there == *part));
            parts(old()).chain(fresh).collect::<Vec<_>>().join(",")
        }
        Change::Subtract(removed) => {
            let stays = |part: &&str| !parts(removed).any(|gone| gone == *part);
            parts(old()).filter(stays).collect::<Vec<_>>().join(",")
        }
    };
    known.check(&value)?;
    given.insert(name.to_owned(), value);
    Ok(())
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

        assert!(config.is_compacted && !config.is_deleted);
        assert_eq!(config.retention_ms, None);
        assert_eq!(config.max_message_bytes, 99);
        assert_eq!(config.segment_ms, 100);
        assert_eq!(config.given().get("segment.ms").map(String::as_str), Some("100"));
    }

    // A typo must be an error, as in Kafka, not a setting without effect.
    #[test]
    fn unknown_names_and_impossible_values_are_refused() {
        for bad in [pair("retention", "1"), pair("retention.ms", "soon"), pair("cleanup.policy", "keep")] {
            assert!(TopicConfig::from_pairs(std::slice::from_ref(&bad)).is_err(), "{bad:?}");
        }
    }

    // Kafka refuses this pair, since no record could obey both.
    #[test]
    fn a_minimal_lag_above_the_maximal_one_is_refused() {
        let pairs = [pair("min.compaction.lag.ms", "10"), pair("max.compaction.lag.ms", "9")];

        let error = TopicConfig::from_pairs(&pairs).unwrap_err();

        assert!(error.contains("(10) > max.compaction.lag.ms (9)"), "{error}");
    }

    // `kafka-configs --alter` sends changes, not the whole; a change that fails must leave the rest as it was.
    #[test]
    fn changes_set_append_subtract_and_go_back_to_the_default() {
        let change = |name: &str, change: Change| vec![(name.to_owned(), change)];
        let begun = TopicConfig::from_pairs(&[pair("retention.ms", "5")]).unwrap();

        let both = begun.altered(&change("cleanup.policy", Change::Append("compact".into()))).unwrap();
        assert_eq!(both.given().get("cleanup.policy").unwrap(), "delete,compact");
        assert!(both.is_compacted && both.retention_ms == Some(5));
        let compact = both.altered(&change("cleanup.policy", Change::Subtract("delete".into()))).unwrap();
        assert!(compact.is_compacted && !compact.is_deleted && compact.retention_ms.is_none());
        let back = compact.altered(&change("cleanup.policy", Change::Delete)).unwrap();
        assert_eq!(back, begun);
        assert!(begun.altered(&change("retention.ms", Change::Append("1".into()))).is_err());
    }

    // A compacted topic's segments may not outlive its maximal lag, or the records in them could not obey it.
    #[test]
    fn the_maximal_lag_shortens_the_segments_of_a_compacted_topic() {
        let lag = pair("max.compaction.lag.ms", "500");
        let of = |policy: &str| {
            TopicConfig::from_pairs(&[lag.clone(), pair("cleanup.policy", policy)]).unwrap().segment_ms
        };
        assert_eq!((of("compact"), of("delete")), (500, 604_800_000));
    }
}
