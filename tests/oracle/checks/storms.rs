//! Q16 storm: more requests in a second than patience would make.

use super::super::breach::{Check, Findings};
use super::super::conditions::Conditions;
use super::super::history::{History, RequestKind};

pub fn check(history: &History, conditions: &Conditions, findings: &mut Findings) {
    let Some(budget) = conditions.budget else { return };
    let rates = RequestKind::ALL.iter().zip(&history.rates);
    for ((kind, rate), limit) in rates.zip(budget.limits()) {
        if rate.worst > limit {
            findings.add(Check::Q16, || {
                format!("{kind:?}: {} in second {}, {limit} are allowed", rate.worst, rate.worst_second)
            });
        }
    }
}
