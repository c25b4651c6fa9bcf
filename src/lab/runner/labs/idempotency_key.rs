//! What idempotence does not do: a call that is repeated is a new record, unless it carries an `Idempotency-Key`.
//!
//! **Why in mode `idempotent`.** The producer's sequence numbers are on, and still the second call is stored: they cover
//! the producer's own repetitions only (D-57). Neighbours: [`crate::lab::idempotency`] remembers the keys. Not here: how long keys
//! are kept.

use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::experiment::TOPIC;
use crate::lab::runner::facade_client::FacadeAnswer;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let mut log = runner.log().await?;
    let facade = runner.facade(Profile::Java);

    let twice = runner.event_id("TWICE");
    let mark = log.end(TOPIC).await?;
    let parameters = [("mode", "idempotent"), ("sendMode", "sync"), ("eventId", twice.as_str())];
    let (first, second) = (facade.send(&parameters).await?, facade.send(&parameters).await?);
    let copies = log.lines_since(&mark, |line| line.value.contains(&twice)).await?.len();
    let sequence = |answer: &FacadeAnswer| {
        answer.number("baseSequence").map_or_else(|| "?".to_owned(), |number| number.to_string())
    };
    let sequences = format!("{}, {}", sequence(&first), sequence(&second));
    let did = say!(language, "post the same eventId twice", "poster deux fois le même eventId");
    let expected = say!(language, "2 records", "2 enregistrements");
    steps.check(
        did,
        expected,
        say!(language, "{copies} (sequences {sequences})", "{copies} (séquences {sequences})"),
        copies == 2,
    );

    let once = runner.event_id("ONCE");
    let key = runner.event_id("order");
    let header = [("Idempotency-Key", key.as_str())];
    let mark = log.end(TOPIC).await?;
    let parameters = [("mode", "idempotent"), ("sendMode", "sync"), ("eventId", once.as_str())];
    let first = facade.send_with(&parameters, &header).await?;
    let second = facade.send_with(&parameters, &header).await?;
    let replayed = second.headers.get("idempotent-replayed").and_then(|value| value.to_str().ok());
    let did = say!(
        language,
        "post twice with Idempotency-Key: {key}",
        "poster deux fois avec Idempotency-Key : {key}"
    );
    let expected = say!(
        language,
        "the first answer again, Idempotent-Replayed: true",
        "la première réponse, Idempotent-Replayed : true"
    );
    let is_same = first.number("offset").is_some() && first.number("offset") == second.number("offset");
    let shown = second.short();
    let saw = format!("{shown}; Idempotent-Replayed: {}", replayed.unwrap_or("-"));
    steps.check(did, expected, saw, is_same && replayed == Some("true"));
    let copies = log.lines_since(&mark, |line| line.value.contains(&once)).await?.len();
    let did = say!(language, "count it in the log", "le compter dans le journal");
    steps.check(did, "1", copies.to_string(), copies == 1);

    let other = runner.event_id("OTHER");
    let parameters = [("mode", "idempotent"), ("sendMode", "sync"), ("eventId", other.as_str())];
    let refused = facade.send_with(&parameters, &header).await?;
    let copies = log.lines_since(&mark, |line| line.value.contains(&other)).await?.len();
    let did = say!(language, "the same key for another event", "la même clé pour un autre événement");
    let expected = say!(language, "422, and nothing written", "422, et rien d'écrit");
    steps.check(did, expected, refused.short(), refused.status.as_u16() == 422 && copies == 0);
    steps.conclude(language.pick(
        "Two layers: Kafka's sequence numbers cover what the producer repeats, the Idempotency-Key what the caller repeats.",
        "Deux couches : les numéros de séquence de Kafka couvrent ce que le producer répète, l'Idempotency-Key ce que l'appelant répète.",
    ));
    Ok(())
}
