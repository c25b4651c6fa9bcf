//! A Kafka toxic: its kind, its filters, how often it acts; from JSON and back.
//!
//! **Why strict.** A Toxiproxy ignores attributes that it does not know, so a typo does nothing and the experiment
//! proves nothing. Here a filter that could never match is refused when the toxic is made. **Why one-shot by default:**
//! an experiment that says "lose exactly one answer" needs no sleep and no clean-up (spec/lab.md 2.8, recipe 3).
//!
//! Neighbours: [`super::proxy`] counts; the admin API parses and prints. Not here: when a toxic acts.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::chaos::kafka::{api, error_answer};
use crate::error::ErrorCode;

/// What a Kafka toxic does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaAction {
    /// The broker acts on the request, its answer is withheld, the connection is closed.
    DropResponse,
    /// The answer, and what follows it on the connection, waits.
    DelayResponse {
        /// This long.
        delay: Duration,
    },
    /// The request is passed on whole, then the connection is closed.
    CloseAfterRequest,
    /// The injector answers, in the broker's name; the broker never sees the request.
    ErrorResponse {
        /// With this code.
        code: i16,
    },
    /// The request is sent twice, the second answer is withheld.
    DuplicateRequest,
}

impl KafkaAction {
    /// The type in JSON.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::DropResponse => "drop_response",
            Self::DelayResponse { .. } => "delay_response",
            Self::CloseAfterRequest => "close_after_request",
            Self::ErrorResponse { .. } => "error_response",
            Self::DuplicateRequest => "duplicate_request",
        }
    }

    /// Whether it acts on an answer, so that a request without one (acks=0) is none of its business.
    #[must_use]
    pub const fn needs_answer(self) -> bool {
        match self {
            Self::DropResponse | Self::DelayResponse { .. } => true,
            Self::CloseAfterRequest | Self::ErrorResponse { .. } | Self::DuplicateRequest => false,
        }
    }
}

/// The types, for messages.
pub const TYPES: [&str; 5] =
    ["drop_response", "delay_response", "close_after_request", "error_response", "duplicate_request"];

/// A toxic's definition. Filters that are absent match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaToxic {
    /// What it does.
    pub action: KafkaAction,
    /// Only requests of this API.
    pub api: Option<i16>,
    /// Only requests that name this topic.
    pub topic: Option<String>,
    /// Only this client's requests.
    pub client_id: Option<String>,
    /// How often it acts; `None` is without end.
    pub count: Option<u64>,
    /// How many matching requests it lets pass first.
    pub after: u64,
}

impl KafkaToxic {
    /// Whether `type_name` is one of the Kafka toxics.
    #[must_use]
    pub fn is_kafka_type(type_name: &str) -> bool {
        TYPES.contains(&type_name)
    }

    /// Reads the attributes. Members that are missing or null take their defaults; `fired`, which answers carry, is
    /// ignored.
    ///
    /// # Errors
    /// A sentence: which attribute is wrong, what was expected.
    pub fn parse(type_name: &str, attributes: &Map<String, Value>) -> Result<Self, String> {
        let action = match type_name {
            "drop_response" => KafkaAction::DropResponse,
            "delay_response" => KafkaAction::DelayResponse { delay: read_delay(attributes)? },
            "close_after_request" => KafkaAction::CloseAfterRequest,
            "error_response" => KafkaAction::ErrorResponse { code: read_code(attributes)? },
            "duplicate_request" => KafkaAction::DuplicateRequest,
            other => return Err(format!("{other:?} is no Kafka toxic; those are {}", TYPES.join(", "))),
        };
        refuse_unknown(action, attributes)?;
        let count = match read_integer(attributes, "count")? {
            Some(-1) => None,
            None | Some(0) if matches!(action, KafkaAction::DelayResponse { .. }) => None,
            None | Some(0) => Some(1),
            Some(count) => Some(u64::try_from(count).map_err(|_| {
                format!("attribute count is {count}; expected a number from 1 up, or -1 for without end")
            })?),
        };
        let after = read_integer(attributes, "after")?.unwrap_or(0);
        let after =
            u64::try_from(after).map_err(|_| format!("attribute after is {after}; expected 0 or more"))?;
        let toxic = Self {
            action,
            api: read_api(attributes)?,
            topic: read_text(attributes, "topic")?,
            client_id: read_text(attributes, "clientId")?,
            count,
            after,
        };
        toxic.check_filters()?;
        Ok(toxic)
    }

