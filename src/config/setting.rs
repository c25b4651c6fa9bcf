//! One setting: its Java name, what it takes, and how a text becomes a value of it.
//!
//! **Why a table of settings.** The setters, the Java property names, the error messages, `docs/configuration.md` and
//! the listing with origins all tell the same facts (name, range, default, unit). They are written down once, in
//! [`super::catalogue`], in the shape given here.
//!
//! Neighbours: [`super::builder`] collects texts and values, `checks` compares settings with each other. Not
//! here: rules that need two settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Acks, Compression, HostPort, MetadataRecovery, PartitionerChoice};
use crate::accumulator::partitioner::Partitioner;

/// Java's largest `int`, the upper end of most ranges.
pub(super) const INT_MAX: i64 = i32::MAX as i64;

/// A setting that this producer honours: an entry of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The Java name, or ours if it begins with `facteur.`.
    pub name: &'static str,
    /// The builder's method for it.
    pub setter: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The default, as one would write it; empty if there is none.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub effect: &'static str,
    /// The KIP that brought it or its default, or "none".
    pub kip: &'static str,
    /// What raising it (or switching it on) costs.
    pub raise: &'static str,
    /// What lowering it (or switching it off) costs.
    pub lower: &'static str,
    /// When to touch it.
    pub touch: &'static str,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A whole number of milliseconds.
    Millis {
        /// The smallest one allowed.
        min: i64,
        /// The largest one allowed.
        max: i64,
    },
    /// A whole number of bytes.
    Bytes {
        /// The smallest one allowed.
        min: i64,
        /// The largest one allowed.
        max: i64,
    },
    /// A whole number of something else.
    Number {
        /// The smallest one allowed.
        min: i64,
        /// The largest one allowed.
        max: i64,
        /// What is counted.
        unit: &'static str,
    },
    /// gzip's levels: -1, or 1 to 9; 0 ("stored") is none of Java's.
    GzipLevel,
    /// `true` or `false`.
    Flag,
    /// One of these words, in upper or lower case.
    OneOf(&'static [&'static str]),
    /// Any text.
    Text,
    /// `host:port` pairs, separated by commas.
    Servers,
    /// `from=to` pairs of `host:port`, separated by commas.
    AddressMap,
    /// A built-in partitioner, by our name or Java's.
    Partitioner,
}

impl Kind {
    /// The unit, or what kind of text it is.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Millis { .. } => "ms",
            Self::Bytes { .. } => "bytes",
            Self::Number { unit, .. } => unit,
            Self::GzipLevel => "level",
            Self::Flag => "true or false",
            Self::OneOf(_) => "one word",
            Self::Text => "text",
            Self::Servers => "list of host:port",
            Self::AddressMap => "list of host:port=host:port",
            Self::Partitioner => "name",
        }
    }

    /// What is allowed, in words.
    #[must_use]
    pub fn allowed(self) -> String {
        match self {
            Self::Millis { min, max } => format!("a whole number of milliseconds, {}", range(min, max)),
            Self::Bytes { min, max } => format!("a whole number of bytes, {}", range(min, max)),
            Self::Number { min, max, .. } => format!("a whole number, {}", range(min, max)),
            Self::GzipLevel => "-1 (gzip's own default) or a whole number, 1 to 9".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Text => "any text".to_owned(),
            Self::Servers => "host:port, or several of them separated by commas".to_owned(),
            Self::AddressMap => "host:port=host:port, or several of them separated by commas".to_owned(),
            Self::Partitioner => format!("one of {}", partitioner_names().join(", ")),
        }
    }

    const fn range(self) -> Option<(i64, i64)> {
        match self {
            Self::Millis { min, max } | Self::Bytes { min, max } | Self::Number { min, max, .. } => {
                Some((min, max))
            }
            Self::GzipLevel => Some((-1, 9)),
            Self::Flag
            | Self::OneOf(_)
            | Self::Text
            | Self::Servers
            | Self::AddressMap
            | Self::Partitioner => None,
        }
    }
}

/// A range in words.
fn range(min: i64, max: i64) -> String {
    if min == max {
        format!("only {min}")
    } else if max == i64::MAX {
        format!("{min} or more (64 bits)")
    } else {
        format!("{min} to {max}")
    }
}

/// Where a value came from. Errors, warnings and the listing name it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// A setter of the builder.
    Builder,
    /// A name and a value: `.property(…)` or `from_properties`.
    Property,
    /// A line of a properties file.
    File {
        /// The file, as the caller calls it.
        file: Arc<str>,
        /// The line on which the setting begins, counted from 1.
        line: usize,
    },
    /// Somewhere else: "the environment variable `KAFKA_RETRIES`", "the option `--acks`".
    Elsewhere(Arc<str>),
    /// A check changed it; why.
    Adjusted(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Builder => f.write_str("set with the builder"),
            Self::Property => f.write_str("given as a property"),
            Self::File { file, line } => write!(f, "{file}, line {line}"),
            Self::Elsewhere(place) => f.write_str(place),
            Self::Adjusted(why) => write!(f, "adjusted: {why}"),
        }
    }
}

