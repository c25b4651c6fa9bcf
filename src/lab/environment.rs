//! The environment variables of the course (spec 1.6), read and checked.
//!
//! **Why so strict.** The originals fell back to a default in silence when a number was not a number, and a class then
//! measured something else than it believed. Here the start is refused, with the variable's name, its value and what was
//! expected. Neighbours: `cli::serve` reads it, [`crate::lab::producers`] turns it into producer settings. Not here:
//! ports and addresses, which are flags with variables of their own in `cli::serve`.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::Acks;
use crate::lab::profile::Profile;
use crate::lab::settings_layers::{Layers, Source};

/// A variable that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentError {
    /// Who said it.
    pub source: Source,
    /// Its name.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
    /// What would have been right.
    pub expected: String,
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, variable, value, expected } = self;
        write!(f, "{source} {variable} is {value:?}; expected {expected}. Correct it or unset it")
    }
}

impl std::error::Error for EnvironmentError {}

/// What the variables say about the façade's producers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEnvironment {
    /// `KAFKA_REQUEST_TIMEOUT_MS`: how long profile `java` waits for an answer (D-59).
    pub request_timeout_ms: u64,
    /// `KAFKA_SOCKET_TIMEOUT_MS`: how long profile `librdkafka` waits for an answer (D-59).
    pub socket_timeout_ms: u64,
    /// `KAFKA_DELIVERY_TIMEOUT_MS`.
    pub delivery_timeout_ms: u64,
    /// `KAFKA_RETRY_BACKOFF_MS`.
    pub retry_backoff_ms: u64,
    /// `KAFKA_RETRIES`.
    pub retries: u64,
    /// `KAFKA_LINGER_MS`.
    pub linger_ms: u64,
    /// `KAFKA_BUFFER_MEMORY`: bytes of each producer's buffer; a small one shows 429.
    pub buffer_memory_bytes: u64,
    /// `KAFKA_MAX_BLOCK_MS`: how long a synchronous call waits for metadata or room.
    pub max_block_ms: u64,
    /// `KAFKA_ACKS_PLAIN`: acks of mode `plain`.
    pub acks_plain: Acks,
    /// `KAFKA_ADDRESS_MAP`: `from=to` pairs for dialling advertised addresses.
    pub address_map: Option<String>,
    /// Who said those that are not at their default.
    pub sources: BTreeMap<&'static str, Source>,
}

impl Default for ProducerEnvironment {
    fn default() -> Self {
        Self {
            request_timeout_ms: 30_000,
            socket_timeout_ms: 60_000,
            delivery_timeout_ms: 120_000,
            retry_backoff_ms: 100,
            retries: 10,
            linger_ms: 0,
            buffer_memory_bytes: 32 * 1024 * 1024,
            max_block_ms: 10_000,
            acks_plain: Acks::Leader,
            address_map: None,
            sources: BTreeMap::new(),
        }
    }
}

impl ProducerEnvironment {
    /// Reads the variables through `lookup`, which answers `None` for one that is not set.
    ///
    /// # Errors
    ///
    /// The first variable that is not what it should be.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let standard = Self::default();
        let number = |variable, default| number(variable, lookup(variable), default);
        let environment = Self {
            request_timeout_ms: number("KAFKA_REQUEST_TIMEOUT_MS", standard.request_timeout_ms)?,
            socket_timeout_ms: number("KAFKA_SOCKET_TIMEOUT_MS", standard.socket_timeout_ms)?,
            delivery_timeout_ms: number("KAFKA_DELIVERY_TIMEOUT_MS", standard.delivery_timeout_ms)?,
            retry_backoff_ms: number("KAFKA_RETRY_BACKOFF_MS", standard.retry_backoff_ms)?,
            retries: number("KAFKA_RETRIES", standard.retries)?,
            linger_ms: number("KAFKA_LINGER_MS", standard.linger_ms)?,
            buffer_memory_bytes: number("KAFKA_BUFFER_MEMORY", standard.buffer_memory_bytes)?,
            max_block_ms: number("KAFKA_MAX_BLOCK_MS", standard.max_block_ms)?,
            acks_plain: acks("KAFKA_ACKS_PLAIN", lookup("KAFKA_ACKS_PLAIN"))?,
            address_map: lookup("KAFKA_ADDRESS_MAP").filter(|text| !text.trim().is_empty()),
            sources: BTreeMap::new(),
        };
        let least = environment.linger_ms.saturating_add(environment.request_timeout_ms);
        if environment.delivery_timeout_ms < least {
            return Err(EnvironmentError {
                source: Source::Environment,
                variable: "KAFKA_DELIVERY_TIMEOUT_MS",
                value: environment.delivery_timeout_ms.to_string(),
                expected: format!("at least KAFKA_LINGER_MS + KAFKA_REQUEST_TIMEOUT_MS = {least}"),
            });
        }
        Ok(environment)
    }

    /// As [`Self::read`], from flags, the environment and a file, and remembers who said what.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], with the layer.
    pub fn read_layers(
        layers: &Layers,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, EnvironmentError> {
        let find = |name: &str| layers.find(name, &environment);
        let source = |name: &str| find(name).map(|(_, source)| source);
        let read = Self::read(|name| find(name).map(|(value, _)| value)).map_err(|error| EnvironmentError {
            source: source(error.variable).unwrap_or(Source::Environment),
            ..error
        });
        let said = VARIABLES.iter().filter_map(|name| Some((*name, source(name)?)));
        Ok(Self { sources: said.collect(), ..read? })
    }

    /// Who said a variable; none if it is at its default.
    pub fn source(&self, variable: &str) -> Option<&Source> {
        self.sources.get(variable)
    }

    /// How long a client of this profile waits for a broker's answer. librdkafka allows a socket timeout beyond the
    /// message timeout; ours then ends with the message.
    pub fn answer_timeout_ms(&self, profile: Profile) -> u64 {
        match profile {
            Profile::Java => self.request_timeout_ms,
            Profile::Librdkafka => {
                self.socket_timeout_ms.min(self.delivery_timeout_ms.saturating_sub(self.linger_ms)).max(1)
            }
        }
    }
}

