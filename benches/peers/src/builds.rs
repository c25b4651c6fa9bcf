//! Building the clients: one that cannot be built, or has not what is to be measured, is named and left out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use facteur_peers::Outcome;

use crate::arguments::{Arguments, Variant};

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

/// What is measured unless told otherwise, the yardsticks last.
const NAMES: [&str; 8] = ["facteur", "rdkafka", "confluent", "krafka", "franz-go", "java", FLOOR, BASELINE];

/// Bare writes, with a codec behind a bare encoder: no client.
pub const FLOOR: &str = "floor";
/// Tasks woken without any Kafka: no client.
pub const BASELINE: &str = "baseline";

/// More platform threads than that are no way of waiting that anybody recommends.
const MOST_JAVA_TASKS: usize = 1_000;

/// # Errors
/// A name that is none of the clients'.
pub fn all(arguments: &Arguments, variants: &[Variant]) -> Outcome<(Vec<Built>, Vec<Absent>)> {
    if let Some(strange) = arguments.clients.iter().find(|name| !NAMES.contains(&&***name)) {
        return Err(format!("--clients {strange}: it is none of {}", NAMES.join(", ")).into());
    }
    let (mut built, mut absent) = (Vec::new(), Vec::new());
    for name in NAMES {
        let is_named = arguments.clients.iter().any(|wanted| wanted == name);
        if !arguments.clients.is_empty() && !is_named {
            continue;
        }
        let impossible = variants.iter().find_map(|variant| impossible(name, &variant.arguments));
        if let Some(reason) = impossible {
            // Nobody misses a yardstick that was not asked for.
            if is_named || ![FLOOR, BASELINE].contains(&name) {
                absent.push(Absent { name, reason: reason.to_owned() });
            }
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

/// Why this cannot be measured.
fn impossible(name: &str, arguments: &Arguments) -> Option<&'static str> {
    match name {
        FLOOR if arguments.bootstrap.is_some() => Some("it writes to the sink only"),
        FLOOR if arguments.keys > 0 || arguments.topics > 1 => Some("it has one topic and no keys"),
        FLOOR if arguments.tasks > 0 || arguments.rate.is_some() => Some("it has neither tasks nor a rate"),
        BASELINE if arguments.tasks == 0 => Some("it is for --tasks"),
        BASELINE if arguments.bootstrap.is_some() => Some("it sends nothing, to no Kafka"),
        "java" if arguments.tasks > MOST_JAVA_TASKS => {
            Some("its tasks are platform threads here, and more than 1000 of those nobody recommends")
        }
        _ => None,
    }
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
            std::fs::create_dir_all(&classes)?;
            let source = here.join("java/ArenaClient.java");
            run(Command::new("javac").args(["-cp", &jars, "-d"]).arg(&classes).arg(source))?;
            let path = format!("{}:{jars}", text(&classes));
            // A fixed heap: what it would take otherwise depends on the machine.
            let version = format!("version={JAVA_CLIENT}");
            Ok(["java", "-Xms256m", "-Xmx256m", "-cp", &path, "ArenaClient", &version]
                .map(str::to_owned)
                .to_vec())
        }
        FLOOR | BASELINE | "facteur" => cargo(name, ""),
        // With the features of all, so that what they share is compiled once; alone if one of the others cannot be built.
        _ => cargo(name, "rdkafka,confluent,krafka").or_else(|_| cargo(name, name)),
    }
}

fn cargo(name: &str, features: &str) -> Outcome<Vec<String>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let program = format!("peer-{name}");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--release", "--quiet", "--bin", &program, "--features", features]);
    run(command.arg("--manifest-path").arg(manifest))?;
    Ok(vec![text(&target()?.join(program))])
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
