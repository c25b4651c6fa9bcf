//! One group as a state machine: who may join, sync, live, leave and commit, in which state.
//!
//! ```text
//!              join                        every member has joined, or the rebalance
//!   Empty ─────────────▶ PreparingRebalance ─────────▶ CompletingRebalance      timeout is over: complete_join
//!     ▲                   ▲   │        ▲                │            │
//!     │     complete_join,│   │        │ join, leave,   │            │ sync of the leader
//!     └── no member is ───┼───┘        │ expire         ▼            │
//!         left            │            └────────────────┘            ▼
//!                         └─────────────────────────────────────── Stable
//!                            join (leader, newcomer, other protocols), leave, expire
//!
//!   Dead: deleted, expired or never there; such a group is not in the collection.
//! ```
//!
//! **Why the server only counts heads.** Partitions are shared out by the member that is chosen as leader, in bytes that
//! the broker never reads. All it does is gather who is there (join), number the gathering (generation), and hand the
//! leader's decision round (sync). Whoever speaks of an older generation is told so.
//!
//! Error codes and their order are those of Kafka 4.4's coordinator for the classic protocol. Neighbours:
//! [`super::rebalance`] has the passages between states, [`super::Groups`] the collection. Not here: KIP-848's protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::answers::{GroupDescription, JoinAnswer, JoinedMember, MemberDescription, SyncAnswer};
use super::events::GroupEvent;
use super::member::{Join, Member, Slot, Ticket};
use super::offsets::Offsets;
use super::settings::GroupSettings;
use crate::broker::cluster::Now;
use crate::broker::events::{BrokerEvent, EventKind};
use crate::error::ErrorCode;
use crate::time::Instant;

/// What surrounds a step: the time, the settings, and where events go.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) now: Now,
    pub(super) settings: &'a GroupSettings,
    pub(super) events: &'a mut Vec<BrokerEvent>,
}

impl Turn<'_> {
    pub(super) fn note(&mut self, group: &Arc<str>, what: GroupEvent) {
        let kind = EventKind::Group { group: Arc::clone(group), what };
        self.events.push(BrokerEvent::new(kind, self.now.wall_ms));
    }
}

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has no members; perhaps offsets.
    Empty,
    /// Members are waited for until then.
    PreparingRebalance { until: Instant, initial: Option<InitialDelay> },
    /// The leader is waited for.
    CompletingRebalance,
    /// Each member has its part.
    Stable,
}

/// The first gathering of a group that was empty, which may wait for more members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// How much longer it may be put off.
    pub(super) left: std::time::Duration,
    /// Whether somebody came since it was put off last.
    pub(super) saw_newcomer: bool,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) id: Arc<str>,
    pub(super) state: State,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<Arc<str>>,
    pub(super) protocol: Option<Arc<str>>,
    pub(super) leader: Option<Arc<str>>,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    /// Static members' ids by their `group.instance.id`.
    pub(super) statics: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids given out whose owners must come back until then (KIP-394).
    pub(super) pending: BTreeMap<Arc<str>, Instant>,
    /// Until when members may owe their sync.
    pub(super) sync_until: Option<Instant>,
    pub(super) offsets: Offsets,
    /// Since when it has no members, by the wall clock.
    pub(super) empty_since_ms: i64,
}

/// What a sync says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// Who asks.
    pub member: MemberRef,
    /// Checked if it is there (from version 5 on).
    pub protocol_type: Option<String>,
    /// Checked if it is there (from version 5 on).
    pub protocol: Option<String>,
    /// The leader's decision: each member's part. Others send none.
    pub assignments: Vec<(String, Bytes)>,
}

/// How a member names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRef {
    /// The id that it was given.
    pub id: String,
    /// Its `group.instance.id`, if it is a static one.
    pub instance_id: Option<String>,
    /// The generation that it believes in; -1 without one.
    pub generation: i32,
}

/// How long a new member may wait for its first answer. It does not know its id yet, so nothing else would tell that it
/// is gone (Kafka's `group.new.member.join.timeout`, fixed at five minutes).
const NEW_MEMBER_JOIN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(300);

impl Group {
    pub(super) fn new(id: &str, now_ms: i64) -> Self {
        Self {
            id: Arc::from(id),
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            sync_until: None,
            offsets: Offsets::default(),
            empty_since_ms: now_ms,
        }
    }

