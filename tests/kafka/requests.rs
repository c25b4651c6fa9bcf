//! What a harness asks of a cluster: topics made, changed and deleted, leaders moved, settings and quotas changed.
//!
//! **Why every answer is waited for.** A fault that did not happen proves nothing: each function asks until the broker
//! says that it is done. Any node takes these requests; it passes them on to the controller. Neighbours:
//! [`crate::cluster`] says how things are, [`crate::faults`] and the rows call this. Not here: records.

use std::io;

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterPartitionReassignmentsRequest, BrokerId, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeProducersRequest,
    ElectLeadersRequest, IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::{Request, StrBytes};

use crate::admin::Connection;
use crate::cluster::{Cluster, topic_name, wait_until};

/// Spoken by every broker from 2.8 to 4.4.
const CREATE_TOPICS_VERSION: i16 = 5;
const TIMEOUT_MS: i32 = 10_000;
/// "Exists already": an earlier try whose answer did not come.
const TOPIC_ALREADY_EXISTS: i16 = 36;
/// "The preferred leader leads already".
const ELECTION_NOT_NEEDED: i16 = 84;
const UNKNOWN_TOPIC: i16 = 3;
const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Cluster {
    /// Creates a topic with as many replicas as there are nodes (at most three) and waits until it is led everywhere.
    pub fn create_topic(&self, topic: &str, partitions: i32, configs: &[(&'static str, &str)]) {
        let replicas = i16::try_from(self.setup.nodes.min(3)).expect("at most three");
        let wanted =
            CreatableTopic::default().with_num_partitions(partitions).with_replication_factor(replicas);
        self.create(topic, wanted, configs);
        self.await_full_isr(topic, partitions);
    }

    /// Creates a topic of one partition on these nodes, the first of which leads it, without waiting for anybody.
    pub fn create_topic_on(&self, topic: &str, nodes: &[i32], configs: &[(&'static str, &str)]) {
        let brokers = nodes.iter().map(|&id| BrokerId(id)).collect();
        let assignment =
            CreatableReplicaAssignment::default().with_partition_index(0).with_broker_ids(brokers);
        let wanted = CreatableTopic::default()
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![assignment]);
        self.create(topic, wanted, configs);
    }

    fn create(&self, topic: &str, wanted: CreatableTopic, configs: &[(&'static str, &str)]) {
        let configs = configs
            .iter()
            .map(|(name, value)| {
                CreatableTopicConfig::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_value(Some(text(value)))
            })
            .collect();
        let wanted = wanted.with_name(topic_name(topic)).with_configs(configs);
        let request = CreateTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![wanted]);
        self.ask(&format!("topic {topic} to be created"), &request, CREATE_TOPICS_VERSION, |answer| {
            answer.topics.iter().all(|topic| matches!(topic.error_code, 0 | TOPIC_ALREADY_EXISTS))
        });
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, topic: &str) {
        let names = vec![topic_name(topic)];
        let request = DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topic_names(names);
        self.ask(&format!("topic {topic} to be deleted"), &request, 5, |answer| {
            answer.responses.iter().all(|topic| matches!(topic.error_code, 0 | UNKNOWN_TOPIC))
        });
    }

    /// Adds partitions, up to `count`.
    pub fn add_partitions(&self, topic: &str, count: i32) {
        let wanted = CreatePartitionsTopic::default()
            .with_name(topic_name(topic))
            .with_count(count)
            .with_assignments(None);
        let request =
            CreatePartitionsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![wanted]);
        let mut is_done = false;
        self.ask(&format!("{topic} to have {count} partitions"), &request, 2, |answer| {
            // 37 is "has them already": an earlier try whose answer did not come.
            is_done = answer.results.iter().all(|result| matches!(result.error_code, 0 | 37));
            is_done
        });
    }

    /// Everything before `offset` goes.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        let wanted = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![
            DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset),
        ]);
        let request = DeleteRecordsRequest::default().with_timeout_ms(TIMEOUT_MS).with_topics(vec![wanted]);
        wait_until(&format!("records of {topic}-{partition} below {offset} to go"), || {
            let address = self.leader(topic, partition).and_then(|id| self.addresses().get(&id).copied());
            let answer = address.map(|address| Connection::open(address)?.call(&request, 2));
            matches!(answer, Some(Ok(answer))
                if answer.topics.iter().all(|topic| topic.partitions.iter().all(|found| found.error_code == 0)))
        });
    }

    /// Moves the leadership of a partition in order: `to` becomes the first of its replicas and is elected.
    pub fn move_leader(&self, topic: &str, partition: i32, to: i32) {
        let mut replicas: Vec<BrokerId> = self.ids().into_iter().map(BrokerId).collect();
        replicas.sort_by_key(|id| id.0 != to);
        self.reassign(topic, partition, &replicas);
        let partitions =
            TopicPartitions::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
        let request = ElectLeadersRequest::default()
            .with_election_type(0)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_partitions(Some(vec![partitions]));
        self.ask(&format!("{to} to lead {topic}-{partition}"), &request, 2, |answer| {
            let results = answer.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
            answer.error_code == 0
                && results.into_iter().all(|result| matches!(result.error_code, 0 | ELECTION_NOT_NEEDED))
        });
        wait_until("the move to be known", || self.leader(topic, partition) == Some(to));
    }

    fn reassign(&self, topic: &str, partition: i32, replicas: &[BrokerId]) {
        let wanted = ReassignableTopic::default().with_name(topic_name(topic)).with_partitions(vec![
            ReassignablePartition::default()
                .with_partition_index(partition)
                .with_replicas(Some(replicas.to_vec())),
        ]);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(TIMEOUT_MS)
            .with_topics(vec![wanted]);
        self.ask(&format!("{topic}-{partition} to be reassigned"), &request, 0, |answer| {
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
            answer.error_code == 0 && partitions.into_iter().all(|found| found.error_code == 0)
        });
    }

    /// Changes one setting of a topic.
    pub fn configure_topic(&self, topic: &str, name: &str, value: &str) {
        self.configure(TOPIC_RESOURCE, topic, name, Some(value));
    }

    /// Changes one setting of all brokers, or takes the change back.
    pub fn configure_brokers(&self, name: &str, value: Option<&str>) {
        self.configure(BROKER_RESOURCE, "", name, value);
    }

    fn configure(&self, resource_type: i8, resource: &str, name: &str, value: Option<&str>) {
        let config = AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(i8::from(value.is_none()))
            .with_value(value.map(text));
        let resource = AlterConfigsResource::default()
            .with_resource_type(resource_type)
            .with_resource_name(text(resource))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        self.ask(&format!("{name} to be {value:?}"), &request, 1, |answer| {
            answer.responses.iter().all(|found| found.error_code == 0)
        });
    }

    /// Limits what a client may send, in bytes a second; `None` lifts the limit.
    pub fn limit_client(&self, client_id: &str, bytes_per_s: Option<f64>) {
        let entity =
            EntityData::default().with_entity_type(text("client-id")).with_entity_name(Some(text(client_id)));
        let change = OpData::default()
            .with_key(text("producer_byte_rate"))
            .with_value(bytes_per_s.unwrap_or_default())
            .with_remove(bytes_per_s.is_none());
        let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![change]);
        let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
        self.ask(&format!("a quota for {client_id}"), &request, 1, |answer| {
            answer.entries.iter().all(|entry| entry.error_code == 0)
        });
    }

    /// Waits until the leader of a partition remembers no producer.
    pub fn await_forgotten(&self, topic: &str, partition: i32) {
        let wanted =
            TopicRequest::default().with_name(topic_name(topic)).with_partition_indexes(vec![partition]);
        let request = DescribeProducersRequest::default().with_topics(vec![wanted]);
        wait_until(&format!("producers of {topic}-{partition} to be forgotten"), || {
            let address = self.leader(topic, partition).and_then(|id| self.addresses().get(&id).copied());
            let answer = address.map(|address| Connection::open(address)?.call(&request, 0));
            matches!(answer, Some(Ok(answer)) if answer.topics.iter().all(|topic| {
                topic.partitions.iter().all(|found| found.error_code == 0 && found.active_producers.is_empty())
            }))
        });
    }

    /// Asks any node that runs until the answer is good.
    fn ask<R: Request>(
        &self,
        what: &str,
        request: &R,
        version: i16,
        mut is_good: impl FnMut(&R::Response) -> bool,
    ) {
        wait_until(what, || {
            let call =
                |address| -> io::Result<R::Response> { Connection::open(address)?.call(request, version) };
            self.running().any(|node| call(node.address).is_ok_and(|answer| is_good(&answer)))
        });
    }
}
