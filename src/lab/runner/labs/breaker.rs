//! The circuit breaker (theory 4.2): Kafka away, five failures, open; Kafka back, one try, closed.
//!
//! **Why a lab of its own.** The breaker is off unless asked for, because it would hide what the other labs show; and with
//! the shipped timeouts five failures would take ten minutes. Neighbours: [`crate::lab::breaker`] is the machine. Not
//! here: other ways to protect a caller.

use std::time::Duration;

use crate::lab::breaker::BreakerSettings;
use crate::lab::clock;
use crate::lab::environment::ProducerEnvironment;
use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::facade_client::FacadeAnswer;
use crate::lab::runner::own_lab::{OwnLab, settings};
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::running::LabSettings;
use crate::lab::tasks;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    // The course's topic must be there before the breaker's lab starts.
    drop(runner.log().await?);
    let own = OwnLab::start_with(LabSettings {
        bootstrap: Some(runner.target.kafka.clone()),
        breaker: Some(BreakerSettings { threshold: THRESHOLD, cool_down: COOL_DOWN }),
        environment: ProducerEnvironment {
            request_timeout_ms: 300,
            socket_timeout_ms: 300,
            delivery_timeout_ms: 400,
            ..ProducerEnvironment::default()
        },
        ..settings()
    });
    let own = own.await?;
    let inner = Runner::new(own.target(), runner.language);
    let outcome = open_and_close(&inner, steps).await;
    let healed = inner.toxics.heal().await;
    own.stop().await;
    outcome.and(healed)
}

async fn open_and_close(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let answer = send(runner).await?;
    let did = say!(language, "send while all is well", "envoyer quand tout va bien");
    steps.check(did, "200", answer.short(), answer.status.as_u16() == 200);

    runner.toxics.enable(false).await?;
    let mut failures = 0;
    for _ in 0..THRESHOLD {
        let answer = send(runner).await?;
        let is_failure = answer.status.is_server_error() && !is_open(&answer);
        failures += u32::from(is_failure);
    }
    let did = say!(language, "Kafka away: {THRESHOLD} sends", "Kafka absent : {THRESHOLD} envois");
    let expected = say!(
        language,
        "{THRESHOLD} failures, each after its timeout",
        "{THRESHOLD} échecs, chacun après son délai"
    );
    steps.check(did, expected, failures.to_string(), failures == THRESHOLD);

    let refused = send(runner).await?;
    let milliseconds = refused.elapsed.as_millis();
    let retry_after =
        refused.headers.get("retry-after").and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
    let did = say!(language, "one more send", "un envoi de plus");
    let expected = say!(
        language,
        "503 circuit-open at once, with Retry-After",
        "503 circuit-open aussitôt, avec Retry-After"
    );
    let said = refused.short();
    let saw = say!(
        language,
        "{said} after {milliseconds} ms, Retry-After: {retry_after}",
        "{said} après {milliseconds} ms, Retry-After : {retry_after}"
    );
    steps.check(did, expected, saw, is_open(&refused) && retry_after != "-" && refused.elapsed < AT_ONCE);

    runner.toxics.enable(true).await?;
    let began = clock::now();
    let mut refusals: u32 = 0;
    let answer = loop {
        let answer = send(runner).await?;
        if answer.status.as_u16() == 200 || clock::now().since(began) > super::PATIENCE {
            break answer;
        }
        refusals += 1;
        tasks::sleep(super::BETWEEN_LOOKS).await;
    };
    let did = say!(
        language,
        "Kafka back: send until it passes",
        "Kafka revenu : envoyer jusqu'à ce que cela passe"
    );
    let expected = say!(language, "200 once the cool-down is over", "200 dès la fin du repos");
    let said = answer.short();
    let saw = say!(language, "{said} after {refusals} refusals", "{said} après {refusals} refus");
    steps.check(did, expected, saw, answer.status.as_u16() == 200);
    let answer = send(runner).await?;
    let did = say!(language, "the next send", "l'envoi suivant");
    let expected = say!(language, "200: closed again", "200 : refermé");
    steps.check(did, expected, answer.short(), answer.status.as_u16() == 200);
    steps.conclude(language.pick(
        "Closed, open, half-open, closed: while Kafka was away callers got their answer at once instead of waiting in vain.",
        "Fermé, ouvert, à demi ouvert, fermé : Kafka absent, les appelants ont eu leur réponse aussitôt au lieu d'attendre en vain.",
    ));
    Ok(())
}

async fn send(runner: &Runner) -> Result<FacadeAnswer, Stop> {
    let event_id = runner.event_id("BREAKER");
    let parameters =
        [("mode", "idempotent"), ("sendMode", "sync"), ("eventId", event_id.as_str()), ("key", "breaker")];
    Ok(runner.facade(Profile::Java).send(&parameters).await?)
}

fn is_open(answer: &FacadeAnswer) -> bool {
    answer.status.as_u16() == 503 && answer.string("type").is_some_and(|kind| kind.ends_with("circuit-open"))
}

const THRESHOLD: u32 = 5;
const COOL_DOWN: Duration = Duration::from_secs(1);
/// An answer that waited for nothing.
const AT_ONCE: Duration = Duration::from_millis(200);
