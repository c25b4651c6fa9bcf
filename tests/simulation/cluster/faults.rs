//! Everything that can go wrong with brokers and cluster, as one list (fault matrix 2.2), and the healing of it.
//!
//! | kinds | rows |
//! |---|---|
//! | kill, restart, pause, resume, isolate, cluster down | B45, B46, B07, B51 |
//! | leader moves, vacancy, unclean election, stale and regressing metadata | B01, B05, B06, B09, B10, B17, B22 |
//! | in-sync set shrinks, slow replication | B11-B14, B51 |
//! | refusals before, lies and silence after the append | B01-B03, B11-B18, B25-B42, N24 |
//! | disk full, producers forgotten, records deleted | B15, B08, B37, B43, B44 |
//! | topics hidden, created again, partitions added, addresses changed, versions mixed | B19-B21, B24, B47 |
//! | hints, hostile answers, throttling | B02-B04, B49, B53, N27, N29 |
//!
//! **Why windows end by themselves.** A fault is drawn without knowing the rest of the run; what lasts says how long.
//! [`Cluster::heal`] ends them all. Neighbours: `schedule` in the world draws them. Not here: the network's faults.

use std::time::Duration;

use facteur::time::Instant;

use super::hostile::{BadHint, MetadataSpoiler, PingPong, Spoiler};
use super::produce::PartAnswer;
use super::state::Timer;
use super::{Cluster, Effect, Tame, Turn};
use crate::simulation::tape::Draw;

/// A partition by topic and index, both as numbers from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Where {
    pub topic: usize,
    pub partition: i32,
}

/// Something goes wrong. Nodes are ids from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterFault {
    /// `kill -9`: connections end, the log stays, the producer table must be read again.
    Kill {
        node: i32,
    },
    Restart {
        node: i32,
    },
    /// A clean stop: leadership moves first.
    Shutdown {
        node: i32,
    },
    Pause {
        node: i32,
    },
    Resume {
        node: i32,
    },
    /// Clients reach it, controller and other brokers do not.
    Isolate {
        node: i32,
        ms: u64,
    },
    AllDown {
        ms: u64,
    },
    MoveLeader {
        at: Where,
    },
    LeaderUnknown {
        at: Where,
        ms: u64,
    },
    ShrinkIsr {
        at: Where,
        ms: u64,
    },
    UncleanElection {
        at: Where,
    },
    /// Not processed; `code` for so many partitions' batches. `node` 0: any; `topic` `None`: any.
    Refuse {
        node: i32,
        topic: Option<usize>,
        code: i16,
        times: u32,
    },
    /// Not processed: 87, and one record of the batch is named as the culprit (B29).
    InvalidRecord {
        times: u32,
    },
    /// Processed, and whatever it was, success is answered with `code`.
    Lie {
        code: i16,
        times: u32,
    },
    /// Processed, and never answered.
    Swallow {
        times: u32,
    },
    StaleMetadata {
        node: i32,
        ms: u64,
    },
    RegressMetadata {
        node: i32,
        ms: u64,
    },
    BrokenMetadata {
        kind: MetadataSpoiler,
        times: u32,
    },
    TopicHidden {
        topic: usize,
        ms: u64,
    },
    TopicRecreated {
        topic: usize,
    },
    PartitionsAdded {
        topic: usize,
    },
    MoveAddress {
        node: i32,
    },
    Upgrade {
        node: i32,
        produce_max: i16,
        metadata_max: i16,
    },
    Throttle {
        ms: u32,
        times: u32,
    },
    InitRefused {
        code: i16,
        times: u32,
    },
    ForgetProducers {
        at: Where,
    },
    DeleteRecords {
        at: Where,
    },
    DiskFull {
        node: i32,
        ms: u64,
    },
    BadHint {
        kind: BadHint,
        times: u32,
    },
    PingPong {
        at: Where,
        ms: u64,
    },
    HostileAnswer {
        kind: Spoiler,
        times: u32,
    },
}

