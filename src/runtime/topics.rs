//! The topic table that senders read: lanes by partition, and the partitioner's state.
//!
//! **Why nothing is locked.** Every send reads it and metadata changes it now and then: lanes are only ever added, the
//! rest is swapped, and readers never wait. Neighbours: `driver` writes it, `producer` reads it. Not here: leaders, which are the
//! engine's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::accumulator::partitioner::{
    Choices, KeyHash, LoadTable, RoundRobin, SwitchPoint, TopicPartitions, checked_choice,
};
use crate::config::{PartitionerChoice, ProducerConfig};
use crate::error::{Error, ErrorCode};
use crate::record::Record;
use crate::runtime::environment::entropy;
use crate::runtime::lane_list::LaneList;
use crate::runtime::lanes::{Lane, StickyBytes};
use crate::runtime::sticky_shards::{Shard, StickyShards};
use crate::runtime::sync::Notify;
use crate::runtime::wakers::notify_all;
use crate::time::Instant;
use arc_swap::{ArcSwap, ArcSwapOption};

#[allow(clippy::disallowed_types, reason = "looked up by name, never iterated")]
type ByName = std::collections::HashMap<Arc<str>, Arc<TopicShared>>;

/// All topics that were ever asked for.
#[derive(Debug, Default)]
pub(crate) struct TopicTable {
    by_name: ArcSwap<ByName>,
    writing: Mutex<()>,
}

impl TopicTable {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<TopicShared>> {
        self.by_name.load().get(name).map(Arc::clone)
    }

    pub(crate) fn get_or_add(&self, name: &str) -> Arc<TopicShared> {
        if let Some(topic) = self.get(name) {
            return topic;
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = self.get(name) {
            return topic;
        }
        let topic = Arc::new(TopicShared::new(name.into()));
        let mut table = ByName::clone(&self.by_name.load());
        table.insert(Arc::clone(&topic.name), Arc::clone(&topic));
        self.by_name.store(Arc::new(table));
        topic
    }

    pub(crate) fn all(&self) -> Vec<Arc<TopicShared>> {
        #[allow(clippy::iter_over_hash_type, reason = "waking everybody needs no order")]
        self.by_name.load().values().map(Arc::clone).collect()
    }
}

/// One topic, as senders see it.
#[derive(Debug)]
pub(crate) struct TopicShared {
    pub(crate) name: Arc<str>,
    pub(crate) lanes: LaneList,
    /// The partitions with a leader, by the last answer; none before the first.
    available: ArcSwapOption<Vec<i32>>,
    /// The cluster's last refusal, and how many answers have come about the topic.
    answer: Mutex<Answer>,
    /// Woken at each answer about the topic.
    pub(crate) changed: Notify,
    sticky: StickyShards,
    round_robin: RoundRobin,
    random: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) error: Option<ErrorCode>,
    pub(crate) count: u64,
}

/// A partition, and the shard of the sticky choice if that made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) partition: i32,
    pub(crate) sticky: Option<Shard>,
}

