//! One connection through a proxy: two sockets, two chains, one task.
//!
//! **Why one task for both directions.** A reset must hit both sockets, the Kafka half answers one side because of the
//! other, and a change of the toxics must find both chains between two steps; with one owner there is no lock and no
//! order to get wrong. Reading and writing never wait: what cannot go on is remembered, and the task sleeps until one of
//! the sockets, a toxic's deadline, a change or the end wakes it.
//!
//! The end of one direction closes the whole destination, which ends the other one: half-closing is not preserved, as in
//! Toxiproxy, unless the proxy says `half_close`.
//!
//! Neighbours: [`super::proxy`] accepts and hands over, [`super::link`] holds a direction, `toxics/` decide. Not here:
//! dialling.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::chaos::core::Core;
use crate::chaos::definition::Stream;
use crate::chaos::events::{ChaosEvent, ChaosEventKind, Connection};
use crate::chaos::kafka::session::{KafkaSession, KafkaStep};
use crate::chaos::link::{Link, Written};
use crate::chaos::metrics::LinkCounters;
use crate::chaos::toxics::stage::{Chunk, Item, StageSpec};
use crate::lab::{clock, tasks};
use crate::time::Instant;

/// The toxics of a proxy, as its connections see them.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) upstream: Vec<StageSpec>,
    pub(crate) downstream: Vec<StageSpec>,
}

impl Published {
    /// These, and then others.
    pub(crate) fn followed_by(mut self, other: Self) -> Self {
        self.upstream.extend(other.upstream);
        self.downstream.extend(other.downstream);
        self
    }
}

/// What a connection is given.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) core: Arc<Core>,
    pub(crate) proxy: Arc<str>,
    pub(crate) connection: Connection,
    pub(crate) has_half_close: bool,
    /// The Kafka half; `None` where the proxy is told that there is only bytes.
    pub(crate) session: Option<KafkaSession>,
    pub(crate) toxics: watch::Receiver<Arc<Published>>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) counters: (LinkCounters, LinkCounters),
}

/// A connection that is open on both sides.
#[derive(Debug)]
pub(crate) struct Carrier {
    parts: Parts,
    client: Option<TcpStream>,
    server: Option<TcpStream>,
    up: Link,
    down: Link,
    /// What the Kafka half wants done; empty between two steps.
    steps: Vec<KafkaStep>,
    /// Why the connection ends, once something said so.
    why: Option<String>,
}

/// What the task does next.
enum Step {
    Over,
    /// Others first: there is more to do at once.
    Yield,
    Wait(Option<Instant>),
}

impl Carrier {
    pub(crate) fn new(parts: Parts, client: TcpStream, server: TcpStream) -> Self {
        let (up, down) = parts.counters.clone();
        let mut carrier = Self {
            client: Some(client),
            server: Some(server),
            up: Link::new(Stream::Upstream, up),
            down: Link::new(Stream::Downstream, down),
            parts,
            steps: Vec::new(),
            why: None,
        };
        carrier.take_over_toxics(clock::now());
        carrier
    }

    /// Carries until the end; why it came.
    pub(crate) async fn run(mut self) -> String {
        loop {
            match self.advance() {
                Step::Over => break,
                Step::Yield => tokio::task::yield_now().await,
                Step::Wait(due) => self.wait(due).await,
            }
            if *self.parts.stop.borrow() {
                self.why.get_or_insert_with(|| "the proxy was stopped".to_owned());
                break;
            }
            if self.parts.toxics.has_changed().unwrap_or(false) {
                self.take_over_toxics(clock::now());
            }
        }
        self.tell();
        self.why.unwrap_or_else(|| "both sides ended".to_owned())
    }

    /// Moves what can be moved without waiting.
    fn advance(&mut self) -> Step {
        for _round in 0..ROUNDS {
            let now = clock::now();
            let mut has_moved = self.read(Stream::Upstream, now);
            has_moved |= self.read(Stream::Downstream, now);
            has_moved |= self.write(Stream::Upstream, now);
            has_moved |= self.write(Stream::Downstream, now);
            if self.up.is_done() && self.down.is_done() {
                return Step::Over;
            }
            if !has_moved {
                self.tell();
                return Step::Wait(earliest(self.up.due(), self.down.due()));
            }
        }
        self.tell();
        Step::Yield
    }

