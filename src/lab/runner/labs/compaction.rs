//! Lab 02.6: of V1, V2, V3 under one key only V3 stays; when, and why (D-66).
//!
//! **Why further records.** Kafka never cleans the active segment, and a segment is closed by the first record that comes
//! after `segment.ms`: three quick sends alone stay for ever. This lab writes the records that close it and waits for the
//! cleaner. Neighbours: `crate::broker`'s compaction, which the embedded lab may hurry. Not here: deletion by tombstone.

use std::time::Duration;

use crate::lab::clock;
use crate::lab::language::Language;
use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::log_reader::{LogLine, LogReader};
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::tasks;

/// The course's topic.
const TOPIC: &str = "bhf-compact-demo";
const KEY: &str = "customer-42";
const CONFIGS: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.01")];

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let mut log = LogReader::connect(&runner.target.kafka).await?;
    let made = log.ensure_topic(TOPIC, 1, &CONFIGS).await?;
    let saw = match (made, language) {
        (true, Language::English) => "made now",
        (true, Language::French) => "créé à l'instant",
        (false, Language::English) => "it was there",
        (false, Language::French) => "il était là",
    };
    let did = say!(
        language,
        "create {TOPIC}, compacted, segment.ms=1000",
        "créer {TOPIC}, compacté, segment.ms=1000"
    );
    steps.check(did, say!(language, "the topic is there", "le topic est là"), saw, true);

    let versions = ["V1", "V2", "V3"].map(|version| runner.event_id(version));
    for version in &versions {
        let answer = send(runner, version, KEY).await?;
        let did = say!(language, "send {version} under key {KEY}", "envoyer {version} sous la clé {KEY}");
        steps.check(did, "200", answer.0, answer.1);
    }
    let at_once = left(&mut log, &versions).await?;

    let began = clock::now();
    let mut closers: u32 = 0;
    let settled = loop {
        let seen = settled_within(&mut log, &versions, SEGMENT_CLOSES_AFTER).await?;
        if seen == ["V3"] || clock::now().since(began) > CLEANER_PATIENCE {
            break seen;
        }
        // The next record is what closes the segment, once it is older than segment.ms; each one may close the last.
        closers += 1;
        send(runner, &runner.event_id("ROLL"), "roll").await?;
    };
    let seconds = clock::now().since(began).as_secs_f64();
    let did = say!(
        language,
        "write {closers} record(s) that close segments, and wait for the cleaner",
        "écrire {closers} enregistrement(s) qui ferment des segments, et attendre le nettoyeur"
    );
    let expected = say!(language, "V3 stays, V1 and V2 are gone", "V3 reste, V1 et V2 ont disparu");
    let shown = settled.join(", ");
    let saw = say!(language, "{shown} after {seconds:.1} s", "{shown} après {seconds:.1} s");
    steps.check(did, expected, saw, settled == ["V3"]);
    let at_once = at_once.join(", ");
    steps.conclude(if closers == 0 {
        say!(
            language,
            "Right after the three sends the log had {at_once}; {seconds:.1} s later only {shown}, without a further record. \
             That is this broker's teaching shortcut: a real Kafka (and `facteur serve --strict-compaction`) never cleans \
             the segment that is being written, and needs a later record to close it.",
            "Juste après les trois envois le journal avait {at_once} ; {seconds:.1} s plus tard, seulement {shown}, sans autre \
             enregistrement. C'est le raccourci pédagogique de ce broker : un vrai Kafka (et `facteur serve \
             --strict-compaction`) ne nettoie jamais le segment où l'on écrit, et attend qu'un enregistrement suivant le ferme."
        )
    } else {
        say!(
            language,
            "Right after the three sends the log had {at_once}; after {closers} further record(s) and {seconds:.1} s only \
             {shown}. The last value of a key stays; older ones go once their segment is closed and the cleaner has passed.",
            "Juste après les trois envois le journal avait {at_once} ; après {closers} autre(s) enregistrement(s) et \
             {seconds:.1} s, seulement {shown}. La dernière valeur d'une clé reste ; les autres partent quand leur segment est \
             fermé et que le nettoyeur est passé."
        )
    });
    Ok(())
}

/// What is left once only V3 is, or when the patience is over.
async fn settled_within(
    log: &mut LogReader,
    versions: &[String; 3],
    patience: Duration,
) -> Result<Vec<String>, Stop> {
    let began = clock::now();
    loop {
        let seen = left(log, versions).await?;
        if seen == ["V3"] || clock::now().since(began) > patience {
            return Ok(seen);
        }
        tasks::sleep(super::BETWEEN_LOOKS).await;
    }
}

/// Which of the versions are in the log, by their short names.
async fn left(log: &mut LogReader, versions: &[String; 3]) -> Result<Vec<String>, Stop> {
    let beginning = log.beginning(TOPIC).await?;
    let is_ours = |line: &LogLine| versions.iter().any(|version| line.value.contains(version.as_str()));
    let lines = log.lines_since(&beginning, is_ours).await?;
    let short = |line: &LogLine| {
        let version = versions.iter().find(|version| line.value.contains(version.as_str()));
        version.and_then(|version| version.split('-').next()).unwrap_or("?").to_owned()
    };
    Ok(lines.iter().map(short).collect())
}

async fn send(runner: &Runner, event_id: &str, key: &str) -> Result<(String, bool), Stop> {
    let parameters =
        [("mode", "plain"), ("sendMode", "sync"), ("topic", TOPIC), ("eventId", event_id), ("key", key)];
    let answer = runner.facade(Profile::Librdkafka).send(&parameters).await?;
    Ok((answer.short(), answer.status.as_u16() == 200))
}

/// How long Kafka's cleaner may take (D-66): it looks every 15 s.
const CLEANER_PATIENCE: Duration = Duration::from_secs(60);
/// Just beyond the topic's segment.ms.
const SEGMENT_CLOSES_AFTER: Duration = Duration::from_millis(1100);
