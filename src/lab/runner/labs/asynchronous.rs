//! Lab 02.2: accepted at once, delivered a little later, and the status found again.
//!
//! **Why the id is taken from the text.** The course takes it with `sed`; a blank after the colon or a second
//! `requestId` would break that line, and this lab with it. Neighbours: [`super::synchronous`]. Not here: failures.

use crate::lab::clock;
use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::{Steps, Stop};
use crate::lab::runner::experiment::TOPIC;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::tasks;

/// Its steps.
pub async fn run(runner: &Runner, steps: &mut Steps) -> Result<(), Stop> {
    let language = runner.language;
    let mut log = runner.log().await?;
    for profile in [Profile::Java, Profile::Librdkafka] {
        let facade = runner.facade(profile);
        let event_id = runner.event_id("ASYNC");
        let mark = log.end(TOPIC).await?;
        let parameters = [("mode", "idempotent"), ("sendMode", "async"), ("eventId", event_id.as_str())];
        let answer = facade.send(&parameters).await?;
        let request_id = request_id(&answer.text);
        let did =
            format!("POST {}/api/v1/send?mode=idempotent&sendMode=async&eventId={event_id}", facade.base());
        let expected = say!(language, "202 with a requestId", "202 avec un requestId");
        let ok = answer.status.as_u16() == 202 && request_id.is_some();
        steps.check(did, expected, answer.short(), ok);
        let Some(request_id) = request_id else { continue };
        let path = format!("/api/v1/status?requestId={request_id}");
        let began = clock::now();
        let status = loop {
            let status = facade.get(&path).await?;
            if status.string("state") != Some("PENDING") || clock::now().since(began) > super::PATIENCE {
                break status;
            }
            tasks::sleep(super::BETWEEN_LOOKS).await;
        };
        let did = format!("GET {}{path}", facade.base());
        steps.check(did, "state OK", status.short(), status.string("state") == Some("OK"));
        let line = log.line_after(&mark, |line| line.value.contains(&event_id), super::PATIENCE).await?;
        let (at, of) = (line.offset, line.partition);
        let did = say!(language, "read {TOPIC} from Kafka", "lire {TOPIC} dans Kafka");
        let expected =
            say!(language, "the event where the status says", "l'événement là où le statut le dit");
        let ok = status.number("offset") == Some(at) && status.number("partition") == Some(i64::from(of));
        steps.check(did, expected, format!("{TOPIC}-{of}@{at}"), ok);
    }
    steps.conclude(language.pick(
        "202 was a receipt, not a delivery: only the status, or the log itself, tells what became of the record.",
        "202 était un reçu, et non une livraison : seul le statut, ou le journal, dit ce qu'est devenu l'enregistrement.",
    ));
    Ok(())
}

/// As the course's `sed 's/.*"requestId":"\([^"]*\)".*/\1/p'`.
fn request_id(text: &str) -> Option<String> {
    let (_, rest) = text.rsplit_once("\"requestId\":\"")?;
    let (id, _) = rest.split_once('"')?;
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The course's pattern wants no blank after the colon; what it does not find, this must not find either.
    #[test]
    fn the_request_id_is_found_as_the_courses_sed_finds_it() {
        assert_eq!(
            request_id(r#"{"status":"ACCEPTED","requestId":"abc-1","eventId":"E"}"#).as_deref(),
            Some("abc-1")
        );
        assert_eq!(request_id(r#"{"requestId": "abc-1"}"#), None);
        assert_eq!(request_id("{}"), None);
    }
}
