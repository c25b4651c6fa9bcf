//! What a real Kafka answers to members and to those who are none: one long story, code by code.
//!
//! `FACTEUR_KAFKA_BOOTSTRAP=host:port` tells the same story to a real broker, with the same expectations; it is to have
//! `group.initial.rebalance.delay.ms=0`, as scripts/kafka.sh sets it. Measured on Apache Kafka 4.4.0.

use bytes::Bytes;
use facteur::HostPort;
use facteur::wire::api::ApiKey;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse,
};

use crate::batch::wall_ms;
use crate::client::{Client, broker_with};
use crate::conformance::real_kafka;
use crate::group_protocol::{group, join};
use crate::protocol::{ask, text, topic};

/// Tells the story and collects what was answered otherwise than expected.
struct Teller {
    client: Client,
    group: String,
    topic: String,
    wrong: Vec<String>,
}

impl Teller {
    #[allow(clippy::needless_pass_by_value, reason = "a hundred calls would each need two more signs")]
    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.wrong.push(format!("{what}: {found:?} instead of {expected:?}"));
        }
    }

    async fn join(&mut self, request: &JoinGroupRequest) -> JoinGroupResponse {
        ask(&mut self.client, ApiKey::JoinGroup, 5, request).await
    }

    async fn joining(&mut self, what: &str, request: &JoinGroupRequest, code: i16) -> JoinGroupResponse {
        let answer = self.join(request).await;
        self.expect(what, answer.error_code, code);
        answer
    }

    async fn heartbeat(&mut self, what: &str, (id, instance, generation): Who<'_>, code: i16) {
        let request = HeartbeatRequest::default()
            .with_group_id(group(&self.group))
            .with_generation_id(generation)
            .with_member_id(text(id))
            .with_group_instance_id(instance.map(text));
        let answer: HeartbeatResponse = ask(&mut self.client, ApiKey::Heartbeat, 3, &request).await;
        self.expect(&format!("heartbeat {what}"), answer.error_code, code);
    }

    async fn sync(
        &mut self,
        what: &str,
        (id, instance, generation): Who<'_>,
        protocol: &str,
        code: i16,
    ) -> Bytes {
        let part = SyncGroupRequestAssignment::default()
            .with_member_id(text(id))
            .with_assignment(Bytes::from_static(b"part"));
        let request = SyncGroupRequest::default()
            .with_group_id(group(&self.group))
            .with_generation_id(generation)
            .with_member_id(text(id))
            .with_group_instance_id(instance.map(text))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text(protocol)))
            .with_assignments(vec![part]);
        let answer: SyncGroupResponse = ask(&mut self.client, ApiKey::SyncGroup, 5, &request).await;
        self.expect(&format!("sync {what}"), answer.error_code, code);
        answer.assignment
    }

    async fn commit(&mut self, what: &str, (id, instance, generation): Who<'_>, codes: [i16; 3]) {
        let partition = |index, metadata: usize| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(3)
                .with_committed_metadata(Some(text(&"x".repeat(metadata))))
        };
        let of_topic = OffsetCommitRequestTopic::default()
            .with_name(topic(&self.topic))
            .with_partitions(vec![partition(0, 4_096), partition(0, 4_097), partition(99, 0)]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group(&self.group))
            .with_generation_id_or_member_epoch(generation)
            .with_member_id(text(id))
            .with_group_instance_id(instance.map(text))
            .with_topics(vec![of_topic]);
        let answer: OffsetCommitResponse = ask(&mut self.client, ApiKey::OffsetCommit, 7, &request).await;
        let mut found: Vec<(i32, i16)> =
            answer.topics[0].partitions.iter().map(|one| (one.partition_index, one.error_code)).collect();
        // Kafka answers unknown partitions first.
        found.sort_by_key(|(partition, _)| *partition);
        let found: Vec<i16> = found.into_iter().map(|(_, code)| code).collect();
        self.expect(&format!("commit {what}"), found, codes.to_vec());
    }

    async fn leave(&mut self, what: &str, id: &str, instance: Option<&str>, codes: (i16, i16)) {
        let member =
            MemberIdentity::default().with_member_id(text(id)).with_group_instance_id(instance.map(text));
        let request =
            LeaveGroupRequest::default().with_group_id(group(&self.group)).with_members(vec![member]);
        let answer: LeaveGroupResponse = ask(&mut self.client, ApiKey::LeaveGroup, 3, &request).await;
        let of_member = answer.members.first().map_or(0, |member| member.error_code);
        self.expect(&format!("leave {what}"), (answer.error_code, of_member), codes);
    }

    async fn describe(&mut self, state: &str) {
        let request = DescribeGroupsRequest::default().with_groups(vec![group(&self.group)]);
        let answer: DescribeGroupsResponse = ask(&mut self.client, ApiKey::DescribeGroups, 5, &request).await;
        let found = (answer.groups[0].error_code, answer.groups[0].group_state.to_string());
        self.expect("describe", found, (0, state.to_owned()));
    }

    async fn delete(&mut self, name: &str, code: i16) {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group(name)]);
        let answer: DeleteGroupsResponse = ask(&mut self.client, ApiKey::DeleteGroups, 2, &request).await;
        self.expect("delete", answer.results[0].error_code, code);
    }

    async fn fetched(&mut self) -> (i64, i16, i16) {
        let asked =
            OffsetFetchRequestTopic::default().with_name(topic(&self.topic)).with_partition_indexes(vec![0]);
        let request =
            OffsetFetchRequest::default().with_group_id(group(&self.group)).with_topics(Some(vec![asked]));
        let answer: OffsetFetchResponse = ask(&mut self.client, ApiKey::OffsetFetch, 5, &request).await;
        let one = &answer.topics[0].partitions[0];
        (one.committed_offset, one.error_code, answer.error_code)
    }
}

