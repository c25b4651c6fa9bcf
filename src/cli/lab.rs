//! `facteur lab`: the course's labs, guided or unattended.
//!
//! **Why it says everything before it acts.** A student should do the step by hand first and then have it verified; a
//! script wants the verdict only (`--check`). Neighbours: [`crate::lab::runner`] acts and has the texts. Not here: the
//! labs themselves.

use std::io::IsTerminal;

use clap::Args;
use serde::Serialize;
use tokio::io::AsyncBufReadExt;

use crate::cli::exit::{Exit, Failure};
use crate::cli::lab_target::TargetArguments;
use crate::cli::output;
use crate::cli::reader_language::LanguageArgument;
use crate::cli::signals::Signals;
use crate::lab::language::Language;
use crate::lab::runner::catalogue::{OBJECTIVES, entry};
use crate::lab::runner::checkpoint::Checkpoint;
use crate::lab::runner::lab_id::{COURSE, EXTRAS, LabId};
use crate::lab::runner::run::Runner;
use crate::lab::runner::say;
use crate::lab::runner::target::LabTarget;

/// Flags of `lab`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct LabArguments {
    /// Which: 02.0 to 02.6, all (these seven), or idempotency-key, breaker, exercise-1, exercise-2, exercise-3, extras
    /// (these five).
    #[arg(default_value = "all", value_parser = parse_choice, value_name = "LAB")]
    lab: Choice,
    /// Do not ask; take the steps, print the checkpoints, end with 0 if all are reached.
    #[arg(long)]
    check: bool,
    /// List the labs and the course's objectives that they serve.
    #[arg(long, conflicts_with = "check")]
    list: bool,
    #[command(flatten)]
    language: LanguageArgument,
    /// Print one JSON object per lab.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// One lab or a group of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    All,
    Extras,
    One(LabId),
}

impl Choice {
    fn labs(self) -> Vec<LabId> {
        match self {
            Self::All => COURSE.to_vec(),
            Self::Extras => EXTRAS.to_vec(),
            Self::One(lab) => vec![lab],
        }
    }
}

