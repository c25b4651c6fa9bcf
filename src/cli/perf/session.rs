//! One run: sends, waits, counts.
//!
//! **Why callbacks.** A latency is the time until *this* record was acknowledged; waiting for deliveries one after the
//! other would add the wait for its predecessors on other partitions. The sending loop has a thread of its own, so that
//! it measures the producer and not a task queue. Neighbours: `measure` has the figures. Not here: several runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::perf::histogram::Row;
use crate::cli::perf::measure::{Measure, Sent, Summary};
use crate::cli::perf::payload::Payloads;
use crate::cli::perf::plan::Plan;
use crate::cli::produce::{ends_everything, in_thread};
use crate::cli::signals::Signals;
use crate::config::Acks;
use crate::error::Error;
use crate::lab::{clock, tasks};
use crate::producer::{Guarantees, Producer, Statistics, TopicHandle};
use crate::record::Record;

/// What each run does.
#[derive(Debug, Clone)]
pub struct Session {
    /// The topic.
    pub topic: String,
    /// Records, those of the warm-up included.
    pub num_records: u64,
    /// Records that the steady state leaves out.
    pub warmup_records: u64,
    /// How fast to send.
    pub pace: Pace,
    /// What to send.
    pub payloads: Payloads,
    /// Between two lines.
    pub reporting_interval: Duration,
    /// Whether such lines are printed.
    pub tells_progress: bool,
    /// Whether someone looks at a bar.
    pub has_bar: bool,
}

/// `--throughput`
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as the producer takes them.
    Unlimited,
    /// Records a second at most.
    PerSecond(f64),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("as fast as it goes"),
            Self::PerSecond(rate) => {
                write!(f, "at most {rate} a second (--throughput -1: as fast as it goes)")
            }
        }
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct RunResult {
    label: Vec<(String, String)>,
    settings: Vec<(&'static str, String)>,
    guarantees: Guarantees,
    measure: Measure,
    statistics: Statistics,
    wanted: u64,
    is_cut: bool,
    ended_by: Option<Failure>,
}

/// A run, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunJson<'a> {
    compared: BTreeMap<&'a str, &'a str>,
    #[serde(flatten)]
    summary: Summary,
    rejected: u64,
    unknown: u64,
    /// Whether a broker confirmed the records; not with acks=0.
    confirmed: bool,
    no_duplicates: bool,
    /// Whether every record was tried.
    complete: bool,
    steady_state: Option<Summary>,
    /// How the latencies lie.
    histogram: Vec<Row>,
    requests: u64,
    batches: u64,
    batches_retried: u64,
    settings: BTreeMap<&'a str, &'a str>,
}

/// What the sending thread needs.
struct Sending {
    topic: TopicHandle,
    session: Session,
    measure: Arc<Mutex<Measure>>,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// Measures once.
    ///
    /// # Errors
    ///
    /// Why there is no producer, no topic or no thread.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the sending thread to the end of the process.
    pub async fn run(self, plan: Plan, signals: &mut Signals) -> Result<RunResult, Failure> {
        let (wanted, settings) = (self.num_records, plan.settings());
        let producer = Producer::new(plan.config()?)?;
        // Metadata, connections and the producer id are not what is measured.
        let topic = producer.topic(&self.topic).await?;
        let measure = Measure::begin(self.warmup_records)
            .ok_or_else(|| Failure::new(Exit::CheckFailed, "no histogram can be made"))?;
        let measure = Arc::new(Mutex::new(measure));
        let stop = Arc::new(AtomicBool::new(false));
        let watch = Watch::new(&self, Arc::clone(&measure));
        let sending =
            Sending { topic, session: self, measure: Arc::clone(&measure), stop: Arc::clone(&stop) };
        let runtime = tokio::runtime::Handle::current();
        let sent = in_thread("facteur-perf", move || runtime.block_on(sending.run()))?;
        let all = async {
            let ended = sent.await.unwrap_or(Ok(()));
            drop(producer.flush().await);
            ended
        };
        let ended = tokio::select! {
            ended = all => Some(ended),
            failure = watch.tell() => return Err(failure),
            () = signals.next() => None,
        };
        watch.bar.finish_and_clear();
        let is_cut = ended.is_none();
        if is_cut {
            eprintln!("facteur: stopping: waiting for what was accepted (a second Ctrl-C stops at once).");
            stop.store(true, Ordering::Release);
        }
        tokio::select! {
            _report = producer.close(STOP_PATIENCE) => {}
            () = signals.next() => return Err(Failure::new(Exit::Interrupted, "stopped at once; nothing was measured")),
        }
        let measure = lock(&measure).clone();
        Ok(RunResult {
            label: plan.label().to_vec(),
            settings,
            guarantees: producer.guarantees(),
            statistics: producer.statistics(),
            measure,
            wanted,
            is_cut,
            ended_by: ended.and_then(Result::err),
        })
    }
}

