//! The controller: who leads, who is in sync, and how the brokers hear of it.
//!
//! **Why it may elect only from the in-sync set.** That is Kafka's promise for acknowledged records. An unclean election
//! is a fault of its own; it notes what it loses, so that the oracle blames nobody for it.
//!
//! Neighbours: [`super::faults`] asks for moves and kills; [`super::replication`] asks to shrink and grow the set. Not
//! here: logs, except to count a loss.

use std::time::Duration;

use facteur::time::Instant;

use super::replica::Replica;
use super::state::{Loss, PartState, Timer};
use super::{Cluster, Turn};

impl Cluster {
    /// The controller has decided: the brokers will hear of it, each in its time.
    pub(super) fn publish(&mut self, part: usize, turn: &mut Turn<'_>) {
        self.parts[part].state.version += 1;
        let state = self.parts[part].state;
        for node in 0..self.nodes.len() {
            self.tell(node, part, state, turn);
        }
    }

    fn tell(&mut self, node: usize, part: usize, state: PartState, turn: &mut Turn<'_>) {
        let (low, high) = self.plan.metadata_lag_ms;
        let mut at = turn.now + Duration::from_millis(turn.tape.between(low, high));
        let listener = &self.nodes[node];
        if !listener.is_up || listener.is_paused || listener.isolated_until > turn.now {
            return;
        }
        at = at.max(listener.stale_until);
        self.set_timer(at, Timer::View { node, part, state });
    }

    /// A broker that was away hears everything.
    pub(super) fn tell_all(&mut self, node: usize, turn: &mut Turn<'_>) {
        for part in 0..self.parts.len() {
            self.tell(node, part, self.parts[part].state, turn);
        }
    }

    /// A broker hears of a partition's state, unless it knows newer.
    pub(super) fn apply_view(&mut self, node: usize, part: usize, state: PartState, turn: &mut Turn<'_>) {
        let listener = &self.nodes[node];
        if !listener.is_up || listener.is_paused || listener.isolated_until > turn.now {
            return;
        }
        if listener.stale_until > turn.now {
            self.set_timer(listener.stale_until, Timer::View { node, part, state });
            return;
        }
        self.learn(node, part, state, turn.now);
        self.want_round(part, turn);
    }

    pub(super) fn learn(&mut self, node: usize, part: usize, state: PartState, now: Instant) {
        let known = self.nodes[node].views[part];
        if known.is_some_and(|known| known.version >= state.version) || self.parts[part].is_gone {
            return;
        }
        self.nodes[node].older_views[part] = known;
        self.nodes[node].views[part] = Some(state);
        if state.leader == Some(node) {
            self.become_leader(node, part, state.epoch, now);
        } else {
            self.parts[part].replicas[node].leads = None;
        }
    }

    fn become_leader(&mut self, node: usize, part: usize, epoch: i32, now: Instant) {
        let log = self.parts[part].log;
        let replica = &mut self.parts[part].replicas[node];
        if replica.leads != Some(epoch) {
            replica.leads = Some(epoch);
            replica.synced_epoch = epoch;
            replica.known_ends = Default::default();
            replica.caught_up_at = [now; super::MAX_BROKERS];
            replica.catch_up_table(log, &mut self.nodes[node].table);
            if let Some(age) = self.plan.producer_expiry_ms {
                let now_ms = self.wall_ms(now);
                self.nodes[node].table.expire(now_ms, age as i64);
            }
        }
        self.advance_high_watermark(part, node);
    }

    /// Another in-sync broker leads from now on. `None`: nobody can.
    pub(super) fn elect(&mut self, part: usize, leader: Option<usize>, turn: &mut Turn<'_>) {
        let state = &mut self.parts[part].state;
        state.leader = leader;
        state.epoch += 1;
        self.publish(part, turn);
    }

    /// The first of the assigned brokers that may lead.
    pub(super) fn candidate(&self, part: usize, but: Option<usize>) -> Option<usize> {
        let part = &self.parts[part];
        part.assigned
            .iter()
            .copied()
            .find(|node| Some(*node) != but && part.state.has_in_sync(*node) && !self.nodes[*node].is_fenced)
    }

    /// The controller counts a broker out: it leaves the in-sync sets, and others lead.
    pub(super) fn fence(&mut self, node: usize, turn: &mut Turn<'_>) {
        if self.nodes[node].is_fenced {
            return;
        }
        self.nodes[node].is_fenced = true;
        for part in 0..self.parts.len() {
            let state = self.parts[part].state;
            if self.parts[part].is_gone || !state.has_in_sync(node) {
                continue;
            }
            let is_last = state.isr == 1 << node;
            if !is_last {
                self.parts[part].state.isr &= !(1 << node);
            }
            if state.leader == Some(node) {
                let leader = self.candidate(part, Some(node));
                self.elect(part, leader, turn);
            } else if !is_last {
                self.publish(part, turn);
            }
        }
    }

    /// The controller counts a broker in again: it may lead what nobody else can.
    pub(super) fn unfence(&mut self, node: usize, turn: &mut Turn<'_>) {
        self.nodes[node].is_fenced = false;
        for part in 0..self.parts.len() {
            if !self.parts[part].is_gone && self.parts[part].state.leader.is_none() {
                self.fill_vacancy(part, turn);
            }
        }
        self.tell_all(node, turn);
    }

    pub(super) fn fill_vacancy(&mut self, part: usize, turn: &mut Turn<'_>) {
        if self.parts[part].is_gone || self.parts[part].state.leader.is_some() {
            return;
        }
        if let Some(leader) = self.candidate(part, None) {
            self.elect(part, Some(leader), turn);
        }
    }

    /// A leader asks for another in-sync set. Granted only if it is the leader and has heard of everything.
    pub(super) fn change_isr(&mut self, part: usize, leader: usize, isr: u8, turn: &mut Turn<'_>) -> bool {
        let state = self.parts[part].state;
        if self.nodes[leader].views[part] != Some(state) || state.leader != Some(leader) {
            return false;
        }
        self.parts[part].state.isr = isr;
        self.publish(part, turn);
        let state = self.parts[part].state;
        self.learn(leader, part, state, turn.now);
        true
    }

    /// Somebody outside the in-sync set leads: what only the others have is lost, and noted.
    pub(super) fn elect_uncleanly(&mut self, part: usize, node: usize, turn: &mut Turn<'_>) {
        let end = self.parts[part].replicas[node].end();
        let longest = self.parts[part].replicas.iter().map(Replica::end).max();
        if end < self.parts[part].committed {
            self.note_loss(part, end, turn.now, "unclean election");
            self.parts[part].committed = end;
        } else if longest.is_some_and(|longest| end < longest) {
            self.note(part, end, turn.now, ("unclean election, of what was not acknowledged", false));
        }
        self.parts[part].was_unclean = true;
        self.parts[part].state.isr = 1 << node;
        self.elect(part, Some(node), turn);
    }

    pub(super) fn note_loss(&mut self, part: usize, from: i64, at: Instant, why: &'static str) {
        self.note(part, from, at, (why, true));
    }

    fn note(&mut self, part: usize, from: i64, at: Instant, (why, was_acknowledged): (&'static str, bool)) {
        let part = &self.parts[part];
        let topic = std::sync::Arc::clone(&self.topics[part.topic].name);
        self.losses.push(Loss { topic, partition: part.index, from, at, why, was_acknowledged });
    }
}
