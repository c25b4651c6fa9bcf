//! Consumer groups over sockets: members that wait, time that passes, and what strangers may send.

use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig, EventKind, Fault, FaultAction, GroupSettings};
use facteur::error::ErrorCode;
use facteur::wire::api::ApiKey;
use facteur::wire::writer::Writer;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::client::{Client, broker_with};
use crate::group_protocol::{commit, group, join};
use crate::protocol::{ask, receive, send, text};

/// A consumer that does by hand what clients do by themselves.
struct Member {
    client: Client,
    instance: Option<StrBytes>,
    id: StrBytes,
    generation: i32,
}

impl Member {
    async fn connect(broker: &Broker) -> Self {
        let client = Client::connect(&broker.bootstrap()).await;
        Self { client, instance: None, id: StrBytes::default(), generation: -1 }
    }

    async fn send_join(&mut self) {
        let request = join("g", &self.id, 5).with_group_instance_id(self.instance.clone());
        send(&mut self.client, ApiKey::JoinGroup, 5, &request).await;
    }

    async fn joined(&mut self) -> JoinGroupResponse {
        let joined: JoinGroupResponse = receive(&mut self.client, ApiKey::JoinGroup, 5).await;
        self.id = joined.member_id.clone();
        self.generation = joined.generation_id;
        joined
    }

    /// Joins as far as it goes without the others: a new member gets its id and asks again.
    async fn begin_join(&mut self) {
        self.send_join().await;
        if self.id.is_empty() && self.instance.is_none() {
            assert_eq!(self.joined().await.error_code, 79);
            self.send_join().await;
        }
    }

    async fn send_sync(&mut self, parts: &[(&StrBytes, &'static str)]) {
        let assignments = parts.iter().map(|(id, part)| {
            kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment::default()
                .with_member_id((*id).clone())
                .with_assignment(bytes::Bytes::from_static(part.as_bytes()))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group("g"))
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone())
            .with_assignments(assignments.collect());
        send(&mut self.client, ApiKey::SyncGroup, 3, &request).await;
    }

    async fn synced(&mut self) -> (i16, String) {
        let synced: SyncGroupResponse = receive(&mut self.client, ApiKey::SyncGroup, 3).await;
        (synced.error_code, String::from_utf8(synced.assignment.to_vec()).unwrap())
    }

    async fn heartbeat(&mut self) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(group("g"))
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone());
        let answer: HeartbeatResponse = ask(&mut self.client, ApiKey::Heartbeat, 3, &request).await;
        answer.error_code
    }

    async fn commit(&mut self, offset: i64) -> i16 {
        let request = commit("g", &self.id, self.generation, offset);
        let answer: OffsetCommitResponse = ask(&mut self.client, ApiKey::OffsetCommit, 5, &request).await;
        answer.topics[0].partitions[0].error_code
    }

    async fn leave(&mut self) -> i16 {
        let request = LeaveGroupRequest::default().with_group_id(group("g")).with_member_id(self.id.clone());
        let answer: LeaveGroupResponse = ask(&mut self.client, ApiKey::LeaveGroup, 1, &request).await;
        answer.error_code
    }

    async fn alone(&mut self) {
        self.begin_join().await;
        assert_eq!(self.joined().await.error_code, 0);
        let id = self.id.clone();
        self.send_sync(&[(&id, "all")]).await;
        assert_eq!(self.synced().await, (0, "all".to_owned()));
    }
}

/// Two members that share, the first one leading.
async fn pair(broker: &Broker) -> (Member, Member) {
    let (mut a, mut b) = (Member::connect(broker).await, Member::connect(broker).await);
    a.alone().await;
    b.begin_join().await;
    while a.heartbeat().await == 0 {
        tokio::task::yield_now().await;
    }
    a.send_join().await;
    assert_eq!(a.joined().await.members.len(), 2);
    assert_eq!(b.joined().await.members.len(), 0);
    b.send_sync(&[]).await;
    let ids = (a.id.clone(), b.id.clone());
    a.send_sync(&[(&ids.0, "first"), (&ids.1, "second")]).await;
    assert_eq!(a.synced().await, (0, "first".to_owned()));
    assert_eq!(b.synced().await, (0, "second".to_owned()));
    (a, b)
}

