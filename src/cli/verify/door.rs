//! Where faults are armed: the embedded broker of the run, or a fault injector's admin API.
//!
//! **Why two.** Alone, `verify` needs nothing but itself; in front of a real Kafka only an injector can lose an answer.
//! Both filter by topic and client id, so that no other client's request eats a fault (D-61). Neighbours: `schedule` has
//! the kinds. Not here: byte-level faults, which no count bounds.

use std::time::Duration;

use serde_json::{Value, json};

use crate::broker::{BrokerHandle, Fault, FaultAction, FaultId};
use crate::cli::exit::{Exit, Failure};
use crate::cli::http::HttpClient;
use crate::cli::verify::schedule::{FaultKind, KindName};
use crate::error::ErrorCode;
use crate::lab::runner::checkpoint::Stop;
use crate::lab::runner::toxic_client::{ToxicClient, fired};

/// Who makes the faults.
#[derive(Debug)]
pub enum FaultDoor {
    /// Nobody: a cluster without an injector.
    None,
    /// The broker in this process.
    Broker(BrokerHandle),
    /// An injector.
    Injector {
        /// Its admin API.
        client: ToxicClient,
        /// Begins the names of our toxics.
        prefix: String,
    },
}

/// A fault that was armed.
#[derive(Debug, Clone)]
pub enum Armed {
    /// At the broker.
    Broker(FaultId),
    /// At the injector, by its name.
    Toxic(String),
}

impl FaultDoor {
    /// The embedded broker's.
    pub const fn broker(handle: BrokerHandle) -> Self {
        Self::Broker(handle)
    }

    /// An injector's, if it answers and has the proxy `kafka`.
    ///
    /// # Errors
    ///
    /// If it does not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn injector(url: &str, run_id: &str) -> Result<Self, Failure> {
        let client = ToxicClient::new(url.trim_end_matches('/').to_owned(), HttpClient::new(PATIENCE));
        client.toxics().await.map_err(unreachable)?;
        Ok(Self::Injector { client, prefix: format!("verify-{run_id}") })
    }

    /// The kinds that can be made here, out of those that are wanted; all of them if none is named.
    ///
    /// # Errors
    ///
    /// Which kind cannot be made here.
    pub fn kinds(&self, wanted: &[KindName]) -> Result<Vec<KindName>, Failure> {
        let possible: &[KindName] = match self {
            Self::None => &[],
            Self::Broker(_) => &[
                KindName::DropResponse,
                KindName::DelayResponse,
                KindName::CloseConnection,
                KindName::ErrorResponse,
            ],
            Self::Injector { .. } => &[
                KindName::DropResponse,
                KindName::DelayResponse,
                KindName::CloseConnection,
                KindName::ErrorResponse,
                KindName::DuplicateRequest,
            ],
        };
        match wanted.iter().find(|kind| !possible.contains(kind)) {
            Some(kind) => Err(Failure::usage(format!(
                "faults of kind {kind:?} cannot be made here; with -b and --chaos an injector makes all of them"
            ))),
            None if wanted.is_empty() => Ok(possible.to_vec()),
            None => Ok(wanted.to_vec()),
        }
    }

    /// Arms one fault for the next Produce request of this client to this topic.
    ///
    /// # Errors
    ///
    /// If the injector refuses it.
    ///
    /// # Cancel safety
    ///
    /// The fault may be armed; [`Self::clear`] takes it away.
    pub async fn arm(
        &self,
        number: usize,
        kind: FaultKind,
        topic: &str,
        client_id: &str,
    ) -> Result<Option<Armed>, Failure> {
        match self {
            Self::None => Ok(None),
            Self::Broker(handle) => {
                let fault = Fault::new(PRODUCE, action(kind)).topic(topic).client_id(client_id).count(1);
                Ok(Some(Armed::Broker(handle.faults().arm(fault))))
            }
            Self::Injector { client, prefix } => {
                let name = format!("{prefix}-{number}");
                let (toxic, attributes) = toxic(kind, topic, client_id);
                client.add(&name, toxic, attributes).await.map_err(|stop| refused(&stop))?;
                Ok(Some(Armed::Toxic(name)))
            }
        }
    }

    /// Whether it found a request to act on.
    ///
    /// # Errors
    ///
    /// If the injector does not answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn has_fired(&self, armed: &Armed) -> Result<bool, Failure> {
        match (self, armed) {
            (Self::Broker(handle), Armed::Broker(id)) => Ok(handle.faults().fired(*id) > 0),
            (Self::Injector { client, .. }, Armed::Toxic(name)) => {
                let toxic = client.toxic(name).await.map_err(unreachable)?;
                // A toxic that removes itself when its count is used up has acted.
                Ok(toxic.is_none_or(|toxic| fired(&toxic).is_some_and(|count| count > 0)))
            }
            (Self::None | Self::Broker(_) | Self::Injector { .. }, _) => Ok(false),
        }
    }

    /// Takes every fault of ours away.
    ///
    /// # Errors
    ///
    /// If the injector does not answer; then a fault may stay armed there.
    ///
    /// # Cancel safety
    ///
    /// May be called again.
    pub async fn clear(&self) -> Result<(), Failure> {
        match self {
            Self::None => Ok(()),
            Self::Broker(handle) => {
                handle.faults().clear_all();
                Ok(())
            }
            Self::Injector { client, .. } => client.heal().await.map_err(unreachable),
        }
    }
}

const fn action(kind: FaultKind) -> FaultAction {
    match kind {
        FaultKind::DropResponse | FaultKind::DuplicateRequest => FaultAction::LoseAnswer,
        FaultKind::DelayResponse { delay_ms } => FaultAction::DelayAnswer(Duration::from_millis(delay_ms)),
        FaultKind::CloseConnection => FaultAction::CloseBeforeProcessing,
        FaultKind::ErrorResponse { code } => FaultAction::AnswerError(ErrorCode(code)),
    }
}

fn toxic(kind: FaultKind, topic: &str, client_id: &str) -> (&'static str, Value) {
    let mut attributes = json!({"api": "Produce", "topic": topic, "clientId": client_id, "count": 1});
    let name = match kind {
        FaultKind::DropResponse => "drop_response",
        FaultKind::DelayResponse { delay_ms } => {
            set(&mut attributes, "delay", json!(delay_ms));
            "delay_response"
        }
        FaultKind::CloseConnection => "close_after_request",
        FaultKind::ErrorResponse { code } => {
            set(&mut attributes, "code", json!(code));
            "error_response"
        }
        FaultKind::DuplicateRequest => "duplicate_request",
    };
    (name, attributes)
}

fn set(attributes: &mut Value, name: &str, value: Value) {
    if let Some(map) = attributes.as_object_mut() {
        map.insert(name.to_owned(), value);
    }
}

fn unreachable(stop: Stop) -> Failure {
    Failure::new(Exit::CannotConnect, stop.reason)
}

fn refused(stop: &Stop) -> Failure {
    let hint = "A Toxiproxy knows bytes only; the faults of verify need facteur's own injector";
    Failure::new(Exit::CheckFailed, format!("{}. {hint}", stop.reason))
}

/// Protocol Guide: Produce.
const PRODUCE: i16 = 0;
const PATIENCE: Duration = Duration::from_secs(10);
