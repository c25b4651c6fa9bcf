//! The sink as a child process: this program started again with `--sink`, so that there is nothing to install or find.
//! Ends with the handle.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running sink.
#[derive(Debug)]
pub struct SinkProcess {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: String,
}

/// What a sink has got so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Records, in batches that it answered.
    pub records: u64,
    /// Bytes of batches.
    pub bytes: u64,
    /// Batches.
    pub batches: u64,
    /// Produce requests.
    pub requests: u64,
    /// Batches with a wrong checksum or sequence; always 0 without `--verify`.
    pub violations: u64,
}

impl SinkProcess {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    ///
    /// The process cannot be started or does not say where it listens.
    pub fn start(partitions: i32, verify: bool) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--sink=127.0.0.1:0").arg(format!("--partitions={partitions}"));
        if verify {
            command.arg("--verify");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the sink has no pipes"));
        };
        let mut sink = Self { child, commands, answers: BufReader::new(answers), address: String::new() };
        sink.address = sink.line()?;
        Ok(sink)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has got.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn totals(&mut self) -> io::Result<Totals> {
        self.commands.write_all(b"totals\n")?;
        let line = self.line()?;
        let mut numbers = line.split(' ').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Ok(Totals { records: next(), bytes: next(), batches: next(), requests: next(), violations: next() })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the sink ended"));
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the sink could not be ended: {error}");
        }
    }
}
