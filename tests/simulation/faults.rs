//! What goes wrong, by kind: when it begins, how long it lasts, how it is told.
//!
//! **Why kinds and not calls.** The swarm draws a subset of kinds per run and a smaller one per window; the report counts
//! by kind. Faults of the network are made here, faults of brokers are `cluster`'s own. Everything that lasts ends by
//! itself or with `heal`. Neighbours: `swarm` chooses, `world` has the clock. Not here: what a fault does to a promise.

use std::time::Duration;

use facteur::time::Instant;

use super::cluster::{BadHint, ClusterFault, MetadataSpoiler, Spoiler, Where};
use super::network::{End, Link};
use super::queue::Happening;
use super::swarm::Flavour;
use super::tape::Draw;
use super::world::{WALL_START_MS, World};
use crate::oracle::history::FaultSpan;

macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind { $($kind,)* }

        impl FaultKind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    Reset "reset",
    Close "close",
    CutRequest "cut-request",
    CutAnswer "cut-answer",
    HalfOpen "half-open",
    ResetAll "reset-all",
    SwallowRequests "swallow-requests",
    SwallowAnswers "swallow-answers",
    OneWay "one-way-partition",
    Refused "listener-down",
    Blackhole "syn-blackhole",
    WindowClosed "window-closed",
    Slow "slow-node",
    Suspend "process-suspended",
    WallJump "wall-clock-jump",
    Kill "kill",
    Shutdown "shutdown",
    Pause "pause",
    Isolate "isolate",
    AllDown "all-down",
    MoveLeader "move-leader",
    LeaderUnknown "leader-unknown",
    ShrinkIsr "shrink-isr",
    Unclean "unclean-election",
    Refuse "refuse",
    Lie "lie",
    Swallow "swallow",
    StaleMetadata "stale-metadata",
    RegressMetadata "regress-metadata",
    BrokenMetadata "broken-metadata",
    TopicHidden "topic-hidden",
    TopicRecreated "topic-recreated",
    PartitionsAdded "partitions-added",
    MoveAddress "move-address",
    Upgrade "upgrade",
    Throttle "throttle",
    InitRefused "init-refused",
    DeleteRecords "delete-records",
    DiskFull "disk-full",
    BadHint "bad-hint",
    PingPong "ping-pong",
    Hostile "hostile-answer",
    InvalidRecord "invalid-record",
    ForgetProducers "forget-producers",
    RefuseProducer "refuse-producer",
    RefuseAndCut "refuse-and-cut",
}

impl FaultKind {
    /// Of the network alone: D-69's faults.
    pub const fn is_gentle(self) -> bool {
        (self as usize) < (Self::Suspend as usize)
    }

    pub const fn needs_many_brokers(self) -> bool {
        matches!(self, Self::MoveLeader | Self::Unclean | Self::PingPong | Self::Isolate | Self::ShrinkIsr)
    }
}

/// A fault of the cluster that lasts until it is undone.
#[derive(Debug, Clone, Copy)]
pub enum Lasting {
    Killed(i32),
    Paused(i32),
}

/// Nobody deletes a topic under its producers every second.
const MOST_RECREATIONS: u32 = 2;

/// No request waits in a broker for longer.
const QUIET_NS: u64 = 4_000_000_000;

/// Codes that the broker's own append path may answer after or instead of appending, and some that no resend cures.
/// Not 47: a broker that says "fenced" has fenced, and an untrue one would excuse the order of a late U (D-7).
const REFUSALS: [i16; 13] = [6, 5, 7, 20, 19, 3, 56, -1, 2, 10, 29, 87, 45];
const LIES: [i16; 6] = [6, 7, 20, 3, 56, -1];
/// No resend cures these.
const BATCH_REFUSALS: [i16; 3] = [29, 87, 10];
/// The whole producer is refused (D-24).
const PRODUCER_REFUSALS: [i16; 2] = [31, 53];
const INIT_REFUSALS: [i16; 5] = [14, 15, 16, 51, 53];

