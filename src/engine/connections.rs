//! The life of connections: opening, negotiating, answering, ending.
//!
//! **Why a timeout ends the connection.** Answers come in order, so one that is late cannot be skipped: the connection
//! is closed and everything on it is unanswered (K11). Each batch whose frame the operating system had taken whole is
//! then in doubt, and no other (D-3).
//!
//! Neighbours: `connection_states` holds the state, `produce_response`, `metadata` and `producer_id` read the answers.
//! Not here: sockets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::engine::action::{Acknowledged, Action};
use crate::engine::connection_states::{Connection, ConnectionState};
use crate::engine::in_flight_requests::{InFlight, RequestKind, SentBatch};
use crate::engine::timers::Timer;
use crate::engine::{Engine, Observation};
use crate::error::ErrorCode;
use crate::identifiers::{ConnectionId, NodeId};
use crate::mutants::{self, Mark, Mutant};
use crate::time::Instant;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, api_versions, init_producer_id, metadata, produce};
use crate::wire::frame::{decode_response_header, peek_correlation_id};

impl Engine {
    /// Opens a connection to `node` if there is none, not before its backoff has passed.
    pub(super) fn want_connection(&mut self, node: NodeId) {
        let now = self.now;
        let id = ConnectionId(self.next_connection);
        let Some(known) = self.cluster.node_mut(node) else { return };
        if known.connection.is_some() {
            return;
        }
        if known.retry_at > now {
            let at = known.retry_at;
            self.wake_cluster_at(at);
            return;
        }
        known.connection = Some(id);
        let (address, attempt) = (known.address.clone(), known.failures);
        self.next_connection += 1;
        let timeout = self.setup_timeout(attempt);
        let mut opened = Connection::new(id, node, now);
        opened.prime(self.first_correlation_id);
        self.connections.insert(id, opened);
        // The runtime keeps the timeout; this one only guards against a runtime that forgets.
        self.timers.set(Timer::Connection(id), now + timeout * 2);
        self.actions.push_back(Action::Connect { connection: id, node, address, attempt, timeout });
    }

    /// Grows with the failures in a row, up to the maximum (5.3).
    fn setup_timeout(&mut self, failures: u32) -> Duration {
        crate::engine::backoff::Backoff::new(
            self.config.connection_setup_timeout,
            self.config.connection_setup_timeout_max,
        )
        .after(failures, &mut self.random)
    }

    pub(super) fn connected(&mut self, connection: ConnectionId) {
        let version = ApiKey::ApiVersions.supported_range().max;
        self.ask_versions(connection, version);
    }

    fn ask_versions(&mut self, connection: ConnectionId, version: i16) {
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        open.state = ConnectionState::Negotiating { version };
        let correlation_id = open.correlation_id();
        let frame = api_versions::encode_request(version, correlation_id, &self.config.client_id);
        let request = InFlight {
            correlation_id,
            version,
            kind: RequestKind::ApiVersions,
            sent_at: now,
            written_at: None,
            expects_answer: true,
        };
        self.hand_over(connection, request, vec![frame]);
    }

    pub(super) fn write_progress(&mut self, connection: ConnectionId) {
        if let Some(open) = self.connections.get_mut(&connection) {
            open.last_progress = self.now;
        }
        self.arm_connection(connection);
    }

    pub(super) fn written(&mut self, connection: ConnectionId, correlation_id: i32) {
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        open.last_progress = now;
        if let Some(request) = open.in_flight.written(correlation_id, now)
            && let RequestKind::Produce(sent) = request.kind
        {
            self.written_without_answer(&sent);
        }
        self.arm_connection(connection);
    }

    /// acks=0: what the operating system has is all that will ever be known (D-25).
    fn written_without_answer(&mut self, sent: &[SentBatch]) {
        for batch in sent {
            let Some(state) = self.lanes.get_mut(batch.lane.index()) else { continue };
            let Some(place) = state.position(batch.batch, batch.first_record) else { continue };
            let Some(attempt) = state.window[place].open.take() else { continue };
            if !state.window[place].is_pending() {
                // Given up while it was being written: its place waited only for this.
                self.touch(batch.lane);
                continue;
            }
            let attempts = state.window[place].attempts;
            self.end_acknowledged(
                batch.lane,
                place,
                attempt.gate_was_open,
                Acknowledged {
                    base_offset: None,
                    log_append_time_ms: None,
                    stamp: None,
                    attempts,
                    deduplicated: None,
                },
            );
        }
    }

