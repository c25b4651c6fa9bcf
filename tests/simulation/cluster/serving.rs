//! Connections: one request at a time each, in the order of arrival, answers in that order.
//!
//! **Why one at a time.** A broker reads the next request of a connection only after it has answered the last (it mutes
//! the channel), so a partition that waits for its in-sync set holds up everything behind it (D-42). What a client that
//! has gone left in the buffer may still be processed: to the log it makes no difference whether anybody listens (N24).
//!
//! Neighbours: [`super::wire`] reads, [`super::produce`] judges, [`super::hostile`] spoils answers. Not here: the network.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use facteur::time::Instant;

use super::produce::PartAnswer;
use super::state::Timer;
use super::wire::{self, Answer, AskedTopic, Header, ProduceRequest};
use super::{Cluster, Effect, Turn};

/// A request that has been read.
#[derive(Debug)]
pub struct Request {
    pub header: Header,
    pub frame: Bytes,
    pub produce: Option<ProduceRequest>,
    /// The partitions that it meant when it came, in its order, whether or not its broker knows them.
    pub places: Vec<Option<usize>>,
}

/// A connection, as its broker sees it.
#[derive(Debug)]
pub struct Conn {
    pub node: usize,
    pub id: u64,
    /// The client has gone.
    pub is_dead: bool,
    /// Its broker will never answer it again.
    pub is_wedged: bool,
    pub muted_until: Instant,
    pub queue: VecDeque<Request>,
    pub pending: Option<Pending>,
    /// Partition, producer id and epoch of every success that was answered here.
    pub opened: Vec<(usize, i64, i16)>,
}

impl Conn {
    fn is_idle(&self, now: Instant) -> bool {
        self.pending.is_none() && !self.is_wedged && self.muted_until <= now
    }

    fn has_nothing_to_do(&self) -> bool {
        self.pending.is_none() && self.queue.is_empty()
    }

    fn is_over(&self) -> bool {
        self.is_dead && (self.is_wedged || (self.pending.is_none() && self.queue.is_empty()))
    }
}

/// A Produce request that is being answered.
#[derive(Debug)]
pub struct Pending {
    pub header: Header,
    pub request: ProduceRequest,
    pub places: Vec<Option<usize>>,
    pub answers: Vec<PartAnswer>,
    deadline: Instant,
}

impl Request {
    pub(super) fn read(frame: &Bytes) -> Option<Self> {
        let (header, cursor) = wire::read_header(frame)?;
        let produce = if header.api == wire::PRODUCE && header.version >= 3 {
            Some(wire::read_produce(frame, header.version, cursor)?)
        } else {
            None
        };
        Some(Self { header, frame: frame.clone(), produce, places: Vec::new() })
    }
}

impl Cluster {
    /// A broker has read something that it has not looked at yet.
    pub fn has_unhandled_frames(&self) -> bool {
        self.conns.iter().any(|conn| !conn.queue.is_empty())
    }

    pub(super) fn conn(&mut self, node: usize, id: u64) -> usize {
        if let Some(place) = self.conns.iter().position(|conn| conn.id == id && conn.node == node) {
            return place;
        }
        self.conns.push(Conn {
            node,
            id,
            is_dead: false,
            is_wedged: false,
            muted_until: Instant::ZERO,
            queue: VecDeque::new(),
            pending: None,
            opened: Vec::new(),
        });
        self.conns.len() - 1
    }

