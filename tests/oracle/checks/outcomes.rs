//! What was told: Q12 once each, callbacks in the order of `send`; Q13 in time.

use super::super::breach::{Check, Findings};
use super::super::conditions::Conditions;
use super::super::history::{Entry, History, Lane, RecordId, Told};

pub fn check(history: &History, conditions: &Conditions, findings: &mut Findings) {
    for (id, entry) in history.records() {
        once(id, entry, findings);
        in_time(history, conditions, (id, entry), findings);
    }
    for &(id, what) in &history.wrong {
        findings.about(Check::Q12, id, || format!("record {}: {what}", id.0));
    }
    let places = places_of(history);
    for (lane, called) in (0..).map(Lane).zip(&history.callbacks) {
        callbacks_in_order(&places, lane, called, findings);
    }
}

/// Q12: exactly one outcome; none for what was refused. No outcome at all is Q13's.
fn once(id: RecordId, entry: &Entry, findings: &mut Findings) {
    let lane = entry.lane.0;
    let is_refused = entry.told == Some(Told::Refused);
    if entry.tellings > 1 || (is_refused && entry.tellings > 0) {
        findings.about(Check::Q12, id, || {
            format!("record {} of lane {lane} was told {} outcomes", id.0, entry.tellings)
        });
    }
    if let Some(ran) = entry.callbacks
        && entry.tellings > 0
        && ran != 1
    {
        findings.about(Check::Q12, id, || {
            format!("the callback of record {} of lane {lane} ran {ran} times", id.0)
        });
    }
    if entry.late.is_some() && !entry.told.is_some_and(Told::is_unknown) {
        findings.about(Check::Q12, id, || {
            format!("record {} of lane {lane} was resolved late, and was told {:?} before", id.0, entry.told)
        });
    }
}

/// Q13: by the delivery timeout and two request timeouts.
fn in_time(
    history: &History,
    conditions: &Conditions,
    (id, entry): (RecordId, &Entry),
    findings: &mut Findings,
) {
    if entry.told == Some(Told::Refused) {
        return;
    }
    let due_ns = conditions.timeouts.map(|timeouts| entry.accepted_ns + timeouts.outcome_bound_ns());
    let is_stuck = match (entry.told, due_ns, history.ended_ns) {
        (Some(_), Some(due_ns), _) => entry.told_ns > due_ns,
        (None, Some(due_ns), Some(ended_ns)) => ended_ns >= due_ns,
        (Some(_), None, _) => false,
        (None, _, _) => true,
    };
    if is_stuck {
        findings.about(Check::Q13, id, || {
            let lane = entry.lane.0;
            let (accepted, due) = (entry.accepted_ns, due_ns.unwrap_or(0));
            match entry.told {
                Some(_) => format!(
                    "record {} of lane {lane}, accepted at {accepted} ns, was told at {} ns: due at {due} ns",
                    id.0, entry.told_ns
                ),
                None => format!("record {} of lane {lane}, accepted at {accepted} ns, has no outcome", id.0),
            }
        });
    }
}

/// By record: its place on its lane. Empty if nobody asked for callbacks.
fn places_of(history: &History) -> Vec<u32> {
    if history.callbacks.is_empty() {
        return Vec::new();
    }
    let mut places = vec![0; history.entries.len()];
    for records in &history.lanes {
        for (place, id) in (0..).zip(records) {
            places[id.place()] = place;
        }
    }
    places
}

/// Q12: callbacks of one lane run in send order (D-20).
fn callbacks_in_order(places: &[u32], lane: Lane, called: &[RecordId], findings: &mut Findings) {
    for pair in called.windows(2) {
        if places[pair[1].place()] < places[pair[0].place()] {
            findings.about(Check::Q12, pair[1], || {
                format!(
                    "lane {}: the callback of record {} ran after that of record {}, which was sent later",
                    lane.0, pair[1].0, pair[0].0
                )
            });
        }
    }
}
