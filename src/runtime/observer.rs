//! Observations become `tracing` events, and go to the sinks that a producer was given.
//!
//! **Why here.** The engine builds observations only if somebody listens; with a subscriber they become events whose
//! names are the observations' and whose fields are those of the style guide (32, 33). What the engine does not know,
//! the time and the socket's own address, is added on the way to a sink. Neighbours: `driver` calls it, `observations`
//! is a sink. Not here: payloads, which are never told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::{BatchName, Observation};
use crate::identifiers::ConnectionId;
use crate::runtime::environment::Environment;
use crate::runtime::observations::{Observations, Observed};

/// Connections whose address is remembered: the oldest is forgotten, which is long gone.
const MAX_ADDRESSES: usize = 256;

/// Who listens to one producer.
#[derive(Debug)]
pub(crate) struct Watchers {
    producer: u64,
    client_id: Arc<str>,
    sinks: Vec<Observations>,
    addresses: BTreeMap<ConnectionId, SocketAddr>,
}

impl Watchers {
    pub(crate) fn new(producer: u64, client_id: &str, sinks: Vec<Observations>) -> Self {
        Self { producer, client_id: client_id.into(), sinks, addresses: BTreeMap::new() }
    }

    /// Whether anybody would hear of an observation: a sink, or a `tracing` subscriber.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.sinks.is_empty() || tracing::enabled!(target: "facteur", tracing::Level::WARN)
    }

    /// A connection is open. Its address outlives it here, for what is told of its end.
    pub(crate) fn connected(&mut self, connection: ConnectionId, address: Option<SocketAddr>) {
        if self.sinks.is_empty() {
            return;
        }
        if let Some(address) = address {
            self.addresses.insert(connection, address);
        }
        if self.addresses.len() > MAX_ADDRESSES {
            self.addresses.pop_first();
        }
    }

    pub(crate) fn tell(&self, environment: &Environment, observation: Observation) {
        tell(&observation);
        let Some((last, others)) = self.sinks.split_last() else { return };
        let connection = observation.connection();
        let observed = Observed {
            producer: self.producer,
            client_id: Arc::clone(&self.client_id),
            at_us: environment.wall_us(),
            local_address: connection.and_then(|connection| self.addresses.get(&connection).copied()),
            observation,
        };
        for sink in others {
            sink.push(observed.clone());
        }
        last.push(observed);
    }
}

macro_rules! batch_event {
    ($level:ident, $name:literal, $batch:expr $(, $field:ident = $value:expr)*) => {{
        let batch: &BatchName = $batch;
        let (producer_id, epoch, base_sequence) = match batch.stamp {
            Some((identity, sequence)) => (identity.producer_id, identity.epoch, sequence),
            None => (-1, -1, -1),
        };
        tracing::$level!(
            target: "facteur",
            topic = &*batch.topic, partition = batch.partition, batch = batch.batch.0,
            producer_id, epoch, base_sequence, records = batch.records, attempt = batch.attempt,
            $($field = $value,)* $name
        );
    }};
}

/// Tells one observation to `tracing`.
fn tell(observation: &Observation) {
    match observation {
        Observation::BatchStamped { batch } => batch_event!(trace, "BatchStamped", batch),
        Observation::BatchSent { batch, node, connection, correlation_id, size_bytes, .. } => {
            batch_event!(
                trace,
                "BatchSent",
                batch,
                node = node.0,
                connection = connection.0,
                correlation_id = *correlation_id,
                size_bytes = *size_bytes
            );
        }
        Observation::BatchAnswered { batch, node, correlation_id, code, waited_us, .. } => {
            batch_event!(
                trace,
                "BatchAnswered",
                batch,
                node = node.0,
                correlation_id = *correlation_id,
                code = code.name(),
                waited_us = *waited_us
            );
        }
        Observation::BatchUnanswered { batch, node, correlation_id, was_written, reason, .. } => {
            batch_event!(
                debug,
                "BatchUnanswered",
                batch,
                node = node.0,
                correlation_id = *correlation_id,
                was_written = *was_written,
                reason = &**reason
            );
        }
        Observation::BatchAcknowledged { .. }
        | Observation::BatchRetried { .. }
        | Observation::BatchRejected { .. }
        | Observation::BatchUnknown { .. }
        | Observation::LateAcknowledgement { .. }
        | Observation::BatchAbandoned { .. }
        | Observation::OffsetRegression { .. }
        | Observation::BatchSplit { .. } => tell_about_an_end(observation),
        Observation::ConnectionReady { .. }
        | Observation::ConnectionLost { .. }
        | Observation::LaneReset { .. }
        | Observation::ProducerIdAssigned { .. }
        | Observation::EpochBumped { .. }
        | Observation::MetadataUpdated { .. }
        | Observation::LeaderChanged { .. }
        | Observation::Throttled { .. }
        | Observation::ProtocolViolation { .. } => tell_about_the_cluster(observation),
    }
}

