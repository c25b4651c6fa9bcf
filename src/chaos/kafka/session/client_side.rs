//! The client's half of a session: requests are cut out, held if a toxic may hit them, passed if not.
//!
//! **Why before the server's half.** A request is pending before its first byte goes on, so that no answer can come for
//! one that is not known. Neighbours: [`super::server_side`] takes the answers. Not here: what a request's fields are.

use std::sync::Arc;

use bytes::Bytes;

use super::{Fate, KafkaSession, KafkaStep, Pending, fault, noted, server_side::ServerSide, take};
use crate::chaos::definition::Stream;
use crate::chaos::events::KafkaRequest;
use crate::chaos::kafka::api::{self, Ceiling};
use crate::chaos::kafka::chunk::Chunk;
use crate::chaos::kafka::error_answer;
use crate::chaos::kafka::proxy::{Claim, RequestFacts};
use crate::chaos::kafka::request::{self, HeadOutcome, RequestHead, parse_head};
use crate::chaos::kafka::toxic::KafkaAction;

/// Where the client's stream stands.
#[derive(Debug)]
pub(super) enum ClientSide {
    /// Between frames, or inside a head: the bytes of it so far, and how many it needs.
    Head { carry: Vec<u8>, wanted: usize },
    /// Inside a request that passes.
    Stream { left: usize },
    /// Inside a request that is needed whole.
    Hold { head: RequestHead, frame: Vec<u8> },
    /// Bytes.
    Raw,
}

impl KafkaSession {
    /// Bytes from the client, cut anywhere.
    pub fn from_client(&mut self, bytes: Bytes, steps: &mut Vec<KafkaStep>) {
        let mut chunk = Chunk::new(bytes, KafkaStep::ToServer);
        while !self.is_closed && !chunk.is_used_up() {
            match std::mem::replace(&mut self.client, ClientSide::Raw) {
                ClientSide::Head { carry, wanted } => self.client_head(carry, wanted, &mut chunk, steps),
                ClientSide::Stream { left } => {
                    let size = chunk.pass(left);
                    self.client = client_stream(left.saturating_sub(size));
                }
                ClientSide::Hold { head, frame } => self.hold_request(head, frame, &mut chunk, steps),
                ClientSide::Raw => {
                    chunk.pass(usize::MAX);
                }
            }
        }
        chunk.flush(steps);
    }

    /// The client has sent its last byte: what was held of an unfinished frame goes on as it is.
    pub fn client_ended(&mut self, steps: &mut Vec<KafkaStep>) {
        let held = match std::mem::replace(&mut self.client, ClientSide::Raw) {
            ClientSide::Head { carry, .. } => carry,
            ClientSide::Hold { frame, .. } => frame,
            ClientSide::Stream { .. } | ClientSide::Raw => Vec::new(),
        };
        if !held.is_empty() && !self.is_closed {
            steps.push(KafkaStep::ToServer(Bytes::from(held)));
        }
    }

    fn client_head(
        &mut self,
        mut carry: Vec<u8>,
        wanted: usize,
        chunk: &mut Chunk,
        steps: &mut Vec<KafkaStep>,
    ) {
        let is_carried = !carry.is_empty();
        if is_carried {
            carry.extend_from_slice(&chunk.take(wanted.saturating_sub(carry.len()), steps));
            if carry.len() < wanted {
                self.client = ClientSide::Head { carry, wanted };
                return;
            }
        }
        let carry = Bytes::from(carry);
        let outcome = if is_carried { parse_head(&carry) } else { parse_head(&chunk.rest()) };
        match outcome {
            HeadOutcome::NeedsMore(wanted) => {
                let carry = if is_carried { carry } else { chunk.take(usize::MAX, steps) };
                self.client = ClientSide::Head { carry: carry.to_vec(), wanted };
            }
            HeadOutcome::Complete(head) => {
                self.is_kafka = true;
                self.begin_request(head, carry, chunk, steps);
            }
            HeadOutcome::NotKafka(reason) => {
                chunk.flush(steps);
                let first = if self.is_kafka { "what follows is" } else { "this connection is" };
                steps.push(noted(format!("{first} no Kafka and passes byte for byte: {reason}")));
                if is_carried {
                    steps.push(KafkaStep::ToServer(carry));
                }
                self.client = ClientSide::Raw;
            }
        }
    }

    /// `carried` are the bytes of the frame that came before this chunk.
    fn begin_request(
        &mut self,
        head: RequestHead,
        carried: Bytes,
        chunk: &mut Chunk,
        steps: &mut Vec<KafkaStep>,
    ) {
        let is_too_new = match api::ceiling(head.api) {
            Ceiling::Open => false,
            Ceiling::Version(highest) => head.version > highest,
            Ceiling::Hidden => true,
        };
        if is_too_new && head.api != api::API_VERSIONS {
            chunk.flush(steps);
            let name = api::describe(head.api);
            return self
                .close(format!("answers to {name} version {} cannot be rewritten", head.version), steps);
        }
        if self.pending.len() >= MAX_PENDING {
            chunk.flush(steps);
            return self.close(format!("{MAX_PENDING} requests wait for answers"), steps);
        }
        if is_too_new || self.proxy.may_hit(head.api, head.client_id.as_deref()) {
            return self.hold_request(head, carried.to_vec(), chunk, steps);
        }
        self.client = if head.api == api::SASL_HANDSHAKE && head.version == 0 {
            // What follows is the mechanism's own, without request headers.
            chunk.flush(steps);
            steps.push(noted("SASL in version 0 follows, which passes byte for byte".to_owned()));
            ClientSide::Raw
        } else {
            client_stream(head.frame_bytes.saturating_sub(carried.len()))
        };
        if head.expects_answer {
            self.pending.push_back(Pending::new(&head, Fate::Forward));
        }
        if !carried.is_empty() {
            steps.push(KafkaStep::ToServer(carried));
        }
    }