    /// The attributes as JSON, defaults spelt out.
    #[must_use]
    pub fn attributes(&self) -> Map<String, Value> {
        let mut map = Map::new();
        match self.action {
            KafkaAction::DelayResponse { delay } => {
                map.insert("delay".into(), json!(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)));
            }
            KafkaAction::ErrorResponse { code } => {
                map.insert("code".into(), json!(code));
            }
            KafkaAction::DropResponse | KafkaAction::CloseAfterRequest | KafkaAction::DuplicateRequest => {}
        }
        if let Some(api) = self.api {
            map.insert("api".into(), json!(api::describe(api)));
        }
        if let Some(topic) = &self.topic {
            map.insert("topic".into(), json!(topic));
        }
        if let Some(client_id) = &self.client_id {
            map.insert("clientId".into(), json!(client_id));
        }
        map.insert("count".into(), self.count.map_or_else(|| json!(-1), |count| json!(count)));
        map.insert("after".into(), json!(self.after));
        map
    }

    /// Whether a request of this API by this client could be meant, whatever its topics.
    #[must_use]
    pub fn concerns(&self, api: i16, client_id: Option<&str>) -> bool {
        self.api.is_none_or(|wanted| wanted == api)
            && self.client_id.as_deref().is_none_or(|wanted| client_id == Some(wanted))
            && (self.topic.is_none() || api::WITH_TOPICS.contains(&api))
            && (!matches!(self.action, KafkaAction::ErrorResponse { .. }) || error_answer::can_answer(api))
    }

    fn check_filters(&self) -> Result<(), String> {
        let Some(api) = self.api else { return Ok(()) };
        if self.topic.is_some() && !api::WITH_TOPICS.contains(&api) {
            return Err(format!(
                "a topic filter cannot be used with {}; it works with {}",
                api::describe(api),
                names(&api::WITH_TOPICS)
            ));
        }
        if matches!(self.action, KafkaAction::ErrorResponse { .. }) && !error_answer::can_answer(api) {
            return Err(format!(
                "error_response cannot answer {}; it can answer {}",
                api::describe(api),
                names(&error_answer::ANSWERABLE)
            ));
        }
        Ok(())
    }
}

fn names(apis: &[i16]) -> String {
    apis.iter().map(|api| api::describe(*api)).collect::<Vec<_>>().join(", ")
}

fn refuse_unknown(action: KafkaAction, attributes: &Map<String, Value>) -> Result<(), String> {
    let own: &[&str] = match action {
        KafkaAction::DelayResponse { .. } => &["delay"],
        KafkaAction::ErrorResponse { .. } => &["code"],
        KafkaAction::DropResponse | KafkaAction::CloseAfterRequest | KafkaAction::DuplicateRequest => &[],
    };
    let is_known = |name: &str| COMMON.contains(&name) || own.contains(&name) || name == "fired";
    match attributes.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{} has no attribute {name:?}; it has {}",
            action.type_name(),
            [own, &COMMON].concat().join(", ")
        )),
    }
}

fn read_delay(attributes: &Map<String, Value>) -> Result<Duration, String> {
    let delay = read_integer(attributes, "delay")?.unwrap_or(0);
    match u64::try_from(delay) {
        Ok(delay) if delay <= MAX_DELAY_MS => Ok(Duration::from_millis(delay)),
        _ => Err(format!("attribute delay is {delay}; expected milliseconds from 0 to {MAX_DELAY_MS}")),
    }
}

/// A code by number, or by one of the names that the producer's table has.
fn read_code(attributes: &Map<String, Value>) -> Result<i16, String> {
    const EXPECTED: &str = "a Kafka error code, such as 6 or NOT_LEADER_OR_FOLLOWER";
    if let Some(Value::String(text)) = attributes.get("code")
        && text.parse::<i16>().is_err()
    {
        let found =
            CODES.into_iter().find(|code| ErrorCode(*code).name() == text && text != UNNAMED && *code != 0);
        return found.ok_or_else(|| format!("attribute code is {text:?}; expected {EXPECTED}"));
    }
    match read_integer(attributes, "code")? {
        None => Err(format!("attribute code is missing; expected {EXPECTED}")),
        Some(0) => Err(format!("attribute code is 0, which means success; expected {EXPECTED}")),
        Some(code) => {
            i16::try_from(code).map_err(|_| format!("attribute code is {code}; expected {EXPECTED}"))
        }
    }
}

fn read_api(attributes: &Map<String, Value>) -> Result<Option<i16>, String> {
    let text = match attributes.get("api") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(_) => read_integer(attributes, "api")?.map(|api| api.to_string()).unwrap_or_default(),
    };
    api::by_name(&text).map(Some).ok_or_else(|| {
        format!("attribute api is {text:?}; expected the name or number of a Kafka API, such as Produce or 0")
    })
}

