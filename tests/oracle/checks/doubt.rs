//! Q17 doubt-quality: no "unknown" where nothing happened that could leave a doubt. It stops us from hiding behind U.
//!
//! D-69 says when: on Apache's rules, idempotent, `delivery.timeout.ms` at least 4 L, every fault one of the network and
//! shorter than L, at least L of peace between two. Chained short faults make U right.

use super::super::breach::{Check, Findings};
use super::super::conditions::Conditions;
use super::super::history::{FaultSpan, History, Told};

pub fn check(history: &History, conditions: &Conditions, findings: &mut Findings) {
    if !must_be_absent(history, conditions) {
        return;
    }
    for (id, entry) in history.records() {
        if let Some(Told::Unknown { cause }) = entry.told {
            findings.about(Check::Q17, id, || {
                format!(
                    "record {} of lane {} is unknown ({cause}) although the network was never away for long",
                    id.0, entry.lane.0
                )
            });
        }
    }
}

/// Whether D-69's conditions hold for this run.
pub fn must_be_absent(history: &History, conditions: &Conditions) -> bool {
    let Some(timeouts) = conditions.timeouts else { return false };
    let bound_ns = timeouts.liveness_bound_ns();
    if !conditions.is_apache() || !conditions.is_idempotent || timeouts.delivery_ns < 4 * bound_ns {
        return false;
    }
    let is_short = |fault: &FaultSpan| fault.is_of_the_network && fault.to_ns - fault.from_ns < bound_ns;
    if history.faults.is_empty() || !history.faults.iter().all(is_short) {
        return false;
    }
    let mut spans: Vec<(u64, u64)> =
        history.faults.iter().map(|fault| (fault.from_ns, fault.to_ns)).collect();
    spans.sort_unstable();
    // Faults that overlap are one; what counts is how long it lasts in all, and the peace around it.
    let mut ended_ns: Option<u64> = None;
    spans.iter().all(|&(from_ns, to_ns)| {
        let is_apart = ended_ns.is_none_or(|ended_ns| from_ns >= ended_ns + bound_ns);
        ended_ns = Some(ended_ns.map_or(to_ns, |ended_ns| ended_ns.max(to_ns)));
        is_apart
    })
}
