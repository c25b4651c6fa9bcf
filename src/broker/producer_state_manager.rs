//! What the broker remembers of each producer in each partition, and what it answers to the next batch.
//!
//! **Why it exists.** This is the broker's half of idempotence (KIP-98): per partition and producer id the epoch and the
//! last five batches, as first and last sequence. A batch that is one of the five is answered with the offset it got the
//! first time; any other batch must continue the sequence, or start at 0 in a newer epoch.
//!
//! ```text
//!                 same epoch, same (first, last) as one of five ──▶ duplicate: the first offset again, no append
//!                 epoch older ────────────────────────────────────▶ 47 INVALID_PRODUCER_EPOCH
//!   batch ──▶     epoch newer, first sequence 0 ──────────────────▶ append; the five are forgotten
//!                 epoch newer, otherwise ─────────────────────────▶ 45 OUT_OF_ORDER_SEQUENCE_NUMBER
//!                 producer unknown here ──────────────────────────▶ append, whatever the sequence (the first-batch hole)
//!                 first = last + 1 (2147483647 is followed by 0) ─▶ append
//!                 otherwise ──────────────────────────────────────▶ 45, also when it is older than the five
//! ```
//!
//! Neighbours: [`super::handlers::produce`] asks [`ProducerStateManager::check`], appends, and only then calls
//! [`ProducerStateManager::record`], so that a failed append leaves no trace. [`Personality`] is how brokers in the field
//! differ. Not here: transactions, and anything about the bytes of a batch.

use std::collections::BTreeMap;

use super::events::EventKind;
use crate::error::ErrorCode;

/// How many batches are remembered per producer and partition: as many as a client may have in flight.
pub const REMEMBERED_BATCHES: usize = 5;

/// Which broker is imitated. A client must keep its promises with the first two; with the others it may have to say
/// "unknown" more often, and must never lose or repeat a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Personality {
    /// Apache Kafka before 4.5: an unknown producer may begin with any sequence (D2).
    #[default]
    ApacheBefore45,
    /// Apache Kafka from 4.5 on: in a log never written to, an unknown producer must begin with 0.
    Apache45,
    /// Any sequence older than the expected one is answered 46 without an offset (Tansu).
    DuplicateAnswers46,
    /// An epoch that the broker has not given out itself is refused: newer 47, older 90 (Tansu).
    NoLocalEpochBump,
    /// The epoch is kept per producer id, so a bump in one partition fences the others (kfake).
    EpochGlobalPerId,
    /// No batch is remembered: a duplicate is answered 45 (Redpanda up to 21.10.2).
    NoDedupWindow,
    /// Sequences wrap at 2147483646 instead of 2147483647: every long-lived producer meets a false gap.
    WrapsOneTooEarly,
    /// Replication errors are answered -1 UNKNOWN_SERVER_ERROR instead of their own code.
    UnknownErrorOnReplication,
}

impl Personality {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::ApacheBefore45,
        Self::Apache45,
        Self::DuplicateAnswers46,
        Self::NoLocalEpochBump,
        Self::EpochGlobalPerId,
        Self::NoDedupWindow,
        Self::WrapsOneTooEarly,
        Self::UnknownErrorOnReplication,
    ];

    /// The name used in configurations and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApacheBefore45 => "apache_lt_4_5",
            Self::Apache45 => "apache_ge_4_5",
            Self::DuplicateAnswers46 => "dup_answers_46",
            Self::NoLocalEpochBump => "no_local_epoch_bump",
            Self::EpochGlobalPerId => "epoch_global_per_id",
            Self::NoDedupWindow => "no_dedup_window",
            Self::WrapsOneTooEarly => "wrap_at_2^31_minus_1",
            Self::UnknownErrorOnReplication => "answers_-1_on_replication_error",
        }
    }

    /// The personality of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|personality| personality.name() == name)
    }

    /// The code that goes out where Kafka would answer `code`: 7, 19 and 20 are replication's.
    #[must_use]
    pub const fn answer(self, code: ErrorCode) -> ErrorCode {
        match (self, code.0) {
            (Self::UnknownErrorOnReplication, 7 | 19 | 20) => ErrorCode::UNKNOWN_SERVER_ERROR,
            _ => code,
        }
    }

    /// `sequence + records` in this broker's arithmetic.
    const fn add(self, sequence: i32, records: i32) -> i32 {
        let modulus: i64 = match self {
            Self::WrapsOneTooEarly => 0x7fff_ffff,
            Self::ApacheBefore45
            | Self::Apache45
            | Self::DuplicateAnswers46
            | Self::NoLocalEpochBump
            | Self::EpochGlobalPerId
            | Self::NoDedupWindow
            | Self::UnknownErrorOnReplication => 0x8000_0000,
        };
        let sum = (sequence as i64).wrapping_add(records as i64).rem_euclid(modulus);
        #[allow(clippy::cast_possible_truncation, reason = "the remainder is below 2^31")]
        let folded = sum as i32;
        folded
    }
}