    pub(super) fn received(&mut self, connection: ConnectionId, frame: &Bytes) {
        let now = self.now;
        let Some(open) = self.connections.get_mut(&connection) else { return };
        open.last_progress = now;
        open.last_answer = now;
        let node = open.node;
        let answered = peek_correlation_id(frame)
            .and_then(|correlation_id| match open.in_flight.take_answered(correlation_id) {
                Some(request) => Ok(request),
                None => Err(WireError::Protocol(format!(
                    "answer {correlation_id} belongs to no request; expected {:?}",
                    open.in_flight.oldest().map(|oldest| oldest.correlation_id)
                ))),
            })
            .and_then(|request| match self.read_answer(connection, &request, frame) {
                Ok(()) => Ok(()),
                Err(error) => {
                    // What it carried stays open: the connection's end decides about it.
                    if let Some(open) = self.connections.get_mut(&connection) {
                        open.in_flight.add(request);
                    }
                    Err(error)
                }
            });
        if let Err(error) = answered {
            mutants::mark(Mark::AnswerUnreadable);
            let detail: Arc<str> = error.to_string().into();
            self.observe(|| Observation::ProtocolViolation { node, detail: Arc::clone(&detail) });
            self.close_connection(connection, &detail);
            return;
        }
        self.arm_connection(connection);
    }

    fn read_answer(
        &mut self,
        connection: ConnectionId,
        request: &InFlight,
        frame: &Bytes,
    ) -> Result<(), WireError> {
        let body = |api: ApiKey| {
            decode_response_header(
                frame.clone(),
                request.correlation_id,
                api.has_flexible_response_header(request.version),
            )
        };
        match &request.kind {
            RequestKind::ApiVersions => {
                let response = api_versions::decode_response(request.version, body(ApiKey::ApiVersions)?)?;
                self.versions_answered(connection, request.version, response)
            }
            RequestKind::Metadata => {
                let mut response = metadata::decode_response(request.version, body(ApiKey::Metadata)?)?;
                crate::engine::metadata::forget_unreliable_epochs(request.version, &mut response);
                self.throttle(connection, response.throttle_ms);
                self.metadata_answered(&response);
                Ok(())
            }
            RequestKind::InitProducerId => {
                let response =
                    init_producer_id::decode_response(request.version, body(ApiKey::InitProducerId)?)?;
                self.throttle(connection, response.throttle_ms);
                self.producer_id_answered(&response);
                Ok(())
            }
            RequestKind::Produce(sent) => {
                let response = produce::decode_response(request.version, &body(ApiKey::Produce)?)?;
                self.produce_answered(connection, request, sent, &response);
                Ok(())
            }
        }
    }

    fn versions_answered(
        &mut self,
        connection: ConnectionId,
        asked: i16,
        response: api_versions::ApiVersionsResponse,
    ) -> Result<(), WireError> {
        if response.error == ErrorCode::UNSUPPORTED_VERSION && asked > 0 {
            self.ask_versions(connection, response.version_to_ask_again_with().min(asked - 1));
            return Ok(());
        }
        if !response.error.is_none() {
            return Err(WireError::Protocol(format!("ApiVersions was refused: {}", response.error)));
        }
        let Some(open) = self.connections.get_mut(&connection) else { return Ok(()) };
        open.versions = response.ranges;
        open.state = ConnectionState::Ready;
        let node = open.node;
        self.stats.connections_opened += 1;
        if let Some(known) = self.cluster.node_mut(node) {
            known.failures = 0;
        }
        self.observe(|| Observation::ConnectionReady { node, connection });
        self.metadata_timer();
        self.request_producer_id();
        self.touch_node(node);
        Ok(())
    }

    pub(super) fn throttle(&mut self, connection: ConnectionId, throttle_ms: i32) {
        let Ok(throttle_ms) = u64::try_from(throttle_ms) else { return };
        if throttle_ms == 0 {
            return;
        }
        mutants::mark(Mark::Throttled);
        self.stats.distributions.throttle_time_us.observe(throttle_ms.saturating_mul(1000));
        let until = self.now + Duration::from_millis(throttle_ms);
        let Some(open) = self.connections.get_mut(&connection) else { return };
        open.throttled_until = open.throttled_until.max(until);
        let node = open.node;
        self.observe(|| Observation::Throttled { node, throttle_ms });
    }

