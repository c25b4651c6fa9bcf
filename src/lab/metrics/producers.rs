//! The producers' own counters, read at the moment of a scrape.
//!
//! **Why read and not counted again.** The engine counts per batch what it does; a second count beside it would cost and
//! could disagree. All variants of a mode are one series: their number is the caller's choice (`acks`, `partitioner`).
//! Neighbours: [`crate::producer::Statistics`] is the source. Not here: single records, whose durations are
//! [`super::operations`]'s.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::engine::Distribution;
use crate::lab::metrics::Facades;
use crate::lab::profile::{Mode, Profile};
use crate::producer::Statistics;

/// Shows what the producers of the watched façades have done.
#[derive(Debug)]
pub(super) struct ProducerCollector {
    facades: Facades,
}

impl ProducerCollector {
    pub(super) const fn new(facades: Facades) -> Self {
        Self { facades }
    }
}

/// The figures of one profile and mode.
struct Series {
    profile: Profile,
    mode: Mode,
    statistics: Statistics,
}

impl Series {
    const fn labels(&self) -> [(&'static str, &'static str); 2] {
        [("profile", self.profile.name()), ("mode", self.mode.name())]
    }

    const fn labels_with(&self, outcome: &'static str) -> [(&'static str, &'static str); 3] {
        [("profile", self.profile.name()), ("mode", self.mode.name()), ("outcome", outcome)]
    }
}

impl Collector for ProducerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut all = Vec::new();
        for facade in self.facades.all() {
            for mode in [Mode::Plain, Mode::Idempotent] {
                all.push(Series {
                    profile: facade.profile,
                    mode,
                    statistics: facade.producers.statistics(mode),
                });
            }
        }
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for one in &all {
                encode_counter(family.encode_family(&one.labels())?, value(&one.statistics))?;
            }
        }
        for (name, help, outcomes) in COUNTERS_BY_OUTCOME {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for one in &all {
                for (outcome, value) in *outcomes {
                    encode_counter(family.encode_family(&one.labels_with(outcome))?, value(&one.statistics))?;
                }
            }
        }
        for (name, help, unit, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for one in &all {
                let value = i64::try_from(value(&one.statistics)).unwrap_or(i64::MAX);
                family.encode_family(&one.labels())?.encode_gauge(&value)?;
            }
        }
        for (name, help, unit, value) in HISTOGRAMS {
            let mut family = encoder.encode_descriptor(name, help, Some(unit), MetricType::Histogram)?;
            for one in &all {
                encode_histogram(family.encode_family(&one.labels())?, value(&one.statistics), unit)?;
            }
        }
        Ok(())
    }
}

fn encode_counter(mut encoder: MetricEncoder<'_>, value: u64) -> Result<(), fmt::Error> {
    encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None)
}

fn encode_histogram(
    mut encoder: MetricEncoder<'_>,
    values: &Distribution,
    unit: &Unit,
) -> Result<(), fmt::Error> {
    let scale = if *unit == Unit::Seconds { MICROSECONDS } else { 1.0 };
    let in_unit = |value: u64| if value == u64::MAX { f64::MAX } else { approximate(value) / scale };
    let buckets: Vec<(f64, u64)> = values.buckets().map(|(bound, count)| (in_unit(bound), count)).collect();
    encoder.encode_histogram::<NoLabelSet>(approximate(values.sum()) / scale, values.count(), &buckets, None)
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people: 53 bits are enough")]
const fn approximate(value: u64) -> f64 {
    value as f64
}

type Value = fn(&Statistics) -> u64;
type ByOutcome = &'static [(&'static str, Value)];
type Spread = fn(&Statistics) -> &Distribution;

const COUNTERS: &[(&str, &str, Value)] = &[
    ("kafka_producer_record_send", "Records handed to a connection, retries included", |all| {
        all.records_sent
    }),
    ("kafka_producer_record_retry", "Records handed to a connection again", |all| all.records_retried),
    ("kafka_producer_request", "Produce requests sent", |all| all.requests_sent),
    ("kafka_producer_outgoing_byte", "Bytes of batches handed to connections", |all| all.bytes_sent),
    ("kafka_producer_batch_split", "Batches cut in parts", |all| all.batches_split),
    ("kafka_producer_epoch_bump", "Epochs raised (KIP-360)", |all| all.epoch_bumps),
    (
        "kafka_producer_offset_regression",
        "Acknowledgements at an offset below an earlier one of the partition: the cluster has lost records",
        |all| all.offset_regressions,
    ),
    ("kafka_producer_connection_creation", "Connections opened", |all| all.connections_opened),
    (
        "lab_dedup_hits",
        "Batches that a broker said it had already, so that a retry stored no second copy",
        |all| all.batches_deduplicated,
    ),
];

const COUNTERS_BY_OUTCOME: &[(&str, &str, ByOutcome)] = &[
    (
        "kafka_producer_record_error",
        "Accepted records that were not acknowledged: certainly not in the log, or nobody knows",
        &[("rejected", |all| all.records_rejected), ("unknown", |all| all.records_unknown)],
    ),
    (
        "messaging_client_sent_messages",
        "Accepted records by outcome",
        &[
            ("acknowledged", |all| all.records_acknowledged),
            ("rejected", |all| all.records_rejected),
            ("unknown", |all| all.records_unknown),
        ],
    ),
];

const GAUGES: &[(&str, &str, Option<Unit>, Value)] = &[
    ("kafka_producer_requests_in_flight", "Produce requests without an answer", None, |all| {
        all.requests_in_flight
    }),
    ("kafka_producer_buffer_available", "Free bytes of buffer.memory", Some(Unit::Bytes), |all| {
        all.buffer_available_bytes
    }),
    ("kafka_producer_buffer_total", "buffer.memory", Some(Unit::Bytes), |all| all.buffer_total_bytes),
];

const HISTOGRAMS: &[(&str, &str, Unit, Spread)] = &[
    (
        "kafka_producer_request_latency",
        "From sending a Produce request to its answer",
        Unit::Seconds,
        |all| &all.distributions.request_latency_us,
    ),
    (
        "kafka_producer_record_queue_time",
        "From a batch's first record to its sending",
        Unit::Seconds,
        |all| &all.distributions.queue_time_us,
    ),
    ("kafka_producer_batch_size", "Sizes of batches", Unit::Bytes, |all| &all.distributions.batch_size_bytes),
    ("kafka_producer_produce_throttle_time", "How long brokers asked for quiet", Unit::Seconds, |all| {
        &all.distributions.throttle_time_us
    }),
];

const MICROSECONDS: f64 = 1_000_000.0;
