//! Compares the log with what the producer said, and with what its mode promises.
//!
//! **Why pure.** Everything is decided from two lists, so each kind of breach is a test of a few lines. Neighbours:
//! `ledger` has what was said, the log reader what is there. Not here: reading.
//!
//! | found | means | promised never by |
//! |---|---|---|
//! | lost | acknowledged and not in the log | acks=1, acks=all |
//! | duplicated | more than one copy | an idempotent producer |
//! | reordered | first copy behind a later record's first copy | an ordered producer |
//! | misplaced | acknowledged at an offset where another record lies | acks=1, acks=all |
//! | phantom | said to be certainly not in the log, and it is | any |
//! | foreign | a value that nobody sent, or in a partition to which it was not sent | any |

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::verify::ledger::{Ledger, Said};
use crate::config::Acks;
use crate::lab::runner::log_reader::LogLine;
use crate::producer::Guarantees;

/// What a mode promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    guarantees: Guarantees,
}

/// How often something was found, and the first records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// How often.
    pub count: u64,
    /// The first numbers.
    pub first: Vec<u32>,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionAudit {
    /// Which.
    pub partition: i32,
    /// Records handed over.
    pub sent: u64,
    /// Of them acknowledged.
    pub acknowledged: u64,
    /// Of them certainly not stored.
    pub rejected: u64,
    /// Of them unknown.
    pub unknown: u64,
    /// Of the unknown ones in the log.
    pub unknown_in_log: u64,
    /// Copies in the log.
    pub in_log: u64,
    /// See the table above.
    pub lost: Found,
    /// See the table above.
    pub duplicated: Found,
    /// See the table above.
    pub reordered: Found,
    /// See the table above.
    pub misplaced: Found,
    /// See the table above.
    pub phantom: Found,
    /// See the table above.
    pub foreign: Found,
}

/// All partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// In order.
    pub partitions: Vec<PartitionAudit>,
}

impl Promise {
    /// What a producer with these guarantees promises.
    pub const fn of(guarantees: Guarantees) -> Self {
        Self { guarantees }
    }

    /// Whether a success means that a broker has the record.
    pub const fn is_confirmed(&self) -> bool {
        !matches!(self.guarantees.acks, Acks::None)
    }

    /// In words.
    pub const fn words(&self) -> &'static str {
        match (self.guarantees.no_duplicates, self.guarantees.ordered, self.guarantees.acks) {
            (true, _, _) => "idempotent: no record is lost, duplicated or reordered",
            (false, _, Acks::None) => "acks=0: nothing is promised",
            (false, true, _) => "plain, ordered: no record is lost or reordered",
            (false, false, _) => "plain: no record is lost",
        }
    }

    /// What was found against the promise, in words.
    pub fn breaches(&self, audit: &Audit) -> Vec<String> {
        let confirmed = self.is_confirmed();
        let Guarantees { no_duplicates, ordered, .. } = self.guarantees;
        let mut breaches = Vec::new();
        let mut check = |is_promised: bool, what: &str, of: fn(&PartitionAudit) -> &Found| {
            for partition in audit.partitions.iter().filter(|_| is_promised) {
                let Found { count, first } = of(partition);
                if *count > 0 {
                    let place = partition.partition;
                    breaches.push(format!("partition {place}: {count} {what}, first {first:?}"));
                }
            }
        };
        check(confirmed, "lost", |found| &found.lost);
        check(no_duplicates, "duplicated", |found| &found.duplicated);
        check(ordered && confirmed, "reordered", |found| &found.reordered);
        check(confirmed, "misplaced", |found| &found.misplaced);
        check(true, "stored although said rejected", |found| &found.phantom);
        check(true, "that nobody sent there", |found| &found.foreign);
        breaches
    }
}

impl Audit {
    /// Compares; `prefix` begins the values of the run.
    pub fn of(ledger: &Ledger, lines: &[LogLine], prefix: &str, partitions: i32) -> Self {
        let audits = (0..partitions).map(|partition| {
            let said: BTreeMap<u32, Said> = ledger.of_partition(partition).collect();
            let log: Vec<(i64, Option<u32>)> = lines
                .iter()
                .filter(|line| line.partition == partition)
                .map(|line| (line.offset, line.value.strip_prefix(prefix).and_then(|text| text.parse().ok())))
                .collect();
            audit_partition(partition, &said, &log)
        });
        Self { partitions: audits.collect() }
    }

    /// The sum over the partitions.
    pub fn total(&self, of: impl Fn(&PartitionAudit) -> u64) -> u64 {
        self.partitions.iter().map(of).sum()
    }
}

