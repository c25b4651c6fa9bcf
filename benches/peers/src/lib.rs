//! What every client of the arena shares: the workload, and the conversation with the arena.
//!
//! A client is a process of its own, so that its CPU time and its memory are its own. The arena talks to it over stdin and
//! stdout, one line at a time, and reads `/proc/<pid>` between the lines: so all are measured by the same hand, in
//! whatever language they are written.
//!
//! ```text
//! client  READY <name and version>
//! arena   SEND <records>                         as fast as it can; then all must be acknowledged
//! client  DONE <acknowledged> <failed>
//! arena   RATE <records/s> <seconds> <file>      at a fixed rate, sleeping between; latencies in µs as u32, little endian
//! client  DONE <acknowledged> <failed>
//! arena   (end of stdin)                         the client closes and ends
//! ```
//!
//! Neighbours: `main.rs` is the arena; `bin/` and `go/`, `java/` are the clients, [`workload`] is what they send.

pub mod workload;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

pub use crate::workload::{Next, Options, Work};

/// Whatever goes wrong ends the client; the arena tells it with the client's name.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Worker threads of every runtime that runs tasks, the clients' and the baseline's.
pub const WORKERS: usize = 2;

/// Outcomes, counted by whoever hears of them.
#[derive(Debug, Default)]
pub struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub fn count(&self, is_acknowledged: bool) {
        let counter = if is_acknowledged { &self.acknowledged } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_many(&self, acknowledged: u64, failed: u64) {
        self.acknowledged.fetch_add(acknowledged, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
    }

    /// Since the last time.
    fn take(&self) -> (u64, u64) {
        (self.acknowledged.swap(0, Ordering::Relaxed), self.failed.swap(0, Ordering::Relaxed))
    }
}

/// The latencies of a run at a fixed rate, by record.
#[derive(Debug)]
pub struct Stopwatch {
    begun: Instant,
    ns_per_record: u64,
    latencies_us: Vec<AtomicU32>,
}

impl Stopwatch {
    fn new(records: usize, per_second: u64) -> Self {
        Self {
            begun: Instant::now(),
            ns_per_record: 1_000_000_000 / per_second,
            latencies_us: (0..records).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// When this record ought to be sent.
    #[must_use]
    pub fn due(&self, record: usize) -> Instant {
        self.begun + Duration::from_nanos(self.ns_per_record * record as u64)
    }

    /// The record is acknowledged: what counts is the time since it ought to have been sent.
    pub fn stop(&self, record: usize) {
        let waited = Instant::now().saturating_duration_since(self.due(record));
        let micros = u32::try_from(waited.as_micros()).unwrap_or(u32::MAX);
        self.latencies_us[record].store(micros, Ordering::Relaxed);
    }

    fn write(&self, path: &str) -> io::Result<()> {
        let bytes: Vec<u8> =
            self.latencies_us.iter().flat_map(|it| it.load(Ordering::Relaxed).to_le_bytes()).collect();
        std::fs::write(path, bytes)
    }
}

/// A client, each by its own best asynchronous path.
pub trait Client: Send + Sync + 'static {
    /// Sends so many records from this thread, blocking while the client is full.
    ///
    /// # Errors
    ///
    /// A record that the client does not take.
    fn send(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()>;

    /// Sends one record; its outcome goes to the tally, its time to the watch.
    ///
    /// # Errors
    ///
    /// The client does not take it.
    fn send_timed(&self, work: &mut Work, record: usize, timed: &Arc<Timed>) -> Outcome<()>;

    /// One of the long-lived tasks: sends a record and awaits its outcome, so many times.
    fn one_by_one(
        &self,
        work: &mut Work,
        records: u64,
        tally: &Arc<Tally>,
    ) -> impl Future<Output = Outcome<()>> + Send;

    /// Where the tasks run.
    ///
    /// # Errors
    ///
    /// It has no tasks.
    fn runtime(&self) -> Outcome<&Runtime>;

    /// Returns when everything has its outcome.
    ///
    /// # Errors
    ///
    /// The client cannot say.
    fn flush(&self, tally: &Arc<Tally>) -> Outcome<()>;
}

/// What a timed record's outcome goes to.
#[derive(Debug)]
pub struct Timed {
    pub tally: Arc<Tally>,
    pub watch: Stopwatch,
}

impl Timed {
    pub fn ended(&self, record: usize, is_acknowledged: bool) {
        self.watch.stop(record);
        self.tally.count(is_acknowledged);
    }
}

/// The conversation with the arena, until it ends.
///
/// # Errors
///
/// The client's, or a line that is none of the arena's.
pub fn serve<C: Client>(name: &str, options: &Options, client: C) -> Outcome<()> {
    let client = Arc::new(client);
    let tally = Arc::new(Tally::default());
    say(&format!("READY {name}"))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["SEND", records] if options.tasks > 0 => {
                send_by_tasks(&client, options, records.parse()?, &tally)?;
            }
            ["SEND", records] => send_all(&client, options, records.parse()?, &tally)?,
            ["RATE", per_second, seconds, file] => {
                at_a_rate(&client, options, (per_second.parse()?, seconds.parse()?), &tally, file)?;
            }
            _ => return Err(format!("the arena said {line:?}").into()),
        }
        let (acknowledged, failed) = tally.take();
        say(&format!("DONE {acknowledged} {failed}"))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// What each of several senders gets of all records.
fn share(records: u64, senders: usize, sender: usize) -> u64 {
    records / senders as u64 + u64::from((sender as u64) < records % senders as u64)
}

fn send_all<C: Client>(client: &Arc<C>, options: &Options, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
    let running: Vec<_> = (0..options.threads)
        .map(|thread| {
            let share = share(records, options.threads, thread);
            let (client, tally, mut work) =
                (Arc::clone(client), Arc::clone(tally), Work::new(options, thread));
            std::thread::spawn(move || client.send(&mut work, share, &tally))
        })
        .collect();
    for thread in running {
        thread.join().map_err(|_| "a sending thread panicked")??;
    }
    client.flush(tally)
}

fn send_by_tasks<C: Client>(
    client: &Arc<C>,
    options: &Options,
    records: u64,
    tally: &Arc<Tally>,
) -> Outcome<()> {
    let runtime = client.runtime()?;
    let running: Vec<_> = (0..options.tasks)
        .map(|task| {
            let share = share(records, options.tasks, task);
            let (client, tally, mut work) = (Arc::clone(client), Arc::clone(tally), Work::new(options, task));
            runtime.spawn(async move { client.one_by_one(&mut work, share, &tally).await })
        })
        .collect();
    runtime.block_on(async {
        for task in running {
            task.await??;
        }
        Outcome::Ok(())
    })?;
    client.flush(tally)
}

fn at_a_rate<C: Client>(
    client: &Arc<C>,
    options: &Options,
    (per_second, seconds): (u64, u64),
    tally: &Arc<Tally>,
    file: &str,
) -> Outcome<()> {
    let records = usize::try_from(per_second * seconds)?;
    let mut work = Work::new(options, 0);
    let timed = Arc::new(Timed { tally: Arc::clone(tally), watch: Stopwatch::new(records, per_second) });
    for record in 0..records {
        // Sleeps rather than spins: what waits between two records must not be counted as the client's work.
        while timed.watch.due(record) > Instant::now() {
            std::thread::sleep(Duration::from_micros(500));
        }
        client.send_timed(&mut work, record, &timed)?;
    }
    client.flush(tally)?;
    timed.watch.write(file)?;
    Ok(())
}
