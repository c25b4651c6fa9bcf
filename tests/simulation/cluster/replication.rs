//! Followers fetch, the high watermark moves, the in-sync set shrinks and grows.
//!
//! **Why rounds.** One round stands for each follower's fetch and the next one, by which the leader learns how far it has
//! come. What matters to a producer is kept: an append is acknowledged only when every in-sync copy has it, a follower
//! copies without judging (D20), cuts what the leader does not have, and a broker that has not heard of a new leader
//! still fetches from the old one.
//!
//! Neighbours: [`super::controller`] grants changes of the set, [`super::produce`] waits for the high watermark.

use std::time::Duration;

use facteur::time::Instant;

use super::state::Timer;
use super::{Cluster, Turn};

/// How soon a follower that is behind comes again, if it had nothing to wait for.
const NEXT_ROUND: Duration = Duration::from_millis(50);

impl Cluster {
    /// A round is due soon, unless there is one already.
    pub(super) fn want_round(&mut self, part: usize, turn: &mut Turn<'_>) {
        if self.parts[part].round_at.is_some() || self.parts[part].assigned.len() < 2 {
            return;
        }
        let (low, high) = self.plan.replication_lag_us;
        let lag = Duration::from_micros(turn.tape.between(low, high));
        self.set_round(part, turn.now + lag);
    }

    fn set_round(&mut self, part: usize, at: Instant) {
        self.parts[part].round_at = Some(at);
        self.set_timer(at, Timer::Round(part));
    }

    /// The broker that `follower` fetches from, if both can.
    fn fetches_from(&self, part: usize, follower: usize, now: Instant) -> Option<usize> {
        if !self.nodes[follower].is_active(now) || self.parts[part].held_until > now {
            return None;
        }
        let view = self.nodes[follower].views[part]?;
        let leader = view.leader.filter(|leader| *leader != follower)?;
        let leads = self.parts[part].replicas[leader].leads == Some(view.epoch);
        (leads && self.nodes[leader].is_active(now)).then_some(leader)
    }

    /// Every follower that can fetches what it lacks.
    pub(super) fn round(&mut self, part: usize, turn: &mut Turn<'_>) {
        self.parts[part].round_at = None;
        if self.parts[part].is_gone {
            return;
        }
        let mut somebody_is_behind = false;
        for place in 0..self.parts[part].assigned.len() {
            let follower = self.parts[part].assigned[place];
            let Some(leader) = self.fetches_from(part, follower, turn.now) else { continue };
            let slow = self.plan.slow_follower_per_mille;
            if slow > 0 && turn.tape.chance(slow) {
                somebody_is_behind = true;
                continue;
            }
            self.fetch(part, leader, follower, turn.now);
            self.rejoin(part, leader, follower, turn);
        }
        for place in 0..self.parts[part].assigned.len() {
            let leader = self.parts[part].assigned[place];
            if self.parts[part].replicas[leader].leads.is_some() {
                self.advance_high_watermark(part, leader);
                self.watch_isr(part, leader, turn.now);
            }
        }
        if somebody_is_behind {
            self.set_round(part, turn.now + NEXT_ROUND);
        }
    }

    fn fetch(&mut self, part: usize, leader: usize, follower: usize, now: Instant) {
        let log = self.parts[part].log;
        let mut own = std::mem::take(&mut self.parts[part].replicas[follower]);
        let epoch = self.parts[part].replicas[leader].leads.unwrap_or(own.synced_epoch);
        if own.synced_epoch != epoch {
            let source = &self.parts[part].replicas[leader];
            let (keep, end) = (own.common_with(source), source.end());
            let is_cut = keep < own.entries.len();
            own.truncate(keep, log, &mut self.nodes[follower].table);
            own.synced_epoch = epoch;
            // Who still follows a deposed leader says nothing about what a later one has committed.
            let source_end = if epoch < self.parts[part].committed_in { i64::MAX } else { end };
            self.note_truncation(part, is_cut.then(|| own.end()), source_end, now);
            if is_cut && self.parts[part].was_unclean && own.end() < own.committed_as_leader {
                // A deposed leader went on acknowledging; the log of the next one may be longer by now, and is another.
                own.committed_as_leader = own.end();
                self.note_loss(part, own.end(), now, "unclean election");
            }
        }
        let replicas = &mut self.parts[part].replicas;
        let source = &replicas[leader];
        own.entries.extend_from_slice(&source.entries[own.entries.len()..]);
        own.high_watermark = source.high_watermark.min(own.end());
        own.log_start = source.log_start;
        let end = own.end();
        replicas[follower] = own;
        let source = &mut replicas[leader];
        source.known_ends[follower] = end;
        source.caught_up_at[follower] = now;
    }