impl World {
    /// A new window: which kinds of faults it has, if any.
    pub(super) fn begin_window(&mut self) {
        if self.cx.is_healed {
            return;
        }
        let length = Duration::from_millis(self.cx.tape.between(2_000, 6_000));
        self.window_ends = self.cx.now + length;
        self.window.clear();
        let is_peaceful = self.cx.tape.below(4) == 0;
        if !is_peaceful {
            let count = 1 + self.cx.tape.below(3);
            for _ in 0..count {
                let place = self.cx.tape.below(self.plan.faults.len() as u64);
                self.window.push(self.plan.faults[place as usize]);
            }
            self.plan_fault();
        }
        self.cx.plan(self.window_ends, Happening::Window);
    }

    fn plan_fault(&mut self) {
        let gap = Duration::from_millis(1 + self.cx.tape.below(self.plan.fault_gap_ms * 2));
        let at = self.cx.now + gap;
        if at < self.window_ends {
            self.cx.plan(at, Happening::Fault);
        }
    }

    pub(super) fn next_fault(&mut self) {
        if self.cx.is_healed || self.window.is_empty() {
            return;
        }
        if self.plan.flavour == Flavour::Gentle && self.cx.now < self.peace_from {
            return;
        }
        let place = self.cx.tape.below(self.window.len() as u64);
        let kind = self.window[place as usize];
        self.begin_fault(kind);
        self.plan_fault();
    }

    /// The fault happens, if it can; it is counted if it did.
    pub fn begin_fault(&mut self, kind: FaultKind) {
        let now = self.cx.now;
        let most_ms = match self.plan.flavour {
            Flavour::Gentle => self.bound_ms() / 2,
            Flavour::Rough => self.cx.tape.one_of(&[400, 1_500, 4_000, 9_000]),
        };
        let length_ms = 20 + self.cx.tape.below(most_ms);
        let until = now + Duration::from_millis(length_ms);
        let node = 1 + self.cx.tape.below(self.plan.brokers as u64) as i32;
        let has_happened = if (kind as usize) < (FaultKind::Kill as usize) {
            self.trouble_network(kind, node, until)
        } else {
            self.trouble_cluster(kind, node, length_ms)
        };
        if !has_happened {
            return;
        }
        self.faults[kind as usize] += 1;
        self.cx.trace.note(40, kind as u64, node as u64);
        self.cx.trace.say(now, || format!("FAULT {} at node {node} for {length_ms} ms", kind.name()));
        // What a reset leaves behind, or a slow link delays, may land later than the fault itself.
        let to_ns = until.as_nanos();
        let is_of_the_network = kind.is_gentle();
        self.cx.history.fault(FaultSpan { from_ns: now.as_nanos(), to_ns, is_of_the_network });
        let peace = Duration::from_millis(self.bound_ms());
        self.peace_from = self.peace_from.max(until + peace);
    }

