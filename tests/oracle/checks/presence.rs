//! A record and its copies: Q1 lost-write, Q2 duplicate, Q3 phantom, Q5 wrong-offset, Q7 corruption.

use super::super::breach::{Check, Findings};
use super::super::history::{Entry, RecordId, Told};
use super::Evidence;
use super::sightings::Sighting;

pub fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (id, entry) in evidence.history.records() {
        let seen = evidence.sightings.get(id);
        if let Some(told) = entry.told {
            said_and_seen(evidence, (id, entry, seen), (told, seen.is_where_told, "told"), findings);
        }
        if let Some(late) = entry.late {
            let found = seen.is_where_told_late;
            said_and_seen(evidence, (id, entry, seen), (late, found, "resolved late"), findings);
        }
        if seen.copies > 1 {
            duplicate(evidence, (id, entry, seen), findings);
        }
        if seen.is_on_another_lane {
            findings.about(Check::Q7, id, || {
                format!("record {} was sent to lane {} and is in another lane's log", id.0, entry.lane.0)
            });
        }
        if seen.has_other_content {
            findings.about(Check::Q7, id, || {
                format!("record {} of lane {} is in the log with other bytes", id.0, entry.lane.0)
            });
        }
    }
    for (lane, copy) in &evidence.sightings.strangers {
        findings.add(Check::Q3, || {
            let found = copy.found;
            format!("lane {} has record {} at offset {}: nobody sent it", lane.0, found.id.0, found.offset)
        });
    }
}

type Record<'a> = (RecordId, &'a Entry, &'a Sighting);

/// What was said, whether the log has it where that says, and when it was said.
fn said_and_seen(
    evidence: &Evidence<'_>,
    (id, entry, seen): Record<'_>,
    (said, is_there, when): (Told, bool, &'static str),
    findings: &mut Findings,
) {
    let lane = entry.lane.0;
    match said {
        Told::Acknowledged { offset } => {
            if !evidence.conditions.confirms() {
                if offset.is_some() {
                    findings.about(Check::Q5, id, || {
                        format!("record {} of lane {lane} has an offset that nobody told it: acks=0", id.0)
                    });
                }
                return;
            }
            let start = evidence.log.lanes.get(entry.lane.place()).map_or(0, |log| log.start_offset);
            if is_there || evidence.history.exemptions.may_be_missing(evidence.history, entry, offset, start)
            {
                return;
            }
            if seen.copies == 0 {
                findings.about(Check::Q1, id, || {
                    format!(
                        "record {} of lane {lane} was {when} as {} and is not in the log",
                        id.0,
                        at(offset)
                    )
                });
            } else if seen.first.is_some() {
                findings.about(Check::Q5, id, || {
                    format!(
                        "record {} of lane {lane} was {when} as {} and is at {:?}",
                        id.0,
                        at(offset),
                        seen.first
                    )
                });
            }
        }
        Told::Rejected { cause } => {
            if seen.copies > 0 {
                findings.about(Check::Q3, id, || {
                    format!(
                        "record {} of lane {lane} was {when} as not written ({cause}) and is in the log",
                        id.0
                    )
                });
            }
        }
        Told::Refused => {
            if seen.copies > 0 {
                findings.about(Check::Q3, id, || {
                    format!("record {} of lane {lane} was never accepted and is in the log", id.0)
                });
            }
        }
        Told::Unknown { .. } => {}
    }
}

fn duplicate(evidence: &Evidence<'_>, (id, entry, seen): Record<'_>, findings: &mut Findings) {
    let is_excused = evidence.conditions.may_duplicate()
        || entry.is_old
        || evidence.fogs.is_some_and(|fogs| fogs.is_in_fog(entry));
    if !is_excused {
        findings.about(Check::Q2, id, || {
            format!("record {} of lane {} is in the log {} times", id.0, entry.lane.0, seen.copies)
        });
    }
}

fn at(offset: Option<i64>) -> String {
    offset.map_or_else(|| "acknowledged".to_owned(), |offset| format!("acknowledged at offset {offset}"))
}