impl Sending {
    async fn run(self) -> Result<(), Failure> {
        let mut values = self.session.payloads.values();
        let began = clock::now();
        for index in 0..self.session.num_records {
            self.keep_pace(index, began).await;
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if index == self.session.warmup_records && index > 0 {
                lock(&self.measure).end_warmup(clock::now());
            }
            let value = values.next(index);
            let bytes = u64::try_from(value.len()).unwrap_or(u64::MAX);
            let record = Record {
                topic: "",
                partition: None,
                key: None,
                value: Some(&value),
                headers: &[],
                timestamp_ms: None,
            };
            let sent = Sent { index, bytes, at: clock::now() };
            let measure = Arc::clone(&self.measure);
            let callback = move |outcome: Result<_, Error>| match outcome {
                Ok(_report) => lock(&measure).acknowledged(sent, clock::now()),
                Err(error) => lock(&measure).failed(&error),
            };
            if let Err(error) = self.topic.send_with_callback(record, callback).await {
                if self.stop.load(Ordering::Acquire) {
                    return Ok(());
                }
                lock(&self.measure).failed(&error);
                if ends_everything(&error) {
                    return Err(Failure::from(error));
                }
            }
        }
        Ok(())
    }

    async fn keep_pace(&self, index: u64, began: crate::time::Instant) {
        let Pace::PerSecond(rate) = self.session.pace else { return };
        #[allow(clippy::cast_precision_loss, reason = "record 2^53 comes after this machine is gone")]
        let due = Duration::from_secs_f64((index as f64 / rate).min(LONGEST_RUN_SECONDS));
        loop {
            let ahead = due.saturating_sub(clock::now().since(began));
            // Timers have a grain of a millisecond; below it the records come in small groups.
            if ahead < Duration::from_millis(1) || self.stop.load(Ordering::Relaxed) {
                return;
            }
            tasks::sleep(ahead.min(TICK)).await;
        }
    }
}

/// Tells how a run goes.
struct Watch {
    measure: Arc<Mutex<Measure>>,
    interval: Duration,
    tells: bool,
    bar: ProgressBar,
}

impl Watch {
    fn new(session: &Session, measure: Arc<Mutex<Measure>>) -> Self {
        let bar = if session.has_bar { ProgressBar::new(session.num_records) } else { ProgressBar::hidden() };
        if session.has_bar {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {per_sec} eta {eta}")
            {
                bar.set_style(style);
            }
        }
        Self { measure, interval: session.reporting_interval, tells: session.tells_progress, bar }
    }

    /// Ends only if stdout cannot be written.
    async fn tell(&self) -> Failure {
        let mut due = clock::now() + self.interval;
        loop {
            tasks::sleep(TICK.min(self.interval)).await;
            let now = clock::now();
            let mut measure = lock(&self.measure);
            self.bar.set_position(measure.outcomes());
            if now < due || !self.tells {
                continue;
            }
            due = now + self.interval;
            let line = measure.end_window(now);
            drop(measure);
            if let Err(failure) = self.bar.suspend(|| output::line(&line)) {
                return failure;
            }
        }
    }
}

