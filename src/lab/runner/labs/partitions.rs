//! Lab 02.5: a record goes to the partition that is named, or to the one that its key's hash says.
//!
//! **Why both ports.** The course says that both APIs place a key alike; they agree by chance only, because one hashes
//! with murmur2 and the other with CRC-32 (spec 2.9). Neighbours: [`super::keys`] sends many; `facteur partition`
//! computes. Not here: keyless records.

use std::collections::BTreeSet;

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
    let did = say!(language, "ask for the partitions of {TOPIC}", "demander les partitions de {TOPIC}");
    let expected = say!(language, "at least 3", "au moins 3");
    if !steps.check(did, expected, count.to_string(), count >= 3) {
        return Err(Stop::new(say!(
            language,
            "{TOPIC} has {count} partition(s): it was created automatically. Delete it and create it with 3: \
             facteur topics create {TOPIC} --partitions 3",
            "{TOPIC} a {count} partition(s) : il a été créé automatiquement. Supprimez-le et créez-le avec 3 : \
             facteur topics create {TOPIC} --partitions 3"
        )));
    }
    let mark = log.end(TOPIC).await?;
    let mut sent = BTreeSet::new();
    for partition in ["0", "1", "2"] {
        let event_id = runner.event_id(&format!("P{partition}"));
        let parameters = [
            ("mode", "plain"),
            ("sendMode", "sync"),
            ("eventId", event_id.as_str()),
            ("partition", partition),
        ];
        let answer = runner.facade(Profile::Java).send(&parameters).await?;
        let ok = answer.number("partition").map(|got| got.to_string()).as_deref() == Some(partition);
        let did = say!(language, "send with partition={partition}", "envoyer avec partition={partition}");
        steps.check(did, format!("partition {partition}"), answer.short(), ok);
        sent.insert(event_id);
    }
    let lines =
        log.lines_since(&mark, |line| sent.iter().any(|event_id| line.value.contains(event_id))).await?;
    let on: BTreeSet<i32> = lines.iter().map(|line| line.partition).collect();
    let did = say!(language, "read {TOPIC} from Kafka", "lire {TOPIC} dans Kafka");
    let expected = say!(language, "one of them on each of 0, 1, 2", "un sur chacune de 0, 1, 2");
    steps.check(did, expected, format!("{on:?}"), on == BTreeSet::from([0, 1, 2]) && lines.len() == 3);

    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let mut agree = 0;
    for key in KEYS {
        let mut landed = Vec::new();
        for (profile, hash, name) in
            [(Profile::Java, KeyHash::Murmur2, "murmur2"), (Profile::Librdkafka, KeyHash::Crc32, "CRC-32")]
        {
            let event_id = runner.event_id("KEY");
            let parameters =
                [("mode", "plain"), ("sendMode", "sync"), ("eventId", event_id.as_str()), ("key", key)];
            let answer = runner.facade(profile).send(&parameters).await?;
            let expected = hash.partition(Some(key.as_bytes()), count);
            let got = answer.number("partition").and_then(|got| i32::try_from(got).ok());
            let api = api_name(profile);
            let did = say!(language, "send key {key} to the {api} API", "envoyer la clé {key} à l'API {api}");
            let wanted = expected.unwrap_or(-1);
            let shown = got.map_or_else(|| answer.short(), |got| format!("partition {got}"));
            steps.check(did, format!("partition {wanted} ({name})"), shown, got.is_some() && got == expected);
            landed.push(got);
        }
        agree += usize::from(landed.first() == landed.get(1));
    }
    let keys = KEYS.len();
    steps.conclude(say!(
        language,
        "Of {keys} keys {agree} land in the same partition under both client families: whoever writes a topic from both \
         loses the order per key.",
        "Sur {keys} clés, {agree} tombent dans la même partition chez les deux familles de clients : qui écrit un topic \
         depuis les deux perd l'ordre par clé."
    ));
    Ok(())
}

/// The course's keys.
const KEYS: [&str; 4] = ["customer-42", "customer-99", "A", "B"];
