//! The settings of a run, and the runs of a comparison.
//!
//! **Why all at once.** A comparison takes minutes; a value that no producer accepts should be said before the first
//! record. Neighbours: `perf` has the flags, `session` builds the producer. Not here: what a setting means.

use std::sync::Arc;

use crate::cli::exit::Failure;
use crate::config::{Origin, ProducerConfig, ProducerConfigBuilder};

/// Settings, in the order in which they were given; a later one replaces an earlier one.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    given: Vec<Given>,
    /// What sets this run apart from the others.
    label: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
enum Given {
    Setting { name: String, value: String, origin: Origin },
    File { text: Arc<str>, name: String },
}

/// One `--compare`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    name: String,
    values: Vec<String>,
}

impl Plan {
    /// Adds a setting.
    pub fn add(&mut self, name: &str, value: &str, origin: &Origin) {
        self.given.push(Given::Setting {
            name: name.to_owned(),
            value: value.to_owned(),
            origin: origin.clone(),
        });
    }

    /// Adds the settings of a properties file.
    pub fn add_file(&mut self, text: String, name: String) {
        self.given.push(Given::File { text: text.into(), name });
    }

    /// One plan per combination of the comparisons' values, each checked.
    ///
    /// # Errors
    ///
    /// Which settings are wrong, and too many combinations.
    pub fn all(base: &Self, comparisons: &[Comparison]) -> Result<Vec<Self>, Failure> {
        let count = comparisons.iter().fold(1usize, |count, one| count.saturating_mul(one.values.len()));
        if count > MOST_RUNS {
            let message =
                format!("--compare asks for {count} runs; at most {MOST_RUNS}. Leave some values out");
            return Err(Failure::usage(message));
        }
        let mut plans = vec![base.clone()];
        for comparison in comparisons {
            plans = plans
                .iter()
                .flat_map(|plan| comparison.values.iter().map(|value| plan.with(&comparison.name, value)))
                .collect();
        }
        for plan in &plans {
            plan.config().map_err(|failure| Failure {
                message: format!("{}. Nothing was sent", failure.message),
                ..failure
            })?;
        }
        Ok(plans)
    }

    fn with(&self, name: &str, value: &str) -> Self {
        let mut plan = self.clone();
        plan.add(name, value, &Origin::Elsewhere("--compare".into()));
        plan.label.push((name.to_owned(), value.to_owned()));
        plan
    }

    /// What sets this run apart, such as `linger.ms` and `5`.
    pub fn label(&self) -> &[(String, String)] {
        &self.label
    }

    /// As a producer's configuration.
    ///
    /// # Errors
    ///
    /// Every setting that is wrong.
    pub fn config(&self) -> Result<ProducerConfig, Failure> {
        let builder = self.given.iter().fold(ProducerConfigBuilder::new(), |builder, given| match given {
            Given::Setting { name, value, origin } => builder.property_from(name, value, origin.clone()),
            Given::File { text, name } => builder.properties_file(text, name),
        });
        Ok(builder.build()?)
    }

    /// Where the run connects first.
    pub fn bootstrap(&self) -> String {
        let value = |(name, value): (&'static str, String)| (name == "bootstrap.servers").then_some(value);
        self.settings().into_iter().find_map(value).unwrap_or_default()
    }

    /// The effective settings that are not the defaults.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let lines = self.config().map(|config| config.settings()).unwrap_or_default();
        let given = lines.into_iter().filter(|line| line.origin != Origin::Default);
        given.map(|line| (line.name, line.value)).collect()
    }
}

/// `NAME=VALUE`
pub fn parse_property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} has no '='; expected NAME=VALUE, such as linger.ms=20"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `NAME=VALUE,VALUE`; a few names have short forms.
pub fn parse_comparison(text: &str) -> Result<Comparison, String> {
    let (name, values) = parse_property(text)?;
    let name = match name.as_str() {
        "linger" => "linger.ms",
        "batch" => "batch.size",
        "compression" | "codec" => "compression.type",
        "idempotence" => "enable.idempotence",
        other => other,
    };
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if name.is_empty() || values.iter().any(String::is_empty) {
        return Err(format!("{text:?} is no comparison; expected NAME=VALUE,VALUE, such as acks=0,1,all"));
    }
    Ok(Comparison { name: name.to_owned(), values })
}

/// More runs than anyone waits for.
const MOST_RUNS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Plan {
        let mut plan = Plan::default();
        plan.add("bootstrap.servers", "localhost:9092", &Origin::Property);
        plan
    }

    // Two comparisons are a matrix; each combination is one run with a label of its own.
    #[test]
    fn comparisons_multiply() {
        let comparisons = [parse_comparison("acks=1,all").unwrap(), parse_comparison("linger=0,5").unwrap()];

        let plans = Plan::all(&base(), &comparisons).unwrap();

        let labels: Vec<String> = plans
            .iter()
            .map(|plan| plan.label().iter().map(|(name, value)| format!("{name}={value} ")).collect())
            .collect();
        assert_eq!(
            labels,
            ["acks=1 linger.ms=0 ", "acks=1 linger.ms=5 ", "acks=all linger.ms=0 ", "acks=all linger.ms=5 "]
        );
    }

    // A value that no producer accepts is said before anything is measured; so is a matrix without end.
    #[test]
    fn wrong_values_and_endless_matrices_are_refused() {
        let wrong = Plan::all(&base(), &[parse_comparison("acks=1,two").unwrap()]).unwrap_err();
        let numbers: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        let endless = parse_comparison(&format!("linger={}", numbers.join(","))).unwrap();

        assert!(wrong.message.contains("acks") && wrong.message.contains("two"), "{}", wrong.message);
        assert!(Plan::all(&base(), &[endless]).unwrap_err().message.contains("65 runs"));
        assert!(parse_comparison("acks").is_err() && parse_comparison("acks=1,,all").is_err());
    }
}
