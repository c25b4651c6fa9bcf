//! `facteur produce`: sends the lines of files or of stdin.
//!
//! **Why three threads of control.** One thread reads and sends, and waits where the producer's buffer is full; one waits
//! for the outcomes in order, with a bounded window between the two, so that a file of any size needs the same memory;
//! and the command itself listens to signals. Neighbours: [`crate::cli::produce_input`] has the lines,
//! [`crate::cli::produce_tally`] the counts. Not here: settings, which are [`crate::cli::produce_settings`]'s.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::oneshot;

use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::line_format::LineFormat;
use crate::cli::output;
use crate::cli::produce_input::{Input, LineRules, Place, open_all};
use crate::cli::produce_settings::ProducerArguments;
use crate::cli::produce_tally::Tally;
use crate::cli::signals::Signals;
use crate::error::Error;
use crate::lab::clock;
use crate::producer::{Producer, TopicHandle};
use crate::record::{Header, Record};
use crate::runtime::delivery::Delivery;

/// Flags of `produce`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ProduceArguments {
    /// The topic.
    #[arg(short, long)]
    topic: String,
    /// The cluster: HOST:PORT, several with commas.
    #[arg(
        short = 'b',
        long = "bootstrap-server",
        env = "KAFKA_BOOTSTRAP_SERVERS",
        default_value = "localhost:9092",
        value_name = "SERVERS"
    )]
    bootstrap: String,
    /// How long to wait for a broker at the start, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    timeout_ms: u64,
    /// The partition [default: by the key].
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// The key of every record.
    #[arg(short, long, conflicts_with = "key_delimiter")]
    key: Option<String>,
    /// What separates key and value in a line; a line without it has no key. \t is a tab.
    #[arg(short = 'K', long, value_name = "DELIMITER")]
    key_delimiter: Option<String>,
    /// How a line is built: %k the key, %v or %s the value, anything else as it stands, such as "%k=%v".
    #[arg(short = 'F', long, value_name = "FORMAT", conflicts_with_all = ["key", "key_delimiter"])]
    format: Option<String>,
    /// A header of every record; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// Send empty values as null (tombstones).
    #[arg(short = 'Z', long)]
    null: bool,
    /// Take the carriage return before a line end away.
    #[arg(long)]
    strip_cr: bool,
    #[command(flatten)]
    producer: ProducerArguments,
    /// Print where each record went.
    #[arg(short, long)]
    verbose: bool,
    /// No progress bar and no summary.
    #[arg(short, long)]
    quiet: bool,
    /// Print the summary (and deliveries, with -v) as JSON.
    #[arg(long)]
    json: bool,
    /// Files with one record per line; - is stdin, and so is none.
    files: Vec<PathBuf>,
}

/// A record on its way.
struct Sent {
    place: Place,
    bytes: u64,
    delivery: Result<Delivery, Error>,
}

/// What the reading thread needs.
struct Reading {
    inputs: Vec<Input>,
    rules: LineRules,
    headers: Vec<(String, String)>,
    partition: Option<i32>,
    topic: TopicHandle,
    producer: Producer,
    stop: Arc<AtomicBool>,
}