impl TopicShared {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            lanes: LaneList::default(),
            available: ArcSwapOption::empty(),
            answer: Mutex::new(Answer::default()),
            changed: Notify::new(),
            sticky: StickyShards::default(),
            round_robin: RoundRobin::default(),
            random: AtomicU64::new(entropy() | 1),
        }
    }

    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.lanes.len()).unwrap_or(i32::MAX)
    }

    /// Whether the cluster has ever described the topic, if only as having no partitions.
    pub(crate) fn is_known(&self) -> bool {
        self.available.load().is_some()
    }

    /// The cluster has described the topic: all its lanes by partition, and the partitions with a leader.
    pub(crate) fn described(&self, lanes: &[Arc<Lane>], available: Vec<i32>) {
        self.available.store(Some(Arc::new(available)));
        self.lanes.extend_to(lanes);
        self.answered(None);
    }

    /// The cluster has said something about the topic.
    pub(crate) fn answered(&self, error: Option<ErrorCode>) {
        {
            let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
            answer.error = error;
            answer.count += 1;
        }
        notify_all(&self.changed);
    }

    pub(crate) fn answer(&self) -> Answer {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partition for a record; there is at least one. User code runs here, under no lock (K13).
    #[inline]
    pub(crate) fn choose(
        &self,
        config: &ProducerConfig,
        record: &Record<'_>,
        now: Instant,
    ) -> Result<Choice, Error> {
        let fixed = |partition| Ok(Choice { partition, sticky: None });
        if let Some(partition) = record.partition {
            return fixed(partition);
        }
        let key = if config.partitioner_ignore_keys { None } else { record.key };
        let count = self.partition_count();
        let hash = match &config.partitioner {
            PartitionerChoice::Default => KeyHash::Murmur2,
            PartitionerChoice::Crc32 => KeyHash::Crc32,
            PartitionerChoice::RoundRobin => {
                return fixed(self.with_choices(None, |choices| self.round_robin.next(choices)));
            }
            PartitionerChoice::Custom(custom) => {
                let partition = self.with_choices(None, |choices| {
                    let available = choices.available;
                    custom.partition(
                        record,
                        TopicPartitions { topic: &self.name, partition_count: count, available },
                    )
                });
                return fixed(checked_choice(partition, &self.name)?);
            }
        };
        if let Some(partition) = hash.partition(key, count) {
            return fixed(partition);
        }
        Ok(self.keyless_choice(StickyShards::of_this_thread(now), count))
    }

    #[inline(always)]
    fn keyless_choice(&self, shard: Shard, count: i32) -> Choice {
        let partition = self.sticky.get(shard).choose(|| self.pick(None));
        // Partitions are never taken away, but a choice from the cluster's answer is checked all the same.
        Choice { partition: if partition < count { partition } else { 0 }, sticky: Some(shard) }
    }

    /// Another thread is at the partition that was chosen: another choice, if there is another partition.
    #[cold]
    pub(crate) fn keyless_elsewhere(&self, met_at: Choice, now: Instant) -> Option<Choice> {
        let count = self.partition_count();
        let met_in = met_at.sticky.filter(|_| count > 1)?;
        let shard = StickyShards::leave(met_in, now);
        let choice = self.keyless_choice(shard, count);
        if choice.partition != met_at.partition {
            return Some(choice);
        }
        self.sticky.get(shard).leave(met_at.partition, self.pick_other_than(met_at.partition));
        Some(self.keyless_choice(shard, count))
    }

    /// Another partition with a leader: one after the other from a random one on, so that none is preferred.
    fn pick_other_than(&self, partition: i32) -> i32 {
        self.with_choices(None, |choices| {
            let random = self.random();
            let tries = u32::try_from(choices.available.len()).unwrap_or(u32::MAX);
            (0..tries)
                .map(|step| choices.pick(random.wrapping_add(step)))
                .find(|picked| *picked != partition)
                .unwrap_or(partition)
        })
    }

    /// Keyless records went in: perhaps the next one goes elsewhere (KIP-794).
    #[cold]
    pub(crate) fn keyless_appended(
        &self,
        config: &ProducerConfig,
        choice: Choice,
        sticky: StickyBytes,
        now: Instant,
    ) {
        let Some(shard) = choice.sticky else { return };
        let point = if sticky.is_clean { SwitchPoint::Clean } else { SwitchPoint::HalfFilled };
        self.sticky.get(shard).record_appended(
            choice.partition,
            sticky.bytes,
            point,
            config.batch_size,
            || {
                let table = if config.partitioner_adaptive { self.load(config, now) } else { None };
                self.pick(table.as_ref())
            },
        );
    }

    fn pick(&self, load: Option<&LoadTable>) -> i32 {
        self.with_choices(load, |choices| choices.pick(self.random()))
    }

    fn with_choices<R>(&self, load: Option<&LoadTable>, read: impl FnOnce(Choices<'_>) -> R) -> R {
        let available = self.available.load();
        let available = available.as_ref().map_or(&[][..], |available| available.as_slice());
        read(Choices { load, available, partition_count: self.partition_count() })
    }

    /// The load of the partitions with a leader; those that have not moved for `partitioner.availability.timeout.ms` are
    /// left out.
    fn load(&self, config: &ProducerConfig, now: Instant) -> Option<LoadTable> {
        let sizes: Vec<usize> = self.lanes.iter().map(|lane| lane.queue_len()).collect();
        let available = self.available.load();
        let available = available.as_ref()?;
        let Some(timeout) = config.partitioner_availability_timeout else {
            return LoadTable::build(&sizes, available);
        };
        let is_stuck = |partition: i32| {
            self.lanes.get(partition).is_some_and(|lane| lane.account.is_stuck(now, timeout))
        };
        let moving: Vec<i32> = available.iter().copied().filter(|partition| !is_stuck(*partition)).collect();
        LoadTable::build(&sizes, &moving)
    }

    /// A splitmix step: 32 bits, good enough for choosing partitions.
    fn random(&self) -> u32 {
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)
    }
}
