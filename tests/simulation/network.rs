//! Connections: two byte queues each, and everything that can befall them.
//!
//! Facts that people get wrong, kept here: TCP neither repeats nor reorders bytes inside a connection, so a "repeated
//! request" is an old connection *and* a new one, both delivered; and what the broker has received it may still process
//! after the producer has given the connection up (zombies).
//!
//! ```text
//!  engine ─Send─▶ outgoing ─OS takes─▶ up ─arrives─▶ (broker reads one request at a time) ─▶ cluster
//!  engine ◀─Received── down ◀─────────────────────────────────── Effect::Answer ◀──────────────┘
//! ```
//!
//! The last byte that the operating system takes is reported `Written`, some of them `WriteProgress`, and nothing less
//! (D-3). Neighbours: `world` moves the bytes, `faults` sets the rules. Not here: what the bytes mean.

use std::collections::VecDeque;

use bytes::Bytes;
use facteur::identifiers::ConnectionId;
use facteur::time::Instant;

/// The length prefix that stands before each frame on the wire.
pub const PREFIX_BYTES: usize = 4;

/// A frame that the operating system has not taken whole.
#[derive(Debug)]
pub struct Outgoing {
    pub correlation_id: i32,
    /// Without its prefix.
    pub frame: Bytes,
    /// What the engine handed over: it holds a share of `buffer.memory` until it is written.
    pub pieces: Vec<Bytes>,
    /// Some bytes of it were taken.
    pub is_begun: bool,
}

/// A frame on its way: without its prefix, with the time of its last byte's arrival.
#[derive(Debug)]
pub struct Travelling {
    pub frame: Bytes,
    pub arrives: Instant,
}

/// What one side knows of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Open,
    /// An event is on the way.
    Ending,
    Ended,
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    pub producer: usize,
    pub connection: ConnectionId,
    pub node: i32,
    /// The handshake is over.
    pub is_open: bool,
    pub client: End,
    pub server: End,
    pub outgoing: VecDeque<Outgoing>,
    pub up: VecDeque<Travelling>,
    pub down: VecDeque<Travelling>,
    /// The newest arrival of each direction: nothing overtakes.
    pub up_last: Instant,
    pub down_last: Instant,
    /// So many more bytes pass, then the connection is cut.
    pub up_budget: Option<usize>,
    pub down_budget: Option<usize>,
    /// No byte of this one link passes before then (half-open peers).
    pub silent_until: Instant,
    /// When what is held up is looked at again. Once at a time is enough: with a look for each of many short stalls, and another
    /// for each look, their number would grow with its square.
    pub drain_again: Instant,
    pub up_again: Instant,
    pub down_again: Instant,
}

impl Link {
    pub fn new(producer: usize, connection: ConnectionId, node: i32) -> Self {
        Self {
            producer,
            connection,
            node,
            is_open: false,
            client: End::Open,
            server: End::Open,
            outgoing: VecDeque::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            up_last: Instant::ZERO,
            down_last: Instant::ZERO,
            up_budget: None,
            down_budget: None,
            silent_until: Instant::ZERO,
            drain_again: Instant::ZERO,
            up_again: Instant::ZERO,
            down_again: Instant::ZERO,
        }
    }

    /// Whether bytes still pass from the producer to the operating system.
    pub fn takes_bytes(&self) -> bool {
        self.is_open && self.client == End::Open
    }
}

/// What the network does to everything that goes to or comes from a node.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Bytes to the node wait.
    pub up_stalled_until: Instant,
    /// Bytes from the node wait.
    pub down_stalled_until: Instant,
    /// Nobody answers a SYN.
    pub blackhole_until: Instant,
    /// The listener is closed.
    pub refuses_until: Instant,
    /// The node reads nothing: socket buffers are full, and no frame is taken whole.
    pub window_closed_until: Instant,
    /// Each frame takes longer.
    pub slow_until: Instant,
    pub slow_us: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            up_stalled_until: Instant::ZERO,
            down_stalled_until: Instant::ZERO,
            blackhole_until: Instant::ZERO,
            refuses_until: Instant::ZERO,
            window_closed_until: Instant::ZERO,
            slow_until: Instant::ZERO,
            slow_us: 0,
        }
    }
}

/// All connections of a run, and the rules by node.
#[derive(Debug, Default)]
pub struct Network {
    pub links: Vec<Link>,
    rules: Vec<Rules>,
    /// By producer and connection number: the link.
    by_connection: Vec<Vec<u32>>,
}

impl Network {
    pub fn new(nodes: i32, producers: usize) -> Self {
        Self {
            links: Vec::with_capacity(32),
            rules: vec![Rules::default(); usize::try_from(nodes).expect("few") + 1],
            by_connection: vec![Vec::new(); producers],
        }
    }

    pub fn rules(&self, node: i32) -> &Rules {
        &self.rules[usize::try_from(node).expect("a node")]
    }

    pub fn rules_mut(&mut self, node: i32) -> &mut Rules {
        &mut self.rules[usize::try_from(node).expect("a node")]
    }

    /// The network is whole again. Answers that were on their way arrive now: a refusal that came much later would be a
    /// fault after the end of all faults. Zombies may still come.
    pub fn heal(&mut self, now: Instant) {
        self.rules.fill(Rules::default());
        for link in &mut self.links {
            link.up_budget = None;
            link.down_budget = None;
            link.silent_until = Instant::ZERO;
            link.down_last = link.down_last.min(now);
            for answer in &mut link.down {
                answer.arrives = answer.arrives.min(now);
            }
        }
    }

    /// A new connection; its number. The engine numbers its connections densely.
    pub fn add(&mut self, producer: usize, connection: ConnectionId, node: i32) -> u32 {
        let index = u32::try_from(self.links.len()).expect("few");
        let numbers = &mut self.by_connection[producer];
        assert_eq!(numbers.len() as u64, connection.0, "connections are numbered densely");
        numbers.push(index);
        self.links.push(Link::new(producer, connection, node));
        index
    }

    /// A producer process is replaced by a new one, whose connections are numbered from 0 again.
    pub fn forget(&mut self, producer: usize) {
        self.by_connection[producer].clear();
    }

    pub fn index(&self, producer: usize, connection: ConnectionId) -> Option<u32> {
        self.by_connection[producer].get(usize::try_from(connection.0).ok()?).copied()
    }

    pub fn link(&mut self, index: u32) -> &mut Link {
        &mut self.links[index as usize]
    }

    /// Links of a node that the producer believes in.
    pub fn open_links(&self, node: i32) -> impl Iterator<Item = u32> + '_ {
        (0_u32..)
            .zip(&self.links)
            .filter(move |(_, link)| link.node == node && link.client != End::Ended)
            .map(|(index, _)| index)
    }

    /// Sockets that somebody still holds.
    pub fn open_count(&self) -> usize {
        self.links.iter().filter(|link| link.client != End::Ended).count()
    }
}

/// The frame without its prefix, in one piece: what the operating system copies.
pub fn joined(pieces: &[Bytes]) -> Bytes {
    if let [only] = pieces {
        return only.slice(PREFIX_BYTES..);
    }
    let size = pieces.iter().map(Bytes::len).sum::<usize>();
    let mut whole = Vec::with_capacity(size);
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    Bytes::from(whole).slice(PREFIX_BYTES..)
}