fn audit_partition(partition: i32, said: &BTreeMap<u32, Said>, log: &[(i64, Option<u32>)]) -> PartitionAudit {
    let mut audit = PartitionAudit { partition, ..PartitionAudit::default() };
    let mut copies: BTreeMap<u32, u64> = BTreeMap::new();
    let mut at: BTreeMap<i64, u32> = BTreeMap::new();
    let mut highest = None;
    for (offset, number) in log {
        audit.in_log += 1;
        let Some(number) = number.filter(|number| said.contains_key(number)) else {
            audit.foreign.add(number.unwrap_or(u32::MAX));
            continue;
        };
        at.insert(*offset, number);
        let count = copies.entry(number).or_default();
        *count += 1;
        if *count > 1 {
            audit.duplicated.add(number);
        } else if highest.is_some_and(|highest| number < highest) {
            audit.reordered.add(number);
        }
        highest = highest.max(Some(number));
    }
    for (number, said) in said {
        let is_in_log = copies.contains_key(number);
        audit.sent += 1;
        match said {
            Said::Acknowledged { offset } => {
                audit.acknowledged += 1;
                if !is_in_log {
                    audit.lost.add(*number);
                } else if offset.is_some_and(|offset| at.get(&offset) != Some(number)) {
                    audit.misplaced.add(*number);
                }
            }
            Said::Rejected => {
                audit.rejected += 1;
                if is_in_log {
                    audit.phantom.add(*number);
                }
            }
            Said::Unknown | Said::Nothing => {
                audit.unknown += 1;
                audit.unknown_in_log += u64::from(is_in_log);
            }
        }
    }
    audit
}

impl Found {
    fn add(&mut self, number: u32) {
        self.count += 1;
        if self.first.len() < MOST_SHOWN {
            self.first.push(number);
        }
    }
}

const MOST_SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const ACKED: fn(i64) -> Said = |offset| Said::Acknowledged { offset: Some(offset) };

    fn audit(said: &[(u32, Said)], log: &[u32]) -> PartitionAudit {
        let log: Vec<(i64, Option<u32>)> = (0i64..).zip(log.iter().copied().map(Some)).collect();
        audit_partition(0, &said.iter().copied().collect(), &log)
    }

    fn breaches(audit: PartitionAudit, no_duplicates: bool, ordered: bool, acks: Acks) -> Vec<String> {
        let promise = Promise::of(Guarantees { no_duplicates, ordered, acks });
        promise.breaches(&Audit { partitions: vec![audit] })
    }

    // A clean run breaks nothing; a run with every kind of breach must show each one, or the audit proves nothing.
    #[test]
    fn each_kind_of_breach_is_found() {
        let clean = audit(&[(0, ACKED(0)), (1, ACKED(1)), (2, Said::Unknown)], &[0, 1]);
        assert_eq!(breaches(clean, true, true, Acks::All), Vec::<String>::new());

        for (said, log, expected) in [
            (vec![(0, ACKED(0)), (1, ACKED(1))], vec![0], "1 lost, first [1]"),
            (vec![(0, ACKED(0)), (1, ACKED(1))], vec![0, 1, 0], "1 duplicated, first [0]"),
            (vec![(0, ACKED(1)), (1, ACKED(0))], vec![1, 0], "1 reordered, first [0]"),
            (vec![(0, ACKED(0)), (1, ACKED(0))], vec![0, 1], "1 misplaced, first [1]"),
            (
                vec![(0, ACKED(0)), (1, Said::Rejected)],
                vec![0, 1],
                "1 stored although said rejected, first [1]",
            ),
            (vec![(0, ACKED(0))], vec![0, 7], "1 that nobody sent there, first [7]"),
        ] {
            let found = breaches(audit(&said, &log), true, true, Acks::All);
            assert_eq!(found, [format!("partition 0: {expected}")]);
        }
    }

    // A plain producer may duplicate and reorder; it may not lose. acks=0 may lose. Nobody may store what was rejected.
    #[test]
    fn each_mode_is_held_to_its_own_promise() {
        let duplicated = audit(&[(0, ACKED(0)), (1, ACKED(1))], &[0, 1, 0]);
        let reordered = audit(&[(0, ACKED(1)), (1, ACKED(0))], &[1, 0]);
        let lost = audit(&[(0, ACKED(0))], &[]);
        let phantom = audit(&[(0, Said::Rejected)], &[0]);

        assert_eq!(breaches(duplicated, false, false, Acks::Leader).len(), 0);
        assert_eq!(breaches(reordered.clone(), false, false, Acks::Leader).len(), 0);
        assert_eq!(breaches(reordered, false, true, Acks::Leader).len(), 1);
        assert_eq!(breaches(lost.clone(), false, false, Acks::Leader).len(), 1);
        assert_eq!(breaches(lost, false, false, Acks::None).len(), 0);
        assert_eq!(breaches(phantom, false, false, Acks::None).len(), 1);
    }

    // An unknown record is zero or one copy; both are counted, and neither is a breach.
    #[test]
    fn unknown_records_are_counted_both_ways() {
        let audit = audit(&[(0, Said::Unknown), (1, Said::Unknown), (2, Said::Nothing)], &[0]);

        assert_eq!((audit.unknown, audit.unknown_in_log, audit.lost.count), (3, 1, 0));
    }
}
