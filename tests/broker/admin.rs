//! The administrating APIs over the socket: every version, written and read by an independent codec (`kafka-protocol`),
//! and the codes of a real broker for what is wrong.

use facteur::ErrorCode;
use facteur::broker::{Broker, BrokerConfig, EventKind, Fault, FaultAction};
use facteur::wire::api::ApiKey;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest as ProducersOfTopic;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
    DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use kafka_protocol::protocol::StrBytes;

use crate::batch::{Batch, wall_ms};
use crate::client::{Client, broker_with};
use crate::protocol::{ask, text, topic, versions};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn described<'a>(result: &'a DescribeConfigsResult, name: &str) -> &'a DescribeConfigsResourceResult {
    result
        .configs
        .iter()
        .find(|setting| setting.name.as_str() == name)
        .unwrap_or_else(|| panic!("{name} is missing"))
}

async fn describe(
    client: &mut Client,
    version: i16,
    kind: i8,
    name: &str,
    keys: &[&str],
) -> DescribeConfigsResult {
    let keys = (!keys.is_empty()).then(|| keys.iter().map(|key| text(key)).collect());
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(version >= 3);
    let mut answer: DescribeConfigsResponse = ask(client, ApiKey::DescribeConfigs, version, &request).await;
    assert_eq!(answer.results.len(), 1);
    answer.results.remove(0)
}

// A tool shows what was set, what is a default, and why; in every version.
#[tokio::test]
async fn settings_are_described_with_their_sources_in_every_version() {
    let broker = broker_with(&[]).await;
    broker
        .create_topic_with("orders", 1, &[("retention.ms", "1000"), ("cleanup.policy", "compact,delete")])
        .unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await;
    for version in versions(ApiKey::DescribeConfigs) {
        let result = describe(&mut client, version, TOPIC, "orders", &[]).await;
        assert_eq!(
            (result.error_code, result.resource_type, result.resource_name.as_str()),
            (0, TOPIC, "orders")
        );
        let retention = described(&result, "retention.ms");
        assert_eq!(retention.value.as_deref(), Some("1000"));
        assert_eq!((retention.config_source, retention.is_sensitive, retention.read_only), (1, false, false));
        let synonyms = |setting: &DescribeConfigsResourceResult| -> Vec<(String, Option<String>, i8)> {
            let text = |value: &StrBytes| value.to_string();
            setting
                .synonyms
                .iter()
                .map(|one| (text(&one.name), one.value.as_ref().map(text), one.source))
                .collect()
        };
        let pair = |name: &str, value: &str, source| (name.to_owned(), Some(value.to_owned()), source);
        let policy = described(&result, "cleanup.policy");
        let expected = [pair("cleanup.policy", "compact,delete", 1), pair("log.cleanup.policy", "delete", 5)];
        assert_eq!(synonyms(policy), expected);
        // The broker's retention is given in hours: there is no synonym in milliseconds, on a real Kafka neither.
        assert_eq!(synonyms(retention), [pair("retention.ms", "1000", 1)]);
        let segment = described(&result, "segment.ms");
        assert_eq!((segment.value.as_deref(), segment.config_source), (Some("604800000"), 5));
        if version >= 3 {
            assert_eq!((retention.config_type, described(&result, "cleanup.policy").config_type), (5, 7));
            assert!(retention.documentation.as_ref().unwrap().contains("segment"));
        }
        let one = describe(&mut client, version, TOPIC, "orders", &["segment.ms", "no.such"]).await;
        assert_eq!(one.configs.len(), 1);

        let own = describe(&mut client, version, BROKER, "1", &[]).await;
        assert_eq!(described(&own, "node.id").value.as_deref(), Some("1"));
        assert!(described(&own, "log.cleanup.policy").read_only);
    }
}

