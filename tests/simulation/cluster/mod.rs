//! The model cluster: up to eight brokers with real replication rules, as a pure state machine under virtual time.
//!
//! ```text
//!   request ─▶ serving (one at a time per connection) ─▶ produce ─▶ log of the leader ─▶ replication rounds ─▶ answer
//!                                                             │ producer_state_manager: the broker's own
//!   fault ──▶ controller: leader, epoch, in-sync set ─▶ each broker hears of it in its own time
//! ```
//!
//! **Why a model.** The embedded broker is one node and always well. What a producer must survive is made by several:
//! two that both believe to lead, logs that are cut, acknowledgements that wait, tables that are lost. Here each of these
//! follows from the rules of Kafka instead of being scripted, so that a run can surprise us; and the model sees what no
//! client can (Q9 to Q11, a duplicate with other bytes).
//!
//! | file | what |
//! |---|---|
//! | `plan` | what a cluster is made of |
//! | `state`, `replica` | brokers, topics, partitions, logs |
//! | `controller`, `nodes`, `topics` | elections, deaths, creations |
//! | `replication` | rounds, high watermark, in-sync set |
//! | `serving`, `wire`, `answers` | connections and bytes |
//! | `produce` | the way of a batch, and its wait |
//! | `faults`, `hostile` | what goes wrong |
//! | `checks`, `contents` | what is checked, and what is in the logs |
//!
//! It needs `crate::simulation::tape::Draw` and `facteur` alone, so another test can use it by `#[path]`.

mod answers;
mod checks;
mod contents;
mod controller;
mod faults;
mod hostile;
mod nodes;
mod plan;
mod produce;
mod replica;
mod replication;
mod serving;
mod state;
pub mod topics;
pub mod wire;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;
use facteur::broker::producer_state_manager::ProducerStateManager;
use facteur::time::Instant;

pub use checks::Finding;
#[allow(unused_imports, reason = "what the world and other tests may name")]
pub use contents::{Contents, Found};
pub use faults::{ClusterFault, Where};
#[allow(unused_imports, reason = "what the world and other tests may name")]
pub use hostile::{BadHint, MetadataSpoiler, Spoiler};
#[allow(unused_imports, reason = "what the world and other tests may name")]
pub use plan::{ClusterPlan, Primed, TopicPlan};
pub use state::Loss;

use crate::simulation::tape::Draw;
use checks::Checks;
use faults::Armed;
use produce::Wait;
use serving::{Conn, Request};
use state::{Node, Part, Timer, Topic};

/// An in-sync set is a byte.
const MAX_BROKERS: usize = 8;
/// Never reached in a run.
const PRODUCERS_REMEMBERED: usize = 1_000_000;

/// What the cluster does to a connection. Nodes are ids from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A frame without its length prefix.
    Answer {
        node: i32,
        connection: u64,
        frame: Bytes,
    },
    Close {
        node: i32,
        connection: u64,
    },
}

/// For reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub requests: u64,
    pub appends: u64,
    pub duplicates: u64,
}

/// What every step is handed: the time, the choices, and where effects go.
struct Turn<'a> {
    now: Instant,
    tape: &'a mut dyn Draw,
    out: &'a mut Vec<Effect>,
}

/// Always the tamest choice.
struct Tame;

impl Draw for Tame {
    fn below(&mut self, _: u64) -> u64 {
        0
    }
}

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    plan: ClusterPlan,
    nodes: Vec<Node>,
    topics: Vec<Topic>,
    parts: Vec<Part>,
    conns: Vec<Conn>,
    timers: BinaryHeap<Reverse<(Instant, u32, Timer)>>,
    timer_count: u32,
    next_producer_id: i64,
    next_epoch: i16,
    /// Every producer id and epoch given out.
    given: Vec<(i64, i16)>,
    armed: Armed,
    checks: Checks,
    losses: Vec<Loss>,
    lied_about_offsets: bool,
    stats: Stats,
}

