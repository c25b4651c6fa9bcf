//! `facteur config`: a producer's settings, why they are so, and what is wrong with a file of them.
//!
//! **Why three questions.** "What does it use, and who said so?" is the first of every incident; "what does this do, and
//! when do I touch it?" is a class's; "is this block right?" is what a review asks, of the course's own settings too
//! (rows 4, 8, 12). Neighbours: [`crate::lab::effective_settings`] has the lab's producers, [`crate::config`] the rules.
//! Not here: a running lab, which answers `GET /api/v1/config`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::settings_arguments::{SettingsArguments, read};
use crate::config::setting::Setting;
use crate::config::{
    Origin, ProducerConfig, ProducerConfigBuilder, catalogue, names_of_others, settings_text,
};
use crate::error::Error;
use crate::lab::effective_settings::EffectiveSetting;
use crate::lab::producers::Producers;
use crate::lab::profile::{Mode, Profile};

/// Flags of `config`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConfigArguments {
    /// Tell what each setting does, its KIP, what changing it costs and when to do that; or only one setting's.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with = "check")]
    explain: Option<String>,
    /// Check a file of producer settings by their Java names (.properties, or `name: value` lines as in the course).
    #[arg(long, value_name = "FILE")]
    check: Option<String>,
    /// Whose settings: the clients that a port of the lab imitates.
    #[arg(long, value_enum, default_value_t = Profile::Java)]
    profile: Profile,
    /// Whose settings: the mode of the producer.
    #[arg(long, value_enum, default_value_t = ModeChoice::Idempotent)]
    mode: ModeChoice,
    #[command(flatten)]
    settings: SettingsArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// `--mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeChoice {
    Plain,
    Idempotent,
}

/// What was found in a file, with `--json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked<'a> {
    file: &'a str,
    ok: bool,
    settings: usize,
    problems: Vec<String>,
    warnings: Vec<String>,
}

/// One setting with its reasons, with `--explain --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    #[serde(flatten)]
    effective: EffectiveSetting,
    allowed: String,
    kip: &'static str,
    raising: &'static str,
    lowering: &'static str,
    touch_it_when: &'static str,
}

/// Prints.
///
/// # Errors
///
/// What is wrong with the command line or a file.
pub fn run(arguments: &ConfigArguments) -> Result<Exit, Failure> {
    if let Some(file) = &arguments.check {
        return check(file, arguments.json);
    }
    let settings = effective(arguments)?;
    match arguments.explain.as_deref() {
        None => list(&settings, arguments.json),
        Some("") => explain(settings, arguments.json),
        Some(name) => {
            let found: Vec<EffectiveSetting> =
                settings.into_iter().filter(|setting| setting.name == name).collect();
            if found.is_empty() {
                return Err(unknown(name));
            }
            explain(found, arguments.json)
        }
    }?;
    Ok(Exit::Ok)
}

fn effective(arguments: &ConfigArguments) -> Result<Vec<EffectiveSetting>, Failure> {
    let bootstrap = std::env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|text| !text.trim().is_empty());
    let bootstrap = bootstrap.unwrap_or_else(|| "localhost:9092".to_owned());
    let producers = Producers::new(arguments.profile, bootstrap, arguments.settings.environment()?);
    let mode = match arguments.mode {
        ModeChoice::Plain => Mode::Plain,
        ModeChoice::Idempotent => Mode::Idempotent,
    };
    Ok(producers.effective(mode)?)
}

fn list(settings: &[EffectiveSetting], json: bool) -> Result<(), Failure> {
    if json {
        return output::json_line(&settings);
    }
    let width = |of: fn(&EffectiveSetting) -> usize| settings.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(|one| one.name.len()), width(|one| one.value.len()).min(40));
    for setting in settings {
        let EffectiveSetting { name, value, .. } = setting;
        let shown = if value.is_empty() { "-" } else { value };
        output::line(&format!("{name:names$}  {shown:values$}  {}", origin(setting)))?;
    }
    Ok(())
}

