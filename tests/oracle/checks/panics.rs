//! Q18 panic: none, but those that user code was made to have.

use super::super::breach::{Check, Findings};
use super::super::history::History;

pub fn check(history: &History, findings: &mut Findings) {
    for panic in &history.panics {
        findings.add(Check::Q18, || panic.clone());
    }
}
