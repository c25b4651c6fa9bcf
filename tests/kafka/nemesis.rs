//! Brings faults of every kind upon a cluster, one after the other, drawn from a seed, and heals each.
//!
//! **Why one after the other.** What the producer promises holds for faults that leave two of three replicas or come to
//! an end; each fault here is applied, held for a drawn time, healed, and followed by the return of all replicas. Some
//! come in pairs, one on the wire and one on a node, because bugs live where two things go wrong.
//!
//! ```text
//!   Kind ──draw──> strike ── hold ── heal ── all replicas in sync ── quiet
//! ```
//! Neighbours: [`crate::storm`] sends meanwhile and judges. Not here: what cannot be made on this machine; [`Nemesis::new`]
//! leaves it out and says so by name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cluster::{Cluster, wait_until};
use crate::net::End;
use crate::wire::Wire;
use crate::workload::LANES;

/// What can happen to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeFault {
    Kill,
    Freeze,
    Restart,
    MoveLeaders,
    TwoFollowersStopped,
    MinIsrBroken,
    FullDisk,
}

/// What the injector can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WireFault {
    Reset,
    SwallowRequests,
    SwallowAnswers,
    CutAnswer,
    CutRequest,
    Latency,
    Bandwidth,
    Slicer,
    Down,
    LostAnswers,
}

/// Which links can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkFault {
    Brokers,
    BrokersOneWay,
    BrokerIsolated,
    Client,
    ClientOneWay,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Node(NodeFault),
    Wire(WireFault),
    Link(LinkFault),
}

impl Kind {
    pub const ALL: [Self; 22] = [
        Self::Node(NodeFault::Kill),
        Self::Node(NodeFault::Freeze),
        Self::Node(NodeFault::Restart),
        Self::Node(NodeFault::MoveLeaders),
        Self::Node(NodeFault::TwoFollowersStopped),
        Self::Node(NodeFault::MinIsrBroken),
        Self::Node(NodeFault::FullDisk),
        Self::Wire(WireFault::Reset),
        Self::Wire(WireFault::SwallowRequests),
        Self::Wire(WireFault::SwallowAnswers),
        Self::Wire(WireFault::CutAnswer),
        Self::Wire(WireFault::CutRequest),
        Self::Wire(WireFault::Latency),
        Self::Wire(WireFault::Bandwidth),
        Self::Wire(WireFault::Slicer),
        Self::Wire(WireFault::Down),
        Self::Wire(WireFault::LostAnswers),
        Self::Link(LinkFault::Brokers),
        Self::Link(LinkFault::BrokersOneWay),
        Self::Link(LinkFault::BrokerIsolated),
        Self::Link(LinkFault::Client),
        Self::Link(LinkFault::ClientOneWay),
    ];