    fn hold_request(
        &mut self,
        head: RequestHead,
        mut frame: Vec<u8>,
        chunk: &mut Chunk,
        steps: &mut Vec<KafkaStep>,
    ) {
        let missing = head.frame_bytes.saturating_sub(frame.len());
        frame.extend_from_slice(&chunk.take(missing, steps));
        if frame.len() < head.frame_bytes {
            self.client = ClientSide::Hold { head, frame };
        } else {
            self.client = client_stream(0);
            self.whole_request(&head, Bytes::from(frame), steps);
        }
    }

    /// A request that was held has arrived whole.
    fn whole_request(&mut self, head: &RequestHead, frame: Bytes, steps: &mut Vec<KafkaStep>) {
        if let (api::API_VERSIONS, Ceiling::Version(highest)) = (head.api, api::ceiling(head.api))
            && head.version > highest
        {
            let answer = error_answer::unsupported_api_versions(head, highest);
            return self.answer_here(head, answer, steps);
        }
        let topics = request::topics(&frame, head, &self.proxy);
        let facts = RequestFacts {
            api: head.api,
            client_id: head.client_id.as_deref(),
            topics: &topics,
            expects_answer: head.expects_answer,
        };
        let mut claims = self.proxy.claim(&facts);
        let request = Arc::new(named(head, topics));
        if let Some(claim) = take(&mut claims, |action| matches!(action, KafkaAction::ErrorResponse { .. }))
            && self.answered_with_error(head, &frame, claim, &request, steps)
        {
            return;
        }
        let duplicate = take(&mut claims, |action| action == KafkaAction::DuplicateRequest);
        let closing = take(&mut claims, |action| action == KafkaAction::CloseAfterRequest);
        steps.push(KafkaStep::ToServer(frame.clone()));
        if head.expects_answer {
            let mut pending = Pending::new(head, Fate::Forward);
            pending.claims = claims;
            pending.request = Some(Arc::clone(&request));
            self.pending.push_back(pending);
        }
        if let Some(toxic) = duplicate.and_then(|mut claim| claim.fire()) {
            steps.push(fault(&toxic, Stream::Upstream, "sent the request twice", &request));
            steps.push(KafkaStep::ToServer(frame));
            if head.expects_answer {
                let mut pending = Pending::new(head, Fate::Swallow);
                pending.request = Some(Arc::clone(&request));
                self.pending.push_back(pending);
            }
        }
        if let Some(toxic) = closing.and_then(|mut claim| claim.fire()) {
            steps.push(fault(
                &toxic,
                Stream::Upstream,
                "passed the request on and closed the connection",
                &request,
            ));
            self.end(format!("toxic {toxic}: closed after a request"), steps);
        }
    }

    /// Whether the injector has answered; if not, the request goes its way and the claim gives its turn back.
    fn answered_with_error(
        &mut self,
        head: &RequestHead,
        frame: &Bytes,
        mut claim: Claim,
        request: &Arc<KafkaRequest>,
        steps: &mut Vec<KafkaStep>,
    ) -> bool {
        let KafkaAction::ErrorResponse { code } = claim.action() else { return false };
        let Ok(Some(answer)) = error_answer::build(frame, head, code, &self.proxy.brokers()) else {
            return false;
        };
        let Some(toxic) = claim.fire() else { return false };
        let what = format!("answered with error {code}; the broker did not see the request");
        steps.push(fault(&toxic, Stream::Upstream, &what, request));
        if head.expects_answer {
            self.answer_here(head, answer, steps);
        } else {
            // A broker has no other way to refuse a Produce request with acks=0.
            self.end(format!("toxic {toxic}: refused a request that wants no answer"), steps);
        }
        true
    }

    fn answer_here(&mut self, head: &RequestHead, answer: Bytes, steps: &mut Vec<KafkaStep>) {
        self.pending.push_back(Pending::new(head, Fate::Injected(answer)));
        if matches!(self.server, ServerSide::Head { .. }) {
            self.release_injected(steps);
        }
    }
}

impl ClientSide {
    pub(super) const fn new() -> Self {
        Self::Head { carry: Vec::new(), wanted: 0 }
    }
}

const fn client_stream(left: usize) -> ClientSide {
    if left == 0 { ClientSide::new() } else { ClientSide::Stream { left } }
}

fn named(head: &RequestHead, topics: Vec<Arc<str>>) -> KafkaRequest {
    KafkaRequest {
        api_key: head.api,
        api_version: head.version,
        correlation_id: head.correlation_id,
        client_id: head.client_id.clone(),
        topics,
    }
}

/// Requests of one connection that may wait for answers; no client comes near.
const MAX_PENDING: usize = 65_536;
