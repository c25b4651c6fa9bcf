//! Consumer groups: who is in which group, who reads what, and how far each group has read.
//!
//! **Why the broker has them.** Kafka's console consumer always joins a group unless it is told a partition, and so do
//! most clients; without a coordinator a lab's own commands would not read a record.
//!
//! ```text
//!   handlers/groups ──▶ Groups ──▶ group.rs      the state machine's doors: join, sync, heartbeat, leave, commit
//!                          │        rebalance.rs  from one generation to the next, and what time does
//!                          │        member.rs     who waits for which answer
//!                          │        offsets.rs    what was committed
//!                          └ limits, and when the next deadline is
//! ```
//!
//! All of it is pure: time is handed in, and who must wait gets a [`Ticket`] to come back with after [`Groups::changes`]
//! has moved. The server calls [`Groups::tick`] at [`Groups::next_deadline`].
//!
//! Neighbours: [`super::cluster`] holds it. Not here: bytes, connections, KIP-848's new protocol, and persistence: groups
//! go with the process, as records do.

mod answers;
mod events;
mod group;
mod member;
mod offsets;
mod rebalance;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use answers::{
    GroupDescription, GroupListing, JoinAnswer, JoinedMember, MemberDescription, Outcome, SyncAnswer,
};
pub use events::GroupEvent;
pub use group::{MemberRef, Sync};
pub use member::{Join, Protocol, Ticket};
pub use offsets::{CommittedOffset, Offsets};
pub use settings::GroupSettings;

use self::group::{Group, State, Turn};
use self::member::Found;
use super::cluster::Now;
use super::events::{BrokerEvent, EventKind};
use crate::error::ErrorCode;
use crate::time::Instant;

/// An offset that is to be committed, for a partition that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read; -1 if the client did not say.
    pub leader_epoch: i32,
    /// Whatever the client wishes to keep with it.
    pub metadata: String,
}

/// A group and when it next has something to do.
#[derive(Debug)]
struct Entry {
    group: Group,
    /// Never later than the group's own deadline; heartbeats only make that later.
    wake_at: Instant,
}

/// All groups.
#[derive(Debug)]
pub struct Groups {
    settings: GroupSettings,
    entries: BTreeMap<Arc<str>, Entry>,
    bytes: usize,
    next_ticket: u64,
    changes: u64,
    events: Vec<BrokerEvent>,
}

/// How long a group without members and without offsets is remembered. Kafka looks every ten minutes.
const EMPTY_GROUP_KEPT_MS: i64 = 600_000;

impl Groups {
    /// No groups.
    #[must_use]
    pub const fn new(settings: GroupSettings) -> Self {
        Self { settings, entries: BTreeMap::new(), bytes: 0, next_ticket: 0, changes: 0, events: Vec::new() }
    }

    /// What it was told.
    #[must_use]
    pub const fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    /// Moves whenever a waiting answer may be ready or a deadline may have come nearer.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// What all groups cost together, roughly; bounded by [`GroupSettings::max_bytes`].
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<BrokerEvent> {
        std::mem::take(&mut self.events)
    }

