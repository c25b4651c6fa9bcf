//! Administration on the wire: one file per API, from the bytes of a request to the bytes of an answer.
//!
//! **Why a family of its own.** Kafka's tools ask for settings, producers and the cluster through APIs that no producer
//! or consumer needs. What is advertised, how a body is read, what is done and how it is refused is decided here.
//!
//! Neighbours: [`super`] routes requests here. Not here: consumer groups ([`super::groups`]), and `CreateTopics` and
//! `DeleteTopics`, which producers' tests need as well.

mod broker_settings;
mod create_partitions;
mod delete_records;
mod describe_cluster;
mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod incremental_alter_configs;
mod offset_for_leader_epoch;

pub(super) use self::describe_configs::{Setting, topic_settings};
use super::{Answer, Reply, RequestContext, RequestHeader, RequestReader};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, VersionRange};

/// What is served of this family; an API that is not in the table is not advertised.
pub(super) const ADVERTISED: &[(ApiKey, VersionRange)] = &[
    (ApiKey::DeleteRecords, VersionRange { min: 0, max: 2 }),
    (ApiKey::OffsetForLeaderEpoch, VersionRange { min: 2, max: 4 }),
    (ApiKey::DescribeConfigs, VersionRange { min: 1, max: 4 }),
    (ApiKey::DescribeLogDirs, VersionRange { min: 1, max: 4 }),
    (ApiKey::CreatePartitions, VersionRange { min: 0, max: 3 }),
    (ApiKey::IncrementalAlterConfigs, VersionRange { min: 0, max: 1 }),
    (ApiKey::DescribeCluster, VersionRange { min: 0, max: 1 }),
    (ApiKey::DescribeProducers, VersionRange { min: 0, max: 0 }),
    (ApiKey::DescribeTopicPartitions, VersionRange { min: 0, max: 0 }),
];

/// A request of this family.
#[derive(Debug, Clone)]
pub(super) enum AdminRequest {
    DeleteRecords(delete_records::DeleteRecordsRequest),
    OffsetForLeaderEpoch(offset_for_leader_epoch::OffsetForLeaderEpochRequest),
    DescribeConfigs(describe_configs::DescribeConfigsRequest),
    CreatePartitions(create_partitions::CreatePartitionsRequest),
    IncrementalAlterConfigs(incremental_alter_configs::AlterConfigsRequest),
    DescribeCluster(describe_cluster::DescribeClusterRequest),
    DescribeLogDirs(describe_log_dirs::DescribeLogDirsRequest),
    DescribeProducers(describe_producers::DescribeProducersRequest),
    DescribeTopicPartitions(describe_topic_partitions::DescribeTopicPartitionsRequest),
}

/// Reads the body of a request.
pub(super) fn decode(
    reader: &mut RequestReader<'_>,
    api: ApiKey,
    version: i16,
) -> Result<AdminRequest, WireError> {
    use AdminRequest as R;
    let range = ADVERTISED.iter().find(|(known, range)| *known == api && range.contains(version));
    let unserved = || WireError::UnsupportedVersion { api, version };
    #[allow(clippy::wildcard_enum_match_arm, reason = "the table says which APIs are of this family")]
    match range.map(|(api, _)| *api).ok_or_else(unserved)? {
        ApiKey::DeleteRecords => delete_records::decode(reader).map(R::DeleteRecords),
        ApiKey::OffsetForLeaderEpoch => {
            offset_for_leader_epoch::decode(reader, version).map(R::OffsetForLeaderEpoch)
        }
        ApiKey::DescribeConfigs => describe_configs::decode(reader, version).map(R::DescribeConfigs),
        ApiKey::CreatePartitions => create_partitions::decode(reader).map(R::CreatePartitions),
        ApiKey::IncrementalAlterConfigs => {
            incremental_alter_configs::decode(reader).map(R::IncrementalAlterConfigs)
        }
        ApiKey::DescribeCluster => describe_cluster::decode(reader, version).map(R::DescribeCluster),
        ApiKey::DescribeLogDirs => describe_log_dirs::decode(reader).map(R::DescribeLogDirs),
        ApiKey::DescribeProducers => describe_producers::decode(reader).map(R::DescribeProducers),
        ApiKey::DescribeTopicPartitions => {
            describe_topic_partitions::decode(reader).map(R::DescribeTopicPartitions)
        }
        _ => Err(unserved()),
    }
}

