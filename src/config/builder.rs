//! Collects settings, remembers where each came from, and builds a checked [`ProducerConfig`].
//!
//! **Why values are kept and not applied.** A later value replaces an earlier one whatever door it came through, an
//! explicit default differs from no word at all (KIP-679), and all errors are told together: so nothing is understood
//! before [`ProducerConfigBuilder::build`].
//!
//! Neighbours: the setters are generated in [`super::catalogue`]; `checks` has the rules. Not here: what a
//! setting means.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::setting::{IntoValue, Origin, Setting, Value};
use super::{
    ProducerConfig, assemble, catalogue, checks, names_of_others, nearest, not_honoured, properties_file,
};
use crate::error::Error;

/// Settings on their way to a [`ProducerConfig`]. The last value given for a setting holds.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct ProducerConfigBuilder {
    given: BTreeMap<&'static str, Given>,
    problems: Vec<String>,
    warnings: Vec<Arc<str>>,
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl ProducerConfigBuilder {
    /// A builder without any setting; `bootstrap.servers` must be given before [`Self::build`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one setting by its Java name.
    pub fn property(self, name: &str, value: &str) -> Self {
        self.property_from(name, value, Origin::Property)
    }

    /// Sets one setting by its Java name, on behalf of somewhere else: a command line, the environment.
    pub fn property_from(mut self, name: &str, value: &str, origin: Origin) -> Self {
        let name = name.trim();
        if let Some(setting) = catalogue::find(name) {
            return self.give(setting.name, Value::Text(value.to_owned()), origin);
        }
        if let Some(accepted) = not_honoured::accepted(name) {
            self.warn(format!("{name} ({origin}) has no effect here: {}", accepted.reason));
        } else if let Some(refused) = not_honoured::refused(name) {
            if !refused.lets_pass(value) {
                // The value of a whole family, such as `sasl.*`, may be a password; messages go to logs.
                let shown = if refused.is_family() { String::new() } else { format!("={value:?}") };
                self.problems.push(format!("{name}{shown} ({origin}) is refused: {}", refused.reason));
            }
        } else {
            self.problems.push(unknown(name, &origin));
        }
        self
    }

    /// Sets many settings by their Java names.
    pub fn properties<I, K, V>(self, properties: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        properties
            .into_iter()
            .fold(self, |builder, (name, value)| builder.property(name.as_ref(), value.as_ref()))
    }

    /// Sets the settings of a Java properties file; `file` is what the messages call it.
    pub fn properties_file(mut self, text: &str, file: &str) -> Self {
        let file: Arc<str> = Arc::from(file);
        match properties_file::parse(text) {
            Ok(entries) => entries.into_iter().fold(self, |builder, entry| {
                let origin = Origin::File { file: Arc::clone(&file), line: entry.line };
                builder.property_from(&entry.name, &entry.value, origin)
            }),
            Err(problem) => {
                self.problems.push(format!("{file}, {problem}"));
                self
            }
        }
    }

    /// Checks everything and builds the configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names every setting that is missing, unknown, refused, out of range or in contradiction with
    /// another, where it came from and what to write instead.
    pub fn build(self) -> Result<ProducerConfig, Error> {
        let Self { given, mut problems, mut warnings } = self;
        let mut values = BTreeMap::new();
        for setting in catalogue::settings() {
            match understand(setting, given.get(setting.name)) {
                Ok(value) => {
                    values.insert(setting.name, value);
                }
                Err(problem) => problems.push(problem),
            }
        }
        // Rules between settings are looked at only where each of them makes sense by itself.
        if problems.is_empty() {
            checks::cross_check(&mut values, &mut problems, &mut warnings);
        }
        if problems.is_empty() { assemble::assemble(&values, warnings) } else { Err(tell(&problems)) }
    }

    /// What the generated setters call.
    pub(super) fn set<V: IntoValue>(self, name: &'static str, value: V) -> Self {
        let level = value.level();
        let builder = self.give(name, value.into_value(), Origin::Builder);
        match level {
            Some((name, level)) => builder.give(name, Value::Integer(level), Origin::Builder),
            None => builder,
        }
    }

    fn give(mut self, name: &'static str, value: Value, origin: Origin) -> Self {
        // Layers may replace each other; two lines of one file are more likely an oversight.
        if let (Some(Origin::File { file: before, line: earlier }), Origin::File { file, line }) =
            (self.given.get(name).map(|given| &given.origin), &origin)
            && before == file
        {
            let warning =
                format!("{name} is given twice in {file}, lines {earlier} and {line}: the later one holds");
            self.warn(warning);
        }
        self.given.insert(name, Given { value, origin });
        self
    }

    /// Each warning once, however often its cause was given.
    fn warn(&mut self, warning: String) {
        if !self.warnings.iter().any(|said| **said == *warning) {
            self.warnings.push(Arc::from(warning));
        }
    }
}

fn understand(setting: &Setting, given: Option<&Given>) -> Result<Given, String> {
    let Some(given) = given else {
        if setting.name == "bootstrap.servers" {
            return Err("bootstrap.servers is missing: give at least one host:port, such as localhost:9092"
                .to_owned());
        }
        let value = setting.understand(&Value::Text(setting.default.to_owned()))?;
        return Ok(Given { value, origin: Origin::Default });
    };
    match setting.understand(&given.value) {
        Ok(value) => Ok(Given { value, origin: given.origin.clone() }),
        Err(problem) => {
            Err(format!("{}={} ({}): {problem}", setting.name, shown(&given.value), given.origin))
        }
    }
}

/// A text in quotes, so that a stray blank can be seen; a number without.
fn shown(value: &Value) -> String {
    if let Value::Text(text) = value { format!("{text:?}") } else { value.to_string() }
}

fn unknown(name: &str, origin: &Origin) -> String {
    if let Some(answer) = names_of_others::answer(name) {
        return format!("{name:?} ({origin}) is not a setting of this producer: {answer}");
    }
    let known = catalogue::settings().map(|setting| setting.name);
    match nearest::nearest(name, known.chain(not_honoured::names())) {
        Some(meant) => format!("unknown setting {name:?} ({origin}): did you mean {meant}?"),
        None => format!(
            "unknown setting {name:?} ({origin}), and no setting is called alike. The settings are {}",
            catalogue::settings().map(|setting| setting.name).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn tell(problems: &[String]) -> Error {
    Error::Config(match problems {
        [only] => Arc::from(only.as_str()),
        several => {
            let lines: String = several.iter().map(|problem| format!("\n- {problem}")).collect();
            Arc::from(format!("{} problems with the settings:{lines}", several.len()))
        }
    })
}
