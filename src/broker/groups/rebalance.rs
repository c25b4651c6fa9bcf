//! The passages of a group from one generation to the next, and what time does to it.
//!
//! **Why a rebalance waits.** Partitions may be shared out anew only when their owners of before have stopped. So all
//! members are told (by the error of their next heartbeat) and waited for, at most for the longest rebalance timeout
//! among them; who has not come back then is out, unless it is a static member, which keeps its place.
//!
//! Neighbours: [`super::group`] has the state machine's picture and its doors. Not here: clocks; time is handed in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answers::SyncAnswer;
use super::events::GroupEvent;
use super::group::{Group, InitialDelay, State, Turn};
use crate::error::ErrorCode;
use crate::time::Instant;

#[allow(clippy::arithmetic_side_effects, reason = "points in time saturate")]
impl Group {
    /// Begins a rebalance, or ends the one that goes on if it has all it waits for.
    pub(super) fn prepare_or_complete(&mut self, why: &str, turn: &mut Turn<'_>) {
        match self.state {
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare(why, turn),
            State::PreparingRebalance { .. } => self.complete_if_all_joined(turn),
        }
    }

    fn prepare(&mut self, why: &str, turn: &mut Turn<'_>) {
        let was_empty = self.state == State::Empty;
        if self.state == State::CompletingRebalance {
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
                member.sync.answer(SyncAnswer::refused(ErrorCode::REBALANCE_IN_PROGRESS));
            }
        }
        self.forgive_syncs();
        turn.note(&self.id, GroupEvent::RebalanceStarted { why: Arc::from(why) });
        let timeout = self.rebalance_timeout();
        let delay = turn.settings.initial_rebalance_delay.min(timeout);
        if was_empty && !delay.is_zero() {
            let initial = InitialDelay { left: timeout.saturating_sub(delay), saw_newcomer: false };
            let until = turn.now.instant + delay;
            self.state = State::PreparingRebalance { until, initial: Some(initial) };
            return;
        }
        self.state = State::PreparingRebalance { until: turn.now.instant + timeout, initial: None };
        if was_empty {
            // Kafka with a delay of 0 does not wait for ids that were given out to others either.
            self.complete_join(turn);
        } else {
            self.complete_if_all_joined(turn);
        }
    }

    fn forgive_syncs(&mut self) {
        self.sync_until = None;
        for member in self.members.values_mut() {
            member.owes_sync = false;
        }
    }

    pub(super) fn complete_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        let is_gathering = matches!(self.state, State::PreparingRebalance { initial: None, .. });
        let all_joined = self.members.values().all(|member| member.join.is_waiting());
        if is_gathering && all_joined && self.pending.is_empty() {
            self.complete_join(turn);
        }
    }

    /// Ends the gathering: who is there is in the next generation.
    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        let absent = self.members.values().filter(|member| !member.join.is_waiting());
        let lost: Vec<Arc<str>> = absent
            .filter(|member| member.instance_id.is_none())
            .map(|member| Arc::clone(&member.id))
            .collect();
        for id in &lost {
            self.remove(id, "it did not join again within the rebalance timeout", turn);
        }
        if self.members.is_empty() {
            self.become_empty(turn);
            return;
        }
        if !self.elect_leader() {
            // All members are static and none is back: their places are kept.
            let until = turn.now.instant + self.rebalance_timeout();
            self.state = State::PreparingRebalance { until, initial: None };
            return;
        }
        self.generation = next_generation(self.generation);
        self.protocol = self.select_protocol();
        self.state = State::CompletingRebalance;
        self.sync_until = Some(turn.now.instant + self.rebalance_timeout());
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in &ids {
            let answer = self.answer_for(id);
            let Some(member) = self.members.get_mut(id) else { continue };
            member.join.answer(answer);
            member.is_new = false;
            member.owes_sync = true;
            member.seen(turn.now.instant);
        }
        self.note_generation(turn);
    }

    fn become_empty(&mut self, turn: &mut Turn<'_>) {
        self.generation = next_generation(self.generation);
        self.protocol = None;
        self.leader = None;
        self.state = State::Empty;
        self.empty_since_ms = turn.now.wall_ms;
        self.note_generation(turn);
    }

    fn note_generation(&self, turn: &mut Turn<'_>) {
        let what = GroupEvent::Rebalanced {
            generation: self.generation,
            members: self.members.len(),
            protocol: self.protocol.clone().unwrap_or_else(|| Arc::from("")),
        };
        turn.note(&self.id, what);
    }

    /// Makes sure that the leader is one who joined; false if nobody has.
    fn elect_leader(&mut self) -> bool {
        let has_joined = |id: &Arc<str>| self.members.get(id).is_some_and(|member| member.join.is_waiting());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let elected = self.members.values().find(|member| member.join.is_waiting());
        let elected = elected.map(|member| Arc::clone(&member.id));
        let found = elected.is_some();
        if found {
            self.leader = elected;
        }
        found
    }

    /// The protocol that most members like best among those that all know; of equals, the leader's favourite.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let favourite = member.protocols.iter().find(|protocol| self.is_known_to_all(&protocol.name));
            if let Some(favourite) = favourite {
                let count = votes.entry(Arc::clone(&favourite.name)).or_default();
                *count = count.saturating_add(1);
            }
        }
        let most = votes.values().copied().max()?;
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        let of_leader =
            leader.into_iter().flat_map(|leader| &leader.protocols).map(|protocol| &protocol.name);
        of_leader.chain(votes.keys()).find(|name| votes.get(*name) == Some(&most)).cloned()
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    /// Takes a member out; what follows for the state is [`Self::after_removal`]'s.
    pub(super) fn remove(&mut self, id: &Arc<str>, why: &str, turn: &mut Turn<'_>) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance_id
            && self.statics.get(instance) == Some(id)
        {
            self.statics.remove(instance);
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        turn.note(&self.id, GroupEvent::MemberLeft { member: Arc::clone(id), why: Arc::from(why) });
    }

    pub(super) fn after_removal(&mut self, why: &str, turn: &mut Turn<'_>) {
        match self.state {
            State::Empty => {}
            State::CompletingRebalance | State::Stable => self.prepare(why, turn),
            State::PreparingRebalance { .. } => self.complete_if_all_joined(turn),
        }
    }

    /// What time does: silent members go, ids that nobody came back with are forgotten, gatherings end.
    pub(super) fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.instant;
        let before = self.pending.len();
        self.pending.retain(|_, until| *until > now);
        if self.pending.len() != before {
            self.complete_if_all_joined(turn);
        }
        let silent =
            self.members.values().filter(|member| member.alive_until <= now && !member.may_be_silent());
        let silent: Vec<Arc<str>> = silent.map(|member| Arc::clone(&member.id)).collect();
        for id in &silent {
            self.remove(id, "it was silent for its session timeout", turn);
        }
        if !silent.is_empty() {
            self.after_removal("a member was silent for too long", turn);
        }
        self.tick_gathering(turn);
        self.tick_syncs(turn);
    }

    fn tick_gathering(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.instant;
        let State::PreparingRebalance { until, initial } = self.state else { return };
        if until > now {
            return;
        }
        match initial {
            Some(delayed) if delayed.saw_newcomer && !delayed.left.is_zero() => {
                let delay = turn.settings.initial_rebalance_delay.min(delayed.left);
                let left = delayed.left.saturating_sub(delay);
                let initial = Some(InitialDelay { left, saw_newcomer: false });
                self.state = State::PreparingRebalance { until: now + delay, initial };
            }
            _ => self.complete_join(turn),
        }
    }

    fn tick_syncs(&mut self, turn: &mut Turn<'_>) {
        if self.sync_until.is_none_or(|until| until > turn.now.instant) {
            return;
        }
        let owing = self.members.values().filter(|member| member.owes_sync);
        let owing: Vec<Arc<str>> = owing.map(|member| Arc::clone(&member.id)).collect();
        self.sync_until = None;
        for id in &owing {
            self.remove(id, "it did not sync within the rebalance timeout", turn);
        }
        if !owing.is_empty() {
            self.after_removal("a member did not sync", turn);
        }
    }

    /// When [`Self::tick`] has something to do at the earliest.
    pub(super) fn next_deadline(&self) -> Instant {
        let members = self.members.values().filter(|member| !member.may_be_silent());
        let sessions = members.map(|member| member.alive_until);
        let gathering = match self.state {
            State::PreparingRebalance { until, .. } => Some(until),
            State::Empty | State::CompletingRebalance | State::Stable => None,
        };
        let pending = self.pending.values().copied();
        sessions.chain(gathering).chain(pending).chain(self.sync_until).min().unwrap_or(Instant::NEVER)
    }
}

/// Generations are never negative.
const fn next_generation(generation: i32) -> i32 {
    match generation.checked_add(1) {
        Some(next) => next,
        None => 1,
    }
}
