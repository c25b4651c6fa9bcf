//! The server's half of a session: answers are matched with requests, and rewritten, delayed or lost.
//!
//! **Why an answer that cannot be matched or read ends the connection.** Passed on, it could send the client round the
//! injector; a client would close on it as well. Neighbours: [`super::client_side`] says what is pending. Not here: which
//! address replaces which.

use std::time::Duration;

use bytes::Bytes;

use super::client_side::ClientSide;
use super::{Fate, KafkaSession, KafkaStep, Pending, fault};
use crate::chaos::definition::Stream;
use crate::chaos::events::{ChaosEvent, ChaosEventKind};
use crate::chaos::kafka::api;
use crate::chaos::kafka::chunk::Chunk;
use crate::chaos::kafka::fetch_answer::FetchAnswer;
use crate::chaos::kafka::rewrite::{may_change, rewrite};
use crate::chaos::kafka::toxic::KafkaAction;
use crate::wire::frame::DEFAULT_FRAME_LIMIT_BYTES;

/// Where the server's stream stands.
#[derive(Debug)]
pub(super) enum ServerSide {
    /// Between frames, or inside length and correlation id.
    Head { carry: Vec<u8> },
    /// Inside an answer that passes.
    Stream { left: usize },
    /// Inside an answer that is withheld.
    Skip { left: usize },
    /// Inside an answer that carries addresses.
    Hold { pending: Pending, frame_bytes: usize, frame: Vec<u8> },
    /// Inside a large Fetch answer, which is read along.
    Fetch { answer: FetchAnswer, left: usize },
    /// Bytes.
    Raw,
}

impl KafkaSession {
    /// The server has sent its last byte: the beginning of an answer that never came whole goes on, but for one that may
    /// hold an address; the client can use neither.
    pub fn server_ended(&mut self, steps: &mut Vec<KafkaStep>) {
        if let ServerSide::Head { carry } = std::mem::replace(&mut self.server, ServerSide::Raw)
            && !carry.is_empty()
            && !self.is_closed
        {
            steps.push(KafkaStep::ToClient(Bytes::from(carry)));
        }
    }

    /// Bytes from the server, cut anywhere.
    pub fn from_server(&mut self, bytes: Bytes, steps: &mut Vec<KafkaStep>) {
        let mut chunk = Chunk::new(bytes, KafkaStep::ToClient);
        if !self.is_kafka {
            // Nothing was asked yet in Kafka's tongue: a server that speaks first is heard.
            chunk.pass(usize::MAX);
        }
        while !self.is_closed && !chunk.is_used_up() {
            match std::mem::replace(&mut self.server, ServerSide::Raw) {
                ServerSide::Head { carry } => self.server_head(carry, &mut chunk, steps),
                ServerSide::Stream { left } => {
                    let size = chunk.pass(left);
                    self.server = ServerSide::Stream { left: left.saturating_sub(size) };
                }
                ServerSide::Skip { left } => {
                    let size = chunk.take(left, steps).len();
                    self.server = ServerSide::Skip { left: left.saturating_sub(size) };
                }
                ServerSide::Hold { pending, frame_bytes, frame } => {
                    self.hold_answer(pending, frame_bytes, frame, &mut chunk, steps);
                }
                ServerSide::Fetch { mut answer, left } => {
                    let piece = chunk.take(left, steps);
                    let left = left.saturating_sub(piece.len());
                    match answer.feed(piece, |bytes| steps.push(KafkaStep::ToClient(bytes))) {
                        Ok(()) => self.server = ServerSide::Fetch { answer, left },
                        Err(error) => self.close(format!("a Fetch answer cannot be read: {error}"), steps),
                    }
                }
                ServerSide::Raw => {
                    chunk.pass(usize::MAX);
                    self.server = ServerSide::Raw;
                }
            }
            if self.server.is_at_end() && !self.is_closed {
                self.server = ServerSide::Head { carry: Vec::new() };
                chunk.flush(steps);
                self.release_injected(steps);
            }
        }
        chunk.flush(steps);
    }

    fn server_head(&mut self, mut carry: Vec<u8>, chunk: &mut Chunk, steps: &mut Vec<KafkaStep>) {
        if self.pending.is_empty() && matches!(self.client, ClientSide::Raw) {
            chunk.flush(steps);
            if !carry.is_empty() {
                steps.push(KafkaStep::ToClient(Bytes::from(carry)));
            }
            self.server = ServerSide::Raw;
            return;
        }
        let is_carried = !carry.is_empty();
        if is_carried || chunk.rest().len() < ANSWER_HEAD_BYTES {
            carry.extend_from_slice(&chunk.take(ANSWER_HEAD_BYTES.saturating_sub(carry.len()), steps));
            if carry.len() < ANSWER_HEAD_BYTES {
                self.server = ServerSide::Head { carry };
                return;
            }
        }
        let bytes = if carry.is_empty() { chunk.rest() } else { Bytes::from(carry.clone()) };
        let (Some(length), Some(correlation_id)) = (number_at(&bytes, 0), number_at(&bytes, 4)) else {
            return;
        };
        let Some(frame_bytes) = usize::try_from(length).ok().filter(|length| *length >= 4) else {
            chunk.flush(steps);
            return self.close(format!("the server sent a frame of {length} bytes"), steps);
        };
        let frame_bytes = frame_bytes.saturating_add(4);
        let Some(pending) = self.pending.pop_front() else {
            chunk.flush(steps);
            return self.close(format!("the server answered {correlation_id}, which nobody asked"), steps);
        };
        if pending.correlation_id != correlation_id {
            chunk.flush(steps);
            let expected = pending.correlation_id;
            return self.close(format!("the server answered {correlation_id}, expected {expected}"), steps);
        }
        self.begin_answer(pending, frame_bytes, carry, chunk, steps);
    }