/// A partition's log, numbered by the cluster; never reused, so a topic created again starts without producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogNumber(pub u32);

/// What a batch says about its producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchIdentity {
    /// The producer id; not negative.
    pub producer_id: i64,
    /// The producer epoch.
    pub epoch: i16,
    /// The sequence of the first record; not negative.
    pub base_sequence: i32,
    /// How many records follow the first.
    pub last_offset_delta: i32,
    /// The largest record timestamp, by which the producer expires, and which duplicates are answered with.
    pub max_timestamp_ms: i64,
}

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Append it, then [`ProducerStateManager::record`] it.
    Append,
    /// It is in the log already: answer success with this offset and append time, append nothing.
    Duplicate {
        /// The offset that its first record got.
        first_offset: i64,
        /// The append time to answer: Kafka answers the batch's largest record timestamp.
        append_time_ms: i64,
    },
    /// Refuse it.
    Refuse {
        /// The code to answer.
        code: ErrorCode,
        /// What the broker holds against it.
        against: Held,
    },
}

/// What a refused batch ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Another sequence was expected.
    Sequence(i32),
    /// Another epoch is held.
    Epoch(i16),
}

impl Held {
    /// The event that tells of the refusal.
    pub(super) const fn event_kind(self, code: ErrorCode) -> EventKind {
        match self {
            Self::Sequence(expected) => EventKind::SequenceGap { expected, code },
            Self::Epoch(current) => EventKind::EpochFenced { current, code },
        }
    }
}

/// One remembered batch.
#[derive(Debug, Clone, Copy)]
struct RememberedBatch {
    first_sequence: i32,
    last_sequence: i32,
    first_offset: i64,
    max_timestamp_ms: i64,
}

/// One producer in one partition.
#[derive(Debug, Clone)]
struct ProducerState {
    epoch: i16,
    /// Oldest first, at most [`REMEMBERED_BATCHES`].
    batches: Vec<RememberedBatch>,
    last_timestamp_ms: i64,
    /// The key in `by_use`.
    used: u64,
}

impl ProducerState {
    /// The last sequence appended in this epoch.
    fn last_sequence(&self) -> Option<i32> {
        self.batches.last().map(|batch| batch.last_sequence)
    }
}

/// The producers of every partition of one broker.
#[derive(Debug, Clone)]
pub struct ProducerStateManager {
    personality: Personality,
    capacity: usize,
    states: BTreeMap<(LogNumber, i64), ProducerState>,
    /// Least recently used first (D-56).
    by_use: BTreeMap<u64, (LogNumber, i64)>,
    uses: u64,
    /// Epochs per producer id, only for the personalities that keep them.
    epochs: BTreeMap<i64, i16>,
}

impl ProducerStateManager {
    /// An empty table for at most `capacity` producers.
    #[must_use]
    pub const fn new(personality: Personality, capacity: usize) -> Self {
        Self {
            personality,
            capacity,
            states: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            epochs: BTreeMap::new(),
        }
    }

    /// Which broker this is.
    #[must_use]
    pub const fn personality(&self) -> Personality {
        self.personality
    }

