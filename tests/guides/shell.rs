//! Runs the commands of a page in one bash, as a student would type them.

use std::path::Path;
use std::process::{Command as Process, Stdio};

use crate::course_ports::Lab;
use crate::page::Command;

/// Marks the end of a command's output; no command prints it.
const MARK: char = '\u{1}';

/// What each command printed, errors included; a line `[exit code N]` at the end of those that failed.
pub fn run_session(lab: &Lab, commands: &[Command]) -> Vec<String> {
    let mut script = "exec 2>&1 </dev/null\n".to_owned();
    for command in commands {
        script.push_str(&lab.on_own_ports(&command.text));
        script.push_str("\nprintf '\\001%d\\001' $?\n");
    }
    let output = lab.shell().arg("-c").arg(script).output().expect("bash runs the guides");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut parts = printed.split(MARK);
    let outputs: Vec<String> = std::iter::from_fn(|| Some((parts.next()?, parts.next()?)))
        .map(|(text, code)| match code {
            "0" => text.to_owned(),
            code => format!("{}\n[exit code {code}]", text.trim_end()).trim_start().to_owned(),
        })
        .collect();
    assert_eq!(outputs.len(), commands.len(), "the shell ended early: {printed}");
    outputs
}

/// Runs a script whose engines are stubs.
///
/// # Errors
///
/// What it printed, if it did not end with 0.
pub fn run_with_stubs(root: &Path, script: &str) -> Result<(), String> {
    let stubs = root.join("tests/guides/stubs");
    let path = format!("{}:{}", stubs.display(), std::env::var("PATH").unwrap_or_default());
    let output = Process::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(root)
        .env("PATH", path)
        .env("FACTEUR_UP_PATIENCE", "5")
        .env("FACTEUR", stubs.join("facteur"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("the script ended with {}\n{script}\n---\n{stdout}{stderr}", output.status))
}