    /// As the report names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node(NodeFault::Kill) => "kill -9",
            Self::Node(NodeFault::Freeze) => "SIGSTOP",
            Self::Node(NodeFault::Restart) => "orderly restart",
            Self::Node(NodeFault::MoveLeaders) => "leaders moved",
            Self::Node(NodeFault::TwoFollowersStopped) => "two followers stopped",
            Self::Node(NodeFault::MinIsrBroken) => "min.insync.replicas broken",
            Self::Node(NodeFault::FullDisk) => "full disk",
            Self::Wire(WireFault::Reset) => "injector reset_peer",
            Self::Wire(WireFault::SwallowRequests) => "injector timeout upstream",
            Self::Wire(WireFault::SwallowAnswers) => "injector timeout downstream",
            Self::Wire(WireFault::CutAnswer) => "injector limit_data downstream",
            Self::Wire(WireFault::CutRequest) => "injector limit_data upstream",
            Self::Wire(WireFault::Latency) => "injector latency",
            Self::Wire(WireFault::Bandwidth) => "injector bandwidth",
            Self::Wire(WireFault::Slicer) => "injector slicer",
            Self::Wire(WireFault::Down) => "injector down",
            Self::Wire(WireFault::LostAnswers) => "injector drop_response",
            Self::Link(LinkFault::Brokers) => "link broker-broker cut",
            Self::Link(LinkFault::BrokersOneWay) => "link broker-broker cut one way",
            Self::Link(LinkFault::BrokerIsolated) => "broker cut off from brokers",
            Self::Link(LinkFault::Client) => "link client-broker cut",
            Self::Link(LinkFault::ClientOneWay) => "link client-broker cut one way",
        }
    }

    /// What it is on the wire, if it only concerns the way to the client: then it may come with a fault of a node.
    const fn on_the_wire(self) -> Option<WireFault> {
        match self {
            Self::Wire(fault) => Some(fault),
            Self::Node(_) | Self::Link(_) => None,
        }
    }

    /// The kinds of one of the combinations that a run can be told (`COMBO`).
    pub fn of_combo(combo: &str) -> Vec<Self> {
        use NodeFault::{Freeze, FullDisk, Kill, MinIsrBroken, MoveLeaders, Restart, TwoFollowersStopped};
        use WireFault::{Bandwidth, Down, Latency, Reset, Slicer};
        let is_in = |kind: &Self| match combo {
            "all" => true,
            "none" => false,
            "pause" => matches!(kind, Self::Node(Freeze | TwoFollowersStopped)),
            "kill" => matches!(kind, Self::Node(Kill | Restart | MoveLeaders | MinIsrBroken)),
            "partition" => matches!(kind, Self::Link(_) | Self::Wire(Down | Reset)),
            "latency" => matches!(kind, Self::Wire(Latency | Slicer | Bandwidth)),
            "wire" => matches!(kind, Self::Wire(_)),
            "disk" => matches!(kind, Self::Node(FullDisk)),
            other => {
                panic!("COMBO={other}: expected all, none, pause, kill, partition, latency, wire or disk")
            }
        };
        Self::ALL.into_iter().filter(is_in).collect()
    }
}

/// Splitmix64: short, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

/// Brings the faults.
pub struct Nemesis<'a> {
    cluster: &'a mut Cluster,
    wire: &'a Wire,
    topic: &'a str,
    random: Random,
    /// What can be made here.
    kinds: Vec<Kind>,
    /// How often each was made.
    pub made: BTreeMap<Kind, u32>,
}

impl<'a> Nemesis<'a> {
    /// Of `kinds`, those that can be made on this cluster; the others are named on standard output.
    pub fn new(cluster: &'a mut Cluster, wire: &'a Wire, topic: &'a str, kinds: &[Kind], seed: u64) -> Self {
        let (has_links, has_small_disk) = (cluster.net.is_some(), cluster.small_disk.is_some());
        let is_possible = |kind: &Kind| {
            let is_possible = match kind {
                Kind::Link(_) => has_links,
                Kind::Node(NodeFault::FullDisk) => has_small_disk,
                Kind::Node(_) | Kind::Wire(_) => true,
            };
            if !is_possible {
                println!("SKIPPED: {}: not permitted on this machine", kind.name());
            }
            is_possible
        };
        let kinds = kinds.iter().copied().filter(is_possible).collect();
        Self { cluster, wire, topic, random: Random(seed), kinds, made: BTreeMap::new() }
    }

    /// Every kind once, in an order drawn from the seed, and again, until there were `count`.
    pub fn rage(&mut self, count: u32, mut begun: impl FnMut(u16)) {
        let mut deck: Vec<Kind> = Vec::new();
        for number in 1..=count {
            if self.kinds.is_empty() {
                thread::sleep(Duration::from_millis(500));
                continue;
            }
            if deck.is_empty() {
                deck.clone_from(&self.kinds);
            }
            let at = usize::try_from(self.random.below(deck.len() as u64)).expect("a deck is small");
            let kind = deck.swap_remove(at);
            begun(u16::try_from(number).unwrap_or(u16::MAX));
            self.incident(number, kind);
        }
    }

    /// These kinds, in this order.
    pub fn play(&mut self, kinds: &[Kind], mut begun: impl FnMut(u16)) {
        for (number, kind) in
            (1..).zip(kinds).filter(|(_, kind)| self.kinds.contains(kind)).collect::<Vec<_>>()
        {
            begun(u16::try_from(number).unwrap_or(u16::MAX));
            self.incident(number, *kind);
        }
    }