/// A value of a setting, before or after it was understood.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// As somebody wrote it.
    Text(String),
    /// A number that is not a time.
    Integer(i64),
    /// A time.
    Time(Duration),
    /// Yes or no.
    Flag(bool),
    /// A partitioner of the user's own.
    Custom(Arc<dyn Partitioner>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Time(time) => f.write_str(&millis_text(*time)),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Custom(partitioner) => write!(f, "{partitioner:?}"),
        }
    }
}

/// A time in milliseconds, with as many decimals as it has.
pub(super) fn millis_text(time: Duration) -> String {
    let nanos = time.as_nanos();
    let (whole, rest) = (nanos / 1_000_000, nanos % 1_000_000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:06}").trim_end_matches('0').to_owned()
}

/// What a setter takes becomes a [`Value`].
pub(super) trait IntoValue: Sized {
    fn into_value(self) -> Value;

    /// The level that a codec carries, and the setting it belongs to.
    fn level(&self) -> Option<(&'static str, i64)> {
        None
    }
}

impl IntoValue for Duration {
    fn into_value(self) -> Value {
        Value::Time(self)
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Flag(self)
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl IntoValue for i32 {
    fn into_value(self) -> Value {
        Value::Integer(i64::from(self))
    }
}

impl IntoValue for u32 {
    fn into_value(self) -> Value {
        Value::Integer(i64::from(self))
    }
}

impl IntoValue for usize {
    fn into_value(self) -> Value {
        Value::Integer(i64::try_from(self).unwrap_or(i64::MAX))
    }
}

impl IntoValue for Option<Duration> {
    fn into_value(self) -> Value {
        self.map_or(Value::Integer(-1), IntoValue::into_value)
    }
}

impl IntoValue for Option<usize> {
    fn into_value(self) -> Value {
        self.map_or(Value::Integer(-1), IntoValue::into_value)
    }
}

impl IntoValue for Acks {
    fn into_value(self) -> Value {
        Value::Text(self.as_str().to_owned())
    }
}

impl IntoValue for MetadataRecovery {
    fn into_value(self) -> Value {
        Value::Text(self.as_str().to_owned())
    }
}

impl IntoValue for Compression {
    fn into_value(self) -> Value {
        Value::Text(self.as_str().to_owned())
    }

    fn level(&self) -> Option<(&'static str, i64)> {
        match self {
            Self::Gzip(level) => Some(("compression.gzip.level", i64::from(*level))),
            Self::Zstd(level) => Some(("compression.zstd.level", i64::from(*level))),
            Self::None | Self::Snappy | Self::Lz4 => None,
        }
    }
}

impl IntoValue for PartitionerChoice {
    fn into_value(self) -> Value {
        match self {
            Self::Default => Value::Text("murmur2".to_owned()),
            Self::Crc32 => Value::Text("crc32".to_owned()),
            Self::RoundRobin => Value::Text("round_robin".to_owned()),
            Self::Custom(partitioner) => Value::Custom(partitioner),
        }
    }
}

impl Setting {
    /// Understands a value of this setting, or says in words what it should have been.
    pub(super) fn understand(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::Text(text) => self.parse(text.trim()),
            Value::Integer(number) => self.in_range(*number).map(|()| value.clone()),
            Value::Time(time) => {
                let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                self.in_range(millis).map(|()| value.clone())
            }
            Value::Flag(_) | Value::Custom(_) => Ok(value.clone()),
        }
    }

    fn parse(&self, text: &str) -> Result<Value, String> {
        match self.kind {
            Kind::Millis { .. } => {
                let millis = self.parse_number(text)?;
                // A negative time is "never": only the range of such a setting lets it through.
                Ok(u64::try_from(millis)
                    .map_or(Value::Integer(-1), |millis| Value::Time(Duration::from_millis(millis))))
            }
            Kind::Bytes { .. } | Kind::Number { .. } | Kind::GzipLevel => self.parse_number(text).map(Value::Integer),
            Kind::Flag if text.eq_ignore_ascii_case("true") => Ok(Value::Flag(true)),
            Kind::Flag if text.eq_ignore_ascii_case("false") => Ok(Value::Flag(false)),
            Kind::Flag => Err(self.expected("")),
            Kind::OneOf(words) => words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(text))
                .map(|word| Value::Text((*word).to_owned()))
                .ok_or_else(|| self.expected(&nearest_word(text, words))),
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Servers => parse_servers(text).map(|_| Value::Text(text.to_owned())),
            Kind::AddressMap => parse_address_map(text).map(|_| Value::Text(text.to_owned())),
            Kind::Partitioner => match parse_partitioner(text) {
                Some(_) if text.is_empty() || text.eq_ignore_ascii_case("null") => Ok(PartitionerChoice::Default.into_value()),
                Some(_) => Ok(Value::Text(simple_class_name(text).to_owned())),
                None => Err(self.expected(
                    "; a class of one's own does not exist here: implement the Partitioner trait and hand it to \
                     ProducerConfigBuilder::partitioner",
                )),
            },
        }
    }

