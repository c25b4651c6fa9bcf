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
pub mod consumer_protocol;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_configs;
pub mod describe_producers;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_fetch;
pub mod produce;
pub mod sync_group;

use std::fmt;

use crate::wire::WireError;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The longest pause that a broker can ask of us (its quotas never do by more than seconds).
pub const MAX_THROTTLE_MS: i32 = 3_600_000;

/// The APIs that this crate knows: those that it speaks as a client ([`ApiKey::supported_range`]), and those that only
/// its broker serves.
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
    /// How far a consumer group has read.
    OffsetCommit = 8,
    /// How far a consumer group had read.
    OffsetFetch = 9,
    /// Which broker looks after a group or a transactional id.
    FindCoordinator = 10,
    /// A member comes into a group, or comes back.
    JoinGroup = 11,
    /// A member is alive.
    Heartbeat = 12,
    /// Members go.
    LeaveGroup = 13,
    /// The leader hands out partitions; the others learn theirs.
    SyncGroup = 14,
    /// Groups with their members.
    DescribeGroups = 15,
    /// All groups.
    ListGroups = 16,
    /// What versions a broker speaks.
    ApiVersions = 18,
    /// New topics.
    CreateTopics = 19,
    /// No more topics.
    DeleteTopics = 20,
    /// A partition's oldest records go.
    DeleteRecords = 21,
    /// A producer id and epoch.
    InitProducerId = 22,
    /// Where a leader's epoch ended.
    OffsetForLeaderEpoch = 23,
    /// Settings of topics and brokers.
    DescribeConfigs = 32,
    /// How many bytes partitions have.
    DescribeLogDirs = 35,
    /// More partitions for a topic.
    CreatePartitions = 37,
    /// No more groups.
    DeleteGroups = 42,
    /// Other settings, one by one.
    IncrementalAlterConfigs = 44,
    /// Brokers, without topics.
    DescribeCluster = 60,
    /// The producers that partitions remember.
    DescribeProducers = 61,
    /// Topics' partitions, page by page.
    DescribeTopicPartitions = 75,
}

/// What is fixed about an API.
struct Facts {
    code: i16,
    first_flexible_version: i16,
    name: &'static str,
}

