//! What a send call asks for, read from its query string and checked (spec 1.3, D-57, D-58).
//!
//! **Why everything is checked before anything is sent.** The originals took a wrong `mode` for `plain` in silence. Here
//! a value that is not allowed is answered with its name, what would be allowed, and the promise that nothing was
//! written. Neighbours: [`crate::lab::query`] decodes, `routes/send` acts. Not here: whether the topic and the
//! partition exist, which only the cluster knows.

use std::time::Duration;

use crate::config::Acks;
use crate::lab::environment::parse_acks;
use crate::lab::error::Problem;
use crate::lab::language::Language;
use crate::lab::problem_kind::ProblemKind;
use crate::lab::profile::Mode;
use crate::lab::query::{Query, QueryError};

/// Whether the answer waits for Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendMode {
    /// The answer has the offset.
    Sync,
    /// The answer has a `requestId`; the outcome is asked for later.
    Async,
}

impl SendMode {
    /// As in answers and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
        }
    }
}

/// A partitioner asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionerName {
    /// Java's key hash.
    Murmur2,
    /// librdkafka's key hash.
    Crc32,
    /// The key does not choose: the sticky partition does.
    Sticky,
    /// One partition after the other.
    RoundRobin,
}

impl PartitionerName {
    /// As in the query.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Murmur2 => "murmur2",
            Self::Crc32 => "crc32",
            Self::Sticky => "sticky",
            Self::RoundRobin => "roundrobin",
        }
    }
}

/// A checked send call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendParameters {
    /// `mode`.
    pub mode: Mode,
    /// `eventId`.
    pub event_id: String,
    /// `sendMode`.
    pub send_mode: SendMode,
    /// The effective key; `None` with `keyless=true`.
    pub key: Option<String>,
    /// `partition`.
    pub partition: Option<i32>,
    /// `topic`.
    pub topic: String,
    /// `acks`, if given.
    pub acks: Option<Acks>,
    /// `partitioner`, if given.
    pub partitioner: Option<PartitionerName>,
    /// `timeoutMs`, if given.
    pub timeout: Option<Duration>,
}

impl SendParameters {
    /// Reads a query string.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, as a problem that is ready to be sent.
    pub fn parse(query: &str, default_topic: &str, language: Language) -> Result<Self, Box<Problem>> {
        let query = Query::parse(query).map_err(|error| Box::new(problem_of_query(&error, language)))?;
        let reader = Reader { query: &query, language };
        let event_id = query.value("eventId").filter(|text| text.len() <= LONGEST_EVENT_ID_BYTES);
        reader.read(default_topic).map_err(|problem| Box::new((*problem).event_id(event_id)))
    }
}

/// The query and the language of complaints about it.
struct Reader<'a> {
    query: &'a Query,
    language: Language,
}