    /// How many producers are remembered, over all partitions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether no producer is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What to do with `batch`. Changes nothing. `log_was_written` says whether the log has, or ever had, records.
    #[must_use]
    pub fn check(&self, log: LogNumber, batch: &BatchIdentity, log_was_written: bool) -> Verdict {
        if let Some(refusal) = self.check_epoch_of_id(batch) {
            return refusal;
        }
        let state = self.states.get(&(log, batch.producer_id));
        if let Some(duplicate) = state.and_then(|state| self.find_duplicate(state, batch)) {
            return Verdict::Duplicate {
                first_offset: duplicate.first_offset,
                append_time_ms: duplicate.max_timestamp_ms,
            };
        }
        let Some(state) = state else {
            return self.check_unknown_producer(batch, log_was_written);
        };
        if batch.epoch < state.epoch {
            let against = Held::Epoch(state.epoch);
            return Verdict::Refuse { code: ErrorCode::INVALID_PRODUCER_EPOCH, against };
        }
        let expected = match state.last_sequence() {
            // A batch was appended with epoch -1, which no client should send: Kafka lets anything follow it.
            _ if state.epoch < 0 => batch.base_sequence,
            _ if batch.epoch > state.epoch => 0,
            Some(last) => self.personality.add(last, 1),
            None => 0,
        };
        self.check_sequence(batch, expected)
    }

    /// Remembers `batch`, which was appended at `first_offset`. Answers how many other producers had to be forgotten.
    pub fn record(&mut self, log: LogNumber, batch: &BatchIdentity, first_offset: i64) -> usize {
        let key = (log, batch.producer_id);
        self.uses = self.uses.wrapping_add(1);
        let used = self.uses;
        let remembered = RememberedBatch {
            first_sequence: batch.base_sequence,
            last_sequence: self.personality.add(batch.base_sequence, batch.last_offset_delta),
            first_offset,
            max_timestamp_ms: batch.max_timestamp_ms,
        };
        let state = self.states.entry(key).or_insert_with(|| ProducerState {
            epoch: batch.epoch,
            batches: Vec::new(),
            last_timestamp_ms: batch.max_timestamp_ms,
            used,
        });
        self.by_use.remove(&state.used);
        self.by_use.insert(used, key);
        state.used = used;
        if state.epoch != batch.epoch {
            state.epoch = batch.epoch;
            state.batches.clear();
        }
        if state.batches.len() >= REMEMBERED_BATCHES {
            state.batches.remove(0);
        }
        state.batches.push(remembered);
        state.last_timestamp_ms = batch.max_timestamp_ms;
        self.note_epoch(batch.producer_id, batch.epoch);
        self.forget_least_recently_used()
    }

    /// A producer id was given out with this epoch.
    pub fn given(&mut self, producer_id: i64, epoch: i16) {
        self.note_epoch(producer_id, epoch);
    }

    /// Forgets producers whose last batch is `age_ms` old or older *by record time*, as Kafka does: records with old
    /// timestamps expire at once. Answers how many went.
    pub fn expire(&mut self, now_ms: i64, age_ms: i64) -> usize {
        let before = self.states.len();
        let by_use = &mut self.by_use;
        self.states.retain(|_, state| {
            let keep = now_ms.saturating_sub(state.last_timestamp_ms) < age_ms;
            if !keep {
                by_use.remove(&state.used);
            }
            keep
        });
        before.saturating_sub(self.states.len())
    }

    /// Forgets every producer of a log: its topic was deleted, or the log is about to be read again.
    pub fn forget_log(&mut self, log: LogNumber) {
        let by_use = &mut self.by_use;
        self.states.retain(|(number, _), state| {
            let keep = *number != log;
            if !keep {
                by_use.remove(&state.used);
            }
            keep
        });
    }

    /// Every producer of one log as `(producer id, epoch, last sequence)`, in the order of the ids.
    pub fn producers(&self, log: LogNumber) -> impl Iterator<Item = (i64, i16, i32)> {
        self.states
            .range((log, i64::MIN)..=(log, i64::MAX))
            .map(|((_, id), state)| (*id, state.epoch, state.last_sequence().unwrap_or(-1)))
    }

