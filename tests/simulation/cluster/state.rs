//! The parts that the cluster is made of: brokers, topics, partitions, and what a broker believes of a partition.
//!
//! **Why each broker has a view of its own.** The controller decides, and the brokers hear of it one by one; between, two
//! of them may both believe to lead. Most of what a producer has to survive happens there.
//!
//! Neighbours: [`super::controller`] changes partitions, [`super::Cluster`] owns all of this. Not here: any rule.

use std::sync::Arc;

use facteur::broker::producer_state_manager::{LogNumber, ProducerStateManager};
use facteur::time::Instant;

use super::replica::Replica;

/// Leader and in-sync set of a partition, as the controller decided or as a broker believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartState {
    /// The leader's place among the brokers.
    pub leader: Option<usize>,
    pub epoch: i32,
    /// One bit for each broker.
    pub isr: u8,
    /// Counts the controller's decisions on this partition.
    pub version: u32,
}

impl PartState {
    pub const fn has_in_sync(&self, node: usize) -> bool {
        self.isr & (1 << node) != 0
    }

    pub const fn isr_size(&self) -> i32 {
        self.isr.count_ones() as i32
    }
}

/// A partition.
#[derive(Debug)]
pub struct Part {
    pub topic: usize,
    pub index: i32,
    pub log: LogNumber,
    /// The brokers that hold it, the preferred one first.
    pub assigned: Vec<usize>,
    pub state: PartState,
    /// By broker.
    pub replicas: Vec<Replica>,
    pub round_at: Option<Instant>,
    pub isr_check_at: Option<Instant>,
    /// Until then its followers fetch nothing.
    pub held_until: Instant,
    /// The highest high watermark that any leader ever had, less what was lost uncleanly.
    pub committed: i64,
    /// [`Self::committed`] as it ever was: what an acknowledgement may have been given for.
    pub ever_committed: i64,
    /// A leader was elected that was not in sync.
    pub was_unclean: bool,
    /// The leader epoch in which `committed` was reached.
    pub committed_in: i32,
    /// The end of what was acknowledged by a leader alone (`acks=1`).
    pub acked_alone: i64,
    /// Its topic was deleted.
    pub is_gone: bool,
    /// How often its topic was created before.
    pub life: u16,
}

/// A topic.
#[derive(Debug)]
pub struct Topic {
    pub name: Arc<str>,
    pub id: [u8; 16],
    pub generation: u32,
    /// Places among the cluster's partitions.
    pub parts: Vec<usize>,
    pub hidden_until: Instant,
}

/// A broker.
#[derive(Debug)]
pub struct Node {
    pub is_up: bool,
    pub is_paused: bool,
    /// The controller counts it out.
    pub is_fenced: bool,
    /// Clients reach it, the rest of the cluster does not.
    pub isolated_until: Instant,
    /// It hears nothing from the controller.
    pub stale_until: Instant,
    pub disk_full_until: Instant,
    /// Its metadata answers are as old as this number of decisions per partition.
    pub regressed_until: Instant,
    pub table: ProducerStateManager,
    /// By partition.
    pub views: Vec<Option<PartState>>,
    /// What was believed before the last change.
    pub older_views: Vec<Option<PartState>>,
    pub produce_max: i16,
    pub metadata_max: i16,
    /// Counts its lives.
    pub life: u32,
    /// Where it says that it is.
    pub host: String,
    /// Counts its addresses.
    pub address: u32,
}

impl Node {
    /// Whether it takes part in the cluster: fetches, and is fetched from.
    pub fn is_active(&self, now: Instant) -> bool {
        self.is_up && !self.is_paused && self.isolated_until <= now && self.disk_full_until <= now
    }
}

/// Something that the cluster does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Followers of a partition fetch.
    Round(usize),
    /// A broker hears of the partition's state.
    View { node: usize, part: usize, state: PartState },
    /// The controller notices that a broker's life has ended, or that it cannot be heard.
    SessionEnd { node: usize, life: u32 },
    /// A broker that was started is ready.
    Started { node: usize, life: u32 },
    /// A broker is heard again.
    Heard(usize),
    /// The partition's leader looks for followers that are behind.
    IsrCheck(usize),
    /// The partition's followers fetch again.
    Release(usize),
    /// The controller fills a vacant leadership.
    Elect(usize),
    /// Nothing but a look at what waits: a timeout, the end of a pause.
    Look,
    /// Old producers are forgotten.
    Expire,
}

/// Records that the cluster itself has thrown away, so that nobody else is blamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub topic: Arc<str>,
    pub partition: i32,
    /// From this offset on, as the log was then.
    pub from: i64,
    pub at: Instant,
    pub why: &'static str,
    /// Or only the end of the log, which nobody had been told of, and with it what the broker knew of producers.
    pub was_acknowledged: bool,
}
