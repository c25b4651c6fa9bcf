//! `facteur perf`: how fast, and how late.
//!
//! **Why Kafka's own flags.** Who has measured a cluster before has done it with `kafka-producer-perf-test`; the same
//! flags work here and the last line has the same shape, so that scripts which read it go on working. Two things differ,
//! both on purpose: a record that was not acknowledged is never counted as sent, and Ctrl-C prints what was measured so
//! far. Neighbours: `plan` turns flags into settings, `session` sends, `measure` counts and words the line, `table`
//! compares. Not here: other clients; comparing with them is a bench of its own.

mod histogram;
mod measure;
mod payload;
mod plan;
mod session;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::perf::payload::Payloads;
use crate::cli::perf::plan::{Comparison, Plan, parse_comparison, parse_property};
use crate::cli::perf::session::{Pace, RunResult, Session};
use crate::cli::signals::Signals;
use crate::config::Origin;

/// Flags of `perf`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PerfArguments {
    /// The topic; the cluster creates it if it does that.
    #[arg(short, long, default_value = "facteur-perf")]
    topic: String,
    /// The cluster: HOST:PORT, several with commas; bootstrap.servers in --producer-props has the last word.
    #[arg(
        short = 'b',
        long = "bootstrap-server",
        env = "KAFKA_BOOTSTRAP_SERVERS",
        default_value = "localhost:9092",
        value_name = "SERVERS"
    )]
    bootstrap: String,
    /// How many records [default: 100000; with --compare 30000 each].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    num_records: Option<u64>,
    /// Bytes of each record's value [default: 100].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000),
          conflicts_with_all = ["payload_file", "payload_monotonic"])]
    record_size: Option<u32>,
    /// Values from a file, drawn at random.
    #[arg(long, value_name = "FILE", conflicts_with = "payload_monotonic")]
    payload_file: Option<PathBuf>,
    /// What separates the values in that file; \n is a line end.
    #[arg(long, value_name = "TEXT", default_value = "\\n", requires = "payload_file")]
    payload_delimiter: String,
    /// Values that count: 0, 1, 2 …
    #[arg(long)]
    payload_monotonic: bool,
    /// Records a second at most; -1 is as fast as it goes [default: -1; with --compare 10000].
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = parse_pace)]
    throughput: Option<Pace>,
    /// Producer settings by their Java names, such as acks=1 linger.ms=5.
    #[arg(long, visible_alias = "props", num_args = 1.., value_name = "NAME=VALUE", value_parser = parse_property)]
    producer_props: Vec<(String, String)>,
    /// One producer setting, as in `produce`; may be repeated, and has the last word.
    #[arg(short = 'X', long = "property", visible_alias = "command-property", value_name = "NAME=VALUE", value_parser = parse_property)]
    properties: Vec<(String, String)>,
    /// A Java properties file with producer settings.
    #[arg(long = "producer.config", visible_alias = "command-config", value_name = "FILE")]
    producer_config: Option<PathBuf>,
    /// A set of settings to begin with; the effective ones are shown.
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Records at the start that a second line, "steady state", leaves out; they belong to --num-records.
    #[arg(long, value_name = "N", default_value_t = 0)]
    warmup_records: u64,
    /// Milliseconds between the lines that tell how it goes.
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(100..))]
    reporting_interval: u64,
    /// Print the producer's counters at the end.
    #[arg(long, conflicts_with = "compare")]
    print_metrics: bool,
    /// Measure once per value and print a table: acks=0,1,all or linger=0,5,20 or any NAME=VALUE,VALUE; repeated, every
    /// combination.
    #[arg(long, value_name = "NAME=VALUES", value_parser = parse_comparison, conflicts_with = "warmup_records")]
    compare: Vec<Comparison>,
    /// Show how the latencies lie, a row for each doubling, before the last line (with --compare of each run).
    #[arg(long)]
    histogram: bool,
    /// How long to wait for a broker at the start, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    timeout_ms: u64,
    /// Only the last line: no bar, no lines in between.
    #[arg(short, long)]
    quiet: bool,
    /// Print the result as JSON, one line per run.
    #[arg(long)]
    json: bool,
}

/// `--preset`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// The course's tuning: bigger batches, a short wait for company, snappy, more memory, larger socket buffers.
    Throughput,
}

impl Preset {
    const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Throughput => &[
                ("batch.size", "32768"),
                ("linger.ms", "5"),
                ("compression.type", "snappy"),
                ("buffer.memory", "67108864"),
                ("send.buffer.bytes", "102400"),
                ("receive.buffer.bytes", "102400"),
            ],
        }
    }
}

/// Measures, once or once per combination.
///
/// # Errors
///
/// What is wrong with the command line or a file, before anything is sent; why the cluster cannot be reached. Records
/// that failed are no error here but an exit code.
///
/// # Cancel safety
///
/// Dropping the future leaves the sending thread to the end of the process.
pub async fn run(arguments: PerfArguments) -> Result<Exit, Failure> {
    let payloads = payloads(&arguments)?;
    // All plans are made before the first record is sent: a wrong fifth value must not cost four measurements.
    let plans = Plan::all(&base(&arguments)?, &arguments.compare)?;
    let mut signals = Signals::listen()?;
    for plan in plans.iter().take(1) {
        let bootstrap = plan.bootstrap();
        drop(Client::connect(&bootstrap, Duration::from_millis(arguments.timeout_ms)).await?);
    }
    if arguments.compare.is_empty() {
        let Some(plan) = plans.into_iter().next() else { return Ok(Exit::Ok) };
        return measure_once(&arguments, plan, payloads, &mut signals).await;
    }
    compare(&arguments, plans, &payloads, &mut signals).await
}

