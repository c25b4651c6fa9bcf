//! One file per API key: which versions we speak, what each added, how a request is written and an answer read.
//!
//! **Why written by hand.** Generated decoders reserve memory by the array lengths that a peer claims, and their
//! errors have no types. The messages that a producer needs are small, so each is written out here, field by field,
//! over a checked [`crate::wire::reader::Reader`]; the tests let `kafka-protocol` read what we write and write what
//! we read, for every version.
//!
//! Conventions: `encode_request` returns a whole frame, length prefix included. `decode_response` takes the body,
//! that is what [`crate::wire::frame::decode_response_header`] returns. Numbers that make no sense (a negative
//! throttle time, a port beyond 65535) are set right or left out, as each file says.
//!
//! Neighbours: the engine and the consumer call these. Not here: which version to use ([`negotiate`] is asked by the
//! engine), and what an error code means.

pub mod api_versions;
pub mod create_topics;
pub mod delete_topics;
pub mod fetch;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod produce;

use std::fmt;

use crate::wire::WireError;
use crate::wire::reader::Reader;

/// The longest pause that a broker can ask of us (its quotas never do by more than seconds).
pub const MAX_THROTTLE_MS: i32 = 3_600_000;

/// The APIs that this crate speaks as a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiKey {
    /// Record batches to partitions' leaders.
    Produce = 0,
    /// Record batches from partitions.
    Fetch = 1,
    /// The first and last offsets of partitions.
    ListOffsets = 2,
    /// Brokers, topics, leaders.
    Metadata = 3,
    /// What versions a broker speaks.
    ApiVersions = 18,
    /// New topics.
    CreateTopics = 19,
    /// No more topics.
    DeleteTopics = 20,
    /// A producer id and epoch.
    InitProducerId = 22,
}

impl ApiKey {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::Metadata,
        Self::ApiVersions,
        Self::CreateTopics,
        Self::DeleteTopics,
        Self::InitProducerId,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Produce => 0,
            Self::Fetch => 1,
            Self::ListOffsets => 2,
            Self::Metadata => 3,
            Self::ApiVersions => 18,
            Self::CreateTopics => 19,
            Self::DeleteTopics => 20,
            Self::InitProducerId => 22,
        }
    }

    /// The first version with compact lengths and tagged fields (KIP-482).
    #[must_use]
    pub const fn first_flexible_version(self) -> i16 {
        match self {
            Self::Produce | Self::Metadata => 9,
            Self::Fetch => 12,
            Self::ListOffsets => 6,
            Self::ApiVersions => 3,
            Self::CreateTopics => 5,
            Self::DeleteTopics => 4,
            Self::InitProducerId => 2,
        }
    }

    /// Whether `version` has compact lengths and tagged fields.
    #[must_use]
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.first_flexible_version()
    }

    /// Whether the header of the answer has tagged fields: as the body, but never for `ApiVersions` (KIP-511), whose
    /// answer must be readable before a version is agreed upon.
    #[must_use]
    pub const fn has_flexible_response_header(self, version: i16) -> bool {
        match self {
            Self::ApiVersions => false,
            Self::Produce
            | Self::Fetch
            | Self::ListOffsets
            | Self::Metadata
            | Self::CreateTopics
            | Self::DeleteTopics
            | Self::InitProducerId => self.is_flexible(version),
        }
    }

    /// The versions that this crate speaks.
    #[must_use]
    pub const fn supported_range(self) -> VersionRange {
        let (min, max) = match self {
            Self::Produce => (3, 13),
            Self::Fetch => (4, 12),
            Self::ListOffsets => (1, 7),
            Self::Metadata => (0, 13),
            Self::ApiVersions => (0, 4),
            Self::CreateTopics => (2, 7),
            Self::DeleteTopics => (1, 5),
            Self::InitProducerId => (0, 5),
        };
        VersionRange { min, max }
    }

    /// Refuses a version that this crate does not speak.
    ///
    /// # Errors
    /// [`WireError::UnsupportedVersion`].
    pub fn check_version(self, version: i16) -> Result<(), WireError> {
        if self.supported_range().contains(version) {
            Ok(())
        } else {
            Err(WireError::UnsupportedVersion { api: self, version })
        }
    }
}

/// Versions from `min` to `max`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

impl VersionRange {
    /// Whether `version` is in the range.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// The highest version that is in both ranges, if there is one.
#[must_use]
pub fn negotiate(ours: VersionRange, theirs: VersionRange) -> Option<i16> {
    let highest = ours.max.min(theirs.max);
    (highest >= ours.min.max(theirs.min)).then_some(highest)
}

/// The pause that a broker asks for: negative is none, and more than an hour is not believed.
pub(crate) fn read_throttle_ms(reader: &mut Reader) -> Result<i32, WireError> {
    Ok(reader.i32()?.clamp(0, MAX_THROTTLE_MS))
}
