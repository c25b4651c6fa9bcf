//! What the injector knows about Kafka's APIs: names, dialects, and which answers carry addresses.
//!
//! **Why a table of its own.** [`crate::wire::api::ApiKey`] lists what this crate speaks; the injector stands between
//! strangers and must name, and let pass, everything. And it must know the newest version of each answer that it can
//! rewrite: a client that was told of a newer one would learn an address that bypasses the injector (D-60).
//!
//! Neighbours: [`super::request`] reads heads with it, [`super::rewrite`] lowers `ApiVersions` answers by it,
//! [`super::toxic`] resolves the names that users write. Not here: the fields of any message.

/// Whether an answer may tell a client where brokers are, and up to which version the injector can change that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceiling {
    /// No version that is known carries an address: everything passes.
    Open,
    /// Up to this version; clients are not told of newer ones.
    Version(i16),
    /// Carries addresses and is not understood: clients are not told of it at all.
    Hidden,
}

/// `Produce`.
pub const PRODUCE: i16 = 0;
/// `Fetch`.
pub const FETCH: i16 = 1;
/// `ListOffsets`.
pub const LIST_OFFSETS: i16 = 2;
/// `Metadata`.
pub const METADATA: i16 = 3;
/// `FindCoordinator`.
pub const FIND_COORDINATOR: i16 = 10;
/// `SaslHandshake`.
pub const SASL_HANDSHAKE: i16 = 17;
/// `ApiVersions`.
pub const API_VERSIONS: i16 = 18;
/// `CreateTopics`.
pub const CREATE_TOPICS: i16 = 19;
/// `DeleteTopics`.
pub const DELETE_TOPICS: i16 = 20;
/// `InitProducerId`.
pub const INIT_PRODUCER_ID: i16 = 22;
/// `DescribeCluster`.
pub const DESCRIBE_CLUSTER: i16 = 60;

/// The APIs whose requests name topics in a way that the injector reads: where a topic filter means something.
pub const WITH_TOPICS: [i16; 6] = [PRODUCE, FETCH, LIST_OFFSETS, METADATA, CREATE_TOPICS, DELETE_TOPICS];

/// The highest version of any API that a plausible first request may name.
pub const HIGHEST_PLAUSIBLE_VERSION: i16 = 30;

/// What can be rewritten of this API's answers.
#[must_use]
pub fn ceiling(api: i16) -> Ceiling {
    match api {
        PRODUCE | METADATA => Ceiling::Version(13),
        FETCH => Ceiling::Version(18),
        FIND_COORDINATOR => Ceiling::Version(6),
        API_VERSIONS => Ceiling::Version(4),
        DESCRIBE_CLUSTER => Ceiling::Version(2),
        // DescribeQuorum lists the voters' listeners from version 2 on.
        55 => Ceiling::Version(1),
        // ShareFetch and ShareAcknowledge end with node endpoints in every version.
        78 | 79 => Ceiling::Hidden,
        known if name(known).is_some() => Ceiling::Open,
        _ => Ceiling::Hidden,
    }
}

/// The first version whose requests and answers are flexible (KIP-482), of the APIs whose bodies the injector reads.
#[must_use]
pub fn is_flexible(api: i16, version: i16) -> bool {
    let first = match api {
        PRODUCE | METADATA => 9,
        FETCH => 12,
        LIST_OFFSETS => 6,
        FIND_COORDINATOR | API_VERSIONS => 3,
        CREATE_TOPICS => 5,
        DELETE_TOPICS => 4,
        INIT_PRODUCER_ID => 2,
        DESCRIBE_CLUSTER => 0,
        _ => i16::MAX,
    };
    version >= first
}

/// Whether the header of the answer has tagged fields: as the body, but never for `ApiVersions` (KIP-511).
#[must_use]
pub fn has_flexible_response_header(api: i16, version: i16) -> bool {
    api != API_VERSIONS && is_flexible(api, version)
}

/// Kafka's name of an API.
#[must_use]
pub fn name(api: i16) -> Option<&'static str> {
    let index = usize::try_from(api).ok()?;
    NAMES.get(index).copied().filter(|name| !name.is_empty())
}

/// The name, or the number in words for one that is not known.
#[must_use]
pub fn describe(api: i16) -> String {
    name(api).map_or_else(|| format!("API {api}"), str::to_owned)
}