    fn trouble_network(&mut self, kind: FaultKind, node: i32, until: Instant) -> bool {
        match kind {
            FaultKind::Reset
            | FaultKind::Close
            | FaultKind::CutRequest
            | FaultKind::CutAnswer
            | FaultKind::HalfOpen => {
                return self.trouble_link(kind, until);
            }
            FaultKind::ResetAll => {
                for index in 0..self.network.links.len() as u32 {
                    self.reset(index);
                }
                return true;
            }
            FaultKind::SwallowRequests => self.network.rules_mut(node).up_stalled_until = until,
            FaultKind::SwallowAnswers => self.network.rules_mut(node).down_stalled_until = until,
            FaultKind::OneWay => {
                let is_up = self.cx.tape.chance(500);
                for node in 1..=self.plan.brokers {
                    let rules = self.network.rules_mut(node);
                    if is_up {
                        rules.up_stalled_until = until;
                    } else {
                        rules.down_stalled_until = until;
                    }
                    self.cx.plan(until, Happening::Unstall { node });
                }
                return true;
            }
            FaultKind::Refused | FaultKind::Blackhole => {
                let rules = self.network.rules_mut(node);
                if kind == FaultKind::Refused {
                    rules.refuses_until = until;
                } else {
                    rules.blackhole_until = until;
                }
                self.reset_node(node);
                return true;
            }
            FaultKind::WindowClosed => self.network.rules_mut(node).window_closed_until = until,
            FaultKind::Slow => {
                let rules = self.network.rules_mut(node);
                rules.slow_until = until;
                rules.slow_us = 1_000 + self.cx.tape.below(3_000_000);
                return true;
            }
            FaultKind::Suspend => {
                let producer = self.cx.tape.below(self.producers.len() as u64) as u8;
                let number = usize::from(producer);
                self.producers[number].is_suspended = true;
                self.suspended_ns += until.as_nanos() - self.cx.now.as_nanos();
                self.suspended_until[number] = until;
                self.cx.plan(until, Happening::Resume { producer });
                return true;
            }
            FaultKind::WallJump => {
                // Up to six hours back, and less than an hour ahead: what is further ahead, brokers refuse (32).
                let ahead = self.cx.tape.below(6 * 3_600_000 + 3_000_000) as i64 - 6 * 3_600_000;
                self.cx.wall_start_ms = WALL_START_MS + ahead;
                return true;
            }
            _ => unreachable!("a fault of the network"),
        }
        self.cx.plan(until, Happening::Unstall { node });
        true
    }

    fn trouble_link(&mut self, kind: FaultKind, until: Instant) -> bool {
        let open: Vec<u32> = (0..self.network.links.len() as u32)
            .filter(|index| self.network.links[*index as usize].client != End::Ended)
            .collect();
        if open.is_empty() {
            return false;
        }
        let index = open[self.cx.tape.below(open.len() as u64) as usize];
        match kind {
            FaultKind::Reset => self.reset(index),
            FaultKind::Close => {
                let node = self.network.link(index).node;
                self.broker_closes(index);
                self.cluster.connection_ended(node, u64::from(index));
            }
            FaultKind::CutRequest => {
                let after = self.cx.tape.below(700) as usize;
                self.network.link(index).up_budget = Some(after);
            }
            FaultKind::CutAnswer => {
                let after = self.cx.tape.below(300) as usize;
                self.network.link(index).down_budget = Some(after);
            }
            _ => {
                self.network.link(index).silent_until = until;
                let node = self.network.link(index).node;
                self.cx.plan(until, Happening::Unstall { node });
            }
        }
        true
    }

    fn reset_node(&mut self, node: i32) {
        let open: Vec<u32> = self.network.open_links(node).collect();
        for index in open {
            self.reset(index);
        }
    }

