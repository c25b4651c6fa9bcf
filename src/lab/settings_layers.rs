//! Where the façade's settings may be said: flags, the environment, a file; in this order of precedence.
//!
//! **Why the source is kept.** "Which value does it really use, and who said so?" is the first question when a lab does
//! not do what the course says. Neighbours: [`crate::lab::environment`] reads values through this,
//! [`crate::lab::effective_settings`] shows where they came from. Not here: what a variable means.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::config::settings_text;

/// Who said a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `--set NAME=VALUE`.
    Flag,
    /// An environment variable.
    Environment,
    /// A line of a file.
    File {
        /// As the caller calls it.
        file: Arc<str>,
        /// Counted from 1.
        line: usize,
    },
}

impl Source {
    /// The layer's name, as answers show it.
    pub const fn layer(&self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File { .. } => "file",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--set"),
            Self::Environment => f.write_str("environment variable"),
            Self::File { file, line } => write!(f, "{file}, line {line}:"),
        }
    }
}

/// The layers above the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    flags: BTreeMap<String, String>,
    file: BTreeMap<String, (String, Source)>,
}

impl Layers {
    /// Layers of flags and, if there is one, of a file: its name and its text.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or a name that is none of `known`: what is wrong, where, and what there is.
    pub fn new(
        flags: &[(String, String)],
        file: Option<(&str, &str)>,
        known: &[&str],
    ) -> Result<Self, String> {
        let mut layers = Self::default();
        for (name, value) in flags {
            check(&Source::Flag, name, known)?;
            layers.flags.insert(name.clone(), value.clone());
        }
        if let Some((file, text)) = file {
            for entry in settings_text::parse(text, file)? {
                let source = Source::File { file: file.into(), line: entry.line };
                check(&source, &entry.name, known)?;
                // As everywhere: the last one holds.
                layers.file.insert(entry.name, (entry.value, source));
            }
        }
        Ok(layers)
    }

    /// The value of the highest layer that has one, and which that is.
    pub fn find(&self, name: &str, environment: impl Fn(&str) -> Option<String>) -> Option<(String, Source)> {
        let of_flag = self.flags.get(name).map(|value| (value.clone(), Source::Flag));
        of_flag
            .or_else(|| environment(name).map(|value| (value, Source::Environment)))
            .or_else(|| self.file.get(name).cloned())
    }
}

fn check(source: &Source, name: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(format!("{source} {name:?} is not a setting of the lab; there are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Section 5: flag before environment before file; a layer that is passed over changes the experiment in silence.
    #[test]
    fn flags_come_before_the_environment_and_that_before_the_file() {
        let flags = [("A".to_owned(), "flag".to_owned())];
        let file = "A=file\nB: file\nC=file\n";
        let layers = Layers::new(&flags, Some(("lab.properties", file)), &["A", "B", "C", "D"]).unwrap();
        let environment = |name: &str| (name != "C" && name != "D").then(|| "environment".to_owned());

        let found = |name: &str| layers.find(name, environment);

        assert_eq!(found("A"), Some(("flag".to_owned(), Source::Flag)));
        assert_eq!(found("B"), Some(("environment".to_owned(), Source::Environment)));
        let source = Source::File { file: "lab.properties".into(), line: 3 };
        assert_eq!(found("C"), Some(("file".to_owned(), source)));
        assert_eq!(found("D"), None);
    }

    // A misspelt name in a file would otherwise mean its default.
    #[test]
    fn an_unknown_name_is_refused_with_its_place() {
        let error = Layers::new(&[], Some(("lab.properties", "A=1\nX=2")), &["A"]).unwrap_err();
        assert!(error.contains("lab.properties, line 2") && error.contains("\"X\""), "{error}");
        let error = Layers::new(&[("Y".into(), "1".into())], None, &["A"]).unwrap_err();
        assert!(error.contains("--set \"Y\""), "{error}");
    }
}
