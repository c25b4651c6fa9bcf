//! Answers that no honest broker gives, and hints that lead nowhere.
//!
//! **Why here and not on the network.** TCP neither repeats nor invents bytes, so an answer that comes twice, or for a
//! request that nobody made, is a broken broker (N27, N29, B03, B04, B49). Neighbours: [`super::answers`] writes what
//! this says, [`super::faults`] arms it.

use facteur::time::Instant;

use super::produce::PartAnswer;
use super::{Cluster, Turn};

/// What is wrong with a Produce answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoiler {
    /// Its correlation id is nobody's.
    UnknownCorrelation,
    /// It comes twice.
    Twice,
    /// It leaves out the first partition of each topic.
    Omits,
    /// It tells of a partition that was not asked for.
    Adds,
    /// It tells of the first partition twice, the second time refused.
    Repeats,
    /// It ends in the middle.
    CutShort,
    /// Successes tell offset 0 (B49).
    OffsetZero,
    /// Successes tell no offset.
    OffsetNone,
}

/// What is wrong with a Metadata answer (B23).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataSpoiler {
    NoBrokers,
    NoPartitions,
    /// 129 for the whole answer, from version 13 on.
    Error,
}

/// A hint that is of no use (B03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHint {
    /// An older epoch, and a broker that does not lead.
    Stale,
    /// The refusing broker itself, in a newer epoch.
    Itself,
    /// Negative ids.
    Negative,
    /// A broker that does not exist, in a newer epoch, without an address.
    Unknown,
    /// A broker that does not exist, in a newer epoch, at an address that is not the cluster's.
    Foreign,
}

/// A node id that no cluster has.
const STRANGER: i32 = 99;

/// Two brokers that name each other (B04).
#[derive(Debug, Clone, Copy)]
pub struct PingPong {
    pub part: usize,
    pub until: Instant,
    pub epoch: i32,
}

impl Cluster {
    /// The leader that this broker knows, or a bad one if that is armed.
    pub(super) fn hint(&mut self, node: usize, part: usize, turn: &mut Turn<'_>) -> Option<(i32, i32)> {
        let view = self.nodes[node].views[part];
        let own = view.and_then(|view| Some((view.leader? as i32 + 1, view.epoch)));
        let epoch = view.map_or(0, |view| view.epoch);
        let Some(bad) = self.armed.take_bad_hint() else {
            return own.filter(|(leader, _)| self.plan.hints && *leader != node as i32 + 1);
        };
        Some(match bad {
            BadHint::Stale => {
                let other = turn.tape.below(self.nodes.len() as u64) as i32 + 1;
                (other, epoch.saturating_sub(1))
            }
            BadHint::Itself => (node as i32 + 1, epoch + 1),
            BadHint::Negative => (-1, -1),
            BadHint::Unknown | BadHint::Foreign => {
                self.armed.stranger_has_address = bad == BadHint::Foreign;
                (STRANGER, epoch + 1)
            }
        })
    }

    /// The hint of one of two brokers that name each other, each time in a newer epoch.
    pub(super) fn ping_pong(&mut self, node: usize, part: usize, now: Instant) -> Option<(i32, i32)> {
        let game = self.armed.ping_pong.as_mut().filter(|game| game.part == part && game.until > now)?;
        game.epoch += 1;
        let other = (node + 1) % self.nodes.len();
        Some((other as i32 + 1, game.epoch))
    }

    /// Where a hint says that a node is, if it says so.
    pub(super) fn endpoint_host(&self, node: i32) -> Option<&str> {
        if node == STRANGER {
            return self.armed.stranger_has_address.then_some("elsewhere");
        }
        self.index(node).map(|_| self.host(node))
    }

    /// Makes successes tell other offsets.
    pub(super) fn spoil(&mut self, spoiler: Spoiler, answers: &mut [PartAnswer]) {
        let offset = match spoiler {
            Spoiler::OffsetZero => 0,
            Spoiler::OffsetNone => -1,
            _ => return,
        };
        for answer in answers.iter_mut().filter(|answer| answer.code == 0) {
            self.lied_about_offsets |= answer.base_offset != offset && offset >= 0;
            answer.base_offset = offset;
        }
    }
}
