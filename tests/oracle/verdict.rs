//! The verdict on a run in numbers: what was told, and how often each check found something.

use std::collections::BTreeMap;
use std::fmt;

use super::breach::{Breach, Check, Findings};
use super::history::{Entry, History, Told};

/// Counts of a run, or of one phase of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Handed to `send`: accepted or refused.
    pub sent: u64,
    pub acknowledged: u64,
    pub rejected: u64,
    pub unknown: u64,
    pub refused: u64,
    /// Findings by check, Q1 first.
    findings: [u32; Check::ALL.len()],
}

impl Tally {
    #[must_use]
    pub const fn count(&self, check: Check) -> u32 {
        self.findings[check.place()]
    }

    /// Q1: acknowledged and not in the log.
    #[must_use]
    pub const fn lost(&self) -> u32 {
        self.count(Check::Q1)
    }

    /// Q2: in the log more than once.
    #[must_use]
    pub const fn repeated(&self) -> u32 {
        self.count(Check::Q2)
    }

    /// Q3: rejected, refused or never sent, and in the log.
    #[must_use]
    pub const fn phantom(&self) -> u32 {
        self.count(Check::Q3)
    }

    /// Q5: acknowledged at an offset where it is not.
    #[must_use]
    pub const fn misplaced(&self) -> u32 {
        self.count(Check::Q5)
    }

    /// Q7: found with other bytes, or in another partition.
    #[must_use]
    pub const fn corrupted(&self) -> u32 {
        self.count(Check::Q7)
    }

    /// Q8: lost, while a later record of the lane is in the log.
    #[must_use]
    pub const fn gaps(&self) -> u32 {
        self.count(Check::Q8)
    }

    /// Q13: without an outcome.
    #[must_use]
    pub const fn stuck(&self) -> u32 {
        self.count(Check::Q13)
    }

    /// Q4: behind a record that was sent after it.
    #[must_use]
    pub const fn reordered(&self) -> u32 {
        self.count(Check::Q4)
    }

    /// Whether nothing happened that may never happen. Doubt and rejections may.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|&count| count == 0)
    }

    fn add(&mut self, entry: &Entry) {
        self.sent += 1;
        match entry.told {
            Some(Told::Acknowledged { .. }) => self.acknowledged += 1,
            Some(Told::Rejected { .. }) => self.rejected += 1,
            Some(Told::Unknown { .. }) => self.unknown += 1,
            Some(Told::Refused) => self.refused += 1,
            None => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sent {}, acknowledged {}, rejected {}, unknown {}, refused {}; lost {}, repeated {}, reordered {}",
            self.sent,
            self.acknowledged,
            self.rejected,
            self.unknown,
            self.refused,
            self.lost(),
            self.repeated(),
            self.reordered()
        )?;
        let mut others = 0;
        for check in Check::ALL {
            if !matches!(check, Check::Q1 | Check::Q2 | Check::Q4) && self.count(check) > 0 {
                write!(f, ", {check} {}", self.count(check))?;
                others += 1;
            }
        }
        if others == 0 { f.write_str(", nothing else") } else { Ok(()) }
    }
}

/// Everything the oracle has to say about a run.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub total: Tally,
    /// By the phase in which a record was accepted.
    pub phases: BTreeMap<u16, Tally>,
    pub breaches: Vec<Breach>,
}

impl Verdict {
    pub(super) fn new(history: &History, findings: Findings) -> Self {
        let mut verdict = Self::default();
        for (_, entry) in history.records() {
            verdict.total.add(entry);
            verdict.phases.entry(entry.phase).or_default().add(entry);
        }
        verdict.total.findings = findings.counts;
        for (check, id) in &findings.records {
            if let Some(entry) = history.entry(*id) {
                verdict.phases.entry(entry.phase).or_default().findings[check.place()] += 1;
            }
        }
        verdict.breaches = findings.into_breaches();
        verdict
    }

    /// One line for the run, one for each phase if there are several, one for each breach.
    #[must_use]
    pub fn report(&self, run: &str) -> String {
        let mut text = format!("{run}: {}", self.total);
        if self.phases.len() > 1 {
            for (phase, tally) in &self.phases {
                text.push_str(&format!("\n{run}, incident {phase}: {tally}"));
            }
        }
        for breach in &self.breaches {
            text.push_str(&format!("\n{run}: BREACH {breach}"));
        }
        text
    }
}
