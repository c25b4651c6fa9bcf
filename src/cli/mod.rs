//! The commands of the binary `facteur`.
//!
//! **Why one binary.** A class starts the lab, sends, reads back and looks at topics with one program and no JVM (spec
//! section 6). Every command says what it did in plain English, has `--json`, and ends with a code that a script can
//! rely on ([`exit`]). Neighbours: [`crate::lab`] is what `serve` starts; [`client`] is the small Kafka client of the
//! reading and administrating commands. Not here: anything that the library's users need.

pub mod broker;
pub mod broker_flags;
pub mod chaos;
pub mod chaos_serve;
pub mod client;
pub mod completions;
pub mod config;
pub mod connection;
pub mod consume;
pub mod doctor;
pub mod exit;
pub mod generate_transactions;
mod group_consumer;
mod group_membership;
pub mod healthcheck;
pub mod http;
pub mod lab;
pub mod lab_target;
pub mod line_format;
pub mod message_format;
pub mod output;
pub mod partition;
pub mod perf;
pub mod produce;
pub mod produce_input;
pub mod produce_settings;
pub mod produce_tally;
pub mod producers;
pub mod reader_language;
pub mod serve;
pub mod settings_arguments;
pub mod signals;
pub mod topics;
pub mod trace;
pub mod validate;
pub mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::lab::clock;

/// A Kafka producer, a broker and a lab in one program.
#[derive(Debug, Parser)]
#[command(
    name = "facteur",
    version,
    about = "A Kafka producer, a broker and a lab in one program. Without a command it runs `serve`.",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    propagate_version = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeArguments,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the broker and the HTTP façade (the default).
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::ServeArguments),
    /// Starts the broker alone.
    Broker(broker::BrokerArguments),
    /// Sends the lines of files or of stdin to a topic.
    Produce(produce::ProduceArguments),
    /// Prints the records of a topic.
    Consume(consume::ConsumeArguments),
    /// Creates, lists, describes, alters, compacts and deletes topics.
    Topics(topics::TopicsArguments),
    /// Looks at everything that a lab needs, and says what to do about what is wrong.
    Doctor(doctor::DoctorArguments),
    /// Shows which producers a partition remembers: the broker's half of idempotence.
    Producers(producers::ProducersArguments),
    /// Shows which partition keys go to, under each client's hash.
    Partition(partition::PartitionArguments),
    /// Drives a fault injector, ours or any Toxiproxy.
    Chaos(chaos::ChaosArguments),
    /// Takes the course's labs, guided or unattended.
    Lab(lab::LabArguments),
    /// The key experiment: a lost acknowledgement stores a plain record twice, an idempotent one once.
    Validate(validate::ValidateArguments),
    /// Tells the story of one send, attempt by attempt, from a running lab.
    Trace(trace::TraceArguments),
    /// Prints a producer's settings and who said them; explains one; checks a file of them.
    Config(config::ConfigArguments),
    /// Prints made-up bank transactions, one JSON object a line: the same ones for the same seed.
    GenerateTransactions(generate_transactions::GenerateArguments),
    /// Measures throughput and latency, with the flags of Kafka's own tool.
    Perf(perf::PerfArguments),
    /// Sends numbered records under faults and audits the log: lost, duplicated, reordered.
    Verify(verify::VerifyArguments),
    /// Asks an HTTP address whether it is well; for container health checks.
    Healthcheck(healthcheck::HealthcheckArguments),
    /// Prints a completion script for a shell.
    Completions(completions::CompletionsArguments),
    /// Prints the manual page, or writes one page per command.
    Man(completions::ManArguments),
}

/// All commands and flags as data: completions, manual pages and a test of the help are made from it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line and returns the process's exit code.
pub fn run<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    // The banner of `serve` tells how long the start took, from here.
    let _beginning = clock::now();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no errors.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    start_logging();
    let outcome = runtime().and_then(|runtime| {
        let outcome = runtime.block_on(dispatch(cli));
        // A thread that is blocked reading stdin must not hold up the end.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("facteur: {}", failure.message);
            }
            failure.exit.into()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        None => serve::run(cli.serve).await,
        Some(Command::Serve(arguments)) => serve::run(arguments).await,
        Some(Command::Broker(arguments)) => broker::run(arguments).await,
        Some(Command::Produce(arguments)) => produce::run(arguments).await,
        Some(Command::Consume(arguments)) => consume::run(arguments).await,
        Some(Command::Topics(arguments)) => topics::run(arguments).await,
        Some(Command::Doctor(arguments)) => Box::pin(doctor::run(arguments)).await,
        Some(Command::Producers(arguments)) => producers::run(arguments).await,
        Some(Command::Partition(arguments)) => partition::run(&arguments),
        Some(Command::Chaos(arguments)) => Box::pin(chaos::run(arguments)).await,
        Some(Command::Lab(arguments)) => Box::pin(lab::run(arguments)).await,
        Some(Command::Validate(arguments)) => Box::pin(validate::run(arguments)).await,
        Some(Command::Trace(arguments)) => trace::run(arguments).await,
        Some(Command::Config(arguments)) => config::run(&arguments),
        Some(Command::GenerateTransactions(arguments)) => generate_transactions::run(&arguments),
        Some(Command::Perf(arguments)) => perf::run(arguments).await,
        Some(Command::Verify(arguments)) => Box::pin(verify::run(arguments)).await,
        Some(Command::Healthcheck(arguments)) => healthcheck::run(arguments).await,
        Some(Command::Completions(arguments)) => completions::run(&arguments),
        Some(Command::Man(arguments)) => completions::run_man(&arguments),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("facteur-lab").build();
    built.map_err(|error| Failure::new(Exit::CheckFailed, format!("the runtime cannot be started: {error}")))
}

/// Logs go to stderr, so that stdout stays data; `RUST_LOG` chooses, warnings by default.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let has_colour = output::stderr_has_colour();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(has_colour);
    // In a test process a subscriber may be there already.
    drop(subscriber.try_init());
}

const EXAMPLES: &str = "\
Examples:
  facteur                                             broker and façade on the course's ports
  curl http://localhost:18080/health
  curl -X POST 'http://localhost:18080/api/v1/send?mode=idempotent&eventId=E-1'
  echo hello | facteur produce -t bhf-transactions    one record
  facteur consume -t bhf-transactions --from-beginning -e
  facteur topics describe bhf-transactions

Exit codes: 0 done, 1 a check failed, 2 usage, 3 cannot connect or listen, 4 a record was not delivered,
5 it is not known whether a record was delivered.";
