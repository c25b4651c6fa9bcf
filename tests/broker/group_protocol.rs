//! Every version of every API of consumer groups, written and read by an independent codec (`kafka-protocol`).

use bytes::Bytes;
use facteur::broker::Broker;
use facteur::wire::api::ApiKey;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, GroupId, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupRequest, SyncGroupResponse,
};

use crate::client::{Client, broker_with};
use crate::protocol::{ask, text, topic, versions};

pub fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// A join of the group by a consumer that knows `range`.
pub fn join(name: &str, member_id: &str, version: i16) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"subscription"));
    JoinGroupRequest::default()
        .with_group_id(group(name))
        .with_session_timeout_ms(6_000)
        .with_rebalance_timeout_ms(if version >= 1 { 10_000 } else { -1 })
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// A commit of one offset for `orders` 0 by a member, or by nobody (generation -1).
pub fn commit(name: &str, member_id: &str, generation: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("déjà")));
    let unknown = OffsetCommitRequestPartition::default().with_partition_index(9).with_committed_offset(1);
    let of_orders = OffsetCommitRequestTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![partition, unknown]);
    OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member_id))
        .with_topics(vec![of_orders])
}

/// Joins alone, coming back with the id that it is given; answers id and generation.
async fn join_alone(client: &mut Client, name: &str, version: i16) -> (String, i32) {
    let mut request = join(name, "", version);
    let mut joined: JoinGroupResponse = ask(client, ApiKey::JoinGroup, version, &request).await;
    assert_eq!(joined.error_code, if version >= 4 { 79 } else { 0 }, "version {version}");
    if version >= 4 {
        assert_eq!(joined.generation_id, -1);
        request.member_id = joined.member_id.clone();
        joined = ask(client, ApiKey::JoinGroup, version, &request).await;
    }
    assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
    assert_eq!(joined.leader, joined.member_id);
    assert!(joined.member_id.starts_with("oracle-"), "the client's id comes first: {}", joined.member_id);
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), (version >= 7).then_some("consumer"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, "subscription");
    (joined.member_id.to_string(), joined.generation_id)
}

async fn stable_group(broker: &Broker, name: &str) -> (Client, String) {
    let mut client = Client::connect(&broker.bootstrap()).await;
    let (id, generation) = join_alone(&mut client, name, 5).await;
    let synced: SyncGroupResponse =
        ask(&mut client, ApiKey::SyncGroup, 3, &sync(name, &id, generation, 3)).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"everything"[..]));
    (client, id)
}

fn sync(name: &str, member_id: &str, generation: i32, version: i16) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text(member_id))
        .with_assignment(Bytes::from_static(b"everything"));
    SyncGroupRequest::default()
        .with_group_id(group(name))
        .with_generation_id(generation)
        .with_member_id(text(member_id))
        .with_protocol_type((version >= 5).then(|| text("consumer")))
        .with_protocol_name((version >= 5).then(|| text("range")))
        .with_assignments(vec![assignment])
}