impl Cluster {
    /// A cluster in which all is well and known to all.
    #[must_use]
    pub fn new(plan: &ClusterPlan) -> Self {
        let brokers = usize::try_from(plan.brokers).unwrap_or(1).clamp(1, MAX_BROKERS);
        let node = |place: usize| Node {
            is_up: true,
            is_paused: false,
            is_fenced: false,
            isolated_until: Instant::ZERO,
            stale_until: Instant::ZERO,
            disk_full_until: Instant::ZERO,
            regressed_until: Instant::ZERO,
            table: ProducerStateManager::new(plan.personality, PRODUCERS_REMEMBERED),
            views: Vec::new(),
            older_views: Vec::new(),
            produce_max: plan.produce_max,
            metadata_max: plan.metadata_max,
            life: 0,
            host: format!("b{}", place + 1),
            address: 0,
        };
        let mut cluster = Self {
            plan: plan.clone(),
            nodes: (0..brokers).map(node).collect(),
            topics: Vec::new(),
            parts: Vec::new(),
            conns: Vec::new(),
            timers: BinaryHeap::new(),
            timer_count: 0,
            next_producer_id: plan.primed.producer_id,
            next_epoch: plan.primed.epoch,
            given: Vec::new(),
            armed: Armed::default(),
            checks: Checks::default(),
            losses: Vec::new(),
            lied_about_offsets: false,
            stats: Stats::default(),
        };
        for topic in &plan.topics {
            cluster.add_topic(&topic.name, topic.partitions);
        }
        for part in 0..cluster.parts.len() {
            for node in 0..brokers {
                cluster.learn(node, part, cluster.parts[part].state, Instant::ZERO);
            }
        }
        if plan.producer_expiry_ms.is_some() {
            cluster.set_timer(Instant::from_millis(1000), Timer::Expire);
        }
        cluster
    }

    /// A whole frame, without its length prefix, has been read from a connection by a broker.
    pub fn request(
        &mut self,
        now: Instant,
        (node, connection): (i32, u64),
        frame: &Bytes,
        tape: &mut dyn Draw,
        out: &mut Vec<Effect>,
    ) {
        let Some(place) = self.index(node).filter(|place| self.nodes[*place].is_up) else {
            // Nobody has this connection any more.
            out.push(Effect::Close { node, connection });
            return;
        };
        let turn = &mut Turn { now, tape, out };
        let conn = self.conn(place, connection);
        if self.conns[conn].is_dead {
            return;
        }
        let Some(mut request) = Request::read(frame) else {
            self.close(conn, turn);
            self.settle(turn);
            return;
        };
        request.places = self.places_of(&request);
        self.checks.arrived(&self.conns[conn], &request, &self.parts);
        self.conns[conn].queue.push_back(request);
        self.settle(turn);
    }

    /// The client is gone. Whether what it left behind is still processed, the plan says; answers go nowhere.
    pub fn connection_ended(&mut self, node: i32, connection: u64) {
        let Some(place) = self.index(node) else { return };
        let keeps = self.plan.processes_after_close;
        for conn in self.conns.iter_mut().filter(|conn| conn.node == place && conn.id == connection) {
            conn.is_dead = true;
            if !keeps {
                conn.queue.clear();
                conn.pending = None;
            }
        }
    }

