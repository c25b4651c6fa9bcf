//! What was accepted, and what the producer told of it: written while the run goes on.
//!
//! **Rules for who writes it.** Record numbers are dense from 0 and unique in the run; the record's bytes carry its
//! number, so that it is recognised in the log without a side channel. Lanes are dense from 0: one per (topic,
//! partition) of the run. Within a lane records are [accepted](History::accepted) in the order of `send`; a record that
//! `send` refused is [refused](History::refused) instead. Times are nanoseconds of whatever clock the run has.
//!
//! A venue reports what it can see: a real cluster has no [`stamped`](super::wire::Wire), a simulation has all of it.
//! Neighbours: `final_log.rs` is the other half of the evidence, `exemptions.rs` the excuses.

use std::fmt;

use super::exemptions::Exemptions;
use super::wire::Wire;

/// A record, wherever it is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

impl RecordId {
    pub(super) fn place(self) -> usize {
        usize::try_from(self.0).expect("record numbers are dense")
    }
}

/// A partition of a topic of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane(pub u32);

impl Lane {
    pub(super) const fn place(self) -> usize {
        self.0 as usize
    }
}

/// What was said about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A: in the log, at this offset if the producer knows it. With acks=0: handed to the operating system (D-25).
    Acknowledged { offset: Option<i64> },
    /// R: certainly not in the log, now or later.
    Rejected { cause: &'static str },
    /// U: zero or one copy is in the log, or will be.
    Unknown { cause: &'static str },
    /// B: `send` did not accept it.
    Refused,
}

impl Told {
    /// The cause of an outcome that a broker's answer made.
    pub const BY_A_BROKER: &'static str = "broker";

    #[must_use]
    pub const fn acknowledged(offset: i64) -> Self {
        Self::Acknowledged { offset: Some(offset) }
    }

    #[must_use]
    pub const fn rejected() -> Self {
        Self::Rejected { cause: "" }
    }

    #[must_use]
    pub const fn unknown() -> Self {
        Self::Unknown { cause: "" }
    }

    #[must_use]
    pub const fn is_acknowledged(self) -> bool {
        matches!(self, Self::Acknowledged { .. })
    }

    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// Requests that have a budget (Q16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    Connect,
    Metadata,
    InitProducerId,
    /// A batch that was sent before.
    ProduceRetry,
}

impl RequestKind {
    pub const ALL: [Self; 4] = [Self::Connect, Self::Metadata, Self::InitProducerId, Self::ProduceRetry];
}

/// The worst second so far, counted as requests come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    second: u64,
    count: u32,
    pub(super) worst: u32,
    pub(super) worst_second: u64,
}

impl Rate {
    const fn count(&mut self, at_ns: u64) {
        let second = at_ns / NS_PER_SECOND;
        if second != self.second {
            self.second = second;
            self.count = 0;
        }
        self.count += 1;
        if self.count > self.worst {
            self.worst = self.count;
            self.worst_second = second;
        }
    }
}

/// What is known of one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) lane: Lane,
    pub(super) content: u64,
    pub(super) accepted_ns: u64,
    pub(super) told: Option<Told>,
    pub(super) told_ns: u64,
    pub(super) tellings: u8,
    /// Callbacks that ran for it; `None` if none was asked for.
    pub(super) callbacks: Option<u8>,
    pub(super) late: Option<Told>,
    pub(super) is_canary: bool,
    /// Stamped more than 12 h back (D-17).
    pub(super) is_old: bool,
    /// Q9: whether the acknowledged offset was below the high watermark, with enough replicas in sync.
    pub(super) was_durable: Option<bool>,
    pub(super) phase: u16,
    pub(super) is_known: bool,
}

const NOBODY: Entry = Entry {
    lane: Lane(0),
    content: 0,
    accepted_ns: 0,
    told: None,
    told_ns: 0,
    tellings: 0,
    callbacks: None,
    late: None,
    is_canary: false,
    is_old: false,
    was_durable: None,
    phase: 0,
    is_known: false,
};

