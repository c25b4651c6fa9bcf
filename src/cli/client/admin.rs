//! The administrating questions of the small Kafka client: settings, partitions, deleted records, producers.
//!
//! **Why apart.** Reading and producing commands need none of it. Neighbours: [`super::Client`] has the connections;
//! `topics` and `producers` ask. Not here: what the answers mean.

use std::time::Duration;

use super::Client;
use crate::cli::connection::{CLIENT_ID, ConnectionError};
use crate::cli::exit::Failure;
use crate::identifiers::NodeId;
use crate::wire::api::ApiKey;
use crate::wire::api::create_partitions::{self, AddedPartitions};
use crate::wire::api::delete_records::{self, DeletedRecords};
use crate::wire::api::describe_configs::{self, Described, TOPIC_RESOURCE};
use crate::wire::api::describe_producers::{self, PartitionProducers};
use crate::wire::api::incremental_alter_configs::{self, Alteration, Altered};

impl Client {
    /// Settings of topics.
    ///
    /// # Errors
    ///
    /// If the broker does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn describe_configs(&mut self, topics: &[&str]) -> Result<Vec<Described>, Failure> {
        let resources: Vec<(i8, &str)> = topics.iter().map(|topic| (TOPIC_RESOURCE, *topic)).collect();
        let asked = async {
            let version = self.first.version_for(ApiKey::DescribeConfigs)?;
            let encode = |id| describe_configs::encode_request(version, id, CLIENT_ID, &resources);
            let body = self.first.ask(ApiKey::DescribeConfigs, version, Duration::ZERO, encode).await?;
            Ok(describe_configs::decode_response(version, body)?)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// Changes settings of topics.
    ///
    /// # Errors
    ///
    /// If the controller does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn alter_configs(
        &mut self,
        topics: &[(&str, Vec<(&str, Alteration<'_>)>)],
    ) -> Result<Vec<Altered>, Failure> {
        let asked = async {
            let controller = self.controller().await?;
            let version = controller.version_for(ApiKey::IncrementalAlterConfigs)?;
            let encode = |id| incremental_alter_configs::encode_request(version, id, CLIENT_ID, topics);
            let body =
                controller.ask(ApiKey::IncrementalAlterConfigs, version, Duration::ZERO, encode).await?;
            Ok(incremental_alter_configs::decode_response(version, body)?)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// Gives topics more partitions: each with the number that it shall have in all.
    ///
    /// # Errors
    ///
    /// If the controller does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn create_partitions(
        &mut self,
        topics: &[(&str, i32)],
    ) -> Result<Vec<AddedPartitions>, Failure> {
        let timeout_ms = self.timeout_ms();
        let asked = async {
            let controller = self.controller().await?;
            let version = controller.version_for(ApiKey::CreatePartitions)?;
            let encode = |id| create_partitions::encode_request(version, id, CLIENT_ID, topics, timeout_ms);
            let body = controller.ask(ApiKey::CreatePartitions, version, Duration::ZERO, encode).await?;
            Ok(create_partitions::decode_response(version, body)?)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// Deletes records of partitions that one node leads: each with the offset before which they go.
    ///
    /// # Errors
    ///
    /// If the leader does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn delete_records(
        &mut self,
        leader: NodeId,
        topic: &str,
        partitions: &[(i32, i64)],
    ) -> Result<Vec<DeletedRecords>, Failure> {
        let timeout_ms = self.timeout_ms();
        let asked = async {
            let leader = self.leader(leader).await?;
            let version = leader.version_for(ApiKey::DeleteRecords)?;
            let encode =
                |id| delete_records::encode_request(version, id, CLIENT_ID, (topic, partitions), timeout_ms);
            let body = leader.ask(ApiKey::DeleteRecords, version, Duration::ZERO, encode).await?;
            Ok(delete_records::decode_response(version, body)?)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }

    /// The producers that partitions of one leader remember.
    ///
    /// # Errors
    ///
    /// If the leader does not answer; refusals are in the answer.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::metadata`].
    pub async fn describe_producers(
        &mut self,
        leader: NodeId,
        topic: &str,
        partitions: &[i32],
    ) -> Result<Vec<PartitionProducers>, Failure> {
        let asked = async {
            let leader = self.leader(leader).await?;
            let version = leader.version_for(ApiKey::DescribeProducers)?;
            let encode =
                |id| describe_producers::encode_request(version, id, CLIENT_ID, &[(topic, partitions)]);
            let body = leader.ask(ApiKey::DescribeProducers, version, Duration::ZERO, encode).await?;
            Ok(describe_producers::decode_response(version, body)?)
        };
        let answer: Result<_, ConnectionError> = asked.await;
        answer.map_err(|error| self.broken(&error))
    }
}
