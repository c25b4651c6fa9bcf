//! `facteur trace`: the story of one send, attempt by attempt, with times.
//!
//! **Why it asks a running lab.** Only there are the witnesses: façade, producers, broker and injector. With `--follow`
//! it prints stages as they come and ends with the outcome. Neighbours: [`crate::lab::timeline`] tells the story,
//! [`crate::cli::http`] fetches it. Not here: what is in the log, which `facteur consume` shows.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::cli::exit::{Exit, Failure};
use crate::cli::http::HttpClient;
use crate::cli::output;
use crate::cli::reader_language::LanguageArgument;
use crate::cli::signals::Signals;
use crate::lab::language::Language;
use crate::lab::tasks;

/// Flags of `trace`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TraceArguments {
    /// The event, as it was sent.
    #[arg(short, long, value_name = "ID", required_unless_present = "follow")]
    event_id: Option<String>,
    /// A façade of the running lab.
    #[arg(long, env = "FACTEUR_URL", default_value = "http://localhost:18080", value_name = "URL")]
    url: String,
    /// Wait for the event, print stages as they come, and end with its outcome; without --event-id, print everything that
    /// happens until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    language: LanguageArgument,
    /// Print the story as JSON, as the lab gives it.
    #[arg(long)]
    json: bool,
}

/// Prints the story.
///
/// # Errors
///
/// No lab there, or (without `--follow`) no such event.
///
/// # Cancel safety
///
/// Dropping the future only stops asking.
pub async fn run(arguments: TraceArguments) -> Result<Exit, Failure> {
    let Some(event_id) = arguments.event_id.as_deref() else {
        let mut signals = Signals::listen()?;
        return tokio::select! {
            outcome = live(&arguments) => outcome.map(|()| Exit::Ok),
            () = signals.next() => Ok(Exit::Ok),
        };
    };
    let asked = Asked::new(&arguments, &format!("/api/v1/trace/{}", percent_encoded(event_id)));
    if !arguments.follow {
        let story = asked.story().await?.ok_or_else(|| unknown(event_id, &arguments.url))?;
        if arguments.json {
            output::json_line(&story)?;
        } else {
            print_whole(&story)?;
        }
        return Ok(Exit::Ok);
    }
    let mut signals = Signals::listen()?;
    tokio::select! {
        outcome = follow(&asked, arguments.json) => outcome.map(|()| Exit::Ok),
        () = signals.next() => Ok(Exit::Ok),
    }
}

struct Asked {
    client: HttpClient,
    url: String,
    language: Language,
}

impl Asked {
    fn new(arguments: &TraceArguments, path: &str) -> Self {
        Self {
            client: HttpClient::new(PATIENCE),
            url: format!("{}{path}", arguments.url.trim_end_matches('/')),
            language: arguments.language.language(),
        }
    }

    /// A page of events.
    async fn page(&self) -> Result<Value, Failure> {
        self.story().await.map(Option::unwrap_or_default)
    }

    /// The story as it is now; none if the lab does not know the event.
    async fn story(&self) -> Result<Option<Value>, Failure> {
        let headers = [("accept-language", self.language.tag())];
        let answer = self.client.call_with(Method::GET, &self.url, &headers, None).await;
        let answer = answer.map_err(|error| {
            let message =
                format!("{error}. Start a lab (`facteur` alone does), or name its façade with --url");
            Failure::new(Exit::CannotConnect, message)
        })?;
        let failed = |why: String| Failure::new(Exit::CheckFailed, format!("{}: {why}", self.url));
        let body = answer.json().map_err(failed)?;
        match answer.status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND if text(&body, "type").ends_with("/unknown-event") => Ok(None),
            status => Err(failed(format!("{status} {}", text(&body, "detail")))),
        }
    }
}