// What cannot be described gets Kafka's code and a sentence.
#[tokio::test]
async fn settings_of_what_is_not_there_are_refused() {
    let broker = broker_with(&[]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for (kind, name, code) in [
        (TOPIC, "missing", 3),
        (TOPIC, "no good", 17),
        (BROKER, "9", 42),
        (BROKER, "x", 42),
        (8, "1", 42),
        (BROKER, "", 0),
    ] {
        let result = describe(&mut client, 4, kind, name, &[]).await;
        assert_eq!((result.error_code, result.configs.len()), (code, 0), "{kind} {name:?}");
        assert_eq!(result.error_message.is_some(), code != 0);
    }
}

fn alteration(kind: i8, name: &str, changes: &[(&str, i8, Option<&str>)]) -> AlterConfigsResource {
    let changes = changes.iter().map(|(setting, operation, value)| {
        AlterableConfig::default()
            .with_name(text(setting))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes.collect())
}

async fn alter(
    client: &mut Client,
    version: i16,
    resources: Vec<AlterConfigsResource>,
    validate_only: bool,
) -> Vec<(i16, Option<String>)> {
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(resources).with_validate_only(validate_only);
    let answer: IncrementalAlterConfigsResponse =
        ask(client, ApiKey::IncrementalAlterConfigs, version, &request).await;
    let outcome = |result: &kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse| {
        (result.error_code, result.error_message.as_ref().map(ToString::to_string))
    };
    answer.responses.iter().map(outcome).collect()
}

async fn value_of(client: &mut Client, name: &str, setting: &str) -> String {
    let result = describe(client, 4, TOPIC, name, &[setting]).await;
    result.configs[0].value.as_ref().unwrap().to_string()
}

// Set, append, subtract and delete, as `kafka-configs --alter` sends them; a check alone changes nothing.
#[tokio::test]
async fn settings_are_altered_one_by_one_in_every_version() {
    for version in versions(ApiKey::IncrementalAlterConfigs) {
        let broker = broker_with(&[("orders", 1)]).await;
        let mut events = broker.subscribe();
        let mut client = Client::connect(&broker.bootstrap()).await;
        let wish = alteration(
            TOPIC,
            "orders",
            &[("retention.ms", 0, Some("5000")), ("cleanup.policy", 2, Some("compact"))],
        );

        assert_eq!(alter(&mut client, version, vec![wish.clone()], true).await, [(0, None)]);
        assert_eq!(
            value_of(&mut client, "orders", "retention.ms").await,
            "604800000",
            "a check changes nothing"
        );
        assert_eq!(alter(&mut client, version, vec![wish], false).await, [(0, None)]);
        assert_eq!(value_of(&mut client, "orders", "retention.ms").await, "5000");
        assert_eq!(value_of(&mut client, "orders", "cleanup.policy").await, "delete,compact");
        assert!(matches!(events.recv().await.unwrap().kind, EventKind::TopicAltered { .. }));
        let back =
            alteration(TOPIC, "orders", &[("retention.ms", 1, None), ("cleanup.policy", 3, Some("delete"))]);
        assert_eq!(alter(&mut client, version, vec![back], false).await, [(0, None)]);
        assert_eq!(value_of(&mut client, "orders", "retention.ms").await, "604800000");
        assert_eq!(value_of(&mut client, "orders", "cleanup.policy").await, "compact");
        assert_eq!(
            client.produce("orders", &Batch::plain(1).bytes()).await.unwrap().code,
            87,
            "the policy acts"
        );
    }
}

// One wrong setting must leave the others of its topic alone, too: nothing is half done.
#[tokio::test]
async fn wrong_alterations_are_refused_and_leave_everything_as_it_was() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let good = ("retention.ms", 0_i8, Some("1"));
    let cases = [
        (alteration(TOPIC, "orders", &[good, ("segment.bytes", 0, Some("10"))]), 40, "at least 1048576"),
        (
            alteration(TOPIC, "orders", &[good, ("no.such", 0, Some("1"))]),
            40,
            "Unknown topic config name: no.such",
        ),
        (alteration(TOPIC, "orders", &[good, ("segment.ms", 2, Some("1"))]), 40, "no list"),
        (alteration(TOPIC, "orders", &[good, ("segment.ms", 0, None)]), 42, "Null value"),
        (alteration(TOPIC, "orders", &[good, ("segment.ms", 7, Some("1"))]), 42, "expected 0 to 3"),
        (alteration(TOPIC, "orders", &[good, good]), 42, "duplicate"),
        (alteration(TOPIC, "orders", &[("facteur.compact.now", 0, Some("1"))]), 40, "not compacted"),
        (alteration(TOPIC, "missing", &[good]), 3, "does not host"),
        (alteration(BROKER, "1", &[("log.cleanup.policy", 0, Some("1"))]), 42, "fixed when it starts"),
        (alteration(16, "x", &[good]), 42, "expected 2 (topic)"),
    ];
    for (resource, code, words) in cases {
        let outcome = alter(&mut client, 1, vec![resource], false).await;
        assert_eq!(outcome[0].0, code, "{words}");
        assert!(outcome[0].1.as_ref().unwrap().contains(words), "{outcome:?}");
    }
    let twice = alteration(TOPIC, "orders", &[good]);
    let outcome = alter(&mut client, 1, vec![twice.clone(), twice], false).await;
    assert_eq!(outcome.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [42, 42]);
    assert_eq!(value_of(&mut client, "orders", "retention.ms").await, "604800000");
}

// The name that asks for a compaction at once answers what it did, and is stored nowhere.
#[tokio::test]
async fn a_compaction_can_be_asked_for_by_a_client() {
    let broker = broker_with(&[]).await;
    broker.create_topic_with("table", 1, &[("cleanup.policy", "compact")]).unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await;
    for value in ["1", "2", "3"] {
        client.produce("table", &Batch::table(&[("k", value)]).bytes()).await.unwrap();
    }
    let wish = alteration(TOPIC, "table", &[("facteur.compact.now", 0, Some("true"))]);

    let outcome = alter(&mut client, 1, vec![wish], false).await;

    assert_eq!(outcome, [(0, Some("2 records removed, 1 kept".to_owned()))]);
    let result = describe(&mut client, 4, TOPIC, "table", &[]).await;
    assert!(result.configs.iter().all(|setting| !setting.name.starts_with("facteur")));
}

// Admin clients ask this first; the address must be that of the listener they came in by.
#[tokio::test]
async fn the_cluster_is_described_in_every_version() {
    let broker = broker_with(&[]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for version in versions(ApiKey::DescribeCluster) {
        let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
        let answer: DescribeClusterResponse =
            ask(&mut client, ApiKey::DescribeCluster, version, &request).await;
        assert_eq!((answer.error_code, answer.cluster_id.to_string()), (0, broker.cluster_id()));
        assert_eq!((answer.controller_id, answer.brokers.len()), (BrokerId(1), 1));
        assert_eq!(answer.brokers[0].broker_id, BrokerId(1));
        assert_eq!(answer.brokers[0].port, i32::from(broker.bootstrap().port));
        assert!(answer.cluster_authorized_operations > 0);
    }
    for (endpoint, code) in [(2, 114), (7, 115)] {
        let request = DescribeClusterRequest::default().with_endpoint_type(endpoint);
        let answer: DescribeClusterResponse = ask(&mut client, ApiKey::DescribeCluster, 1, &request).await;
        assert_eq!((answer.error_code, answer.brokers.len()), (code, 0));
    }
}

// The broker's half of idempotence, as `kafka-transactions describe-producers` shows it.
#[tokio::test]
async fn producers_are_described_with_epoch_and_last_sequence() {
    let broker = broker_with(&[("orders", 2)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let now = wall_ms();
    client.produce("orders", &Batch::of(41, 0, 0, 3).at(now - 9).bytes()).await.unwrap();
    client.produce("orders", &Batch::of(41, 0, 3, 2).at(now).bytes()).await.unwrap();
    client.produce("orders", &Batch::of(41, 0, 3, 2).at(now).bytes()).await.unwrap();
    client.produce("orders", &Batch::of(40, 2, 0, 1).at(now).bytes()).await.unwrap();
    client.produce("orders", &Batch::plain(5).bytes()).await.unwrap();
    let asked = |name: &str, partitions: Vec<i32>| {
        ProducersOfTopic::default().with_name(topic(name)).with_partition_indexes(partitions)
    };
    let request = DescribeProducersRequest::default()
        .with_topics(vec![asked("orders", vec![0, 1, 2]), asked("missing", vec![0])]);

    let answer: DescribeProducersResponse = ask(&mut client, ApiKey::DescribeProducers, 0, &request).await;

    let partitions = &answer.topics[0].partitions;
    let seen: Vec<_> = partitions[0]
        .active_producers
        .iter()
        .map(|one| (one.producer_id.0, one.producer_epoch, one.last_sequence, one.last_timestamp))
        .collect();
    assert_eq!(seen, [(40, 2, 0, now), (41, 0, 4, now + 1)]);
    let first = &partitions[0].active_producers[0];
    assert_eq!((first.coordinator_epoch, first.current_txn_start_offset), (-1, -1));
    assert_eq!((partitions[1].error_code, partitions[1].active_producers.len()), (0, 0));
    assert_eq!((partitions[2].error_code, answer.topics[1].partitions[0].error_code), (3, 3));
}

// More partitions appear at once in the metadata; everything else is refused with Kafka's code.
#[tokio::test]
async fn partitions_are_added_in_every_version() {
    let node = |ids: &[i32]| {
        CreatePartitionsAssignment::default().with_broker_ids(ids.iter().map(|id| BrokerId(*id)).collect())
    };
    for version in versions(ApiKey::CreatePartitions) {
        let broker = broker_with(&[("orders", 2), ("other", 1), ("third", 1)]).await;
        let mut client = Client::connect(&broker.bootstrap()).await;
        let wish = |name: &str, count| {
            CreatePartitionsTopic::default().with_name(topic(name)).with_count(count).with_assignments(None)
        };
        let wishes = vec![
            wish("orders", 4),
            wish("other", 1),
            wish("missing", 3),
            wish("third", 3).with_assignments(Some(vec![node(&[1])])),
        ];
        for validate_only in [true, false] {
            let request = CreatePartitionsRequest::default()
                .with_topics(wishes.clone())
                .with_timeout_ms(1)
                .with_validate_only(validate_only);
            let answer: CreatePartitionsResponse =
                ask(&mut client, ApiKey::CreatePartitions, version, &request).await;
            let codes: Vec<i16> = answer.results.iter().map(|result| result.error_code).collect();
            assert_eq!(codes, [0, 37, 3, 39], "version {version}");
            let count = broker.topics().iter().find(|(name, _)| name == "orders").unwrap().1;
            assert_eq!(count, if validate_only { 2 } else { 4 });
        }
        let twice = CreatePartitionsRequest::default().with_topics(vec![
            wish("third", 2).with_assignments(Some(vec![node(&[1])])),
            wish("other", 2),
            wish("other", 3),
        ]);
        let answer: CreatePartitionsResponse =
            ask(&mut client, ApiKey::CreatePartitions, version, &twice).await;
        let codes: Vec<i16> = answer.results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [0, 42, 42]);
    }
}

// The low watermark moves, readers below it are told, and the next offset stays.
#[tokio::test]
async fn records_are_deleted_in_every_version() {
    for version in versions(ApiKey::DeleteRecords) {
        let broker =
            Broker::start(BrokerConfig { topics: vec![("orders".into(), 1)], ..BrokerConfig::default() });
        let broker = broker.await.unwrap();
        let mut client = Client::connect(&broker.bootstrap()).await;
        for _ in 0..3 {
            client.produce("orders", &Batch::plain(2).bytes()).await.unwrap();
        }
        let mut delete = async |name: &str, partition: i32, offset: i64| {
            let partition =
                DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
            let asked = DeleteRecordsTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
            let request = DeleteRecordsRequest::default().with_topics(vec![asked]).with_timeout_ms(9);
            let answer: DeleteRecordsResponse =
                ask(&mut client, ApiKey::DeleteRecords, version, &request).await;
            let result = &answer.topics[0].partitions[0];
            (result.error_code, result.low_watermark)
        };
        assert_eq!(delete("orders", 0, 4).await, (0, 4));
        assert_eq!(delete("orders", 0, 7).await, (1, -1));
        assert_eq!(delete("orders", 3, 0).await, (3, -1));
        assert_eq!(delete("missing", 0, 0).await, (3, -1));
        assert_eq!(delete("__consumer_offsets", 0, 0).await, (17, -1));
        assert_eq!(broker.log_start_offset("orders", 0), Some(4));
        assert_eq!(delete("orders", 0, -1).await, (0, 6));
        assert_eq!(client.fetch("orders", 5, crate::client::Wait::NOT).await.unwrap().0, 1);
        assert_eq!(client.produce("orders", &Batch::plain(1).bytes()).await.unwrap().base_offset, 6);
    }
}

// `kafka-topics --describe` asks this, and pages through large topics with a cursor.
#[tokio::test]
async fn topics_are_described_page_by_page() {
    let broker = broker_with(&[("a", 3), ("b", 1), ("c", 2)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let mut cursor = None;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let request = DescribeTopicPartitionsRequest::default()
            .with_response_partition_limit(2)
            .with_cursor(cursor.clone());
        let answer: DescribeTopicPartitionsResponse =
            ask(&mut client, ApiKey::DescribeTopicPartitions, 0, &request).await;
        for found in &answer.topics {
            for partition in &found.partitions {
                assert_eq!(
                    (partition.leader_id, &partition.isr_nodes[..]),
                    (BrokerId(1), &[BrokerId(1)][..])
                );
                seen.push(format!("{}-{}", found.name.as_ref().unwrap().as_str(), partition.partition_index));
            }
        }
        cursor = answer.next_cursor.map(|next| {
            Cursor::default().with_topic_name(next.topic_name).with_partition_index(next.partition_index)
        });
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a-0", "a-1", "a-2", "b-0", "c-0", "c-1"]);

    let asked = |name: &str| TopicRequest::default().with_name(topic(name));
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(vec![asked("missing"), asked("b"), asked("no good")])
        .with_response_partition_limit(2000);
    let answer: DescribeTopicPartitionsResponse =
        ask(&mut client, ApiKey::DescribeTopicPartitions, 0, &request).await;
    let codes: Vec<i16> = answer.topics.iter().map(|found| found.error_code).collect();
    assert_eq!(codes, [0, 3, 17], "in the order of names");
}

// A consumer asks after a change of leader whether what it read is still the log.
#[tokio::test]
async fn the_end_of_the_one_epoch_is_the_end_of_the_log() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    client.produce("orders", &Batch::plain(4).bytes()).await.unwrap();
    for version in versions(ApiKey::OffsetForLeaderEpoch) {
        let asked = |partition, current, epoch| {
            OffsetForLeaderPartition::default()
                .with_partition(partition)
                .with_current_leader_epoch(current)
                .with_leader_epoch(epoch)
        };
        let wanted = OffsetForLeaderTopic::default().with_topic(topic("orders")).with_partitions(vec![
            asked(0, -1, 0),
            asked(0, 0, 5),
            asked(0, 3, 0),
            asked(1, 0, 0),
        ]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![wanted]);
        let answer: OffsetForLeaderEpochResponse =
            ask(&mut client, ApiKey::OffsetForLeaderEpoch, version, &request).await;
        let results: Vec<(i16, i32, i64)> = answer.topics[0]
            .partitions
            .iter()
            .map(|one| (one.error_code, one.leader_epoch, one.end_offset))
            .collect();
        assert_eq!(results, [(0, 0, 4), (0, -1, -1), (75, -1, -1), (3, -1, -1)]);
    }
}

// Sizes of partitions, for UIs; what is not here is left out.
#[tokio::test]
async fn sizes_of_partitions_are_described_in_every_version() {
    let broker = broker_with(&[("orders", 2), ("other", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let batch = Batch::plain(3).bytes();
    client.produce("orders", &batch).await.unwrap();
    for version in versions(ApiKey::DescribeLogDirs) {
        let all = DescribeLogDirsRequest::default().with_topics(None);
        let answer: DescribeLogDirsResponse = ask(&mut client, ApiKey::DescribeLogDirs, version, &all).await;
        assert_eq!((answer.error_code, answer.results.len(), answer.results[0].topics.len()), (0, 1, 2));
        let some = DescribableLogDirTopic::default().with_topic(topic("orders")).with_partitions(vec![0, 7]);
        let missing = DescribableLogDirTopic::default().with_topic(topic("missing")).with_partitions(vec![0]);
        let request = DescribeLogDirsRequest::default().with_topics(Some(vec![some, missing]));
        let answer: DescribeLogDirsResponse =
            ask(&mut client, ApiKey::DescribeLogDirs, version, &request).await;
        let directory = &answer.results[0];
        assert_eq!((directory.error_code, directory.topics.len()), (0, 1));
        let sizes: Vec<(i32, i64)> = directory.topics[0]
            .partitions
            .iter()
            .map(|one| (one.partition_index, one.partition_size))
            .collect();
        assert_eq!(sizes, [(0, i64::try_from(batch.len()).unwrap())]);
        if version >= 4 {
            assert_eq!(directory.total_bytes - directory.usable_bytes, sizes[0].1);
        }
    }
}

// A fault that is armed for an administrating API must reach its client as that API spells it.
#[tokio::test]
async fn an_armed_fault_is_answered_by_administrating_apis_too() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let code = ErrorCode(41);
    for api in [ApiKey::DescribeConfigs, ApiKey::IncrementalAlterConfigs, ApiKey::DescribeLogDirs] {
        broker.faults().arm(Fault::new(api.code(), FaultAction::AnswerError(code)));
    }
    let result = describe(&mut client, 4, TOPIC, "orders", &[]).await;
    assert_eq!((result.error_code, result.configs.len()), (code.0, 0));
    let good = alteration(TOPIC, "orders", &[("retention.ms", 0, Some("1"))]);
    assert_eq!(alter(&mut client, 1, vec![good], false).await[0].0, code.0);
    let answer: DescribeLogDirsResponse =
        ask(&mut client, ApiKey::DescribeLogDirs, 1, &DescribeLogDirsRequest::default()).await;
    assert_eq!(answer.results[0].error_code, code.0);
    broker.faults().clear_all();
    assert_eq!(value_of(&mut client, "orders", "retention.ms").await, "604800000", "nothing was altered");
}