// Each member waits on its own connection for what another one's request brings. Fails if a waiting connection is not
// woken, or woken with another's answer.
#[tokio::test]
async fn two_members_share_and_one_leaves() {
    let broker = broker_with(&[("orders", 2)]).await;
    let mut events = broker.subscribe();
    let (mut a, mut b) = pair(&broker).await;
    assert_eq!((a.heartbeat().await, b.heartbeat().await), (0, 0));

    assert_eq!(b.leave().await, 0);

    assert_eq!(a.heartbeat().await, 27);
    a.send_join().await;
    let joined = a.joined().await;
    assert_eq!((joined.generation_id, joined.members.len()), (3, 1));
    let mut names = Vec::new();
    while let Ok(event) = events.try_recv() {
        if matches!(event.kind, EventKind::Group { .. }) {
            names.push(event.kind.name());
        }
    }
    let once = ["group_member_joined", "group_rebalance_started", "group_rebalanced"];
    let leaving = ["group_member_left", "group_rebalance_started", "group_rebalanced"];
    assert_eq!(names, [once, once, leaving].concat());
}

// The timer of the broker, by the real clock: the shortest session that may be asked for. Fails if nobody looks at
// sessions, or if a member that waits for the rebalance is thrown out as well.
#[tokio::test]
async fn a_silent_member_is_thrown_out_and_the_waiting_one_goes_on() {
    let groups = GroupSettings { min_session_timeout: Duration::from_millis(1), ..GroupSettings::default() };
    let topics = vec![("orders".to_owned(), 1)];
    let broker = Broker::start(BrokerConfig { groups, topics, ..BrokerConfig::default() }).await.unwrap();
    let mut silent = Member::connect(&broker).await;
    let request = join("g", "", 3).with_session_timeout_ms(300);
    let joined: JoinGroupResponse = ask(&mut silent.client, ApiKey::JoinGroup, 3, &request).await;
    (silent.id, silent.generation) = (joined.member_id, joined.generation_id);
    let mut waiting = Member::connect(&broker).await;

    waiting.begin_join().await;

    let joined = waiting.joined().await;
    assert_eq!((joined.generation_id, joined.members.len()), (2, 1));
    assert_eq!(silent.heartbeat().await, 25);
    assert_eq!(silent.commit(1).await, 25);
}

// Fails if a member that comes after another does not find what was committed.
#[tokio::test]
async fn the_next_member_resumes_where_the_last_one_committed() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut first = Member::connect(&broker).await;
    first.alone().await;
    assert_eq!(first.commit(5).await, 0);
    first.generation += 1;
    assert_eq!(first.commit(9).await, 22, "of a generation that is not");
    first.leave().await;

    let mut second = Member::connect(&broker).await;
    second.alone().await;

    assert_eq!(broker.committed_offset("g", "orders", 0), Some(5));
    assert_eq!(second.commit(7).await, 0);
    assert_eq!(broker.committed_offset("g", "orders", 0), Some(7));
    broker.delete_topic("orders").unwrap();
    assert_eq!(broker.committed_offset("g", "orders", 0), None, "offsets go with their topic");
}

// KIP-345 over two connections. Fails if the former self of a static member may go on, or if its join that waits is left
// without an answer.
#[tokio::test]
async fn a_static_member_takes_its_own_place() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut before = Member { instance: Some(text("fixed")), ..Member::connect(&broker).await };
    before.alone().await;
    let mut after = Member { instance: Some(text("fixed")), ..Member::connect(&broker).await };

    after.begin_join().await;

    let joined = after.joined().await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    after.send_sync(&[]).await;
    assert_eq!(after.synced().await, (0, "all".to_owned()));
    assert_eq!(before.heartbeat().await, 82);
    let mut other = Member::connect(&broker).await;
    other.begin_join().await;
    while after.heartbeat().await == 0 {
        tokio::task::yield_now().await;
    }
    after.send_join().await;
    assert_eq!(after.joined().await.generation_id, 2);
    assert_eq!(other.joined().await.generation_id, 2);
}

