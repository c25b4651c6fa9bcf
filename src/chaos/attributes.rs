//! Reading the attributes of a toxic, one by one, and noticing those that nobody asked for.
//!
//! **Why.** Every refusal says which attribute, what it was and what was expected. Neighbours: [`super::toxic`]. Not
//! here: which attributes there are.

use serde_json::{Map, Value};

use crate::chaos::toxic::ToxicError;

/// The attributes that a client sent.
#[derive(Debug)]
pub struct Attributes<'a> {
    type_name: &'a str,
    sent: &'a Map<String, Value>,
    asked: Vec<&'static str>,
}

impl<'a> Attributes<'a> {
    /// Nothing was read yet.
    #[must_use]
    pub const fn of(type_name: &'a str, sent: &'a Map<String, Value>) -> Self {
        Self { type_name, sent, asked: Vec::new() }
    }

    /// A whole number from 0 to a bound; 0 if absent or null, as in Toxiproxy.
    ///
    /// # Errors
    ///
    /// If it is anything else.
    pub fn number(&mut self, name: &'static str, (most, unit): (u64, &str)) -> Result<u64, ToxicError> {
        self.asked.push(name);
        match self.sent.get(name) {
            None | Some(Value::Null) => Ok(0),
            Some(value) => whole(value).filter(|number| *number <= most).ok_or_else(|| {
                self.wrong(name, value, &format!("a whole number of {unit} from 0 to {most}"))
            }),
        }
    }

    /// One of some words; `None` if absent or null.
    ///
    /// # Errors
    ///
    /// If it is anything else.
    pub fn word(
        &mut self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, ToxicError> {
        self.asked.push(name);
        let value = match self.sent.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let found = words.iter().copied().find(|word| value.as_str() == Some(*word));
        found.map(Some).ok_or_else(|| {
            let expected: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            self.wrong(name, value, &expected.join(" or "))
        })
    }

    /// A warning for each attribute that was sent and never asked for.
    #[must_use]
    pub fn unknown(&self) -> Vec<String> {
        let known = self.asked.join(", ");
        self.sent
            .keys()
            .filter(|name| !self.asked.contains(&name.as_str()))
            .map(|name| match known.as_str() {
                "" => format!("attribute {name:?} is ignored: a {} toxic has none", self.type_name),
                known => format!("attribute {name:?} is ignored: a {} toxic knows {known}", self.type_name),
            })
            .collect()
    }

    fn wrong(&self, name: &str, value: &Value, expected: &str) -> ToxicError {
        let type_name = self.type_name;
        ToxicError::Attribute(format!(
            "attribute {name:?} of a {type_name} toxic is {value}; expected {expected}"
        ))
    }
}

/// A whole number, also when it is written as `5.0`: Toxiproxy's JavaScript clients do that.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number))
            .then(|| format!("{number:.0}").parse().ok())
            .flatten()
    })
}
