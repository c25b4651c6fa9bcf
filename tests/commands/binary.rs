//! The binary `facteur`: run to its end, or running until it is dropped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// The binary, without the variables of whoever runs the tests.
pub fn facteur(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_facteur"));
    command.args(arguments);
    for (name, _) in std::env::vars() {
        let is_ours = name.starts_with("KAFKA_") || name.starts_with("FACTEUR_");
        if is_ours || ["SERVER_PORT", "ASPNETCORE_URLS", "RUST_LOG"].contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    // Labs of other tests run beside this one.
    command.envs([("FACTEUR_TOXIPROXY_PORT", "0"), ("FACTEUR_PROXY_PORT", "0")]);
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Output {
    facteur(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Its exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// What it printed.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it said.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A `facteur` that runs until it is dropped, and its first line, which is JSON.
pub struct Running {
    pub child: Child,
    pub first: serde_json::Value,
}

impl Running {
    /// Starts it and waits for its first line.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(first) = serde_json::from_str(&line) else {
            panic!("{line:?} {:?}", child.wait_with_output())
        };
        Self { child, first }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