// Stopping a broker must not wait for members that wait for each other.
#[tokio::test]
async fn a_broker_stops_while_members_wait() {
    let broker = broker_with(&[]).await;
    let mut a = Member::connect(&broker).await;
    a.alone().await;
    let mut b = Member::connect(&broker).await;
    b.begin_join().await;

    tokio::time::timeout(Duration::from_secs(10), broker.stop()).await.expect("it stops");

    assert_eq!(b.client.receive().await, None);
}

// The faults of the broker reach group requests, too: a lab can lose a commit's answer. Fails if the commit is not made,
// or made twice.
#[tokio::test]
async fn a_lost_answer_to_a_commit_leaves_the_offset_committed() {
    let broker = broker_with(&[("orders", 1)]).await;
    let code = ApiKey::OffsetCommit.code();
    let id = broker.faults().arm(Fault::new(code, FaultAction::LoseAnswer).topic("orders"));
    let mut client = Client::connect(&broker.bootstrap()).await;

    send(&mut client, ApiKey::OffsetCommit, 2, &commit("g", "", -1, 3)).await;

    assert_eq!(client.receive().await, None);
    assert_eq!((broker.committed_offset("g", "orders", 0), broker.faults().fired(id)), (Some(3), 1));
    let refused = FaultAction::AnswerError(ErrorCode::REBALANCE_IN_PROGRESS);
    broker.faults().arm(Fault::new(ApiKey::Heartbeat.code(), refused));
    let mut member = Member::connect(&broker).await;
    member.alone().await;
    assert_eq!((member.heartbeat().await, member.heartbeat().await), (27, 0));
}

// E02 for groups: a frame may claim what it likes. Fails if a count, a length or a limit is believed: the broker would
// reserve memory, keep whole frames, or hang.
#[tokio::test]
async fn hostile_group_requests_cost_nothing() {
    let groups = GroupSettings { max_members: 3, max_member_bytes: 1_000, ..GroupSettings::default() };
    let config = BrokerConfig { groups, topics: vec![("orders".to_owned(), 1)], ..BrokerConfig::default() };
    let broker = Broker::start(config).await.unwrap();
    for api in [ApiKey::JoinGroup, ApiKey::SyncGroup, ApiKey::OffsetCommit, ApiKey::LeaveGroup] {
        let mut writer = Writer::request(api, 4, 1, "hostile");
        writer.string("g");
        writer.raw(&[0x7f; 40]);
        let mut client = Client::connect(&broker.bootstrap()).await;
        client.send_raw(&writer.finish()).await;
        assert_eq!(client.receive().await, None, "{api:?}");
    }
    let mut client = Client::connect(&broker.bootstrap()).await;
    for _ in 0..3 {
        let answer: JoinGroupResponse = ask(&mut client, ApiKey::JoinGroup, 5, &join("g", "", 5)).await;
        assert_eq!(answer.error_code, 79);
    }
    let full: JoinGroupResponse = ask(&mut client, ApiKey::JoinGroup, 5, &join("g", "", 5)).await;
    assert_eq!(full.error_code, 81, "ids that were given out count");
    let mut large = join("h", "", 5);
    large.protocols[0].metadata = vec![0; 2_000].into();
    let refused: JoinGroupResponse = ask(&mut client, ApiKey::JoinGroup, 5, &large).await;
    assert_eq!(refused.error_code, -1);
    for (milliseconds, expected) in [(-1, 26), (i32::MAX, 26)] {
        let request = join("h", "", 5).with_session_timeout_ms(milliseconds).with_rebalance_timeout_ms(-1);
        let answer: JoinGroupResponse = ask(&mut client, ApiKey::JoinGroup, 5, &request).await;
        assert_eq!(answer.error_code, expected);
    }
    let mut long = commit("g2", "", -1, i64::MAX);
    long.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(5_000)));
    let answer: OffsetCommitResponse = ask(&mut client, ApiKey::OffsetCommit, 5, &long).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 12);
    assert_eq!(broker.groups().iter().filter(|group| group.members > 0).count(), 0);
}
