//! The language of a command's texts: `--lang`, or what the system's variables say.
//!
//! **Why.** The course is French; its readers' machines are set so. Neighbours: `lab`, `validate`. Not here: errors of the
//! command line, which are English throughout.

use clap::{Args, ValueEnum};

use crate::lab::language::Language;

/// The flag.
#[derive(Debug, Clone, Copy, Args)]
pub struct LanguageArgument {
    /// The language of texts [default: by `LC_ALL`, `LC_MESSAGES`, `LANG`].
    #[arg(long = "lang", value_enum, value_name = "LANG")]
    lang: Option<Choice>,
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// English.
    En,
    /// Français.
    Fr,
}

impl LanguageArgument {
    /// The reader's language.
    pub fn language(self) -> Language {
        match self.lang {
            Some(Choice::En) => Language::English,
            Some(Choice::Fr) => Language::French,
            None => of_system(|name| std::env::var(name).ok()),
        }
    }
}

/// The first variable that is set decides, as with every Unix tool.
fn of_system(lookup: impl Fn(&str) -> Option<String>) -> Language {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| lookup(name).filter(|value| !value.is_empty()));
    if set.is_some_and(|value| value.to_ascii_lowercase().starts_with("fr")) {
        Language::French
    } else {
        Language::English
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // LC_ALL overrides LANG; taking LANG first would show a French text on a machine that was told to be English.
    #[test]
    fn the_first_variable_that_is_set_decides() {
        let with = |pairs: &'static [(&'static str, &'static str)]| {
            of_system(|name| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };

        assert_eq!(with(&[("LANG", "fr_FR.UTF-8")]), Language::French);
        assert_eq!(with(&[("LANG", "fr_FR.UTF-8"), ("LC_ALL", "C")]), Language::English);
        assert_eq!(with(&[("LANG", "fr_CA"), ("LC_ALL", "")]), Language::French);
        assert_eq!(with(&[]), Language::English);
    }
}
