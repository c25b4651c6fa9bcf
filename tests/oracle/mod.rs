//! The oracle: what was accepted and told, against what is in the log. Checks Q1 to Q18, one file each.
//!
//! **Why a library of its own.** One judge for every venue: the simulation, the embedded broker on sockets, a real
//! Kafka. A checker that is wrong makes every run pass, so it is shown hand-written histories, good and bad, for every
//! check (`tests/oracle_histories.rs`). It needs nothing but the standard library, and it is fast: records and lanes are
//! dense numbers that index vectors, and no text is made before a breach is found; the simulation asks it thousands of
//! times a second.
//!
//! **How to use it.** Write a [`History`] while the run goes on, read the logs into a [`FinalLog`], say under which
//! [`Conditions`] it ran, then ask [`judge`] (counts and breaches) or [`check`] (breaches alone). After a quiet period
//! read the logs again and ask [`recheck`]: a copy that lands late is a breach too (Q3).
//!
//! | file | checks |
//! | --- | --- |
//! | `checks/presence.rs` | Q1 lost-write, Q2 duplicate, Q3 phantom, Q5 wrong-offset, Q7 corruption: a record and its copies |
//! | `checks/order.rs` | Q4 nonmonotonic-send, Q8 silent-gap: a lane, read in the order of `send` |
//! | `checks/replicas.rs` | Q6 inconsistent-offset: two readings of one log |
//! | `checks/premature_ack.rs` | Q9 premature-ack |
//! | `checks/wire.rs` | Q10 identity-reuse, Q11 window: what was written and answered, batch by batch |
//! | `checks/outcomes.rs` | Q12 callback-count, Q13 stuck: what was told, how often, when, in which order |
//! | `checks/progress.rs` | Q14 no progress after healing |
//! | `checks/leaks.rs`, `storms.rs`, `doubt.rs`, `panics.rs` | Q15, Q16, Q17, Q18 |
//!
//! Not here: who makes the run; how records get their numbers (`history.rs` says what is asked of them).
#![allow(dead_code, reason = "each venue uses the part of the oracle that applies to it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness fails by panicking, as tests do"
)]

pub mod breach;
mod checks;
pub mod conditions;
pub mod exemptions;
pub mod final_log;
pub mod history;
pub mod leaks;
pub mod liveness;
pub mod verdict;
pub mod wire;

#[allow(unused_imports, reason = "each venue uses the part of the oracle that applies to it")]
pub use self::{
    breach::{Breach, Check},
    conditions::{Budget, Conditions, Personality},
    final_log::{FinalLog, Found, Replica},
    history::{History, Lane, RecordId, RequestKind, Told},
    leaks::Leaks,
    liveness::Timeouts,
    verdict::{Tally, Verdict},
};

use self::breach::Findings;

/// Every breach of the run: at most a few of each kind in words, the rest as a number.
#[must_use]
pub fn check(
    history: &History,
    log: &FinalLog,
    conditions: &Conditions,
    leaks: Option<&Leaks>,
) -> Vec<Breach> {
    find(history, log, conditions, leaks).into_breaches()
}

/// As [`check`], with the counts that a report wants, in all and by phase.
#[must_use]
pub fn judge(history: &History, log: &FinalLog, conditions: &Conditions, leaks: Option<&Leaks>) -> Verdict {
    Verdict::new(history, find(history, log, conditions, leaks))
}

/// What concerns the log alone (Q1 to Q8), to be asked again of a reading made after a quiet period of one delivery
/// timeout: nothing may have landed meanwhile that was told as not written, and nothing twice.
#[must_use]
pub fn recheck(history: &History, later: &FinalLog, conditions: &Conditions) -> Vec<Breach> {
    let mut findings = Findings::default();
    checks::of_the_log(history, later, conditions, &mut findings);
    findings.into_breaches()
}

fn find(history: &History, log: &FinalLog, conditions: &Conditions, leaks: Option<&Leaks>) -> Findings {
    let mut findings = Findings::default();
    checks::of_the_log(history, log, conditions, &mut findings);
    checks::premature_ack::check(history, &mut findings);
    checks::wire::check(history, conditions, &mut findings);
    checks::outcomes::check(history, conditions, &mut findings);
    checks::progress::check(history, conditions, &mut findings);
    checks::storms::check(history, conditions, &mut findings);
    checks::doubt::check(history, conditions, &mut findings);
    checks::panics::check(history, &mut findings);
    if let Some(leaks) = leaks {
        checks::leaks::check(leaks, &mut findings);
    }
    findings
}