impl Reader<'_> {
    fn read(&self, default_topic: &str) -> Result<SendParameters, Box<Problem>> {
        self.refuse_unknown_names()?;
        let event_id = self.event_id()?;
        let mode = self.choice("mode", None, MODES)?;
        let keyless = self.choice("keyless", Some(false), BOOLEANS)?;
        let parameters = SendParameters {
            mode,
            send_mode: self.choice("sendMode", Some(SendMode::Sync), SEND_MODES)?,
            key: self.key(keyless, &event_id)?,
            partition: self.partition()?,
            topic: self.topic(default_topic)?,
            acks: self.acks(mode)?,
            partitioner: self.partitioner()?,
            timeout: self.timeout()?,
            event_id,
        };
        Ok(parameters)
    }

    /// A misspelt parameter would otherwise silently mean its default.
    fn refuse_unknown_names(&self) -> Result<(), Box<Problem>> {
        let Some(name) = self.query.names().find(|name| !NAMES.contains(name)) else { return Ok(()) };
        let happened = match self.language {
            Language::English => format!("There is no parameter {name:?}; there are {}.", NAMES.join(", ")),
            Language::French => format!("Le paramètre {name:?} n'existe pas ; il y a {}.", NAMES.join(", ")),
        };
        Err(Box::new(Problem::parameter(
            ProblemKind::InvalidParameter,
            self.language,
            name,
            &happened,
            NAMES,
        )))
    }

    fn event_id(&self) -> Result<String, Box<Problem>> {
        let value = self.query.value("eventId").ok_or_else(|| self.missing("eventId", &[]))?;
        if value.trim().is_empty() {
            return Err(self.invalid(
                "eventId",
                value,
                "an id that is not blank",
                "un identifiant non vide",
                &[],
            ));
        }
        if value.len() > LONGEST_EVENT_ID_BYTES {
            let shown: String = value.chars().take(40).collect();
            return Err(self.invalid("eventId", &shown, "at most 512 bytes", "au plus 512 octets", &[]));
        }
        Ok(value.to_owned())
    }

    fn key(&self, keyless: bool, event_id: &str) -> Result<Option<String>, Box<Problem>> {
        let given = self.query.value("key").filter(|text| !text.trim().is_empty());
        match (keyless, given) {
            (true, Some(key)) => {
                Err(self.invalid("key", key, "no key with keyless=true", "pas de clé avec keyless=true", &[]))
            }
            (true, None) => Ok(None),
            (false, given) => Ok(Some(given.unwrap_or(event_id).to_owned())),
        }
    }

    fn partition(&self) -> Result<Option<i32>, Box<Problem>> {
        let Some(value) = self.query.value("partition") else { return Ok(None) };
        match value.parse::<i32>() {
            Ok(partition) if partition >= 0 => Ok(Some(partition)),
            Ok(_) | Err(_) => {
                let (english, french) =
                    ("a whole number from 0 to 2147483647", "un entier de 0 à 2147483647");
                Err(self.invalid("partition", value, english, french, &[]))
            }
        }
    }

    fn topic(&self, default_topic: &str) -> Result<String, Box<Problem>> {
        let Some(topic) = self.query.value("topic") else { return Ok(default_topic.to_owned()) };
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(1..=249).contains(&topic.len())
            || !topic.bytes().all(is_allowed)
            || topic == "."
            || topic == ".."
        {
            let shown: String = topic.chars().take(80).collect();
            let english = "1 to 249 of a-z A-Z 0-9 . _ - and neither \".\" nor \"..\"";
            let french = "1 à 249 caractères parmi a-z A-Z 0-9 . _ - et ni « . » ni « .. »";
            return Err(self.invalid("topic", &shown, english, french, &[]));
        }
        Ok(topic.to_owned())
    }

    fn acks(&self, mode: Mode) -> Result<Option<Acks>, Box<Problem>> {
        let Some(value) = self.query.value("acks") else { return Ok(None) };
        let allowed = ["0", "1", "all"];
        let acks = parse_acks(value)
            .ok_or_else(|| self.invalid("acks", value, "0, 1 or all", "0, 1 ou all", &allowed))?;
        if mode == Mode::Idempotent && acks != Acks::All {
            let english = "all: an idempotent producer needs the acknowledgement of all in-sync replicas";
            let french = "all : un producteur idempotent exige l'accusé de tous les réplicas synchronisés";
            return Err(self.invalid("acks", value, english, french, &["all"]));
        }
        Ok(Some(acks))
    }

    fn partitioner(&self) -> Result<Option<PartitionerName>, Box<Problem>> {
        let Some(value) = self.query.value("partitioner") else { return Ok(None) };
        let partitioner = self.choice("partitioner", None, PARTITIONERS)?;
        if self.query.value("partition").is_some() {
            let (english, french) =
                ("either partition or partitioner, not both", "partition ou partitioner, pas les deux");
            return Err(self.invalid("partitioner", value, english, french, &[]));
        }
        Ok(Some(partitioner))
    }

    fn timeout(&self) -> Result<Option<Duration>, Box<Problem>> {
        let Some(value) = self.query.value("timeoutMs") else { return Ok(None) };
        match value.parse::<u64>() {
            Ok(timeout_ms) if timeout_ms <= LONGEST_TIMEOUT_MS => Ok(Some(Duration::from_millis(timeout_ms))),
            Ok(_) | Err(_) => {
                let (english, french) = ("a whole number from 0 to 3600000", "un entier de 0 à 3600000");
                Err(self.invalid("timeoutMs", value, english, french, &[]))
            }
        }
    }

    /// One of a few words, whatever their case; without a default the parameter is required.
    fn choice<T: Copy>(
        &self,
        name: &str,
        default: Option<T>,
        words: &[(&str, T)],
    ) -> Result<T, Box<Problem>> {
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let Some(value) = self.query.value(name) else {
            return default.ok_or_else(|| self.missing(name, &allowed));
        };
        let found =
            words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|(_, meaning)| *meaning);
        let (english, french) = (allowed.join(" or "), allowed.join(" ou "));
        found.ok_or_else(|| self.invalid(name, value, &english, &french, &allowed))
    }

    fn missing(&self, name: &str, allowed: &[&str]) -> Box<Problem> {
        let happened = match self.language {
            Language::English => format!("The query parameter {name} is missing."),
            Language::French => format!("Le paramètre de requête {name} manque."),
        };
        Box::new(Problem::parameter(ProblemKind::MissingParameter, self.language, name, &happened, allowed))
    }

    fn invalid(
        &self,
        name: &str,
        value: &str,
        english: &str,
        french: &str,
        allowed: &[&str],
    ) -> Box<Problem> {
        let happened = match self.language {
            Language::English => format!("Parameter {name} is {value:?}; expected {english}."),
            Language::French => format!("Le paramètre {name} vaut {value:?} ; attendu : {french}."),
        };
        Box::new(Problem::parameter(ProblemKind::InvalidParameter, self.language, name, &happened, allowed))
    }
}

