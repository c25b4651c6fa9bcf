//! What a member of a consumer group sends and reads, in every version that this crate speaks as a client.

use bytes::Bytes;
use facteur::error::ErrorCode;
use facteur::wire::api::consumer_protocol::{
    decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use facteur::wire::api::join_group::JoinGroupRequest;
use facteur::wire::api::{
    ApiKey, GroupMember, find_coordinator, heartbeat, join_group, leave_group, offset_commit, offset_fetch,
    sync_group,
};
use kafka_protocol::messages as kp;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::{
    CLIENT, CORRELATION_ID, every_cut_is_an_error, read_request, topic_name, versions, write_response,
};

const MEMBER: GroupMember<'static> = GroupMember { group: "readers", generation: 7, member_id: "m-1" };

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

// Fails if a version's fields are written otherwise than the protocol has them, or its answer is read otherwise.
#[test]
fn finding_a_coordinator_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::FindCoordinator) {
        let frame = find_coordinator::encode_request(version, CORRELATION_ID, CLIENT, "readers");
        let request: kp::FindCoordinatorRequest = read_request(ApiKey::FindCoordinator, version, &frame);
        assert_eq!((request.key.as_str(), request.key_type), ("readers", 0));

        for (port, expected) in [(9_092, 9_092), (70_000, 0)] {
            let response = kp::FindCoordinatorResponse::default()
                .with_error_code(15)
                .with_error_message(Some(text("later")))
                .with_host(text("h"))
                .with_port(port);
            let body = write_response(ApiKey::FindCoordinator, version, &response);
            let ours = find_coordinator::decode_response(version, body.clone()).expect("an answer");
            assert_eq!((ours.error, ours.message.as_deref()), (ErrorCode(15), Some("later")));
            assert_eq!((ours.host.as_str(), ours.port), ("h", expected));
            every_cut_is_an_error(&body, |body| find_coordinator::decode_response(version, body));
        }
    }
}

