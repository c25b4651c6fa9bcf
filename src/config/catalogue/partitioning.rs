//! Settings about the choice of a partition. Neighbours and purpose: see [`super`]; the partitioners themselves are in
//! [`crate::accumulator::partitioner`].

use super::define_settings;
use crate::config::PartitionerChoice;
use crate::config::setting::Kind;
use std::time::Duration;

define_settings! {
    "partitioner.class" partitioner(PartitionerChoice) = "murmur2", Kind::Partitioner;
    "How a record without a partition gets one: `murmur2` (Java's: hash of the key, sticky and adaptive without one), `crc32` (librdkafka's `consistent_random`) or `round_robin` (keys are not looked at, as in Java's class)."
    kip "KIP-794"
    raise "no order in it; changing it moves keys to other partitions, and their order with them."
    lower "no order in it."
    touch "other producers of the topic use librdkafka's default (`crc32`): one key must have one partition."

    "partitioner.ignore.keys" partitioner_ignore_keys(bool) = "false", Kind::Flag;
    "Treats records with a key as if they had none. Without effect for `round_robin` and one's own partitioner."
    kip "KIP-794"
    raise "records of one key go to many partitions and lose their order; larger batches."
    lower "nothing: the default."
    touch "keys are only data and their order does not matter."

    "partitioner.adaptive.partitioning.enable" partitioner_adaptive(bool) = "true", Kind::Flag;
    "Gives keyless records less often to partitions whose queues are long."
    kip "KIP-794"
    raise "uneven partitions when brokers are not equally fast."
    lower "the slowest broker sets the pace of keyless records."
    touch "keyless records must be spread evenly."

    "partitioner.availability.timeout.ms" partitioner_availability_timeout(Duration) = "0", Kind::Millis { min: 0, max: i64::MAX };
    "Keyless records avoid a partition whose leader could take no request for this long; 0 switches that off."
    kip "KIP-794"
    raise "a stuck broker keeps getting keyless records longer."
    lower "short pauses already move the load to other brokers."
    touch "a stuck broker must not take keyless records (a few seconds)."
}
