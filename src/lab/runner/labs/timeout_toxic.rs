//! Exercise 2: no answer at all. The honest outcome is "unknown", and the record is there.
//!
//! **Why producers of its own.** With the shipped delivery timeout the answer would take two minutes. Neighbours:
//! [`super::timeouts`]. Not here: the recipe that removes the toxic in time.

use serde_json::json;

use crate::lab::environment::ProducerEnvironment;
use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::experiment::TOPIC;
use crate::lab::runner::own_lab::OwnLab;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let environment = ProducerEnvironment {
        request_timeout_ms: 1000,
        socket_timeout_ms: 1000,
        delivery_timeout_ms: DELIVERY_TIMEOUT_MS,
        ..ProducerEnvironment::default()
    };
    let own = OwnLab::start(Some(runner.target.kafka.clone()), environment).await?;
    let outcome = silence(&Runner::new(own.target(), runner.language), steps).await;
    own.stop().await;
    outcome
}

async fn silence(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let mut log = runner.log().await?;
    let facade = runner.facade(Profile::Java);
    let warm = runner.event_id("WARM-UP");
    let event_id = runner.event_id("SILENCE");
    let parameters =
        |event_id| [("mode", "plain"), ("sendMode", "sync"), ("eventId", event_id), ("key", "silence")];
    let answer = facade.send(&parameters(warm.as_str())).await?;
    let did = say!(language, "send before the fault", "envoyer avant la panne");
    steps.check(did, "200", answer.short(), answer.status.as_u16() == 200);

    let mark = log.end(TOPIC).await?;
    runner.toxics.add(TOXIC, "timeout", json!({"timeout": 0})).await?;
    let answer = facade.send(&parameters(event_id.as_str())).await?;
    let did = say!(
        language,
        "send while every answer is swallowed (delivery timeout {DELIVERY_TIMEOUT_MS} ms)",
        "envoyer pendant que toute réponse est avalée (délai de livraison {DELIVERY_TIMEOUT_MS} ms)"
    );
    let expected = say!(language, "504 with possiblyWritten: true", "504 avec possiblyWritten : true");
    let ok = answer.status.as_u16() == 504 && answer.is_true("possiblyWritten");
    steps.check(did, expected, answer.short(), ok);
    let copies = log.lines_since(&mark, |line| line.value.contains(&event_id)).await?.len();
    let did = say!(language, "count it in the log", "le compter dans le journal");
    let expected = say!(
        language,
        "at least 1: \"failed\" would have been a lie",
        "au moins 1 : « échec » aurait été un mensonge"
    );
    steps.check(did, expected, copies.to_string(), copies >= 1);

    runner.toxics.remove(TOXIC).await?;
    let after = runner.event_id("AFTER");
    let answer = facade.send(&parameters(after.as_str())).await?;
    let did = say!(language, "send after the fault", "envoyer après la panne");
    steps.check(did, "200", answer.short(), answer.status.as_u16() == 200);
    steps.conclude(say!(
        language,
        "The producer gave up without knowing; Kafka had stored {copies} copy. Whoever repeats such a call needs an \
         Idempotency-Key.",
        "Le producer a renoncé sans savoir ; Kafka avait stocké {copies} copie. Qui répète un tel appel a besoin d'un \
         Idempotency-Key."
    ));
    Ok(())
}

const TOXIC: &str = "silence";
const DELIVERY_TIMEOUT_MS: u64 = 3000;