    #[allow(clippy::too_many_lines, reason = "a list: one kind after the other")]
    fn trouble_cluster(&mut self, kind: FaultKind, node: i32, ms: u64) -> bool {
        let topic = self.cx.tape.below(self.plan.topics.len() as u64) as usize;
        let partition = self.cx.tape.below(self.plan.topics[topic].partitions as u64) as i32;
        let at = Where { topic, partition };
        let times = 1 + self.cx.tape.below(4) as u32;
        let fault = match kind {
            FaultKind::Kill => {
                self.lasts(Lasting::Killed(node), ms);
                ClusterFault::Kill { node }
            }
            FaultKind::Shutdown => {
                self.lasts(Lasting::Killed(node), ms);
                ClusterFault::Shutdown { node }
            }
            FaultKind::Pause => {
                self.lasts(Lasting::Paused(node), ms);
                ClusterFault::Pause { node }
            }
            FaultKind::Isolate => ClusterFault::Isolate { node, ms },
            FaultKind::AllDown => ClusterFault::AllDown { ms: ms.min(5_000) },
            FaultKind::MoveLeader => ClusterFault::MoveLeader { at },
            FaultKind::LeaderUnknown => ClusterFault::LeaderUnknown { at, ms },
            FaultKind::ShrinkIsr => ClusterFault::ShrinkIsr { at, ms },
            FaultKind::Unclean => ClusterFault::UncleanElection { at },
            FaultKind::Refuse => {
                let code = self.cx.tape.one_of(&REFUSALS);
                ClusterFault::Refuse { node: 0, topic: None, code, times }
            }
            FaultKind::Lie => ClusterFault::Lie { code: self.cx.tape.one_of(&LIES), times },
            FaultKind::Swallow => ClusterFault::Swallow { times },
            FaultKind::StaleMetadata => ClusterFault::StaleMetadata { node, ms },
            FaultKind::RegressMetadata => ClusterFault::RegressMetadata { node, ms },
            FaultKind::BrokenMetadata => {
                let kinds =
                    [MetadataSpoiler::NoBrokers, MetadataSpoiler::NoPartitions, MetadataSpoiler::Error];
                ClusterFault::BrokenMetadata { kind: self.cx.tape.one_of(&kinds), times }
            }
            FaultKind::TopicHidden => ClusterFault::TopicHidden { topic, ms },
            FaultKind::TopicRecreated => {
                if self.recreations[topic] >= MOST_RECREATIONS {
                    return false;
                }
                self.recreations[topic] += 1;
                self.recreated(topic);
                ClusterFault::TopicRecreated { topic }
            }
            FaultKind::PartitionsAdded => {
                if self.added_partitions[topic] >= u64::from(super::swarm::SPARE_PARTITIONS) {
                    return false;
                }
                self.added_partitions[topic] += 1;
                ClusterFault::PartitionsAdded { topic }
            }
            FaultKind::MoveAddress => ClusterFault::MoveAddress { node },
            FaultKind::Upgrade => {
                let produce_max = self.cx.tape.one_of(&[13, 12, 9, 7]);
                ClusterFault::Upgrade { node, produce_max, metadata_max: self.plan.metadata_max }
            }
            FaultKind::Throttle => ClusterFault::Throttle { ms: (ms / 2) as u32, times },
            FaultKind::InitRefused => {
                ClusterFault::InitRefused { code: self.cx.tape.one_of(&INIT_REFUSALS), times }
            }
            FaultKind::DeleteRecords => ClusterFault::DeleteRecords { at },
            FaultKind::DiskFull => ClusterFault::DiskFull { node, ms },
            FaultKind::BadHint => {
                self.cx.epochs_were_invented = true;
                let kinds =
                    [BadHint::Stale, BadHint::Itself, BadHint::Negative, BadHint::Unknown, BadHint::Foreign];
                ClusterFault::BadHint { kind: self.cx.tape.one_of(&kinds), times }
            }
            FaultKind::PingPong => {
                self.cx.epochs_were_invented = true;
                ClusterFault::PingPong { at, ms }
            }
            FaultKind::Hostile => ClusterFault::HostileAnswer { kind: self.cx.tape.one_of(&SPOILERS), times },
            FaultKind::InvalidRecord => ClusterFault::InvalidRecord { times },
            FaultKind::ForgetProducers => {
                let Some(at) = self.idle_lane() else { return false };
                for index in 0..self.network.links.len() as u32 {
                    self.reset(index);
                }
                ClusterFault::ForgetProducers { at }
            }
            FaultKind::RefuseAndCut => {
                // What was pipelined behind the refused batch is in doubt, and its absence can be proven (D-4).
                for link in &mut self.network.links {
                    link.down_budget = Some(50 + self.cx.tape.below(150) as usize);
                }
                let code = self.cx.tape.one_of(&BATCH_REFUSALS);
                ClusterFault::Refuse { node: 0, topic: None, code, times: 1 }
            }
            FaultKind::RefuseProducer => {
                let code = self.cx.tape.one_of(&PRODUCER_REFUSALS);
                ClusterFault::Refuse { node: 0, topic: None, code, times: 1 }
            }
            _ => unreachable!("a fault of the cluster"),
        };
        self.apply(&fault);
        true
    }