    fn incident(&mut self, number: u32, kind: Kind) {
        thread::sleep(self.random.millis(100, 700));
        let begun = Instant::now();
        // A quarter of the nodes' faults come with one on the wire.
        let wire: Vec<WireFault> = self.kinds.iter().filter_map(|kind| kind.on_the_wire()).collect();
        let second = (kind.on_the_wire().is_none() && !wire.is_empty() && self.random.below(4) == 0)
            .then(|| wire[usize::try_from(self.random.below(wire.len() as u64)).expect("few")]);
        if let Some(second) = second {
            self.strike_wire(second);
            *self.made.entry(Kind::Wire(second)).or_default() += 1;
        }
        let node = self.strike(kind);
        *self.made.entry(kind).or_default() += 1;
        self.wire.clear();
        self.cluster.heal();
        self.cluster.await_full_isr(self.topic, LANES);
        let with = second.map_or_else(String::new, |second| format!(" with {}", Kind::Wire(second).name()));
        println!(
            "{number:4} {}{with} at {node}: healed after {} ms",
            kind.name(),
            begun.elapsed().as_millis()
        );
    }

    fn any_node(&mut self) -> i32 {
        let ids = self.cluster.ids();
        ids[usize::try_from(self.random.below(ids.len() as u64)).expect("few nodes")]
    }

    fn any_lane(&mut self) -> i32 {
        i32::try_from(self.random.below(u64::from(LANES.unsigned_abs()))).expect("few lanes")
    }

    fn hold(&mut self, least_ms: u64, most_ms: u64) {
        thread::sleep(self.random.millis(least_ms, most_ms));
    }

    /// Makes it and holds it; says where. Healing is the caller's.
    fn strike(&mut self, kind: Kind) -> String {
        let lane = self.any_lane();
        let leader = self.cluster.await_leader(self.topic, lane);
        match kind {
            Kind::Node(fault) => self.strike_node(fault, leader),
            Kind::Link(fault) => self.cut_links(fault, leader),
            Kind::Wire(fault) => {
                self.strike_wire(fault);
                self.hold(800, 3_500);
                return "the wire".to_owned();
            }
        }
        format!("node {leader}")
    }

    fn strike_node(&mut self, fault: NodeFault, leader: i32) {
        match fault {
            NodeFault::Kill => {
                self.cluster.kill(leader);
                self.hold(0, 2_500);
            }
            NodeFault::Restart => self.cluster.stop(leader),
            NodeFault::Freeze => {
                self.cluster.freeze(leader);
                self.hold(800, 5_000);
            }
            NodeFault::MoveLeaders => self.move_leaders(),
            NodeFault::TwoFollowersStopped => {
                for id in self.cluster.ids().into_iter().filter(|id| *id != leader) {
                    self.cluster.freeze(id);
                }
                self.hold(1_000, 3_500);
            }
            NodeFault::MinIsrBroken => self.break_min_isr(leader),
            NodeFault::FullDisk => self.fill_disk(),
        }
    }

    fn strike_wire(&mut self, fault: WireFault) {
        // One node, or all of them.
        let node = Some(self.any_node()).filter(|_| self.random.below(3) > 0);
        let wire = self.wire;
        match fault {
            WireFault::Reset => {
                wire.add(node, "reset_peer", "downstream", &json!({"timeout": self.random.below(50)}));
            }
            WireFault::SwallowRequests => wire.add(node, "timeout", "upstream", &json!({"timeout": 0})),
            WireFault::SwallowAnswers => wire.add(node, "timeout", "downstream", &json!({"timeout": 0})),
            WireFault::CutAnswer => {
                wire.add(node, "limit_data", "downstream", &json!({"bytes": 1 + self.random.below(5_000)}));
            }
            WireFault::CutRequest => {
                wire.add(node, "limit_data", "upstream", &json!({"bytes": 1 + self.random.below(60_000)}));
            }
            WireFault::Latency => {
                let (latency, jitter) = (100 + self.random.below(2_500), self.random.below(300));
                wire.add(node, "latency", "downstream", &json!({"latency": latency, "jitter": jitter}));
            }
            WireFault::Bandwidth => {
                wire.add(node, "bandwidth", "upstream", &json!({"rate": 20 + self.random.below(100)}));
            }
            WireFault::Slicer => {
                let slices =
                    json!({"average_size": 20 + self.random.below(200), "size_variation": 10, "delay": 100});
                wire.add(
                    node,
                    "slicer",
                    if self.random.below(2) == 0 { "upstream" } else { "downstream" },
                    &slices,
                );
            }
            WireFault::Down => wire.set_up(node, false),
            WireFault::LostAnswers => {
                let count = 1 + self.random.below(4);
                wire.add_to_produce(
                    "drop_response",
                    self.topic,
                    &json!({"count": count, "after": self.random.below(5)}),
                );
            }
        }
    }

