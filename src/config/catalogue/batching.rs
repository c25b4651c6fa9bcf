//! Settings about batches: their size, their memory, their compression. Neighbours and purpose: see [`super`]. Not
//! here: which partition a record goes to.

use super::define_settings;
use crate::config::setting::{INT_MAX, Kind};
use std::time::Duration;

define_settings! {
    "linger.ms" linger(Duration) = "5", Kind::Millis { min: 0, max: i64::MAX };
    "How long a batch that is not full waits for more records before it is sent. A full batch never waits."
    kip "KIP-1030 raised it from 0"
    raise "latency of lonely records; fewer and larger requests."
    lower "smaller batches, more requests and CPU; at 0 a batch still grows while its connection is busy."
    touch "single records must leave at once (0), or throughput of a thin stream matters (20 to 100)."

    "batch.size" batch_size(usize) = "16384", Kind::Bytes { min: 0, max: INT_MAX };
    "The size at which a batch counts as full, after compression (by an estimate). 0 is taken as 1: one record a batch."
    kip "KIP-126 (estimate)"
    raise "memory per partition; better compression and throughput."
    lower "more requests, worse compression."
    touch "throughput matters: 65536 to 262144. Busy partitions grow past it by themselves, see `facteur.batch.growth.enable`."

    "buffer.memory" buffer_memory(usize) = "33554432", Kind::Bytes { min: 0, max: i64::MAX };
    "The most memory that records may take from acceptance to report, batch buffers included."
    kip "none"
    raise "memory; longer faults are sat out without a full buffer."
    lower "senders wait, or get an error after `max.block.ms`, sooner."
    touch "rate times the fault to be survived is more than 32 MiB."

    "max.request.size" max_request_size(usize) = "1048576", Kind::Bytes { min: 0, max: INT_MAX };
    "The largest record, before compression, and the largest Produce request; also how far a batch may grow."
    kip "none"
    raise "the broker's `message.max.bytes` (1048588) must follow, else batches are refused."
    lower "large records are refused at once."
    touch "records are larger than 1 MiB, or brokers allow less."

    "compression.type" compression(crate::config::Compression) = "none", Kind::OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]);
    "The codec of batches. A batch that does not shrink is sent uncompressed."
    kip "KIP-110 (zstd)"
    raise "CPU per batch: lz4 and snappy little, zstd more, gzip most."
    lower "network and broker disk."
    touch "text or JSON goes over a network: lz4 for speed, zstd for size (brokers from 2.1)."

    "compression.gzip.level" compression_gzip_level(i32) = "-1", Kind::GzipLevel;
    "gzip's level, 1 to 9; -1 is gzip's own default, 6. Without effect for other codecs."
    kip "KIP-390"
    raise "CPU, steeply above 6."
    lower "size."
    touch "you have measured your own data."

    "compression.lz4.level" compression_lz4_level(i32) = "9", Kind::Number { min: 9, max: 9, unit: "level" };
    "lz4's level. Java's 9 is its fast compressor, the only one here; other levels do not exist and are refused."
    kip "KIP-390"
    raise "refused."
    lower "refused."
    touch "never; it is here so that Java's default loads."

    "compression.zstd.level" compression_zstd_level(i32) = "3", Kind::Number { min: -131_072, max: 22, unit: "level" };
    "zstd's level; negative ones are faster than 1. Without effect for other codecs."
    kip "KIP-390"
    raise "CPU and memory, steeply above 9."
    lower "size."
    touch "you have measured your own data."
}