/// A text; an empty one is no filter.
fn read_text(attributes: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match attributes.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("attribute {name} is {other}; expected a text")),
    }
}

/// A whole number. Toxiproxy's own command line sends every number as a float, and some clients send texts.
fn read_integer(attributes: &Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    let value = match attributes.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let number = match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.map(Some).ok_or_else(|| format!("attribute {name} is {value}; expected a whole number"))
}

fn whole(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && number.abs() < 9e15;
    #[allow(clippy::cast_possible_truncation, reason = "whole and far below 2^53: exact")]
    is_whole.then_some(number as i64)
}

/// The codes that Kafka has, with room.
const CODES: std::ops::Range<i16> = -1..200;
/// What codes without a row are called.
const UNNAMED: &str = "UNKNOWN_ERROR_CODE";
const COMMON: [&str; 5] = ["api", "topic", "clientId", "count", "after"];
/// A day: what waits longer is a mistake in the unit.
const MAX_DELAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(type_name: &str, attributes: &Value) -> Result<KafkaToxic, String> {
        KafkaToxic::parse(type_name, attributes.as_object().expect("an object"))
    }

    // The lab's experiment: one lost answer, then no fault. Fails if the default is not one-shot.
    #[test]
    fn a_toxic_without_count_acts_once_and_a_delay_acts_for_ever() {
        for type_name in ["drop_response", "close_after_request", "duplicate_request"] {
            assert_eq!(parse(type_name, &json!({})).unwrap().count, Some(1), "{type_name}");
            assert_eq!(parse(type_name, &json!({"count": 0})).unwrap().count, Some(1), "{type_name}");
            assert_eq!(parse(type_name, &json!({"count": -1})).unwrap().count, None, "{type_name}");
        }
        assert_eq!(parse("delay_response", &json!({"delay": 5})).unwrap().count, None);
        assert_eq!(parse("delay_response", &json!({"delay": 5, "count": 2})).unwrap().count, Some(2));
    }

    // What an answer shows can be posted again: toxics are copied from one proxy to another.
    #[test]
    fn attributes_read_back_as_they_were() {
        let toxic = parse(
            "error_response",
            &json!({"api": "produce", "topic": "t", "clientId": "c", "count": 3, "after": 2, "code": "NOT_LEADER_OR_FOLLOWER"}),
        )
        .unwrap();
        assert_eq!(toxic.action, KafkaAction::ErrorResponse { code: 6 });
        let mut shown = toxic.attributes();
        assert_eq!(shown.get("api"), Some(&json!("Produce")));
        shown.insert("fired".into(), json!(1));

        assert_eq!(KafkaToxic::parse("error_response", &shown), Ok(toxic));
    }

    // Toxiproxy's command line sends floats; 0 by number is Produce.
    #[test]
    fn numbers_may_come_as_floats_or_texts() {
        let toxic = parse("drop_response", &json!({"api": 0.0, "count": "2", "after": 1.0})).unwrap();
        assert_eq!((toxic.api, toxic.count, toxic.after), (Some(0), Some(2), 1));
    }

    // A typo that silently does nothing costs a class an hour: each is refused with what was expected.
    #[test]
    fn what_could_never_work_is_refused() {
        for (type_name, attributes, part) in [
            ("drop_response", json!({"Count": 1}), "no attribute \"Count\""),
            ("drop_response", json!({"api": "Prodduce"}), "\"Prodduce\""),
            ("drop_response", json!({"api": []}), "whole number"),
            ("drop_response", json!({"count": 1.5}), "whole number"),
            ("drop_response", json!({"count": -2}), "from 1 up"),
            ("drop_response", json!({"after": -1}), "0 or more"),
            ("drop_response", json!({"topic": 7}), "a text"),
            ("drop_response", json!({"api": "Heartbeat", "topic": "t"}), "topic filter"),
            ("delay_response", json!({"delay": -1}), "milliseconds"),
            ("error_response", json!({}), "missing"),
            ("error_response", json!({"code": 0}), "success"),
            ("error_response", json!({"code": 70000}), "70000"),
            ("error_response", json!({"code": "NO_SUCH"}), "NO_SUCH"),
            ("error_response", json!({"code": 6, "api": "SyncGroup"}), "cannot answer"),
            ("latency", json!({}), "no Kafka toxic"),
        ] {
            let message = parse(type_name, &attributes).unwrap_err();
            assert!(message.contains(part), "{type_name} {attributes}: {message}");
        }
    }
}
