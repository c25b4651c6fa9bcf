//! The small words of a proxy's and a toxic's definition: direction and protocol.
//!
//! **Why types.** The API takes them as text in any case; inside, a misspelt direction cannot exist. Neighbours: `toxic`
//! and `proxy` hold them, `api/` reads and writes them. Not here: attributes, which belong to each toxic.

use std::fmt;
use std::str::FromStr;

/// Which way bytes go: Toxiproxy's `stream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// From the client to the server: requests.
    Upstream,
    /// From the server to the client: answers.
    Downstream,
}

impl Stream {
    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stream {
    type Err = &'static str;

    /// In any case, as Toxiproxy takes it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("upstream") {
            Ok(Self::Upstream)
        } else if text.eq_ignore_ascii_case("downstream") {
            Ok(Self::Downstream)
        } else {
            Err("stream was invalid, can be either upstream or downstream")
        }
    }
}

/// What a proxy takes its connections for; ours, Toxiproxy knows bytes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// A connection whose first bytes are a plausible Kafka request is a Kafka one; any other is bytes.
    #[default]
    Auto,
    /// Every connection speaks Kafka.
    Kafka,
    /// Every connection is bytes.
    Tcp,
}

impl Protocol {
    /// As the API writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kafka => "kafka",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Auto, Self::Kafka, Self::Tcp]
            .into_iter()
            .find(|protocol| text.eq_ignore_ascii_case(protocol.name()))
            .ok_or("protocol was invalid, can be auto, kafka or tcp")
    }
}