// Fails if a field is missing, out of place, or written in the wrong dialect in any version.
#[tokio::test]
async fn every_version_of_finding_the_coordinator() {
    let broker = broker_with(&[]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let port = i32::from(broker.bootstrap().port);
    for version in versions(ApiKey::FindCoordinator) {
        for (key_type, expected) in [(0, 0), (1, 15), (7, 42)] {
            if version == 0 && key_type != 0 {
                continue;
            }
            let mut request = FindCoordinatorRequest::default().with_key_type(key_type);
            if version <= 3 {
                request.key = text("g");
            } else {
                request.coordinator_keys = vec![text("g"), text("h")];
            }
            let answer: FindCoordinatorResponse =
                ask(&mut client, ApiKey::FindCoordinator, version, &request).await;
            let found: Vec<(i16, i32, i32)> = if version <= 3 {
                vec![(answer.error_code, answer.node_id.0, answer.port)]
            } else {
                assert_eq!(answer.coordinators[1].key, text("h"));
                answer.coordinators.iter().map(|one| (one.error_code, one.node_id.0, one.port)).collect()
            };
            let node = if expected == 0 { (0, 1, port) } else { (expected, -1, -1) };
            assert!(found.iter().all(|one| *one == node), "version {version}: {found:?}");
        }
    }
}

// As above, for the life of a member.
#[tokio::test]
async fn every_version_of_a_members_life() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for version in versions(ApiKey::JoinGroup) {
        let name = format!("life-{version}");
        let (id, generation) = join_alone(&mut client, &name, version).await;
        let at_most = |api: ApiKey| version.min(*versions(api).end());

        let sync_version = at_most(ApiKey::SyncGroup);
        let request = sync(&name, &id, generation, sync_version);
        let synced: SyncGroupResponse = ask(&mut client, ApiKey::SyncGroup, sync_version, &request).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"everything"[..]), "version {version}");
        assert_eq!(synced.protocol_name.as_deref(), (sync_version >= 5).then_some("range"));

        let heartbeat = |generation| {
            HeartbeatRequest::default()
                .with_group_id(group(&name))
                .with_generation_id(generation)
                .with_member_id(text(&id))
        };
        for (generation, expected) in [(generation, 0), (generation + 1, 22)] {
            let version = at_most(ApiKey::Heartbeat);
            let alive: HeartbeatResponse =
                ask(&mut client, ApiKey::Heartbeat, version, &heartbeat(generation)).await;
            assert_eq!(alive.error_code, expected);
        }

        let leave_version = at_most(ApiKey::LeaveGroup);
        let mut leave = LeaveGroupRequest::default().with_group_id(group(&name));
        if leave_version <= 2 {
            leave.member_id = text(&id);
        } else {
            let unknown = MemberIdentity::default().with_member_id(text("unknown"));
            leave.members = vec![MemberIdentity::default().with_member_id(text(&id)), unknown];
        }
        let left: LeaveGroupResponse = ask(&mut client, ApiKey::LeaveGroup, leave_version, &leave).await;
        assert_eq!(left.error_code, 0);
        if leave_version >= 3 {
            let codes: Vec<i16> = left.members.iter().map(|member| member.error_code).collect();
            assert_eq!(codes, [0, 25], "version {leave_version}");
        }
        let again: LeaveGroupResponse = ask(&mut client, ApiKey::LeaveGroup, leave_version, &leave).await;
        assert_eq!(again.error_code, if leave_version <= 2 { 25 } else { 0 });
        assert_eq!(broker.group(&name).state, "Empty");
    }
}

// As above, for offsets, those asked for and all of them.
#[tokio::test]
async fn every_version_of_committing_and_fetching_offsets() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for version in versions(ApiKey::OffsetCommit) {
        let request = commit("g", "", -1, i64::from(version));
        let answer: OffsetCommitResponse = ask(&mut client, ApiKey::OffsetCommit, version, &request).await;
        let codes: Vec<i16> = answer.topics[0].partitions.iter().map(|one| one.error_code).collect();
        assert_eq!(codes, [0, 3], "version {version}");
        assert_eq!(broker.committed_offset("g", "orders", 0), Some(i64::from(version)));
        assert_eq!(broker.committed_offset("g", "orders", 9), None);
    }
    for version in versions(ApiKey::OffsetFetch) {
        let mut request = OffsetFetchRequest::default();
        if version <= 7 {
            request.group_id = group("g");
            let asked = OffsetFetchRequestTopic::default()
                .with_name(topic("orders"))
                .with_partition_indexes(vec![0, 1]);
            request.topics = Some(vec![asked]);
        } else {
            let asked = OffsetFetchRequestTopics::default()
                .with_name(topic("orders"))
                .with_partition_indexes(vec![0, 1]);
            let one = |name, topics| {
                OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(topics)
            };
            request.groups =
                vec![one("g", Some(vec![asked.clone()])), one("none", Some(vec![asked])), one("g", None)];
        }
        let answer: OffsetFetchResponse = ask(&mut client, ApiKey::OffsetFetch, version, &request).await;
        assert_eq!(answer.error_code, 0);
        if version <= 7 {
            let found: Vec<(i64, i16)> = answer.topics[0]
                .partitions
                .iter()
                .map(|one| (one.committed_offset, one.error_code))
                .collect();
            assert_eq!(found, [(8, 0), (-1, 0)], "version {version}");
            assert_eq!(answer.topics[0].partitions[0].metadata, Some(text("déjà")));
        } else {
            let offsets = |index: usize| -> Vec<i64> {
                let topics = answer.groups[index].topics.iter();
                topics.flat_map(|topic| topic.partitions.iter().map(|one| one.committed_offset)).collect()
            };
            assert_eq!((offsets(0), offsets(1), offsets(2)), (vec![8, -1], vec![-1, -1], vec![8]));
        }
        if (2..=7).contains(&version) {
            request.topics = None;
            let all: OffsetFetchResponse = ask(&mut client, ApiKey::OffsetFetch, version, &request).await;
            assert_eq!(all.topics.len(), 1, "version {version}");
        }
    }
}

