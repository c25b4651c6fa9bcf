//! A toxic's definition: what the API takes, checks and answers.
//!
//! **Why so strict where Toxiproxy is not.** An average size of 0 ends its process, a negative rate as well, and a typo in
//! an attribute's name does nothing in silence. Here numbers have ranges that are told, and unknown names are answered
//! with a warning (the header `X-Lab-Warning`). Everything that Toxiproxy's own clients send is taken.
//!
//! Neighbours: `toxics/` does what is defined here, `kafka/toxic.rs` defines those that know Kafka. Not here: HTTP.

use std::fmt;

use serde_json::{Map, Value};

use crate::chaos::attributes::Attributes;

/// What a `latency` toxic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatencyAttributes {
    /// How long a chunk waits.
    pub latency_ms: u64,
    /// How much more or less, at random.
    pub jitter_ms: u64,
}

/// What a `bandwidth` toxic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BandwidthAttributes {
    /// Kilobytes a second, which are bytes a millisecond; 0 lets nothing pass.
    pub rate_kb_per_s: u64,
}

/// What a `slow_close` toxic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowCloseAttributes {
    /// How long the end of the stream is held back.
    pub delay_ms: u64,
}

/// What a `timeout` toxic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutAttributes {
    /// The silence after which the connection is closed; 0 never closes.
    pub timeout_ms: u64,
}

/// What sets a `reset_peer` toxic off; ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetOn {
    /// The first chunk, or the end of the stream: as Toxiproxy.
    #[default]
    Data,
    /// The beginning of the connection.
    Accept,
}

/// What a `reset_peer` toxic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetPeerAttributes {
    /// How long it waits after what set it off.
    pub timeout_ms: u64,
    /// What sets it off.
    pub on: ResetOn,
}

/// What a `slicer` toxic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlicerAttributes {
    /// How large a slice is on the average.
    pub average_size: usize,
    /// How much larger or smaller; less than the average.
    pub size_variation: usize,
    /// The pause after each slice, in **micro**seconds.
    pub delay_us: u64,
}

/// What a `limit_data` toxic is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitDataAttributes {
    /// How many bytes pass.
    pub bytes: u64,
}

/// A toxic that works on bytes: those of Toxiproxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteToxic {
    /// Delays.
    Latency(LatencyAttributes),
    /// Slows down.
    Bandwidth(BandwidthAttributes),
    /// Delays the end.
    SlowClose(SlowCloseAttributes),
    /// Swallows.
    Timeout(TimeoutAttributes),
    /// Resets.
    ResetPeer(ResetPeerAttributes),
    /// Cuts into pieces.
    Slicer(SlicerAttributes),
    /// Closes after so many bytes.
    LimitData(LimitDataAttributes),
    /// Does nothing.
    Noop,
}

/// The names of the byte toxics.
pub const BYTE_TYPES: [&str; 8] =
    ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "noop"];

impl ByteToxic {
    /// A toxic from its type and attributes; absent ones are zero, unknown ones are answered as warnings.
    ///
    /// # Errors
    ///
    /// [`ToxicError::UnknownType`], or which attribute is wrong, what it was and what was expected.
    pub fn parse(
        type_name: &str,
        attributes: &Map<String, Value>,
    ) -> Result<(Self, Vec<String>), ToxicError> {
        let mut read = Attributes::of(type_name, attributes);
        let toxic = Self::read(type_name, &mut read)?;
        Ok((toxic, read.unknown()))
    }

    fn read(type_name: &str, read: &mut Attributes<'_>) -> Result<Self, ToxicError> {
        Ok(match type_name {
            "latency" => Self::Latency(LatencyAttributes {
                latency_ms: read.number("latency", MILLISECONDS)?,
                jitter_ms: read.number("jitter", MILLISECONDS)?,
            }),
            "bandwidth" => Self::Bandwidth(BandwidthAttributes { rate_kb_per_s: read.number("rate", RATE)? }),
            "slow_close" => {
                Self::SlowClose(SlowCloseAttributes { delay_ms: read.number("delay", MILLISECONDS)? })
            }
            "timeout" => {
                Self::Timeout(TimeoutAttributes { timeout_ms: read.number("timeout", MILLISECONDS)? })
            }
            "reset_peer" => Self::ResetPeer(ResetPeerAttributes {
                timeout_ms: read.number("timeout", MILLISECONDS)?,
                on: match read.word("on", &["data", "accept"])? {
                    Some("accept") => ResetOn::Accept,
                    Some(_) | None => ResetOn::Data,
                },
            }),
            "slicer" => Self::Slicer(slicer(read)?),
            "limit_data" => Self::LimitData(LimitDataAttributes { bytes: read.number("bytes", BYTES)? }),
            "noop" => Self::Noop,
            _ => return Err(ToxicError::UnknownType),
        })
    }