/// Id, static name, generation.
type Who<'a> = (&'a str, Option<&'a str>, i32);

async fn strangers(teller: &mut Teller) {
    let name = teller.group.clone();
    teller.joining("join without a group", &join("", "", 5), 24).await;
    for (milliseconds, code) in [(5_999, 26), (1_800_001, 26), (-1, 26)] {
        let request = join(&name, "", 5).with_session_timeout_ms(milliseconds);
        teller.joining("join with that session", &request, code).await;
    }
    // Kafka keeps an empty group of a join that it refused, which ours does not; so these name another one.
    let other = format!("{name}-other");
    teller.joining("join without a protocol", &join(&other, "", 5).with_protocols(vec![]), 23).await;
    let nameless = join(&other, "", 5).with_protocol_type(text(""));
    teller.joining("join without a kind", &nameless, 23).await;
    teller.joining("join with an id of nobody", &join(&name, "nobody", 5), 25).await;
    teller.heartbeat("of nobody", ("nobody", None, 1), 25).await;
    teller.sync("of nobody", ("nobody", None, 1), "range", 25).await;
    teller.leave("of nobody", "nobody", None, (0, 25)).await;
    teller.commit("of nobody", ("nobody", None, 1), [22, 22, 3]).await;
    let nothing = teller.fetched().await;
    teller.expect("offsets of a group that is not there", nothing, (-1, 0, 0));
    teller.describe("Dead").await;
    teller.delete(&name, 69).await;
    teller.delete("", 69).await;
    let request = DescribeGroupsRequest::default().with_groups(vec![group("")]);
    let answer: DescribeGroupsResponse = ask(&mut teller.client, ApiKey::DescribeGroups, 5, &request).await;
    teller.expect("describe a group without a name", answer.groups[0].error_code, 0);
}

async fn one_member(teller: &mut Teller) -> String {
    let name = teller.group.clone();
    let asked = teller.joining("a first join", &join(&name, "", 5), 79).await;
    teller.expect("its generation", asked.generation_id, -1);
    let id = asked.member_id.to_string();
    let joined = teller.joining("a join with the id", &join(&name, &id, 5), 0).await;
    teller.expect("generation", joined.generation_id, 1);
    teller.expect("leader", joined.leader.to_string(), id.clone());
    teller.describe("CompletingRebalance").await;
    teller.heartbeat("before the sync", (&id, None, 1), 0).await;
    teller.heartbeat("of the next generation", (&id, None, 2), 22).await;
    teller.heartbeat("of somebody else", ("somebody", None, 1), 25).await;
    teller.heartbeat("under a static name of nobody", (&id, Some("nobody"), 1), 25).await;
    teller.commit("before the sync", (&id, None, 1), [27, 27, 3]).await;
    teller.sync("by another protocol", (&id, None, 1), "sticky", 23).await;
    teller.sync("of another generation", (&id, None, 9), "range", 22).await;
    let part = teller.sync("", (&id, None, 1), "range", 0).await;
    teller.expect("the part", part, Bytes::from_static(b"part"));
    teller.describe("Stable").await;
    teller.commit("", (&id, None, 1), [0, 12, 3]).await;
    teller.commit("of an old generation", (&id, None, 0), [22, 22, 3]).await;
    teller.commit("of a generation to come", (&id, None, 2), [22, 22, 3]).await;
    teller.commit("of somebody else", ("somebody", None, 1), [25, 25, 3]).await;
    teller.commit("of nobody while there are members", ("", None, -1), [25, 25, 3]).await;
    teller.delete(&name, 68).await;
    let connect = join(&name, "", 5).with_protocol_type(text("connect"));
    teller.joining("a join of another kind", &connect, 23).await;
    let mut private = join(&name, "", 5);
    private.protocols[0].name = text("private");
    teller.joining("a join by another protocol", &private, 23).await;
    let again = teller.joining("the leader joins again", &join(&name, &id, 5), 0).await;
    teller.expect("the generation after", again.generation_id, 2);
    teller.heartbeat("of the generation before", (&id, None, 1), 22).await;
    teller.sync("again", (&id, None, 2), "range", 0).await;
    id
}

