//! Checked values become the fields of a [`ProducerConfig`].
//!
//! **Why it exists.** Reading a map by name and naming fields is dull and must be right; it is kept away from the rules.
//! Neighbours: [`super::checks`] before, the producer after. Not here: any decision.

use std::sync::Arc;
use std::time::Duration;

use super::checks::Values;
use super::setting::{Value, parse_address_map, parse_partitioner, parse_servers};
use super::{Acks, Compression, MetadataRecovery, PartitionerChoice, ProducerConfig};
use crate::error::Error;

/// gzip's own default, which -1 stands for.
const GZIP_DEFAULT_LEVEL: u8 = 6;

pub(super) fn assemble(values: &Values, warnings: Vec<Arc<str>>) -> Result<ProducerConfig, Error> {
    let read = Reader { values };
    let partitioner = read.partitioner();
    Ok(ProducerConfig {
        bootstrap_servers: read.list("bootstrap.servers", parse_servers)?,
        client_id: read.text("client.id").to_owned(),
        acks: read.acks(),
        enable_idempotence: read.flag("enable.idempotence"),
        max_in_flight: read.size("max.in.flight.requests.per.connection"),
        retries: u32::try_from(read.number("retries")).unwrap_or(u32::MAX),
        retry_backoff: read.time("retry.backoff.ms"),
        retry_backoff_max: read.time("retry.backoff.max.ms"),
        delivery_timeout: read.time("delivery.timeout.ms"),
        request_timeout: read.time("request.timeout.ms"),
        linger: read.time("linger.ms"),
        batch_size: read.size("batch.size"),
        buffer_memory: read.size("buffer.memory"),
        max_block: read.time("max.block.ms"),
        max_request_size: read.size("max.request.size"),
        compression: read.compression(),
        partitioner,
        partitioner_ignore_keys: read.flag("partitioner.ignore.keys"),
        partitioner_adaptive: read.flag("partitioner.adaptive.partitioning.enable"),
        partitioner_availability_timeout: Some(read.time("partitioner.availability.timeout.ms"))
            .filter(|timeout| !timeout.is_zero()),
        reconnect_backoff: read.time("reconnect.backoff.ms"),
        reconnect_backoff_max: read.time("reconnect.backoff.max.ms"),
        connection_setup_timeout: read.time("socket.connection.setup.timeout.ms"),
        connection_setup_timeout_max: read.time("socket.connection.setup.timeout.max.ms"),
        connections_max_idle: read.time_or_never("connections.max.idle.ms"),
        send_buffer_bytes: usize::try_from(read.number("send.buffer.bytes")).ok(),
        receive_buffer_bytes: usize::try_from(read.number("receive.buffer.bytes")).ok(),
        metadata_max_age: read.time("metadata.max.age.ms"),
        metadata_max_idle: read.time("metadata.max.idle.ms"),
        metadata_recovery: match read.text("metadata.recovery.strategy") {
            "none" => MetadataRecovery::None,
            _ => MetadataRecovery::Rebootstrap,
        },
        rebootstrap_trigger: read.time("metadata.recovery.rebootstrap.trigger.ms"),
        late_resolution: read.time("facteur.late.resolution.ms"),
        batch_growth: read.flag("facteur.batch.growth.enable"),
        allow_auto_create_topics: read.flag("facteur.allow.auto.create.topics"),
        receive_max_bytes: read.size("facteur.receive.max.bytes"),
        address_map: read.list("facteur.address.map", parse_address_map)?,
        warnings,
        origins: values.iter().map(|(name, given)| (*name, given.origin.clone())).collect(),
    })
}

/// Reads values by name. Every setting of the catalogue is there, with a value of its kind: the builder has seen to it.
struct Reader<'a> {
    values: &'a Values,
}

impl Reader<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let given = self.values.get(name);
        debug_assert!(given.is_some(), "{name} is not in the catalogue");
        given.map(|given| &given.value)
    }

    fn text(&self, name: &str) -> &str {
        if let Some(Value::Text(text)) = self.value(name) { text } else { "" }
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Flag(true)))
    }

    fn number(&self, name: &str) -> i64 {
        if let Some(Value::Integer(number)) = self.value(name) { *number } else { 0 }
    }

    /// A number that is no smaller than zero; one too large for this machine is its largest.
    fn size(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }

    fn time(&self, name: &str) -> Duration {
        self.time_or_never(name).unwrap_or_default()
    }

    fn time_or_never(&self, name: &str) -> Option<Duration> {
        if let Some(Value::Time(time)) = self.value(name) { Some(*time) } else { None }
    }

    fn list<T>(&self, name: &str, parse: fn(&str) -> Result<Vec<T>, String>) -> Result<Vec<T>, Error> {
        parse(self.text(name)).map_err(|problem| Error::Config(Arc::from(format!("{name}: {problem}"))))
    }

    fn acks(&self) -> Acks {
        match self.text("acks") {
            "0" => Acks::None,
            "1" => Acks::Leader,
            _ => Acks::All,
        }
    }

    fn compression(&self) -> Compression {
        match self.text("compression.type") {
            "gzip" => {
                let level = u8::try_from(self.number("compression.gzip.level")).unwrap_or(GZIP_DEFAULT_LEVEL);
                Compression::Gzip(level)
            }
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            "zstd" => {
                Compression::Zstd(i32::try_from(self.number("compression.zstd.level")).unwrap_or_default())
            }
            _ => Compression::None,
        }
    }

    fn partitioner(&self) -> PartitionerChoice {
        if let Some(Value::Custom(partitioner)) = self.value("partitioner.class") {
            return PartitionerChoice::Custom(Arc::clone(partitioner));
        }
        parse_partitioner(self.text("partitioner.class")).unwrap_or(PartitionerChoice::Default)
    }
}
