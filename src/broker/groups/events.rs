//! What happens in consumer groups, for the broker's event bus.
//!
//! **Why it exists.** A rebalance is the least understood thing that a consumer does; a client sees only that it must join
//! again. The coordinator knows who came, who went and why, and says so here.
//!
//! Neighbours: [`crate::broker::events`] carries these. Not here: subscribers.

use std::sync::Arc;

/// What happened in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// A member joined.
    MemberJoined {
        /// Its id.
        member: Arc<str>,
        /// How many members the group has now.
        members: usize,
    },
    /// A member is not in the group any more.
    MemberLeft {
        /// Its id.
        member: Arc<str>,
        /// Why, in words.
        why: Arc<str>,
    },
    /// The group gathers its members to share out partitions anew.
    RebalanceStarted {
        /// Why, in words.
        why: Arc<str>,
    },
    /// The gathering is over: a new generation, or an empty group.
    Rebalanced {
        /// The generation that begins.
        generation: i32,
        /// How many members it has.
        members: usize,
        /// How partitions are shared; empty without members.
        protocol: Arc<str>,
    },
    /// The group committed an offset that is another than before; the event's offset is the next that it will read.
    OffsetCommitted,
    /// The group went, with its offsets.
    Forgotten {
        /// Why, in words.
        why: Arc<str>,
    },
}

impl GroupEvent {
    /// The event's name, stable, for timelines and filters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MemberJoined { .. } => "group_member_joined",
            Self::MemberLeft { .. } => "group_member_left",
            Self::RebalanceStarted { .. } => "group_rebalance_started",
            Self::Rebalanced { .. } => "group_rebalanced",
            Self::OffsetCommitted => "offset_committed",
            Self::Forgotten { .. } => "group_forgotten",
        }
    }

    /// The reason in words; `offset` is the event's.
    #[must_use]
    pub fn reason(&self, group: &str, offset: i64) -> String {
        match self {
            Self::MemberJoined { member, members } => {
                format!("{member} joined group {group}, which has {members} members now")
            }
            Self::MemberLeft { member, why } => format!("{member} is out of group {group}: {why}"),
            Self::RebalanceStarted { why } => {
                format!("group {group} gathers its members to share out partitions anew: {why}")
            }
            Self::Rebalanced { members: 0, .. } => {
                format!("group {group} has no members any more; its offsets are kept")
            }
            Self::Rebalanced { generation, members, protocol } => {
                format!(
                    "group {group} is in generation {generation}: {members} members share partitions by {protocol}"
                )
            }
            Self::OffsetCommitted => {
                format!("group {group} committed offset {offset}, the next that it will read")
            }
            Self::Forgotten { why } => format!("group {group} was forgotten, with its offsets: {why}"),
        }
    }
}