/// The problem behind a query string that cannot be read.
pub fn problem_of_query(error: &QueryError, language: Language) -> Problem {
    let happened = match (error, language) {
        (QueryError::BadEscape { position }, Language::English) => {
            format!("At byte {position} of the query a % is not followed by two hexadecimal digits.")
        }
        (QueryError::BadEscape { position }, Language::French) => {
            format!("À l'octet {position} de la requête, un % n'est pas suivi de deux chiffres hexadécimaux.")
        }
        (QueryError::NotUtf8 { name, position }, Language::English) => {
            format!("The value of {name:?}, at byte {position} of the query, is not UTF-8.")
        }
        (QueryError::NotUtf8 { name, position }, Language::French) => {
            format!("La valeur de {name:?}, à l'octet {position} de la requête, n'est pas de l'UTF-8.")
        }
        (QueryError::Repeated { name }, Language::English) => {
            format!("Parameter {name:?} occurs more than once.")
        }
        (QueryError::Repeated { name }, Language::French) => {
            format!("Le paramètre {name:?} est donné plus d'une fois.")
        }
    };
    Problem::new(ProblemKind::InvalidQuery, language, &happened)
}

/// The words of `mode`.
pub const MODES: &[(&str, Mode)] = &[("plain", Mode::Plain), ("idempotent", Mode::Idempotent)];
/// The words of `sendMode`.
pub const SEND_MODES: &[(&str, SendMode)] = &[
    ("sync", SendMode::Sync),
    ("async", SendMode::Async),
    ("synchronous", SendMode::Sync),
    ("asynchronous", SendMode::Async),
];
/// The words of `partitioner`.
pub const PARTITIONERS: &[(&str, PartitionerName)] = &[
    ("murmur2", PartitionerName::Murmur2),
    ("crc32", PartitionerName::Crc32),
    ("sticky", PartitionerName::Sticky),
    ("roundrobin", PartitionerName::RoundRobin),
];
/// Yes and no.
pub const BOOLEANS: &[(&str, bool)] = &[("true", true), ("false", false)];
const NAMES: &[&str] = &[
    "mode",
    "eventId",
    "sendMode",
    "key",
    "keyless",
    "partition",
    "topic",
    "acks",
    "partitioner",
    "timeoutMs",
];
/// Longest `eventId`.
pub const LONGEST_EVENT_ID_BYTES: usize = 512;
/// Longest `timeoutMs`: an hour.
pub const LONGEST_TIMEOUT_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<SendParameters, Box<Problem>> {
        SendParameters::parse(query, "bhf-transactions", Language::English)
    }

    fn refused(query: &str) -> (ProblemKind, String) {
        let problem = parse(query).unwrap_err();
        let json = serde_json::to_value(&*problem).unwrap();
        (problem.kind(), json["parameter"].as_str().unwrap_or_default().to_owned())
    }

    // The course's shortest call; the key of such a record is its eventId.
    #[test]
    fn the_defaults_are_those_of_the_course() {
        let parameters = parse("mode=plain&eventId=E-1").unwrap();

        assert_eq!(parameters.mode, Mode::Plain);
        assert_eq!(parameters.send_mode, SendMode::Sync);
        assert_eq!(parameters.key.as_deref(), Some("E-1"));
        assert_eq!(parameters.topic, "bhf-transactions");
        assert_eq!((parameters.partition, parameters.acks, parameters.timeout), (None, None, None));
        assert_eq!(
            parse("mode=IDEMPOTENT&eventId=E&sendMode=Asynchronous").unwrap().send_mode,
            SendMode::Async
        );
        assert_eq!(parse("mode=plain&eventId=E&key=%20").unwrap().key.as_deref(), Some("E"));
        assert_eq!(parse("mode=plain&eventId=E&keyless=true").unwrap().key, None);
    }

    // Each wrong parameter is named; a wrong mode must never mean plain.
    #[test]
    fn every_wrong_parameter_is_named() {
        for (query, name) in [
            ("mode=invalid&eventId=E", "mode"),
            ("mode=plain&eventId=%20", "eventId"),
            ("mode=plain&eventId=E&sendMode=later", "sendMode"),
            ("mode=plain&eventId=E&partition=-1", "partition"),
            ("mode=plain&eventId=E&partition=2147483648", "partition"),
            ("mode=plain&eventId=E&partition=NaN", "partition"),
            ("mode=plain&eventId=E&topic=", "topic"),
            ("mode=plain&eventId=E&topic=a%2Fb", "topic"),
            ("mode=plain&eventId=E&topic=..", "topic"),
            ("mode=plain&eventId=E&acks=2", "acks"),
            ("mode=idempotent&eventId=E&acks=1", "acks"),
            ("mode=plain&eventId=E&partitioner=random", "partitioner"),
            ("mode=plain&eventId=E&partitioner=crc32&partition=0", "partitioner"),
            ("mode=plain&eventId=E&timeoutMs=-1", "timeoutMs"),
            ("mode=plain&eventId=E&timeoutMs=3600001", "timeoutMs"),
            ("mode=plain&eventId=E&keyless=maybe", "keyless"),
            ("mode=plain&eventId=E&keyless=true&key=k", "key"),
            ("mode=plain&eventId=E&evntId=F", "evntId"),
        ] {
            assert_eq!(refused(query), (ProblemKind::InvalidParameter, name.to_owned()), "{query}");
        }
        let long = "x".repeat(513);
        assert_eq!(refused(&format!("mode=plain&eventId={long}")).1, "eventId");
        assert!(parse(&format!("mode=plain&eventId={}", "x".repeat(512))).is_ok());
    }

    // "Missing" and "wrong" are two kinds: the first is what a forgotten variable in a shell line makes.
    #[test]
    fn missing_parameters_are_named() {
        assert_eq!(refused("eventId=E"), (ProblemKind::MissingParameter, "mode".to_owned()));
        assert_eq!(refused("mode=plain"), (ProblemKind::MissingParameter, "eventId".to_owned()));
        assert_eq!(refused("mode=plain&eventId=E&mode=plain").0, ProblemKind::InvalidQuery);
    }
}