    fn parse_number(&self, text: &str) -> Result<i64, String> {
        let number: i64 = text.parse().map_err(|_| {
            let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
            let has_unit = digits.len() < text.len() && digits.parse::<i64>().is_ok();
            let hint = if has_unit {
                format!("; write it without the unit ({})", self.kind.unit())
            } else {
                String::new()
            };
            self.expected(&hint)
        })?;
        self.in_range(number)?;
        Ok(number)
    }

    fn in_range(&self, number: i64) -> Result<(), String> {
        match self.kind.range() {
            Some((min, max)) if number < min || number > max => Err(self.expected(self.why_so_narrow())),
            _ if self.kind == Kind::GzipLevel && number == 0 => Err(self.expected("")),
            _ => Ok(()),
        }
    }

    fn expected(&self, hint: &str) -> String {
        format!("expected {}{hint}", self.kind.allowed())
    }

    /// Why the range is smaller than Java's, where it is.
    fn why_so_narrow(&self) -> &'static str {
        if self.name == "compression.lz4.level" {
            "; Java's level 9 is its fast compressor, and that is the only one there is here: the pure-Rust lz4 has no \
             high-compression levels, and a level that does not exist is refused rather than ignored"
        } else {
            ""
        }
    }
}

fn nearest_word(text: &str, words: &[&'static str]) -> String {
    super::nearest::nearest(text, words.iter().copied())
        .map(|word| format!("; did you mean {word}?"))
        .unwrap_or_default()
}

/// Our names for the built-in partitioners and Java's classes that mean the same.
const PARTITIONERS: [(&str, Partitioning); 10] = [
    ("murmur2", Partitioning::Java),
    ("crc32", Partitioning::Crc32),
    ("round_robin", Partitioning::RoundRobin),
    ("default", Partitioning::Java),
    ("consistent_random", Partitioning::Crc32),
    ("murmur2_random", Partitioning::Java),
    ("DefaultPartitioner", Partitioning::Java),
    ("UniformStickyPartitioner", Partitioning::Java),
    ("BuiltInPartitioner", Partitioning::Java),
    ("RoundRobinPartitioner", Partitioning::RoundRobin),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Partitioning {
    Java,
    Crc32,
    RoundRobin,
}

/// The names that `partitioner.class` takes.
fn partitioner_names() -> Vec<&'static str> {
    PARTITIONERS.iter().map(|(name, _)| *name).collect()
}

/// Whether the name is Java's `UniformStickyPartitioner`, which looks at no key.
pub(super) fn ignores_keys(text: &str) -> bool {
    simple_class_name(text) == "UniformStickyPartitioner"
}

fn simple_class_name(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("org.apache.kafka.clients.producer.internals.")
        .or_else(|| text.strip_prefix("org.apache.kafka.clients.producer."))
        .unwrap_or(text)
}

/// What a name of `partitioner.class` means.
pub(super) fn parse_partitioner(text: &str) -> Option<PartitionerChoice> {
    // `partitioner.class` is null by default in Java, and an empty line in a file means the same.
    if text.is_empty() || text.eq_ignore_ascii_case("null") {
        return Some(PartitionerChoice::Default);
    }
    let wanted = simple_class_name(text);
    let (_, partitioning) = PARTITIONERS.iter().find(|(name, _)| *name == wanted)?;
    Some(match partitioning {
        Partitioning::Java => PartitionerChoice::Default,
        Partitioning::Crc32 => PartitionerChoice::Crc32,
        Partitioning::RoundRobin => PartitionerChoice::RoundRobin,
    })
}

/// `host:port,…`, each with an optional `PLAINTEXT://` in front.
pub(super) fn parse_servers(text: &str) -> Result<Vec<HostPort>, String> {
    let servers = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect::<Result<Vec<HostPort>, String>>()?;
    if servers.is_empty() {
        return Err("no server is named; write at least one host:port, such as localhost:9092".to_owned());
    }
    Ok(servers)
}

/// `from=to,…`; empty is no mapping.
pub(super) fn parse_address_map(text: &str) -> Result<Vec<(HostPort, HostPort)>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (from, to) = part.split_once('=').ok_or_else(|| {
                format!("{part:?} has no '='; write advertised=dialled, such as kafka:29092=localhost:29093")
            })?;
            Ok((from.parse()?, to.parse()?))
        })
        .collect()
}