const NS_PER_SECOND: u64 = 1_000_000_000;

/// A fault that was on from one moment to another, for Q17 (D-69).
#[derive(Debug, Clone, Copy)]
pub struct FaultSpan {
    pub from_ns: u64,
    pub to_ns: u64,
    /// Delay, loss, cut: nothing that a broker or a replica did.
    pub is_of_the_network: bool,
}

/// The evidence of one run.
#[derive(Debug, Default)]
pub struct History {
    pub(super) entries: Vec<Entry>,
    /// By lane: records in the order of `send`.
    pub(super) lanes: Vec<Vec<RecordId>>,
    /// By lane: records in the order in which their callbacks ran.
    pub(super) callbacks: Vec<Vec<RecordId>>,
    pub(super) rates: [Rate; RequestKind::ALL.len()],
    pub(super) faults: Vec<FaultSpan>,
    pub(super) panics: Vec<String>,
    pub(super) wrong: Vec<(RecordId, &'static str)>,
    pub(super) healed_ns: Option<u64>,
    pub(super) ended_ns: Option<u64>,
    pub(super) phase: u16,
    /// What the run did to the logs that no producer can make good.
    pub exemptions: Exemptions,
    /// What went over the wires, where somebody sees it.
    pub wire: Wire,
}

impl History {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for a run of this size.
    #[must_use]
    pub fn with_capacity(lanes: usize, records: usize) -> Self {
        let mut history = Self::default();
        history.entries.reserve(records);
        history.lanes = (0..lanes).map(|_| Vec::with_capacity(records / lanes.max(1))).collect();
        history
    }

    /// `send` took the record. `content` is a hash of everything that must come back: key, value, headers, timestamp.
    ///
    /// # Panics
    /// If the number was used before: then the workload is broken, not the producer.
    pub fn accepted(&mut self, id: RecordId, lane: Lane, content: u64, at_ns: u64) {
        let phase = self.phase;
        let entry = self.entry_mut(id);
        assert!(!entry.is_known, "the workload used record number {} twice", id.0);
        *entry = Entry { lane, content, accepted_ns: at_ns, phase, is_known: true, ..NOBODY };
        if self.lanes.len() <= lane.place() {
            self.lanes.resize_with(lane.place() + 1, Vec::new);
        }
        self.lanes[lane.place()].push(id);
    }

    /// `send` gave the record back: B.
    ///
    /// # Panics
    /// If the number was used before.
    pub fn refused(&mut self, id: RecordId, lane: Lane, at_ns: u64) {
        let phase = self.phase;
        let entry = self.entry_mut(id);
        assert!(!entry.is_known, "the workload used record number {} twice", id.0);
        let told = Some(Told::Refused);
        *entry = Entry { lane, accepted_ns: at_ns, told, told_ns: at_ns, phase, is_known: true, ..NOBODY };
    }

    /// The outcome of an accepted record. The first one counts; another one is a breach (Q12).
    pub fn told(&mut self, id: RecordId, told: Told, at_ns: u64) {
        let entry = self.entry_mut(id);
        entry.tellings = entry.tellings.saturating_add(1);
        if entry.told.is_none() {
            entry.told = Some(told);
            entry.told_ns = at_ns;
        }
    }

    /// The record was sent with a callback: it must run once, and in the lane's order (D-20).
    pub fn wants_callback(&mut self, id: RecordId) {
        self.entry_mut(id).callbacks = Some(0);
    }

    /// The record's callback ran.
    pub fn called_back(&mut self, id: RecordId) {
        let entry = self.entry_mut(id);
        entry.callbacks = Some(entry.callbacks.unwrap_or(0).saturating_add(1));
        let lane = entry.lane.place();
        if self.callbacks.len() <= lane {
            self.callbacks.resize_with(lane + 1, Vec::new);
        }
        self.callbacks[lane].push(id);
    }

