//! Every setting that a topic of Kafka 4.4 can have: its type, default, broker-wide name and what it does.
//!
//! **Why a table.** A typo must be an error and a bad value must be refused with the words that say what was expected;
//! tools ask for defaults, types, synonyms and a sentence of help. All of that is data, so it stands in one place.
//!
//! Neighbours: [`super::TopicConfig`] checks values against it and obeys some; `DescribeConfigs` shows it. Not here: what
//! a setting does in this broker, but for the note whether it is obeyed.

use Effect::{KeptOnly, Obeyed};
use ValueKind::{Boolean, Int, List, Long, Ratio, Word};

/// The type of a setting's value, with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueKind {
    /// A whole number of 32 bits, from the first to the second bound.
    Int(i32, i32),
    /// A whole number of 64 bits, at least this.
    Long(i64),
    /// A fraction from 0 to 1.
    Ratio,
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, with commas; any words if there are none.
    List(&'static [&'static str]),
}

/// Whether this broker does what a setting says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Obeyed,
    /// The value is checked, kept and shown; nothing here depends on it (disks, replicas, remote storage).
    KeptOnly,
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ValueKind,
    /// Its default, as text.
    pub default: &'static str,
    /// The name of the broker-wide setting with the same meaning; empty if there is none, or if it has no default of its
    /// own (`log.retention.ms` and the like inherit from a setting in hours).
    pub broker_name: &'static str,
    /// Whether it is obeyed.
    pub effect: Effect,
    /// What it does, in a sentence.
    pub help: &'static str,
}

impl Definition {
    /// Whether its value is a list, to which one can append.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        matches!(self.kind, List(_))
    }

    /// The type's number in a `DescribeConfigs` answer.
    #[must_use]
    pub const fn type_code(&self) -> i8 {
        match self.kind {
            Boolean => 1,
            Word(_) => 2,
            Int(..) => 3,
            Long(_) => 5,
            Ratio => 6,
            List(_) => 7,
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The text to answer, which says what was expected.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let invalid =
            |why: String| Err(format!("Invalid value {value} for configuration {}: {why}", self.name));
        match self.kind {
            Int(min, max) => match value.trim().parse::<i32>() {
                Ok(number) if number < min => invalid(format!("Value must be at least {min}")),
                Ok(number) if number > max => invalid(format!("Value must be no more than {max}")),
                Ok(_) => Ok(()),
                Err(_) => invalid("Not a number of type INT".to_owned()),
            },
            Long(min) => match value.trim().parse::<i64>() {
                Ok(number) if number < min => invalid(format!("Value must be at least {min}")),
                Ok(_) => Ok(()),
                Err(_) => invalid("Not a number of type LONG".to_owned()),
            },
            Ratio => match value.trim().parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => Ok(()),
                Ok(_) => invalid("Value must be at least 0 and no more than 1".to_owned()),
                Err(_) => invalid("Not a number of type DOUBLE".to_owned()),
            },
            Boolean => match value.trim().to_ascii_lowercase().as_str() {
                "true" | "false" => Ok(()),
                _ => invalid("Expected value to be either true or false".to_owned()),
            },
            Word(words) if words.contains(&value.trim()) => Ok(()),
            Word(words) => invalid(format!("String must be one of: {}", words.join(", "))),
            List([]) => Ok(()),
            List(words) => {
                let is_known = |part: &str| words.contains(&part.to_ascii_lowercase().as_str());
                match parts(value).find(|part| !is_known(part)) {
                    None => Ok(()),
                    Some(_) => invalid(format!("String must be one of: {}", words.join(", "))),
                }
            }
        }
    }
}

/// The words of a list.
pub(super) fn parts(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The setting of that name.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|known| known.name == name)
}

const fn row(
    name: &'static str,
    kind: ValueKind,
    default: &'static str,
    broker_name: &'static str,
    effect: Effect,
    help: &'static str,
) -> Definition {
    Definition { name, kind, default, broker_name, effect, help }
}