    /// A lane of which nothing is on its way, and has not been for a while. A broker forgets a producer long after its last
    /// batch, when its connection is gone too: what it could no longer recognise by then is outside of what is promised
    /// (D-17), and nobody resends it.
    fn idle_lane(&mut self) -> Option<Where> {
        let now_ns = self.cx.now.as_nanos();
        let late = self.plan.config.late_resolution.as_nanos() as u64;
        let is_left_behind = |link: &Link| link.client == End::Ended && !link.up.is_empty();
        if self.cluster.has_unhandled_frames() || self.network.links.iter().any(is_left_behind) {
            return None;
        }
        let quiet_ns = now_ns.checked_sub(QUIET_NS)?;
        // At an id's last epoch a batch in doubt is resent for half a day (D-7).
        let told_ns = if self.plan.epochs_may_run_out() { 0 } else { quiet_ns.saturating_sub(late) };
        let is_idle = |lane: u32| {
            let lane = crate::oracle::Lane(lane);
            !self.cx.history.lane(lane).is_empty() && self.cx.history.is_settled(lane, quiet_ns, told_ns)
        };
        let topics = self.plan.topics.iter().enumerate();
        let lanes = topics.flat_map(|(topic, plan)| {
            (0..plan.partitions).map(move |partition| (Where { topic, partition }, plan.first_lane))
        });
        let idle: Vec<Where> = lanes
            .filter(|(at, first)| is_idle(first + at.partition.cast_unsigned()))
            .map(|(at, _)| at)
            .collect();
        let place = self.cx.tape.below(idle.len() as u64);
        idle.get(place as usize).copied()
    }

    /// From now on the old log is gone, and what is in doubt there stays so (D-40).
    fn recreated(&mut self, topic: usize) {
        let plan = &self.plan.topics[topic];
        let spare = super::swarm::SPARE_PARTITIONS;
        for lane in plan.first_lane..plan.first_lane + plan.partitions.cast_unsigned() + spare {
            self.cx.history.exemptions.recreated(crate::oracle::Lane(lane), self.cx.now.as_nanos());
        }
    }

    fn apply(&mut self, fault: &ClusterFault) {
        let Self { cluster, cx, effects, .. } = self;
        cluster.apply(cx.now, fault, &mut cx.tape, effects);
        self.perform_effects();
    }

    fn lasts(&mut self, lasting: Lasting, ms: u64) {
        let index = self.lasting.len() as u32;
        self.lasting.push(lasting);
        self.cx.plan_after(ms * 1_000, Happening::FaultEnd { index });
    }

    pub(super) fn end_fault(&mut self, index: u32) {
        if self.cx.is_healed {
            return;
        }
        match self.lasting[index as usize] {
            Lasting::Killed(node) => self.apply(&ClusterFault::Restart { node }),
            Lasting::Paused(node) => {
                self.apply(&ClusterFault::Resume { node });
                self.unstall(node);
            }
        }
    }

    /// All is well from now on.
    pub fn heal(&mut self) {
        self.cx.is_healed = true;
        self.cx.trace.say(self.cx.now, || "HEALED".to_owned());
        self.network.heal(self.cx.now);
        let Self { cluster, cx, effects, .. } = self;
        cluster.heal(cx.now, effects);
        self.perform_effects();
        for node in 1..=self.plan.brokers {
            self.unstall(node);
        }
        for producer in &mut self.producers {
            producer.is_suspended = false;
        }
        self.cx.history.healed(self.cx.now.as_nanos());
    }
}

const SPOILERS: [Spoiler; 7] = [
    Spoiler::CutShort,
    Spoiler::UnknownCorrelation,
    Spoiler::Twice,
    Spoiler::Omits,
    Spoiler::Adds,
    Spoiler::Repeats,
    Spoiler::OffsetNone,
];
