//! Building the clients: one that cannot be built is named and left out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use facteur_peers::Outcome;

use crate::arguments::Arguments;

/// A client that is ready to be started.
#[derive(Debug, Clone)]
pub struct Built {
    pub name: &'static str,
    pub command: Vec<String>,
}

/// A client without figures, and why.
#[derive(Debug, Clone)]
pub struct Absent {
    pub name: &'static str,
    pub reason: String,
}

/// The version of kafka-clients.
const JAVA_CLIENT: &str = "4.4.0";

const NAMES: [&str; 6] = ["facteur", "rdkafka", "confluent", "krafka", "franz-go", "java"];

/// # Errors
/// A name that is none of the clients'.
pub fn all(arguments: &Arguments) -> Outcome<(Vec<Built>, Vec<Absent>)> {
    if let Some(strange) = arguments.clients.iter().find(|name| !NAMES.contains(&&***name)) {
        return Err(format!("--clients {strange}: it is none of {}", NAMES.join(", ")).into());
    }
    let (mut built, mut absent) = (Vec::new(), Vec::new());
    for name in NAMES {
        if !arguments.clients.is_empty() && !arguments.clients.iter().any(|wanted| wanted == name) {
            continue;
        }
        eprintln!("arena: building {name}");
        match build(name) {
            Ok(command) => built.push(Built { name, command }),
            Err(reason) => absent.push(Absent { name, reason: reason.to_string() }),
        }
    }
    Ok((built, absent))
}

fn build(name: &str) -> Outcome<Vec<String>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    match name {
        "franz-go" => {
            let program = target()?.join("peer-franz-go");
            run(Command::new("go")
                .args(["build", "-o"])
                .arg(&program)
                .arg(".")
                .current_dir(here.join("go")))?;
            Ok(vec![text(&program)])
        }
        "java" => {
            let jars = here.join("../../scripts/kafka-jars.sh");
            let found = Command::new(jars).arg(JAVA_CLIENT).stderr(Stdio::inherit()).output()?;
            if !found.status.success() {
                return Err(format!("scripts/kafka-jars.sh {JAVA_CLIENT} failed").into());
            }
            let jars = format!("{}/*", String::from_utf8(found.stdout)?.trim());
            let classes = target()?.join("java");
            let source = here.join("java/ArenaClient.java");
            run(Command::new("javac").args(["-cp", &jars, "-d"]).arg(&classes).arg(source))?;
            let path = format!("{}:{jars}", text(&classes));
            // A fixed heap: what it would take otherwise depends on the machine.
            let version = format!("version={JAVA_CLIENT}");
            Ok(["java", "-Xms256m", "-Xmx256m", "-cp", &path, "ArenaClient", &version]
                .map(str::to_owned)
                .to_vec())
        }
        _ => {
            let program = format!("peer-{name}");
            let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            command.args(["build", "--release", "--quiet", "--bin", &program, "--manifest-path"]);
            command.arg(here.join("Cargo.toml"));
            if name != "facteur" {
                command.args(["--features", name]);
            }
            run(&mut command)?;
            Ok(vec![text(&target()?.join(program))])
        }
    }
}

/// Where cargo has put this program, and puts the others.
fn target() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().ok_or("the arena has no directory")?.to_owned())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn run(command: &mut Command) -> Outcome<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = told.lines().filter(|line| !line.trim().is_empty()).rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("{name} failed: {}", last.join(" / ")).into())
}
