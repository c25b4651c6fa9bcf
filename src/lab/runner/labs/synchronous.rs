//! Lab 02.1: a synchronous send answers with partition and offset, and the record is there.
//!
//! **Why the log is read as well.** The answer is a claim; the record at that offset proves it. Neighbours:
//! [`super::asynchronous`]. Not here: faults.

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
    let mut last = String::new();
    for profile in [Profile::Java, Profile::Librdkafka] {
        let name = api_name(profile);
        let event_id = runner.event_id(&format!("{}-SYNC", name.to_uppercase()));
        let mark = log.end(TOPIC).await?;
        let facade = runner.facade(profile);
        let parameters = [("mode", "plain"), ("sendMode", "sync"), ("eventId", event_id.as_str())];
        let answer = facade.send(&parameters).await?;
        let address = answer.number("partition").zip(answer.number("offset"));
        let ok = answer.status.as_u16() == 200
            && address.is_some_and(|(partition, offset)| partition >= 0 && offset >= 0);
        let did = format!("POST {}/api/v1/send?mode=plain&sendMode=sync&eventId={event_id}", facade.base());
        let expected = say!(language, "200 with partition and offset", "200 avec partition et offset");
        steps.check(did, expected, answer.short(), ok);
        let Some((partition, offset)) = address else { continue };
        let line = log.line_after(&mark, |line| line.value.contains(&event_id), super::PATIENCE).await?;
        let did = say!(language, "read {TOPIC} from Kafka", "lire {TOPIC} dans Kafka");
        let expected = say!(
            language,
            "the event at offset {offset} of partition {partition}",
            "l'événement à l'offset {offset} de la partition {partition}"
        );
        let (at, of) = (line.offset, line.partition);
        let saw = say!(
            language,
            "it is at offset {at} of partition {of}",
            "il est à l'offset {at} de la partition {of}"
        );
        steps.check(did, expected, saw, at == offset && i64::from(of) == partition);
        last = format!("{TOPIC}-{of}@{at}");
    }
    steps.conclude(say!(
        language,
        "The answer came after Kafka's acknowledgement: the last record is {last}, and stays there.",
        "La réponse est venue après l'accusé de réception de Kafka : le dernier enregistrement est {last}, et y reste."
    ));
    Ok(())
}
