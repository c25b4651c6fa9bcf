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
pub use super::personality::Personality;
use crate::error::ErrorCode;

/// How many batches are remembered per producer and partition: as many as a client may have in flight.
pub const REMEMBERED_BATCHES: usize = 5;

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

/// A producer as one partition remembers it, for whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence of the last record that was appended, -1 if there is none.
    pub last_sequence: i32,
    /// The largest timestamp of its last batch.
    pub last_timestamp_ms: i64,
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

    /// Every producer of one log, in the order of the ids.
    pub fn known(&self, log: LogNumber) -> impl Iterator<Item = KnownProducer> {
        self.states.range((log, i64::MIN)..=(log, i64::MAX)).map(|((_, id), state)| KnownProducer {
            producer_id: *id,
            epoch: state.epoch,
            last_sequence: state.last_sequence().unwrap_or(-1),
            last_timestamp_ms: state.last_timestamp_ms,
        })
    }

    /// Every producer of one log as `(producer id, epoch, last sequence)`, in the order of the ids.
    pub fn producers(&self, log: LogNumber) -> impl Iterator<Item = (i64, i16, i32)> {
        self.known(log).map(|known| (known.producer_id, known.epoch, known.last_sequence))
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

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]
mod tests {
    use super::*;

    const LOG: LogNumber = LogNumber(1);
    const OTHER_LOG: LogNumber = LogNumber(2);

    const fn batch(epoch: i16, first: i32, records: i32) -> BatchIdentity {
        BatchIdentity {
            producer_id: 9,
            epoch,
            base_sequence: first,
            last_offset_delta: records - 1,
            max_timestamp_ms: 1_000,
        }
    }

    /// A manager that has appended these batches to `LOG`, at offsets 0, 100, 200 …
    fn after(personality: Personality, appended: &[BatchIdentity]) -> ProducerStateManager {
        let mut manager = ProducerStateManager::new(personality, 100);
        for (index, one) in (0_i64..).zip(appended) {
            manager.record(LOG, one, index * 100);
        }
        manager
    }

    fn code(verdict: Verdict) -> i16 {
        match verdict {
            Verdict::Append | Verdict::Duplicate { .. } => 0,
            Verdict::Refuse { code, .. } => code.0,
        }
    }

    fn ask(manager: &ProducerStateManager, one: &BatchIdentity) -> i16 {
        code(manager.check(LOG, one, true))
    }

    // One line per personality and question; the answers that differ from Apache are what the personality is for.
    #[test]
    fn each_personality_answers_as_the_broker_it_imitates() {
        let appended = [batch(0, 0, 10), batch(0, 10, 5)];
        let duplicate = batch(0, 10, 5);
        let (gap, overlap) = (batch(0, 16, 1), batch(0, 10, 3));
        let (bumped, fenced) = (batch(1, 0, 1), batch(-1, 0, 1));
        // duplicate, gap, overlap, bumped by the client itself, older epoch
        let table: [(Personality, [i16; 5]); 8] = [
            (Personality::ApacheBefore45, [0, 45, 45, 0, 47]),
            (Personality::Apache45, [0, 45, 45, 0, 47]),
            (Personality::DuplicateAnswers46, [46, 45, 46, 0, 47]),
            (Personality::NoLocalEpochBump, [0, 45, 45, 47, 90]),
            (Personality::EpochGlobalPerId, [0, 45, 45, 0, 47]),
            (Personality::NoDedupWindow, [45, 45, 45, 0, 47]),
            (Personality::WrapsOneTooEarly, [0, 45, 45, 0, 47]),
            (Personality::UnknownErrorOnReplication, [0, 45, 45, 0, 47]),
        ];
        for (personality, expected) in table {
            let manager = after(personality, &appended);
            let found = [&duplicate, &gap, &overlap, &bumped, &fenced].map(|one| ask(&manager, one));
            assert_eq!(found, expected, "{}", personality.name());
            assert_eq!(ask(&manager, &batch(0, 15, 5)), 0, "{}: the next batch", personality.name());
        }
    }

    // D2 is the one row in which Apache changed its mind (4.5); with records in the log both accept (D3).
    #[test]
    fn only_apache_from_4_5_on_wants_a_new_producer_to_begin_at_zero_in_a_fresh_log() {
        for personality in Personality::ALL {
            let manager = after(personality, &[]);
            let expected = if personality == Personality::Apache45 { 45 } else { 0 };
            assert_eq!(code(manager.check(LOG, &batch(0, 7, 1), false)), expected, "{}", personality.name());
            assert_eq!(code(manager.check(LOG, &batch(0, 7, 1), true)), 0, "{}", personality.name());
        }
    }