/// Prints everything that happens from now on, a line each.
async fn live(arguments: &TraceArguments) -> Result<(), Failure> {
    let mut after = newest(arguments).await?;
    loop {
        let page = Asked::new(arguments, &format!("/api/v1/events?after={after}&limit=1000")).page().await?;
        for event in list(&page, "events") {
            if arguments.json {
                output::json_line(event)?;
            } else {
                let (at, witness) = (text(event, "at"), text(event, "witness"));
                let id = event.get("eventId").and_then(Value::as_str).map(|id| format!("{id}  "));
                output::line(&format!(
                    "{at}  {witness:<8}  {}{}",
                    id.unwrap_or_default(),
                    text(event, "text")
                ))?;
            }
        }
        after = page.get("next").and_then(Value::as_u64).unwrap_or(after);
        if list(&page, "events").is_empty() {
            tasks::sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// The id of the newest event now.
async fn newest(arguments: &TraceArguments) -> Result<u64, Failure> {
    let mut after = 0;
    loop {
        let page = Asked::new(arguments, &format!("/api/v1/events?after={after}&limit=1000")).page().await?;
        if list(&page, "events").is_empty() {
            return Ok(after);
        }
        after = page.get("next").and_then(Value::as_u64).unwrap_or(after);
    }
}

fn unknown(event_id: &str, url: &str) -> Failure {
    Failure::new(
        Exit::CheckFailed,
        format!(
            "the lab at {url} remembers no call with the eventId {event_id:?}. Check the id (each port's calls are known to \
             both), wait for it with --follow, or count it in the log: {url}/api/v1/audit?eventId=…"
        ),
    )
}

fn print_whole(story: &Value) -> Result<(), Failure> {
    for send in list(story, "sends") {
        output::line(&heading(story, send))?;
        for stage in list(send, "stages") {
            output::line(&line_of(stage))?;
        }
        output::line(&format!("  = {}\n", text(send, "verdict")))?;
    }
    if list(story, "sends").len() > 1 {
        output::line(text(story, "verdict"))?;
    }
    if story.get("isComplete") == Some(&Value::Bool(false)) {
        output::line("(some events were lost or are forgotten: the story may have holes)")?;
    }
    Ok(())
}

fn heading(story: &Value, send: &Value) -> String {
    format!("{}  {}", text(story, "eventId"), text(send, "at"))
}

/// `  +   12.345 ms  …`, the times one below the other.
fn line_of(stage: &Value) -> String {
    let since_ms = stage.get("sinceMs").and_then(Value::as_f64).unwrap_or(0.0);
    format!("  +{since_ms:>11.3} ms  {}", text(stage, "text"))
}

/// Prints what is new until every call has its outcome and its HTTP answer.
async fn follow(asked: &Asked, json: bool) -> Result<(), Failure> {
    let mut printed = BTreeSet::new();
    loop {
        let story = asked.story().await?.unwrap_or(Value::Null);
        for send in list(&story, "sends") {
            print_news(&story, send, &mut printed, json)?;
        }
        let sends = list(&story, "sends");
        if !sends.is_empty() && sends.iter().all(is_over) {
            return if json { Ok(()) } else { output::line(&format!("  = {}", text(&story, "verdict"))) };
        }
        tasks::sleep(BETWEEN_LOOKS).await;
    }
}

fn print_news(
    story: &Value,
    send: &Value,
    printed: &mut BTreeSet<String>,
    json: bool,
) -> Result<(), Failure> {
    let call = send.get("call").and_then(Value::as_u64).unwrap_or(0);
    if !json && printed.insert(format!("{call}")) {
        output::line(&heading(story, send))?;
    }
    for stage in list(send, "stages") {
        // A late witness may tell of an earlier time; what was printed stays printed.
        let name = format!("{call} {} {}", text(stage, "at"), text(stage, "text"));
        if !printed.insert(name) {
            continue;
        }
        if json {
            output::json_line(stage)?;
        } else {
            output::line(&line_of(stage))?;
        }
    }
    Ok(())
}

fn is_over(send: &Value) -> bool {
    let is_answered = list(send, "stages").iter().any(|stage| text(stage, "stage") == "http_answer");
    let outcome = text(send, "outcome");
    // An acknowledged record's copies come with the broker's word, which may be a moment behind.
    is_answered && outcome != "PENDING"
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A text as one segment of a path.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  curl -X POST 'http://localhost:18080/api/v1/send?mode=idempotent&eventId=E-1'
  facteur trace --event-id E-1             each stage of it, with its time
  facteur trace --event-id E-2 --follow    waits for E-2 and tells it while it happens
  facteur trace --follow                   everything that producers, broker, injector and calls do
  facteur trace --event-id E-1 --json | jq '.sends[0].stages[].text'

Exit codes: 1 if the lab does not know the event, 3 if there is no lab.";

#[cfg(test)]
mod tests {
    use super::*;

    // An id is whatever a student types: it must arrive as one segment of the path.
    #[test]
    fn an_event_id_is_one_segment_of_the_path() {
        assert_eq!(percent_encoded("E-1"), "E-1");
        assert_eq!(percent_encoded("a/b?c d%é"), "a%2Fb%3Fc%20d%25%C3%A9");
    }
}