/// Sends everything and waits for every outcome.
///
/// # Errors
///
/// What is wrong with the command line, a file, the connection or the topic. Records that failed are no error here but
/// an exit code.
///
/// # Cancel safety
///
/// Dropping the future leaves the threads to the end of the process.
pub async fn run(arguments: ProduceArguments) -> Result<Exit, Failure> {
    let (inputs, total_bytes) = open_all(&arguments.files)?;
    let names: Vec<String> = inputs.iter().map(|input| input.name().to_owned()).collect();
    let rules = rules(&arguments)?;
    let producer = Producer::from_properties(arguments.producer.properties(&arguments.bootstrap))?;
    let mut signals = Signals::listen()?;
    // A broker that is not there should be said at once, not after max.block.ms.
    drop(Client::connect(&arguments.bootstrap, Duration::from_millis(arguments.timeout_ms)).await?);
    let topic = producer.topic(&arguments.topic).await?;
    check_partition(&arguments, &topic)?;

    let began = clock::now();
    let stop = Arc::new(AtomicBool::new(false));
    let tally = Arc::new(Mutex::new(Tally::new(names, arguments.verbose, arguments.json)));
    let bar = progress_bar(&arguments, total_bytes);
    let (sent, outcomes) = sync_channel(WINDOW_RECORDS);
    let reading = Reading {
        inputs,
        rules,
        headers: arguments.headers.clone(),
        partition: arguments.partition,
        topic,
        producer: producer.clone(),
        stop: Arc::clone(&stop),
    };
    let read = in_thread("facteur-read", move || reading.read_all(&sent))?;
    let counting = (Arc::clone(&tally), Arc::clone(&stop), bar.clone());
    let mut counted =
        in_thread("facteur-count", move || count(&outcomes, &counting.0, &counting.1, &counting.2))?;

    let ended = tokio::select! {
        ended = &mut counted => Some(ended),
        () = signals.next() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            eprintln!("facteur: stopping: delivering what was accepted (a second Ctrl-C stops at once).");
            stop.store(true, Ordering::Release);
            tokio::select! {
                _report = producer.close(STOP_PATIENCE) => {}
                () = signals.next() => return Err(Failure::new(Exit::Interrupted, "stopped at once; accepted records may be lost")),
            }
            counted.await
        }
    };
    bar.finish_and_clear();
    ended.unwrap_or_else(|_gone| {
        Err(Failure::new(Exit::CheckFailed, "the counting thread stopped by a defect"))
    })?;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !arguments.quiet {
        tally.print_summary(began, clock::now(), arguments.producer.is_unconfirmed())?;
        if tally.records() == 0 && !stop.load(Ordering::Acquire) && !arguments.json {
            eprintln!("facteur: there was no line to send: the input is empty, or stdin is closed.");
        }
    }
    // After a signal the reader may still wait for a line that never comes.
    let read = if stop.load(Ordering::Acquire) { Ok(()) } else { read.await.unwrap_or(Ok(())) };
    match (tally.exit(), read) {
        (Exit::Ok, Err(failure)) => Err(failure),
        (exit, Err(failure)) => Err(Failure { exit, ..failure }),
        (exit, Ok(())) => Ok(exit),
    }
}

fn rules(arguments: &ProduceArguments) -> Result<LineRules, Failure> {
    let key_delimiter = arguments.key_delimiter.as_ref().map(|text| text.replace("\\t", "\t").into_bytes());
    if key_delimiter.as_ref().is_some_and(Vec::is_empty) {
        return Err(Failure::usage("-K is empty; expected what separates key and value, such as : or \\t"));
    }
    let format = arguments.format.as_deref().map(LineFormat::parse).transpose();
    let format = format.map_err(|error| Failure::usage(format!("-F: {error}. Nothing was sent")))?;
    Ok(LineRules {
        format,
        key_delimiter,
        fixed_key: arguments.key.clone().map(String::into_bytes),
        empty_is_null: arguments.null,
        strips_carriage_return: arguments.strip_cr,
    })
}

fn check_partition(arguments: &ProduceArguments, topic: &TopicHandle) -> Result<(), Failure> {
    let count = topic.partition_count();
    match arguments.partition {
        Some(partition) if partition >= count => {
            let name = topic.name();
            Err(Failure::usage(format!(
                "topic {name:?} has {count} partitions, 0 to {}; -p {partition} is none of them. Nothing was sent",
                count - 1
            )))
        }
        Some(_) | None => Ok(()),
    }
}

/// Runs `work` in a thread of that name; the receiver gets its result.
pub(super) fn in_thread<T, F>(name: &str, work: F) -> Result<oneshot::Receiver<T>, Failure>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (done, result) = oneshot::channel();
    let run = move || drop(done.send(work()));
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started
        .map(|_thread| result)
        .map_err(|error| Failure::new(Exit::CheckFailed, format!("no thread can be started: {error}")))
}

impl Reading {
    /// Sends every line; what was accepted before an error stays accepted.
    fn read_all(mut self, sent: &SyncSender<Sent>) -> Result<(), Failure> {
        let mut inputs = std::mem::take(&mut self.inputs);
        let outcome =
            inputs.iter_mut().enumerate().try_for_each(|(index, input)| self.read_one(index, input, sent));
        // With a long linger the last records would wait for company that does not come.
        drop(self.producer.flush_blocking());
        outcome
    }