/// The port in `ASPNETCORE_URLS`, such as `http://+:8080` or `http://0.0.0.0:8080;https://…`: the first one counts.
///
/// # Errors
///
/// When no port can be found in it.
pub fn port_of_aspnetcore_urls(value: &str) -> Result<u16, EnvironmentError> {
    let first = value.split(';').next().unwrap_or("").trim().trim_end_matches('/');
    let port = first.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| EnvironmentError {
        source: Source::Environment,
        variable: "ASPNETCORE_URLS",
        value: value.to_owned(),
        expected: "a URL with a port, such as http://+:8080".to_owned(),
    })
}

fn number(variable: &'static str, value: Option<String>, default: u64) -> Result<u64, EnvironmentError> {
    let Some(value) = value else { return Ok(default) };
    match value.trim().parse::<u64>() {
        Ok(number) if number <= LARGEST_NUMBER => Ok(number),
        Ok(_) | Err(_) => {
            let expected = format!("a whole number from 0 to {LARGEST_NUMBER}");
            Err(EnvironmentError { source: Source::Environment, variable, value, expected })
        }
    }
}

fn acks(variable: &'static str, value: Option<String>) -> Result<Acks, EnvironmentError> {
    let Some(value) = value else { return Ok(Acks::Leader) };
    parse_acks(value.trim()).ok_or_else(|| EnvironmentError {
        source: Source::Environment,
        variable,
        value,
        expected: "0, 1 or all".to_owned(),
    })
}

/// `0`, `1`, `all` or `-1`.
pub fn parse_acks(text: &str) -> Option<Acks> {
    match text {
        "0" => Some(Acks::None),
        "1" => Some(Acks::Leader),
        "all" | "-1" => Some(Acks::All),
        _ => None,
    }
}

/// `0`, `1` or `all`.
pub const fn acks_name(acks: Acks) -> &'static str {
    match acks {
        Acks::None => "0",
        Acks::Leader => "1",
        Acks::All => "all",
    }
}

/// The variables that are read here.
pub const VARIABLES: &[&str] = &[
    "KAFKA_REQUEST_TIMEOUT_MS",
    "KAFKA_SOCKET_TIMEOUT_MS",
    "KAFKA_DELIVERY_TIMEOUT_MS",
    "KAFKA_RETRY_BACKOFF_MS",
    "KAFKA_RETRIES",
    "KAFKA_LINGER_MS",
    "KAFKA_BUFFER_MEMORY",
    "KAFKA_MAX_BLOCK_MS",
    "KAFKA_ACKS_PLAIN",
    "KAFKA_ADDRESS_MAP",
];

/// Java's properties are 32-bit; a larger number is a typing error.
const LARGEST_NUMBER: u64 = 2_147_483_647;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ProducerEnvironment, EnvironmentError> {
        ProducerEnvironment::read(|name| {
            pairs.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| (*value).to_owned())
        })
    }

    // The defaults are D-59's: with 1,000 ms the course's latency step would never end well.
    #[test]
    fn without_variables_the_defaults_of_the_decisions_hold() {
        let environment = read(&[]).unwrap();

        assert_eq!(environment, ProducerEnvironment::default());
        assert_eq!(environment.answer_timeout_ms(Profile::Java), 30_000);
        assert_eq!(environment.answer_timeout_ms(Profile::Librdkafka), 60_000);
    }

    // A silent default is how a class measures something else than it believes: every wrong value is refused by name.
    #[test]
    fn a_wrong_value_is_refused_and_the_variable_is_named() {
        for variable in [
            "KAFKA_REQUEST_TIMEOUT_MS",
            "KAFKA_SOCKET_TIMEOUT_MS",
            "KAFKA_DELIVERY_TIMEOUT_MS",
            "KAFKA_RETRY_BACKOFF_MS",
            "KAFKA_RETRIES",
            "KAFKA_LINGER_MS",
            "KAFKA_BUFFER_MEMORY",
            "KAFKA_MAX_BLOCK_MS",
            "KAFKA_ACKS_PLAIN",
        ] {
            for value in ["fast", "-5", "1.5", "", "99999999999"] {
                let error = read(&[(variable, value)]).unwrap_err();
                assert_eq!((error.variable, error.value.as_str()), (variable, value));
                assert!(error.to_string().contains(variable), "{error}");
            }
        }
        assert_eq!(read(&[("KAFKA_ACKS_PLAIN", "2")]).unwrap_err().expected, "0, 1 or all");
    }

    // Java refuses such a producer only when it is built; the message should name the variables, not the properties.
    #[test]
    fn a_delivery_timeout_below_the_request_timeout_is_refused() {
        let error = read(&[("KAFKA_DELIVERY_TIMEOUT_MS", "500")]).unwrap_err();

        assert_eq!(error.variable, "KAFKA_DELIVERY_TIMEOUT_MS");
        assert!(error.expected.contains("30000"));
    }

    // ASP.NET spells addresses in several ways; only the port matters here.
    #[test]
    fn the_port_of_aspnetcore_urls_is_found() {
        assert_eq!(port_of_aspnetcore_urls("http://+:8080"), Ok(8080));
        assert_eq!(port_of_aspnetcore_urls("http://0.0.0.0:5001/;https://*:5002"), Ok(5001));
        assert!(port_of_aspnetcore_urls("http://localhost").is_err());
        assert!(port_of_aspnetcore_urls("").is_err());
    }
}
