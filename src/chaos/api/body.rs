//! Bodies of the admin API: bounded, read in time, and taken apart as Go's decoder would.
//!
//! **Why by hand.** Go takes member names in any case, takes `null` for absent and ignores unknown members; existing
//! clients rely on that. Ours adds: which member is wrong and what was expected, and a warning for unknown ones.
//! Neighbours: routes. Not here: what the members mean.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::chaos::api::answer;
use crate::chaos::error::ChaosError;
use crate::chaos::view::{NewProxy, NewToxic, ProxyChange, ToxicChange};

/// Largest body.
pub const LARGEST_BODY_BYTES: usize = 1024 * 1024;
/// Time for a body to arrive, as in Toxiproxy.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Reads a body as JSON.
///
/// # Errors
///
/// The answer: 408, 413 or 400.
///
/// # Cancel safety
///
/// Dropping the future abandons the body.
pub async fn read(body: Body) -> Result<Value, Response> {
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, LARGEST_BODY_BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return Err(answer::error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "a body has at most 1 MiB, and must arrive whole",
            ));
        }
        Err(_elapsed) => {
            return Err(answer::error(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive within 15 seconds",
            ));
        }
    };
    if bytes.is_empty() {
        return Err(answer::refusal(&ChaosError::bad_body("it is empty; expected JSON")));
    }
    serde_json::from_slice(&bytes).map_err(|error| answer::refusal(&ChaosError::bad_body(error)))
}

/// The members of an object, by name in any case.
#[derive(Debug)]
pub struct Members<'a> {
    object: &'a Map<String, Value>,
    asked: Vec<&'static str>,
}

impl<'a> Members<'a> {
    /// The members of a value that must be an object.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn of(value: &'a Value) -> Result<Self, ChaosError> {
        let object = value
            .as_object()
            .ok_or_else(|| ChaosError::bad_body(format!("it is {}; expected an object", kind_of(value))))?;
        Ok(Self { object, asked: Vec::new() })
    }

    fn find(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        let exact = self.object.get(name);
        let found = exact.or_else(|| {
            self.object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        });
        found.filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, ChaosError> {
        let Some(value) = self.find(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| wrong(name, value, "a string"))?;
        Ok(Some(text.to_owned()))
    }

    fn flag(&mut self, name: &'static str) -> Result<Option<bool>, ChaosError> {
        let Some(value) = self.find(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| wrong(name, value, "true or false"))
    }

    fn share(&mut self, name: &'static str) -> Result<Option<f64>, ChaosError> {
        let Some(value) = self.find(name) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| wrong(name, value, "a number from 0 to 1"))
    }

    fn map(&mut self, name: &'static str) -> Result<Map<String, Value>, ChaosError> {
        let Some(value) = self.find(name) else { return Ok(Map::new()) };
        value.as_object().cloned().ok_or_else(|| wrong(name, value, "an object"))
    }

    /// A warning for each member that nobody asked for, but for those that Toxiproxy's own answers carry.
    fn unknown(&self) -> Vec<String> {
        let is_known =
            |name: &str| self.asked.iter().chain(CARRIED).any(|known| known.eq_ignore_ascii_case(name));
        let unknown = self.object.keys().filter(|name| !is_known(name));
        unknown
            .map(|name| format!("member {name:?} is ignored; known are {}", self.asked.join(", ")))
            .collect()
    }
}

/// A proxy to be made, with warnings.
///
/// # Errors
///
/// A member of a wrong type.
pub fn new_proxy(value: &Value) -> Result<(NewProxy, Vec<String>), ChaosError> {
    let mut members = Members::of(value)?;
    let proxy = NewProxy {
        name: members.text("name")?.unwrap_or_default(),
        listen: members.text("listen")?.unwrap_or_default(),
        upstream: members.text("upstream")?.unwrap_or_default(),
        enabled: members.flag("enabled")?.unwrap_or(true),
        protocol: protocol(&mut members)?.unwrap_or_default(),
        half_close: members.flag("half_close")?.unwrap_or(false),
    };
    Ok((proxy, members.unknown()))
}

/// A change of a proxy, with warnings.
///
/// # Errors
///
/// A member of a wrong type.
pub fn proxy_change(value: &Value) -> Result<(ProxyChange, Vec<String>), ChaosError> {
    let mut members = Members::of(value)?;
    let _ignored_as_in_toxiproxy = members.find("name");
    let change = ProxyChange {
        listen: members.text("listen")?.filter(|text| !text.is_empty()),
        upstream: members.text("upstream")?.filter(|text| !text.is_empty()),
        enabled: members.flag("enabled")?,
        protocol: protocol(&mut members)?,
        half_close: members.flag("half_close")?,
    };
    Ok((change, members.unknown()))
}

/// A toxic to be made, with warnings.
///
/// # Errors
///
/// A member of a wrong type.
pub fn new_toxic(value: &Value) -> Result<(NewToxic, Vec<String>), ChaosError> {
    let mut members = Members::of(value)?;
    let toxic = NewToxic {
        type_name: members.text("type")?.unwrap_or_default(),
        name: members.text("name")?,
        stream: members.text("stream")?,
        toxicity: members.share("toxicity")?.unwrap_or(1.0),
        attributes: members.map("attributes")?,
    };
    Ok((toxic, members.unknown()))
}

/// A change of a toxic, with warnings; name, type and stream cannot change.
///
/// # Errors
///
/// A member of a wrong type.
pub fn toxic_change(value: &Value) -> Result<(ToxicChange, Vec<String>), ChaosError> {
    let mut members = Members::of(value)?;
    for fixed in ["name", "type", "stream"] {
        let _ignored_as_in_toxiproxy = members.find(fixed);
    }
    let change = ToxicChange { toxicity: members.share("toxicity")?, attributes: members.map("attributes")? };
    Ok((change, members.unknown()))
}

fn protocol(members: &mut Members<'_>) -> Result<Option<crate::chaos::definition::Protocol>, ChaosError> {
    let text = members.text("protocol")?;
    text.map(|text| text.parse().map_err(|why: &str| ChaosError::bad_body(why))).transpose()
}

fn wrong(name: &str, value: &Value, expected: &str) -> ChaosError {
    ChaosError::bad_body(format!("member {name:?} is {}; expected {expected}", kind_of(value)))
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Members that clients send back to us although they are no settings.
const CARRIED: &[&str] = &["toxics", "Logger", "parent", "active"];
