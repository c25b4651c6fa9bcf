//! `facteur healthcheck`: asks an HTTP address whether it is well, for images that hold no curl.
//!
//! **Why a command.** The image has one file, this program; Docker's `HEALTHCHECK` and an `exec` probe must run
//! something. It asks the port that `serve` in the same container listens on, found by the same variables. Neighbours:
//! [`crate::cli::serve`] has the ports, [`crate::cli::http`] asks. Not here: what healthy means, which is the answerer's.

use std::time::Duration;

use clap::Args;
use hyper::Method;
use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::http::HttpClient;
use crate::cli::output;
use crate::cli::serve::own_port;

/// Flags of `healthcheck`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct HealthcheckArguments {
    /// What to ask; any answer from 200 to 299 is healthy [default: /livez on the port that `serve` takes here].
    #[arg(long, env = "FACTEUR_HEALTHCHECK_URL", value_name = "URL")]
    url: Option<String>,
    /// How long to wait for the answer, in milliseconds.
    #[arg(long, default_value_t = 3_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout_ms: u64,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// What was found, with `--json`.
#[derive(Debug, Serialize)]
struct Health<'a> {
    healthy: bool,
    url: &'a str,
    status: Option<u16>,
    detail: &'a str,
}

/// Asks once.
///
/// # Errors
///
/// What is wrong with the variables that name the port, or why stdout cannot be written.
///
/// # Cancel safety
///
/// Dropping the future abandons the question.
pub async fn run(arguments: HealthcheckArguments) -> Result<Exit, Failure> {
    let url = match arguments.url {
        Some(url) => url,
        None => format!("http://127.0.0.1:{}/livez", own_port()?),
    };
    let client = HttpClient::new(Duration::from_millis(arguments.timeout_ms));
    let (status, detail) = match client.call(Method::GET, &url, None).await {
        Ok(answer) => (Some(answer.status), first_line(&answer.text())),
        Err(error) => (None, error.reason),
    };
    let healthy = status.is_some_and(|status| status.is_success());
    let status = status.map(|status| status.as_u16());
    if arguments.json {
        output::json_line(&Health { healthy, url: &url, status, detail: &detail })?;
    } else if healthy {
        output::line(&format!("healthy: {url} answered {}", status.unwrap_or_default()))?;
    } else {
        let answered = status.map_or_else(String::new, |status| format!("answered {status}: "));
        eprintln!("facteur: unhealthy: {url} {answered}{detail}");
    }
    Ok(if healthy { Exit::Ok } else { Exit::CheckFailed })
}

/// Docker keeps the output of checks; one line of it is enough.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MOST_CHARACTERS).collect()
}

const MOST_CHARACTERS: usize = 200;

const EXAMPLES: &str = "\
Examples:
  facteur healthcheck
  facteur healthcheck --url http://127.0.0.1:8474/version
  facteur healthcheck --url http://localhost:18080/readyz --timeout-ms 1000 --json

Exit codes: 0 healthy, 1 unhealthy or no answer, 2 a variable that names the port is wrong.";