    /// Sleeps until there may be something to do.
    async fn wait(&mut self, due: Option<Instant>) {
        let now = clock::now();
        let (reads_client, reads_server) = (self.up.wants_input(now), self.down.wants_input(now));
        let (blocked_on_server, blocked_on_client) = (self.up.is_blocked(), self.down.is_blocked());
        tokio::select! {
            () = ready(self.client.as_ref(), reads_client, Side::Read) => {}
            () = ready(self.server.as_ref(), reads_server, Side::Read) => {}
            () = ready(self.server.as_ref(), blocked_on_server, Side::Write) => {}
            () = ready(self.client.as_ref(), blocked_on_client, Side::Write) => {}
            () = until(due, now) => {}
            _ = self.parts.toxics.changed() => self.parts.toxics.mark_changed(),
            _ = self.parts.stop.changed() => {}
        }
    }

    /// Reads once from a direction's source, if there is room and something to read.
    fn read(&mut self, stream: Stream, now: Instant) -> bool {
        let (socket, link) = match stream {
            Stream::Upstream => (&self.client, &mut self.up),
            Stream::Downstream => (&self.server, &mut self.down),
        };
        let Some(socket) = socket else { return false };
        if !link.wants_input(now) {
            return false;
        }
        match link.read_from(socket) {
            Ok(Some(bytes)) if bytes.is_empty() => {
                self.why.get_or_insert_with(|| format!("{} closed", source_name(stream)));
                self.source_ended(stream, now);
                true
            }
            Ok(Some(bytes)) => {
                self.arrived(stream, bytes, now);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.why.get_or_insert_with(|| format!("{} broke off: {error}", source_name(stream)));
                self.source_ended(stream, now);
                true
            }
        }
    }

    fn arrived(&mut self, stream: Stream, bytes: Bytes, now: Instant) {
        let Some(session) = &mut self.parts.session else {
            return self.link(stream).push(Item::Chunk(Chunk { bytes, at: now }));
        };
        match stream {
            Stream::Upstream => session.from_client(bytes, &mut self.steps),
            Stream::Downstream => session.from_server(bytes, &mut self.steps),
        }
        self.take_steps(now);
    }

    fn source_ended(&mut self, stream: Stream, now: Instant) {
        if let Some(session) = &mut self.parts.session {
            match stream {
                Stream::Upstream => session.client_ended(&mut self.steps),
                Stream::Downstream => session.server_ended(&mut self.steps),
            }
            self.take_steps(now);
        }
        self.link(stream).end();
    }

    /// Does what the Kafka half wants, in its order.
    fn take_steps(&mut self, now: Instant) {
        let mut steps = std::mem::take(&mut self.steps);
        for step in steps.drain(..) {
            match step {
                KafkaStep::ToServer(bytes) => self.up.push(Item::Chunk(Chunk { bytes, at: now })),
                KafkaStep::ToClient(bytes) => self.down.push(Item::Chunk(Chunk { bytes, at: now })),
                KafkaStep::DelayToClient(delay) => self.down.hold(now, delay),
                KafkaStep::Close { reason } => {
                    self.why.get_or_insert(reason);
                    self.up.end();
                    self.down.end();
                }
                KafkaStep::Event(event) => {
                    self.parts.core.publish(event.on(&self.parts.proxy).through(self.parts.connection));
                }
            }
        }
        self.steps = steps;
    }

