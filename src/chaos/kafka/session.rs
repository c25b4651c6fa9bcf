//! One client's connection through a Kafka-mode proxy: both byte streams cut into frames, answers matched to requests.
//!
//! ```text
//!  client side:  Head ──▶ Stream (records pass) ──▶ Head …      no toxic may hit the request
//!                  ├────▶ Hold (a toxic may hit) ──▶ Head …     then passed, doubled, or answered here
//!                  └────▶ Raw                                   not Kafka: bytes
//!  server side:  Head ──▶ Stream | Skip | Hold | Fetch ──▶ Head …  by what the request was
//!                  └────▶ Raw                                   nothing is pending and the client is Raw
//! ```
//!
//! **Why requests wait in order.** A Kafka broker answers a connection's requests in the order in which they came, so the
//! oldest pending one is what the next answer answers; the correlation id must agree, or the connection is closed, as a
//! client would do. An answer that the injector gives itself waits for its turn in the same queue.
//!
//! **What is held.** A request only if an armed toxic may hit it; an answer only if it carries addresses. Everything else
//! passes in the pieces in which it came, and adjacent pieces stay one.
//!
//! Neighbours: the core's link calls [`KafkaSession::from_client`] and [`KafkaSession::from_server`] and carries out the
//! [`KafkaStep`]s in order. Not here: time, sockets, and the meaning of any field.

mod client_side;
mod server_side;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::client_side::ClientSide;
use self::server_side::ServerSide;
use crate::chaos::definition::Stream;
use crate::chaos::events::{ChaosEvent, ChaosEventKind, KafkaRequest};
use crate::chaos::kafka::api;
use crate::chaos::kafka::proxy::{Claim, KafkaProxy};
use crate::chaos::kafka::request::RequestHead;
use crate::chaos::kafka::toxic::KafkaAction;

/// What the link has to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaStep {
    /// Bytes for the server.
    ToServer(Bytes),
    /// Bytes for the client.
    ToClient(Bytes),
    /// What follows towards the client waits this long; its order is kept.
    DelayToClient(Duration),
    /// Both sides are closed; bytes of steps before this one are sent first.
    Close {
        /// Why, in words.
        reason: String,
    },
    /// For the bus; the link adds who, where and when.
    Event(Box<ChaosEvent>),
}

/// The state of one connection.
#[derive(Debug)]
pub struct KafkaSession {
    proxy: Arc<KafkaProxy>,
    client: ClientSide,
    server: ServerSide,
    pending: VecDeque<Pending>,
    /// The first request has come and was one.
    is_kafka: bool,
    is_closed: bool,
}

/// A request whose answer has not come.
#[derive(Debug)]
struct Pending {
    api: i16,
    version: i16,
    correlation_id: i32,
    fate: Fate,
    /// What acts on the answer.
    claims: Vec<Claim>,
    /// For events; only where a toxic takes part.
    request: Option<Arc<KafkaRequest>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// The server's answer goes to the client.
    Forward,
    /// The server's answer is the second of two.
    Swallow,
    /// The injector's own answer, which waits for its turn.
    Injected(Bytes),
}

impl KafkaSession {
    /// A connection that was just accepted.
    #[must_use]
    pub const fn new(proxy: Arc<KafkaProxy>) -> Self {
        Self {
            proxy,
            client: ClientSide::new(),
            server: ServerSide::new(),
            pending: VecDeque::new(),
            is_kafka: false,
            is_closed: false,
        }
    }

    /// The injector itself cannot go on.
    fn close(&mut self, reason: String, steps: &mut Vec<KafkaStep>) {
        steps.push(noted(format!("closed the connection: {reason}")));
        self.end(reason, steps);
    }

    fn end(&mut self, reason: String, steps: &mut Vec<KafkaStep>) {
        self.is_closed = true;
        // Claims that did not fire give their turn back.
        self.pending.clear();
        steps.push(KafkaStep::Close { reason });
    }
}

impl Pending {
    const fn new(head: &RequestHead, fate: Fate) -> Self {
        Self {
            api: head.api,
            version: head.version,
            correlation_id: head.correlation_id,
            fate,
            claims: Vec::new(),
            request: None,
        }
    }

    /// Fires the claim of this kind, if there is one and its toxic is still there.
    fn fire(&mut self, kind: impl FnMut(KafkaAction) -> bool) -> Option<(Arc<str>, Arc<KafkaRequest>)> {
        let mut claim = take(&mut self.claims, kind)?;
        Some((claim.fire()?, self.request.clone()?))
    }
}

fn take(claims: &mut Vec<Claim>, mut kind: impl FnMut(KafkaAction) -> bool) -> Option<Claim> {
    let index = claims.iter().position(|claim| kind(claim.action()))?;
    Some(claims.remove(index))
}

fn noted(what: String) -> KafkaStep {
    KafkaStep::Event(Box::new(ChaosEvent::new(ChaosEventKind::Noted { what: what.into() })))
}

fn fault(toxic: &Arc<str>, stream: Stream, what: &str, request: &Arc<KafkaRequest>) -> KafkaStep {
    let what = format!("{} {}: {what}", api::describe(request.api_key), request.correlation_id);
    KafkaStep::Event(Box::new(ChaosEvent::fault(toxic, stream, what).about(request)))
}