    fn read_one(&self, index: usize, input: &mut Input, sent: &SyncSender<Sent>) -> Result<(), Failure> {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| Header::new(name, value.as_bytes())).collect();
        let mut line = Vec::with_capacity(1024);
        while !self.stop.load(Ordering::Relaxed) && input.next_line(&mut line, &self.rules)? {
            let Some((key, value)) = self.rules.split(&line) else {
                return Err(Failure::usage(format!(
                    "{}, line {}: is not of the form that -F says. The lines before it were accepted; go on from this line",
                    input.name(),
                    input.line_number()
                )));
            };
            let record = Record {
                topic: "",
                partition: self.partition,
                key,
                value,
                headers: &headers,
                timestamp_ms: None,
            };
            let delivery = self.topic.send_blocking(record);
            let place = Place { input: index, line: input.line_number() };
            let fatal = delivery.as_ref().err().filter(|error| ends_everything(error)).cloned();
            let bytes = u64::try_from(line.len()).unwrap_or(u64::MAX);
            if sent.send(Sent { place, bytes, delivery }).is_err() {
                return Ok(());
            }
            if let Some(error) = fatal {
                let place = format!("{}, line {}", input.name(), input.line_number());
                let message = format!(
                    "stopped at {place}: {error}. The lines before it were accepted (the counts tell what became of \
                     them); this one and the rest were not: go on from this line"
                );
                return Err(Failure { message, ..Failure::from(error) });
            }
        }
        Ok(())
    }
}

/// Whether the next line would fail in the same way: then the rest is not tried, and the place is told.
pub(super) const fn ends_everything(error: &Error) -> bool {
    match error {
        Error::RecordTooLarge { .. }
        | Error::InvalidRecord(_)
        | Error::Rejected { .. }
        | Error::Unknown { .. } => false,
        Error::Config(_)
        | Error::Closed
        | Error::Defect(_)
        | Error::BufferFull { .. }
        | Error::InvalidTopic { .. }
        | Error::TopicNotAvailable { .. }
        | Error::UnknownPartition { .. }
        | Error::TopicAuthorization { .. }
        | Error::Misuse(_)
        | Error::NotReady { .. } => true,
    }
}

/// Waits for the outcomes, in order.
fn count(
    outcomes: &Receiver<Sent>,
    tally: &Mutex<Tally>,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut unseen_bytes: u64 = 0;
    loop {
        let sent = match outcomes.recv_timeout(STOP_CHECK) {
            Ok(sent) => sent,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            // The reader may wait for stdin for ever; after a signal nobody waits for it.
            Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Acquire) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => continue,
        };
        let outcome = sent.delivery.and_then(Delivery::wait);
        tally.lock().unwrap_or_else(PoisonError::into_inner).add(sent.place, sent.bytes, &outcome)?;
        unseen_bytes += sent.bytes + 1;
        if unseen_bytes >= BAR_STEP_BYTES {
            bar.inc(unseen_bytes);
            unseen_bytes = 0;
        }
    }
}

fn progress_bar(arguments: &ProduceArguments, total_bytes: Option<u64>) -> ProgressBar {
    if arguments.quiet || arguments.verbose || arguments.json || !output::stderr_is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total_bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no '='; expected NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Records whose outcome has not been looked at yet; each takes some tens of bytes.
const WINDOW_RECORDS: usize = 65_536;
const STOP_CHECK: Duration = Duration::from_millis(100);
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const BAR_STEP_BYTES: u64 = 256 * 1024;

const EXAMPLES: &str = "\
Examples:
  echo hello | facteur produce -t bhf-transactions
  facteur produce -t bhf-transactions -K : -v keyed-lines.txt
  facteur produce -t orders -z zstd -X linger.ms=20 -H source=import big.jsonl
  facteur produce -t orders --mode plain --acks 1 < lines.txt

Exit codes: 4 if a record was certainly not delivered, 5 if that is not known of some record.";
