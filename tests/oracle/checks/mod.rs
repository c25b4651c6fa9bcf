//! The checks, one noun a file. Each takes the evidence and puts what it finds into [`Findings`].

pub mod doubt;
pub mod leaks;
mod order;
pub mod outcomes;
pub mod panics;
pub mod premature_ack;
mod presence;
pub mod progress;
mod replicas;
mod sightings;
pub mod storms;
pub mod wire;

use super::breach::Findings;
use super::conditions::Conditions;
use super::final_log::FinalLog;
use super::history::History;

/// Q1 to Q8: what the logs show.
pub fn of_the_log(history: &History, log: &FinalLog, conditions: &Conditions, findings: &mut Findings) {
    let sightings = sightings::Sightings::of(history, log);
    let fogs = history.exemptions.clear(history);
    let evidence = Evidence { history, log, conditions, sightings: &sightings, fogs: fogs.as_ref() };
    presence::check(&evidence, findings);
    order::check(&evidence, findings);
    replicas::check(log, findings);
}

/// What the checks of the log look at.
pub struct Evidence<'a> {
    history: &'a History,
    log: &'a FinalLog,
    conditions: &'a Conditions,
    sightings: &'a sightings::Sightings,
    fogs: Option<&'a super::exemptions::Exemptions>,
}
