//! Bytes on their way: what the engine wants written, what arrives, how connections end.
//!
//! **Zombies.** When the producer gives a connection up, what the operating system had taken goes on travelling and is
//! read by the broker later, perhaps after the retry on another connection. A reset may also discard it. Both are drawn.
//!
//! Neighbours: `network` holds the queues, `world` calls. Not here: which faults there are.

use std::time::Duration;

use facteur::config::HostPort;
use facteur::engine::{Action, Event};
use facteur::identifiers::ConnectionId;

use super::cluster::Effect;
use super::network::{End, Outgoing, PREFIX_BYTES, Travelling, joined};
use super::queue::Happening;
use super::tape::Draw;
use super::world::World;
use crate::oracle::RequestKind;

/// How long a refused connection attempt takes, microseconds.
const REFUSAL_US: u64 = 300;

impl World {
    pub(super) fn perform(&mut self, producer: usize, action: Action) {
        match action {
            Action::Connect { connection, address, timeout, .. } => {
                self.dial(producer, connection, &address, timeout);
            }
            Action::Disconnect { connection, reason } => {
                self.cx.trace.note(30, connection.0, producer as u64);
                self.cx.wiretap.ended(producer, connection, &mut self.cx.history.wire);
                if reason.starts_with("no answer") && self.producers[producer].heard.contains(&connection) {
                    self.cx.counts.given_up_with_answer += 1;
                }
                self.cx.trace.say(self.cx.now, || format!("p{producer} gives up {connection:?}: {reason}"));
                if let Some(link) = self.network.index(producer, connection) {
                    self.give_up(link);
                }
            }
            Action::Send { connection, correlation_id, frame } => {
                self.cx.trace.note(31, connection.0, u64::from(correlation_id.cast_unsigned()));
                for piece in &frame {
                    self.cx.trace.bytes(piece);
                }
                self.cx.trace.say(self.cx.now, || {
                    format!("p{producer} {connection:?} sends {}", super::story::request(&frame))
                });
                self.count_request(&frame);
                let whole = joined(&frame);
                self.cx.wiretap.sent(producer, connection, &whole, &mut self.cx.history.wire);
                let Some(index) = self.network.index(producer, connection) else { return };
                let link = self.network.link(index);
                link.outgoing.push_back(Outgoing {
                    correlation_id,
                    frame: whole,
                    pieces: frame,
                    is_begun: false,
                });
                if link.outgoing.len() == 1 {
                    self.drain(index);
                }
            }
            _ => unreachable!("only what the network can do comes here"),
        }
    }

    /// Q16's budget knows Metadata and InitProducerId; retries are told by the engine.
    fn count_request(&mut self, frame: &[bytes::Bytes]) {
        let Some([_, _, _, _, 0, api]) = frame.first().and_then(|piece| piece.first_chunk::<6>()) else {
            return;
        };
        let kind = match api {
            3 => RequestKind::Metadata,
            22 => RequestKind::InitProducerId,
            _ => return,
        };
        self.cx.history.request(kind, self.cx.now.as_nanos());
    }

    fn dial(&mut self, producer: usize, connection: ConnectionId, address: &HostPort, timeout: Duration) {
        let found = self.cluster.node_at(&address.host);
        let node = found.unwrap_or(1);
        self.cx.trace.note(32, connection.0, node as u64);
        self.cx.trace.say(self.cx.now, || format!("p{producer} dials {connection:?} to node {node}"));
        self.cx.history.request(RequestKind::Connect, self.cx.now.as_nanos());
        let link = self.network.add(producer, connection, node);
        let now = self.cx.now;
        if found.is_none() {
            self.cx.plan_after(REFUSAL_US, Happening::Dialled { link, opens: false });
            return;
        }
        let rules = *self.network.rules(node);
        let is_unreachable = rules.blackhole_until > now
            || rules.up_stalled_until > now
            || rules.down_stalled_until > now
            || self.cluster.is_paused(node) && self.cx.trouble(100);
        if is_unreachable {
            self.cx.plan(now + timeout, Happening::Dialled { link, opens: false });
        } else if rules.refuses_until > now || !self.cluster.accepts_connections(node) {
            self.cx.plan_after(REFUSAL_US, Happening::Dialled { link, opens: false });
        } else {
            let round_trip = 2 * self.latency_us(node);
            self.cx.plan_after(round_trip, Happening::Dialled { link, opens: true });
        }
    }

    pub(super) fn dialled(&mut self, index: u32, opens: bool) {
        let link = self.network.link(index);
        if link.client != End::Open || link.is_open {
            return;
        }
        let (producer, connection) = (link.producer, link.connection);
        if opens {
            link.is_open = true;
            self.producers[producer].event(Event::Connected { connection });
            self.drain(index);
        } else {
            link.client = End::Ended;
            link.server = End::Ended;
            self.producers[producer].event(Event::Disconnected { connection, reason: "refused".into() });
        }
    }

