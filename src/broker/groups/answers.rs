//! What the coordinator answers: to joins and syncs, and to who asks about groups.
//!
//! **Why apart from the bytes.** The same answer is spelt differently in each version; what it says is decided once, here
//! as plain values. Neighbours: [`super::group`] makes them, [`crate::broker::handlers`] writes them. Not here: layouts.

use std::sync::Arc;

use bytes::Bytes;

use super::member::Ticket;
use crate::error::ErrorCode;

/// An answer now, or a ticket to come back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// Send this.
    Now(T),
    /// Ask again with this, when something changed.
    Later(Ticket),
}

/// What is answered to a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinAnswer {
    /// 0, or why not.
    pub code: ErrorCode,
    /// The generation; -1 without one.
    pub generation: i32,
    /// What kind of group it is.
    pub protocol_type: Option<Arc<str>>,
    /// How partitions are to be shared.
    pub protocol: Option<Arc<str>>,
    /// The member that shares them out; empty without one.
    pub leader: Arc<str>,
    /// The id of the member that asked.
    pub member_id: Arc<str>,
    /// For the leader, all members; else empty.
    pub members: Vec<JoinedMember>,
}

/// A member, as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: Arc<str>,
    /// Its `group.instance.id`, if it is a static one.
    pub instance_id: Option<Arc<str>>,
    /// Its subscription.
    pub metadata: Bytes,
}

impl JoinAnswer {
    /// A refusal, with the id that the member has or shall have.
    #[must_use]
    pub fn refused(code: ErrorCode, member_id: &str) -> Self {
        Self {
            code,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: Arc::from(""),
            member_id: Arc::from(member_id),
            members: Vec::new(),
        }
    }
}

/// What is answered to a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncAnswer {
    /// 0, or why not.
    pub code: ErrorCode,
    /// What kind of group it is.
    pub protocol_type: Option<Arc<str>>,
    /// How partitions were shared.
    pub protocol: Option<Arc<str>>,
    /// The member's part, in a form that only clients understand.
    pub assignment: Bytes,
}

impl SyncAnswer {
    /// A refusal.
    #[must_use]
    pub const fn refused(code: ErrorCode) -> Self {
        Self { code, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its name.
    pub id: Arc<str>,
    /// The state's name, as Kafka has it.
    pub state: &'static str,
    /// What kind of group it is; empty if only offsets were ever committed.
    pub protocol_type: Arc<str>,
    /// How many members it has.
    pub members: usize,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// The state's name, as Kafka has it; `Dead` if there is no such group.
    pub state: &'static str,
    /// What kind of group it is.
    pub protocol_type: Arc<str>,
    /// How partitions are shared; empty unless the group is stable.
    pub protocol: Arc<str>,
    /// Its members, by id.
    pub members: Vec<MemberDescription>,
}

impl GroupDescription {
    /// What there is to say about a group that is not there.
    #[must_use]
    pub fn dead() -> Self {
        let empty: Arc<str> = Arc::from("");
        Self { state: "Dead", protocol_type: Arc::clone(&empty), protocol: empty, members: Vec::new() }
    }
}

/// A member of a described group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub id: Arc<str>,
    /// Its `group.instance.id`, if it is a static one.
    pub instance_id: Option<Arc<str>>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// Its subscription; empty unless the group is stable.
    pub metadata: Bytes,
    /// Its part; empty unless the group is stable.
    pub assignment: Bytes,
}
