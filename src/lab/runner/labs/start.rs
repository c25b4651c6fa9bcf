//! Lab 02.0: both APIs, the injector and Kafka answer.
//!
//! **Why more than the course's two lines.** The checkpoint is theirs; the injector and Kafka are looked at too, because
//! every later lab needs them. Neighbours: `facteur doctor` looks deeper. Not here: readiness of an outside Kafka's topics.

use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::experiment::{PARTITIONS, TOPIC};
use crate::lab::runner::log_reader::LogReader;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    for profile in [Profile::Java, Profile::Librdkafka] {
        let facade = runner.facade(profile);
        let did = format!("curl -fsS {}/health", facade.base());
        match facade.get("/health").await {
            Ok(answer) => {
                // The .NET original answers a JSON string.
                let ok = answer.status.as_u16() == 200 && answer.text.trim().trim_matches('"') == "OK";
                steps.check(did, "OK", answer.short(), ok);
            }
            Err(error) => {
                steps.check(did, "OK", error.to_string(), false);
            }
        }
    }
    let did = format!("curl -fsS {}/version", runner.toxics.base());
    let expected = say!(language, "the injector's version", "la version de l'injecteur");
    match runner.toxics.version().await {
        Ok(version) => {
            let ok = version.get("version").is_some_and(serde_json::Value::is_string);
            steps.check(did, expected, version.to_string(), ok);
        }
        Err(stop) => {
            steps.check(did, expected, stop.reason, false);
        }
    }
    let kafka = &runner.target.kafka;
    let mut log = LogReader::connect(kafka).await?;
    let made = log.ensure_topic(TOPIC, PARTITIONS, &[]).await?;
    let partitions = log.partition_count(TOPIC).await?.unwrap_or(0);
    let did = say!(
        language,
        "ask Kafka at {kafka} for topic {TOPIC}",
        "demander le topic {TOPIC} à Kafka, {kafka}"
    );
    let expected = say!(language, "at least 3 partitions", "au moins 3 partitions");
    let saw = match made {
        true => {
            say!(language, "{partitions} partitions (made now)", "{partitions} partitions (créé à l'instant)")
        }
        false => format!("{partitions} partitions"),
    };
    steps.check(did, expected, saw, partitions >= 3);
    steps.conclude(language.pick(
        "One process, two client families: the ports differ in how they hash keys and how long they wait.",
        "Un processus, deux familles de clients : les ports diffèrent par le hachage des clés et par l'attente.",
    ));
    Ok(())
}
