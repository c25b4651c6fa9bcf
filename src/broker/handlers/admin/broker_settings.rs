//! The settings of this broker, as tools show them.
//!
//! **Why they can only be read.** They are given when the broker starts; `kafka-configs --describe --entity-type brokers`
//! and UIs ask for them. Names are Kafka's where the meaning is; what only this broker has begins with `facteur.`.
//!
//! Neighbours: [`super::describe_configs`] writes them. Not here: settings of topics.

use super::describe_configs::Setting;
use crate::broker::cluster::Cluster;
use crate::broker::config::CompactionTiming;
use crate::broker::topic_config::definitions::DEFINITIONS;
use crate::config::HostPort;

/// Types of values, see [`crate::broker::topic_config::definitions::Definition::type_code`].
const BOOLEAN: i8 = 1;
const STRING: i8 = 2;
const INT: i8 = 3;
const LONG: i8 = 5;
/// `configSource` of what the broker was started with (`STATIC_BROKER_CONFIG`).
const STARTED_WITH: i8 = 4;
/// `configSource` of defaults (`DEFAULT_CONFIG`).
const DEFAULT: i8 = 5;

/// All of them, by name.
pub(super) fn broker_settings(cluster: &Cluster, advertised: &HostPort) -> Vec<Setting> {
    let mut all: Vec<Setting> = started_with(cluster, advertised)
        .into_iter()
        .map(|(name, value, type_code, help)| Setting {
            name,
            value,
            type_code,
            help,
            source: STARTED_WITH,
            is_read_only: true,
            synonyms: Vec::new(),
        })
        .collect();
    // The broker-wide defaults of what topics can be given.
    all.extend(DEFINITIONS.iter().filter(|known| !known.broker_name.is_empty()).map(|known| Setting {
        name: known.broker_name,
        value: known.default.to_owned(),
        type_code: known.type_code(),
        help: known.help,
        source: DEFAULT,
        is_read_only: true,
        synonyms: vec![(known.broker_name, known.default.to_owned(), DEFAULT)],
    }));
    all.sort_by_key(|setting| setting.name);
    all
}

/// Name, value, type and help.
type Row = (&'static str, String, i8, &'static str);

#[rustfmt::skip]
fn started_with(cluster: &Cluster, advertised: &HostPort) -> Vec<Row> {
    let settings = cluster.settings();
    let timing = match settings.compaction {
        CompactionTiming::Soon => "soon",
        CompactionTiming::Kafka => "kafka",
    };
    vec![
        ("advertised.listeners", format!("PLAINTEXT://{advertised}"), STRING, "What clients of this listener are told."),
        ("auto.create.topics.enable", settings.auto_create_topics.to_string(), BOOLEAN, "Whether Metadata creates topics that it is asked for."),
        ("broker.id", settings.node_id.to_string(), INT, "This broker."),
        ("default.replication.factor", "1".to_owned(), INT, "Replicas of topics that are created without a number."),
        ("facteur.compaction", timing.to_owned(), STRING, "soon: a teaching shortcut compacts soon after a write; kafka: the cleaner's own timing."),
        ("facteur.partition.memory.bytes", settings.partition_memory_bytes.to_string(), LONG, "Bytes kept per partition; then its oldest segment goes."),
        ("facteur.total.memory.bytes", settings.total_memory_bytes.to_string(), LONG, "Bytes kept in all; then the oldest segment goes."),
        ("log.retention.hours", "168".to_owned(), INT, "How old a segment may get before it goes, unless its topic says otherwise."),
        ("log.roll.hours", "168".to_owned(), INT, "After which time a segment is closed, unless its topic says otherwise."),
        ("node.id", settings.node_id.to_string(), INT, "This node."),
        ("num.partitions", settings.default_partitions.to_string(), INT, "Partitions of topics that are created without a number."),
        ("process.roles", "broker,controller".to_owned(), STRING, "What this process is."),
        ("producer.id.expiration.ms", settings.producer_expiration_ms.to_string(), INT, "After which time, by record timestamps, a producer is forgotten."),
    ]
}
