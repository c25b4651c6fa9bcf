//! Our own reader: Fetch from the beginning to the high watermark, or the bytes of log segments, into records and batches.
//!
//! **Why our own, beside Kafka's consumers.** It sees what they hide: producer ids, epochs, sequences and batch borders,
//! and it reads each replica's files. The requests are `kafka-protocol`'s, the batches are unpacked by this crate's
//! reader; [`crate::consoles`] has two readers that share nothing with either. Isolation is read-uncommitted.
//!
//! Not here: judging; that is [`crate::oracle`].

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use facteur::wire::compression::DecompressionLimits;
use facteur::wire::record_batch_reader::{BatchView, RecordView, split_batches};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest};

use crate::admin::Connection;
use crate::cluster::{Cluster, topic_name, wait_until};
use crate::oracle::{Logged, RecordId};

/// Spoken by 2.8 and 4.4 alike.
const FETCH_VERSION: i16 = 11;
const LIST_OFFSETS_VERSION: i16 = 3;
const MAX_BYTES: i32 = 16 << 20;

/// One record with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRecord {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// One batch as the broker keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadBatch {
    pub partition: i32,
    pub base_offset: i64,
    pub last_offset: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
    pub crc: u32,
    /// The codec's number in the attributes.
    pub codec: i16,
}

/// Everything in a topic, by partition and offset.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Log {
    pub records: Vec<ReadRecord>,
    pub batches: Vec<ReadBatch>,
}

impl Log {
    /// Reads `partitions` partitions through their leaders.
    pub fn fetch(cluster: &Cluster, topic: &str, partitions: i32) -> Self {
        let mut log = Self::default();
        for partition in 0..partitions {
            log.fetch_partition(cluster, topic, partition);
        }
        log
    }

    fn fetch_partition(&mut self, cluster: &Cluster, topic: &str, partition: i32) {
        let mut offset = earliest(cluster, topic, partition);
        let mut end = i64::MAX;
        while offset < end {
            let mut bytes = Bytes::new();
            wait_until(&format!("records of {topic}-{partition} from {offset}"), || {
                match fetch_once(cluster, topic, partition, offset) {
                    Some((high_watermark, found)) => {
                        end = high_watermark;
                        bytes = found;
                        true
                    }
                    None => false,
                }
            });
            let before = offset;
            for batch in split_batches(bytes) {
                let batch = batch.expect("a broker sends whole batches");
                // A broker answers with whole batches, so the first may begin below the offset that was asked for.
                if batch.last_offset() >= offset && batch.base_offset < end {
                    offset = batch.last_offset() + 1;
                    self.push(partition, &batch);
                }
            }
            assert!(
                offset > before || offset >= end,
                "no progress at {topic}-{partition} offset {offset} of {end}"
            );
        }
    }

    /// Reads the segments of one partition as they lie on a node's disk.
    pub fn from_segments(partition: i32, segments: &[PathBuf]) -> Self {
        let mut log = Self::default();
        for segment in segments {
            let bytes = Bytes::from(fs::read(segment).expect("a segment can be read"));
            for batch in split_batches(bytes) {
                log.push(partition, &batch.expect("a log segment holds whole batches"));
            }
        }
        log
    }

    fn push(&mut self, partition: i32, batch: &BatchView) {
        batch.check_crc().expect("the checksum fits");
        self.batches.push(ReadBatch {
            partition,
            base_offset: batch.base_offset,
            last_offset: batch.last_offset(),
            producer_id: batch.producer_id,
            producer_epoch: batch.producer_epoch,
            base_sequence: batch.base_sequence,
            record_count: batch.record_count,
            crc: batch.crc,
            codec: batch.attributes & 7,
        });
        for record in batch.records(&DecompressionLimits::default()).expect("the body unpacks") {
            let RecordView { offset_delta, timestamp_delta_ms, key, value, headers } =
                record.expect("a record reads");
            self.records.push(ReadRecord {
                partition,
                offset: batch.base_offset + i64::from(offset_delta),
                timestamp_ms: batch.base_timestamp_ms + timestamp_delta_ms,
                key,
                value,
                headers,
            });
        }
    }

    /// The records as the oracle wants them.
    pub fn logged(&self) -> Vec<Logged> {
        self.records
            .iter()
            .map(|record| Logged {
                id: record_id(record.value.as_deref().unwrap_or_default()),
                partition: record.partition,
                offset: record.offset,
                digest: digest(record.key.as_deref(), record.value.as_deref(), record.timestamp_ms),
            })
            .collect()
    }
}

/// The id that [`crate::workload`] writes at the beginning of each value. Anything else gets an id that nobody sent.
pub fn record_id(value: &[u8]) -> RecordId {
    let digits = value.get(..16).and_then(|digits| std::str::from_utf8(digits).ok());
    RecordId(digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(u64::MAX))
}

/// A checksum of what must come back as it was sent. Lengths are part of it, so that no byte can move between fields.
pub fn digest(key: Option<&[u8]>, value: Option<&[u8]>, timestamp_ms: i64) -> u32 {
    let mut sum = crc32c::crc32c(&timestamp_ms.to_be_bytes());
    for field in [key, value] {
        let length = field.map_or(-1, |field| i64::try_from(field.len()).expect("a field fits in memory"));
        sum = crc32c::crc32c_append(sum, &length.to_be_bytes());
        sum = crc32c::crc32c_append(sum, field.unwrap_or_default());
    }
    sum
}

/// Where the log begins: records may have been deleted.
fn earliest(cluster: &Cluster, topic: &str, partition: i32) -> i64 {
    let wanted = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(-2);
    let topics = vec![ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![wanted])];
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics);
    let mut found = 0;
    wait_until(&format!("the beginning of {topic}-{partition}"), || {
        let address = cluster.leader(topic, partition).and_then(|id| cluster.addresses().get(&id).copied());
        let answer = address
            .and_then(|address| Connection::open(address).ok()?.call(&request, LIST_OFFSETS_VERSION).ok());
        let first = answer.and_then(|answer| answer.topics.into_iter().next()?.partitions.into_iter().next());
        first.filter(|first| first.error_code == 0).inspect(|first| found = first.offset).is_some()
    });
    found
}

/// One Fetch to the partition's leader: the high watermark and what was found; `None` to try again.
fn fetch_once(cluster: &Cluster, topic: &str, partition: i32, offset: i64) -> Option<(i64, Bytes)> {
    let address = *cluster.addresses().get(&cluster.leader(topic, partition)?)?;
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(MAX_BYTES);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_session_epoch(-1)
        .with_max_wait_ms(100)
        .with_min_bytes(1)
        .with_max_bytes(MAX_BYTES)
        .with_topics(vec![FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted])]);
    let answer = Connection::open(address).ok()?.call(&request, FETCH_VERSION).ok()?;
    let found = answer.responses.into_iter().next()?.partitions.into_iter().next()?;
    (answer.error_code == 0 && found.error_code == 0)
        .then(|| (found.high_watermark, found.records.unwrap_or_default()))
}