/// Does what a request asks for.
pub(super) fn handle(
    cluster: &mut Cluster,
    header: &RequestHeader,
    request: &AdminRequest,
    context: &RequestContext<'_>,
) -> Reply {
    Reply::Answer(match request {
        AdminRequest::DeleteRecords(body) => delete_records::handle(cluster, header, body, context),
        AdminRequest::OffsetForLeaderEpoch(body) => offset_for_leader_epoch::handle(cluster, header, body),
        AdminRequest::DescribeConfigs(body) => describe_configs::handle(cluster, header, body, context),
        AdminRequest::CreatePartitions(body) => create_partitions::handle(cluster, header, body, context),
        AdminRequest::IncrementalAlterConfigs(body) => {
            incremental_alter_configs::handle(cluster, header, body, context)
        }
        AdminRequest::DescribeCluster(body) => describe_cluster::handle(cluster, header, body, context),
        AdminRequest::DescribeLogDirs(body) => describe_log_dirs::handle(cluster, header, body),
        AdminRequest::DescribeProducers(body) => describe_producers::handle(cluster, header, body),
        AdminRequest::DescribeTopicPartitions(body) => {
            describe_topic_partitions::handle(cluster, header, body)
        }
    })
}

/// The answer that says `code` wherever the API has a place for one.
pub(super) fn refuse(header: &RequestHeader, request: &AdminRequest, code: ErrorCode) -> Answer {
    match request {
        AdminRequest::DeleteRecords(body) => delete_records::refuse(header, body, code),
        AdminRequest::OffsetForLeaderEpoch(body) => offset_for_leader_epoch::refuse(header, body, code),
        AdminRequest::DescribeConfigs(body) => describe_configs::refuse(header, body, code),
        AdminRequest::CreatePartitions(body) => create_partitions::refuse(header, body, code),
        AdminRequest::IncrementalAlterConfigs(body) => incremental_alter_configs::refuse(header, body, code),
        AdminRequest::DescribeCluster(_) => describe_cluster::refuse(header, code),
        AdminRequest::DescribeLogDirs(_) => describe_log_dirs::refuse(header, code),
        AdminRequest::DescribeProducers(body) => describe_producers::refuse(header, body, code),
        AdminRequest::DescribeTopicPartitions(body) => describe_topic_partitions::refuse(header, body, code),
    }
}

impl AdminRequest {
    /// The topics that the request names, for faults that are limited to one.
    pub(super) fn topics(&self) -> Vec<&str> {
        match self {
            Self::DeleteRecords(body) => body.topic_names().collect(),
            Self::OffsetForLeaderEpoch(body) => body.topic_names().collect(),
            Self::DescribeConfigs(body) => body.topic_names().collect(),
            Self::CreatePartitions(body) => body.topic_names().collect(),
            Self::IncrementalAlterConfigs(body) => body.topic_names().collect(),
            Self::DescribeCluster(_) => Vec::new(),
            Self::DescribeLogDirs(body) => body.topic_names().collect(),
            Self::DescribeProducers(body) => body.topic_names().collect(),
            Self::DescribeTopicPartitions(body) => body.topic_names().collect(),
        }
    }
}

/// `resource_type` of a topic, in the two APIs of settings.
const TOPIC_RESOURCE: i8 = 2;
/// `resource_type` of a broker.
const BROKER_RESOURCE: i8 = 4;