    /// Late resolution (D-5): what became of a record that was told as unknown. What was told does not change.
    pub fn resolved_late(&mut self, id: RecordId, late: Told) {
        let is_first = self.entry_mut(id).late.replace(late).is_none();
        if !is_first {
            self.wrong.push((id, "it was resolved late twice"));
        }
    }

    /// A record sent after healing, to see whether the lane lives (Q14).
    pub fn canary(&mut self, id: RecordId) {
        self.entry_mut(id).is_canary = true;
    }

    /// The record's timestamp is more than 12 h back: outside the no-duplicate promise (D-17).
    pub fn has_old_timestamp(&mut self, id: RecordId) {
        self.entry_mut(id).is_old = true;
    }

    /// Q9: whether, when A was told, the offset was below the high watermark and enough replicas were in sync.
    pub fn was_durable(&mut self, id: RecordId, durable: bool) {
        self.entry_mut(id).was_durable = Some(durable);
    }

    /// A request was sent, or a connection attempted.
    pub const fn request(&mut self, kind: RequestKind, at_ns: u64) {
        self.rates[kind as usize].count(at_ns);
    }

    /// A fault is on from one moment to another. Q17 needs all of them.
    pub fn fault(&mut self, span: FaultSpan) {
        self.faults.push(span);
    }

    /// From now on there is no fault, and none that lingers.
    pub const fn healed(&mut self, at_ns: u64) {
        self.healed_ns = Some(at_ns);
    }

    /// The run is over: what has no outcome now and should have one is stuck.
    pub const fn ended(&mut self, at_ns: u64) {
        self.ended_ns = Some(at_ns);
    }

    /// Something panicked that no user code made panic (Q18).
    pub fn panicked(&mut self, text: impl Into<String>) {
        self.panics.push(text.into());
    }

    /// Records accepted from now on belong to this phase of the report.
    pub const fn phase(&mut self, phase: u16) {
        self.phase = phase;
    }

    /// Numbers given out so far: the next one is free.
    #[must_use]
    pub fn next_id(&self) -> RecordId {
        RecordId(self.entries.len() as u64)
    }

    /// What was told of a record so far.
    #[must_use]
    pub fn outcome(&self, id: RecordId) -> Option<Told> {
        self.entries.get(id.place()).and_then(|entry| entry.told)
    }

    /// Whether every record of the lane had its outcome before this moment, and an unknown one before that one.
    #[must_use]
    pub fn is_settled(&self, lane: Lane, before_ns: u64, unknown_before_ns: u64) -> bool {
        self.lane(lane).iter().filter_map(|id| self.entry(*id)).all(|entry| {
            let before_ns =
                if entry.told.is_some_and(Told::is_unknown) { unknown_before_ns } else { before_ns };
            entry.told.is_some() && entry.told_ns < before_ns
        })
    }

    /// Records of a lane, in the order of `send`.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> &[RecordId] {
        self.lanes.get(lane.place()).map_or(&[], Vec::as_slice)
    }

    /// Everything on which verdicts depend, in words: for whoever compares states. What was told of one lane stands in
    /// its own order, whatever happened on others meanwhile.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_state(&self, out: &mut impl fmt::Write) -> fmt::Result {
        write!(out, "{:?}{:?}{:?}", self.entries, self.callbacks, self.wrong)?;
        (0..).map(Lane).zip(&self.lanes).try_for_each(|(lane, _)| self.wire.write_state(lane, out))
    }

    pub(super) fn entry(&self, id: RecordId) -> Option<&Entry> {
        self.entries.get(usize::try_from(id.0).ok()?).filter(|entry| entry.is_known)
    }

    /// Every record of the run with its number.
    pub(super) fn records(&self) -> impl Iterator<Item = (RecordId, &Entry)> + Clone {
        let numbered = (0..).map(RecordId).zip(&self.entries);
        numbered.filter(|(_, entry)| entry.is_known)
    }

    fn entry_mut(&mut self, id: RecordId) -> &mut Entry {
        let place = id.place();
        if self.entries.len() <= place {
            self.entries.resize(place + 1, NOBODY);
        }
        &mut self.entries[place]
    }
}
