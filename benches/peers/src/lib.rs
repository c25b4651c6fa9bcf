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
//! Neighbours: `main.rs` is the arena; `bin/` and `go/`, `java/` are the clients.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whatever goes wrong ends the client; the arena tells it with the client's name.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What a client is told at its start, as `name=value` arguments.
#[derive(Debug, Clone)]
pub struct Options {
    pub bootstrap: String,
    pub topic: String,
    /// Distinct keys; 0 for records without a key.
    pub keys: usize,
    pub threads: usize,
    pub linger_ms: u64,
    pub batch_bytes: usize,
    pub buffer_bytes: usize,
    pub codec: String,
    /// Each client's own best batch size, instead of the same for all.
    pub is_own_best: bool,
    /// The values, one after the other.
    pub values: Arc<Vec<Vec<u8>>>,
}

impl Options {
    /// Reads the process's arguments.
    ///
    /// # Errors
    ///
    /// An argument that is missing or is no number, by its name.
    pub fn from_arguments() -> Outcome<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let text = |name: &str| -> Outcome<String> {
            let found = arguments.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned).ok_or_else(|| format!("the argument {name}= is missing").into())
        };
        let number = |name: &str| -> Outcome<usize> {
            text(name)?.parse().map_err(|error| format!("{name}=: {error}").into())
        };
        let file = std::fs::read(text("values")?)?;
        let size = number("value_bytes")?;
        Ok(Self {
            bootstrap: text("bootstrap")?,
            topic: text("topic")?,
            keys: number("keys")?,
            threads: number("threads")?,
            linger_ms: number("linger_ms")? as u64,
            batch_bytes: number("batch_bytes")?,
            buffer_bytes: number("buffer_bytes")?,
            codec: text("codec")?,
            is_own_best: number("own_best")? == 1,
            values: Arc::new(file.chunks_exact(size).map(<[u8]>::to_vec).collect()),
        })
    }

    /// Every key as the bytes that all clients send.
    #[must_use]
    pub fn all_keys(&self) -> Vec<Vec<u8>> {
        (0..self.keys).map(|number| format!("customer-{number}").into_bytes()).collect()
    }
}

/// The records of one thread: the same sequence in every client.
#[derive(Debug, Clone)]
pub struct Work {
    values: Arc<Vec<Vec<u8>>>,
    keys: Arc<Vec<Vec<u8>>>,
    at: usize,
}

impl Work {
    #[must_use]
    pub fn new(options: &Options, thread: usize) -> Self {
        Self { values: Arc::clone(&options.values), keys: Arc::new(options.all_keys()), at: thread * 7_919 }
    }

    /// The next record's key and value.
    #[inline]
    pub fn next(&mut self) -> (Option<&[u8]>, &[u8]) {
        let at = self.at;
        self.at += 1;
        let key = if self.keys.is_empty() { None } else { Some(&*self.keys[at % self.keys.len()]) };
        (key, &self.values[at % self.values.len()])
    }
}

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

fn send_all<C: Client>(client: &Arc<C>, options: &Options, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
    let threads = options.threads as u64;
    let running: Vec<_> = (0..threads)
        .map(|thread| {
            let share = records / threads + u64::from(thread < records % threads);
            let (client, tally, mut work) =
                (Arc::clone(client), Arc::clone(tally), Work::new(options, thread as usize));
            std::thread::spawn(move || client.send(&mut work, share, &tally))
        })
        .collect();
    for thread in running {
        thread.join().map_err(|_| "a sending thread panicked")??;
    }
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
