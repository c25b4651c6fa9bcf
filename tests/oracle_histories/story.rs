//! How a history is told by hand: short sentences, in the order in which things happen.

use crate::oracle::history::FaultSpan;
use crate::oracle::wire::{Answer, Stamp, Written};
use crate::oracle::{
    Check, Conditions, FinalLog, Found, History, Lane, Leaks, RecordId, Replica, Timeouts, Told, check,
};

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1000 * MS;
pub const A: Lane = Lane(0);
pub const B: Lane = Lane(1);

/// Request 1 s, delivery 60 s; L is 10 s.
pub const TIMEOUTS: Timeouts = Timeouts {
    delivery_ns: 60 * SECOND,
    request_ns: SECOND,
    setup_max_ns: 4 * SECOND,
    reconnect_backoff_ns: 50 * MS,
    reconnect_backoff_max_ns: SECOND,
    retry_backoff_ns: 100 * MS,
    retry_backoff_max_ns: SECOND,
    drain_ns: SECOND,
    slack_ns: 0,
};

/// A run told by hand. The clock stands still unless it is moved.
pub struct Story {
    pub history: History,
    pub log: FinalLog,
    pub conditions: Conditions,
    pub leaks: Leaks,
    pub now: u64,
}

impl Story {
    /// The whole contract, with bounds.
    pub fn new() -> Self {
        Self {
            history: History::new(),
            log: FinalLog::new(),
            conditions: Conditions::whole_contract().with_timeouts(TIMEOUTS),
            leaks: Leaks::new(),
            now: SECOND,
        }
    }

    pub fn content(id: RecordId) -> u64 {
        id.0 * 31 + 7
    }

    pub fn sent(&mut self, lane: Lane) -> RecordId {
        let id = self.history.next_id();
        self.history.accepted(id, lane, Self::content(id), self.now);
        id
    }

    pub fn refused(&mut self, lane: Lane) -> RecordId {
        let id = self.history.next_id();
        self.history.refused(id, lane, self.now);
        id
    }

    pub fn told(&mut self, id: RecordId, told: Told) {
        self.history.told(id, told, self.now);
    }

    pub fn acked(&mut self, id: RecordId, offset: i64) {
        self.told(id, Told::acknowledged(offset));
    }

    pub fn acked_somewhere(&mut self, id: RecordId) {
        self.told(id, Told::Acknowledged { offset: None });
    }

    pub fn rejected(&mut self, id: RecordId) {
        self.told(id, Told::rejected());
    }

    pub fn unknown(&mut self, id: RecordId) {
        self.told(id, Told::unknown());
    }

    pub fn found(&mut self, lane: Lane, offset: i64, id: RecordId) {
        self.log.found(lane, Found { offset, id, content: Self::content(id) });
    }

    pub fn found_in_life(&mut self, lane: Lane, life: u16, offset: i64, id: RecordId) {
        self.log.found_in_life(lane, life, Found { offset, id, content: Self::content(id) });
    }

    /// Sent, acknowledged, and there.
    pub fn stored(&mut self, lane: Lane, offset: i64) -> RecordId {
        let id = self.sent(lane);
        self.acked(id, offset);
        self.found(lane, offset, id);
        id
    }

    pub fn passes(&mut self, ns: u64) {
        self.now += ns;
    }

    pub fn heals(&mut self) {
        self.history.healed(self.now);
    }

    pub fn ends(&mut self) {
        self.history.ended(self.now);
    }

    pub fn network_fault(&mut self, length_ns: u64) {
        self.fault(length_ns, true);
    }

    pub fn fault(&mut self, length_ns: u64, is_of_the_network: bool) {
        let from_ns = self.now;
        self.now += length_ns;
        self.history.fault(FaultSpan { from_ns, to_ns: self.now, is_of_the_network });
    }

    pub fn replica(&mut self, lane: Lane, is_complete: bool, records: &[(i64, RecordId)]) {
        let found = |&(offset, id)| Found { offset, id, content: Self::content(id) };
        self.log
            .replica(lane, Replica { node: 2, records: records.iter().map(found).collect(), is_complete });
    }

    /// A batch of one record is handed to a connection.
    pub fn writes(&mut self, connection: u64, id: RecordId, (epoch, sequence): (i16, i32)) {
        self.writes_content(connection, id, (epoch, sequence), Self::content(id));
    }

    pub fn writes_content(&mut self, connection: u64, id: RecordId, name: (i16, i32), content: u64) {
        let (lane, stamp) = (A, stamp(name));
        self.history.wire.written(Written { lane, stamp, connection, leader_epoch: 0, first: id, content });
    }

    pub fn answers(&mut self, connection: u64, name: (i16, i32), answer: Answer) {
        self.history.wire.answered(A, connection, stamp(name), answer);
    }

    pub fn found_by_the_oracle(&self) -> Vec<Check> {
        let breaches = check(&self.history, &self.log, &self.conditions, Some(&self.leaks));
        let mut found: Vec<Check> = breaches.iter().map(|breach| breach.check).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[track_caller]
    pub fn is_fine(&self) {
        let breaches = check(&self.history, &self.log, &self.conditions, Some(&self.leaks));
        assert!(breaches.is_empty(), "a good history was condemned: {breaches:#?}");
    }

    #[track_caller]
    pub fn breaks(&self, expected: &[Check]) {
        let breaches = check(&self.history, &self.log, &self.conditions, Some(&self.leaks));
        assert_eq!(self.found_by_the_oracle(), expected, "{breaches:#?}");
    }
}

pub fn stamp((epoch, base_sequence): (i16, i32)) -> Stamp {
    Stamp { producer_id: 1000, epoch, base_sequence, record_count: 1 }
}
