//! Being a member of a consumer group: join, sync, heartbeat, commit, leave.
//!
//! **Why by hand and in one file.** The protocol is a conversation with one broker, and reads like one. Partitions are
//! shared by Kafka's `range` rule, which Java's and librdkafka's consumers know too, so a group may be mixed.
//!
//! ```text
//!   join ─▶ (79: an id; once more with it) ─▶ generation, perhaps leader ─▶ sync ─▶ our partitions
//!     ▲                                                                               │
//!     └── 27 in a heartbeat's or a commit's answer: somebody came or went ◀───────────┘
//! ```
//!
//! Neighbours: [`crate::cli::group_consumer`] reads what it is given here. Not here: static members, KIP-848.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::cli::client::Client;
use crate::cli::connection::{CLIENT_ID, Connection, ConnectionError};
use crate::cli::exit::{Exit, Failure};
use crate::error::ErrorCode;
use crate::wire::api::consumer_protocol::{
    Assignment, decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use crate::wire::api::join_group::{self, JoinGroupRequest, JoinGroupResponse};
use crate::wire::api::{
    ApiKey, GroupMember, heartbeat, leave_group, offset_commit, offset_fetch, sync_group,
};

/// How long a member may be silent.
const SESSION_TIMEOUT_MS: i32 = 30_000;
/// How long a rebalance waits for a member; its join is answered later than that only by a broker that is lost.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Joins in a row; a group whose members come and go in a circle must not hold a command for ever.
const MAX_JOINS: u32 = 50;
/// The one rule of sharing.
const RANGE: &str = "range";

/// What a broker's answer means for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Go on.
    Alive,
    /// Somebody came or went, or we were thought gone: join again.
    JoinAgain,
}

/// A member.
#[derive(Debug)]
pub(super) struct Membership<'a> {
    group: &'a str,
    topic: &'a str,
    coordinator: Connection,
    member_id: String,
    generation: i32,
}

impl<'a> Membership<'a> {
    /// Finds the group's coordinator; not a member yet.
    pub(super) async fn find(client: &mut Client, group: &'a str, topic: &'a str) -> Result<Self, Failure> {
        let coordinator = client.coordinator(group).await?;
        Ok(Self { group, topic, coordinator, member_id: String::new(), generation: -1 })
    }

    /// Joins; answers our partitions of the topic.
    pub(super) async fn join(&mut self, client: &mut Client) -> Result<Vec<i32>, Failure> {
        let mut last = ErrorCode::NONE;
        for _attempt in 0..MAX_JOINS {
            let joined = self.ask_join(client).await?;
            self.member_id = joined.member_id.clone();
            last = joined.error;
            if joined.error.is_none() {
                self.generation = joined.generation;
                let parts = if joined.leader == joined.member_id {
                    share_out(client, &joined.members).await?
                } else {
                    Vec::new()
                };
                match self.sync(client, &joined.protocol, &parts).await? {
                    Ok(assignment) => {
                        let ours = assignment.into_iter().filter(|(topic, _)| topic == self.topic);
                        return Ok(ours.flat_map(|(_, partitions)| partitions).collect());
                    }
                    Err(code) => last = code,
                }
            }
            self.prepare_again(client, last).await?;
        }
        Err(self.refused("joined", last))
    }