/// A lab, with `--list --json`.
#[derive(Debug, Serialize)]
struct ListedLab {
    lab: &'static str,
    title: &'static str,
    goal: &'static str,
    objective: usize,
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the command line or the connection; a checkpoint that is not reached is exit code 1.
///
/// # Cancel safety
///
/// Dropping the future may leave a toxic in a lab that is not its own.
pub async fn run(arguments: LabArguments) -> Result<Exit, Failure> {
    let language = arguments.language.language();
    if arguments.list {
        list(language, arguments.json)?;
        return Ok(Exit::Ok);
    }
    let mut signals = Signals::listen()?;
    let lab = arguments.target.find().await?;
    eprintln!("facteur: {}", lab.how);
    let runner = Runner::new(lab.target.clone(), language);
    let outcome = tokio::select! {
        outcome = take(&arguments, &runner) => outcome,
        () = signals.next() => Err(Failure::new(Exit::Interrupted, "interrupted")),
    };
    // Whatever happened, nothing of ours stays in the way of the next send.
    if let Err(stop) = runner.toxics.heal().await {
        eprintln!("facteur: a fault may still stand: {}", stop.reason);
    }
    lab.stop().await;
    outcome
}

async fn take(arguments: &LabArguments, runner: &Runner) -> Result<Exit, Failure> {
    let is_guided = !arguments.check && !arguments.json && std::io::stdin().is_terminal();
    let labs = arguments.lab.labs();
    let is_single = labs.len() == 1;
    let mut reached = Vec::new();
    for lab in labs {
        if is_guided {
            introduce(lab, runner)?;
            await_enter(runner.language).await?;
        }
        let checkpoint = runner.run(lab).await;
        if arguments.json {
            output::json_line(&checkpoint)?;
        } else if is_guided || is_single || !checkpoint.ok {
            output::line(&told(&checkpoint, runner.language))?;
        }
        reached.push(checkpoint);
    }
    let all_reached = reached.iter().all(|checkpoint| checkpoint.ok);
    if !arguments.json && !is_single {
        output::line(&table(&reached, runner.language))?;
    }
    Ok(if all_reached { Exit::Ok } else { Exit::CheckFailed })
}

/// Goal, theory and the command, with this lab's own addresses.
fn introduce(lab: LabId, runner: &Runner) -> Result<(), Failure> {
    let (entry, language) = (entry(lab), runner.language);
    let (goal, theory) = (entry.goal.pick(language), entry.theory.pick(language));
    let command = at_target(entry.command, &runner.target);
    let indented: Vec<String> = command.lines().map(|line| format!("    {line}")).collect();
    output::line(&format!(
        "\n=== {lab}  {}\n\n{} {goal}\n\n{theory}\n\n{}\n\n{}\n",
        entry.title.pick(language),
        language.pick("Goal:", "But :"),
        language.pick("By hand, in another terminal:", "À la main, dans un autre terminal :"),
        indented.join("\n")
    ))
}

/// The command with the addresses of a lab that is not on the course's ports.
fn at_target(command: &str, target: &LabTarget) -> String {
    let course = LabTarget::course();
    command
        .replace(&course.java, &target.java)
        .replace(&course.librdkafka, &target.librdkafka)
        .replace(&course.toxiproxy, &target.toxiproxy)
        .replace("facteur consume ", &reading("facteur consume", &course, target))
        .replace("facteur topics create ", &reading("facteur topics create", &course, target))
}

/// A command that reads Kafka, told where Kafka is unless it is where the command looks by itself.
fn reading(command: &str, course: &LabTarget, target: &LabTarget) -> String {
    if target.kafka == course.kafka || target.kafka == "127.0.0.1:9092" {
        return format!("{command} ");
    }
    format!("{command} -b {} ", target.kafka)
}

async fn await_enter(language: Language) -> Result<(), Failure> {
    eprint!(
        "{}",
        language.pick("[Enter] takes the steps and verifies ", "[Entrée] fait les étapes et vérifie ")
    );
    let mut line = String::new();
    let mut stdin = tokio::io::BufReader::new(tokio::io::stdin());
    let read = stdin.read_line(&mut line).await;
    read.map_err(|error| Failure::new(Exit::CheckFailed, format!("stdin cannot be read: {error}")))?;
    Ok(())
}

/// The steps of one lab, its checkpoint and what really happened.
fn told(checkpoint: &Checkpoint, language: Language) -> String {
    let (ok, wrong) = (language.pick("ok  ", "ok  "), language.pick("FAIL", "NON "));
    let mut lines: Vec<String> = Vec::new();
    for step in &checkpoint.steps {
        let (did, expected, saw) = (&step.did, &step.expected, &step.saw);
        if step.ok {
            lines.push(format!("  {ok} {did}\n       {saw}"));
        } else {
            lines.push(say!(
                language,
                "  {wrong} {did}\n       expected: {expected}\n       seen:     {saw}",
                "  {wrong} {did}\n       attendu : {expected}\n       vu :      {saw}"
            ));
        }
    }
    let Checkpoint { lab, checkpoint: text, conclusion, elapsed_ms, .. } = checkpoint;
    let status = status(checkpoint.ok, language);
    let colon = language.pick(":", " :");
    lines.push(format!("{lab} {text}{colon} {status} ({elapsed_ms} ms)"));
    if !conclusion.is_empty() {
        lines.push(conclusion.clone());
    }
    lines.join("\n")
}

/// The course's table.
fn table(reached: &[Checkpoint], language: Language) -> String {
    let name = reached.iter().map(|one| one.lab.chars().count()).max().unwrap_or(4).max(4);
    let text = reached.iter().map(|one| one.checkpoint.chars().count()).max().unwrap_or(10).max(10);
    let header = language.pick("Status", "Statut");
    let mut lines = vec![
        format!("| {:<name$} | {:<text$} | {header:<6} |", "#", "Checkpoint"),
        format!("|{:-<w1$}|{:-<w2$}|{:-<8}|", "", "", "", w1 = name + 2, w2 = text + 2),
    ];
    for one in reached {
        let status = status(one.ok, language);
        lines.push(format!("| {:<name$} | {:<text$} | {status:<6} |", one.lab, one.checkpoint));
    }
    lines.join("\n")
}

const fn status(is_ok: bool, language: Language) -> &'static str {
    if is_ok { language.pick("pass", "réussi") } else { language.pick("fail", "échec") }
}

fn list(language: Language, json: bool) -> Result<(), Failure> {
    if json {
        let labs = LabId::all().map(|lab| (lab, entry(lab)));
        let labs: Vec<ListedLab> = labs
            .map(|(lab, entry)| ListedLab {
                lab: lab.name(),
                title: entry.title.pick(language),
                goal: entry.goal.pick(language),
                objective: entry.objective,
            })
            .collect();
        return output::json_line(&labs);
    }
    for lab in LabId::all() {
        let entry = entry(lab);
        output::line(&format!("{:<16} {}", lab.name(), entry.title.pick(language)))?;
        output::line(&format!("{:<16} {}", "", entry.goal.pick(language)))?;
    }
    output::line(language.pick(
        "\nThe course's objectives, and the labs that serve them:",
        "\nLes objectifs du cours, et les labs qui les servent :",
    ))?;
    for (at, objective) in OBJECTIVES.iter().enumerate() {
        let number = at + 1;
        let labs: Vec<&str> =
            LabId::all().filter(|lab| entry(*lab).objective == number).map(LabId::name).collect();
        let colon = language.pick(":", " :");
        output::line(&format!("  {number}. {}{colon} {}", objective.pick(language), labs.join(", ")))?;
    }
    Ok(())
}

fn parse_choice(text: &str) -> Result<Choice, String> {
    match text {
        "all" => Ok(Choice::All),
        "extras" => Ok(Choice::Extras),
        name => name.parse().map(Choice::One).map_err(|error: String| format!("{error}, all, extras")),
    }
}

const EXAMPLES: &str = "\
Examples:
  facteur lab                      all seven, step by step, on the lab that runs or on one of its own
  facteur lab 02.4                 the key experiment
  facteur lab all --check          the course's table; exit code 0 if every checkpoint is reached
  facteur lab all --check -b localhost:9092
  facteur lab --list --lang fr";
