//! Q9 premature-ack: A was told while the record was not yet safe. Only a simulation knows.

use super::super::breach::{Check, Findings};
use super::super::history::{History, Told};

pub fn check(history: &History, findings: &mut Findings) {
    for (id, entry) in history.records() {
        if entry.was_durable == Some(false) && entry.told.is_some_and(Told::is_acknowledged) {
            findings.about(Check::Q9, id, || {
                format!(
                    "record {} of lane {} was acknowledged before enough replicas had it",
                    id.0, entry.lane.0
                )
            });
        }
    }
}