    /// A join. `None`: the member waits under this ticket, or has its answer already.
    pub(super) fn join(&mut self, join: &Join, ticket: Ticket, turn: &mut Turn<'_>) -> Option<JoinAnswer> {
        let refused = |code| Some(JoinAnswer::refused(code, &join.member_id));
        if !self.has_room_for(join, turn.settings) {
            return refused(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.can_work_with(join) {
            return refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if join.member_id.is_empty() {
            return self.join_without_id(join, ticket, turn);
        }
        if let Some((id, _)) = self.pending.remove_entry(join.member_id.as_str()) {
            self.add(id, join, ticket, turn);
            return None;
        }
        match self.check_member(&join.member_id, join.instance_id.as_deref()) {
            Err(code) => refused(code),
            Ok(()) => self.rejoin(join, ticket, turn),
        }
    }

    fn has_room_for(&self, join: &Join, settings: &GroupSettings) -> bool {
        let is_known = self.members.contains_key(join.member_id.as_str())
            || self.pending.contains_key(join.member_id.as_str())
            || join.instance_id.as_deref().is_some_and(|id| self.statics.contains_key(id));
        is_known || self.members.len().saturating_add(self.pending.len()) < settings.max_members
    }

    /// Whether what the member knows leaves the group with a protocol that all know.
    fn can_work_with(&self, join: &Join) -> bool {
        if self.members.is_empty() {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(join.protocol_type.as_str())
            && join.protocols.iter().any(|protocol| self.is_known_to_all(&protocol.name))
    }

    pub(super) fn is_known_to_all(&self, protocol: &str) -> bool {
        self.members.values().all(|member| member.knows(protocol))
    }

    fn join_without_id(&mut self, join: &Join, ticket: Ticket, turn: &mut Turn<'_>) -> Option<JoinAnswer> {
        let named = join.instance_id.as_deref().unwrap_or(&join.client_id);
        let id: Arc<str> = Arc::from(format!("{named}-{}", join.fresh));
        let instance = join.instance_id.as_deref();
        if let Some(before) = instance.and_then(|instance| self.statics.get(instance)).cloned() {
            return self.replace_static(&before, &id, join, ticket, turn);
        }
        if instance.is_none() && join.needs_known_id {
            #[allow(clippy::arithmetic_side_effects, reason = "points in time saturate")]
            self.pending.insert(Arc::clone(&id), turn.now.instant + join.session_timeout);
            return Some(JoinAnswer::refused(ErrorCode::MEMBER_ID_REQUIRED, &id));
        }
        self.add(id, join, ticket, turn);
        None
    }

    fn add(&mut self, id: Arc<str>, join: &Join, ticket: Ticket, turn: &mut Turn<'_>) {
        #[allow(clippy::arithmetic_side_effects, reason = "points in time saturate")]
        let alive_until = turn.now.instant + NEW_MEMBER_JOIN_TIMEOUT;
        let member = Member::new(Arc::clone(&id), join, ticket, alive_until);
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::from(join.protocol_type.as_str()));
            self.leader = Some(Arc::clone(&id));
        }
        if let Some(instance) = &member.instance_id {
            self.statics.insert(Arc::clone(instance), Arc::clone(&id));
        }
        self.members.insert(Arc::clone(&id), member);
        if let State::PreparingRebalance { initial: Some(initial), .. } = &mut self.state {
            initial.saw_newcomer = true;
        }
        turn.note(&self.id, GroupEvent::MemberJoined { member: id, members: self.members.len() });
        self.prepare_or_complete("a member joined", turn);
    }

    /// A static member came back without its id: its new one takes the old one's place, and if nothing else changed the
    /// group goes on without a rebalance (KIP-345).
    fn replace_static(
        &mut self,
        before: &Arc<str>,
        id: &Arc<str>,
        join: &Join,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) -> Option<JoinAnswer> {
        let old = self.members.remove(before)?;
        let leader_before = self.leader.clone();
        let mut member = Member::new(Arc::clone(id), join, ticket, Instant::ZERO);
        member.assignment = old.assignment;
        member.is_new = false;
        member.owes_sync = old.owes_sync;
        member.seen(turn.now.instant);
        if let Some(instance) = &member.instance_id {
            self.statics.insert(Arc::clone(instance), Arc::clone(id));
        }
        if leader_before.as_ref() == Some(before) {
            self.leader = Some(Arc::clone(id));
        }
        self.members.insert(Arc::clone(id), member);
        let members = self.members.len();
        turn.note(&self.id, GroupEvent::MemberJoined { member: Arc::clone(id), members });
        if self.state == State::Stable && self.select_protocol() == self.protocol {
            if let Some(member) = self.members.get_mut(id) {
                member.join = Slot::Idle;
            }
            // It is told of the leader before, so that it does not take itself for one and share out anew.
            let leader = leader_before.unwrap_or_else(|| Arc::from(""));
            return Some(JoinAnswer { leader, members: Vec::new(), ..self.answer_for(id) });
        }
        self.prepare_or_complete("a static member came back", turn);
        None
    }

    fn rejoin(&mut self, join: &Join, ticket: Ticket, turn: &mut Turn<'_>) -> Option<JoinAnswer> {
        let is_leader = self.leader.as_deref() == Some(join.member_id.as_str());
        let member = self.members.get_mut(join.member_id.as_str())?;
        let is_same = member.protocols == join.protocols;
        let missed_the_answer = match self.state {
            State::PreparingRebalance { .. } => false,
            // It did not get the answer that we sent.
            State::CompletingRebalance => is_same,
            // A leader that joins again wants to share out anew.
            State::Stable => is_same && !is_leader,
            State::Empty => {
                return Some(JoinAnswer::refused(ErrorCode::UNKNOWN_MEMBER_ID, &join.member_id));
            }
        };
        if missed_the_answer {
            member.seen(turn.now.instant);
            let id = Arc::clone(&member.id);
            return Some(self.answer_for(&id));
        }
        member.update(join);
        member.join = Slot::Waiting(ticket);
        let why = if is_leader { "the leader joined again" } else { "a member joined again" };
        self.prepare_or_complete(why, turn);
        None
    }

    /// The answer of this generation for one member.
    pub(super) fn answer_for(&self, member: &Arc<str>) -> JoinAnswer {
        let is_leader = self.leader.as_ref() == Some(member);
        JoinAnswer {
            code: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| Arc::from("")),
            member_id: Arc::clone(member),
            members: if is_leader { self.joined_members() } else { Vec::new() },
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let joined = self.members.values().map(|member| JoinedMember {
            id: Arc::clone(&member.id),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        });
        joined.collect()
    }

    /// Whether the member is one, and if it is static, the one that bears its name now.
    pub(super) fn check_member(&self, id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        let Some(instance) = instance else {
            let is_member = self.members.contains_key(id);
            return if is_member { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        };
        match self.statics.get(instance) {
            None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(current) if &**current == id => Ok(()),
            Some(_) => Err(ErrorCode::FENCED_INSTANCE_ID),
        }
    }

    fn check_generation(&self, member: &MemberRef) -> Result<(), ErrorCode> {
        self.check_member(&member.id, member.instance_id.as_deref())?;
        if member.generation == self.generation { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
    }

    /// A sync. `None`: the member waits under this ticket, or has its answer already.
    pub(super) fn sync(&mut self, sync: &Sync, ticket: Ticket, turn: &Turn<'_>) -> Option<SyncAnswer> {
        let refused = |code| Some(SyncAnswer::refused(code));
        if let Err(code) = self.check_generation(&sync.member) {
            return refused(code);
        }
        let differs = |said: &Option<String>, is: &Option<Arc<str>>| {
            said.as_deref().is_some_and(|said| is.as_deref() != Some(said))
        };
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.state {
            State::Empty => refused(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance { .. } => refused(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance => {
                let is_leader = self.leader.as_deref() == Some(sync.member.id.as_str());
                let member = self.members.get_mut(sync.member.id.as_str())?;
                member.owes_sync = false;
                member.sync = Slot::Waiting(ticket);
                if is_leader {
                    self.hand_out(&sync.assignments, turn);
                }
                None
            }
            State::Stable => {
                let member = self.members.get_mut(sync.member.id.as_str())?;
                member.owes_sync = false;
                member.seen(turn.now.instant);
                let assignment = member.assignment.clone();
                Some(self.part(assignment))
            }
        }
    }

    /// The leader's decision: each member's part; who got none has an empty one.
    fn hand_out(&mut self, assignments: &[(String, Bytes)], turn: &Turn<'_>) {
        self.state = State::Stable;
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(id.as_str()) {
                // Copied, or it would keep the whole frame in memory.
                member.assignment = Bytes::copy_from_slice(assignment);
            }
        }
        let part = self.part(Bytes::new());
        for member in self.members.values_mut().filter(|member| member.sync.is_waiting()) {
            member.sync.answer(SyncAnswer { assignment: member.assignment.clone(), ..part.clone() });
            member.seen(turn.now.instant);
        }
    }

    fn part(&self, assignment: Bytes) -> SyncAnswer {
        SyncAnswer {
            code: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    /// A sign of life.
    pub(super) fn heartbeat(&mut self, member: &MemberRef, now: Instant) -> ErrorCode {
        if let Err(code) = self.check_generation(member) {
            return code;
        }
        if let Some(found) = self.members.get_mut(member.id.as_str()) {
            found.seen(now);
        }
        match self.state {
            State::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            State::PreparingRebalance { .. } => ErrorCode::REBALANCE_IN_PROGRESS,
            // Members may begin with heartbeats as soon as they have joined.
            State::CompletingRebalance | State::Stable => ErrorCode::NONE,
        }
    }

    /// A member goes, or is made to go by its `group.instance.id` alone.
    pub(super) fn leave(&mut self, id: &str, instance: Option<&str>, turn: &mut Turn<'_>) -> ErrorCode {
        if self.pending.remove(id).is_some() {
            self.complete_if_all_joined(turn);
            return ErrorCode::NONE;
        }
        let current = instance.and_then(|instance| self.statics.get(instance)).cloned();
        let id = match current {
            Some(current) if id.is_empty() => current,
            _ => match self.check_member(id, instance) {
                Ok(()) => Arc::from(id),
                Err(code) => return code,
            },
        };
        self.remove(&id, "it left", turn);
        self.after_removal("a member left", turn);
        ErrorCode::NONE
    }

    /// Whether a commit may be made; a member's session goes on with it.
    pub(super) fn check_commit(&mut self, member: &MemberRef, now: Instant) -> Result<(), ErrorCode> {
        let is_empty = self.state == State::Empty;
        if member.generation < 0 && is_empty {
            // Nobody's group: a consumer without subscription, or a tool that sets offsets.
            return Ok(());
        }
        if member.generation < 0 && member.id.is_empty() && member.instance_id.is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_generation(member)?;
        if self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        if let Some(found) = self.members.get_mut(member.id.as_str()) {
            found.seen(now);
        }
        Ok(())
    }

    /// The member whose join has this ticket, answered or not.
    pub(super) fn member_waiting_with(&self, ticket: Ticket) -> Option<Arc<str>> {
        let has_ticket = |member: &&Member| match &member.join {
            Slot::Idle => false,
            Slot::Waiting(waiting) | Slot::Ready(waiting, _) => *waiting == ticket,
        };
        self.members.values().find(has_ticket).map(|member| Arc::clone(&member.id))
    }

    /// What to tell a connection whose member is not here any more.
    pub(super) fn why_gone(&self, instance: Option<&str>) -> ErrorCode {
        // Another one bears its name now.
        let is_fenced = instance.is_some_and(|instance| self.statics.contains_key(instance));
        if is_fenced { ErrorCode::FENCED_INSTANCE_ID } else { ErrorCode::UNKNOWN_MEMBER_ID }
    }

    /// The state's name, as Kafka has it.
    pub(super) const fn state_name(&self) -> &'static str {
        match self.state {
            State::Empty => "Empty",
            State::PreparingRebalance { .. } => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }

    pub(super) fn describe(&self) -> GroupDescription {
        let is_stable = self.state == State::Stable;
        let protocol = self.protocol.clone().filter(|_| is_stable).unwrap_or_else(|| Arc::from(""));
        let of_stable = |bytes: Bytes| if is_stable { bytes } else { Bytes::new() };
        let members = self.members.values().map(|member| MemberDescription {
            id: Arc::clone(&member.id),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: of_stable(member.metadata(&protocol)),
            assignment: of_stable(member.assignment.clone()),
        });
        GroupDescription {
            state: self.state_name(),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| Arc::from("")),
            members: members.collect(),
            protocol,
        }
    }

    /// What the group costs; roughly.
    pub(super) fn bytes(&self) -> usize {
        let pending = self.pending.keys().map(|id| id.len().saturating_add(PENDING_BYTES));
        let members = self.members.values().map(Member::bytes);
        pending
            .chain(members)
            .fold(GROUP_BYTES.saturating_add(self.id.len()), usize::saturating_add)
            .saturating_add(self.offsets.bytes())
    }
}

/// Bytes that a group costs besides what is in it; roughly.
const GROUP_BYTES: usize = 512;
/// Bytes that an id given out costs besides its text; roughly.
const PENDING_BYTES: usize = 64;