    /// One way, with what the rules add.
    fn latency_us(&mut self, node: i32) -> u64 {
        let (low, high) = self.plan.latency_us;
        let mut latency = self.cx.tape.between(low, high);
        let rules = self.network.rules(node);
        if rules.slow_until > self.cx.now {
            let slow_us = rules.slow_us;
            latency += self.cx.tape.below(slow_us + 1);
        }
        latency
    }

    /// The operating system takes what it can of what the producer writes.
    pub(super) fn drain(&mut self, index: u32) {
        loop {
            let now = self.cx.now;
            let link = self.network.link(index);
            if !link.takes_bytes() {
                return;
            }
            let (producer, connection, node) = (link.producer, link.connection, link.node);
            let Some(front) = link.outgoing.front_mut() else { return };
            let (is_begun, correlation_id) = (front.is_begun, front.correlation_id);
            let closed_until = self.network.rules(node).window_closed_until;
            let is_closed = closed_until > now;
            if is_closed || (!is_begun && self.cx.trouble(8)) {
                self.cx.counts.partial_writes += 1;
                if !is_begun && self.cx.tape.chance(500) {
                    let front = self.network.link(index).outgoing.front_mut().expect("it is there");
                    front.is_begun = true;
                    self.producers[producer].event(Event::WriteProgress { connection });
                }
                let happening = Happening::Drain { link: index };
                if is_closed {
                    let link = self.network.link(index);
                    let planned = std::mem::replace(&mut link.drain_again, closed_until);
                    self.cx.plan_once(planned, closed_until, happening);
                } else {
                    let at = now + Duration::from_micros(1 + self.cx.tape.below(5_000));
                    self.cx.plan(at, happening);
                }
                return;
            }
            let latency = self.latency_us(node);
            let link = self.network.link(index);
            let taken = link.outgoing.pop_front().expect("it is there");
            let arrives = link.up_last.max(now + Duration::from_micros(latency));
            link.up_last = arrives;
            link.up.push_back(Travelling { frame: taken.frame, arrives });
            self.cx.plan(arrives, Happening::ArriveUp { link: index });
            self.producers[producer].event(Event::Written { connection, correlation_id });
        }
    }

    /// The broker reads what has arrived, one request at a time.
    pub(super) fn deliver_up(&mut self, index: u32) {
        loop {
            let now = self.cx.now;
            let link = self.network.link(index);
            let (node, producer) = (link.node, link.producer);
            if link.server == End::Ended {
                link.up.clear();
                return;
            }
            let Some(front) = link.up.front() else { break };
            if front.arrives > now {
                return;
            }
            let blocked_until = link.silent_until.max(self.network.rules(node).up_stalled_until);
            if blocked_until > now {
                let link = self.network.link(index);
                let planned = std::mem::replace(&mut link.up_again, blocked_until);
                self.cx.plan_once(planned, blocked_until, Happening::ArriveUp { link: index });
                return;
            }
            if self.cluster.is_paused(node) {
                return;
            }
            let link = self.network.link(index);
            let front = link.up.pop_front().expect("it is there");
            if let Some(budget) = &mut link.up_budget {
                let size = front.frame.len() + PREFIX_BYTES;
                if *budget < size {
                    self.cx.trace.say(now, || format!("link {index} is cut inside a request"));
                    self.network.link(index).up.clear();
                    self.reset(index);
                    return;
                }
                *budget -= size;
            }
            let is_zombie = link.client == End::Ended;
            self.cx.counts.zombies += u64::from(is_zombie);
            self.cx.trace.note(33, u64::from(index), front.frame.len() as u64);
            self.cx.trace.say(now, || {
                let zombie = if is_zombie { " (a zombie)" } else { "" };
                format!("node {node} reads a request of p{producer} on link {index}{zombie}")
            });
            let Self { cluster, cx, effects, .. } = self;
            cluster.request(now, (node, u64::from(index)), &front.frame, &mut cx.tape, effects);
            self.perform_effects();
        }
        self.server_end_if_done(index);
    }

