//! What a lab did and saw, step by step, and whether its checkpoint is reached.
//!
//! **Why expected and seen are both kept.** "Failed" alone teaches nothing: each step says what was done, what should
//! have been seen and what was, in the reader's language. Neighbours: `labs/` write steps, `cli::lab` prints them,
//! `routes/lab` answers with them. Not here: any judgement; the labs make it.

use serde::Serialize;

use crate::cli::exit::Failure;
use crate::cli::http::HttpError;
use crate::lab::runner::lab_id::LabId;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Step {
    /// What was done.
    pub did: String,
    /// What should be seen.
    pub expected: String,
    /// What was seen.
    pub saw: String,
    /// Whether that fits.
    pub ok: bool,
}

/// How a lab ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// The lab's name, such as `02.4`.
    pub lab: String,
    /// The checkpoint, in one line.
    pub checkpoint: String,
    /// Whether it is reached: every step went as expected.
    pub ok: bool,
    /// What really happened, in a sentence or two.
    pub conclusion: String,
    /// The steps, in the order in which they were taken.
    pub steps: Vec<Step>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// The steps of a lab that runs.
#[derive(Debug, Default)]
pub struct Steps {
    taken: Vec<Step>,
    conclusion: String,
}

/// A step that could not be taken at all; the lab ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What stood in the way.
    pub reason: String,
}

impl Stop {
    /// With a reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<HttpError> for Stop {
    fn from(error: HttpError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::new(failure.message)
    }
}

impl Steps {
    /// Notes a step; whether it went as expected.
    pub fn check(
        &mut self,
        did: impl Into<String>,
        expected: impl Into<String>,
        saw: impl Into<String>,
        ok: bool,
    ) -> bool {
        self.taken.push(Step { did: did.into(), expected: expected.into(), saw: saw.into(), ok });
        ok
    }

    /// What really happened.
    pub fn conclude(&mut self, conclusion: impl Into<String>) {
        self.conclusion = conclusion.into();
    }

    /// The checkpoint: reached if every step went well, there was one, and nothing stopped the lab.
    pub fn finish(
        mut self,
        lab: LabId,
        checkpoint: String,
        stopped: Option<(Stop, String)>,
        elapsed_ms: u64,
    ) -> Checkpoint {
        if let Some((stop, expected)) = stopped {
            self.taken.push(Step { did: lab.name().to_owned(), expected, saw: stop.reason, ok: false });
        }
        Checkpoint {
            lab: lab.name().to_owned(),
            checkpoint,
            ok: !self.taken.is_empty() && self.taken.iter().all(|step| step.ok),
            conclusion: self.conclusion,
            steps: self.taken,
            elapsed_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A lab that took no step, or was stopped, must not count as passed: silence is no proof.
    #[test]
    fn a_checkpoint_needs_steps_that_all_went_well() {
        let empty = Steps::default().finish(LabId::Start, String::new(), None, 0);
        assert!(!empty.ok);

        let mut one_of_two = Steps::default();
        assert!(one_of_two.check("a", "1", "1", true));
        assert!(!one_of_two.check("b", "1", "2", false));
        assert!(!one_of_two.finish(LabId::Start, String::new(), None, 0).ok);

        let mut stopped = Steps::default();
        stopped.check("a", "1", "1", true);
        let stop = Some((Stop::new("refused"), "an answer".to_owned()));
        let stopped = stopped.finish(LabId::Start, String::new(), stop, 0);
        assert!(!stopped.ok);
        assert_eq!(stopped.steps[1].saw, "refused");

        let mut good = Steps::default();
        good.check("a", "1", "1", true);
        assert!(good.finish(LabId::Start, String::new(), None, 0).ok);
    }
}
