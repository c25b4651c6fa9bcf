//! `facteur verify`: numbered records under faults, then an audit of the log.
//!
//! **Why.** "Exactly once per session" is a promise; this command tries to break it and counts: lost, duplicated, reordered,
//! misplaced, or stored although said rejected, per partition. The faults come out of a seed and are armed at given
//! records, so that a run can be repeated. What each acknowledgement said is printed as Kafka's `VerifiableProducer`
//! prints it. Neighbours: `schedule` draws the faults, `door` arms them, `sending` sends, `audit` judges, `report` prints.
//! Not here: one lost answer on purpose, which is `validate`'s.

mod audit;
mod door;
mod ledger;
mod report;
mod schedule;
mod sending;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::produce_settings::ProducerArguments;
use crate::cli::signals::Signals;
use crate::cli::verify::audit::{Audit, Promise};
use crate::cli::verify::door::FaultDoor;
use crate::cli::verify::report::Report;
use crate::cli::verify::schedule::{KindName, Schedule};
use crate::cli::verify::sending::{Sending, Sent};
use crate::lab::clock;
use crate::lab::embedded::{EmbeddedBroker, EmbeddedSettings};
use crate::lab::runner::log_reader::{LogReader, Mark};
use crate::producer::Producer;

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArguments {
    /// Where the producer connects: HOST:PORT, several with commas [default: an embedded broker of its own].
    #[arg(short = 'b', long = "bootstrap-server", value_name = "SERVERS")]
    bootstrap: Option<String>,
    /// The fault injector's admin API; its proxy `kafka` must be what -b names [default: no faults with -b].
    #[arg(long, value_name = "URL", requires = "bootstrap")]
    chaos: Option<String>,
    /// Where the log is read, past the injector [default: as -b].
    #[arg(long, value_name = "SERVERS", requires = "bootstrap")]
    audit_bootstrap: Option<String>,
    /// The topic; it is created if it is missing. Records that are there already are left out of the audit.
    #[arg(short, long, default_value = "facteur-verify")]
    topic: String,
    /// Its partitions, if it is created.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100))]
    partitions: i32,
    /// How many records.
    #[arg(long, visible_alias = "max-messages", default_value_t = 5_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    num_records: u32,
    /// Records a second.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    throughput: u32,
    /// How many faults.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    faults: u32,
    /// Only faults of these kinds [default: all that the broker or the injector can make].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KINDS")]
    kinds: Vec<KindName>,
    /// The same seed draws the same faults at the same records [default: a new one, which is told].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    #[command(flatten)]
    producer: ProducerArguments,
    /// Print one JSON object per acknowledgement, as Kafka's `VerifiableProducer` does, and the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Where a run happens.
struct Stage {
    /// The broker of its own, if it has one.
    own: Option<EmbeddedBroker>,
    door: FaultDoor,
    bootstrap: String,
    audit_bootstrap: String,
}

/// Sends, audits, judges.
///
/// # Errors
///
/// What is wrong with the command line, the cluster or the injector. A broken promise is exit code 1.
///
/// # Cancel safety
///
/// Dropping the future may leave a fault armed at the injector.
pub async fn run(arguments: VerifyArguments) -> Result<Exit, Failure> {
    let seed = arguments.seed.unwrap_or_else(|| clock::unix_time_ms().unsigned_abs() % SHORT_SEEDS);
    let run_id = format!("v{seed}-{:x}", clock::unix_time_ms());
    let mut signals = Signals::listen()?;
    let stage = stage(&arguments, &run_id).await?;
    let kinds = stage.door.kinds(&arguments.kinds)?;
    let faults = if kinds.is_empty() { 0 } else { arguments.faults };
    let schedule = Schedule::draw(seed, arguments.num_records, faults, &kinds);
    let outcome = verify(&arguments, &stage, schedule, &run_id, &mut signals).await;
    // Whatever happened, no fault of ours stays behind.
    let cleared = stage.door.clear().await;
    if let Some(own) = stage.own {
        own.stop().await;
    }
    let report = outcome?;
    cleared?;
    if arguments.json {
        output::json_line(&report)?;
    } else {
        output::line(&report.to_string())?;
    }
    Ok(report.exit())
}

async fn verify(
    arguments: &VerifyArguments,
    stage: &Stage,
    schedule: Schedule,
    run_id: &str,
    signals: &mut Signals,
) -> Result<Report, Failure> {
    let mut log = LogReader::connect(&stage.audit_bootstrap).await?;
    log.ensure_topic(&arguments.topic, arguments.partitions, &[]).await?;
    let partitions = log.partition_count(&arguments.topic).await?.unwrap_or_default();
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX).max(1);
    let mark = log.end(&arguments.topic).await?;
    let producer = Producer::from_properties(properties(arguments, stage, run_id))?;
    let promise = Promise::of(producer.guarantees());
    let sending = Sending {
        run_id: run_id.to_owned(),
        topic: arguments.topic.clone(),
        partitions,
        num_records: arguments.num_records,
        throughput: arguments.throughput,
        prints_acks: arguments.json,
        is_confirmed: promise.is_confirmed(),
    };
    let sent = sending.run(&producer, &stage.door, schedule, signals).await?;
    let audit = audit(&mut log, &mark, &sent, run_id, partitions).await?;
    Ok(Report::new(arguments.topic.clone(), run_id.to_owned(), promise, sent, audit))
}

