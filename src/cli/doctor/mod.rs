//! `facteur doctor`: looks at everything that a lab needs, and says what to do about what is wrong.
//!
//! **Why.** Three silent killers made the course's key experiment impossible: clients that bypass the injector, timeouts
//! longer than any fault, and a topic with one partition (spec 8.9). Each is a row here, with advice; so is a port that is
//! taken, and by whom. Neighbours: [`report`] is the shape; one file per kind of check. Not here: repairing anything.

mod cluster;
mod fault_path;
mod kubernetes;
mod listeners;
mod report;
mod surroundings;

use std::time::Duration;

use clap::Args;

use crate::cli::doctor::report::Report;
use crate::cli::exit::{Exit, Failure};
use crate::cli::http::HttpClient;
use crate::cli::lab_target::TargetArguments;
use crate::cli::output;
use crate::lab::runner::target::LabTarget;
use crate::lab::runner::toxic_client::ToxicClient;

/// Flags of `doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArguments {
    /// Only the ports: what answers where, and which process holds them.
    #[arg(long)]
    ports: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// What the checks need.
struct Examination {
    target: LabTarget,
    http: HttpClient,
    toxics: ToxicClient,
    /// What a lab of ours says of itself at `GET /api/v1/lab`.
    overview: Option<serde_json::Value>,
    is_kubernetes: bool,
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the command line; what is wrong with the lab is in the report, and exit code 1.
///
/// # Cancel safety
///
/// Dropping the future only stops looking.
pub async fn run(arguments: DoctorArguments) -> Result<Exit, Failure> {
    let (target, overview) = arguments.target.look().await?;
    let http = HttpClient::new(PATIENCE);
    let toxics = ToxicClient::new(target.toxiproxy.clone(), http.clone());
    let is_kubernetes = arguments.target.is_kubernetes();
    let examination = Examination { target, http, toxics, overview, is_kubernetes };
    let mut report = Report::default();
    listeners::look(&examination, &mut report).await;
    if !arguments.ports {
        fault_path::look(&examination, &mut report).await;
        cluster::look(&examination, &mut report).await;
        surroundings::look(&examination, &mut report).await;
        if is_kubernetes {
            kubernetes::look(&mut report).await;
        }
    }
    if arguments.json {
        output::json_line(&report.as_json())?;
    } else {
        output::line(&report.as_text())?;
    }
    Ok(if report.is_well() { Exit::Ok } else { Exit::CheckFailed })
}

/// How long anything that is asked may take.
const PATIENCE: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
Examples:
  facteur doctor                                 the lab on the course's ports
  facteur doctor --ports                         who listens where
  facteur doctor -b localhost:9092 --toxiproxy-url http://localhost:8474
  facteur doctor --k8s --json

Exit codes: 0 all well, 1 something is wrong and the report says what to do.";
