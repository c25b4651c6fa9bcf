//! Exercise 3: many keys spread over the partitions, and each key stays in one.
//!
//! **Why each key twice.** That a key stays where it is can only be seen the second time. Neighbours:
//! [`super::partitions`]. Not here: keyless records.

use std::collections::BTreeMap;

use crate::accumulator::partitioner::KeyHash;
use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::experiment::TOPIC;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::runner::target::api_name;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let mut log = runner.log().await?;
    let count = log.partition_count(TOPIC).await?.unwrap_or(0);
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let mut histograms = Vec::new();
    for (profile, hash) in [(Profile::Java, KeyHash::Murmur2), (Profile::Librdkafka, KeyHash::Crc32)] {
        let api = api_name(profile);
        let mut histogram: BTreeMap<i32, usize> = (0..count).map(|partition| (partition, 0)).collect();
        let (mut moved, mut elsewhere) = (Vec::new(), Vec::new());
        for number in 0..MANY {
            let key = format!("customer-{number}");
            let first = partition_of(runner, profile, &key).await?;
            let second = partition_of(runner, profile, &key).await?;
            if first != second {
                moved.push(key.clone());
            }
            if hash.partition(Some(key.as_bytes()), count) != Some(first) {
                elsewhere.push(key);
            }
            *histogram.entry(first).or_default() += 1;
        }
        let shown = histogram.iter().map(|(partition, keys)| format!("{partition}: {keys}"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let did = say!(
            language,
            "send {MANY} keys to the {api} API, twice each",
            "envoyer {MANY} clés à l'API {api}, deux fois chacune"
        );
        let expected = say!(
            language,
            "each key in one partition, the one of its hash",
            "chaque clé dans une partition, celle de son hachage"
        );
        let saw = say!(
            language,
            "moved: {moved:?}; elsewhere than computed: {elsewhere:?}",
            "déplacées : {moved:?} ; ailleurs que calculé : {elsewhere:?}"
        );
        steps.check(did, expected, saw, moved.is_empty() && elsewhere.is_empty());
        let did =
            say!(language, "count keys per partition ({api})", "compter les clés par partition ({api})");
        let expected = say!(language, "no partition without keys", "aucune partition sans clé");
        steps.check(did, expected, shown.clone(), histogram.values().all(|keys| *keys > 0));
        histograms.push(format!("{api} {shown}"));
    }
    let shown = histograms.join("; ");
    steps.conclude(say!(
        language,
        "Keys per partition: {shown}. Many keys spread evenly; order holds within a key only.",
        "Clés par partition : {shown}. Beaucoup de clés se répartissent ; l'ordre ne vaut qu'au sein d'une clé."
    ));
    Ok(())
}

async fn partition_of(runner: &Runner, profile: Profile, key: &str) -> Result<i32, Stop> {
    let event_id = runner.event_id("KEYS");
    let parameters = [("mode", "plain"), ("sendMode", "sync"), ("eventId", event_id.as_str()), ("key", key)];
    let answer = runner.facade(profile).send(&parameters).await?;
    let partition = answer.number("partition").and_then(|partition| i32::try_from(partition).ok());
    partition.ok_or_else(|| Stop::new(answer.short()))
}

const MANY: usize = 30;