    /// A member joins, or joins again.
    pub fn join(&mut self, group: &str, join: &Join, now: Now) -> Outcome<JoinAnswer> {
        let refused = |code| Outcome::Now(JoinAnswer::refused(code, &join.member_id));
        let session = join.session_timeout;
        if group.is_empty() {
            return refused(ErrorCode::INVALID_GROUP_ID);
        }
        if session < self.settings.min_session_timeout || session > self.settings.max_session_timeout {
            return refused(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        if join.bytes() > self.settings.max_member_bytes {
            // Kafka cannot store it either, and says no more than this.
            return refused(ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        if !self.entries.contains_key(group) && !join.member_id.is_empty() {
            return refused(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if !self.make_room(group, join.bytes(), now) {
            return refused(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        let ticket = self.ticket();
        let refusal = self.with_group(group, now, |group, turn| group.join(join, ticket, turn));
        if let Some(Some(answer)) = refusal {
            self.drop_if_unused(group);
            return Outcome::Now(answer);
        }
        // A new member does not know its id yet; its ticket does.
        let id = self.entries.get(group).and_then(|entry| entry.group.member_waiting_with(ticket));
        let id = id.unwrap_or_else(|| Arc::from(join.member_id.as_str()));
        match self.take_join(group, &id, join.instance_id.as_deref(), ticket) {
            Some(answer) => Outcome::Now(answer),
            None => Outcome::Later(ticket),
        }
    }

    /// The id of the member whose join has this ticket.
    #[must_use]
    pub fn member_waiting_with(&self, group: &str, ticket: Ticket) -> Option<Arc<str>> {
        self.entries.get(group)?.group.member_waiting_with(ticket)
    }

    /// The answer to a join that had to wait, if there is one by now.
    pub fn take_join(
        &mut self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        ticket: Ticket,
    ) -> Option<JoinAnswer> {
        let code = match self.entries.get_mut(group) {
            None => ErrorCode::UNKNOWN_MEMBER_ID,
            Some(entry) => match entry.group.members.get_mut(member) {
                None => entry.group.why_gone(instance),
                Some(found) => match found.join.take(ticket) {
                    Found::Nothing => return None,
                    Found::Answer(answer) => return Some(answer),
                    Found::Replaced => ErrorCode::REBALANCE_IN_PROGRESS,
                },
            },
        };
        Some(JoinAnswer::refused(code, member))
    }

    /// A member asks for its part, or hands out everybody's.
    pub fn sync(&mut self, group: &str, sync: &Sync, now: Now) -> Outcome<SyncAnswer> {
        let refused = |code| Outcome::Now(SyncAnswer::refused(code));
        if group.is_empty() {
            return refused(ErrorCode::INVALID_GROUP_ID);
        }
        let added = sync.assignments.iter().fold(0_usize, |sum, (_, part)| sum.saturating_add(part.len()));
        if self.bytes.saturating_add(added) > self.settings.max_bytes && !self.make_room(group, added, now) {
            return refused(ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        let ticket = self.ticket();
        match self.with_group(group, now, |group, turn| group.sync(sync, ticket, turn)) {
            None => return refused(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(Some(answer)) => return Outcome::Now(answer),
            Some(None) => {}
        }
        match self.take_sync(group, &sync.member.id, sync.member.instance_id.as_deref(), ticket) {
            Some(answer) => Outcome::Now(answer),
            None => Outcome::Later(ticket),
        }
    }

    /// The answer to a sync that had to wait, if there is one by now.
    pub fn take_sync(
        &mut self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        ticket: Ticket,
    ) -> Option<SyncAnswer> {
        let code = match self.entries.get_mut(group) {
            None => ErrorCode::UNKNOWN_MEMBER_ID,
            Some(entry) => match entry.group.members.get_mut(member) {
                None => entry.group.why_gone(instance),
                Some(found) => match found.sync.take(ticket) {
                    Found::Nothing => return None,
                    Found::Answer(answer) => return Some(answer),
                    Found::Replaced => ErrorCode::REBALANCE_IN_PROGRESS,
                },
            },
        };
        Some(SyncAnswer::refused(code))
    }

    /// A sign of life.
    pub fn heartbeat(&mut self, group: &str, member: &MemberRef, now: Now) -> ErrorCode {
        if group.is_empty() {
            return ErrorCode::INVALID_GROUP_ID;
        }
        match self.entries.get_mut(group) {
            None => ErrorCode::UNKNOWN_MEMBER_ID,
            Some(entry) => entry.group.heartbeat(member, now.instant),
        }
    }

    /// Members go; one code for each.
    pub fn leave(&mut self, group: &str, members: &[MemberRef], now: Now) -> Vec<ErrorCode> {
        let left = self.with_group(group, now, |group, turn| {
            let one = |member: &MemberRef| group.leave(&member.id, member.instance_id.as_deref(), turn);
            members.iter().map(one).collect()
        });
        left.unwrap_or_else(|| vec![ErrorCode::UNKNOWN_MEMBER_ID; members.len()])
    }

    /// Whether this member may commit. A group that is not there is made by a commit without a generation.
    ///
    /// # Errors
    /// The code for every partition of the commit.
    pub fn check_commit(&mut self, group: &str, member: &MemberRef, now: Now) -> Result<(), ErrorCode> {
        match self.entries.get_mut(group) {
            Some(entry) => entry.group.check_commit(member, now.instant),
            None if member.generation < 0 => Ok(()),
            None => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    /// Commits offsets, after [`Self::check_commit`]; one code for each.
    pub fn commit(&mut self, group: &str, offsets: &[OffsetToCommit], now: Now) -> Vec<ErrorCode> {
        offsets.iter().map(|offset| self.commit_one(group, offset, now)).collect()
    }

    fn commit_one(&mut self, id: &str, offset: &OffsetToCommit, now: Now) -> ErrorCode {
        if offset.metadata.len() > self.settings.max_offset_metadata_bytes {
            return ErrorCode::OFFSET_METADATA_TOO_LARGE;
        }
        let cost = Offsets::cost(&offset.topic, offset.metadata.len());
        if !self.make_room(id, cost, now) {
            return ErrorCode::INVALID_COMMIT_OFFSET_SIZE;
        }
        let Some(entry) = self.entries.get_mut(id) else { return ErrorCode::UNKNOWN_SERVER_ERROR };
        let committed = CommittedOffset {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: offset.metadata.clone(),
            committed_at_ms: now.wall_ms,
        };
        let before = entry.group.offsets.bytes();
        let is_news = entry.group.offsets.commit(&offset.topic, offset.partition, committed);
        self.bytes = self.bytes.saturating_sub(before).saturating_add(entry.group.offsets.bytes());
        if is_news {
            let kind =
                EventKind::Group { group: Arc::clone(&entry.group.id), what: GroupEvent::OffsetCommitted };
            let event = BrokerEvent::new(kind, now.wall_ms).on(&offset.topic, Some(offset.partition));
            self.events.push(event.at(offset.offset, None));
        }
        ErrorCode::NONE
    }

    /// What a group committed; `None` if there is no such group.
    #[must_use]
    pub fn offsets(&self, group: &str) -> Option<&Offsets> {
        self.entries.get(group).map(|entry| &entry.group.offsets)
    }

    /// All groups, by name.
    pub fn list(&self) -> impl Iterator<Item = GroupListing> {
        self.entries.values().map(|entry| GroupListing {
            id: Arc::clone(&entry.group.id),
            state: entry.group.state_name(),
            protocol_type: entry.group.protocol_type.clone().unwrap_or_else(|| Arc::from("")),
            members: entry.group.members.len(),
        })
    }

    /// A group with its members; one that is not there is `Dead`.
    #[must_use]
    pub fn describe(&self, group: &str) -> GroupDescription {
        self.entries.get(group).map_or_else(GroupDescription::dead, |entry| entry.group.describe())
    }

    /// Deletes a group with its offsets, if it has no members.
    pub fn delete(&mut self, group: &str, now: Now) -> ErrorCode {
        match self.entries.get(group) {
            None => ErrorCode::GROUP_ID_NOT_FOUND,
            Some(entry) if entry.group.state != State::Empty => ErrorCode::NON_EMPTY_GROUP,
            Some(_) => {
                self.forget(group, "it was deleted", now);
                ErrorCode::NONE
            }
        }
    }

    /// A topic was deleted, and what was committed for it goes.
    pub fn forget_topic(&mut self, topic: &str) {
        for entry in self.entries.values_mut() {
            let before = entry.group.offsets.bytes();
            entry.group.offsets.forget_topic(topic);
            self.bytes = self.bytes.saturating_sub(before).saturating_add(entry.group.offsets.bytes());
        }
    }

    /// When [`Self::tick`] has something to do at the earliest.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.entries.values().map(|entry| entry.wake_at).min().unwrap_or(Instant::NEVER)
    }

    /// What time does to groups that are due.
    pub fn tick(&mut self, now: Now) {
        let due = self.entries.values().filter(|entry| entry.wake_at <= now.instant);
        let due: Vec<Arc<str>> = due.map(|entry| Arc::clone(&entry.group.id)).collect();
        for id in due {
            self.with_group(&id, now, Group::tick);
        }
    }

    /// Forgets offsets that are too old, and groups that have nothing left. To be called now and then.
    pub fn sweep(&mut self, now: Now) {
        let retention = i64::try_from(self.settings.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let mut over = Vec::new();
        for (id, entry) in &mut self.entries {
            let group = &mut entry.group;
            if group.state != State::Empty {
                continue;
            }
            let before = group.offsets.bytes();
            // Of a group that had members the time counts from when the last one left (KIP-211).
            let empty_since = group.protocol_type.as_ref().map_or(i64::MIN, |_| group.empty_since_ms);
            group.offsets.retain(|committed| {
                now.wall_ms.saturating_sub(committed.committed_at_ms.max(empty_since)) < retention
            });
            self.bytes = self.bytes.saturating_sub(before).saturating_add(group.offsets.bytes());
            let is_old = now.wall_ms.saturating_sub(group.empty_since_ms) >= EMPTY_GROUP_KEPT_MS;
            if is_old && group.offsets.is_empty() && group.pending.is_empty() {
                over.push(Arc::clone(id));
            }
        }
        for id in over {
            self.forget(&id, "it has neither members nor offsets", now);
        }
    }

    /// Does something with a group that is there, and keeps count of what it costs.
    fn with_group<T>(
        &mut self,
        id: &str,
        now: Now,
        change: impl FnOnce(&mut Group, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let entry = self.entries.get_mut(id)?;
        let before = entry.group.bytes();
        let mut turn = Turn { now, settings: &self.settings, events: &mut self.events };
        let result = change(&mut entry.group, &mut turn);
        entry.wake_at = entry.group.next_deadline();
        self.bytes = self.bytes.saturating_sub(before).saturating_add(entry.group.bytes());
        self.changes = self.changes.wrapping_add(1);
        Some(result)
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        Ticket(self.next_ticket)
    }

    /// Makes the group if it is not there, and room for so many bytes, at the cost of groups that are empty for longest.
    fn make_room(&mut self, id: &str, bytes: usize, now: Now) -> bool {
        let is_there = self.entries.contains_key(id);
        let new = if is_there { None } else { Some(Group::new(id, now.wall_ms)) };
        let added = bytes.saturating_add(new.as_ref().map_or(0, Group::bytes));
        while self.bytes.saturating_add(added) > self.settings.max_bytes
            || (!is_there && self.entries.len() >= self.settings.max_groups)
        {
            let empty = self.entries.values().filter(|entry| {
                entry.group.state == State::Empty && entry.group.pending.is_empty() && *entry.group.id != *id
            });
            let Some(oldest) = empty.min_by_key(|entry| entry.group.empty_since_ms) else { return false };
            let oldest = Arc::clone(&oldest.group.id);
            self.forget(&oldest, "there was no more room for groups, and it was empty for longest", now);
        }
        if let Some(group) = new {
            self.bytes = self.bytes.saturating_add(group.bytes());
            let entry = Entry { group, wake_at: Instant::NEVER };
            self.entries.insert(Arc::clone(&entry.group.id), entry);
        }
        true
    }

    /// A refused join must not leave a group behind.
    fn drop_if_unused(&mut self, id: &str) {
        let is_unused = |group: &Group| {
            group.generation == 0
                && group.members.is_empty()
                && group.pending.is_empty()
                && group.offsets.is_empty()
        };
        if self.entries.get(id).is_some_and(|entry| is_unused(&entry.group))
            && let Some(entry) = self.entries.remove(id)
        {
            self.bytes = self.bytes.saturating_sub(entry.group.bytes());
        }
    }

    fn forget(&mut self, id: &str, why: &str, now: Now) {
        let Some(entry) = self.entries.remove(id) else { return };
        self.bytes = self.bytes.saturating_sub(entry.group.bytes());
        self.changes = self.changes.wrapping_add(1);
        let what = GroupEvent::Forgotten { why: Arc::from(why) };
        let kind = EventKind::Group { group: entry.group.id, what };
        self.events.push(BrokerEvent::new(kind, now.wall_ms));
    }
}