// As above, for what tools ask.
#[tokio::test]
async fn every_version_of_listing_describing_and_deleting() {
    let broker = broker_with(&[("orders", 1)]).await;
    let (_member, id) = stable_group(&broker, "busy").await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let _committed: OffsetCommitResponse =
        ask(&mut client, ApiKey::OffsetCommit, 2, &commit("idle", "", -1, 1)).await;
    for version in versions(ApiKey::ListGroups) {
        let mut request = ListGroupsRequest::default();
        let answer: ListGroupsResponse = ask(&mut client, ApiKey::ListGroups, version, &request).await;
        let names: Vec<&str> = answer.groups.iter().map(|one| one.group_id.as_str()).collect();
        assert_eq!((answer.error_code, names), (0, vec!["busy", "idle"]), "version {version}");
        assert_eq!(answer.groups[0].protocol_type, text("consumer"));
        if version >= 4 {
            request.states_filter = vec![text("stable")];
            let stable: ListGroupsResponse = ask(&mut client, ApiKey::ListGroups, version, &request).await;
            assert_eq!((stable.groups.len(), &stable.groups[0].group_state), (1, &text("Stable")));
        }
    }
    for version in versions(ApiKey::DescribeGroups) {
        let request = DescribeGroupsRequest::default()
            .with_groups(vec![group("busy"), group("none")])
            .with_include_authorized_operations(version >= 3);
        let answer: DescribeGroupsResponse =
            ask(&mut client, ApiKey::DescribeGroups, version, &request).await;
        let states: Vec<(i16, &str)> =
            answer.groups.iter().map(|one| (one.error_code, one.group_state.as_str())).collect();
        assert_eq!(states, [(0, "Stable"), (0, "Dead")], "version {version}");
        let found = &answer.groups[0].members[0];
        assert_eq!((found.member_id.as_str(), found.client_id.as_str()), (id.as_str(), "oracle"));
        assert_eq!(found.client_host, text("/127.0.0.1"));
        assert_eq!(
            (&found.member_metadata[..], &found.member_assignment[..]),
            (&b"subscription"[..], &b"everything"[..])
        );
        if version >= 3 {
            assert_eq!(answer.groups[0].authorized_operations, 3_400);
        }
    }
    for version in versions(ApiKey::DeleteGroups) {
        let _committed: OffsetCommitResponse =
            ask(&mut client, ApiKey::OffsetCommit, 2, &commit("idle", "", -1, 1)).await;
        let request = DeleteGroupsRequest::default().with_groups_names(vec![
            group("busy"),
            group("idle"),
            group("none"),
            group(""),
        ]);
        let answer: DeleteGroupsResponse = ask(&mut client, ApiKey::DeleteGroups, version, &request).await;
        let codes: Vec<i16> = answer.results.iter().map(|one| one.error_code).collect();
        assert_eq!(codes, [68, 0, 69, 69], "version {version}");
    }
}
