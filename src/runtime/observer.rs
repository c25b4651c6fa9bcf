//! Observations become `tracing` events.
//!
//! **Why here.** The engine builds observations only if somebody listens; with a subscriber they become events whose
//! names are the observations' and whose fields are those of the style guide (32, 33). Neighbours: `driver` calls it.
//! Not here: payloads, which are never told.

use crate::engine::{BatchName, Observation};

/// Whether any of our events would be recorded.
pub(crate) fn is_wanted() -> bool {
    tracing::enabled!(target: "facteur", tracing::Level::WARN)
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

/// Tells one observation.
pub(crate) fn tell(observation: &Observation) {
    match observation {
        Observation::BatchSent { batch, node, connection, correlation_id } => {
            batch_event!(
                trace,
                "BatchSent",
                batch,
                node = node.0,
                connection = connection.0,
                correlation_id = *correlation_id
            );
        }
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
        Observation::BatchSplit { batch, parts } => batch_event!(info, "BatchSplit", batch, parts = *parts),
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
        Observation::BatchSent { .. }
        | Observation::BatchAcknowledged { .. }
        | Observation::BatchRetried { .. }
        | Observation::BatchRejected { .. }
        | Observation::BatchUnknown { .. }
        | Observation::LateAcknowledgement { .. }
        | Observation::BatchAbandoned { .. }
        | Observation::BatchSplit { .. } => {}
    }
}