    /// A request overdue, a connection idle too long, or the end of throttling.
    pub(super) fn connection_timer(&mut self, connection: ConnectionId) {
        let now = self.now;
        let Some(open) = self.connections.get(&connection) else { return };
        if open.state == ConnectionState::Connecting {
            self.close_connection(connection, "the connection was not opened in time");
            return;
        }
        if open.request_deadline(self.config.request_timeout) <= now {
            mutants::mark(Mark::RequestOverdue);
            if mutants::is_on(Mutant::K11) {
                self.forget_what_is_overdue(connection);
                return;
            }
            let text =
                format!("no answer within request.timeout.ms={}", self.config.request_timeout.as_millis());
            self.close_connection(connection, &text);
            return;
        }
        let is_idle = open.in_flight.is_empty()
            && self.config.connections_max_idle.is_some_and(|idle| open.last_progress + idle <= now);
        let node = open.node;
        if is_idle {
            self.close_connection(connection, "idle for connections.max.idle.ms");
            return;
        }
        self.touch_node(node);
        self.arm_connection(connection);
        // The end of throttling lets metadata be asked for as well.
        self.metadata_timer();
    }

    fn arm_connection(&mut self, connection: ConnectionId) {
        let now = self.now;
        let Some(open) = self.connections.get(&connection) else { return };
        if open.state == ConnectionState::Connecting {
            return;
        }
        let mut at = open.request_deadline(self.config.request_timeout);
        if open.in_flight.is_empty()
            && let Some(idle) = self.config.connections_max_idle
        {
            at = at.min(open.last_progress + idle);
        }
        if open.throttled_until > now {
            at = at.min(open.throttled_until);
        }
        self.timers.set(Timer::Connection(connection), at);
    }

    pub(super) fn close_connection(&mut self, connection: ConnectionId, reason: &str) {
        let reason: Arc<str> = reason.into();
        self.actions.push_back(Action::Disconnect { connection, reason: Arc::clone(&reason) });
        self.disconnected(connection, &reason);
    }

    /// Everything on the connection ends unanswered, oldest first; the node is tried again after its backoff.
    pub(super) fn disconnected(&mut self, connection: ConnectionId, reason: &Arc<str>) {
        let Some(mut ended) = self.connections.remove(&connection) else { return };
        self.timers.set(Timer::Connection(connection), Instant::NEVER);
        let node = ended.node;
        let was_ready = ended.is_ready();
        let failures = self.cluster.node(node).map_or(0, |known| known.failures);
        let wait = self.reconnect_backoff.after(failures, &mut self.random);
        let retry_at = self.now + wait;
        if let Some(known) = self.cluster.node_mut(node) {
            known.connection = None;
            known.failures = if was_ready { 0 } else { known.failures.saturating_add(1) };
            known.retry_at = retry_at;
        }
        if !was_ready || !ended.in_flight.is_empty() {
            let address = self.cluster.node(node).map(|known| known.address.to_string()).unwrap_or_default();
            self.obstacle(format!("{address}: {reason}"));
        }
        self.observe(|| Observation::ConnectionLost { node, connection, reason: Arc::clone(reason) });
        let requests: Vec<InFlight> = ended.in_flight.drain().collect();
        for request in &requests {
            match &request.kind {
                RequestKind::Produce(sent) => {
                    for batch in sent {
                        self.observe_unanswered((connection, node), request, batch, reason);
                        self.attempt_unanswered(batch, request.written_at.is_some());
                    }
                }
                RequestKind::Metadata => self.metadata_failed(),
                RequestKind::InitProducerId => self.producer_id_unanswered(),
                RequestKind::ApiVersions => {}
            }
        }
        self.wake_cluster_at(retry_at);
        if !was_ready || !requests.is_empty() {
            self.cluster.asked.doubt();
        }
        self.want_metadata();
        self.touch_node(node);
    }

    /// Remembers what stands in the way, for errors that people read.
    pub(super) fn obstacle(&mut self, text: String) {
        let text: Arc<str> = text.into();
        self.actions.push_back(Action::Readiness { result: Err(text) });
    }
}