/// What became of a batch.
fn tell_about_an_end(observation: &Observation) {
    match observation {
        Observation::BatchAcknowledged { batch, base_offset, deduplicated } => {
            batch_event!(
                trace,
                "BatchAcknowledged",
                batch,
                base_offset = base_offset.unwrap_or(-1),
                deduplicated = tracing::field::debug(deduplicated)
            );
        }
        Observation::BatchRetried { batch, code, in_doubt } => {
            batch_event!(debug, "BatchRetried", batch, code = code.name(), in_doubt = *in_doubt);
        }
        Observation::BatchRejected { batch, cause } => {
            batch_event!(debug, "BatchRejected", batch, cause = &**cause);
        }
        Observation::BatchUnknown { batch, cause } => {
            batch_event!(warn, "BatchUnknown", batch, cause = &**cause);
        }
        Observation::LateAcknowledgement { batch, base_offset } => {
            batch_event!(info, "LateAcknowledgement", batch, base_offset = base_offset.unwrap_or(-1));
        }
        Observation::BatchAbandoned { batch } => batch_event!(warn, "BatchAbandoned", batch),
        Observation::OffsetRegression { batch, base_offset, expected } => {
            batch_event!(warn, "OffsetRegression", batch, base_offset = *base_offset, expected = *expected);
        }
        Observation::BatchSplit { batch, parts } => batch_event!(info, "BatchSplit", batch, parts = *parts),
        Observation::BatchStamped { .. }
        | Observation::BatchSent { .. }
        | Observation::BatchAnswered { .. }
        | Observation::BatchUnanswered { .. }
        | Observation::ConnectionReady { .. }
        | Observation::ConnectionLost { .. }
        | Observation::LaneReset { .. }
        | Observation::ProducerIdAssigned { .. }
        | Observation::EpochBumped { .. }
        | Observation::MetadataUpdated { .. }
        | Observation::LeaderChanged { .. }
        | Observation::Throttled { .. }
        | Observation::ProtocolViolation { .. } => {}
    }
}

fn tell_about_the_cluster(observation: &Observation) {
    match observation {
        Observation::ConnectionReady { node, connection } => {
            tracing::info!(target: "facteur", node = node.0, connection = connection.0, "ConnectionReady");
        }
        Observation::ConnectionLost { node, connection, reason } => {
            tracing::info!(target: "facteur", node = node.0, connection = connection.0, reason = &**reason, "ConnectionLost");
        }
        Observation::LaneReset { lane, topic, partition, reason, identity } => {
            tracing::info!(
                target: "facteur", lane = lane.0, topic = &**topic, partition = *partition, reason = &**reason,
                producer_id = identity.producer_id, epoch = identity.epoch, "LaneReset"
            );
        }
        Observation::ProducerIdAssigned { identity } => {
            tracing::info!(target: "facteur", producer_id = identity.producer_id, epoch = identity.epoch, "ProducerIdAssigned");
        }
        Observation::EpochBumped { identity } => {
            tracing::info!(target: "facteur", producer_id = identity.producer_id, epoch = identity.epoch, "EpochBumped");
        }
        Observation::MetadataUpdated { brokers, topics } => {
            tracing::debug!(target: "facteur", brokers, topics, "MetadataUpdated");
        }
        Observation::LeaderChanged { topic, partition, leader, leader_epoch } => {
            tracing::info!(
                target: "facteur", topic = &**topic, partition = *partition,
                node = leader.map_or(-1, |leader| leader.0), leader_epoch, "LeaderChanged"
            );
        }
        Observation::Throttled { node, throttle_ms } => {
            tracing::info!(target: "facteur", node = node.0, throttle_ms, "Throttled");
        }
        Observation::ProtocolViolation { node, detail } => {
            tracing::warn!(target: "facteur", node = node.0, detail = &**detail, "ProtocolViolation");
        }
        Observation::BatchStamped { .. }
        | Observation::BatchSent { .. }
        | Observation::BatchAnswered { .. }
        | Observation::BatchUnanswered { .. }
        | Observation::BatchAcknowledged { .. }
        | Observation::BatchRetried { .. }
        | Observation::BatchRejected { .. }
        | Observation::BatchUnknown { .. }
        | Observation::LateAcknowledgement { .. }
        | Observation::BatchAbandoned { .. }
        | Observation::OffsetRegression { .. }
        | Observation::BatchSplit { .. } => {}
    }
}