    // D9: 2147483647 is followed by 0, but for the broker that wraps too early.
    #[test]
    fn only_the_hostile_broker_wraps_too_early() {
        for personality in Personality::ALL {
            let manager = after(personality, &[batch(0, i32::MAX - 4, 5)]);
            let expected = if personality == Personality::WrapsOneTooEarly { 45 } else { 0 };
            assert_eq!(ask(&manager, &batch(0, 0, 5)), expected, "{}", personality.name());
        }
    }

    // kfake's shape: a bump in one partition fences the others, where Apache keeps epochs per partition.
    #[test]
    fn a_bump_in_one_partition_fences_the_others_only_where_epochs_are_global() {
        for personality in Personality::ALL {
            let mut manager = ProducerStateManager::new(personality, 100);
            manager.record(LOG, &batch(0, 0, 5), 0);
            manager.record(OTHER_LOG, &batch(1, 0, 5), 0);
            let found = ask(&manager, &batch(0, 5, 5));
            let is_global =
                [Personality::EpochGlobalPerId, Personality::NoLocalEpochBump].contains(&personality);
            assert_eq!(found != 0, is_global, "{} answered {found}", personality.name());
        }
    }

    // The -1 of a broker that hides replication errors; other codes stay.
    #[test]
    fn replication_errors_become_unknown_only_for_that_personality() {
        for personality in Personality::ALL {
            let hides = personality == Personality::UnknownErrorOnReplication;
            for replication in [7, 19, 20] {
                let expected = if hides { -1 } else { replication };
                assert_eq!(personality.answer(ErrorCode(replication)).0, expected);
            }
            assert_eq!(personality.answer(ErrorCode(87)).0, 87);
            assert_eq!(Personality::from_name(personality.name()), Some(personality));
        }
    }

    // D5, D6: five are remembered with their first offsets and times; the sixth-newest is a gap, never a second copy.
    #[test]
    fn exactly_five_batches_are_remembered() {
        let appended: Vec<BatchIdentity> = (0..7)
            .map(|first| BatchIdentity { max_timestamp_ms: i64::from(first), ..batch(0, first, 1) })
            .collect();
        let manager = after(Personality::default(), &appended);

        assert_eq!(ask(&manager, &appended[1]), 45);
        for (index, one) in (2_i64..).zip(&appended[2..]) {
            let expected = Verdict::Duplicate { first_offset: index * 100, append_time_ms: index };
            assert_eq!(manager.check(LOG, one, true), expected);
        }
    }

    // Memory is bounded: the producer that was silent longest is forgotten, and the caller is told.
    #[test]
    fn the_least_recently_used_producer_is_forgotten_first() {
        let mut manager = ProducerStateManager::new(Personality::default(), 2);
        let by = |producer_id, first| BatchIdentity { producer_id, ..batch(0, first, 1) };
        assert_eq!(manager.record(LOG, &by(1, 0), 0), 0);
        assert_eq!(manager.record(LOG, &by(2, 0), 1), 0);
        assert_eq!(manager.record(LOG, &by(1, 1), 2), 0);

        assert_eq!(manager.record(LOG, &by(3, 0), 3), 1);

        let ids: Vec<i64> = manager.producers(LOG).map(|(id, _, _)| id).collect();
        assert_eq!(ids, [1, 3]);
        assert_eq!(manager.by_use.len(), manager.len());
    }

    // Asking must not change anything: the state moves only after the append.
    #[test]
    fn a_check_leaves_no_trace() {
        let manager = after(Personality::default(), &[batch(0, 0, 5)]);
        for _ in 0..3 {
            assert_eq!(ask(&manager, &batch(4, 0, 1)), 0);
            assert_eq!(ask(&manager, &batch(0, 5, 1)), 0);
        }
    }

    // A deleted topic's producers must not be met again by the topic that takes its name.
    #[test]
    fn a_forgotten_log_forgets_only_its_own_producers() {
        let mut manager = after(Personality::default(), &[batch(0, 0, 5)]);
        manager.record(OTHER_LOG, &batch(0, 0, 5), 0);

        manager.forget_log(LOG);

        assert_eq!(manager.producers(LOG).count(), 0);
        assert_eq!(manager.producers(OTHER_LOG).count(), 1);
        assert_eq!(manager.by_use.len(), 1);
    }
}
