//! The desk of a running lab: which labs there are, which one runs, how each one ended last.
//!
//! **Why one at a time.** Two labs at once would meet each other's faults and count each other's records. Neighbours:
//! `routes/lab` is its HTTP; [`crate::lab::running`] tells it where the lab is. Not here: the labs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

use crate::lab::language::Language;
use crate::lab::runner::catalogue::entry;
use crate::lab::runner::checkpoint::Checkpoint;
use crate::lab::runner::lab_id::LabId;
use crate::lab::runner::target::LabTarget;

/// What a lab's façade knows about its producers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProducerFacts {
    /// Where they begin.
    pub bootstrap: String,
    /// `KAFKA_ADDRESS_MAP`, if it is set.
    #[schema(required = true)]
    pub address_map: Option<String>,
    /// How long profile `java` waits for an answer.
    pub request_timeout_ms: u64,
    /// How long profile `librdkafka` waits for an answer.
    pub socket_timeout_ms: u64,
    /// When they give up.
    pub delivery_timeout_ms: u64,
}

/// The answer of `GET /api/v1/lab`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabOverview {
    /// Which Kafka and which injector belong to this lab.
    #[schema(required = true)]
    pub target: Option<LabTarget>,
    /// What its producers do.
    #[schema(required = true)]
    pub producers: Option<ProducerFacts>,
    /// The lab that runs now.
    #[schema(required = true, example = "02.4")]
    pub running: Option<String>,
    /// All labs.
    pub labs: Vec<LabRow>,
}

/// A lab, and how it ended last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LabRow {
    /// Its name.
    #[schema(example = "02.4")]
    pub lab: String,
    /// Its title.
    pub title: String,
    /// What is to be seen.
    pub goal: String,
    /// What to paste into a shell.
    pub command: String,
    /// Which of the course's six objectives it serves.
    pub objective: usize,
    /// How it ended last; null if it has not run.
    #[schema(required = true)]
    pub last: Option<Checkpoint>,
}

/// Where and with what a lab was started.
#[derive(Debug, Clone)]
struct Place {
    target: LabTarget,
    producers: ProducerFacts,
}

/// The desk.
#[derive(Debug, Default)]
pub struct Desk {
    place: OnceLock<Place>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<LabId>,
    last: BTreeMap<LabId, Checkpoint>,
}

/// The right to run a lab; given back when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    desk: &'a Desk,
    lab: LabId,
}

impl Desk {
    /// Tells where the lab is; once, when its ports are known.
    pub fn open(&self, target: LabTarget, producers: ProducerFacts) {
        // A second opening would be of the same lab: the first one stays.
        drop(self.place.set(Place { target, producers }));
    }

    /// Where the lab is; `None` before it is open.
    pub fn target(&self) -> Option<&LabTarget> {
        self.place.get().map(|place| &place.target)
    }

    /// The right to run a lab, or the name of the one that runs.
    ///
    /// # Errors
    ///
    /// The lab that runs.
    pub fn begin(&self, lab: LabId) -> Result<Turn<'_>, LabId> {
        let mut state = self.lock();
        match state.running {
            Some(running) => Err(running),
            None => {
                state.running = Some(lab);
                Ok(Turn { desk: self, lab })
            }
        }
    }

    /// Everything, in the reader's language.
    pub fn overview(&self, language: Language) -> LabOverview {
        let state = self.lock();
        let labs = LabId::all().map(|lab| {
            let entry = entry(lab);
            LabRow {
                lab: lab.name().to_owned(),
                title: entry.title.pick(language).to_owned(),
                goal: entry.goal.pick(language).to_owned(),
                command: entry.command.to_owned(),
                objective: entry.objective,
                last: state.last.get(&lab).cloned(),
            }
        });
        LabOverview {
            labs: labs.collect(),
            running: state.running.map(|lab| lab.name().to_owned()),
            target: self.place.get().map(|place| place.target.clone()),
            producers: self.place.get().map(|place| place.producers.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Keeps how the lab ended.
    pub fn end(self, checkpoint: &Checkpoint) {
        self.desk.lock().last.insert(self.lab, checkpoint.clone());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.desk.lock().running = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::runner::checkpoint::Steps;

    // Two labs at once would meet each other's faults; and a lab that ends, however it does, must not lock the desk.
    #[test]
    fn one_lab_at_a_time_and_the_turn_is_given_back() {
        let desk = Desk::default();

        let turn = desk.begin(LabId::Faults).unwrap();
        assert_eq!(desk.begin(LabId::Sync).unwrap_err(), LabId::Faults);
        assert_eq!(desk.overview(Language::English).running.as_deref(), Some("02.3"));
        turn.end(&Steps::default().finish(LabId::Faults, String::new(), None, 0));

        drop(desk.begin(LabId::Sync).unwrap());
        let overview = desk.overview(Language::French);
        assert_eq!(overview.running, None);
        assert!(overview.labs.iter().any(|row| row.lab == "02.3" && row.last.is_some()));
        assert!(overview.labs.iter().any(|row| row.lab == "02.1" && row.last.is_none()));
    }
}
