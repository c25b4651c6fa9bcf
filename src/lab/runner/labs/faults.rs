//! Lab 02.3: five seconds of latency are felt by a send, and gone when the toxic is.
//!
//! **Why a warm-up send.** A producer that is not connected would pay the latency several times before it can send.
//! Neighbours: [`super::idempotence`] loses an answer instead of delaying it. Not here: retries, for latency alone causes
//! none (D-59).

use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::facade_client::FacadeAnswer;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::runner::toxic_client::PROXY;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let base = runner.toxics.base();
    let proxies = runner.toxics.proxies().await?;
    let proxy = proxies.get(PROXY).cloned().unwrap_or(Value::Null);
    let part = |member: &str| proxy.get(member).and_then(Value::as_str).unwrap_or("?").to_owned();
    let (listen, upstream) = (part("listen"), part("upstream"));
    let expected = say!(language, "a proxy \"kafka\" that is enabled", "un proxy « kafka » actif");
    let ok = proxy.get("enabled").and_then(Value::as_bool) == Some(true);
    let saw =
        say!(language, "listens on {listen}, leads to {upstream}", "écoute sur {listen}, mène à {upstream}");
    if !steps.check(format!("GET {base}/proxies"), expected, saw, ok) {
        return Err(Stop::new(say!(
            language,
            "without the proxy \"kafka\" there is nothing to inject into: POST it to {base}/proxies, or restart facteur",
            "sans le proxy « kafka », rien où injecter : créez-le par POST {base}/proxies, ou relancez facteur"
        )));
    }
    quick_send(runner, steps, language.pick("send before the fault", "envoyer avant la panne")).await?;

    runner.toxics.add(TOXIC, "latency", json!({"latency": LATENCY_MS, "jitter": 0})).await?;
    let standing = runner.toxics.toxic(TOXIC).await?.unwrap_or(Value::Null);
    let latency = standing.pointer("/attributes/latency").and_then(Value::as_u64);
    let did = format!("POST {base}/proxies/{PROXY}/toxics latency {LATENCY_MS}");
    steps.check(
        did,
        format!("attributes.latency {LATENCY_MS}"),
        standing.to_string(),
        latency == Some(LATENCY_MS),
    );

    let slow = send(runner).await?;
    let (seconds, attempts) = (slow.elapsed.as_secs_f64(), slow.number("attempts"));
    let ok = slow.status.as_u16() == 200 && FELT.contains(&slow.elapsed);
    let expected = say!(language, "200 after 5 to 7 seconds", "200 après 5 à 7 secondes");
    let said = slow.short();
    let saw = say!(language, "{said} after {seconds:.1} s", "{said} après {seconds:.1} s");
    steps.check(language.pick("send under the latency", "envoyer sous la latence"), expected, saw, ok);

    runner.toxics.remove(TOXIC).await?;
    let left = runner.toxics.toxics().await?;
    let saw = Value::Array(left.clone()).to_string();
    steps.check(format!("DELETE {base}/proxies/{PROXY}/toxics/{TOXIC}"), "[]", saw, left.is_empty());
    quick_send(runner, steps, language.pick("send after the fault", "envoyer après la panne")).await?;

    let attempts = attempts.map_or_else(|| "?".to_owned(), |attempts| attempts.to_string());
    steps.conclude(say!(
        language,
        "The answer came {seconds:.1} s late and was waited for: attempts {attempts}. Latency alone causes no retry, \
         because the request timeout (30 s) is longer.",
        "La réponse est venue avec {seconds:.1} s de retard et a été attendue : {attempts} envoi(s). La latence seule ne \
         provoque aucun nouvel essai, car le request timeout (30 s) est plus long."
    ));
    Ok(())
}

async fn quick_send(runner: &Runner, steps: &mut Steps, did: &str) -> Result<(), Stop> {
    let answer = send(runner).await?;
    let (said, milliseconds) = (answer.short(), answer.elapsed.as_millis());
    let expected = say!(runner.language, "200 within 2 seconds", "200 en moins de 2 secondes");
    let saw = say!(runner.language, "{said} after {milliseconds} ms", "{said} après {milliseconds} ms");
    steps.check(did, expected, saw, answer.status.as_u16() == 200 && answer.elapsed < QUICK);
    Ok(())
}

async fn send(runner: &Runner) -> Result<FacadeAnswer, Stop> {
    let event_id = runner.event_id("LATENCY-TEST");
    let parameters =
        [("mode", "plain"), ("sendMode", "sync"), ("eventId", event_id.as_str()), ("key", "latency")];
    Ok(runner.facade(Profile::Java).send(&parameters).await?)
}

/// The course's toxic.
const TOXIC: &str = "latency";
const LATENCY_MS: u64 = 5000;
/// How long the course's step 12 may take.
const FELT: std::ops::Range<Duration> = Duration::from_millis(5000)..Duration::from_millis(7000);
const QUICK: Duration = Duration::from_secs(2);