impl ClusterFault {
    /// For the report.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Restart { .. } => "restart",
            Self::Shutdown { .. } => "shutdown",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Isolate { .. } => "isolate",
            Self::AllDown { .. } => "all-down",
            Self::MoveLeader { .. } => "move-leader",
            Self::LeaderUnknown { .. } => "leader-unknown",
            Self::ShrinkIsr { .. } => "shrink-isr",
            Self::UncleanElection { .. } => "unclean-election",
            Self::Refuse { .. } => "refuse",
            Self::InvalidRecord { .. } => "invalid-record",
            Self::Lie { .. } => "lie",
            Self::Swallow { .. } => "swallow",
            Self::StaleMetadata { .. } => "stale-metadata",
            Self::RegressMetadata { .. } => "regress-metadata",
            Self::BrokenMetadata { .. } => "broken-metadata",
            Self::TopicHidden { .. } => "topic-hidden",
            Self::TopicRecreated { .. } => "topic-recreated",
            Self::PartitionsAdded { .. } => "partitions-added",
            Self::MoveAddress { .. } => "move-address",
            Self::Upgrade { .. } => "upgrade",
            Self::Throttle { .. } => "throttle",
            Self::InitRefused { .. } => "init-refused",
            Self::ForgetProducers { .. } => "forget-producers",
            Self::DeleteRecords { .. } => "delete-records",
            Self::DiskFull { .. } => "disk-full",
            Self::BadHint { .. } => "bad-hint",
            Self::PingPong { .. } => "ping-pong",
            Self::HostileAnswer { .. } => "hostile-answer",
        }
    }
}

/// A refusal that waits for its batches.
#[derive(Debug)]
struct Refusal {
    node: Option<usize>,
    topic: Option<usize>,
    code: i16,
    times: u32,
}

/// What was armed and waits for its request.
#[derive(Debug, Default)]
pub struct Armed {
    refusals: Vec<Refusal>,
    lie: (i16, u32),
    culprits: u32,
    swallow: u32,
    throttle: (u32, u32),
    init_refusal: (i16, u32),
    bad_hint: Option<(BadHint, u32)>,
    metadata: Option<(MetadataSpoiler, u32)>,
    spoiler: Option<(Spoiler, u32)>,
    pub ping_pong: Option<PingPong>,
    pub stranger_has_address: bool,
}

fn use_up<T: Copy>(armed: &mut Option<(T, u32)>) -> Option<T> {
    let (kind, times) = armed.as_mut()?;
    let kind = *kind;
    *times = times.saturating_sub(1);
    if *times == 0 {
        *armed = None;
    }
    Some(kind)
}

fn count_down(times: &mut u32) -> bool {
    let is_armed = *times > 0;
    *times = times.saturating_sub(1);
    is_armed
}

impl Armed {
    pub fn refusal(&mut self, node: usize, topic: usize) -> Option<i16> {
        let fits = |armed: &Refusal| {
            armed.node.is_none_or(|only| only == node) && armed.topic.is_none_or(|only| only == topic)
        };
        let place = self.refusals.iter().position(fits)?;
        let code = self.refusals[place].code;
        if !count_down(&mut self.refusals[place].times) || self.refusals[place].times == 0 {
            self.refusals.remove(place);
        }
        Some(code)
    }

    pub fn lie(&mut self, answers: &mut [PartAnswer]) {
        for answer in answers.iter_mut().filter(|answer| answer.code == 0) {
            if count_down(&mut self.lie.1) {
                *answer = PartAnswer::error(self.lie.0);
            }
        }
    }

    pub fn take_culprit(&mut self) -> bool {
        count_down(&mut self.culprits)
    }

    pub fn take_swallow(&mut self) -> bool {
        count_down(&mut self.swallow)
    }

