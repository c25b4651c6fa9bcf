//! The query of a call that only asks: names, words, numbers and topics, checked with words for who was wrong.
//!
//! **Why strict.** A misspelt parameter that silently means its default makes a class look at the wrong thing. Neighbours:
//! [`crate::lab::query`] decodes; the reading routes use this, `send` has its own reader with rules between parameters.
//! Not here: what the values mean.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::query::Query;
use crate::lab::send_parameters::problem_of_query;
use crate::topic_name;

/// A query whose names are known.
#[derive(Debug)]
pub struct Asked {
    query: Query,
    language: Language,
}

impl Asked {
    /// Reads a query that may have these parameters.
    ///
    /// # Errors
    ///
    /// A problem for a query that cannot be read, or for another parameter.
    pub fn parse(query: Option<&str>, names: &[&str], language: Language) -> Result<Self, Box<Problem>> {
        let asked = Self::parse_any(query, language)?;
        let query = asked.query;
        if let Some(name) = query.names().find(|name| !names.contains(name)) {
            let known = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
            let happened = match language {
                Language::English => format!("There is no parameter {name:?}; there are {known}."),
                Language::French => format!("Le paramètre {name:?} n'existe pas ; il y a {known}."),
            };
            let kind = ProblemKind::InvalidParameter;
            return Err(Box::new(Problem::parameter(kind, language, name, &happened, names)));
        }
        Ok(Self { query, language })
    }

    /// Reads a query whose names somebody else knows.
    ///
    /// # Errors
    ///
    /// A problem for a query that cannot be read.
    pub fn parse_any(query: Option<&str>, language: Language) -> Result<Self, Box<Problem>> {
        let query = Query::parse(query.unwrap_or(""))
            .map_err(|error| Box::new(problem_of_query(&error, language)))?;
        Ok(Self { query, language })
    }

    /// The names that were given, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.query.names()
    }

    /// A text, if it was given and is not blank.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.query.value(name).filter(|value| !value.trim().is_empty())
    }

    /// A value as it was given, perhaps empty.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.query.value(name)
    }

    /// A text of at most so many bytes.
    ///
    /// # Errors
    ///
    /// A problem if it is longer.
    pub fn bounded_text(&self, name: &str, most_bytes: usize) -> Result<Option<&str>, Box<Problem>> {
        let Some(value) = self.text(name) else { return Ok(None) };
        if value.len() <= most_bytes {
            return Ok(Some(value));
        }
        let shown: String = value.chars().take(40).collect();
        let (english, french) =
            (format!("at most {most_bytes} bytes"), format!("au plus {most_bytes} octets"));
        Err(self.invalid(name, &shown, (&english, &french), &[]))
    }

    /// A whole number in a range, if it was given.
    ///
    /// # Errors
    ///
    /// A problem if it is something else.
    pub fn number<T>(&self, name: &str, range: RangeInclusive<T>) -> Result<Option<T>, Box<Problem>>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(value) = self.query.value(name) else { return Ok(None) };
        match value.parse::<T>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let (least, most) = (range.start(), range.end());
                let english = format!("a whole number from {least} to {most}");
                let french = format!("un entier de {least} à {most}");
                Err(self.invalid(name, value, (&english, &french), &[]))
            }
        }
    }

    /// One of a few words, whatever their case, if it was given.
    ///
    /// # Errors
    ///
    /// A problem that names the words.
    pub fn choice<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Box<Problem>> {
        let Some(value) = self.query.value(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
        if let Some((_, meaning)) = found {
            return Ok(Some(*meaning));
        }
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let (english, french) = (allowed.join(" or "), allowed.join(" ou "));
        Err(self.invalid(name, value, (&english, &french), &allowed))
    }

    /// A topic's name, or the default.
    ///
    /// # Errors
    ///
    /// A problem if it cannot be a topic's name.
    pub fn topic(&self, default: &str) -> Result<String, Box<Problem>> {
        let Some(topic) = self.query.value("topic") else { return Ok(default.to_owned()) };
        self.check_topic(topic).map(|()| topic.to_owned())
    }

    /// Whether a text can be a topic's name.
    ///
    /// # Errors
    ///
    /// A problem if not.
    pub fn check_topic(&self, topic: &str) -> Result<(), Box<Problem>> {
        if topic_name::validate(topic).is_ok() {
            return Ok(());
        }
        let shown: String = topic.chars().take(80).collect();
        let english = "1 to 249 of a-z A-Z 0-9 . _ - and neither \".\" nor \"..\"";
        let french = "1 à 249 caractères parmi a-z A-Z 0-9 . _ - et ni « . » ni « .. »";
        Err(self.invalid("topic", &shown, (english, french), &[]))
    }

    /// A parameter that must be there.
    pub fn missing(&self, name: &str, allowed: &[&str]) -> Box<Problem> {
        let happened = match self.language {
            Language::English => format!("The query parameter {name} is missing."),
            Language::French => format!("Le paramètre de requête {name} manque."),
        };
        Box::new(Problem::parameter(ProblemKind::MissingParameter, self.language, name, &happened, allowed))
    }

    /// A value that is not what was expected, in both languages.
    pub fn invalid(
        &self,
        name: &str,
        value: &str,
        (english, french): (&str, &str),
        allowed: &[&str],
    ) -> Box<Problem> {
        let happened = match self.language {
            Language::English => format!("Parameter {name} is {value:?}; expected {english}."),
            Language::French => format!("Le paramètre {name} vaut {value:?} ; attendu : {french}."),
        };
        Box::new(Problem::parameter(ProblemKind::InvalidParameter, self.language, name, &happened, allowed))
    }

    /// The language of the answer.
    pub const fn language(&self) -> Language {
        self.language
    }
}
