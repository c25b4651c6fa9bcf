//! The toxics of a proxy.
//!
//! **Why one list for both streams.** Names are unique over both, and the API shows upstream ones first, each in the
//! order of creation. Neighbours: [`super::proxy`] holds it, connections see what it publishes. Not here: JSON.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::chaos::connection::Published;
use crate::chaos::definition::Stream;
use crate::chaos::error::ChaosError;
use crate::chaos::toxic::ByteToxic;
use crate::chaos::toxics::stage::StageSpec;
use crate::chaos::view::{NewToxic, ToxicChange, ToxicView};

/// The most toxics that a proxy may have.
pub const MOST_TOXICS: usize = 32;
/// The longest name of a proxy or a toxic.
pub const LONGEST_NAME_BYTES: usize = 128;

/// A toxic of a proxy.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    id: u64,
    generation: u64,
    pub(crate) name: Arc<str>,
    pub(crate) stream: Stream,
    stream_text: String,
    toxicity: f64,
    toxic: ByteToxic,
}

/// The toxics, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct ToxicList {
    entries: Vec<Entry>,
    last_id: u64,
}

impl Entry {
    fn view(&self) -> ToxicView {
        ToxicView {
            attributes: self.toxic.attributes(),
            name: self.name.to_string(),
            type_name: self.toxic.type_name().to_owned(),
            stream: self.stream_text.clone(),
            toxicity: self.toxicity,
        }
    }
}

impl ToxicList {
    /// Adds a toxic; warnings come with it.
    pub(crate) fn add(&mut self, wanted: &NewToxic) -> Result<(Entry, Vec<String>), ChaosError> {
        let stream_text = wanted.stream.clone().filter(|text| !text.is_empty());
        let stream_text = stream_text.unwrap_or_else(|| Stream::Downstream.name().to_owned());
        let stream: Stream = stream_text.parse().map_err(|why: &str| ChaosError::bad_request(why))?;
        let (toxic, warnings) = parse(&wanted.type_name, &wanted.attributes)?;
        check_toxicity(wanted.toxicity)?;
        let given = wanted.name.clone().filter(|name| !name.is_empty());
        let name = given.unwrap_or_else(|| format!("{}_{stream_text}", wanted.type_name));
        check_name("toxic", &name)?;
        if self.find(&name).is_ok() {
            return Err(ChaosError::toxic_exists());
        }
        if self.entries.len() >= MOST_TOXICS {
            return Err(ChaosError::bad_request(format!(
                "a proxy has at most {MOST_TOXICS} toxics; remove one first"
            )));
        }
        self.last_id += 1;
        let entry = Entry {
            id: self.last_id,
            generation: 0,
            name: name.into(),
            stream,
            stream_text,
            toxicity: wanted.toxicity,
            toxic,
        };
        self.entries.push(entry.clone());
        Ok((entry, warnings))
    }

    /// Changes a toxic: what is not named keeps its value.
    pub(crate) fn change(
        &mut self,
        name: &str,
        change: &ToxicChange,
    ) -> Result<(Entry, Vec<String>), ChaosError> {
        let at = self.find(name)?;
        let entry = self.entries.get_mut(at).ok_or_else(ChaosError::no_toxic)?;
        let toxicity = change.toxicity.unwrap_or(entry.toxicity);
        check_toxicity(toxicity)?;
        let mut merged = entry.toxic.attributes();
        for (attribute, value) in change.attributes.iter().filter(|(_, value)| !value.is_null()) {
            merged.insert(attribute.clone(), value.clone());
        }
        let (toxic, warnings) = parse(entry.toxic.type_name(), &merged)?;
        (entry.toxic, entry.toxicity) = (toxic, toxicity);
        entry.generation += 1;
        Ok((entry.clone(), warnings))
    }

    /// Takes a toxic away.
    pub(crate) fn remove(&mut self, name: &str) -> Result<Entry, ChaosError> {
        let at = self.find(name)?;
        Ok(self.entries.remove(at))
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// One of them, as the API shows it.
    pub(crate) fn view(&self, name: &str) -> Result<ToxicView, ChaosError> {
        let at = self.find(name)?;
        self.entries.get(at).map(Entry::view).ok_or_else(ChaosError::no_toxic)
    }

    /// All of them, as the API shows them.
    pub(crate) fn views(&self) -> Vec<ToxicView> {
        let of = |stream| self.entries.iter().filter(move |entry| entry.stream == stream).map(Entry::view);
        of(Stream::Upstream).chain(of(Stream::Downstream)).collect()
    }

    /// As connections see them.
    pub(crate) fn published(&self) -> Published {
        let of = |stream| {
            let entries = self.entries.iter().filter(move |entry| entry.stream == stream);
            entries.map(|entry| StageSpec {
                id: entry.id,
                generation: entry.generation,
                name: Arc::clone(&entry.name),
                toxicity: entry.toxicity,
                toxic: entry.toxic,
            })
        };
        Published { upstream: of(Stream::Upstream).collect(), downstream: of(Stream::Downstream).collect() }
    }

    fn find(&self, name: &str) -> Result<usize, ChaosError> {
        self.entries.iter().position(|entry| &*entry.name == name).ok_or_else(ChaosError::no_toxic)
    }
}

impl Entry {
    /// In words, for events.
    pub(crate) fn words(&self) -> String {
        let attributes = Value::Object(self.toxic.attributes());
        format!("{} {} {attributes}, toxicity {}", self.toxic.type_name(), self.stream, self.toxicity)
    }
}

fn parse(type_name: &str, attributes: &Map<String, Value>) -> Result<(ByteToxic, Vec<String>), ChaosError> {
    use crate::chaos::toxic::ToxicError;
    ByteToxic::parse(type_name, attributes).map_err(|error| match error {
        ToxicError::UnknownType => ChaosError::bad_request("invalid toxic type"),
        ToxicError::Attribute(why) => ChaosError::bad_body(why),
    })
}

fn check_toxicity(toxicity: f64) -> Result<(), ChaosError> {
    if (0.0..=1.0).contains(&toxicity) {
        return Ok(());
    }
    Err(ChaosError::bad_body(format!("toxicity is {toxicity}; expected a share from 0 to 1")))
}

/// A name stands in paths, logs and metrics.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), ChaosError> {
    if name.len() > LONGEST_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(ChaosError::bad_body(format!(
            "the name of a {what} has at most {LONGEST_NAME_BYTES} bytes and no control characters"
        )));
    }
    Ok(())
}
