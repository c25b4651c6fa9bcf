//! The settings that the lab's producers really have, and who said each of them.
//!
//! **Why two steps.** The library knows its settings and defaults; the lab turns variables with the course's names into
//! some of them. The answer to "where does this come from" must name what the reader can change: the flag, the
//! variable, the line of the file, the lab's own choice, or the library's default. Neighbours:
//! [`crate::lab::producers`] has the producers, `routes/config` and `cli::config` show this. Not here: secrets, of which
//! these settings hold none.

use serde::Serialize;
use utoipa::ToSchema;

use crate::config::{Origin, ProducerConfig};
use crate::lab::environment::ProducerEnvironment;
use crate::lab::profile::Profile;

/// A setting of a producer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSetting {
    /// The Java name, or ours.
    #[schema(example = "request.timeout.ms")]
    pub name: &'static str,
    /// The value in use.
    pub value: String,
    /// The library's default.
    pub default: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// Who said it: `flag`, `environment`, `file`, `lab` (its own choice), `adjusted` (a check changed it) or `default`.
    pub origin: &'static str,
    /// More about that: the variable, the line, the reason.
    #[schema(required = true)]
    pub source: Option<String>,
    /// The variable that changes it in the lab, if there is one.
    #[schema(required = true)]
    pub variable: Option<&'static str>,
    /// What it does.
    pub explanation: &'static str,
}

/// The settings of a producer of the lab, in the order of the reference page.
pub fn effective_settings(
    config: &ProducerConfig,
    environment: &ProducerEnvironment,
    profile: Profile,
) -> Vec<EffectiveSetting> {
    let settings = config.settings().into_iter();
    settings
        .map(|line| {
            let variable = variable_of(line.name, profile, config);
            let (origin, source) = match (&line.origin, variable) {
                (Origin::Default, _) => ("default", None),
                (Origin::Adjusted(why), _) => ("adjusted", Some(why.to_string())),
                (_, Some(variable)) => match environment.source(variable) {
                    Some(source) => (source.layer(), Some(format!("{source} {variable}"))),
                    None => ("lab", None),
                },
                (_, None) => ("lab", None),
            };
            EffectiveSetting {
                name: line.name,
                value: line.value,
                default: line.default,
                unit: line.unit,
                origin,
                source,
                variable,
                explanation: line.explanation,
            }
        })
        .collect()
}

/// The variable behind a producer's setting.
fn variable_of(name: &str, profile: Profile, config: &ProducerConfig) -> Option<&'static str> {
    Some(match name {
        "request.timeout.ms" => match profile {
            Profile::Java => "KAFKA_REQUEST_TIMEOUT_MS",
            Profile::Librdkafka => "KAFKA_SOCKET_TIMEOUT_MS",
        },
        "delivery.timeout.ms" => "KAFKA_DELIVERY_TIMEOUT_MS",
        "retry.backoff.ms" => "KAFKA_RETRY_BACKOFF_MS",
        "retries" => "KAFKA_RETRIES",
        "linger.ms" => "KAFKA_LINGER_MS",
        "buffer.memory" => "KAFKA_BUFFER_MEMORY",
        "max.block.ms" => "KAFKA_MAX_BLOCK_MS",
        "acks" if !config.enable_idempotence => "KAFKA_ACKS_PLAIN",
        "facteur.address.map" => "KAFKA_ADDRESS_MAP",
        _ => return None,
    })
}
