//! `facteur validate`: lab 02.4, and the course's line.
//!
//! **Why the sentences come before the line.** Scripts read the last line, people the whole: one sentence per number tells
//! why it is what it is. Neighbours: [`crate::lab::runner::experiment`] measures; [`crate::cli::lab_target`] finds where.
//! Not here: the other labs.

use clap::Args;
use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::lab_target::TargetArguments;
use crate::cli::output;
use crate::cli::reader_language::LanguageArgument;
use crate::cli::signals::Signals;
use crate::lab::environment::ProducerEnvironment;
use crate::lab::language::Language;
use crate::lab::profile::Profile;
use crate::lab::runner::checkpoint::Stop;
use crate::lab::runner::experiment::{self, PARTITIONS, TOPIC};
use crate::lab::runner::log_reader::LogReader;
use crate::lab::runner::recipe::Recipe;
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::runner::verdict::{Histogram, Verdict};

/// Flags of `validate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ValidateArguments {
    #[command(flatten)]
    target: TargetArguments,
    /// How to lose the acknowledgement.
    #[arg(long, value_enum, default_value_t = Recipe::Drop)]
    recipe: Recipe,
    /// Do it so often, and print how often each number of copies was seen.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    repeat: u32,
    #[command(flatten)]
    language: LanguageArgument,
    /// Print one JSON object per run, and one for all of them with --repeat.
    #[arg(long)]
    json: bool,
}

/// All runs together, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    runs: u32,
    ok: u32,
    histogram: Histogram,
    elapsed_ms: Spread,
}

/// How long the runs took.
#[derive(Debug, Clone, Copy, Serialize)]
struct Spread {
    min: u64,
    median: u64,
    max: u64,
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the command line or the connection; a wrong number is exit code 1.
///
/// # Cancel safety
///
/// Dropping the future may leave a toxic in a lab that is not its own.
pub async fn run(arguments: ValidateArguments) -> Result<Exit, Failure> {
    let language = arguments.language.language();
    let mut signals = Signals::listen()?;
    let lab = match arguments.recipe {
        Recipe::Drop | Recipe::Timeout => arguments.target.find().await?,
        Recipe::Seed => arguments.target.find_with(impatient()).await?,
    };
    eprintln!("facteur: {}", lab.how);
    let runner = Runner::new(lab.target.clone(), language);
    let outcome = tokio::select! {
        outcome = validate(&arguments, &runner) => outcome,
        () = signals.next() => Err(Failure::new(Exit::Interrupted, "interrupted")),
    };
    // Whatever happened, nothing of ours stays in the way of the next send.
    if let Err(stop) = runner.toxics.heal().await {
        eprintln!("facteur: a fault may still stand: {}", stop.reason);
    }
    lab.stop().await;
    outcome
}

async fn validate(arguments: &ValidateArguments, runner: &Runner) -> Result<Exit, Failure> {
    if arguments.target.is_kubernetes() {
        if runner.facade(Profile::Java).get("/health").await.is_err() {
            return without_apis(runner).await;
        }
        if runner.toxics.version().await.is_err() {
            return without_faults(runner).await;
        }
    }
    warn_of_other_toxics(runner).await;
    let mut histogram = Histogram::default();
    let (mut passed, mut elapsed_ms) = (0, Vec::new());
    for number in 1..=arguments.repeat {
        let verdict = match experiment::run(runner, arguments.recipe).await {
            Ok(verdict) => verdict,
            Err(Stop { reason }) => return Err(Failure::new(Exit::CheckFailed, format!("FAILED: {reason}"))),
        };
        histogram.add(&verdict);
        passed += u32::from(verdict.ok);
        elapsed_ms.push(verdict.elapsed_ms);
        print(arguments, number, &verdict)?;
    }
    if arguments.repeat > 1 {
        let spread = Spread::of(elapsed_ms);
        summarise(arguments, runner.language, passed, histogram, spread)?;
    }
    Ok(if passed == arguments.repeat { Exit::Ok } else { Exit::CheckFailed })
}

fn print(arguments: &ValidateArguments, number: u32, verdict: &Verdict) -> Result<(), Failure> {
    if arguments.json {
        return output::json_line(verdict);
    }
    if arguments.repeat == 1 {
        for sentence in &verdict.why {
            output::line(sentence)?;
        }
        return output::line(&verdict.line);
    }
    output::line(&format!("{number}/{}: {} ({} ms)", arguments.repeat, verdict.line, verdict.elapsed_ms))
}

fn summarise(
    arguments: &ValidateArguments,
    language: Language,
    passed: u32,
    histogram: Histogram,
    elapsed_ms: Spread,
) -> Result<(), Failure> {
    let runs = arguments.repeat;
    if arguments.json {
        return output::json_line(&Summary { runs, ok: passed, histogram, elapsed_ms });
    }
    let Spread { min, median, max } = elapsed_ms;
    output::line(&histogram.table(language))?;
    output::line(&say!(
        language,
        "{passed} of {runs} runs OK; a run took {median} ms ({min} to {max})",
        "{passed} essais sur {runs} OK ; un essai a duré {median} ms ({min} à {max})"
    ))
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |index: usize| values.get(index).copied().unwrap_or(0);
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }
}

