//! `--set` and `--settings`: the lab's settings on the command line and in a file.
//!
//! **Why the course's names.** The variables of the course's manifests work in all three places, so that what is tried
//! with a flag can be kept in a file. Neighbours: `serve` and `config` flatten this; [`crate::lab::settings_layers`] has
//! the precedence. Not here: the meaning of a variable.

use clap::Args;

use crate::cli::exit::Failure;
use crate::lab::environment::{ProducerEnvironment, VARIABLES};
use crate::lab::settings_layers::Layers;

/// The flags.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsArguments {
    /// A setting of the lab's producers, such as `KAFKA_LINGER_MS=20`; before the environment and the file. May be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_pair)]
    set: Vec<(String, String)>,
    /// A file with such settings, one a line: NAME=VALUE or NAME: VALUE.
    #[arg(long = "settings", env = "FACTEUR_SETTINGS", value_name = "FILE")]
    file: Option<String>,
}

impl SettingsArguments {
    /// The settings by flag, environment, file and default, in this order of precedence.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn environment(&self) -> Result<ProducerEnvironment, Failure> {
        let file = self.file.as_deref().filter(|name| !name.is_empty());
        let text = file.map(|name| read(name).map(|text| (name, text))).transpose()?;
        let file = text.as_ref().map(|(name, text)| (*name, text.as_str()));
        let layers = Layers::new(&self.set, file, VARIABLES).map_err(Failure::usage)?;
        let read = ProducerEnvironment::read_layers(&layers, |name| std::env::var(name).ok());
        read.map_err(|error| Failure::usage(error.to_string()))
    }
}

/// The text of a file of settings, which are small; `-` is stdin.
///
/// # Errors
///
/// Why it cannot be read.
pub fn read(name: &str) -> Result<String, Failure> {
    use std::io::Read as _;
    let open = || -> std::io::Result<Box<dyn std::io::Read>> {
        if name == "-" { Ok(Box::new(std::io::stdin())) } else { Ok(Box::new(std::fs::File::open(name)?)) }
    };
    let mut text = String::new();
    let outcome = open().and_then(|file| file.take(LARGEST_BYTES + 1).read_to_string(&mut text));
    match outcome {
        Ok(_) if u64::try_from(text.len()).is_ok_and(|bytes| bytes > LARGEST_BYTES) => Err(Failure::usage(
            format!("{name} is larger than {LARGEST_BYTES} bytes: is it a file of settings?"),
        )),
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::usage(format!("{name} cannot be read: {error}"))),
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no '='; expected NAME=VALUE"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

const LARGEST_BYTES: u64 = 1024 * 1024;
