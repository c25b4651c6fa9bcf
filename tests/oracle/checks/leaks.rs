//! Q15 leak: at rest, everything is back where it was.

use super::super::breach::{Check, Findings};
use super::super::leaks::Leaks;

pub fn check(leaks: &Leaks, findings: &mut Findings) {
    for level in &leaks.levels {
        if level.after > level.before {
            findings.add(Check::Q15, || {
                format!("{}: {} before the run, {} after it", level.name, level.before, level.after)
            });
        }
    }
}
