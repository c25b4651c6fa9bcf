//! What the group coordinator is told once: times as Kafka's, and bounds that Kafka does not have.
//!
//! **Why bounds.** Whoever reaches the port may name groups, join them and commit offsets. A broker in one's own process
//! must cost a known amount of memory whatever strangers say, so each collection has a limit with a name.
//!
//! Neighbours: [`crate::broker::BrokerConfig`] carries it, [`super::Groups`] and [`super::group`] obey. Not here: what
//! happens at a limit; that stands where it is checked.

use std::time::Duration;

/// Settings of the group coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSettings {
    /// How long an empty group waits for more members after its first one (`group.initial.rebalance.delay.ms`). Kafka
    /// waits 3 s so that a deployment that starts does not rebalance once per instance; a lab should not have to wait.
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout that a member may ask for (`group.min.session.timeout.ms`).
    pub min_session_timeout: Duration,
    /// The longest one (`group.max.session.timeout.ms`).
    pub max_session_timeout: Duration,
    /// Groups at once. Then the one that is empty for longest is forgotten; if none is empty, a new one is refused.
    pub max_groups: usize,
    /// Members of one group, those included that were given an id and have not joined yet (`group.max.size`).
    pub max_members: usize,
    /// Bytes that all groups hold together: subscriptions, assignments, committed offsets with their metadata.
    pub max_bytes: usize,
    /// Bytes that one member may bring: its protocols with their metadata.
    pub max_member_bytes: usize,
    /// Bytes of metadata that a commit may attach to an offset (`offset.metadata.max.bytes`).
    pub max_offset_metadata_bytes: usize,
    /// How long the offsets of an empty group are kept (`offsets.retention.minutes`).
    pub offsets_retention: Duration,
}

impl Default for GroupSettings {
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::ZERO,
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(1_800),
            max_groups: 10_000,
            max_members: 1_000,
            max_bytes: 64 * 1024 * 1024,
            max_member_bytes: 1024 * 1024,
            max_offset_metadata_bytes: 4_096,
            offsets_retention: Duration::from_secs(7 * 86_400),
        }
    }
}
