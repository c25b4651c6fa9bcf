//! The toxics of a proxy.
//!
//! **Why one list for both streams.** Names are unique over both, and the API shows upstream ones first, each in the
//! order of creation. Neighbours: [`super::proxy`] holds it, connections see what it publishes. Not here: JSON.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::chaos::connection::Published;
use crate::chaos::definition::Stream;
use crate::chaos::error::ChaosError;
use crate::chaos::kafka::proxy::KafkaProxy;
use crate::chaos::kafka::toxic::KafkaToxic;
use crate::chaos::toxic::{ByteToxic, ToxicError};
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
    toxic: Toxic,
}

/// What a toxic works on.
#[derive(Debug, Clone)]
enum Toxic {
    Byte(ByteToxic),
    Kafka(KafkaToxic),
}

/// The toxics, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct ToxicList {
    entries: Vec<Entry>,
    last_id: u64,
}

impl Entry {
    fn view(&self, kafka: &KafkaProxy) -> ToxicView {
        let mut attributes = self.toxic.attributes();
        if matches!(self.toxic, Toxic::Kafka(_)) {
            let fired = kafka.find(&self.name).map_or(0, |status| status.fired);
            attributes.insert("fired".to_owned(), fired.into());
        }
        ToxicView {
            attributes,
            name: self.name.to_string(),
            type_name: self.toxic.type_name().to_owned(),
            stream: self.stream_text.clone(),
            toxicity: self.toxicity,
        }
    }
}

impl ToxicList {
    /// The own toxics of a broker's listener: their numbers must not be those of the proxy's.
    pub(crate) fn of_child() -> Self {
        Self { entries: Vec::new(), last_id: 1 << 32 }
    }

    /// Adds a toxic; warnings come with it.
    pub(crate) fn add(
        &mut self,
        wanted: &NewToxic,
        kafka: Result<&KafkaProxy, &str>,
    ) -> Result<(Entry, Vec<String>), ChaosError> {
        let stream_text = wanted.stream.clone().filter(|text| !text.is_empty());
        let stream_text = stream_text.unwrap_or_else(|| Stream::Downstream.name().to_owned());
        let stream: Stream = stream_text.parse().map_err(|why: &str| ChaosError::bad_request(why))?;
        let (toxic, warnings) = Toxic::parse(&wanted.type_name, &wanted.attributes)?;
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
        let name: Arc<str> = name.into();
        if let Toxic::Kafka(toxic) = &toxic {
            kafka.map_err(ChaosError::bad_request)?.arm(&name, toxic.clone(), wanted.toxicity);
        }
        self.last_id += 1;
        let entry = Entry {
            id: self.last_id,
            generation: 0,
            name,
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
        kafka: &KafkaProxy,
    ) -> Result<(Entry, Vec<String>), ChaosError> {
        let at = self.find(name)?;
        let entry = self.entries.get_mut(at).ok_or_else(ChaosError::no_toxic)?;
        let toxicity = change.toxicity.unwrap_or(entry.toxicity);
        check_toxicity(toxicity)?;
        let mut merged = entry.toxic.attributes();
        for (attribute, value) in change.attributes.iter().filter(|(_, value)| !value.is_null()) {
            merged.insert(attribute.clone(), value.clone());
        }
        let (toxic, warnings) = Toxic::parse(entry.toxic.type_name(), &merged)?;
        if let Toxic::Kafka(toxic) = &toxic {
            kafka.update(name, toxic.clone(), toxicity);
        }
        (entry.toxic, entry.toxicity) = (toxic, toxicity);
        entry.generation += 1;
        Ok((entry.clone(), warnings))
    }

    /// Takes a toxic away.
    pub(crate) fn remove(&mut self, name: &str, kafka: &KafkaProxy) -> Result<Entry, ChaosError> {
        let at = self.find(name)?;
        let entry = self.entries.remove(at);
        entry.disarm(kafka);
        Ok(entry)
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self, kafka: &KafkaProxy) -> Vec<Entry> {
        let entries = std::mem::take(&mut self.entries);
        entries.iter().for_each(|entry| entry.disarm(kafka));
        entries
    }

    /// One of them, as the API shows it.
    pub(crate) fn view(&self, name: &str, kafka: &KafkaProxy) -> Result<ToxicView, ChaosError> {
        let at = self.find(name)?;
        self.entries.get(at).map(|entry| entry.view(kafka)).ok_or_else(ChaosError::no_toxic)
    }

    /// All of them, as the API shows them.
    pub(crate) fn views(&self, kafka: &KafkaProxy) -> Vec<ToxicView> {
        let of = |stream| {
            let entries = self.entries.iter().filter(move |entry| entry.stream == stream);
            entries.map(|entry| entry.view(kafka))
        };
        of(Stream::Upstream).chain(of(Stream::Downstream)).collect()
    }

    /// As connections see them.
    pub(crate) fn published(&self) -> Published {
        let of = |stream| {
            let entries = self.entries.iter().filter(move |entry| entry.stream == stream);
            entries.filter_map(|entry| match &entry.toxic {
                Toxic::Byte(toxic) => Some(StageSpec {
                    id: entry.id,
                    generation: entry.generation,
                    name: Arc::clone(&entry.name),
                    toxicity: entry.toxicity,
                    toxic: *toxic,
                }),
                Toxic::Kafka(_) => None,
            })
        };
        Published { upstream: of(Stream::Upstream).collect(), downstream: of(Stream::Downstream).collect() }
    }

    fn find(&self, name: &str) -> Result<usize, ChaosError> {
        self.entries.iter().position(|entry| &*entry.name == name).ok_or_else(ChaosError::no_toxic)
    }
}

impl Entry {
    fn disarm(&self, kafka: &KafkaProxy) {
        if matches!(self.toxic, Toxic::Kafka(_)) {
            kafka.remove(&self.name);
        }
    }

    /// In words, for events.
    pub(crate) fn words(&self) -> String {
        let attributes = Value::Object(self.toxic.attributes());
        format!("{} {} {attributes}, toxicity {}", self.toxic.type_name(), self.stream, self.toxicity)
    }
}

impl Toxic {
    fn parse(type_name: &str, attributes: &Map<String, Value>) -> Result<(Self, Vec<String>), ChaosError> {
        if KafkaToxic::is_kafka_type(type_name) {
            let toxic = KafkaToxic::parse(type_name, attributes).map_err(ChaosError::bad_body)?;
            return Ok((Self::Kafka(toxic), Vec::new()));
        }
        match ByteToxic::parse(type_name, attributes) {
            Ok((toxic, warnings)) => Ok((Self::Byte(toxic), warnings)),
            Err(ToxicError::UnknownType) => Err(ChaosError::bad_request("invalid toxic type")),
            Err(ToxicError::Attribute(why)) => Err(ChaosError::bad_body(why)),
        }
    }

    const fn type_name(&self) -> &'static str {
        match self {
            Self::Byte(toxic) => toxic.type_name(),
            Self::Kafka(toxic) => toxic.action.type_name(),
        }
    }

    fn attributes(&self) -> Map<String, Value> {
        match self {
            Self::Byte(toxic) => toxic.attributes(),
            Self::Kafka(toxic) => toxic.attributes(),
        }
    }
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
