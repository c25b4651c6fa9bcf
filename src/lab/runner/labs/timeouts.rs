//! Exercise 1: the same fault met by a producer that waits 30,000 ms and by one that waits 1,000 ms.
//!
//! **Why producers of its own.** A timeout is a setting of a whole producer; the labs ship 30,000 ms (D-59). Neighbours:
//! [`crate::lab::runner::own_lab`]. Not here: other settings.

use crate::lab::environment::ProducerEnvironment;
use crate::lab::profile::{Mode, Profile};
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::experiment;
use crate::lab::runner::own_lab::OwnLab;
use crate::lab::runner::recipe::Recipe;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::runner::verdict::Measured;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    for timeout_ms in [30_000, 1000] {
        let environment = ProducerEnvironment {
            request_timeout_ms: timeout_ms,
            socket_timeout_ms: timeout_ms,
            ..ProducerEnvironment::default()
        };
        let own = OwnLab::start(Some(runner.target.kafka.clone()), environment).await?;
        let measured = measure(&Runner::new(own.target(), language)).await;
        own.stop().await;
        let Measured { copies, attempts, elapsed_ms, status, .. } = measured?;
        let sent = attempts.map_or_else(|| "?".to_owned(), |attempts| attempts.to_string());
        let did = say!(
            language,
            "request timeout {timeout_ms} ms: 5 s of latency for 2 s, plain send",
            "request timeout {timeout_ms} ms : 5 s de latence pendant 2 s, envoi plain"
        );
        let is_patient = timeout_ms > 2000;
        let expected = match is_patient {
            true => say!(language, "sent once, 1 copy", "envoyé une fois, 1 copie"),
            false => say!(language, "sent again, at least 2 copies", "renvoyé, au moins 2 copies"),
        };
        let saw = say!(
            language,
            "HTTP {status} after {elapsed_ms} ms, sent {sent} time(s), {copies} copies",
            "HTTP {status} après {elapsed_ms} ms, envoyé {sent} fois, {copies} copies"
        );
        let fits = if is_patient { copies == 1 && attempts == Some(1) } else { copies >= 2 };
        steps.check(did, expected, saw, status == 200 && fits);
    }
    steps.conclude(language.pick(
        "The fault was the same. Only the client that stopped waiting before the answer came has sent again, and stored a second copy.",
        "La panne était la même. Seul le client qui a cessé d'attendre avant l'arrivée de la réponse a renvoyé, et stocké une seconde copie.",
    ));
    Ok(())
}

async fn measure(runner: &Runner) -> Result<Measured, Stop> {
    let mut log = runner.log().await?;
    experiment::one(runner, Recipe::Seed, (Profile::Java, Mode::Plain), &mut log).await
}