    pub(super) fn perform_effects(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Answer { connection, frame, .. } => self.answer(connection as u32, frame),
                Effect::Close { connection, .. } => self.broker_closes(connection as u32),
            }
        }
        self.effects = effects;
    }

    fn answer(&mut self, index: u32, frame: bytes::Bytes) {
        let now = self.cx.now;
        let node = self.network.link(index).node;
        let latency = self.latency_us(node);
        let link = self.network.link(index);
        if link.client == End::Open && link.server != End::Ended {
            let arrives = link.down_last.max(now + Duration::from_micros(latency));
            link.down_last = arrives;
            link.down.push_back(Travelling { frame, arrives });
            self.cx.plan(arrives, Happening::ArriveDown { link: index });
        }
    }

    /// The broker closes the connection: what it has answered still arrives, then the end.
    pub(super) fn broker_closes(&mut self, index: u32) {
        let link = self.network.link(index);
        link.server = End::Ended;
        link.up.clear();
        let at = link.down_last.max(self.cx.now + Duration::from_micros(100));
        if link.client == End::Open {
            self.cx.plan(at, Happening::ClientEnd { link: index });
        }
    }

    pub(super) fn deliver_down(&mut self, index: u32) {
        loop {
            let now = self.cx.now;
            let link = self.network.link(index);
            let (producer, connection, node) = (link.producer, link.connection, link.node);
            if link.client == End::Ended {
                link.down.clear();
                return;
            }
            if link.down.front().is_none_or(|front| front.arrives > now) {
                return;
            }
            let blocked_until = link.silent_until.max(self.network.rules(node).down_stalled_until);
            if blocked_until > now {
                let link = self.network.link(index);
                let planned = std::mem::replace(&mut link.down_again, blocked_until);
                self.cx.plan_once(planned, blocked_until, Happening::ArriveDown { link: index });
                return;
            }
            let link = self.network.link(index);
            let front = link.down.pop_front().expect("it is there");
            if let Some(budget) = &mut link.down_budget {
                let size = front.frame.len() + PREFIX_BYTES;
                if *budget < size {
                    self.cx.trace.say(now, || format!("link {index} is cut inside an answer"));
                    self.reset(index);
                    return;
                }
                *budget -= size;
            }
            self.producers[producer].event(Event::Received { connection, frame: front.frame });
        }
    }

    /// The producer learns of the end, unless its bytes are still held up.
    pub(super) fn client_end(&mut self, index: u32) {
        let node = self.network.link(index).node;
        let blocked_until = self.network.rules(node).down_stalled_until;
        if blocked_until > self.cx.now {
            self.cx.plan(blocked_until, Happening::ClientEnd { link: index });
            return;
        }
        // Answers that are still before it were held up as well, and are due now.
        self.deliver_down(index);
        self.end_client(index, "the broker closed the connection");
    }

    fn end_client(&mut self, index: u32, reason: &str) {
        let link = self.network.link(index);
        if link.client == End::Ended {
            return;
        }
        link.client = End::Ended;
        link.outgoing.clear();
        link.down.clear();
        let (producer, connection) = (link.producer, link.connection);
        self.producers[producer].event(Event::Disconnected { connection, reason: reason.into() });
    }

    /// A reset in the middle of the network: the producer hears of it now; what it had written may still be read.
    pub(super) fn reset(&mut self, index: u32) {
        if self.network.link(index).client == End::Ended {
            return;
        }
        self.end_client(index, "reset by peer");
        self.leave_behind(index);
    }

    /// The producer lets go of the connection.
    pub(super) fn give_up(&mut self, index: u32) {
        let link = self.network.link(index);
        if link.client == End::Ended {
            return;
        }
        link.client = End::Ended;
        link.outgoing.clear();
        link.down.clear();
        self.leave_behind(index);
    }

    /// What was written before the end: discarded by the reset, read soon, or read much later.
    fn leave_behind(&mut self, index: u32) {
        let latency = Duration::from_micros(self.plan.latency_us.1);
        let now = self.cx.now;
        let has_more = !self.network.link(index).up.is_empty();
        if has_more && self.cx.trouble(300) {
            self.network.link(index).up.clear();
        } else if has_more && self.cx.trouble(400) {
            let late = Duration::from_micros(self.cx.tape.below(6_000_000));
            let link = self.network.link(index);
            for frame in &mut link.up {
                frame.arrives = frame.arrives.max(now + late);
            }
            link.up_last = link.up_last.max(now + late);
        }
        let link = self.network.link(index);
        let at = link.up_last.max(now) + latency;
        let last = link.up.back().map(|frame| frame.arrives);
        if let Some(arrives) = last {
            self.cx.plan(arrives, Happening::ArriveUp { link: index });
        }
        self.cx.plan(at, Happening::ServerEnd { link: index });
    }

    /// The broker learns of the end once it has read what came before it.
    pub(super) fn server_end(&mut self, index: u32) {
        let link = self.network.link(index);
        if link.server == End::Open {
            link.server = End::Ending;
        }
        self.server_end_if_done(index);
    }

    fn server_end_if_done(&mut self, index: u32) {
        let link = self.network.link(index);
        if link.server == End::Ending && link.up.is_empty() {
            link.server = End::Ended;
            let node = link.node;
            self.cluster.connection_ended(node, u64::from(index));
        }
    }

    /// A rule of the network, or a pause, has ended: everything that waited goes on.
    pub(super) fn unstall(&mut self, node: i32) {
        for index in 0..self.network.links.len() as u32 {
            let link = self.network.link(index);
            if link.node != node || (link.client == End::Ended && link.up.is_empty()) {
                continue;
            }
            let (has_up, has_down) = (!link.up.is_empty(), !link.down.is_empty());
            if has_up {
                self.deliver_up(index);
            }
            if has_down {
                self.deliver_down(index);
            }
            self.drain(index);
        }
    }
}
