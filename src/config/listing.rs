//! The settings of a producer as a list: what `facteur config --explain` and the lab's configuration drawer show.
//!
//! **Why it exists.** "Which value does it really use, and who said so?" is the first question of every incident.
//! Neighbours: [`super::catalogue`] has the words, [`ProducerConfig`] the values. Not here: how it is printed.

use super::setting::{Origin, millis_text};
use super::{Compression, HostPort, PartitionerChoice, ProducerConfig, catalogue};
use std::time::Duration;

/// One setting with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingLine {
    /// The Java name, or ours.
    pub name: &'static str,
    /// The value in use, as one would write it.
    pub value: String,
    /// The default, as one would write it.
    pub default: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// Where the value came from.
    pub origin: Origin,
    /// What the setting does, in one sentence.
    pub explanation: &'static str,
}

pub(super) fn lines(config: &ProducerConfig) -> Vec<SettingLine> {
    catalogue::settings()
        .map(|setting| SettingLine {
            name: setting.name,
            value: value_of(config, setting.name).unwrap_or_default(),
            default: setting.default,
            unit: setting.kind.unit(),
            origin: config.origin(setting.name).cloned().unwrap_or(Origin::Default),
            explanation: setting.effect,
        })
        .collect()
}

fn value_of(config: &ProducerConfig, name: &str) -> Option<String> {
    Some(match name {
        "bootstrap.servers" => {
            config.bootstrap_servers.iter().map(HostPort::to_string).collect::<Vec<_>>().join(",")
        }
        "client.id" => config.client_id.clone(),
        "acks" => config.acks.as_str().to_owned(),
        "enable.idempotence" => config.enable_idempotence.to_string(),
        "max.in.flight.requests.per.connection" => config.max_in_flight.to_string(),
        "retries" => config.retries.to_string(),
        "batch.size" => config.batch_size.to_string(),
        "buffer.memory" => config.buffer_memory.to_string(),
        "max.request.size" => config.max_request_size.to_string(),
        "compression.type" => config.compression.as_str().to_owned(),
        "compression.gzip.level" => level(config.compression, "gzip", "-1"),
        "compression.lz4.level" => "9".to_owned(),
        "compression.zstd.level" => level(config.compression, "zstd", "3"),
        "partitioner.class" => match &config.partitioner {
            PartitionerChoice::Default => "murmur2".to_owned(),
            PartitionerChoice::Crc32 => "crc32".to_owned(),
            PartitionerChoice::RoundRobin => "round_robin".to_owned(),
            PartitionerChoice::Custom(partitioner) => format!("{partitioner:?}"),
        },
        "partitioner.ignore.keys" => config.partitioner_ignore_keys.to_string(),
        "partitioner.adaptive.partitioning.enable" => config.partitioner_adaptive.to_string(),
        "send.buffer.bytes" => number_or_system(config.send_buffer_bytes),
        "receive.buffer.bytes" => number_or_system(config.receive_buffer_bytes),
        "metadata.recovery.strategy" => config.metadata_recovery.as_str().to_owned(),
        "facteur.batch.growth.enable" => config.batch_growth.to_string(),
        "facteur.allow.auto.create.topics" => config.allow_auto_create_topics.to_string(),
        "facteur.receive.max.bytes" => config.receive_max_bytes.to_string(),
        "facteur.address.map" => {
            config.address_map.iter().map(|(from, to)| format!("{from}={to}")).collect::<Vec<_>>().join(",")
        }
        "connections.max.idle.ms" => config.connections_max_idle.map_or_else(|| "-1".to_owned(), millis_text),
        _ => millis_text(time_of(config, name)?),
    })
}

fn time_of(config: &ProducerConfig, name: &str) -> Option<Duration> {
    Some(match name {
        "retry.backoff.ms" => config.retry_backoff,
        "retry.backoff.max.ms" => config.retry_backoff_max,
        "delivery.timeout.ms" => config.delivery_timeout,
        "request.timeout.ms" => config.request_timeout,
        "linger.ms" => config.linger,
        "max.block.ms" => config.max_block,
        "partitioner.availability.timeout.ms" => config.partitioner_availability_timeout.unwrap_or_default(),
        "reconnect.backoff.ms" => config.reconnect_backoff,
        "reconnect.backoff.max.ms" => config.reconnect_backoff_max,
        "socket.connection.setup.timeout.ms" => config.connection_setup_timeout,
        "socket.connection.setup.timeout.max.ms" => config.connection_setup_timeout_max,
        "metadata.max.age.ms" => config.metadata_max_age,
        "metadata.max.idle.ms" => config.metadata_max_idle,
        "metadata.recovery.rebootstrap.trigger.ms" => config.rebootstrap_trigger,
        "facteur.late.resolution.ms" => config.late_resolution,
        _ => return None,
    })
}

/// The level in use if this is the codec in use; its default otherwise, since nothing else matters then.
fn level(compression: Compression, codec: &str, default: &str) -> String {
    match compression {
        Compression::Gzip(level) if codec == "gzip" => level.to_string(),
        Compression::Zstd(level) if codec == "zstd" => level.to_string(),
        Compression::None
        | Compression::Gzip(_)
        | Compression::Snappy
        | Compression::Lz4
        | Compression::Zstd(_) => default.to_owned(),
    }
}

fn number_or_system(bytes: Option<usize>) -> String {
    bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.to_string())
}
