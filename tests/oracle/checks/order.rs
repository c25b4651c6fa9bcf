//! A lane, read in the order of `send`: Q4 nonmonotonic-send, Q8 silent-gap.

use super::super::breach::{Check, Findings};
use super::super::conditions::{Order, Personality};
use super::super::history::{Entry, Lane, RecordId, Told};
use super::Evidence;

pub fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (lane, records) in (0..).map(Lane).zip(&evidence.history.lanes) {
        let order = evidence.conditions.order();
        if order != Order::Nothing {
            nonmonotonic(evidence, lane, records, findings);
        }
        if evidence.conditions.confirms() {
            gaps(evidence, lane, records, findings);
        }
    }
}

/// Q4: offsets must rise. A record whose first copy is below the highest so far counts once.
fn nonmonotonic(evidence: &Evidence<'_>, lane: Lane, records: &[RecordId], findings: &mut Findings) {
    let mut highest: Option<((u16, i64), RecordId)> = None;
    for &id in records {
        let Some(place) = evidence.sightings.get(id).first else { continue };
        let Some(entry) = evidence.history.entry(id) else { continue };
        if is_another_copy(evidence, lane, entry) {
            continue;
        }
        match highest {
            Some((above, before)) if place < above => findings.about(Check::Q4, id, || {
                format!(
                    "lane {}: record {} was sent after record {}, and stands before it: {place:?} below {above:?}",
                    lane.0, id.0, before.0
                )
            }),
            _ if has_a_place(evidence, entry) => highest = Some((place, id)),
            _ => {}
        }
    }
}

/// Whether what is sent after this record must stand behind it.
fn has_a_place(evidence: &Evidence<'_>, entry: &Entry) -> bool {
    let conditions = evidence.conditions;
    let told = entry.told;
    let is_unfenced = match told {
        Some(Told::Unknown { .. }) => {
            conditions.personality == Personality::RefusesLocalBumps || conditions.epochs_run_out
        }
        _ => false,
    };
    let is_promised = match conditions.order() {
        Order::OfAll => !is_unfenced,
        Order::OfAcknowledged => told.is_some_and(Told::is_acknowledged),
        Order::Nothing => false,
    };
    is_promised && !evidence.fogs.is_some_and(|fogs| fogs.is_in_fog(entry))
}

/// A producer without idempotence may leave a second copy anywhere (D-25). Once the acknowledged one has been deleted at
/// the log's start, the copy that is found says nothing of the order.
fn is_another_copy(evidence: &Evidence<'_>, lane: Lane, entry: &Entry) -> bool {
    let start = evidence.log.lanes.get(lane.place()).map_or(0, |log| log.start_offset);
    evidence.conditions.may_duplicate()
        && matches!(entry.told, Some(Told::Acknowledged { offset }) if offset.unwrap_or(0) < start)
}

/// Q8: acknowledged and missing, while something sent later is there. (`on_gap = stop_lane` is not built, D-6.)
fn gaps(evidence: &Evidence<'_>, lane: Lane, records: &[RecordId], findings: &mut Findings) {
    let is_there = |id: &RecordId| evidence.sightings.get(*id).copies > 0;
    let Some(last) = records.iter().rposition(is_there) else { return };
    let start = evidence.log.lanes.get(lane.place()).map_or(0, |log| log.start_offset);
    for &id in &records[..last] {
        if evidence.sightings.get(id).copies > 0 {
            continue;
        }
        let Some(entry) = evidence.history.entry(id) else { continue };
        let Some(Told::Acknowledged { offset }) = entry.told else { continue };
        if !evidence.history.exemptions.may_be_missing(evidence.history, entry, offset, start) {
            findings.about(Check::Q8, id, || {
                format!("lane {}: record {} was acknowledged and is a hole in the log", lane.0, id.0)
            });
        }
    }
}