    fn find_duplicate(&self, state: &ProducerState, batch: &BatchIdentity) -> Option<RememberedBatch> {
        match self.personality {
            Personality::DuplicateAnswers46 | Personality::NoDedupWindow => None,
            Personality::ApacheBefore45
            | Personality::Apache45
            | Personality::NoLocalEpochBump
            | Personality::EpochGlobalPerId
            | Personality::WrapsOneTooEarly
            | Personality::UnknownErrorOnReplication => {
                let last = self.personality.add(batch.base_sequence, batch.last_offset_delta);
                state
                    .batches
                    .iter()
                    .find(|seen| {
                        state.epoch == batch.epoch
                            && seen.first_sequence == batch.base_sequence
                            && seen.last_sequence == last
                    })
                    .copied()
            }
        }
    }

    /// The two personalities that know epochs per id and not only per partition.
    fn check_epoch_of_id(&self, batch: &BatchIdentity) -> Option<Verdict> {
        let held = *self.epochs.get(&batch.producer_id)?;
        let code = match self.personality {
            Personality::NoLocalEpochBump if batch.epoch > held => ErrorCode::INVALID_PRODUCER_EPOCH,
            Personality::NoLocalEpochBump if batch.epoch < held => ErrorCode::PRODUCER_FENCED,
            Personality::EpochGlobalPerId if batch.epoch < held => ErrorCode::INVALID_PRODUCER_EPOCH,
            Personality::NoLocalEpochBump
            | Personality::EpochGlobalPerId
            | Personality::ApacheBefore45
            | Personality::Apache45
            | Personality::DuplicateAnswers46
            | Personality::NoDedupWindow
            | Personality::WrapsOneTooEarly
            | Personality::UnknownErrorOnReplication => return None,
        };
        Some(Verdict::Refuse { code, against: Held::Epoch(held) })
    }

    const fn check_unknown_producer(&self, batch: &BatchIdentity, log_was_written: bool) -> Verdict {
        let must_start_at_zero = matches!(self.personality, Personality::Apache45) && !log_was_written;
        if must_start_at_zero && batch.base_sequence != 0 {
            return Verdict::Refuse {
                code: ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
                against: Held::Sequence(0),
            };
        }
        Verdict::Append
    }

    fn check_sequence(&self, batch: &BatchIdentity, expected: i32) -> Verdict {
        if batch.base_sequence == expected {
            return Verdict::Append;
        }
        // Half of the sequence space behind the expected one counts as "older".
        let behind = self.personality.add(expected, batch.base_sequence.wrapping_neg());
        let code = match self.personality {
            Personality::DuplicateAnswers46 if behind < 0x4000_0000 => ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
            Personality::DuplicateAnswers46
            | Personality::ApacheBefore45
            | Personality::Apache45
            | Personality::NoLocalEpochBump
            | Personality::EpochGlobalPerId
            | Personality::NoDedupWindow
            | Personality::WrapsOneTooEarly
            | Personality::UnknownErrorOnReplication => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        };
        Verdict::Refuse { code, against: Held::Sequence(expected) }
    }

    fn note_epoch(&mut self, producer_id: i64, epoch: i16) {
        if !matches!(self.personality, Personality::NoLocalEpochBump | Personality::EpochGlobalPerId) {
            return;
        }
        let held = self.epochs.entry(producer_id).or_insert(epoch);
        *held = (*held).max(epoch);
        if self.epochs.len() > self.capacity {
            // Ids are given out in ascending order, so the smallest is the oldest.
            self.epochs.pop_first();
        }
    }

    fn forget_least_recently_used(&mut self) -> usize {
        let mut forgotten = 0_usize;
        while self.states.len() > self.capacity {
            let Some((_, key)) = self.by_use.pop_first() else { break };
            self.states.remove(&key);
            forgotten = forgotten.saturating_add(1);
        }
        forgotten
    }
}
