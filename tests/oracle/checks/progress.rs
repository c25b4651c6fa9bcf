//! Q14: once the faults are over, what is still inside its deadline is acknowledged within the bound L.

use super::super::breach::{Check, Findings};
use super::super::conditions::Conditions;
use super::super::history::{Entry, History, RecordId, Told};
use super::super::liveness::Timeouts;

pub fn check(history: &History, conditions: &Conditions, findings: &mut Findings) {
    let (Some(healed_ns), Some(timeouts)) = (history.healed_ns, conditions.timeouts) else { return };
    let peace = Peace { history, conditions, timeouts, healed_ns };
    for (id, entry) in history.records() {
        let due_ns = entry.accepted_ns.max(healed_ns) + timeouts.liveness_bound_ns();
        if peace.is_owed(entry, due_ns) && !peace.is_fine(id, entry, due_ns) {
            findings.about(Check::Q14, id, || {
                format!(
                    "record {} of lane {}, accepted at {} ns, healed at {healed_ns} ns, due at {due_ns} ns: {:?} at {} ns",
                    id.0, entry.lane.0, entry.accepted_ns, entry.told, entry.told_ns
                )
            });
        }
    }
}

struct Peace<'a> {
    history: &'a History,
    conditions: &'a Conditions,
    timeouts: Timeouts,
    healed_ns: u64,
}

impl Peace<'_> {
    /// A canary is owed its acknowledgement whatever the settings; the others only inside their own deadline.
    fn is_owed(&self, entry: &Entry, due_ns: u64) -> bool {
        if entry.is_canary {
            return true;
        }
        let is_inside = entry.accepted_ns + self.timeouts.least_delivery_ns() > due_ns;
        let was_told_before = entry.told.is_some() && entry.told_ns <= self.healed_ns;
        is_inside && !was_told_before && entry.told != Some(Told::Refused)
    }

    fn is_fine(&self, id: RecordId, entry: &Entry, due_ns: u64) -> bool {
        let is_in_time = entry.told_ns <= due_ns;
        match entry.told {
            Some(Told::Acknowledged { .. }) => is_in_time,
            None => self.history.ended_ns.is_some_and(|ended_ns| ended_ns < due_ns),
            Some(Told::Rejected { .. }) => {
                self.is_of_the_past(entry)
                    || self.history.exemptions.is_bound_to_be_refused(id)
                    || (is_in_time && self.history.exemptions.was_given_up_as_set(id))
            }
            Some(Told::Unknown { .. }) => {
                is_in_time
                    && (!self.conditions.is_apache()
                        || self.is_of_the_past(entry)
                        || self.learnt_of_recreation(entry)
                        || self.is_behind_a_gap(entry)
                        || self.history.exemptions.was_given_up_as_set(id)
                        || self.history.exemptions.has_believed_a_lie(id)
                        || self.history.exemptions.is_first_since_cut(self.history, entry))
            }
            Some(Told::Refused) => false,
        }
    }

    /// Sent to a topic that was gone already, by its former id: the producer learns of that later than it happened, and
    /// what is in doubt by then stays so (D-40).
    fn learnt_of_recreation(&self, entry: &Entry) -> bool {
        !entry.is_canary
            && entry.accepted_ns <= self.healed_ns
            && self.history.exemptions.was_recreated(entry.lane, entry.told_ns)
    }

    /// What stands before it in the lane was ended by a broker's answer while it was on its way, before the faults were over.
    /// Its sequence then has a gap before it for ever: if it came in doubt as well, it can only be sent again as it is, every
    /// broker answers 45, and that ends in U (D-13).
    fn is_behind_a_gap(&self, entry: &Entry) -> bool {
        let was_on_its_way = |told_ns: u64| entry.accepted_ns <= told_ns && told_ns <= self.healed_ns;
        let leaves_a_gap = |before: &Entry| {
            before.lane == entry.lane
                && before.accepted_ns <= entry.accepted_ns
                && matches!(
                    before.told,
                    Some(Told::Rejected { .. } | Told::Unknown { cause: Told::BY_A_BROKER })
                )
                && was_on_its_way(before.told_ns)
        };
        !entry.is_canary && self.history.records().any(|(_, before)| leaves_a_gap(before))
    }

    /// A refusal or a doubt that was on its way when the faults ended; or of a topic's former life.
    fn is_of_the_past(&self, entry: &Entry) -> bool {
        let was_on_its_way =
            entry.accepted_ns <= self.healed_ns && entry.told_ns <= self.healed_ns + self.timeouts.request_ns;
        !entry.is_canary && (was_on_its_way || self.history.exemptions.spans_recreation(entry))
    }
}