    /// What a refused join or sync needs before the next one; an error if no next one can help.
    async fn prepare_again(&mut self, client: &mut Client, code: ErrorCode) -> Result<(), Failure> {
        match code {
            ErrorCode::MEMBER_ID_REQUIRED | ErrorCode::REBALANCE_IN_PROGRESS => Ok(()),
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                self.member_id.clear();
                Ok(())
            }
            ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
                crate::lab::tasks::sleep(Duration::from_millis(100)).await;
                self.coordinator = client.coordinator(self.group).await?;
                Ok(())
            }
            code => Err(self.refused("joined", code)),
        }
    }

    async fn ask_join(&mut self, client: &Client) -> Result<JoinGroupResponse, Failure> {
        let subscription = encode_subscription(&[self.topic]);
        let (group, member_id) = (self.group, self.member_id.as_str());
        let asked = async {
            let version = self.coordinator.version_for(ApiKey::JoinGroup)?;
            let encode = |correlation_id| {
                join_group::encode_request(&JoinGroupRequest {
                    version,
                    correlation_id,
                    client_id: CLIENT_ID,
                    group,
                    member_id,
                    session_timeout_ms: SESSION_TIMEOUT_MS,
                    rebalance_timeout_ms: i32::try_from(REBALANCE_TIMEOUT.as_millis()).unwrap_or(i32::MAX),
                    protocol: RANGE,
                    metadata: &subscription,
                })
            };
            let body = self.coordinator.ask(ApiKey::JoinGroup, version, REBALANCE_TIMEOUT, encode).await?;
            Ok::<_, ConnectionError>(join_group::decode_response(version, body)?)
        };
        asked.await.map_err(|error| client.broken(&error))
    }

    async fn sync(
        &mut self,
        client: &Client,
        protocol: &str,
        parts: &[(String, Vec<u8>)],
    ) -> Result<Result<Assignment, ErrorCode>, Failure> {
        let member =
            GroupMember { group: self.group, generation: self.generation, member_id: &self.member_id };
        let asked = async {
            let version = self.coordinator.version_for(ApiKey::SyncGroup)?;
            let encode = |id| sync_group::encode_request(version, id, CLIENT_ID, &member, protocol, parts);
            let body = self.coordinator.ask(ApiKey::SyncGroup, version, REBALANCE_TIMEOUT, encode).await?;
            let synced = sync_group::decode_response(version, body)?;
            if !synced.error.is_none() {
                return Ok(Err(synced.error));
            }
            Ok::<_, ConnectionError>(Ok(decode_assignment(synced.assignment)?))
        };
        asked.await.map_err(|error| client.broken(&error))
    }

    /// Where the group stopped in these partitions; those without a commit are left out.
    pub(super) async fn committed(
        &mut self,
        client: &Client,
        partitions: &[i32],
    ) -> Result<BTreeMap<i32, i64>, Failure> {
        let (group, topic) = (self.group, self.topic);
        let asked = async {
            let version = self.coordinator.version_for(ApiKey::OffsetFetch)?;
            let encode = |id| offset_fetch::encode_request(version, id, CLIENT_ID, group, topic, partitions);
            let body = self.coordinator.ask(ApiKey::OffsetFetch, version, Duration::ZERO, encode).await?;
            Ok::<_, ConnectionError>(offset_fetch::decode_response(version, body)?)
        };
        let found = asked.await.map_err(|error| client.broken(&error))?;
        match found.iter().find(|found| !found.error.is_none()) {
            Some(found) => Err(self.refused("asked where it stopped", found.error)),
            None => {
                Ok(found.into_iter().filter_map(|found| Some((found.partition, found.offset?))).collect())
            }
        }
    }

    /// A sign of life.
    pub(super) async fn heartbeat(&mut self, client: &Client) -> Result<Pulse, Failure> {
        let member =
            GroupMember { group: self.group, generation: self.generation, member_id: &self.member_id };
        let asked = async {
            let version = self.coordinator.version_for(ApiKey::Heartbeat)?;
            let encode = |id| heartbeat::encode_request(version, id, CLIENT_ID, &member);
            let body = self.coordinator.ask(ApiKey::Heartbeat, version, Duration::ZERO, encode).await?;
            Ok::<_, ConnectionError>(heartbeat::decode_response(version, body)?)
        };
        let code = asked.await.map_err(|error| client.broken(&error))?;
        self.pulse(code, "told that we live")
    }

    /// Commits the next offsets to read.
    pub(super) async fn commit(&mut self, client: &Client, offsets: &[(i32, i64)]) -> Result<Pulse, Failure> {
        let topic = self.topic;
        let member =
            GroupMember { group: self.group, generation: self.generation, member_id: &self.member_id };
        let asked = async {
            let version = self.coordinator.version_for(ApiKey::OffsetCommit)?;
            let encode = |id| offset_commit::encode_request(version, id, CLIENT_ID, &member, topic, offsets);
            let body = self.coordinator.ask(ApiKey::OffsetCommit, version, Duration::ZERO, encode).await?;
            Ok::<_, ConnectionError>(offset_commit::decode_response(version, body)?)
        };
        let codes = asked.await.map_err(|error| client.broken(&error))?;
        let refused = codes.into_iter().map(|(_, code)| code).find(|code| !code.is_none());
        self.pulse(refused.unwrap_or(ErrorCode::NONE), "told how far we have read")
    }

    fn pulse(&mut self, code: ErrorCode, what: &str) -> Result<Pulse, Failure> {
        match code {
            ErrorCode::NONE => Ok(Pulse::Alive),
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.member_id.clear();
                Ok(Pulse::JoinAgain)
            }
            ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE => Ok(Pulse::JoinAgain),
            code => Err(self.refused(what, code)),
        }
    }

    /// Says the last offsets and good-bye on a connection of its own: the usual one may be in the middle of a question
    /// that a signal cut off.
    pub(super) async fn finish(
        &mut self,
        client: &Client,
        coordinator: Connection,
        offsets: &[(i32, i64)],
    ) -> Result<(), Failure> {
        self.coordinator = coordinator;
        if self.member_id.is_empty() {
            return Ok(());
        }
        let committed =
            if offsets.is_empty() { Ok(Pulse::Alive) } else { self.commit(client, offsets).await };
        let (group, member_id) = (self.group, self.member_id.as_str());
        let left = async {
            let version = self.coordinator.version_for(ApiKey::LeaveGroup)?;
            let encode = |id| leave_group::encode_request(version, id, CLIENT_ID, group, member_id);
            let body = self.coordinator.ask(ApiKey::LeaveGroup, version, Duration::ZERO, encode).await?;
            Ok::<_, ConnectionError>(leave_group::decode_response(version, body)?)
        };
        // Who is not a member any more has left, too.
        let _code: ErrorCode = left.await.map_err(|error| client.broken(&error))?;
        match committed? {
            Pulse::Alive => Ok(()),
            Pulse::JoinAgain => Err(self.refused(
                "told how far we have read; what was printed last will be read again",
                ErrorCode::REBALANCE_IN_PROGRESS,
            )),
        }
    }

    fn refused(&self, what: &str, code: ErrorCode) -> Failure {
        let message =
            format!("group {:?} cannot be {what}: {code}. Try again, or read without a group", self.group);
        Failure::new(Exit::CheckFailed, message)
    }
}