    /// When [`Self::tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, tape: &mut dyn Draw, out: &mut Vec<Effect>) {
        let turn = &mut Turn { now, tape, out };
        while self.next_deadline().is_some_and(|at| at <= now) {
            let Some(Reverse((_, _, timer))) = self.timers.pop() else { break };
            self.fire(timer, turn);
            self.settle(turn);
        }
    }

    fn fire(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Round(part) => self.round(part, turn),
            Timer::View { node, part, state } => self.apply_view(node, part, state, turn),
            Timer::SessionEnd { node, life } => self.session_ended(node, life, turn),
            Timer::Started { node, life } => self.started(node, life, turn),
            Timer::Heard(node) => self.heard(node, turn),
            Timer::IsrCheck(part) => {
                self.parts[part].isr_check_at = None;
                self.check_isr(part, turn);
            }
            Timer::Release(part) => self.want_round(part, turn),
            Timer::Elect(part) => self.fill_vacancy(part, turn),
            Timer::Look => {}
            Timer::Expire => self.expire(turn.now),
        }
    }

    fn expire(&mut self, now: Instant) {
        let Some(age) = self.plan.producer_expiry_ms else { return };
        let now_ms = self.wall_ms(now);
        for node in &mut self.nodes {
            node.table.expire(now_ms, i64::try_from(age).unwrap_or(i64::MAX));
        }
        self.set_timer(now + std::time::Duration::from_secs(1), Timer::Expire);
    }

    /// Whether a connection to this broker is accepted: a dead one refuses, a paused one accepts and is silent.
    #[must_use]
    pub fn accepts_connections(&self, node: i32) -> bool {
        self.index(node).is_some_and(|node| self.nodes[node].is_up)
    }

    /// Whether the broker stands still: nothing is to be delivered to it.
    #[must_use]
    pub fn is_paused(&self, node: i32) -> bool {
        self.index(node).is_some_and(|node| self.nodes[node].is_paused)
    }

    /// Where the cluster says that a broker is; another name after [`ClusterFault::MoveAddress`].
    #[must_use]
    pub fn host(&self, node: i32) -> &str {
        self.index(node).map_or("nowhere", |node| &self.nodes[node].host)
    }

    /// Who is at an address now. A bootstrap address is always somebody's.
    #[must_use]
    pub fn node_at(&self, host: &str) -> Option<i32> {
        let named = host.strip_prefix('b').and_then(|number| number.parse().ok());
        (1..=self.nodes.len() as i32).find(|node| self.host(*node) == host || named == Some(*node))
    }

    /// Q9: whether the record at `offset` is committed.
    #[must_use]
    pub fn at_ack(&self, topic: usize, partition: i32, offset: i64) -> bool {
        self.part_at(Where { topic, partition }).is_some_and(|part| offset < self.parts[part].ever_committed)
    }

    /// Nobody is going to ask what the checks have found.
    pub const fn check_nothing(&mut self) {
        self.checks.switch_off();
    }

    /// What the checks have found since the last call.
    pub fn findings(&mut self) -> Vec<Finding> {
        self.checks.take()
    }

    /// What the cluster itself has lost, and may be blamed for.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Whether a success was answered with a wrong offset on purpose (B49).
    #[must_use]
    pub const fn lied_about_offsets(&self) -> bool {
        self.lied_about_offsets
    }

    /// For reports.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// The leader of a partition by id, if there is one.
    #[must_use]
    pub fn leader(&self, at: Where) -> Option<i32> {
        self.part_at(at).and_then(|part| self.parts[part].state.leader).map(|leader| leader as i32 + 1)
    }

    /// The brokers that are in sync by the controller's word.
    #[must_use]
    pub fn in_sync(&self, at: Where) -> Vec<i32> {
        let Some(part) = self.part_at(at) else { return Vec::new() };
        let state = self.parts[part].state;
        (0..self.nodes.len()).filter(|node| state.has_in_sync(*node)).map(|node| node as i32 + 1).collect()
    }

    /// The end of the leader's log; 0 without a leader.
    #[must_use]
    pub fn log_end(&self, at: Where) -> i64 {
        let Some(part) = self.part_at(at).map(|part| &self.parts[part]) else { return 0 };
        part.state.leader.map_or(0, |leader| part.replicas[leader].end())
    }

    fn index(&self, node: i32) -> Option<usize> {
        usize::try_from(node - 1).ok().filter(|node| *node < self.nodes.len())
    }

    fn wall_ms(&self, now: Instant) -> i64 {
        self.plan.wall_start_ms + i64::try_from(now.as_nanos() / 1_000_000).unwrap_or(i64::MAX / 2)
    }

    fn set_timer(&mut self, at: Instant, timer: Timer) {
        self.timer_count += 1;
        self.timers.push(Reverse((at, self.timer_count, timer)));
    }

    /// The partitions that a Produce request means, in its order.
    fn places_of(&self, request: &Request) -> Vec<Option<usize>> {
        let Some(produce) = &request.produce else { return Vec::new() };
        let version = request.header.version;
        produce
            .items
            .iter()
            .map(|item| self.place_of(&produce.topics[item.topic], version, item.partition))
            .collect()
    }

    fn note_ack(&mut self, node: usize, wait: Wait) {
        let isr = self.nodes[node].views[wait.part].map_or(0, |view| view.isr_size());
        let is_safe = isr >= self.min_isr(wait.part);
        self.checks.acknowledged(&self.parts[wait.part], wait.required, is_safe);
    }
}