/// Who said a value, for people.
fn origin(setting: &EffectiveSetting) -> String {
    match (&setting.source, setting.variable) {
        (Some(source), _) => format!("{} ({source})", setting.origin),
        (None, Some(variable)) if setting.origin == "lab" => format!("lab ({variable} changes it)"),
        (None, _) => setting.origin.to_owned(),
    }
}

fn explain(settings: Vec<EffectiveSetting>, json: bool) -> Result<(), Failure> {
    let explained = settings.into_iter().filter_map(|effective| {
        let setting = catalogue::settings().find(|setting| setting.name == effective.name)?;
        Some((setting, effective))
    });
    if json {
        let all: Vec<Explained> = explained.map(|(setting, effective)| in_json(setting, effective)).collect();
        return output::json_line(&all);
    }
    for (setting, effective) in explained {
        let default = if setting.default.is_empty() { "none" } else { setting.default };
        output::line(&format!(
            "{} = {}    {}\n  {}\n  default  {default} ({}); {}\n  KIP      {}\n  raise    {}\n  lower    {}\n  touch    {}\n",
            setting.name,
            effective.value,
            origin(&effective),
            setting.effect,
            setting.kind.unit(),
            setting.kind.allowed(),
            setting.kip,
            setting.raise,
            setting.lower,
            setting.touch,
        ))?;
    }
    Ok(())
}

fn in_json(setting: &Setting, effective: EffectiveSetting) -> Explained {
    Explained {
        effective,
        allowed: setting.kind.allowed(),
        kip: setting.kip,
        raising: setting.raise,
        lowering: setting.lower,
        touch_it_when: setting.touch,
    }
}

fn unknown(name: &str) -> Failure {
    let why = names_of_others::answer(name)
        .unwrap_or_else(|| "`facteur config` lists those that there are".to_owned());
    Failure::usage(format!("there is no setting {name:?}: {why}"))
}

fn check(file: &str, json: bool) -> Result<Exit, Failure> {
    let text = read(file)?;
    let entries = settings_text::parse(&text, file).map_err(Failure::usage)?;
    let settings = entries.len();
    // A block in a document names no servers; that is no mistake in it.
    let mut builder =
        ProducerConfigBuilder::new().property_from("bootstrap.servers", "localhost:9092", Origin::Builder);
    for entry in entries {
        let origin = Origin::File { file: file.into(), line: entry.line };
        builder = builder.property_from(&entry.name, &entry.value, origin);
    }
    let outcome = builder.build();
    let warnings = outcome.as_ref().map(warnings_of).unwrap_or_default();
    let problems = outcome.as_ref().err().map(problems_of).unwrap_or_default();
    let ok = problems.is_empty();
    let exit = if ok { Exit::Ok } else { Exit::CheckFailed };
    if json {
        output::json_line(&Checked { file, ok, settings, problems, warnings })?;
        return Ok(exit);
    }
    for warning in &warnings {
        output::line(&format!("warning: {warning}"))?;
    }
    for problem in &problems {
        output::line(&format!("error: {problem}"))?;
    }
    output::line(&match problems.len() {
        0 => format!("{file}: {settings} settings, no rule is broken"),
        count => format!("{file}: {settings} settings, {count} broken"),
    })?;
    Ok(exit)
}

fn warnings_of(config: &ProducerConfig) -> Vec<String> {
    config.warnings.iter().map(ToString::to_string).collect()
}

/// Several problems come in one text, each on a line of its own.
fn problems_of(error: &Error) -> Vec<String> {
    let text = if let Error::Config(text) = error { text.to_string() } else { error.to_string() };
    match text.split_once("\n- ") {
        Some((_, problems)) => problems.split("\n- ").map(str::to_owned).collect(),
        None => vec![text],
    }
}

const EXAMPLES: &str = "\
Examples:
  facteur config                               every setting of the lab's idempotent producer, and who said it
  facteur config --set KAFKA_LINGER_MS=20 --mode plain
  facteur config --explain linger.ms           what it does, its default, its KIP, and when to touch it
  facteur config --check producer.properties   each broken rule with its line; exit code 1 if there is one

Precedence: --set, then the environment, then --settings FILE, then the default. A running lab answers the same at
/api/v1/config.";