    /// Writes what leaves a direction's chain, until nothing does or the socket is full.
    fn write(&mut self, stream: Stream, now: Instant) -> bool {
        let (socket, link) = match stream {
            Stream::Upstream => (&self.server, &mut self.up),
            Stream::Downstream => (&self.client, &mut self.down),
        };
        match link.write_to(socket.as_ref(), now) {
            Written::Nothing => false,
            Written::Some => true,
            Written::End => {
                self.close_destination(stream);
                true
            }
            Written::Reset => {
                self.reset();
                true
            }
            Written::Failed(error) => {
                self.why.get_or_insert_with(|| format!("{} went away: {error}", destination_name(stream)));
                self.close_whole_destination(stream);
                true
            }
        }
    }

    /// A direction has ended: its destination is closed, which ends the other direction.
    fn close_destination(&mut self, stream: Stream) {
        if !self.parts.has_half_close {
            return self.close_whole_destination(stream);
        }
        self.link(stream).finish();
        let socket = match stream {
            Stream::Upstream => self.server.as_ref(),
            Stream::Downstream => self.client.as_ref(),
        };
        if let Some(socket) = socket {
            drop(SockRef::from(socket).shutdown(std::net::Shutdown::Write));
        }
    }

    fn close_whole_destination(&mut self, stream: Stream) {
        self.link(stream).finish();
        match stream {
            Stream::Upstream => {
                self.server = None;
                self.down.end();
            }
            Stream::Downstream => {
                self.client = None;
                self.up.end();
            }
        }
    }

    /// Both sides see a reset, whatever they were doing.
    fn reset(&mut self) {
        for socket in [self.client.take(), self.server.take()].into_iter().flatten() {
            // With a linger of zero the system sends RST instead of FIN.
            if let Err(error) = SockRef::from(&socket).set_linger(Some(Duration::ZERO)) {
                tracing::debug!(%error, "the socket cannot be reset; it is closed instead");
            }
        }
        self.why = Some("reset_peer reset both sides".to_owned());
        self.up.finish();
        self.down.finish();
    }

    fn take_over_toxics(&mut self, now: Instant) {
        let published = Arc::clone(&self.parts.toxics.borrow_and_update());
        let (core, proxy, number) = (&self.parts.core, &self.parts.proxy, self.parts.connection.number);
        let seed_of = |spec: &StageSpec| core.seed_of(proxy, number, &spec.name);
        self.up.chain().reconcile(&published.upstream, now, seed_of);
        self.down.chain().reconcile(&published.downstream, now, seed_of);
    }

    /// Publishes what the toxics did.
    fn tell(&mut self) {
        for link in [&mut self.up, &mut self.down] {
            let stream = link.stream();
            for (toxic, told) in link.take_told() {
                let bytes = u64::try_from(told.bytes).unwrap_or(u64::MAX);
                let event = ChaosEvent::new(ChaosEventKind::FaultFired { what: told.what.into() });
                let event = event.by(&toxic, stream).with_bytes(bytes);
                self.parts.core.publish(event.on(&self.parts.proxy).through(self.parts.connection));
            }
        }
    }

    const fn link(&mut self, stream: Stream) -> &mut Link {
        match stream {
            Stream::Upstream => &mut self.up,
            Stream::Downstream => &mut self.down,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Read,
    Write,
}

/// Completes when the socket can be used, or never if that is not asked.
async fn ready(socket: Option<&TcpStream>, is_wanted: bool, side: Side) {
    match socket {
        Some(socket) if is_wanted => {
            // An error shows at the next read or write.
            let _readiness = match side {
                Side::Read => socket.readable().await,
                Side::Write => socket.writable().await,
            };
        }
        Some(_) | None => std::future::pending().await,
    }
}

fn until(due: Option<Instant>, now: Instant) -> impl Future<Output = ()> {
    let wait = due.filter(|due| *due != Instant::NEVER).map(|due| due.since(now));
    async move {
        match wait {
            Some(wait) => tasks::sleep(wait).await,
            None => std::future::pending().await,
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

const fn source_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Upstream => "the client",
        Stream::Downstream => "the server",
    }
}

const fn destination_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Upstream => "the server",
        Stream::Downstream => "the client",
    }
}

/// Rounds of reading and writing before other tasks have their turn.
const ROUNDS: usize = 16;