    /// A follower was cut to `end`, if it was; its leader's log ends at `source_end`. What was acknowledged behind that is
    /// lost.
    fn note_truncation(&mut self, part: usize, end: Option<i64>, source_end: i64, now: Instant) {
        let cut = &mut self.parts[part];
        if source_end < cut.committed {
            let committed = std::mem::replace(&mut cut.committed, source_end);
            if cut.was_unclean {
                self.note_loss(part, source_end, now, "unclean election");
            } else {
                let why = format!("a leader's log ends at {source_end}, {committed} was committed");
                self.checks.model_is_wrong(why);
            }
        } else if let Some(end) = end.filter(|end| *end < cut.acked_alone) {
            cut.acked_alone = end;
            self.note_loss(part, end, now, "acks=1");
        }
    }

    /// A follower that has everything comes back into the in-sync set.
    fn rejoin(&mut self, part: usize, leader: usize, follower: usize, turn: &mut Turn<'_>) {
        let state = self.parts[part].state;
        if !state.has_in_sync(follower) && !self.nodes[follower].is_fenced {
            self.change_isr(part, leader, state.isr | 1 << follower, turn);
        }
    }

    /// The lowest end among the in-sync copies, as the leader knows them.
    pub(super) fn advance_high_watermark(&mut self, part: usize, leader: usize) {
        let Some(view) = self.nodes[leader].views[part] else { return };
        if self.plan.high_watermark_needs_min_isr && view.isr_size() < self.min_isr(part) {
            return;
        }
        let count = self.nodes.len();
        let part = &mut self.parts[part];
        let replica = &mut part.replicas[leader];
        let mut lowest = replica.end();
        for node in 0..count {
            if node != leader && view.has_in_sync(node) {
                lowest = lowest.min(replica.known_ends[node]);
            }
        }
        if lowest > replica.high_watermark {
            replica.high_watermark = lowest;
            replica.committed_as_leader = replica.committed_as_leader.max(lowest);
            if lowest > part.committed {
                part.committed_in = replica.leads.unwrap_or(part.committed_in);
            }
            part.committed = part.committed.max(lowest);
            part.ever_committed = part.ever_committed.max(lowest);
        }
    }

    /// `min.insync.replicas`, capped by the number of copies as Kafka does (B50).
    pub(super) fn min_isr(&self, part: usize) -> i32 {
        self.plan.min_isr.min(self.parts[part].assigned.len() as i32)
    }

    /// If an in-sync follower is behind, it will be looked at again when its time is over.
    pub(super) fn watch_isr(&mut self, part: usize, leader: usize, now: Instant) {
        let Some(view) = self.nodes[leader].views[part] else { return };
        let limit = Duration::from_millis(self.plan.replica_lag_max_ms);
        let replica = &self.parts[part].replicas[leader];
        let end = replica.end();
        let behind = (0..self.nodes.len())
            .filter(|node| *node != leader && view.has_in_sync(*node) && replica.known_ends[*node] < end)
            .map(|node| replica.caught_up_at[node] + limit)
            .min();
        let Some(at) = behind.map(|at| at.max(now + Duration::from_millis(1))) else { return };
        if self.parts[part].isr_check_at.is_none_or(|before| before <= now || at < before) {
            self.parts[part].isr_check_at = Some(at);
            self.set_timer(at, Timer::IsrCheck(part));
        }
    }

    /// The leader throws out who has been behind for too long.
    pub(super) fn check_isr(&mut self, part: usize, turn: &mut Turn<'_>) {
        let limit = Duration::from_millis(self.plan.replica_lag_max_ms);
        let Some(leader) =
            self.parts[part].state.leader.filter(|leader| self.nodes[*leader].is_active(turn.now))
        else {
            return;
        };
        let replica = &self.parts[part].replicas[leader];
        if self.parts[part].is_gone || replica.leads.is_none() {
            return;
        }
        let (end, state) = (replica.end(), self.parts[part].state);
        let mut isr = state.isr;
        for node in 0..self.nodes.len() {
            let is_behind =
                replica.known_ends[node] < end && turn.now.since(replica.caught_up_at[node]) >= limit;
            if node != leader && is_behind {
                isr &= !(1 << node);
            }
        }
        if isr != state.isr && self.change_isr(part, leader, isr, turn) {
            self.advance_high_watermark(part, leader);
        }
    }
}
