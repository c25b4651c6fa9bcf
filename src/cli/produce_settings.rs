//! The flags of `produce` as settings of a producer.
//!
//! **Why Java's names.** Whoever knows Kafka knows them; `-X` takes every one of them and has the last word. Neighbours:
//! [`crate::cli::produce`] builds the producer. Not here: their meaning, which is `config`'s.

use clap::{Args, ValueEnum};

/// Flags that become settings.
#[derive(Debug, Clone, Args)]
pub struct ProducerArguments {
    /// idempotent: no duplicates by retries; plain: acks=1 and retries may duplicate.
    #[arg(long, value_enum, default_value_t = ModeArgument::Idempotent)]
    mode: ModeArgument,
    /// How many replicas must have a record: 0, 1 or all [default: all, with plain 1].
    #[arg(long, value_parser = ["0", "1", "all", "-1"], allow_hyphen_values = true)]
    acks: Option<String>,
    /// The codec: none, gzip, snappy, lz4 or zstd.
    #[arg(short = 'z', long = "compression", value_name = "CODEC", value_parser = ["none", "gzip", "snappy", "lz4", "zstd"])]
    codec: Option<String>,
    /// A producer setting by its Java name, such as linger.ms=20; may be repeated, and has the last word.
    #[arg(short = 'X', long = "property", value_name = "NAME=VALUE", value_parser = parse_property)]
    properties: Vec<(String, String)>,
}

/// `--mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArgument {
    Idempotent,
    Plain,
}

impl ProducerArguments {
    /// All settings, in order; a later one replaces an earlier one.
    pub fn properties(&self, bootstrap: &str) -> Vec<(String, String)> {
        let mut properties = vec![
            ("bootstrap.servers".to_owned(), bootstrap.to_owned()),
            ("client.id".to_owned(), "facteur-produce".to_owned()),
        ];
        let mut set = |name: &str, value: &str| properties.push((name.to_owned(), value.to_owned()));
        match self.mode {
            // Said only when asked for otherwise, so that `-X acks=1` gets the library's own words about it.
            ModeArgument::Idempotent => {}
            ModeArgument::Plain => {
                set("enable.idempotence", "false");
                set("acks", "1");
            }
        }
        if let Some(acks) = &self.acks {
            set("acks", acks);
        }
        if let Some(codec) = &self.codec {
            set("compression.type", codec);
        }
        properties.extend(self.properties.iter().cloned());
        properties
    }

    /// Whether nobody confirms anything.
    pub fn is_unconfirmed(&self) -> bool {
        let last =
            self.properties.iter().rev().find(|(name, _)| name == "acks").map(|(_, value)| value.as_str());
        last.or(self.acks.as_deref()) == Some("0")
    }
}

fn parse_property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} has no '='; expected NAME=VALUE, such as linger.ms=20"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
