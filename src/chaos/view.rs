//! Proxies and toxics as the API shows them, and as it is asked for them.
//!
//! **Why apart.** What a client sees is Toxiproxy's format to the letter; what is inside may change. Neighbours:
//! [`super::injector`] takes and gives these. Not here: reading JSON, which is `api/`.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::chaos::definition::Protocol;

/// A toxic, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToxicView {
    /// All attributes, with defaults; Kafka's also with `fired`.
    pub attributes: Map<String, Value>,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its direction, as it was written.
    pub stream: String,
    /// The share of connections that it acts on.
    #[serde(serialize_with = "as_go_prints")]
    pub toxicity: f64,
}

/// A proxy, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProxyView {
    /// Its name.
    pub name: String,
    /// Where it listens; what was asked for if it does not.
    pub listen: String,
    /// Where it leads.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// Its toxics: upstream ones first.
    pub toxics: Vec<ToxicView>,
    /// What it takes its connections for; ours.
    pub protocol: &'static str,
    /// Whether one direction may end alone; ours.
    #[serde(skip_serializing_if = "is_false")]
    pub half_close: bool,
    /// The proxy whose toxics it shares: it is that one's listener for one of several brokers (D-60); ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A proxy to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProxy {
    /// Its name.
    pub name: String,
    /// Where to listen; empty for any free port of this machine.
    pub listen: String,
    /// Where it leads.
    pub upstream: String,
    /// Whether it listens from the start.
    pub enabled: bool,
    /// What it takes its connections for.
    pub protocol: Protocol,
    /// Whether one direction may end alone.
    pub half_close: bool,
}

impl NewProxy {
    /// A proxy that listens from the start.
    pub fn new(name: impl Into<String>, listen: impl Into<String>, upstream: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            listen: listen.into(),
            upstream: upstream.into(),
            enabled: true,
            protocol: Protocol::Auto,
            half_close: false,
        }
    }
}

/// What changes in a proxy; `None` keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyChange {
    /// Where to listen.
    pub listen: Option<String>,
    /// Where it leads.
    pub upstream: Option<String>,
    /// Whether it listens.
    pub enabled: Option<bool>,
    /// What it takes its connections for.
    pub protocol: Option<Protocol>,
    /// Whether one direction may end alone.
    pub half_close: Option<bool>,
}

/// A toxic to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewToxic {
    /// Its type.
    pub type_name: String,
    /// Its name; `<type>_<stream>` if there is none.
    pub name: Option<String>,
    /// Its direction, as it is written; `downstream` if there is none.
    pub stream: Option<String>,
    /// The share of connections that it acts on.
    pub toxicity: f64,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

impl NewToxic {
    /// A toxic on answers that acts on every connection.
    pub fn new(type_name: impl Into<String>, attributes: Map<String, Value>) -> Self {
        Self { type_name: type_name.into(), name: None, stream: None, toxicity: 1.0, attributes }
    }
}

/// What changes in a toxic; absent attributes keep.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToxicChange {
    /// The share of connections that it acts on.
    pub toxicity: Option<f64>,
    /// New values of attributes.
    pub attributes: Map<String, Value>,
}

/// An answer and what should be said beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Warned<T> {
    /// The answer.
    pub value: T,
    /// What was ignored, or is dangerous.
    pub warnings: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Whole numbers without `.0`, as Toxiproxy's are.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_go_prints<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 {
        serializer.serialize_u8(u8::from(*value >= 1.0))
    } else {
        serializer.serialize_f64(*value)
    }
}