/// Reads what the run has left in the log, and compares.
async fn audit(
    log: &mut LogReader,
    mark: &Mark,
    sent: &Sent,
    run_id: &str,
    partitions: i32,
) -> Result<Audit, Failure> {
    for partition in 0..partitions {
        // With acks=1 an answer may come before every replica has the record, and before it can be read.
        if let Some(offset) = sent.ledger.last_offset(partition) {
            log.offset_readable(mark.topic(), partition, offset, READABLE_PATIENCE).await?;
        }
    }
    let prefix = format!("{run_id}.");
    let lines = log.lines_since(mark, |line| line.value.starts_with(&prefix)).await?;
    Ok(Audit::of(&sent.ledger, &lines, &prefix, partitions))
}

/// The embedded broker with its own faults, or what the flags name.
async fn stage(arguments: &VerifyArguments, run_id: &str) -> Result<Stage, Failure> {
    if let Some(bootstrap) = &arguments.bootstrap {
        let door = match &arguments.chaos {
            Some(url) => FaultDoor::injector(url, run_id).await?,
            None => FaultDoor::None,
        };
        let audit_bootstrap = arguments.audit_bootstrap.clone().unwrap_or_else(|| bootstrap.clone());
        return Ok(Stage { own: None, door, bootstrap: bootstrap.clone(), audit_bootstrap });
    }
    let settings = EmbeddedSettings {
        listeners: vec![("PLAINTEXT", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))],
        advertised_host: None,
        topics: vec![(arguments.topic.clone(), arguments.partitions)],
    };
    let own =
        EmbeddedBroker::start(settings).await.map_err(|text| Failure::new(Exit::CannotConnect, text))?;
    let bootstrap = own.bootstrap();
    let door = FaultDoor::broker(own.handle());
    Ok(Stage { door, audit_bootstrap: bootstrap.clone(), bootstrap, own: Some(own) })
}

/// Short times, so that a fault of a second is felt; flags have the last word, but for the client id, by which the faults
/// find this producer and no other (D-61).
fn properties(arguments: &VerifyArguments, stage: &Stage, run_id: &str) -> Vec<(String, String)> {
    let ours = [
        ("request.timeout.ms", "1500"),
        ("delivery.timeout.ms", "30000"),
        ("retry.backoff.ms", "20"),
        ("retry.backoff.max.ms", "200"),
        ("reconnect.backoff.ms", "20"),
        ("reconnect.backoff.max.ms", "200"),
        ("linger.ms", "2"),
    ];
    let mut properties: Vec<(String, String)> =
        ours.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    properties.extend(arguments.producer.properties(&stage.bootstrap));
    properties.push(("client.id".to_owned(), run_id.to_owned()));
    properties
}

/// A seed is read aloud and typed again.
const SHORT_SEEDS: u64 = 1_000_000;
const READABLE_PATIENCE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  facteur verify                                        own broker, idempotent, 5000 records, 8 faults
  facteur verify --mode plain --seed 42                 duplicates are counted, and allowed
  facteur verify -b localhost:29093 --chaos http://localhost:8474 --audit-bootstrap localhost:9092
  facteur verify --kinds drop-response,delay-response --faults 20 --json

An idempotent producer promises that no record is lost, duplicated or reordered; a plain one that none is lost; acks=0
promises nothing. Exit codes: 0 the promise held, 1 it was broken, 2 usage, 3 cannot connect, 4 no record was acknowledged,
so nothing was verified.";
