//! A running client and its sink.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use facteur_peers::Outcome;

use crate::arguments::Arguments;
use crate::builds::{BASELINE, Built};
use crate::proc::{CpuTime, forget_peak_memory, peak_memory_bytes};

/// Longer than any client waits for an acknowledgement, and than a slow round lasts. Who says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(900);

/// A process that is talked to by lines, and ends with this handle.
#[derive(Debug)]
struct Talker {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Talker {
    fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the process has no pipes".into());
        };
        // A thread reads, because a pipe has no time limit; it ends with the process.
        let (heard, lines) = sync_channel(1);
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| heard.send(line))
        });
        Ok(Self { child, stdin, lines })
    }

    fn say(&mut self, line: &str) -> Outcome<()> {
        writeln!(self.stdin, "{line}")?;
        Ok(())
    }

    fn hear(&mut self) -> Outcome<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(line.trim_end().to_owned()),
            Err(RecvTimeoutError::Disconnected) => Err(format!("it ended: {}", self.child.wait()?).into()),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("it said nothing for {} s", PATIENCE.as_secs()).into())
            }
        }
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("arena: a process could not be ended: {error}");
        }
    }
}

/// A client with figures.
#[derive(Debug)]
pub struct Client {
    pub name: &'static str,
    /// Name and version, as it says.
    pub version: String,
    /// Everything that it was told to be acknowledged, in all rounds.
    pub acknowledged: u64,
    is_baseline: bool,
    process: Talker,
    sink: Option<Talker>,
    totals: Totals,
}

/// What the sink has counted since its start.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    records: u64,
    bytes: u64,
}

/// What a round has shown.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub records: u64,
    pub elapsed: Duration,
    pub used: CpuTime,
    pub peak_bytes: u64,
    /// What the sink got of batches; none from a real Kafka.
    pub sunk_bytes: Option<u64>,
}

impl Client {
    /// Starts a client, and a sink for it unless it speaks to a real Kafka.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start(built: &Built, arguments: &Arguments, values: &str) -> Outcome<Self> {
        let (sink, bootstrap) = match &arguments.bootstrap {
            Some(bootstrap) => (None, bootstrap.clone()),
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--sink", "127.0.0.1:0"]);
                command.args(["--partitions", &arguments.partitions.to_string()]);
                command.args(["--rtt-us", &arguments.rtt_us.to_string()]);
                if arguments.verify {
                    command.arg("--verify");
                }
                let mut sink = Talker::start(&mut command)?;
                let address = sink.hear()?;
                (Some(sink), address)
            }
        };
        let (program, fixed) = built.command.split_first().ok_or("no command")?;
        let mut command = Command::new(program);
        command.args(fixed).args(arguments.for_client(built.name, &bootstrap, values));
        let mut process = Talker::start(&mut command)?;
        let line = process.hear()?;
        let version = line.strip_prefix("READY ").ok_or_else(|| format!("it said {line:?}"))?.to_owned();
        let is_baseline = built.name == BASELINE;
        Ok(Self {
            name: built.name,
            version,
            acknowledged: 0,
            is_baseline,
            process,
            sink,
            totals: Totals::default(),
        })
    }

    /// As fast as it can: so many records until all are acknowledged, and that so many times.
    ///
    /// # Errors
    /// Not every record was acknowledged, or the sink found fault.
    pub fn send(&mut self, records: u64, times: u64) -> Outcome<Round> {
        self.round(&format!("SEND {records}"), records, times)
    }

    /// At a fixed rate; the latencies in microseconds, smallest first.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_at(&mut self, rate: u64, seconds: u64, file: &str) -> Outcome<(Round, Vec<u32>)> {
        let round = self.round(&format!("RATE {rate} {seconds} {file}"), rate * seconds, 1)?;
        let bytes = std::fs::read(file)?;
        let mut latencies: Vec<u32> =
            bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        latencies.sort_unstable();
        Ok((round, latencies))
    }

    fn round(&mut self, order: &str, records: u64, times: u64) -> Outcome<Round> {
        let process = self.process.child.id();
        forget_peak_memory(process)?;
        let (begun, before) = (Instant::now(), CpuTime::of(process)?);
        for _ in 0..times {
            self.process.say(order)?;
            let line = self.process.hear()?;
            if line != format!("DONE {records} 0") {
                return Err(format!(
                    "{records} records were sent, and it said {line:?} (acknowledged, failed)"
                )
                .into());
            }
            self.acknowledged += records;
        }
        let (elapsed, used) = (begun.elapsed(), CpuTime::of(process)?.since(before));
        let records = records * times;
        let sunk_bytes = self.check_sink(records)?;
        Ok(Round { records, elapsed, used, peak_bytes: peak_memory_bytes(process)?, sunk_bytes })
    }

    /// The bytes that the sink got in a round, and that it got all records.
    fn check_sink(&mut self, records: u64) -> Outcome<Option<u64>> {
        let Some(sink) = &mut self.sink else { return Ok(None) };
        sink.say("totals")?;
        let line = sink.hear()?;
        let counts = line.split(' ').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>()?;
        let [now_records, now_bytes, _, _, violations] = counts[..] else {
            return Err(format!("the sink said {line:?}").into());
        };
        if violations > 0 {
            return Err(format!("the sink found {violations} faults").into());
        }
        let got = now_records - self.totals.records;
        if got < records && !self.is_baseline {
            return Err(format!("{records} records were acknowledged, and the sink got {got}").into());
        }
        let bytes = now_bytes - self.totals.bytes;
        self.totals = Totals { records: now_records, bytes: now_bytes };
        Ok(Some(bytes))
    }
}
