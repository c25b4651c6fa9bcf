//! One broker's copy of one partition: its log, and the producer table that follows from it.
//!
//! **Why entries are never thrown away.** The log start is a number; what lies before it stays, because a real broker's
//! snapshot keeps the producers of deleted batches, and this is our snapshot. Truncation does cut entries. So the table
//! of any replica is what its entries say, in order, from `floor` on, and can be made anew at any time: after a
//! truncation (it is rewound), after a restart (it is read from snapshot and tail), and late for a follower, which copies
//! batches without judging them (D20) and needs a table only when it becomes leader.
//!
//! Neighbours: [`super::replication`] copies, [`super::produce`] appends. Not here: who leads.

use bytes::Bytes;
use facteur::broker::producer_state_manager::{BatchIdentity, LogNumber, ProducerStateManager};
use facteur::time::Instant;

use super::MAX_BROKERS;

/// A batch in a log.
#[derive(Debug, Clone)]
pub struct Entry {
    pub base: i64,
    /// One past the offset of its last record.
    pub end: i64,
    /// The epoch of the leader that wrote it: with `base`, it names the batch.
    pub leader_epoch: i32,
    pub bytes: Bytes,
    pub identity: Option<BatchIdentity>,
}

/// A copy of a partition.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    pub entries: Vec<Entry>,
    pub log_start: i64,
    pub high_watermark: i64,
    /// The highest watermark that it reached as leader: acknowledgements stood on it.
    pub committed_as_leader: i64,
    /// The epoch in which this broker believes to lead.
    pub leads: Option<i32>,
    /// The leader epoch whose log this follower has been cut to.
    pub synced_epoch: i32,
    /// So many entries are in the producer table.
    tabled: usize,
    /// Entries before this one are forgotten by the table: it was lost, or they are too old.
    floor: usize,
    /// As leader: how far each broker has copied, and when it was last seen to have all.
    pub known_ends: [i64; MAX_BROKERS],
    pub caught_up_at: [Instant; MAX_BROKERS],
}

impl Replica {
    /// Nothing, from nobody.
    pub fn empty() -> Self {
        Self { synced_epoch: -1, ..Self::default() }
    }

    pub fn end(&self) -> i64 {
        self.entries.last().map_or(0, |entry| entry.end)
    }

    /// The entry that begins at `base`.
    pub fn entry_at(&self, base: i64) -> Option<&Entry> {
        self.entries.binary_search_by_key(&base, |entry| entry.base).ok().map(|place| &self.entries[place])
    }

    /// Appends as leader, table included.
    pub fn append(&mut self, entry: Entry, log: LogNumber, table: &mut ProducerStateManager) {
        debug_assert_eq!(self.tabled, self.entries.len(), "a leader's table is up to date");
        if let Some(identity) = &entry.identity {
            table.record(log, identity, entry.base);
        }
        self.entries.push(entry);
        self.tabled = self.entries.len();
    }

    /// How many entries at the beginning are the same in both logs. Logs that agree on an entry agree on all before it.
    pub fn common_with(&self, other: &Self) -> usize {
        let mut common = self.entries.len().min(other.entries.len());
        while common > 0 {
            let (ours, theirs) = (&self.entries[common - 1], &other.entries[common - 1]);
            if ours.base == theirs.base && ours.leader_epoch == theirs.leader_epoch {
                break;
            }
            common -= 1;
        }
        common
    }

    /// Cuts the log to its first `keep` entries and rewinds the table.
    pub fn truncate(&mut self, keep: usize, log: LogNumber, table: &mut ProducerStateManager) {
        if keep >= self.entries.len() {
            return;
        }
        self.entries.truncate(keep);
        self.floor = self.floor.min(keep);
        self.high_watermark = self.high_watermark.min(self.end());
        if self.tabled > keep {
            table.forget_log(log);
            self.tabled = self.floor;
        }
    }

    /// The table was lost with the process; the entries are still there.
    pub fn table_is_gone(&mut self) {
        self.tabled = self.floor;
    }

    /// The table forgets what it knows of this log, and its snapshot with it.
    pub fn forget_producers(&mut self, log: LogNumber, table: &mut ProducerStateManager) {
        table.forget_log(log);
        self.floor = self.entries.len();
        self.tabled = self.floor;
    }

    /// Brings the table up to the log's end.
    pub fn catch_up_table(&mut self, log: LogNumber, table: &mut ProducerStateManager) {
        for entry in &self.entries[self.tabled..] {
            if let Some(identity) = &entry.identity {
                table.record(log, identity, entry.base);
            }
        }
        self.tabled = self.entries.len();
    }
}
