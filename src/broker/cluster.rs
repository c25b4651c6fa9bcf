//! The state of a broker: topics, logs, producers, producer ids, groups, faults. A value; time and entropy are handed in.
//!
//! **Why it is pure.** The producer's engine is a value as well, so the two halves of idempotence can stand side by side
//! in one thread under virtual time, and a test can hand in the clock of its choice.
//!
//! **After a restart** nothing of an in-memory broker is left, yet clients live on (D-53). Cluster id and topic ids are
//! drawn anew, so that clients notice; producer ids start at a block drawn from the start time and entropy, because a
//! producer id that is given out twice makes a living client's new records look like duplicates.
//!
//! Neighbours: [`super::handlers`] work on it, [`super::server`] owns it behind a lock; [`cleaner`], [`retention`] and
//! [`topics`] are its larger parts. Not here: bytes of requests.

pub mod cleaner;
mod retention;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::config::CompactionTiming;
use super::events::{BrokerEvent, EventKind};
use super::faults::Faults;
use super::groups::{GroupSettings, Groups};
use super::log::{AppendedAt, BatchSummary, Log, StoredBatch};
use super::producer_state_manager::{BatchIdentity, LogNumber, Personality, ProducerStateManager, Verdict};
use super::topic_config::TopicConfig;
use crate::error::ErrorCode;
use crate::identifiers::TopicId;
use crate::time::Instant;

/// 2020-01-01 in milliseconds: producer ids count from here, so that they stay below 2^53 and fit a JSON number.
const PRODUCER_ID_EPOCH_MS: i64 = 1_577_836_800_000;
/// Low bits of a producer id block: each start has this many ids per millisecond since the one before.
const PRODUCER_ID_BLOCK_BITS: u32 = 12;
/// The longest name of a topic.
const MAX_TOPIC_NAME_BYTES: usize = 249;
/// Topics that only brokers write.
pub const INTERNAL_TOPICS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

/// A moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The monotonic clock.
    pub instant: Instant,
    /// The wall clock, milliseconds since the Unix epoch.
    pub wall_ms: i64,
}

/// What a [`Cluster`] is told once.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the fields are those of `BrokerConfig`, which documents them")]
pub struct ClusterSettings {
    pub node_id: i32,
    pub auto_create_topics: bool,
    pub default_partitions: i32,
    pub personality: Personality,
    pub caps: BTreeMap<i16, i16>,
    pub partition_memory_bytes: u64,
    pub total_memory_bytes: u64,
    pub max_producers: usize,
    pub producer_expiration_ms: i64,
    pub max_partitions: usize,
    pub compaction: CompactionTiming,
    pub groups: GroupSettings,
}

/// A topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; another one after it was deleted and created again.
    pub id: TopicId,
    /// Its settings.
    pub config: TopicConfig,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone)]
pub struct Partition {
    /// The name of its log, under which producers are remembered.
    pub number: LogNumber,
    /// The epoch of its leader: 0, since the one node never loses it.
    pub leader_epoch: i32,
    /// Its records.
    pub log: Log,
}

/// Why a topic was not created or deleted: the code and the text to answer.
pub type TopicRefusal = (ErrorCode, String);

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was appended, or was in the log already.
    At {
        /// The offset of its first record.
        base_offset: i64,
        /// The append time to answer.
        append_time_ms: i64,
        /// Where the log starts.
        log_start_offset: i64,
    },
    /// Its producer state does not allow it.
    Refused {
        /// The code to answer.
        code: ErrorCode,
        /// Where the log starts.
        log_start_offset: i64,
    },
}

/// The broker's state.
#[derive(Debug)]
pub struct Cluster {
    settings: ClusterSettings,
    cluster_id: String,
    random: StdRng,
    topics: BTreeMap<Arc<str>, Topic>,
    producers: ProducerStateManager,
    /// Faults, and the write switch.
    pub faults: Faults,
    /// Consumer groups and their offsets.
    pub groups: Groups,
    next_producer_id: i64,
    next_log: u32,
    memory_bytes: u64,
    /// Partitions that wait for their early compaction.
    written: BTreeMap<LogNumber, cleaner::Written>,
    ticks: u64,
    events: Vec<BrokerEvent>,
}

impl Cluster {
    /// An empty cluster that starts at `now`. The same seed and the same calls give the same ids.
    #[must_use]
    pub fn new(settings: ClusterSettings, now: Now, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let cluster_id = base64_of(random.random());
        let producers = ProducerStateManager::new(settings.personality, settings.max_producers);
        let groups = Groups::new(settings.groups);
        let since = now.wall_ms.saturating_sub(PRODUCER_ID_EPOCH_MS) & ((1 << 40) - 1);
        let offset = i64::from(random.random::<u16>()) & ((1 << PRODUCER_ID_BLOCK_BITS) - 1);
        Self {
            next_producer_id: (since << PRODUCER_ID_BLOCK_BITS) | offset,
            settings,
            cluster_id,
            random,
            topics: BTreeMap::new(),
            producers,
            faults: Faults::default(),
            groups,
            next_log: 0,
            memory_bytes: 0,
            written: BTreeMap::new(),
            ticks: 0,
            events: Vec::new(),
        }
    }