    pub fn take_throttle(&mut self) -> i32 {
        if count_down(&mut self.throttle.1) { self.throttle.0 as i32 } else { 0 }
    }

    pub fn take_init_refusal(&mut self) -> i16 {
        if count_down(&mut self.init_refusal.1) { self.init_refusal.0 } else { 0 }
    }

    pub fn take_bad_hint(&mut self) -> Option<BadHint> {
        use_up(&mut self.bad_hint)
    }

    pub fn take_metadata_spoiler(&mut self) -> Option<MetadataSpoiler> {
        use_up(&mut self.metadata)
    }

    pub fn take_spoiler(&mut self) -> Option<Spoiler> {
        use_up(&mut self.spoiler)
    }
}

impl Cluster {
    /// Something goes wrong now. What cannot happen (a dead broker killed, a partition that is not there) does not.
    pub fn apply(&mut self, now: Instant, fault: &ClusterFault, tape: &mut dyn Draw, out: &mut Vec<Effect>) {
        let turn = &mut Turn { now, tape, out };
        match *fault {
            ClusterFault::Kill { .. }
            | ClusterFault::Restart { .. }
            | ClusterFault::Shutdown { .. }
            | ClusterFault::Pause { .. }
            | ClusterFault::Resume { .. }
            | ClusterFault::Isolate { .. }
            | ClusterFault::AllDown { .. }
            | ClusterFault::MoveAddress { .. }
            | ClusterFault::Upgrade { .. }
            | ClusterFault::StaleMetadata { .. }
            | ClusterFault::RegressMetadata { .. }
            | ClusterFault::DiskFull { .. } => self.apply_to_node(fault, turn),
            ClusterFault::MoveLeader { at }
            | ClusterFault::LeaderUnknown { at, .. }
            | ClusterFault::ShrinkIsr { at, .. }
            | ClusterFault::UncleanElection { at }
            | ClusterFault::ForgetProducers { at }
            | ClusterFault::DeleteRecords { at }
            | ClusterFault::PingPong { at, .. } => {
                if let Some(part) = self.part_at(at) {
                    self.apply_to_part(part, fault, turn);
                }
            }
            ClusterFault::TopicHidden { topic, ms } => {
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.hidden_until = now + Duration::from_millis(ms);
                }
            }
            ClusterFault::TopicRecreated { topic } => self.recreate(topic, turn),
            ClusterFault::PartitionsAdded { topic } => self.add_partition(topic, turn),
            ClusterFault::Refuse { .. }
            | ClusterFault::InvalidRecord { .. }
            | ClusterFault::Lie { .. }
            | ClusterFault::Swallow { .. }
            | ClusterFault::BrokenMetadata { .. }
            | ClusterFault::Throttle { .. }
            | ClusterFault::InitRefused { .. }
            | ClusterFault::BadHint { .. }
            | ClusterFault::HostileAnswer { .. } => self.arm(fault),
        }
        self.settle(turn);
    }

    fn arm(&mut self, fault: &ClusterFault) {
        let armed = &mut self.armed;
        match *fault {
            ClusterFault::Refuse { node, topic, code, times } => {
                let node = (node > 0).then(|| node as usize - 1);
                armed.refusals.push(Refusal { node, topic, code, times });
            }
            ClusterFault::InvalidRecord { times } => armed.culprits = times,
            ClusterFault::Lie { code, times } => armed.lie = (code, times),
            ClusterFault::Swallow { times } => armed.swallow = times,
            ClusterFault::BrokenMetadata { kind, times } => armed.metadata = Some((kind, times)),
            ClusterFault::Throttle { ms, times } => armed.throttle = (ms, times),
            ClusterFault::InitRefused { code, times } => armed.init_refusal = (code, times),
            ClusterFault::BadHint { kind, times } => armed.bad_hint = Some((kind, times)),
            ClusterFault::HostileAnswer { kind, times } => armed.spoiler = Some((kind, times)),
            _ => {}
        }
    }

    pub(super) fn part_at(&self, at: Where) -> Option<usize> {
        let index = usize::try_from(at.partition).ok()?;
        self.topics.get(at.topic)?.parts.get(index).copied()
    }

    fn apply_to_part(&mut self, part: usize, fault: &ClusterFault, turn: &mut Turn<'_>) {
        let leader = self.parts[part].state.leader;
        match *fault {
            ClusterFault::MoveLeader { .. } => {
                let candidates: Vec<usize> = self.parts[part]
                    .assigned
                    .iter()
                    .copied()
                    .filter(|node| Some(*node) != leader && self.can_lead(part, *node, turn.now))
                    .collect();
                if !candidates.is_empty() {
                    let place = turn.tape.below(candidates.len() as u64) as usize;
                    self.elect(part, Some(candidates[place]), turn);
                }
            }
            ClusterFault::LeaderUnknown { ms, .. } if leader.is_some() => {
                self.elect(part, None, turn);
                self.set_timer(turn.now + Duration::from_millis(ms), Timer::Elect(part));
            }
            ClusterFault::ShrinkIsr { ms, .. } => self.hold_followers(part, ms, turn.now),
            ClusterFault::UncleanElection { .. } => {
                let shortest = self.parts[part]
                    .assigned
                    .iter()
                    .copied()
                    .filter(|node| Some(*node) != leader && self.nodes[*node].is_active(turn.now))
                    .min_by_key(|node| self.parts[part].replicas[*node].end());
                if let Some(node) = shortest {
                    self.elect_uncleanly(part, node, turn);
                }
            }
            ClusterFault::ForgetProducers { .. } => {
                let log = self.parts[part].log;
                for node in 0..self.nodes.len() {
                    self.parts[part].replicas[node].forget_producers(log, &mut self.nodes[node].table);
                }
            }
            ClusterFault::DeleteRecords { .. } => {
                let part = &mut self.parts[part];
                let Some(leader) = part.state.leader else { return };
                let upto = part.replicas[leader].high_watermark;
                for replica in &mut part.replicas {
                    replica.log_start = replica.log_start.max(upto.min(replica.end()));
                }
            }
            ClusterFault::PingPong { ms, .. } => {
                let epoch = self.parts[part].state.epoch;
                self.armed.ping_pong =
                    Some(PingPong { part, until: turn.now + Duration::from_millis(ms), epoch });
            }
            _ => {}
        }
    }

    fn can_lead(&self, part: usize, node: usize, now: Instant) -> bool {
        self.parts[part].state.has_in_sync(node)
            && !self.nodes[node].is_fenced
            && self.nodes[node].is_active(now)
    }

    /// The followers stop fetching: the in-sync set shrinks when their time is over.
    fn hold_followers(&mut self, part: usize, ms: u64, now: Instant) {
        let until = now + Duration::from_millis(ms);
        self.parts[part].held_until = until;
        self.set_timer(until, Timer::Release(part));
    }

    /// Everything is well again, or soon will be.
    pub fn heal(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let turn = &mut Turn { now, tape: &mut Tame, out };
        self.armed = Armed::default();
        for topic in &mut self.topics {
            topic.hidden_until = now;
        }
        for part in 0..self.parts.len() {
            self.parts[part].held_until = now;
        }
        for node in 0..self.nodes.len() {
            let healed = &mut self.nodes[node];
            healed.isolated_until = healed.isolated_until.min(now);
            healed.stale_until = healed.stale_until.min(now);
            healed.disk_full_until = healed.disk_full_until.min(now);
            healed.regressed_until = healed.regressed_until.min(now);
            healed.is_paused = false;
            if healed.is_up {
                self.unfence(node, turn);
            } else {
                self.start(node, turn);
            }
        }
        for part in 0..self.parts.len() {
            self.fill_vacancy(part, turn);
            self.want_round(part, turn);
        }
        self.settle(turn);
    }
}