// As above.
#[test]
fn joining_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::JoinGroup) {
        let frame = join_group::encode_request(&JoinGroupRequest {
            version,
            correlation_id: CORRELATION_ID,
            client_id: CLIENT,
            group: "readers",
            member_id: "m-1",
            session_timeout_ms: 10,
            rebalance_timeout_ms: 20,
            protocol: "range",
            metadata: b"wanted",
        });
        let request: kp::JoinGroupRequest = read_request(ApiKey::JoinGroup, version, &frame);
        assert_eq!((request.group_id.as_str(), request.member_id.as_str()), ("readers", "m-1"));
        assert_eq!((request.session_timeout_ms, request.rebalance_timeout_ms), (10, 20));
        assert_eq!((request.protocol_type.as_str(), &request.group_instance_id), ("consumer", &None));
        assert_eq!(
            (request.protocols[0].name.as_str(), &request.protocols[0].metadata[..]),
            ("range", &b"wanted"[..])
        );

        let member = kp::join_group_response::JoinGroupResponseMember::default()
            .with_member_id(text("m-2"))
            .with_group_instance_id(Some(text("fixed")))
            .with_metadata(Bytes::from_static(b"wanted"));
        let response = kp::JoinGroupResponse::default()
            .with_generation_id(7)
            .with_protocol_type((version >= 7).then(|| text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_leader(text("m-2"))
            .with_member_id(text("m-1"))
            .with_members(vec![member]);
        let body = write_response(ApiKey::JoinGroup, version, &response);
        let ours = join_group::decode_response(version, body.clone()).expect("an answer");
        assert_eq!((ours.error, ours.generation, ours.protocol.as_str()), (ErrorCode::NONE, 7, "range"));
        assert_eq!((ours.leader.as_str(), ours.member_id.as_str()), ("m-2", "m-1"));
        assert_eq!(ours.members, [("m-2".to_owned(), Bytes::from_static(b"wanted"))]);
        every_cut_is_an_error(&body, |body| join_group::decode_response(version, body));
    }
}

// As above.
#[test]
fn syncing_agrees_with_the_schema_in_every_version() {
    for version in versions(ApiKey::SyncGroup) {
        let parts = [("m-1".to_owned(), b"part".to_vec())];
        let frame = sync_group::encode_request(version, CORRELATION_ID, CLIENT, &MEMBER, "range", &parts);
        let request: kp::SyncGroupRequest = read_request(ApiKey::SyncGroup, version, &frame);
        assert_eq!((request.group_id.as_str(), request.member_id.as_str()), ("readers", "m-1"));
        assert_eq!((request.generation_id, &request.assignments[0].assignment[..]), (7, &b"part"[..]));
        assert_eq!(request.protocol_name.as_deref(), (version >= 5).then_some("range"));

        let response = kp::SyncGroupResponse::default()
            .with_protocol_name((version >= 5).then(|| text("range")))
            .with_assignment(Bytes::from_static(b"part"));
        let body = write_response(ApiKey::SyncGroup, version, &response);
        let ours = sync_group::decode_response(version, body.clone()).expect("an answer");
        assert_eq!((ours.error, &ours.assignment[..]), (ErrorCode::NONE, &b"part"[..]));
        every_cut_is_an_error(&body, |body| sync_group::decode_response(version, body));
    }
}

// As above.
#[test]
fn living_and_leaving_agree_with_the_schemas_in_every_version() {
    for version in versions(ApiKey::Heartbeat) {
        let frame = heartbeat::encode_request(version, CORRELATION_ID, CLIENT, &MEMBER);
        let request: kp::HeartbeatRequest = read_request(ApiKey::Heartbeat, version, &frame);
        assert_eq!((request.generation_id, request.member_id.as_str()), (7, "m-1"));
        let response = kp::HeartbeatResponse::default().with_error_code(27);
        let body = write_response(ApiKey::Heartbeat, version, &response);
        assert_eq!(heartbeat::decode_response(version, body.clone()), Ok(ErrorCode(27)));
        every_cut_is_an_error(&body, |body| heartbeat::decode_response(version, body));
    }
    for version in versions(ApiKey::LeaveGroup) {
        let frame = leave_group::encode_request(version, CORRELATION_ID, CLIENT, "readers", "m-1");
        let request: kp::LeaveGroupRequest = read_request(ApiKey::LeaveGroup, version, &frame);
        assert_eq!((request.members.len(), request.members[0].member_id.as_str()), (1, "m-1"));
        for (top, inside, expected) in [(0, 25, 25), (24, 25, 24), (0, 0, 0)] {
            let member = kp::leave_group_response::MemberResponse::default().with_error_code(inside);
            let response = kp::LeaveGroupResponse::default().with_error_code(top).with_members(vec![member]);
            let body = write_response(ApiKey::LeaveGroup, version, &response);
            assert_eq!(leave_group::decode_response(version, body.clone()), Ok(ErrorCode(expected)));
            every_cut_is_an_error(&body, |body| leave_group::decode_response(version, body));
        }
    }
}

// As above.
#[test]
fn offsets_agree_with_the_schemas_in_every_version() {
    for version in versions(ApiKey::OffsetCommit) {
        let frame = offset_commit::encode_request(
            version,
            CORRELATION_ID,
            CLIENT,
            &MEMBER,
            "orders",
            &[(0, 5), (2, 6)],
        );
        let request: kp::OffsetCommitRequest = read_request(ApiKey::OffsetCommit, version, &frame);
        assert_eq!((request.generation_id_or_member_epoch, request.member_id.as_str()), (7, "m-1"));
        let found: Vec<(i32, i64)> = request.topics[0]
            .partitions
            .iter()
            .map(|one| (one.partition_index, one.committed_offset))
            .collect();
        assert_eq!((request.topics[0].name.as_str(), found), ("orders", vec![(0, 5), (2, 6)]));
        let partition = kp::offset_commit_response::OffsetCommitResponsePartition::default()
            .with_partition_index(2)
            .with_error_code(22);
        let of_topic = kp::offset_commit_response::OffsetCommitResponseTopic::default()
            .with_name(topic_name("orders"))
            .with_partitions(vec![partition]);
        let response = kp::OffsetCommitResponse::default().with_topics(vec![of_topic]);
        let body = write_response(ApiKey::OffsetCommit, version, &response);
        assert_eq!(offset_commit::decode_response(version, body.clone()), Ok(vec![(2, ErrorCode(22))]));
        every_cut_is_an_error(&body, |body| offset_commit::decode_response(version, body));
    }
    for version in versions(ApiKey::OffsetFetch) {
        let frame =
            offset_fetch::encode_request(version, CORRELATION_ID, CLIENT, "readers", "orders", &[0, 2]);
        let request: kp::OffsetFetchRequest = read_request(ApiKey::OffsetFetch, version, &frame);
        let topics = request.topics.expect("topics");
        assert_eq!((request.group_id.as_str(), &topics[0].partition_indexes), ("readers", &vec![0, 2]));
        let partition = |index, offset| {
            kp::offset_fetch_response::OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_metadata(Some(text("")))
        };
        let of_topic = kp::offset_fetch_response::OffsetFetchResponseTopic::default()
            .with_name(topic_name("orders"))
            .with_partitions(vec![partition(0, 5), partition(2, -1)]);
        let response = kp::OffsetFetchResponse::default().with_topics(vec![of_topic]).with_error_code(16);
        let body = write_response(ApiKey::OffsetFetch, version, &response);
        let ours = offset_fetch::decode_response(version, body.clone()).expect("an answer");
        let found: Vec<_> = ours.iter().map(|one| (one.partition, one.offset, one.error.0)).collect();
        assert_eq!(found, [(0, Some(5), 0), (2, None, 0), (-1, None, 16)]);
        every_cut_is_an_error(&body, |body| offset_fetch::decode_response(version, body));
    }
}

// What consumers say to each other. Fails if Java's could not read ours, or we not theirs of a later version.
#[test]
fn subscriptions_and_assignments_agree_with_the_schemas() {
    let mut ours = Bytes::from(encode_subscription(&["orders", "payments"]));
    assert_eq!(ours.split_to(2), [0_u8, 0][..]);
    let theirs = kp::ConsumerProtocolSubscription::decode(&mut ours, 0).expect("a subscription");
    assert_eq!(theirs.topics, [text("orders"), text("payments")]);
    let mut ours = Bytes::from(encode_assignment(&[("orders".to_owned(), vec![2, 5])]));
    assert_eq!(ours.split_to(2), [0_u8, 0][..]);
    let theirs = kp::ConsumerProtocolAssignment::decode(&mut ours, 0).expect("an assignment");
    assert_eq!(theirs.assigned_partitions[0].partitions, [2, 5]);

    for version in 0..=3_i16 {
        let mut bytes = version.to_be_bytes().to_vec();
        let topics = kp::ConsumerProtocolSubscription::default().with_topics(vec![text("orders")]);
        topics.encode(&mut bytes, version).expect("written");
        assert_eq!(decode_subscription(bytes.into()), Ok(vec!["orders".to_owned()]), "version {version}");
        let part = kp::consumer_protocol_assignment::TopicPartition::default()
            .with_topic(topic_name("orders"))
            .with_partitions(vec![2, 5]);
        let mut bytes = version.to_be_bytes().to_vec();
        let assignment = kp::ConsumerProtocolAssignment::default().with_assigned_partitions(vec![part]);
        assignment.encode(&mut bytes, version).expect("written");
        assert_eq!(decode_assignment(bytes.into()), Ok(vec![("orders".to_owned(), vec![2, 5])]));
    }
    assert_eq!(decode_assignment(Bytes::new()), Ok(Vec::new()));
    assert!(decode_assignment(Bytes::from_static(&[0, 0, 127, 255, 255, 255])).is_err());
}