    /// Answers what can be answered and reads what can be read, until nothing moves.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        let mut moved = true;
        while moved {
            moved = false;
            for conn in 0..self.conns.len() {
                if self.conns[conn].has_nothing_to_do() {
                    continue;
                }
                if self.nodes[self.conns[conn].node].is_paused {
                    continue;
                }
                moved |= self.finish_waits(conn, turn);
                if self.conns[conn].is_idle(turn.now)
                    && let Some(request) = self.conns[conn].queue.pop_front()
                {
                    moved = true;
                    self.serve(conn, request, turn);
                }
            }
        }
        self.conns.retain(|conn| !conn.is_over());
    }

    fn serve(&mut self, conn: usize, request: Request, turn: &mut Turn<'_>) {
        let header = request.header;
        let node = self.conns[conn].node;
        self.stats.requests += 1;
        let answer = match header.api {
            wire::PRODUCE if (3..=self.nodes[node].produce_max).contains(&header.version) => {
                if let Some(produce) = request.produce {
                    self.serve_produce(conn, header, (produce, request.places), turn);
                }
                return;
            }
            wire::METADATA if header.version <= self.nodes[node].metadata_max => {
                self.metadata(node, header, &request.frame, turn.now)
            }
            wire::API_VERSIONS => Some(self.api_versions(node, header)),
            wire::INIT_PRODUCER_ID if header.version <= 5 => Some(self.init_producer_id(header)),
            _ => None,
        };
        match answer {
            Some(answer) => self.answer(conn, answer, turn),
            None => self.close(conn, turn),
        }
    }

    fn serve_produce(
        &mut self,
        conn: usize,
        header: Header,
        (request, places): (ProduceRequest, Vec<Option<usize>>),
        turn: &mut Turn<'_>,
    ) {
        let node = self.conns[conn].node;
        let all = Self::refusal_of_all(&request);
        let mut answers = Vec::with_capacity(request.items.len());
        for item in &request.items {
            let asked: &AskedTopic = &request.topics[item.topic];
            answers.push(match all {
                Some(code) => PartAnswer::error(code),
                None => self.produce_one(node, (asked, header.version), item, request.acks, turn),
            });
        }
        let deadline = turn.now + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        if answers.iter().any(|answer| answer.wait.is_some()) {
            self.set_timer(deadline, Timer::Look);
        }
        self.conns[conn].pending = Some(Pending { header, request, places, answers, deadline });
        self.finish_waits(conn, turn);
    }

    /// Answers the pending request if nothing of it waits any more.
    fn finish_waits(&mut self, conn: usize, turn: &mut Turn<'_>) -> bool {
        let node = self.conns[conn].node;
        let Some(waiting) = &self.conns[conn].pending else { return false };
        let is_late = waiting.deadline <= turn.now;
        // Mostly nothing has moved: seen without taking it out.
        let mut waits = waiting.answers.iter().filter_map(|answer| answer.wait).peekable();
        if waits.peek().is_some()
            && waits.all(|wait| self.judge_wait(node, wait, is_late, turn.now).is_none())
        {
            return false;
        }
        let Some(mut pending) = self.conns[conn].pending.take() else { return false };
        let mut waits = false;
        for answer in &mut pending.answers {
            let Some(wait) = answer.wait else { continue };
            match self.judge_wait(node, wait, is_late, turn.now) {
                None => waits = true,
                Some(0) => {
                    answer.wait = None;
                    self.note_ack(node, wait);
                }
                Some(code) => {
                    // Kafka leaves the offset of the append in the answer (measured with 7).
                    answer.wait = None;
                    answer.code = code;
                    answer.hint = (code == 6).then(|| self.hint(node, wait.part, turn)).flatten();
                }
            }
        }
        if waits {
            self.conns[conn].pending = Some(pending);
            return false;
        }
        self.finish_produce(conn, pending, turn);
        true
    }

    fn finish_produce(&mut self, conn: usize, mut pending: Pending, turn: &mut Turn<'_>) {
        let acks = pending.request.acks;
        if acks == 0 {
            if pending.answers.iter().any(|answer| answer.code != 0) {
                self.close(conn, turn);
            }
            return;
        }
        if self.armed.take_swallow() {
            self.conns[conn].is_wedged = true;
            return;
        }
        self.armed.lie(&mut pending.answers);
        if !self.conns[conn].is_dead {
            self.note_answered(conn, &pending);
        }
        let throttle_ms = self.armed.take_throttle();
        for frame in self.produce_frames(&pending, throttle_ms) {
            self.answer(conn, frame, turn);
        }
        if throttle_ms > 0 {
            let until = turn.now + Duration::from_millis(u64::from(throttle_ms.unsigned_abs()));
            self.conns[conn].muted_until = until;
            self.set_timer(until, Timer::Look);
        }
    }

    /// Somebody may hear this: the checks count from it.
    fn note_answered(&mut self, conn: usize, pending: &Pending) {
        let items = pending.request.items.iter().zip(&pending.answers);
        for ((item, answer), place) in items.zip(&pending.places) {
            let Some(part) = *place else { continue };
            let Some(head) = item.head.filter(|head| head.magic == 2 && head.producer_id >= 0) else {
                continue;
            };
            let key = (part, head.producer_id, head.epoch);
            if matches!(answer.code, 0 | 46) && !self.conns[conn].opened.contains(&key) {
                self.conns[conn].opened.push(key);
            }
        }
    }

    /// The partition that a request means, whether or not this broker knows it.
    pub(super) fn place_of(&self, asked: &AskedTopic, version: i16, index: i32) -> Option<usize> {
        let is_it = |topic: &&super::state::Topic| {
            if version >= 13 { topic.id == asked.id } else { topic.name.as_bytes() == &asked.name[..] }
        };
        let index = usize::try_from(index).ok()?;
        self.topics.iter().find(is_it)?.parts.get(index).copied()
    }

    fn answer(&self, conn: usize, frame: Bytes, turn: &mut Turn<'_>) {
        let conn = &self.conns[conn];
        if !conn.is_dead {
            turn.out.push(Effect::Answer { node: conn.node as i32 + 1, connection: conn.id, frame });
        }
    }

    pub(super) fn close(&mut self, conn: usize, turn: &mut Turn<'_>) {
        let conn = &mut self.conns[conn];
        if !conn.is_dead {
            turn.out.push(Effect::Close { node: conn.node as i32 + 1, connection: conn.id });
        }
        conn.is_dead = true;
        conn.is_wedged = true;
    }

    fn api_versions(&self, node: usize, header: Header) -> Bytes {
        let is_refused = header.version > self.plan.versions_max;
        let mut answer = Answer::to(header);
        if is_refused {
            answer = answer.plain();
        }
        answer.i16(if is_refused { 35 } else { 0 });
        let node = &self.nodes[node];
        let ranges = [
            (wire::PRODUCE, 3, node.produce_max),
            (wire::METADATA, 0, node.metadata_max),
            (wire::API_VERSIONS, 0, self.plan.versions_max),
            (wire::INIT_PRODUCER_ID, 0, 5),
        ];
        answer.length(ranges.len());
        for (key, min, max) in ranges {
            answer.i16(key);
            answer.i16(min);
            answer.i16(max);
            answer.tags();
        }
        if header.version >= 1 && !is_refused {
            answer.i32(0);
        }
        answer.tags();
        answer.finish()
    }

    fn init_producer_id(&mut self, header: Header) -> Bytes {
        let code = self.armed.take_init_refusal();
        let (mut id, mut epoch) = (-1, -1);
        if code == 0 {
            (id, epoch) = (self.next_producer_id, self.next_epoch);
            self.next_producer_id += 1;
            self.next_epoch = 0;
            self.given.push((id, epoch));
            for node in &mut self.nodes {
                node.table.given(id, epoch);
            }
        }
        let mut answer = Answer::to(header);
        answer.i32(0);
        answer.i16(code);
        answer.i64(id);
        answer.i16(epoch);
        answer.tags();
        answer.finish()
    }
}
