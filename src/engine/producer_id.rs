//! Asking for a producer id, and reading the answer.
//!
//! **Why nothing is final.** An InitProducerId that fails is asked again after a backoff: a broker that starts answers
//! 14 for a second or two (KAFKA-14417), and an ACL that is repaired must not need a restart (D-24). Neighbours:
//! `producer_id_state` is the state. Not here: which lane uses which identity (`resolution`).

use std::time::Duration;

use crate::engine::in_flight_requests::{InFlight, RequestKind};
use crate::engine::producer_id_state::ProducerIdState;
use crate::engine::timers::Timer;
use crate::engine::{Action, Engine, Observation};
use crate::error::{Cause, ErrorCode};
use crate::mutants::{self, Mark};
use crate::wire::api::ApiKey;
use crate::wire::api::init_producer_id::{InitProducerIdResponse, encode_request};

impl Engine {
    /// Asks for a producer id if one is needed and a connection is there.
    pub(super) fn request_producer_id(&mut self) {
        let ProducerIdState::Needed { retry_at, failures } = self.producer_id else { return };
        if retry_at > self.now {
            self.timers.set(Timer::ProducerId, retry_at);
            return;
        }
        let avoided = self.cluster.asked_for_id.avoided();
        let Some(connection) = self.connection_to_ask(avoided.as_ref()) else { return };
        let now = self.now;
        let address = self.connections.get(&connection).and_then(|open| self.address_of(open.node)).cloned();
        self.cluster.asked_for_id.ask(address);
        let Some(open) = self.connections.get_mut(&connection) else { return };
        let Some(version) = open.version(ApiKey::InitProducerId) else {
            let message = "the broker does not know InitProducerId: idempotence needs Kafka 0.11 or later";
            self.producer_refused(&Cause::Broker {
                code: ErrorCode::UNSUPPORTED_VERSION,
                message: message.into(),
            });
            return;
        };
        let correlation_id = open.correlation_id();
        self.producer_id = ProducerIdState::Requested { connection, failures };
        let frame = encode_request(version, correlation_id, &self.config.client_id);
        let request = InFlight {
            correlation_id,
            version,
            kind: RequestKind::InitProducerId,
            sent_at: now,
            written_at: None,
            expects_answer: true,
        };
        self.hand_over(connection, request, vec![frame]);
    }

    pub(super) fn producer_id_answered(&mut self, response: &InitProducerIdResponse) {
        let code = response.error;
        if code.is_none() {
            let identity = response.identity;
            self.producer_id = ProducerIdState::Known(identity);
            self.observe(|| Observation::ProducerIdAssigned { identity });
            self.check_ready();
            self.touch_all();
            return;
        }
        let is_fatal = matches!(code.0, 31 | 35 | 42 | 53 | 58);
        self.obstacle(format!("InitProducerId was answered {code}"));
        if is_fatal {
            self.producer_refused(&Cause::Broker {
                code,
                message: "the broker gives no producer id; grant IdempotentWrite on the cluster or Write on a topic".into(),
            });
        } else {
            self.producer_id_later();
        }
    }

    pub(super) fn producer_id_unanswered(&mut self) {
        if matches!(self.producer_id, ProducerIdState::Requested { .. }) {
            self.producer_id_later();
        }
    }

    fn producer_id_later(&mut self) {
        self.cluster.asked_for_id.doubt();
        let failures = match self.producer_id {
            ProducerIdState::Needed { failures, .. } | ProducerIdState::Requested { failures, .. } => {
                failures
            }
            ProducerIdState::Disabled | ProducerIdState::Known(_) => 0,
        };
        let wait = self.retry_backoff.after(failures, &mut self.random);
        let retry_at = self.now + wait;
        self.producer_id = ProducerIdState::Needed { retry_at, failures: failures.saturating_add(1) };
        self.timers.set(Timer::ProducerId, retry_at);
    }

    /// D-24: everything pending ends, and the producer starts again with the next send, no faster than the reconnect
    /// backoff.
    pub(super) fn producer_refused(&mut self, cause: &Cause) {
        mutants::mark(Mark::ProducerRefused);
        let wait = self.reconnect_backoff.after(u32::MAX, &mut self.random).max(Duration::from_millis(50));
        // For lanes that need no new id as well: what was refused is the producer, not its identity.
        self.refused_until = self.now + wait;
        if self.producer_id.is_enabled() {
            self.producer_id = ProducerIdState::Needed { retry_at: self.refused_until, failures: 0 };
        }
        self.actions.push_back(Action::Readiness { result: Err(cause.to_string().into()) });
        self.fail_everything(cause);
    }

    pub(super) fn want_ready(&mut self) {
        self.ready_wanted = true;
        self.check_ready();
        if self.ready_wanted {
            self.want_metadata();
            self.request_producer_id();
        }
    }

    /// Ready is: metadata known, and a producer id if one is needed.
    pub(super) fn check_ready(&mut self) {
        let has_identity = !self.producer_id.is_enabled() || self.producer_id.current().is_some();
        if self.ready_wanted && has_identity && self.cluster.is_known() {
            self.ready_wanted = false;
            self.actions.push_back(Action::Readiness { result: Ok(()) });
        }
    }
}