/// Kafka's `range` rule, topic by topic: members by id, each a run of partitions, the first ones one more if it does not
/// come out even.
async fn share_out(
    client: &mut Client,
    members: &[(String, Bytes)],
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut wanted: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (id, metadata) in members {
        let topics = decode_subscription(metadata.clone()).map_err(|error| {
            let message =
                format!("member {id} of the group says what it wants in a way that cannot be read: {error}");
            Failure::new(Exit::CheckFailed, message)
        })?;
        for topic in topics {
            wanted.entry(topic).or_default().insert(id);
        }
    }
    let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let metadata = client.metadata(Some(&names)).await?;
    let mut parts: BTreeMap<&str, Assignment> =
        members.iter().map(|(id, _)| (id.as_str(), Vec::new())).collect();
    for topic in &metadata.topics {
        let mut partitions: Vec<i32> = topic.partitions.iter().map(|known| known.partition).collect();
        partitions.sort_unstable();
        for (id, share) in
            range(&partitions, wanted.get(&topic.name).into_iter().flatten().copied().collect())
        {
            if let Some(part) = parts.get_mut(id) {
                part.push((topic.name.clone(), share));
            }
        }
    }
    Ok(parts.into_iter().map(|(id, part)| (id.to_owned(), encode_assignment(&part))).collect())
}

fn range<'m>(partitions: &[i32], members: Vec<&'m str>) -> Vec<(&'m str, Vec<i32>)> {
    let count = members.len().max(1);
    let (each, extra) = (partitions.len() / count, partitions.len() % count);
    let mut rest = partitions.iter().copied();
    let share = |(index, member)| (member, rest.by_ref().take(each + usize::from(index < extra)).collect());
    members.into_iter().enumerate().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Java's rule, or a mixed group would count two ways. Fails if a partition is given twice or not at all.
    #[test]
    fn range_gives_the_first_members_one_more() {
        let shared = range(&[0, 1, 2, 3, 4, 5, 6], vec!["a", "b", "c"]);

        assert_eq!(shared, [("a", vec![0, 1, 2]), ("b", vec![3, 4]), ("c", vec![5, 6])]);
        assert_eq!(range(&[0], vec!["a", "b"]), [("a", vec![0]), ("b", vec![])]);
        assert_eq!(range(&[0], Vec::new()), []);
    }
}