/// All of them, by name.
#[rustfmt::skip]
pub const DEFINITIONS: &[Definition] = &[
    row("cleanup.policy", List(&["compact", "delete"]), "delete", "log.cleanup.policy", Obeyed,
        "What happens to old records: delete drops whole segments by age or size, compact keeps the newest record of each key."),
    row("compression.gzip.level", Int(-1, 9), "-1", "compression.gzip.level", KeptOnly,
        "The gzip level when the broker compresses; this broker uses the default level."),
    row("compression.lz4.level", Int(1, 17), "9", "compression.lz4.level", KeptOnly,
        "The lz4 level when the broker compresses; this broker uses the default level."),
    row("compression.type", Word(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), "producer", "compression.type", Obeyed,
        "The codec of what is stored; producer keeps the one that the producer chose."),
    row("compression.zstd.level", Int(-131_072, 22), "3", "compression.zstd.level", KeptOnly,
        "The zstd level when the broker compresses; this broker uses the default level."),
    row("delete.retention.ms", Long(0), "86400000", "log.cleaner.delete.retention.ms", Obeyed,
        "How long a tombstone stays after the first compaction that saw it, so that a reader has time to notice the deletion."),
    row("errors.deadletterqueue.group.enable", Boolean, "false", "", KeptOnly,
        "Whether share groups may use the topic for what they could not process; there are no share groups here."),
    row("file.delete.delay.ms", Long(0), "60000", "log.segment.delete.delay.ms", KeptOnly,
        "How long a removed segment's file stays on disk; this broker has no files."),
    row("flush.messages", Long(1), "9223372036854775807", "log.flush.interval.messages", KeptOnly,
        "After how many records the log is forced to disk; this broker has no disk."),
    row("flush.ms", Long(0), "9223372036854775807", "", KeptOnly,
        "After how much time the log is forced to disk; this broker has no disk."),
    row("follower.replication.throttled.replicas", List(&[]), "", "", KeptOnly,
        "Replicas whose incoming copies are throttled; this broker has one replica."),
    row("index.interval.bytes", Int(0, i32::MAX), "4096", "log.index.interval.bytes", KeptOnly,
        "How often an offset enters the index; this broker has no index."),
    row("internal.segment.bytes", Int(1, i32::MAX), "", "", Obeyed,
        "As segment.bytes, without its lower bound: for tests."),
    row("leader.replication.throttled.replicas", List(&[]), "", "", KeptOnly,
        "Replicas whose outgoing copies are throttled; this broker has one replica."),
    row("local.retention.bytes", Long(-2), "-2", "log.local.retention.bytes", KeptOnly,
        "As retention.bytes, for the part not yet in remote storage; there is no remote storage here."),
    row("local.retention.ms", Long(-2), "-2", "log.local.retention.ms", KeptOnly,
        "As retention.ms, for the part not yet in remote storage; there is no remote storage here."),
    row("max.compaction.lag.ms", Long(1), "9223372036854775807", "log.cleaner.max.compaction.lag.ms", Obeyed,
        "After this time a record may no longer wait for compaction, whatever the dirty ratio."),
    row("max.decompressed.message.bytes", Int(1, i32::MAX), "2147483639", "max.decompressed.message.bytes", KeptOnly,
        "The most bytes that a batch may unpack to; this broker always stops at 64 MiB."),
    row("max.message.bytes", Int(0, i32::MAX), "1048588", "message.max.bytes", Obeyed,
        "The largest record batch that is accepted, after compression."),
    row("message.timestamp.after.max.ms", Long(0), "3600000", "log.message.timestamp.after.max.ms", Obeyed,
        "How far ahead of the broker's clock a record's own timestamp may be."),
    row("message.timestamp.before.max.ms", Long(0), "9223372036854775807", "log.message.timestamp.before.max.ms", Obeyed,
        "How far behind the broker's clock a record's own timestamp may be."),
    row("message.timestamp.type", Word(&["CreateTime", "LogAppendTime"]), "CreateTime", "log.message.timestamp.type", Obeyed,
        "Whose clock stamps the records: the producer's or, at append, the broker's."),
    row("min.cleanable.dirty.ratio", Ratio, "0.5", "log.cleaner.min.cleanable.ratio", Obeyed,
        "The share of not yet compacted bytes above which a log is compacted."),
    row("min.compaction.lag.ms", Long(0), "0", "log.cleaner.min.compaction.lag.ms", Obeyed,
        "How long a record is safe from compaction at least."),
    row("min.insync.replicas", Int(1, i32::MAX), "1", "min.insync.replicas", KeptOnly,
        "How many replicas must have a record before acks=all is answered, at most as many as there are: here one."),
    row("preallocate", Boolean, "false", "log.preallocate", KeptOnly,
        "Whether a segment's file is made in its full size; this broker has no files."),
    row("remote.copy.lag.bytes", Long(-1), "-1", "log.remote.copy.lag.bytes", KeptOnly,
        "How much may lie between the log and its copy in remote storage; there is no remote storage here."),
    row("remote.copy.lag.ms", Long(-1), "0", "log.remote.copy.lag.ms", KeptOnly,
        "How old the log may be before it is copied to remote storage; there is no remote storage here."),
    row("remote.log.copy.disable", Boolean, "false", "", KeptOnly,
        "Whether nothing more is copied to remote storage; there is no remote storage here."),
    row("remote.log.delete.on.disable", Boolean, "false", "", KeptOnly,
        "Whether remote copies go when remote storage is turned off; there is no remote storage here."),
    row("remote.storage.enable", Boolean, "false", "", KeptOnly,
        "Whether old segments move to remote storage; there is no remote storage here."),
    row("retention.bytes", Long(i64::MIN), "-1", "log.retention.bytes", Obeyed,
        "How many bytes a partition keeps before its oldest segments go (policy delete); negative is no limit."),
    row("retention.ms", Long(-1), "604800000", "", Obeyed,
        "How old a segment may get before it goes (policy delete); -1 is no limit."),
    row("segment.bytes", Int(1_048_576, i32::MAX), "1073741824", "log.segment.bytes", Obeyed,
        "The size at which a segment is closed and the next one begun; this broker closes at 16 MiB at the latest."),
    row("segment.index.bytes", Int(4, i32::MAX), "10485760", "log.index.size.max.bytes", KeptOnly,
        "The size of a segment's index; this broker has no index."),
    row("segment.jitter.ms", Long(0), "0", "", KeptOnly,
        "A random part of segment.ms, so that not all segments are closed at once; this broker closes them exactly on time."),
    row("segment.ms", Long(1), "604800000", "", Obeyed,
        "The time after which a segment is closed, by record timestamps, when the next record is appended and not before."),
    row("unclean.leader.election.enable", Boolean, "false", "unclean.leader.election.enable", KeptOnly,
        "Whether a replica that lags may lead and records be lost; this broker has one replica."),
];

