//! What a run's cluster is made of, and the little that its owner may tune.
//!
//! **Why plain data.** A plan is drawn from the tape once per run; everything else that the cluster does follows from it
//! and from later draws. Neighbours: [`super::Cluster::new`]. Not here: faults, which come while it runs.

use facteur::broker::Personality;

/// A topic that exists from the start.
#[derive(Debug, Clone)]
pub struct TopicPlan {
    pub name: String,
    pub partitions: i32,
    /// Held by so many brokers, at most as many as there are.
    pub replication: i32,
}

/// What InitProducerId gives out first.
#[derive(Debug, Clone, Copy)]
pub struct Primed {
    pub producer_id: i64,
    /// The epoch of the first id; later ids begin with 0.
    pub epoch: i16,
}

impl Default for Primed {
    fn default() -> Self {
        Self { producer_id: 4000, epoch: 0 }
    }
}

/// A cluster to be built. Brokers have the ids 1 to `brokers`, and are reached at `b1:9092` and so on.
#[derive(Debug, Clone)]
pub struct ClusterPlan {
    pub brokers: i32,
    pub topics: Vec<TopicPlan>,
    pub min_isr: i32,
    pub personality: Personality,
    /// The highest versions offered.
    pub produce_max: i16,
    pub metadata_max: i16,
    pub versions_max: i16,
    pub primed: Primed,
    /// How long one round of replication takes, from and to, microseconds.
    pub replication_lag_us: (u64, u64),
    /// How long a broker takes to learn of a change of the cluster, from and to, milliseconds.
    pub metadata_lag_ms: (u64, u64),
    /// How long the controller takes to notice that a broker is gone, from and to, milliseconds.
    pub session_ms: (u64, u64),
    /// `replica.lag.time.max.ms`: who is behind for so long leaves the in-sync set.
    pub replica_lag_max_ms: u64,
    /// In so many of 1000 rounds a follower fetches nothing.
    pub slow_follower_per_mille: u64,
    /// KIP-951: refusals with 6 name the leader.
    pub hints: bool,
    /// KIP-966 (3.7 on): below `min_isr` the high watermark stands still, and a waiting append ends 7 rather than 20.
    pub high_watermark_needs_min_isr: bool,
    /// What lies in the buffer of a connection that has ended is processed all the same.
    pub processes_after_close: bool,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
    /// Producers are forgotten so long after the largest timestamp of their last batch.
    pub producer_expiry_ms: Option<u64>,
    /// The wall clock at the beginning, milliseconds.
    pub wall_start_ms: i64,
}

impl Default for ClusterPlan {
    /// Three brokers of Kafka 4.4 without a topic.
    fn default() -> Self {
        Self {
            brokers: 3,
            topics: Vec::new(),
            min_isr: 2,
            personality: Personality::ApacheBefore45,
            produce_max: 13,
            metadata_max: 13,
            versions_max: 4,
            primed: Primed::default(),
            replication_lag_us: (500, 3000),
            metadata_lag_ms: (1, 200),
            session_ms: (500, 9000),
            replica_lag_max_ms: 3000,
            slow_follower_per_mille: 20,
            hints: true,
            high_watermark_needs_min_isr: false,
            processes_after_close: true,
            max_message_bytes: 1_048_588,
            producer_expiry_ms: None,
            wall_start_ms: 1_700_000_000_000,
        }
    }
}

impl ClusterPlan {
    /// Adds a topic held by all brokers, at most three.
    #[must_use]
    pub fn topic(mut self, name: &str, partitions: i32) -> Self {
        let replication = self.brokers.min(3);
        self.topics.push(TopicPlan { name: name.to_owned(), partitions, replication });
        self
    }
}