async fn the_end(teller: &mut Teller, id: &str) {
    let name = teller.group.clone();
    teller.leave("", id, None, (0, 0)).await;
    teller.leave("twice", id, None, (0, 25)).await;
    teller.describe("Empty").await;
    teller.heartbeat("after leaving", (id, None, 2), 25).await;
    teller.sync("after leaving", (id, None, 2), "range", 25).await;
    teller.commit("after leaving", (id, None, 2), [25, 25, 3]).await;
    teller.commit("of nobody in an empty group", ("", None, -1), [0, 12, 3]).await;
    let found = teller.fetched().await;
    teller.expect("what was committed", found, (3, 0, 0));
    teller.joining("a join after leaving", &join(&name, id, 5), 25).await;
    teller.delete(&name, 0).await;
    teller.describe("Dead").await;
}

async fn a_static_member(teller: &mut Teller) {
    let name = teller.group.clone();
    let fixed = |id: &str| join(&name, id, 5).with_group_instance_id(Some(text("fixed")));
    let first = teller.joining("a static member joins", &fixed(""), 0).await;
    let old = first.member_id.to_string();
    let generation = first.generation_id;
    teller.sync("of the static member", (&old, Some("fixed"), generation), "range", 0).await;
    let second = teller.joining("it comes back without its id", &fixed(""), 0).await;
    teller.expect("its generation", second.generation_id, generation);
    let new = second.member_id.to_string();
    let part = teller.sync("when back", (&new, Some("fixed"), generation), "range", 0).await;
    teller.expect("its part", part, Bytes::from_static(b"part"));
    let former = (old.as_str(), Some("fixed"), generation);
    teller.heartbeat("of its former self", former, 82).await;
    teller.sync("of its former self", former, "range", 82).await;
    teller.commit("of its former self", former, [82, 82, 3]).await;
    teller.joining("its former self joins", &fixed(&old), 82).await;
    teller.leave("of its former self", &old, Some("fixed"), (0, 82)).await;
    teller.heartbeat("under its own name", (&new, Some("fixed"), generation), 0).await;
    teller.heartbeat("under a name of nobody", (&new, Some("other"), generation), 25).await;
    teller.leave("by a name of nobody", "", Some("other"), (0, 25)).await;
    teller.leave("by name alone", "", Some("fixed"), (0, 0)).await;
    teller.describe("Empty").await;
}

async fn tell(address: &HostPort, suffix: i64) -> Vec<String> {
    let client = Client::connect(address).await;
    let (group_name, topic_name) = (format!("story-{suffix}"), format!("story-{suffix}"));
    let mut teller = Teller { client, group: group_name, topic: topic_name.clone(), wrong: Vec::new() };
    assert_eq!(teller.client.create_topic(&topic_name, &[]).await, 0);
    // A real cluster makes its offsets topic when it is first asked for a coordinator.
    let deadline = wall_ms() + 20_000;
    loop {
        let request = FindCoordinatorRequest::default().with_key(text("story"));
        let found: FindCoordinatorResponse =
            ask(&mut teller.client, ApiKey::FindCoordinator, 2, &request).await;
        let probe = DescribeGroupsRequest::default().with_groups(vec![group("story")]);
        let probed: DescribeGroupsResponse = ask(&mut teller.client, ApiKey::DescribeGroups, 5, &probe).await;
        let is_known = teller.client.list_offset(&topic_name, -1).await.0 == 0;
        if found.error_code == 0 && probed.groups[0].error_code == 0 && is_known {
            break;
        }
        assert!(wall_ms() < deadline, "no coordinator");
        tokio::task::yield_now().await;
    }
    strangers(&mut teller).await;
    let id = one_member(&mut teller).await;
    the_end(&mut teller, &id).await;
    a_static_member(&mut teller).await;
    teller.wrong
}

// Clients decide by these codes whether to join again, to give up, or to go on; a code of our own making sends them the
// wrong way. Fails with every step that was answered otherwise.
#[tokio::test]
async fn members_and_strangers_are_answered_as_by_a_real_broker() {
    let broker = broker_with(&[]).await;
    let wrong = tell(&broker.bootstrap(), 1).await;
    assert!(wrong.is_empty(), "the embedded broker:\n{}", wrong.join("\n"));
    if let Some(kafka) = real_kafka() {
        let wrong = tell(&kafka, wall_ms()).await;
        assert!(wrong.is_empty(), "the real one:\n{}", wrong.join("\n"));
    }
}
