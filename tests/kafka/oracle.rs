//! The judge of the real-Kafka tier: the shared oracle (`tests/oracle/`), asked with what this tier can see.
//!
//! **Why a layer of its own.** Here a record's number says its lane and its place, and the log comes from readers that
//! know partitions and digests; the shared oracle wants dense numbers. This file translates, and nothing else: what is a
//! breach is decided there. Checks: Q1 to Q5, Q7, Q8 and Q13; Q6 (two readers disagree) is [`disagreements`]. Times are
//! not known here, so Q13 is about outcomes that never came.
//!
//! Neighbours: [`crate::workload`] writes histories, [`crate::reader`] reads logs. Not here: whether a finding fails a
//! test; [`Tally::is_clean`] says what may never happen, the test says how much doubt it allows.

use std::collections::BTreeMap;

#[path = "../oracle/mod.rs"]
mod shared;

use shared::{Conditions, FinalLog, Found, History, Lane};
pub use shared::{Tally, Verdict};

/// What a record is, wherever it is met: carried in its value, so that it can be read back from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId(pub u64);

/// What the producer said about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// In the log, at this offset if the producer knows it.
    Acknowledged(Option<i64>),
    /// Certainly not in the log.
    Rejected,
    /// Zero or one copy is in the log.
    Unknown,
    /// Not accepted by `send`, hence not in the log.
    Refused,
    /// No outcome although there should be one by now (Q13).
    Nothing,
}

/// One record as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub id: RecordId,
    /// The partition it was sent to.
    pub lane: i32,
    /// Its place among the records of its lane, in the order of `send`.
    pub index: u32,
    /// Checksum of everything that must come back unchanged.
    pub digest: u32,
    /// Which incident of the run it belongs to, for the report; 0 is "before the first".
    pub phase: u16,
    pub told: Told,
}

/// One record as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    pub id: RecordId,
    pub partition: i32,
    pub offset: i64,
    pub digest: u32,
}

/// Judges a run. `history` holds each record once, in the order of `send` within each lane; `log` holds every record of
/// every partition, in any order.
///
/// # Panics
/// When a record id stands in the history twice: then the workload is broken, not the producer.
#[must_use]
pub fn judge(history: &[Sent], log: &[Logged]) -> Verdict {
    let mut in_order: Vec<&Sent> = history.iter().collect();
    in_order.sort_by_key(|sent| (sent.lane, sent.index));
    let mut numbers = BTreeMap::new();
    let mut shared_history = History::new();
    for sent in in_order {
        let number = shared_history.next_id();
        let is_new = numbers.insert(sent.id, number).is_none();
        assert!(is_new, "record {:?} was sent twice by the workload", sent.id);
        tell(&mut shared_history, number, sent);
    }
    let mut shared_log = FinalLog::new();
    for logged in log {
        let id = numbers.get(&logged.id).copied().unwrap_or(STRANGER);
        let found = Found { offset: logged.offset, id, content: logged.digest.into() };
        shared_log.found(lane(logged.partition), found);
    }

    shared::judge(&shared_history, &shared_log, &Conditions::whole_contract(), None)
}

/// The number of whatever nobody sent.
const STRANGER: shared::RecordId = shared::RecordId(u64::MAX);

fn lane(partition: i32) -> Lane {
    Lane(u32::try_from(partition).expect("a partition is not negative"))
}

fn tell(history: &mut History, number: shared::RecordId, sent: &Sent) {
    history.phase(sent.phase);
    if sent.told == Told::Refused {
        history.refused(number, lane(sent.lane), 0);
        return;
    }
    history.accepted(number, lane(sent.lane), sent.digest.into(), 0);
    let told = match sent.told {
        Told::Acknowledged(offset) => shared::Told::Acknowledged { offset },
        Told::Rejected => shared::Told::rejected(),
        Told::Unknown => shared::Told::unknown(),
        Told::Refused | Told::Nothing => return,
    };
    history.told(number, told, 0);
}