/// An API by its name (any case) or number.
#[must_use]
pub fn by_name(text: &str) -> Option<i16> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i16>() {
        return name(number).map(|_| number);
    }
    let found = NAMES.iter().position(|name| !name.is_empty() && name.eq_ignore_ascii_case(text))?;
    i16::try_from(found).ok()
}

/// By key; 4 to 7 and others without a name are between brokers or were never given away.
const NAMES: [&str; 93] = [
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "",
    "",
    "",
    "",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "SaslHandshake",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "DeleteRecords",
    "InitProducerId",
    "OffsetForLeaderEpoch",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "WriteTxnMarkers",
    "TxnOffsetCommit",
    "DescribeAcls",
    "CreateAcls",
    "DeleteAcls",
    "DescribeConfigs",
    "AlterConfigs",
    "AlterReplicaLogDirs",
    "DescribeLogDirs",
    "SaslAuthenticate",
    "CreatePartitions",
    "CreateDelegationToken",
    "RenewDelegationToken",
    "ExpireDelegationToken",
    "DescribeDelegationToken",
    "DeleteGroups",
    "ElectLeaders",
    "IncrementalAlterConfigs",
    "AlterPartitionReassignments",
    "ListPartitionReassignments",
    "OffsetDelete",
    "DescribeClientQuotas",
    "AlterClientQuotas",
    "DescribeUserScramCredentials",
    "AlterUserScramCredentials",
    "Vote",
    "BeginQuorumEpoch",
    "EndQuorumEpoch",
    "DescribeQuorum",
    "AlterPartition",
    "UpdateFeatures",
    "Envelope",
    "FetchSnapshot",
    "DescribeCluster",
    "DescribeProducers",
    "BrokerRegistration",
    "BrokerHeartbeat",
    "UnregisterBroker",
    "DescribeTransactions",
    "ListTransactions",
    "AllocateProducerIds",
    "ConsumerGroupHeartbeat",
    "ConsumerGroupDescribe",
    "ControllerRegistration",
    "GetTelemetrySubscriptions",
    "PushTelemetry",
    "AssignReplicasToDirs",
    "ListConfigResources",
    "DescribeTopicPartitions",
    "ShareGroupHeartbeat",
    "ShareGroupDescribe",
    "ShareFetch",
    "ShareAcknowledge",
    "AddRaftVoter",
    "RemoveRaftVoter",
    "UpdateRaftVoter",
    "InitializeShareGroupState",
    "ReadShareGroupState",
    "WriteShareGroupState",
    "DeleteShareGroupState",
    "ReadShareGroupStateSummary",
    "StreamsGroupHeartbeat",
    "StreamsGroupDescribe",
    "DescribeShareGroupOffsets",
    "AlterShareGroupOffsets",
    "DeleteShareGroupOffsets",
];

#[cfg(test)]
mod tests {
    use super::*;

    // Fails if the list is off by one anywhere: an independent list agrees on every key that both have.
    #[test]
    fn names_and_numbers_agree_with_an_independent_list() {
        for key in 0..93_i16 {
            let theirs = kafka_protocol::messages::ApiKey::try_from(key).ok();
            // The independent list does not have the two of Kafka Streams' groups.
            if matches!(key, 88 | 89) {
                continue;
            }
            assert_eq!(name(key).map(str::to_owned), theirs.map(|theirs| format!("{theirs:?}")), "key {key}");
        }
        assert_eq!(by_name("produce"), Some(0));
        assert_eq!(by_name("22"), Some(22));
        assert_eq!(by_name("4"), None);
        assert_eq!(by_name(""), None);
        assert_eq!(by_name("DeleteShareGroupOffsets"), Some(92));
    }

    // Fails if a body would be read in the wrong dialect in any version.
    #[test]
    fn dialects_agree_with_an_independent_list() {
        for api in [0, 1, 2, 3, 10, 18, 19, 20, 22, 60_i16] {
            let theirs = kafka_protocol::messages::ApiKey::try_from(api).unwrap();
            let range = theirs.valid_versions();
            for version in range.min..=range.max {
                assert_eq!(
                    is_flexible(api, version),
                    theirs.request_header_version(version) >= 2,
                    "{api} {version}"
                );
                assert_eq!(
                    has_flexible_response_header(api, version),
                    theirs.response_header_version(version) >= 1,
                    "{api} {version}"
                );
            }
        }
    }
}
