//! Settings that Java does not have; their names begin with `facteur.`. Neighbours and purpose: see [`super`].

use super::define_settings;
use crate::config::setting::{INT_MAX, Kind};
use std::time::Duration;

/// Resending after the caller was told "unknown" never goes on for longer.
pub(in crate::config) const LATE_RESOLUTION_MAX_MS: i64 = 3_600_000;

define_settings! {
    "facteur.late.resolution.ms" late_resolution(Duration) = "120000", Kind::Millis { min: 0, max: LATE_RESOLUTION_MAX_MS };
    "How long a batch that was reported as unknown is still resent under its own sequence, so that its partition goes on without a gap; default `delivery.timeout.ms`, at most an hour; 0 is not at all, as Java."
    kip "none (KIP-360 is what it avoids)"
    raise "later records of the partition wait longer behind it."
    lower "the partition starts a new epoch sooner; nobody learns what became of the batch."
    touch "brokers are away for longer than the delivery timeout."

    "facteur.batch.growth.enable" batch_growth(bool) = "true", Kind::Flag;
    "Lets the open batch of a partition that could not send anyway grow past `batch.size`, up to `max.request.size`."
    kip "none"
    raise "batches larger than Java's; far more throughput when brokers are slow."
    lower "throughput on few partitions is bounded by `batch.size` times requests in flight per round trip."
    touch "consumers or brokers cannot take larger batches."

    "facteur.allow.auto.create.topics" allow_auto_create_topics(bool) = "true", Kind::Flag;
    "Lets a broker that is configured for it create a topic on the first send, as Java's producer does."
    kip "none (KIP-204 for consumers)"
    raise "a typing error makes a topic, with one partition."
    lower "sending to a topic that does not exist ends in an error after `max.block.ms`."
    touch "topics are created on purpose only."

    "facteur.receive.max.bytes" receive_max_bytes(usize) = "67108864", Kind::Bytes { min: 1024, max: INT_MAX };
    "The largest answer that is read; a connection that announces a larger one is closed before any memory is taken."
    kip "none"
    raise "memory that a hostile or broken peer can make us take."
    lower "metadata of huge clusters may not fit."
    touch "an error message names it."

    "facteur.address.map" address_map(&str) = "", Kind::AddressMap;
    "Addresses to dial in place of advertised ones, `advertised=dialled` separated by commas."
    kip "none"
    raise "no order in it."
    lower "no order in it."
    touch "brokers advertise names that do not exist here: containers, port forwards, a fault injector in between."
}