    fn move_leaders(&mut self) {
        for lane in 0..LANES {
            if self.random.below(2) == 0 {
                let to = self.any_node();
                self.cluster.move_leader(self.topic, lane, to);
            }
        }
    }

    /// All replicas must be in sync, and one is not.
    fn break_min_isr(&mut self, leader: i32) {
        self.cluster.configure_topic(self.topic, "min.insync.replicas", "3");
        let follower = self.cluster.ids().into_iter().find(|id| *id != leader).expect("there are followers");
        self.cluster.kill(follower);
        self.hold(3_000, 5_000);
        self.cluster.configure_topic(self.topic, "min.insync.replicas", "2");
    }

    fn cut_links(&mut self, fault: LinkFault, node: i32) {
        let others: Vec<i32> = self.cluster.ids().into_iter().filter(|id| *id != node).collect();
        let other = others[usize::try_from(self.random.below(others.len() as u64)).expect("few")];
        let net = self.cluster.net.clone().expect("this kind is only drawn with links");
        match fault {
            LinkFault::Brokers => net.cut_both(End::Node(node), End::Node(other)),
            LinkFault::BrokersOneWay => net.cut(End::Node(node), End::Node(other)),
            LinkFault::BrokerIsolated => {
                for other in others {
                    net.cut_both(End::Node(node), End::Node(other));
                }
            }
            LinkFault::Client => net.cut_both(End::Client, End::Node(node)),
            LinkFault::ClientOneWay if self.random.below(2) == 0 => net.cut(End::Client, End::Node(node)),
            LinkFault::ClientOneWay => net.cut(End::Node(node), End::Client),
        }
        self.hold(2_000, 6_000);
    }

    /// One of a node's log directories has no byte left; what it leads there must be led elsewhere.
    fn fill_disk(&mut self) {
        let (node, dir) = self.cluster.small_disk.clone().expect("this kind is only drawn with a small disk");
        let lane = lane_on(&dir, self.topic, LANES);
        self.cluster.move_leader(self.topic, lane, node);
        let ballast = dir.join("ballast");
        fill(&ballast);
        // The broker finds out when it appends, gives the directory up, and the others go on without it.
        await_given_up(self.cluster, self.topic, lane);
        self.hold(0, 1_000);
        fs::remove_file(&ballast).expect("the ballast goes");
        // A directory that was given up comes back with the next start only.
        self.cluster.kill(node);
    }
}

/// A partition that the node with the small disk keeps on it.
pub fn lane_on(dir: &Path, topic: &str, lanes: i32) -> i32 {
    let mut found = (0..lanes).filter(|lane| dir.join(format!("{topic}-{lane}")).is_dir());
    found.next().expect("the broker spreads partitions over its directories")
}

/// Waits until the node with the small disk is no replica in sync any more.
pub fn await_given_up(cluster: &Cluster, topic: &str, lane: i32) {
    let node = cluster.small_disk.as_ref().map_or(0, |(node, _)| *node);
    wait_until("the full directory to be given up", || {
        let isr = cluster.partition(topic, lane).map(|found| found.isr_nodes);
        isr.is_some_and(|isr| isr.iter().all(|id| id.0 != node))
    });
}

/// Writes until not one more byte fits.
pub fn fill(path: &Path) {
    let mut file = File::create(path).expect("a file on the small disk");
    for size in [1 << 20, 4096, 64, 1] {
        let chunk = vec![0; size];
        while file.write_all(&chunk).is_ok() {}
    }
}