impl RunResult {
    /// The last line, and the steady state's below it.
    pub fn lines(&self) -> Vec<String> {
        let steady = self.measure.steady().map(|steady| steady.line(" steady state"));
        [Some(self.measure.whole().line("")), steady].into_iter().flatten().collect()
    }

    /// In numbers.
    pub fn summary(&self) -> Summary {
        self.measure.whole().summary()
    }

    /// How the latencies of acknowledged records lie.
    pub fn histogram(&self) -> Vec<Row> {
        self.measure.whole().histogram()
    }

    /// What sets this run apart.
    pub fn label(&self) -> &[(String, String)] {
        &self.label
    }

    /// Whether a retry cannot duplicate.
    pub const fn has_no_duplicates(&self) -> bool {
        self.guarantees.no_duplicates
    }

    /// Produce requests sent.
    pub const fn requests(&self) -> u64 {
        self.statistics.requests_sent
    }

    /// Records without an acknowledgement.
    pub const fn failed(&self) -> u64 {
        self.measure.rejected + self.measure.unknown
    }

    /// Whether Ctrl-C ended it.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// As one JSON object.
    pub fn to_json(&self) -> RunJson<'_> {
        RunJson {
            compared: self.label.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            summary: self.summary(),
            rejected: self.measure.rejected,
            unknown: self.measure.unknown,
            confirmed: self.guarantees.acks != Acks::None,
            no_duplicates: self.guarantees.no_duplicates,
            complete: self.measure.outcomes() >= self.wanted,
            steady_state: self.measure.steady().map(|steady| steady.summary()),
            histogram: self.histogram(),
            requests: self.statistics.requests_sent,
            batches: self.statistics.batches_sent,
            batches_retried: self.statistics.batches_retried,
            settings: self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        }
    }

    /// The producer's counters, by name.
    pub fn metrics(&self) -> Vec<(&'static str, u64)> {
        let counts = self.statistics;
        vec![
            ("records-acknowledged", counts.records_acknowledged),
            ("records-rejected", counts.records_rejected),
            ("records-unknown", counts.records_unknown),
            ("batches-sent", counts.batches_sent),
            ("batches-retried", counts.batches_retried),
            ("batches-split", counts.batches_split),
            ("bytes-sent", counts.bytes_sent),
            ("requests-sent", counts.requests_sent),
            ("connections-opened", counts.connections_opened),
            ("metadata-requests", counts.metadata_requests),
            ("epoch-bumps", counts.epoch_bumps),
            ("queue-time-mean-us", counts.queue_time_mean_us),
            ("request-latency-mean-us", counts.request_latency_mean_us),
            ("request-latency-max-us", counts.request_latency_max_us),
            ("buffer-total-bytes", counts.buffer_total_bytes),
        ]
    }

    /// On stderr: what the figures leave out, and why.
    pub fn say_what_failed(&self) {
        let Measure { rejected, unknown, first_error, .. } = &self.measure;
        if rejected + unknown > 0 {
            let first = first_error.as_deref().unwrap_or("no reason was kept");
            eprintln!(
                "facteur: {rejected} records were certainly not delivered, of {unknown} it is not known; they are in no \
                 figure. The first said: {first}"
            );
        }
        if self.is_cut {
            let tried = self.measure.outcomes();
            eprintln!("facteur: stopped by a signal after {tried} of {} records.", self.wanted);
        }
        if self.guarantees.acks == Acks::None {
            eprintln!(
                "facteur: acks=0: the records were handed to the network; nobody confirmed one of them."
            );
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match (&self.ended_by, self.measure.unknown, self.measure.rejected) {
            (Some(failure), 0, _) => failure.exit,
            (_, 1.., _) => Exit::DeliveryUnknown,
            (None, 0, 1..) => Exit::DeliveryFailed,
            (None, 0, 0) => Exit::Ok,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const TICK: Duration = Duration::from_millis(100);
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// A century.
const LONGEST_RUN_SECONDS: f64 = 3.2e9;