    /// Its type, as the API writes it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Bandwidth(_) => "bandwidth",
            Self::SlowClose(_) => "slow_close",
            Self::Timeout(_) => "timeout",
            Self::ResetPeer(_) => "reset_peer",
            Self::Slicer(_) => "slicer",
            Self::LimitData(_) => "limit_data",
            Self::Noop => "noop",
        }
    }

    /// Its attributes, all of them, as the API writes them.
    #[must_use]
    pub fn attributes(&self) -> Map<String, Value> {
        let pairs: Vec<(&str, Value)> = match self {
            Self::Latency(a) => vec![("latency", a.latency_ms.into()), ("jitter", a.jitter_ms.into())],
            Self::Bandwidth(a) => vec![("rate", a.rate_kb_per_s.into())],
            Self::SlowClose(a) => vec![("delay", a.delay_ms.into())],
            Self::Timeout(a) => vec![("timeout", a.timeout_ms.into())],
            Self::ResetPeer(a) => match a.on {
                ResetOn::Data => vec![("timeout", a.timeout_ms.into())],
                ResetOn::Accept => vec![("timeout", a.timeout_ms.into()), ("on", "accept".into())],
            },
            Self::Slicer(a) => vec![
                ("average_size", a.average_size.into()),
                ("size_variation", a.size_variation.into()),
                ("delay", a.delay_us.into()),
            ],
            Self::LimitData(a) => vec![("bytes", a.bytes.into())],
            Self::Noop => Vec::new(),
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn slicer(read: &mut Attributes<'_>) -> Result<SlicerAttributes, ToxicError> {
    let average = read.number("average_size", SLICE)?;
    let variation = read.number("size_variation", SLICE)?;
    let delay_us = read.number("delay", MICROSECONDS)?;
    if average == 0 {
        return Err(ToxicError::Attribute(
            "attribute \"average_size\" of a slicer toxic is 0; expected at least 1 byte, or cutting would never end"
                .to_owned(),
        ));
    }
    if variation >= average {
        return Err(ToxicError::Attribute(format!(
            "attribute \"size_variation\" of a slicer toxic is {variation}; expected less than average_size, which is {average}"
        )));
    }
    Ok(SlicerAttributes {
        average_size: usize::try_from(average).unwrap_or(usize::MAX),
        size_variation: usize::try_from(variation).unwrap_or(usize::MAX),
        delay_us,
    })
}

/// Why a toxic cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToxicError {
    /// No such type.
    UnknownType,
    /// An attribute is wrong: in words.
    Attribute(String),
}

impl fmt::Display for ToxicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType => f.write_str("invalid toxic type"),
            Self::Attribute(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ToxicError {}

/// The largest number of an attribute, and what it counts.
const MILLISECONDS: (u64, &str) = (86_400_000, "milliseconds");
const MICROSECONDS: (u64, &str) = (3_600_000_000, "microseconds");
const RATE: (u64, &str) = (1_000_000_000, "KB/s");
const SLICE: (u64, &str) = (1_073_741_824, "bytes");
const BYTES: (u64, &str) = (u64::MAX >> 1, "bytes");

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(type_name: &str, attributes: &Value) -> Result<(ByteToxic, Vec<String>), ToxicError> {
        ByteToxic::parse(type_name, attributes.as_object().unwrap())
    }

    // What is answered must make the same toxic again, or a client that copies toxics changes them.
    #[test]
    fn each_type_survives_the_way_out_and_in() {
        for (type_name, attributes) in [
            ("latency", json!({"latency": 5000, "jitter": 1})),
            ("bandwidth", json!({"rate": 10})),
            ("slow_close", json!({"delay": 3})),
            ("timeout", json!({"timeout": 4})),
            ("reset_peer", json!({"timeout": 5})),
            ("reset_peer", json!({"timeout": 5, "on": "accept"})),
            ("slicer", json!({"average_size": 10, "size_variation": 9, "delay": 7})),
            ("limit_data", json!({"bytes": 8})),
            ("noop", json!({})),
        ] {
            let (toxic, warnings) = parse(type_name, &attributes).unwrap();
            assert_eq!(toxic.type_name(), type_name);
            assert_eq!(Value::Object(toxic.attributes()), attributes);
            assert_eq!(warnings, Vec::<String>::new());
        }
    }

    // The values that end Toxiproxy's process, or make no sense, are refused with what was expected.
    #[test]
    fn dangerous_numbers_are_refused() {
        for (type_name, attributes, part) in [
            ("bandwidth", json!({"rate": -1}), "expected a whole number of KB/s from 0"),
            ("latency", json!({"latency": -5}), "is -5"),
            ("latency", json!({"latency": "5s"}), "is \"5s\""),
            ("latency", json!({"latency": 1.5}), "is 1.5"),
            ("slicer", json!({}), "average_size"),
            ("slicer", json!({"average_size": 0}), "would never end"),
            ("slicer", json!({"average_size": 4, "size_variation": 4}), "less than average_size"),
            ("reset_peer", json!({"on": "close"}), "expected \"data\" or \"accept\""),
        ] {
            let error = parse(type_name, &attributes).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(parse("latencyy", &json!({})).unwrap_err(), ToxicError::UnknownType);
    }

    // A typo must be told: in Toxiproxy it does nothing in silence.
    #[test]
    fn unknown_attributes_are_warned_of() {
        let (_, warnings) = parse("latency", &json!({"latncy": 1, "latency": null})).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings.first().unwrap().contains("latncy"), "{warnings:?}");
    }
}
