//! One Kafka node: a process that can be stopped, killed, frozen and started again.
//!
//! **Why by process id.** A fault must hit one node and nothing else on the machine. `scripts/kafka-node.sh` replaces
//! itself by the JVM, also behind `ip netns exec`, so the child's id is the broker's. **Why a reaper as well.** A cluster
//! that several tests share is never dropped, and a test run can be interrupted: a small shell waits for the end of this
//! process and then ends the nodes. Neighbours: [`crate::cluster`] owns nodes. Not here: what they are asked.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::{PATIENCE, script};

/// Ends what a run left behind: `$1` is its directory, which stands in the command line of each of its nodes. A node that is
/// just dying still has files open, so the small disk goes lazily.
const REAPER: &str = r#"
cat >/dev/null
for file in "$1"/*.pid; do
  pid=$(cat "$file" 2>/dev/null) || continue
  if tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$1"; then kill -KILL "$pid"; fi
done
for small in "$1"/*/small; do [ ! -d "$small" ] || umount -l "$small" 2>/dev/null; done
rm -rf "$1"
"#;

/// Ends a run's nodes when this process ends, however it ends.
pub struct Reaper {
    process: Child,
    /// Closed by the system when this process is gone.
    alarm: Option<ChildStdin>,
}

impl Reaper {
    pub fn watch(dir: &Path) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", REAPER, "reaper"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be run");
        let alarm = process.stdin.take();
        Self { process, alarm }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.alarm.take());
        drop(self.process.wait());
    }
}

/// A node and how to start it.
pub struct Node {
    pub address: SocketAddr,
    arguments: Vec<String>,
    log: PathBuf,
    namespace: Option<String>,
    process: Option<Child>,
    pub is_frozen: bool,
    /// Cut off from the others, so that it must not be asked how things are.
    pub is_apart: bool,
}

impl Node {
    pub fn new(address: SocketAddr, arguments: Vec<String>, log: PathBuf, namespace: Option<String>) -> Self {
        Self { address, arguments, log, namespace, process: None, is_frozen: false, is_apart: false }
    }

    /// Whether it was started, not ended, not frozen and not cut off.
    pub fn is_sane(&self) -> bool {
        self.process.is_some() && !self.is_frozen && !self.is_apart
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The version that the next start runs.
    pub fn set_version(&mut self, version: &str) {
        let at = self.arguments.iter().position(|argument| argument == "--version");
        let value = at.and_then(|at| self.arguments.get_mut(at + 1)).expect("a node has a version");
        version.clone_into(value);
    }

    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "the node runs already");
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let errors = log.try_clone().expect("a second handle of the log file");
        let mut command = match &self.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(script("kafka-node.sh"));
                command
            }
            None => Command::new(script("kafka-node.sh")),
        };
        let child = command
            .args(&self.arguments)
            .env("KAFKA_LOG_LEVEL", std::env::var("KAFKA_LOG_LEVEL").unwrap_or_else(|_| "warn".to_owned()))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("scripts/kafka-node.sh can be run");
        fs::write(self.log.with_extension("pid"), child.id().to_string()).expect("a file for the process id");
        self.process = Some(child);
    }

    pub fn await_listening(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_err() {
            let process = self.process.as_mut().expect("the node was spawned");
            let ended = process.try_wait().expect("the child's state");
            if ended.is_some() || begun.elapsed() > PATIENCE {
                panic!("the node at {} does not listen: {ended:?} after {:?}", self.address, begun.elapsed());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("the node runs");
        let status = Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status();
        assert!(status.expect("kill can be run").success(), "kill -{name} {} failed", process.id());
    }

    /// Ends the process and waits for it. Whoever ignores SIGTERM for half a minute is killed.
    pub fn end(&mut self, signal: &str) {
        let Some(mut process) = self.process.take() else { return };
        self.is_frozen = false;
        let begun = Instant::now();
        let is_gone = matches!(process.try_wait(), Ok(Some(_)));
        if signal != "KILL" && !is_gone {
            let status =
                Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status();
            assert!(status.is_ok(), "kill can be run");
        }
        while signal != "KILL" && begun.elapsed() < Duration::from_secs(30) {
            if matches!(process.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        // Both fail only if the process is gone already, which is what is wanted.
        drop(process.kill());
        drop(process.wait());
    }

    pub fn print_log_tail(&self) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        println!("--- the end of {}", self.log.display());
        for line in lines.iter().skip(lines.len().saturating_sub(20)) {
            println!("{}", line.chars().take(300).collect::<String>());
        }
    }
}