impl ApiKey {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 27] = [
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::Metadata,
        Self::OffsetCommit,
        Self::OffsetFetch,
        Self::FindCoordinator,
        Self::JoinGroup,
        Self::Heartbeat,
        Self::LeaveGroup,
        Self::SyncGroup,
        Self::DescribeGroups,
        Self::ListGroups,
        Self::ApiVersions,
        Self::CreateTopics,
        Self::DeleteTopics,
        Self::DeleteRecords,
        Self::InitProducerId,
        Self::OffsetForLeaderEpoch,
        Self::DescribeConfigs,
        Self::DescribeLogDirs,
        Self::CreatePartitions,
        Self::DeleteGroups,
        Self::IncrementalAlterConfigs,
        Self::DescribeCluster,
        Self::DescribeProducers,
        Self::DescribeTopicPartitions,
    ];

    const fn facts(self) -> Facts {
        let (code, first_flexible_version, name) = match self {
            Self::Produce => (0, 9, "Produce"),
            Self::Fetch => (1, 12, "Fetch"),
            Self::ListOffsets => (2, 6, "ListOffsets"),
            Self::Metadata => (3, 9, "Metadata"),
            Self::OffsetCommit => (8, 8, "OffsetCommit"),
            Self::OffsetFetch => (9, 6, "OffsetFetch"),
            Self::FindCoordinator => (10, 3, "FindCoordinator"),
            Self::JoinGroup => (11, 6, "JoinGroup"),
            Self::Heartbeat => (12, 4, "Heartbeat"),
            Self::LeaveGroup => (13, 4, "LeaveGroup"),
            Self::SyncGroup => (14, 4, "SyncGroup"),
            Self::DescribeGroups => (15, 5, "DescribeGroups"),
            Self::ListGroups => (16, 3, "ListGroups"),
            Self::ApiVersions => (18, 3, "ApiVersions"),
            Self::CreateTopics => (19, 5, "CreateTopics"),
            Self::DeleteTopics => (20, 4, "DeleteTopics"),
            Self::DeleteRecords => (21, 2, "DeleteRecords"),
            Self::InitProducerId => (22, 2, "InitProducerId"),
            Self::OffsetForLeaderEpoch => (23, 4, "OffsetForLeaderEpoch"),
            Self::DescribeConfigs => (32, 4, "DescribeConfigs"),
            Self::DescribeLogDirs => (35, 2, "DescribeLogDirs"),
            Self::CreatePartitions => (37, 2, "CreatePartitions"),
            Self::DeleteGroups => (42, 2, "DeleteGroups"),
            Self::IncrementalAlterConfigs => (44, 1, "IncrementalAlterConfigs"),
            Self::DescribeCluster => (60, 0, "DescribeCluster"),
            Self::DescribeProducers => (61, 0, "DescribeProducers"),
            Self::DescribeTopicPartitions => (75, 0, "DescribeTopicPartitions"),
        };
        Facts { code, first_flexible_version, name }
    }

    /// The API of that number, if this crate knows it.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.code() == code)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self.facts().code
    }

    /// The name, as Kafka's documentation has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The first version with compact lengths and tagged fields (KIP-482).
    #[must_use]
    pub const fn first_flexible_version(self) -> i16 {
        self.facts().first_flexible_version
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
        !matches!(self, Self::ApiVersions) && self.is_flexible(version)
    }

    /// The versions that this crate speaks as a client; [`VersionRange::NONE`] for what only its broker serves.
    #[must_use]
    pub const fn supported_range(self) -> VersionRange {
        let (min, max) = match self {
            Self::Produce => (3, 13),
            Self::Fetch => (4, 12),
            Self::ListOffsets => (1, 7),
            Self::Metadata => (0, 13),
            Self::OffsetCommit => (7, 8),
            Self::OffsetFetch | Self::JoinGroup => (5, 7),
            Self::FindCoordinator => (1, 3),
            Self::Heartbeat => (3, 4),
            Self::LeaveGroup | Self::SyncGroup => (3, 5),
            Self::ApiVersions => (0, 4),
            Self::CreateTopics => (2, 7),
            Self::DeleteTopics => (1, 5),
            Self::DeleteRecords => (0, 2),
            Self::InitProducerId => (0, 5),
            Self::DescribeConfigs => (1, 4),
            Self::CreatePartitions => (0, 3),
            Self::IncrementalAlterConfigs => (0, 1),
            Self::DescribeProducers => (0, 0),
            Self::DescribeGroups
            | Self::ListGroups
            | Self::OffsetForLeaderEpoch
            | Self::DeleteGroups
            | Self::DescribeCluster
            | Self::DescribeLogDirs
            | Self::DescribeTopicPartitions => return VersionRange::NONE,
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
    /// No version at all; it contains none, and nothing can be negotiated with it.
    pub const NONE: Self = Self { min: 0, max: -1 };

    /// Whether there is no version in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.max < self.min
    }

    /// Whether `version` is in the range.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// The highest version that is in both ranges, if there is one.
#[must_use]
pub fn negotiate(ours: VersionRange, theirs: VersionRange) -> Option<i16> {
    let highest = ours.max.min(theirs.max);
    (highest >= ours.min.max(theirs.min)).then_some(highest)
}

/// How a member of a consumer group names itself in most of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMember<'a> {
    /// The group.
    pub group: &'a str,
    /// The generation that it is in.
    pub generation: i32,
    /// Its id.
    pub member_id: &'a str,
}

impl GroupMember<'_> {
    /// What kind of group consumers make.
    pub const PROTOCOL_TYPE: &'static str = "consumer";

    /// Group, generation, id, and that it is no static member.
    fn write(&self, writer: &mut Writer) {
        writer.string(self.group);
        writer.i32(self.generation);
        writer.string(self.member_id);
        writer.nullable_string(None);
    }
}

/// The pause that a broker asks for: negative is none, and more than an hour is not believed.
pub(crate) fn read_throttle_ms(reader: &mut Reader) -> Result<i32, WireError> {
    Ok(reader.i32()?.clamp(0, MAX_THROTTLE_MS))
}
