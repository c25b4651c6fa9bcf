//! Lab 02.4: the key experiment, as steps.
//!
//! **Why so short.** The experiment is [`crate::lab::runner::experiment`], which `facteur validate` shares. Neighbours:
//! [`crate::lab::runner::verdict`] judges. Not here: other recipes.

use crate::lab::profile::Mode;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::experiment;
use crate::lab::runner::recipe::Recipe;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let verdict = experiment::run(runner, Recipe::Drop).await?;
    for (number, why) in verdict.numbers.iter().zip(&verdict.why) {
        let name = &number.name;
        let did = say!(
            language,
            "lose one acknowledgement of {name}, then count in the log",
            "perdre un accusé de réception de {name}, puis compter dans le journal"
        );
        let expected = match number.mode {
            Mode::Plain => say!(language, "{name} at least 2", "{name} au moins 2"),
            Mode::Idempotent => say!(language, "{name} exactly 1", "{name} exactement 1"),
        };
        steps.check(did, expected, why.clone(), number.broken(language).is_none());
    }
    steps.conclude(verdict.line);
    Ok(())
}