/// A toxic that someone left there acts on this experiment too.
async fn warn_of_other_toxics(runner: &Runner) {
    let Ok(toxics) = runner.toxics.toxics().await else { return };
    let names: Vec<&str> = toxics.iter().filter_map(|toxic| toxic.get("name")?.as_str()).collect();
    if !names.is_empty() {
        eprintln!(
            "facteur: warning: toxics stand on the proxy kafka already and act too: {}. Remove them: curl -X DELETE {}/proxies/kafka/toxics/NAME",
            names.join(", "),
            runner.toxics.base()
        );
    }
}

/// A cluster without the APIs: the course's script makes the topic, says so and is content.
async fn without_apis(runner: &Runner) -> Result<Exit, Failure> {
    eprintln!(
        "facteur: warning: no API answers at {}: only the cluster is looked at. Deploy them: scripts/k8s/03-deploy.sh",
        runner.target.java
    );
    let mut log = LogReader::connect(&runner.target.kafka).await?;
    log.ensure_topic(TOPIC, PARTITIONS, &[]).await?;
    output::line(&format!("OK: topic {TOPIC} is ready (K8s mode - the APIs are not deployed)"))?;
    Ok(Exit::Ok)
}

/// A cluster without an injector: the course's script sends one idempotent record there, and counts it.
async fn without_faults(runner: &Runner) -> Result<Exit, Failure> {
    eprintln!(
        "facteur: no injector answers at {}: nothing is lost on purpose, so this shows only that a send arrives once",
        runner.toxics.base()
    );
    let mut log = LogReader::connect(&runner.target.kafka).await?;
    log.ensure_topic(TOPIC, PARTITIONS, &[]).await?;
    let mark = log.end(TOPIC).await?;
    let event_id = runner.event_id("K8S-IDEMPOTENT");
    let parameters = [("mode", "idempotent"), ("sendMode", "sync"), ("eventId", event_id.as_str())];
    let answer = runner.facade(Profile::Java).send(&parameters).await;
    let answer = answer.map_err(|error| Failure::new(Exit::CannotConnect, error.to_string()))?;
    let copies = log.lines_since(&mark, |line| line.value.contains(&event_id)).await?.len();
    if answer.status.as_u16() == 200 && copies == 1 {
        output::line(&format!("OK: java_idempotent={copies} (K8s mode - no latency injection)"))?;
        return Ok(Exit::Ok);
    }
    output::line(&format!("FAILED: java_idempotent={copies} (the send was answered {})", answer.short()))?;
    Ok(Exit::CheckFailed)
}

/// The producers of the course's recipe: they wait 1,000 ms for an answer (D-59).
fn impatient() -> ProducerEnvironment {
    ProducerEnvironment {
        request_timeout_ms: 1000,
        socket_timeout_ms: 1000,
        ..ProducerEnvironment::default()
    }
}

const EXAMPLES: &str = "\
Examples:
  facteur validate                          on the lab that runs, else on one of its own
  facteur validate --repeat 50              and how often each number of copies was seen
  facteur validate --recipe seed            the course's own way: 5 s of latency for 2 s
  facteur validate -b localhost:9092        in front of a real Kafka

The last line is the course's: OK: java_idempotent=1 java_plain=2 dotnet_idempotent=1 dotnet_plain=2
Exit codes: 0 plain at least 2 and idempotent exactly 1; 1 not so, and the line says what broke; 3 cannot connect.";