/// Q6: the (partition, offset) at which two readings of one log differ, or that only one of them has.
#[must_use]
pub fn disagreements(one: &[Logged], other: &[Logged]) -> Vec<(i32, i64)> {
    let index = |log: &[Logged]| -> BTreeMap<(i32, i64), (RecordId, u32)> {
        log.iter().map(|logged| ((logged.partition, logged.offset), (logged.id, logged.digest))).collect()
    };
    let (one, other) = (index(one), index(other));
    let mut places: Vec<_> = one.keys().chain(other.keys()).copied().collect();
    places.sort_unstable();
    places.dedup();
    places.retain(|place| one.get(place) != other.get(place));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(id: u64, index: u32, told: Told) -> Sent {
        Sent { id: RecordId(id), lane: 0, index, digest: 7, phase: 0, told }
    }

    fn logged(id: u64, offset: i64) -> Logged {
        Logged { id: RecordId(id), partition: 0, offset, digest: 7 }
    }

    fn acknowledged_three() -> Vec<Sent> {
        (0..3).map(|i| sent(u64::from(i), i, Told::Acknowledged(Some(i64::from(i))))).collect()
    }

    fn log_of_three() -> Vec<Logged> {
        vec![logged(0, 0), logged(1, 1), logged(2, 2)]
    }

    // The good history: a checker that finds fault with it would be switched off sooner or later.
    #[test]
    fn a_history_where_all_is_well_is_clean() {
        let verdict = judge(&acknowledged_three(), &log_of_three());

        assert_eq!((verdict.total.sent, verdict.total.acknowledged), (3, 3));
        assert!(verdict.total.is_clean());
    }

    // Offsets may have holes (control batches, compaction, other producers): order is about rising, not about adjacency.
    #[test]
    fn holes_between_offsets_are_no_finding() {
        let history =
            vec![sent(0, 0, Told::Acknowledged(Some(10))), sent(1, 1, Told::Acknowledged(Some(90)))];

        assert!(judge(&history, &[logged(0, 10), logged(1, 90)]).total.is_clean());
    }

    // Q1 and Q8. Fails if an acknowledged record may be missing without a word.
    #[test]
    fn an_acknowledged_record_that_is_missing_is_lost_and_leaves_a_gap() {
        let mut log = log_of_three();
        log.remove(1);

        let total = judge(&acknowledged_three(), &log).total;
        assert_eq!((total.lost(), total.gaps()), (1, 1));
        assert!(!total.is_clean());
    }

    // The tail of a lane can be lost without a gap; it is lost all the same.
    #[test]
    fn a_lost_tail_is_lost_without_a_gap() {
        let mut log = log_of_three();
        log.pop();

        let total = judge(&acknowledged_three(), &log).total;
        assert_eq!((total.lost(), total.gaps()), (1, 0));
    }

    // Q2. Fails if only neighbours are compared: the copy is far away.
    #[test]
    fn the_same_record_at_two_offsets_is_repeated() {
        let mut log = log_of_three();
        log.push(logged(0, 900));

        let total = judge(&acknowledged_three(), &log).total;
        assert_eq!((total.repeated(), total.reordered()), (1, 0));
        assert!(!total.is_clean());
    }

    // Q2 across partitions: a retry that went to another partition is a duplicate too.
    #[test]
    fn the_same_record_in_two_partitions_is_repeated() {
        let mut log = log_of_three();
        log.push(Logged { partition: 1, ..logged(0, 0) });

        assert_eq!(judge(&acknowledged_three(), &log).total.repeated(), 1);
    }

    // Q3, [OUT-1]. A record that was "certainly not written" must not be there, and neither one that `send` refused.
    #[test]
    fn rejected_and_refused_records_in_the_log_are_phantoms() {
        let history = vec![sent(0, 0, Told::Rejected), sent(1, 1, Told::Refused), sent(2, 2, Told::Rejected)];

        let total = judge(&history, &[logged(0, 0), logged(1, 1)]).total;
        assert_eq!((total.rejected, total.refused, total.phantom()), (2, 1, 2));
        assert!(!total.is_clean());
    }

    // Something in the log that nobody sent: the topic was not fresh, or bytes were made up.
    #[test]
    fn a_record_that_nobody_sent_is_a_phantom() {
        let mut log = log_of_three();
        log.push(logged(77, 3));

        assert_eq!(judge(&acknowledged_three(), &log).total.phantom(), 1);
    }

    // Q4. Offsets 0, 2, 1 for sends 0, 1, 2: the last of them is behind. The told offsets are right, so Q5 is silent.
    #[test]
    fn two_records_in_the_wrong_order_are_reordered() {
        let history = vec![
            sent(0, 0, Told::Acknowledged(Some(0))),
            sent(1, 1, Told::Acknowledged(Some(2))),
            sent(2, 2, Told::Acknowledged(Some(1))),
        ];

        let total = judge(&history, &[logged(0, 0), logged(2, 1), logged(1, 2)]).total;
        assert_eq!((total.reordered(), total.misplaced()), (1, 0));
        assert!(!total.is_clean());
    }

    // Q4 covers records in doubt: order is promised for whatever is in the log.
    #[test]
    fn a_record_in_doubt_that_landed_behind_its_successor_is_reordered() {
        let history = vec![sent(0, 0, Told::Unknown), sent(1, 1, Told::Acknowledged(Some(0)))];

        let total = judge(&history, &[logged(1, 0), logged(0, 1)]).total;
        assert_eq!((total.unknown, total.reordered()), (1, 1));
    }

    // Doubt allows both: in the log once, or not at all. Two copies are too many.
    #[test]
    fn a_record_in_doubt_may_be_there_once_or_not_at_all() {
        let history = vec![sent(0, 0, Told::Unknown), sent(1, 1, Told::Unknown)];

        assert!(judge(&history, &[logged(0, 0)]).total.is_clean());
        assert_eq!(judge(&history, &[logged(0, 0), logged(0, 5)]).total.repeated(), 1);
    }

    // Q5, and Q7 for the partition. The producer must not tell an offset that holds something else, nor a partition.
    #[test]
    fn an_acknowledgement_with_the_wrong_place_is_misplaced() {
        let wrong_offset = vec![sent(0, 0, Told::Acknowledged(Some(5)))];
        assert_eq!(judge(&wrong_offset, &[logged(0, 0)]).total.misplaced(), 1);

        let wrong_partition = vec![sent(0, 0, Told::Acknowledged(None))];
        let log = [Logged { partition: 3, ..logged(0, 0) }];
        assert_eq!(judge(&wrong_partition, &log).total.corrupted(), 1);
    }

    // An acknowledgement may come without an offset (a proof by sequence); that alone is no fault.
    #[test]
    fn an_acknowledgement_without_an_offset_is_clean() {
        assert!(judge(&[sent(0, 0, Told::Acknowledged(None))], &[logged(0, 4)]).total.is_clean());
    }

    // Q7. Deduplication that swallowed other bytes, or a buffer that was reused too early, shows here.
    #[test]
    fn a_record_with_other_bytes_is_corrupted() {
        let log = [Logged { digest: 8, ..logged(0, 0) }];

        assert_eq!(judge(&[sent(0, 0, Told::Acknowledged(Some(0)))], &log).total.corrupted(), 1);
    }

    // Q13, [OUT-5]. A delivery that never resolves is a finding of its own, whatever is in the log.
    #[test]
    fn a_record_without_an_outcome_is_stuck() {
        let total = judge(&[sent(0, 0, Told::Nothing)], &[logged(0, 0)]).total;

        assert_eq!(total.stuck(), 1);
        assert!(!total.is_clean());
    }

    // Each finding is booked under the incident in whose time the record was sent.
    #[test]
    fn findings_are_counted_per_phase() {
        let mut history = acknowledged_three();
        history[2].phase = 4;
        let log = vec![logged(0, 0), logged(1, 1)];

        let verdict = judge(&history, &log);
        assert_eq!(
            (verdict.phases[&0].sent, verdict.phases[&0].acknowledged, verdict.phases[&0].lost()),
            (2, 2, 0)
        );
        assert_eq!(
            (verdict.phases[&4].sent, verdict.phases[&4].acknowledged, verdict.phases[&4].lost()),
            (1, 1, 1)
        );
        assert_eq!(verdict.report("run").lines().count(), 4);
    }

    // Q6. Both directions: what differs, and what only one of the readers saw.
    #[test]
    fn two_readings_that_differ_disagree_at_a_place() {
        let one = log_of_three();
        let mut other = log_of_three();
        assert!(disagreements(&one, &other).is_empty());

        other[1].digest = 9;
        other.pop();
        assert_eq!(disagreements(&one, &other), vec![(0, 1), (0, 2)]);
    }

    // A broken workload must not pass for a broken producer.
    #[test]
    #[should_panic(expected = "sent twice by the workload")]
    fn a_history_with_an_id_twice_is_refused() {
        drop(judge(&[sent(0, 0, Told::Unknown), sent(0, 1, Told::Unknown)], &[]));
    }
}