async fn measure_once(
    arguments: &PerfArguments,
    plan: Plan,
    payloads: Payloads,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    if arguments.preset.is_some() && !arguments.json {
        for (name, value) in plan.settings() {
            output::line(&format!("{name}={value}"))?;
        }
    }
    let result = session(arguments, payloads).run(plan, signals).await?;
    if arguments.json {
        output::json_line(&result.to_json())?;
    } else {
        if arguments.histogram {
            show_histogram(&result)?;
        }
        for line in result.lines() {
            output::line(&line)?;
        }
    }
    result.say_what_failed();
    if arguments.print_metrics && !arguments.json {
        for (name, value) in result.metrics() {
            output::line(&format!("{name:<28}{value}"))?;
        }
    }
    Ok(result.exit())
}

async fn compare(
    arguments: &PerfArguments,
    plans: Vec<Plan>,
    payloads: &Payloads,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    let session = session(arguments, payloads.clone());
    if !arguments.quiet {
        eprintln!("facteur: {} runs of {} records each, {}.", plans.len(), session.num_records, session.pace);
    }
    let mut results: Vec<RunResult> = Vec::new();
    for plan in plans {
        let result = session.clone().run(plan, signals).await?;
        if arguments.json {
            output::json_line(&result.to_json())?;
        } else if arguments.histogram {
            output::line(&table::label_of(&result))?;
            show_histogram(&result)?;
        }
        let is_cut = result.is_cut();
        results.push(result);
        if is_cut {
            break;
        }
    }
    if !arguments.json {
        output::line(&table::of(&results))?;
    }
    for result in &results {
        result.say_what_failed();
    }
    let worst = results.iter().map(RunResult::exit).find(|exit| *exit != Exit::Ok);
    Ok(worst.unwrap_or(Exit::Ok))
}

fn show_histogram(result: &RunResult) -> Result<(), Failure> {
    histogram::lines(&result.histogram()).iter().try_for_each(|line| output::line(line))
}

fn session(arguments: &PerfArguments, payloads: Payloads) -> Session {
    let is_compared = !arguments.compare.is_empty();
    Session {
        topic: arguments.topic.clone(),
        num_records: arguments.num_records.unwrap_or(if is_compared { 30_000 } else { 100_000 }),
        warmup_records: arguments.warmup_records,
        pace: arguments.throughput.unwrap_or(if is_compared {
            Pace::PerSecond(10_000.0)
        } else {
            Pace::Unlimited
        }),
        payloads,
        reporting_interval: Duration::from_millis(arguments.reporting_interval),
        tells_progress: !arguments.quiet && !arguments.json && !is_compared,
        has_bar: !arguments.quiet && !arguments.json && output::stderr_is_terminal(),
    }
}

fn payloads(arguments: &PerfArguments) -> Result<Payloads, Failure> {
    if arguments.payload_monotonic {
        return Ok(Payloads::counting());
    }
    match &arguments.payload_file {
        Some(path) => Payloads::from_file(path, &arguments.payload_delimiter),
        None => Ok(Payloads::random(arguments.record_size.unwrap_or(100))),
    }
}

/// The settings of every run, the later ones replacing the earlier ones.
fn base(arguments: &PerfArguments) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    plan.add("bootstrap.servers", &arguments.bootstrap, &Origin::Elsewhere("--bootstrap-server".into()));
    plan.add("client.id", "facteur-perf", &Origin::Elsewhere("perf".into()));
    for (name, value) in arguments.preset.map(Preset::settings).unwrap_or_default() {
        plan.add(name, value, &Origin::Elsewhere("--preset".into()));
    }
    if let Some(path) = &arguments.producer_config {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let shown = path.display();
            Failure::usage(format!("cannot read the properties file {shown}: {error}. Nothing was sent"))
        })?;
        plan.add_file(text, path.display().to_string());
    }
    for (name, value) in arguments.producer_props.iter().chain(&arguments.properties) {
        plan.add(name, value, &Origin::Elsewhere("the command line".into()));
    }
    Ok(plan)
}

fn parse_pace(text: &str) -> Result<Pace, String> {
    match text.parse::<f64>() {
        Ok(-1.0) => Ok(Pace::Unlimited),
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Pace::PerSecond(rate)),
        Ok(_) | Err(_) => {
            Err(format!("{text:?} is no pace; expected records a second above 0, or -1 for no limit"))
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  facteur perf --topic orders --num-records 1000000 --record-size 100 --throughput -1 --producer-props acks=1
  facteur perf --preset throughput --num-records 500000
  facteur perf --compare acks=0,1,all
  facteur perf --compare linger=0,5,20 --throughput 5000 --json
  facteur perf --throughput 50000 --num-records 1000000 --histogram
  facteur perf --payload-file lines.txt --warmup-records 10000 --print-metrics

MB are 1024 x 1024 bytes, as in Kafka's tool. Latency is the time from handing a record over to its acknowledgement.
Exit codes: 0 all acknowledged, 2 usage, 3 cannot connect, 4 a record was certainly not delivered, 5 not known of some;
such records are in no figure.";