    fn begin_answer(
        &mut self,
        mut pending: Pending,
        frame_bytes: usize,
        carry: Vec<u8>,
        chunk: &mut Chunk,
        steps: &mut Vec<KafkaStep>,
    ) {
        if pending.fate == Fate::Swallow {
            chunk.flush(steps);
            if let Some(request) = &pending.request {
                let event =
                    ChaosEvent::new(ChaosEventKind::Noted { what: "withheld the second answer".into() });
                steps.push(KafkaStep::Event(Box::new(event.about(request))));
            }
            self.server = ServerSide::Skip { left: frame_bytes.saturating_sub(carry.len()) };
            return;
        }
        if let Some((toxic, request)) = pending.fire(|action| action == KafkaAction::DropResponse) {
            chunk.flush(steps);
            steps.push(fault(
                &toxic,
                Stream::Downstream,
                "lost the answer and closed the connection",
                &request,
            ));
            return self.end(format!("toxic {toxic}: lost an answer"), steps);
        }
        let mut delay = Duration::ZERO;
        let is_delay = |action| {
            if let KafkaAction::DelayResponse { delay: wanted } = action {
                delay = wanted;
                return true;
            }
            false
        };
        if let Some((toxic, request)) = pending.fire(is_delay) {
            chunk.flush(steps);
            let what = format!("holds the answer back for {} ms", delay.as_millis());
            steps.push(fault(&toxic, Stream::Downstream, &what, &request));
            steps.push(KafkaStep::DelayToClient(delay));
        }
        if !may_change(pending.api, pending.version) {
            self.server = ServerSide::Stream { left: frame_bytes.saturating_sub(carry.len()) };
            if !carry.is_empty() {
                steps.push(KafkaStep::ToClient(Bytes::from(carry)));
            }
            return;
        }
        if pending.api == api::FETCH && frame_bytes > MAX_HELD_FETCH_BYTES {
            let mut answer = FetchAnswer::new();
            let left = frame_bytes.saturating_sub(carry.len());
            // Eight bytes at most: the first piece is longer, so this hands out nothing and cannot fail.
            match answer.feed(Bytes::from(carry), |bytes| steps.push(KafkaStep::ToClient(bytes))) {
                Ok(()) => self.server = ServerSide::Fetch { answer, left },
                Err(error) => self.close(format!("a Fetch answer cannot be read: {error}"), steps),
            }
            return;
        }
        if frame_bytes > DEFAULT_FRAME_LIMIT_BYTES {
            chunk.flush(steps);
            let name = api::describe(pending.api);
            return self
                .close(format!("an answer to {name} of {frame_bytes} bytes is too large to rewrite"), steps);
        }
        self.hold_answer(pending, frame_bytes, carry, chunk, steps);
    }

    fn hold_answer(
        &mut self,
        pending: Pending,
        frame_bytes: usize,
        mut frame: Vec<u8>,
        chunk: &mut Chunk,
        steps: &mut Vec<KafkaStep>,
    ) {
        let missing = frame_bytes.saturating_sub(frame.len());
        frame.extend_from_slice(&chunk.take(missing, steps));
        if frame.len() < frame_bytes {
            self.server = ServerSide::Hold { pending, frame_bytes, frame };
        } else {
            self.server = ServerSide::Stream { left: 0 };
            self.whole_answer(&pending, &Bytes::from(frame), steps);
        }
    }

    /// An answer that was held has arrived whole.
    fn whole_answer(&mut self, pending: &Pending, frame: &Bytes, steps: &mut Vec<KafkaStep>) {
        match rewrite(pending.api, pending.version, frame, &self.proxy) {
            Ok(frame) => steps.push(KafkaStep::ToClient(frame)),
            // Passed on, it could send the client round the injector; a client would close on it as well.
            Err(error) => {
                let name = api::describe(pending.api);
                self.close(
                    format!("an answer to {name} version {} cannot be read: {error}", pending.version),
                    steps,
                );
            }
        }
    }

    /// Our own answers whose turn it is.
    pub(super) fn release_injected(&mut self, steps: &mut Vec<KafkaStep>) {
        while let Some(Pending { fate: Fate::Injected(answer), .. }) = self.pending.front() {
            steps.push(KafkaStep::ToClient(answer.clone()));
            self.pending.pop_front();
        }
    }
}

impl ServerSide {
    pub(super) const fn new() -> Self {
        Self::Head { carry: Vec::new() }
    }

    const fn is_at_end(&self) -> bool {
        matches!(self, Self::Stream { left: 0 } | Self::Skip { left: 0 } | Self::Fetch { left: 0, .. })
    }
}

fn number_at(bytes: &Bytes, at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk::<4>().map(|number| i32::from_be_bytes(*number))
}

/// Length and correlation id.
const ANSWER_HEAD_BYTES: usize = 8;
/// Fetch answers up to this size are held and rewritten exactly; larger ones are read along (`fetch_answer`).
const MAX_HELD_FETCH_BYTES: usize = 256 * 1024;