    /// What it was told.
    #[must_use]
    pub const fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    /// The cluster's id: 16 random bytes as base64, as Kafka writes it.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Every topic, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    /// The topic of that name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// The partition of that name and number.
    #[must_use]
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        let index = usize::try_from(partition).ok()?;
        self.topics.get(topic)?.partitions.get(index)
    }

    /// The producers of all partitions.
    #[must_use]
    pub const fn producers(&self) -> &ProducerStateManager {
        &self.producers
    }

    /// Bytes of all records.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<BrokerEvent> {
        let mut events = std::mem::take(&mut self.events);
        events.append(&mut self.groups.take_events());
        events
    }

    /// Notes an event, for [`Self::take_events`].
    pub fn note(&mut self, event: BrokerEvent) {
        self.events.push(event);
    }

    /// Checks a topic that is to be created.
    ///
    /// # Errors
    /// [`TopicRefusal`] 36 if it exists, 17 for a bad name, 37 for a bad number of partitions.
    pub fn check_new_topic(&self, name: &str, partitions: i32) -> Result<(), TopicRefusal> {
        if let Some(fault) = topic_name_fault(name) {
            return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, format!("Topic name is invalid: {fault}")));
        }
        if self.topics.contains_key(name) {
            return Err((ErrorCode::TOPIC_ALREADY_EXISTS, format!("Topic '{name}' already exists.")));
        }
        let existing: usize = self.topics.values().map(|topic| topic.partitions.len()).sum();
        let room = self.settings.max_partitions.saturating_sub(existing);
        match usize::try_from(partitions) {
            Ok(count) if count >= 1 && count <= room => Ok(()),
            Ok(count) if count > room => {
                let why = format!("{partitions} partitions asked for, this broker has room for {room} more");
                Err((ErrorCode::INVALID_PARTITIONS, why))
            }
            _ => {
                let why = "Number of partitions must be larger than 0.".to_owned();
                Err((ErrorCode::INVALID_PARTITIONS, why))
            }
        }
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// As [`Self::check_new_topic`].
    pub fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
        now: Now,
    ) -> Result<(), TopicRefusal> {
        self.check_new_topic(name, partitions)?;
        let name: Arc<str> = name.into();
        let limits = self.segment_limits(&config);
        let topic = Topic {
            name: Arc::clone(&name),
            partitions: (0..partitions).map(|_| self.new_partition(limits)).collect(),
            id: TopicId(random_uuid(&mut self.random)),
            config,
        };
        self.topics.insert(Arc::clone(&name), topic);
        let event = BrokerEvent::new(EventKind::TopicCreated { partitions }, now.wall_ms).on(&name, None);
        self.note(event);
        Ok(())
    }

    /// Deletes a topic with its records and its producers.
    ///
    /// # Errors
    /// [`TopicRefusal`] 3 if there is none of that name.
    pub fn delete_topic(&mut self, name: &str, now: Now) -> Result<(), TopicRefusal> {
        let Some(topic) = self.topics.remove(name) else {
            let why = "This server does not host this topic-partition.".to_owned();
            return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
        };
        for partition in &topic.partitions {
            self.memory_bytes = self.memory_bytes.saturating_sub(partition.log.size_bytes());
            self.producers.forget_log(partition.number);
            self.written.remove(&partition.number);
        }
        self.groups.forget_topic(name);
        self.note(BrokerEvent::new(EventKind::TopicDeleted, now.wall_ms).on(&topic.name, None));
        Ok(())
    }

    /// A random id in the usual form of 36 characters, for members of groups.
    pub fn random_id(&mut self) -> String {
        let id = u128::from_be_bytes(random_uuid(&mut self.random));
        let hex = format!("{id:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    /// A producer id that no other client has; its epoch is 0.
    pub fn give_producer_id(&mut self, now: Now) -> i64 {
        let id = self.next_producer_id;
        self.next_producer_id = id.wrapping_add(1).max(0);
        self.producers.given(id, 0);
        self.note(BrokerEvent::new(EventKind::ProducerIdGiven, now.wall_ms).by(id, 0, None));
        id
    }

    /// Appends a validated batch, or recognises it, or refuses it by its producer's state. The state changes only
    /// after the append. `None` if there is no such partition.
    pub fn write(
        &mut self,
        topic: &str,
        partition: i32,
        batch: &super::log_validator::ValidBatch,
        now: Now,
    ) -> Option<Written> {
        let index = usize::try_from(partition).ok()?;
        let found = self.topics.get_mut(topic)?;
        let name = Arc::clone(&found.name);
        let place = found.partitions.get_mut(index)?;
        let summary = &batch.summary;
        let event = |kind: EventKind| {
            BrokerEvent::new(kind, now.wall_ms).on(&name, Some(partition)).by(
                summary.producer_id,
                summary.producer_epoch,
                Some(summary.base_sequence),
            )
        };
        let records = Some(summary.last_offset_delta.saturating_add(1));
        let log_start_offset = place.log.start_offset();
        let identity = identity_of(summary);
        let verdict = identity.map_or(Verdict::Append, |identity| {
            self.producers.check(place.number, &identity, place.log.was_ever_written())
        });
        let (written, event) = match verdict {
            Verdict::Duplicate { first_offset, append_time_ms } => {
                let written = Written::At { base_offset: first_offset, append_time_ms, log_start_offset };
                (written, event(EventKind::DuplicateRecognised).at(first_offset, records))
            }
            Verdict::Refuse { code, against } => {
                (Written::Refused { code, log_start_offset }, event(against.event_kind(code)))
            }
            Verdict::Append => {
                self.ticks = self.ticks.wrapping_add(1);
                let before = place.log.size_bytes();
                let at = AppendedAt { tick: self.ticks, now_ms: now.wall_ms };
                let base_offset = place.log.append(&batch.bytes, *summary, place.leader_epoch, at);
                let grown = place.log.size_bytes().saturating_sub(before);
                self.memory_bytes = self.memory_bytes.saturating_add(grown);
                let number = place.number;
                let append_time_ms = batch.append_time_ms;
                let event = event(EventKind::Appended).at(base_offset, records);
                if found.config.is_compacted {
                    self.note_for_compaction(number, &name, partition, now);
                }
                if let Some(identity) = identity {
                    self.remember(number, &identity, base_offset, now);
                }
                (Written::At { base_offset, append_time_ms, log_start_offset }, event)
            }
        };
        self.note(event);
        if matches!(verdict, Verdict::Append) {
            self.keep_within_limits(topic, index, now);
        }
        Some(written)
    }

    /// What time does: producers expire, old segments go, and compacted topics are compacted. To be called now and then.
    pub fn sweep(&mut self, now: Now) {
        self.expire(now);
        self.compact_due(now);
    }

    /// [`Self::sweep`] without the compaction, which a server does outside its lock.
    pub fn expire(&mut self, now: Now) {
        let count = self.producers.expire(now.wall_ms, self.settings.producer_expiration_ms);
        self.note_forgotten(count, now);
        self.groups.sweep(now);
        self.retain(now);
    }

    /// Every batch of a partition, oldest first.
    #[must_use]
    pub fn batches(&self, topic: &str, partition: i32) -> Vec<StoredBatch> {
        self.partition(topic, partition).map_or_else(Vec::new, |found| found.log.batches().cloned().collect())
    }

    fn remember(&mut self, number: LogNumber, identity: &BatchIdentity, base_offset: i64, now: Now) {
        let forgotten = self.producers.record(number, identity, base_offset);
        self.note_forgotten(forgotten, now);
    }

    fn note_forgotten(&mut self, count: usize, now: Now) {
        if count > 0 {
            self.note(BrokerEvent::new(EventKind::ProducersForgotten { count }, now.wall_ms));
        }
    }
}

/// The producer's part of a batch, if it has a producer.
const fn identity_of(summary: &BatchSummary) -> Option<BatchIdentity> {
    if summary.producer_id < 0 {
        return None;
    }
    Some(BatchIdentity {
        producer_id: summary.producer_id,
        epoch: summary.producer_epoch,
        base_sequence: summary.base_sequence,
        last_offset_delta: summary.last_offset_delta,
        max_timestamp_ms: summary.max_timestamp_ms,
    })
}

/// What is wrong with a topic's name, if anything.
#[must_use]
pub fn topic_name_fault(name: &str) -> Option<&'static str> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() {
        Some("the empty string is not allowed")
    } else if name == "." || name == ".." {
        Some("'.' and '..' are not allowed")
    } else if name.len() > MAX_TOPIC_NAME_BYTES {
        Some("the length must be at most 249 characters")
    } else if !name.bytes().all(is_legal) {
        Some("only ASCII letters and digits, '.', '_' and '-' are allowed")
    } else {
        None
    }
}

/// A random id of version 4, as Kafka's.
fn random_uuid(random: &mut StdRng) -> [u8; 16] {
    let bits: u128 = random.random();
    let versioned =
        (bits & !(0xf000_u128 << 64) | (0x4000_u128 << 64)) & !(0xc000_u128 << 48) | (0x8000_u128 << 48);
    versioned.to_be_bytes()
}

/// 16 bytes in the URL-safe base64 alphabet without padding: 22 characters.
fn base64_of(bits: u128) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0_u32..22)
        .map(|place| {
            let shift = 122_u32.saturating_sub(place.saturating_mul(6));
            // The last character has only the two bits that are left.
            let six = if place == 21 { (bits & 3) << 4 } else { (bits >> shift) & 63 };
            let index = usize::try_from(six).unwrap_or(0);
            ALPHABET.get(index).copied().map_or('A', char::from)
        })
        .collect()
}
