//! The two client profiles: one port each, one family of Kafka clients each.
//!
//! **Why two.** The course compares a Java and a .NET API. A port that were a mere alias would teach nothing: the two
//! client families hash keys differently, and read "request timeout" differently (spec 1.1, D-59). Neighbours:
//! [`crate::lab::producers`] builds producers from a profile. Not here: the settings' values, which are
//! [`crate::lab::environment`]'s.

use std::fmt;

/// Which family of clients a port imitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Profile {
    /// Port 18080: murmur2 for keys; the client waits `KAFKA_REQUEST_TIMEOUT_MS` for an answer.
    Java,
    /// Port 18081: CRC-32 for keys; the client waits `KAFKA_SOCKET_TIMEOUT_MS` for an answer.
    Librdkafka,
}

impl Profile {
    /// As it appears in a record's value and in client ids.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Librdkafka => "librdkafka",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The producer that a call asks for (`mode=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Idempotence off: a retry can store a second copy.
    Plain,
    /// Idempotence on, acks all, five in flight.
    Idempotent,
}

impl Mode {
    /// As in the query and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Idempotent => "idempotent",
        }
    }
}
