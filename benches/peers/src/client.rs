//! A running client and its sink.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use facteur_peers::Outcome;

use crate::arguments::Arguments;
use crate::builds::Built;
use crate::proc::{CpuTime, forget_peak_memory, peak_memory_bytes};

/// A process that is talked to by lines, and ends with this handle.
#[derive(Debug)]
struct Talker {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Talker {
    fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the process has no pipes".into());
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    fn say(&mut self, line: &str) -> Outcome<()> {
        writeln!(self.stdin, "{line}")?;
        Ok(())
    }

    fn hear(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(format!("it ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim_end().to_owned())
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
    process: Talker,
    sink: Option<Talker>,
}

/// What a round has shown.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub records: u64,
    pub elapsed: Duration,
    pub used: CpuTime,
    pub peak_bytes: u64,
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
        command.args(fixed).args(arguments.for_client(&bootstrap, values));
        let mut process = Talker::start(&mut command)?;
        let line = process.hear()?;
        let version = line.strip_prefix("READY ").ok_or_else(|| format!("it said {line:?}"))?.to_owned();
        Ok(Self { name: built.name, version, process, sink })
    }

    /// As fast as it can.
    ///
    /// # Errors
    /// Not every record was acknowledged, or the sink found fault.
    pub fn send(&mut self, records: u64) -> Outcome<Round> {
        self.round(&format!("SEND {records}"), records)
    }

    /// At a fixed rate; the latencies in microseconds, smallest first.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_at(&mut self, rate: u64, seconds: u64, file: &str) -> Outcome<(Round, Vec<u32>)> {
        let round = self.round(&format!("RATE {rate} {seconds} {file}"), rate * seconds)?;
        let bytes = std::fs::read(file)?;
        let mut latencies: Vec<u32> =
            bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        latencies.sort_unstable();
        Ok((round, latencies))
    }

    fn round(&mut self, order: &str, records: u64) -> Outcome<Round> {
        let process = self.process.child.id();
        forget_peak_memory(process)?;
        let (begun, before) = (Instant::now(), CpuTime::of(process)?);
        self.process.say(order)?;
        let line = self.process.hear()?;
        let (elapsed, used) = (begun.elapsed(), CpuTime::of(process)?.since(before));
        if line != format!("DONE {records} 0") {
            return Err(
                format!("{records} records were sent, and it said {line:?} (acknowledged, failed)").into()
            );
        }
        self.check_sink()?;
        Ok(Round { records, elapsed, used, peak_bytes: peak_memory_bytes(process)? })
    }

    fn check_sink(&mut self) -> Outcome<()> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        sink.say("totals")?;
        let line = sink.hear()?;
        let violations = line.rsplit(' ').next().unwrap_or("none");
        if violations == "0" { Ok(()) } else { Err(format!("the sink found {violations} faults").into()) }
    }
}