#[cfg(test)]
mod tests {
    use super::*;

    // A default that its own check refuses would make `alter` fail on untouched topics.
    #[test]
    fn every_default_is_a_legal_value_and_names_are_sorted() {
        for definition in DEFINITIONS {
            if !definition.default.is_empty() {
                assert_eq!(definition.check(definition.default), Ok(()), "{}", definition.name);
            }
        }
        assert!(DEFINITIONS.is_sorted_by_key(|definition| definition.name));
    }

    // The text is all that a user of any client sees: it must name the setting, the value and what was expected.
    #[test]
    fn a_refusal_names_setting_value_and_expectation() {
        let refused = |name: &str, value: &str| definition(name).unwrap().check(value).unwrap_err();
        assert_eq!(
            refused("retention.ms", "-5"),
            "Invalid value -5 for configuration retention.ms: Value must be at least -1"
        );
        assert!(refused("segment.bytes", "100").ends_with("at least 1048576"));
        assert!(refused("cleanup.policy", "delete,keep").ends_with("String must be one of: compact, delete"));
        assert!(refused("message.timestamp.type", "Now").ends_with("one of: CreateTime, LogAppendTime"));
        assert!(refused("min.cleanable.dirty.ratio", "2").ends_with("no more than 1"));
        assert!(refused("preallocate", "maybe").ends_with("either true or false"));
    }
}
