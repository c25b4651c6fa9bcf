//! Consumer groups as a state machine: time is a number here, and nobody waits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use facteur::broker::GroupSettings;
use facteur::broker::cluster::Now;
use facteur::broker::groups::{
    Groups, Join, JoinAnswer, MemberRef, OffsetToCommit, Outcome, Protocol, Sync, SyncAnswer, Ticket,
};
use facteur::error::ErrorCode;
use facteur::time::Instant;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(30);

fn at(seconds: u64) -> Now {
    Now { instant: Instant::from_millis(seconds * 1_000), wall_ms: i64::try_from(seconds).unwrap() * 1_000 }
}

/// A member of the group `g` that knows these protocols.
fn member(client: &str, protocols: &[&str]) -> Join {
    let protocol = |name: &&str| Protocol {
        name: Arc::from(*name),
        metadata: Bytes::from(format!("{client} by {name}")),
    };
    Join {
        member_id: String::new(),
        instance_id: None,
        client_id: client.to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.iter().map(protocol).collect(),
        needs_known_id: false,
        fresh: "1".to_owned(),
    }
}

fn with_id(join: &Join, id: &str) -> Join {
    Join { member_id: id.to_owned(), ..join.clone() }
}

fn fixed(join: Join, instance: &str, fresh: &str) -> Join {
    Join { instance_id: Some(instance.to_owned()), fresh: fresh.to_owned(), ..join }
}

fn is(id: &str, generation: i32) -> MemberRef {
    MemberRef { id: id.to_owned(), instance_id: None, generation }
}

fn now_<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Now(answer) => answer,
        Outcome::Later(ticket) => panic!("an answer was expected, not {ticket:?}"),
    }
}

fn later<T: std::fmt::Debug>(outcome: Outcome<T>) -> Ticket {
    match outcome {
        Outcome::Later(ticket) => ticket,
        Outcome::Now(answer) => panic!("waiting was expected, not {answer:?}"),
    }
}

fn sync_of(id: &str, generation: i32, parts: &[(&str, &'static str)]) -> Sync {
    let assignments = parts.iter().map(|(id, part)| ((*id).to_owned(), Bytes::from_static(part.as_bytes())));
    Sync {
        member: is(id, generation),
        protocol_type: None,
        protocol: None,
        assignments: assignments.collect(),
    }
}

/// Lets one member alone get its part; answers its id and generation.
fn alone(groups: &mut Groups, join: &Join, now: Now) -> (String, i32) {
    let joined = now_(groups.join("g", join, now));
    let id = joined.member_id.to_string();
    let synced = now_(groups.sync("g", &sync_of(&id, joined.generation, &[(&id, "all")]), now));
    assert_eq!(synced.assignment, "all");
    (id, joined.generation)
}

/// Two members, `a-1` the leader and `b-1`, in generation 2.
fn pair(groups: &mut Groups, now: Now) {
    alone(groups, &member("a", &["range"]), now);
    let ticket = later(groups.join("g", &member("b", &["range"]), now));
    assert_eq!(groups.heartbeat("g", &is("a-1", 1), now), ErrorCode::REBALANCE_IN_PROGRESS);
    let leader = now_(groups.join("g", &with_id(&member("a", &["range"]), "a-1"), now));
    let ids: Vec<&str> = leader.members.iter().map(|member| &*member.id).collect();
    assert_eq!((leader.generation, &*leader.leader, ids), (2, "a-1", vec!["a-1", "b-1"]));
    let follower = groups.take_join("g", "b-1", None, ticket).unwrap();
    assert_eq!((follower.generation, follower.members.len()), (2, 0));
    let waiting = later(groups.sync("g", &sync_of("b-1", 2, &[]), now));
    let parts = [("a-1", "first"), ("b-1", "second")];
    assert_eq!(now_(groups.sync("g", &sync_of("a-1", 2, &parts), now)).assignment, "first");
    assert_eq!(groups.take_sync("g", "b-1", None, waiting).unwrap().assignment, "second");
}

fn state(groups: &Groups) -> &'static str {
    groups.describe("g").state
}

fn commit(groups: &mut Groups, member: &MemberRef, offset: i64, now: Now) -> ErrorCode {
    if let Err(code) = groups.check_commit("g", member, now) {
        return code;
    }
    let offset = OffsetToCommit {
        topic: Arc::from("orders"),
        partition: 0,
        offset,
        leader_epoch: 0,
        metadata: String::new(),
    };
    groups.commit("g", &[offset], now)[0]
}

fn committed(groups: &Groups) -> Option<i64> {
    groups.offsets("g")?.get("orders", 0).map(|committed| committed.offset)
}

// The whole dance of two members. Fails if a member is answered before all are there, or gets another's part.
#[test]
fn two_members_share_what_the_leader_hands_out() {
    let mut groups = Groups::new(GroupSettings::default());

    pair(&mut groups, at(0));

    let described = groups.describe("g");
    assert_eq!(
        (described.state, &*described.protocol, &*described.protocol_type),
        ("Stable", "range", "consumer")
    );
    let parts: Vec<&Bytes> = described.members.iter().map(|member| &member.assignment).collect();
    assert_eq!(parts, [&"first", &"second"]);
    assert_eq!(described.members[1].metadata, "b by range");
    assert_eq!(groups.heartbeat("g", &is("b-1", 2), at(1)), ErrorCode::NONE);
}

// KIP-394: a new member learns its id before it is waited for. Fails if it counts as a member already, or if its place
// is kept for ever when it does not come back.
#[test]
fn a_new_member_comes_back_with_the_id_it_is_given() {
    let mut groups = Groups::new(GroupSettings::default());
    let join = Join { needs_known_id: true, ..member("a", &["range"]) };

    let asked = now_(groups.join("g", &join, at(0)));

    assert_eq!((asked.code, &*asked.member_id, asked.generation), (ErrorCode::MEMBER_ID_REQUIRED, "a-1", -1));
    assert_eq!(groups.describe("g").members.len(), 0);
    let other = Join { fresh: "2".to_owned(), ..join.clone() };
    assert_eq!(&*now_(groups.join("g", &other, at(1))).member_id, "a-2");
    assert_eq!(now_(groups.join("g", &with_id(&join, "a-1"), at(2))).generation, 1);
    groups.tick(at(12));
    assert_eq!(now_(groups.join("g", &with_id(&join, "a-2"), at(12))).code, ErrorCode::UNKNOWN_MEMBER_ID);
}

// Fails if the partitions of one who left stay without an owner until a session timeout.
#[test]
fn who_leaves_makes_the_others_share_anew_at_once() {
    let mut groups = Groups::new(GroupSettings::default());
    pair(&mut groups, at(0));

    assert_eq!(
        groups.leave("g", &[is("b-1", -1), is("c-1", -1)], at(1)),
        [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]
    );

    assert_eq!(groups.heartbeat("g", &is("a-1", 2), at(1)), ErrorCode::REBALANCE_IN_PROGRESS);
    let alone = now_(groups.join("g", &with_id(&member("a", &["range"]), "a-1"), at(1)));
    assert_eq!((alone.generation, alone.members.len()), (3, 1));
    assert_eq!(groups.leave("g", &[is("a-1", -1)], at(2)), [ErrorCode::NONE]);
    assert_eq!(state(&groups), "Empty");
}

// Fails if a member that died silently keeps its partitions, or if one that sends heartbeats is thrown out.
#[test]
fn a_silent_member_is_out_after_its_session_timeout() {
    let mut groups = Groups::new(GroupSettings::default());
    pair(&mut groups, at(0));
    assert_eq!(groups.next_deadline(), at(10).instant);
    assert_eq!(groups.heartbeat("g", &is("a-1", 2), at(9)), ErrorCode::NONE);

    groups.tick(at(10));

    assert_eq!(state(&groups), "PreparingRebalance");
    assert_eq!(groups.heartbeat("g", &is("b-1", 2), at(10)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(groups.heartbeat("g", &is("a-1", 2), at(10)), ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(
        groups.take_events().iter().any(|event| event.reason().contains("silent for its session timeout"))
    );
}

// A member that lives but does not join again (a handler that blocks) is waited for no longer than the rebalance
// timeout. Fails if the others wait for ever.
#[test]
fn who_does_not_join_again_in_time_is_left_behind() {
    let mut groups = Groups::new(GroupSettings::default());
    pair(&mut groups, at(0));
    let ticket = later(groups.join("g", &with_id(&member("a", &["range"]), "a-1"), at(1)));
    for second in [9, 18, 27] {
        let code = groups.heartbeat("g", &is("b-1", 2), at(second));
        assert_eq!(code, ErrorCode::REBALANCE_IN_PROGRESS, "it lives, second {second}");
        groups.tick(at(second));
    }
    assert_eq!(groups.take_join("g", "a-1", None, ticket), None);

    groups.tick(at(31));

    let answer = groups.take_join("g", "a-1", None, ticket).unwrap();
    assert_eq!((answer.generation, answer.members.len()), (3, 1));
    assert_eq!(groups.heartbeat("g", &is("b-1", 2), at(31)), ErrorCode::UNKNOWN_MEMBER_ID);
}

// A leader that dies between join and sync must not hold up the others. Fails if the group stays in
// CompletingRebalance.
#[test]
fn a_leader_that_never_syncs_is_replaced() {
    let mut groups = Groups::new(GroupSettings::default());
    pair(&mut groups, at(0));
    let ticket = later(groups.join("g", &with_id(&member("b", &["sticky", "range"]), "b-1"), at(1)));
    now_(groups.join("g", &with_id(&member("a", &["range"]), "a-1"), at(1)));
    assert_eq!(groups.take_join("g", "b-1", None, ticket).unwrap().generation, 3);
    let waiting = later(groups.sync("g", &sync_of("b-1", 3, &[]), at(2)));
    assert_eq!(state(&groups), "CompletingRebalance");

    groups.tick(at(11));

    let answer = groups.take_sync("g", "b-1", None, waiting).unwrap();
    assert_eq!(answer.code, ErrorCode::REBALANCE_IN_PROGRESS);
    let (_, generation) = alone(&mut groups, &with_id(&member("b", &["range"]), "b-1"), at(12));
    assert_eq!(generation, 4);
}

// As above, but it goes on sending heartbeats: the rebalance timeout ends it.
#[test]
fn who_sends_heartbeats_but_never_syncs_is_left_behind() {
    let mut groups = Groups::new(GroupSettings::default());
    let joined = now_(groups.join("g", &member("a", &["range"]), at(0)));
    for second in [9, 18, 27] {
        assert_eq!(groups.heartbeat("g", &is("a-1", joined.generation), at(second)), ErrorCode::NONE);
        groups.tick(at(second));
    }
    assert_eq!(state(&groups), "CompletingRebalance");

    groups.tick(at(30));

    assert_eq!(state(&groups), "Empty");
}

// A zombie must not set offsets back or take a part. Fails if an old generation or an unknown id gets through anywhere.
#[test]
fn wrong_generations_and_unknown_members_are_refused_everywhere() {
    let mut groups = Groups::new(GroupSettings::default());
    pair(&mut groups, at(0));
    let cases = [
        (is("a-1", 1), ErrorCode::ILLEGAL_GENERATION),
        (is("a-1", 3), ErrorCode::ILLEGAL_GENERATION),
        (is("z-1", 2), ErrorCode::UNKNOWN_MEMBER_ID),
        (is("", 2), ErrorCode::UNKNOWN_MEMBER_ID),
    ];

    for (who, expected) in cases {
        assert_eq!(groups.heartbeat("g", &who, at(1)), expected, "{who:?}");
        assert_eq!(commit(&mut groups, &who, 5, at(1)), expected, "{who:?}");
        let sync = Sync { member: who, ..sync_of("", 0, &[]) };
        assert_eq!(now_(groups.sync("g", &sync, at(1))).code, expected, "{sync:?}");
    }

    assert_eq!(
        commit(&mut groups, &is("", -1), 5, at(1)),
        ErrorCode::UNKNOWN_MEMBER_ID,
        "the group has members"
    );
    assert_eq!(committed(&groups), None);
    assert_eq!(groups.heartbeat("none", &is("a-1", 1), at(1)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(groups.check_commit("none", &is("a-1", 1), at(1)), Err(ErrorCode::ILLEGAL_GENERATION));
    let unknown = now_(groups.join("none", &with_id(&member("a", &["range"]), "a-1"), at(1)));
    assert_eq!(unknown.code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(groups.list().count(), 1, "a refusal leaves no group behind");
}

// Fails if a member may go on from an offset that another one committed in the same group only by luck of states.
#[test]
fn offsets_are_kept_over_generations_and_emptiness() {
    let mut groups = Groups::new(GroupSettings::default());
    let (id, generation) = alone(&mut groups, &member("a", &["range"]), at(0));

    assert_eq!(commit(&mut groups, &is(&id, generation), 5, at(1)), ErrorCode::NONE);
    assert_eq!(groups.leave("g", &[is(&id, -1)], at(2)), [ErrorCode::NONE]);
    assert_eq!(committed(&groups), Some(5));
    assert_eq!(
        commit(&mut groups, &is("", -1), 7, at(3)),
        ErrorCode::NONE,
        "a tool sets an empty group's offset"
    );

    let joined = now_(groups.join("g", &member("b", &["range"]), at(4)));
    assert_eq!((joined.generation, committed(&groups)), (3, Some(7)));
    let early = is("b-1", joined.generation);
    assert_eq!(commit(&mut groups, &early, 9, at(4)), ErrorCode::REBALANCE_IN_PROGRESS, "not synced yet");
}

// A lost answer makes a client ask again. Fails if asking again begins a rebalance, which would never end.
#[test]
fn a_join_that_comes_again_is_answered_again() {
    let mut groups = Groups::new(GroupSettings::default());
    pair(&mut groups, at(0));
    let follower = with_id(&member("b", &["range"]), "b-1");

    let again = now_(groups.join("g", &follower, at(1)));

    assert_eq!((again.code, again.generation, state(&groups)), (ErrorCode::NONE, 2, "Stable"));
    assert_eq!(now_(groups.sync("g", &sync_of("b-1", 2, &[]), at(1))).assignment, "second");
    let first = later(groups.join("g", &with_id(&member("b", &["range", "new"]), "b-1"), at(2)));
    let second = later(groups.join("g", &with_id(&member("b", &["range", "new"]), "b-1"), at(3)));
    let replaced = groups.take_join("g", "b-1", None, first).unwrap();
    assert_eq!(replaced.code, ErrorCode::REBALANCE_IN_PROGRESS, "the later request took the place");
    now_(groups.join("g", &with_id(&member("a", &["range"]), "a-1"), at(3)));
    assert_eq!(groups.take_join("g", "b-1", None, second).unwrap().generation, 3);
}

// Fails if a member that shares no protocol with the others is let in: no leader could serve it.
#[test]
fn the_protocol_is_one_that_all_know_and_most_like() {
    let mut groups = Groups::new(GroupSettings::default());
    let a = member("a", &["sticky", "range"]);
    alone(&mut groups, &a, at(0));
    let stranger = member("x", &["private"]);
    assert_eq!(now_(groups.join("g", &stranger, at(0))).code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let connect = Join { protocol_type: "connect".to_owned(), ..member("x", &["sticky"]) };
    assert_eq!(now_(groups.join("g", &connect, at(0))).code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let nothing = now_(groups.join("other", &member("x", &[]), at(0)));
    assert_eq!(nothing.code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);

    later(groups.join("g", &member("b", &["range", "sticky"]), at(0)));
    later(groups.join("g", &member("c", &["range"]), at(0)));
    let joined = now_(groups.join("g", &with_id(&a, "a-1"), at(0)));

    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(groups.list().count(), 1);
    let wrong = Sync { protocol: Some("sticky".to_owned()), ..sync_of("a-1", joined.generation, &[]) };
    assert_eq!(now_(groups.sync("g", &wrong, at(0))).code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

// KIP-345: a static member that restarts within its session timeout gets its part back without a rebalance, and its
// former self is fenced. Fails if a rolling restart rebalances.
#[test]
fn a_static_member_that_restarts_gets_its_part_back() {
    let mut groups = Groups::new(GroupSettings::default());
    let (id, _) = alone(&mut groups, &fixed(member("a", &["range"]), "fixed", "1"), at(0));
    assert_eq!(id, "fixed-1");

    let back = now_(groups.join("g", &fixed(member("a", &["range"]), "fixed", "2"), at(5)));

    assert_eq!((back.code, back.generation, &*back.member_id), (ErrorCode::NONE, 1, "fixed-2"));
    assert_ne!(back.leader, back.member_id, "so that it does not share out anew");
    let new = MemberRef { instance_id: Some("fixed".to_owned()), ..is("fixed-2", 1) };
    let old = MemberRef { id: "fixed-1".to_owned(), ..new.clone() };
    let synced = now_(groups.sync("g", &Sync { member: new.clone(), ..sync_of("", 0, &[]) }, at(5)));
    assert_eq!(synced.assignment, "all");
    assert_eq!(groups.heartbeat("g", &new, at(6)), ErrorCode::NONE);
    assert_eq!(groups.heartbeat("g", &old, at(6)), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(commit(&mut groups, &old, 1, at(6)), ErrorCode::FENCED_INSTANCE_ID);
    let fenced = Join { member_id: "fixed-1".to_owned(), ..fixed(member("a", &["range"]), "fixed", "3") };
    assert_eq!(now_(groups.join("g", &fenced, at(6))).code, ErrorCode::FENCED_INSTANCE_ID);
    let by_name = MemberRef { instance_id: Some("fixed".to_owned()), ..is("", -1) };
    assert_eq!(groups.leave("g", &[by_name], at(7)), [ErrorCode::NONE], "a tool removes it by name");
    assert_eq!(state(&groups), "Empty");
}

// A static member keeps its place in a rebalance that it misses; its session timeout is what ends it. Fails if it is
// thrown out with those who did not join again.
#[test]
fn a_static_member_keeps_its_place_until_its_session_ends() {
    let mut groups = Groups::new(GroupSettings::default());
    let slow =
        Join { session_timeout: Duration::from_secs(60), ..fixed(member("a", &["range"]), "fixed", "1") };
    alone(&mut groups, &slow, at(0));
    let ticket = later(groups.join("g", &member("b", &["range"]), at(1)));

    groups.tick(at(31));

    let joined = groups.take_join("g", "b-1", None, ticket).unwrap();
    assert_eq!((&*joined.leader, joined.members.len()), ("b-1", 2), "the one who is there leads");
    groups.heartbeat("g", &is("b-1", 2), at(39));
    now_(groups.sync("g", &sync_of("b-1", 2, &[("b-1", "all")]), at(39)));
    groups.tick(at(60));
    assert_eq!(groups.describe("g").members.len(), 1, "the other one was silent for its 10 s");
    groups.tick(at(91));
    assert_eq!(groups.describe("g").members.len(), 0, "and the static one for its 60, since the gathering");
}

// `group.initial.rebalance.delay.ms`: with it the first gathering waits for more members. Fails if it does not wait, or
// waits beyond the rebalance timeout.
#[test]
fn the_first_gathering_waits_if_it_is_told_to() {
    let settings =
        GroupSettings { initial_rebalance_delay: Duration::from_secs(3), ..GroupSettings::default() };
    let mut groups = Groups::new(settings);
    let first = later(groups.join("g", &member("a", &["range"]), at(0)));
    let second = later(groups.join("g", &member("b", &["range"]), at(2)));
    groups.tick(at(3));
    assert_eq!(groups.take_join("g", "a-1", None, first), None, "one came, so it waits once more");

    groups.tick(at(6));

    assert_eq!(groups.take_join("g", "a-1", None, first).unwrap().members.len(), 2);
    assert_eq!(groups.take_join("g", "b-1", None, second).unwrap().generation, 1);
}

// Fails if a timeout beyond the limits is taken as it is: a member with a session of a day would block a rebalance.
#[test]
fn session_timeouts_have_limits() {
    let mut groups = Groups::new(GroupSettings::default());
    for (seconds, expected) in [(5, 26), (6, 0), (1_800, 0), (1_801, 26)] {
        let group = format!("g{seconds}");
        let join = Join { session_timeout: Duration::from_secs(seconds), ..member("a", &["range"]) };
        assert_eq!(now_(groups.join(&group, &join, at(0))).code, ErrorCode(expected), "{seconds} s");
    }
    assert_eq!(now_(groups.join("", &member("a", &["range"]), at(0))).code, ErrorCode::INVALID_GROUP_ID);
}

// What strangers can make the broker keep is bounded: members, groups, bytes. Fails if a limit is not one, or if a group
// with members is forgotten to make room.
#[test]
fn members_groups_and_bytes_have_limits() {
    let settings = GroupSettings {
        max_members: 2,
        max_groups: 3,
        max_member_bytes: 300,
        max_bytes: 8_000,
        max_offset_metadata_bytes: 10,
        ..GroupSettings::default()
    };
    let mut groups = Groups::new(settings);
    let long = member("a", &["a very long name of a protocol"; 10]);
    assert_eq!(now_(groups.join("g", &long, at(0))).code, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(groups.list().count(), 0);

    alone(&mut groups, &member("a", &["range"]), at(0));
    later(groups.join("g", &member("b", &["range"]), at(0)));
    let third = now_(groups.join("g", &member("c", &["range"]), at(0)));
    assert_eq!(third.code, ErrorCode::GROUP_MAX_SIZE_REACHED);

    for (second, group) in (1..).zip(["h", "i", "j"]) {
        assert_eq!(groups.check_commit(group, &is("", -1), at(second)), Ok(()));
        let offset = OffsetToCommit {
            topic: Arc::from("orders"),
            partition: 0,
            offset: 1,
            leader_epoch: -1,
            metadata: "x".repeat(10),
        };
        let too_much = OffsetToCommit { metadata: "x".repeat(11), ..offset.clone() };
        let codes = groups.commit(group, &[offset, too_much], at(second));
        assert_eq!(codes, [ErrorCode::NONE, ErrorCode::OFFSET_METADATA_TOO_LARGE]);
    }
    let left: Vec<String> = groups.list().map(|group| group.id.to_string()).collect();
    assert_eq!(left, ["g", "i", "j"], "the one that was empty for longest went");
    assert!(groups.take_events().iter().any(|event| event.kind.name() == "group_forgotten"));

    let many: Vec<OffsetToCommit> = (0..100)
        .map(|partition| OffsetToCommit {
            topic: Arc::from("orders"),
            partition,
            offset: 1,
            leader_epoch: -1,
            metadata: String::new(),
        })
        .collect();
    let codes = groups.commit("j", &many, at(9));
    assert_eq!(codes.first(), Some(&ErrorCode::NONE));
    assert_eq!(
        codes.last(),
        Some(&ErrorCode::INVALID_COMMIT_OFFSET_SIZE),
        "the bytes of all groups are limited"
    );
    let left: Vec<String> = groups.list().map(|group| group.id.to_string()).collect();
    assert_eq!(left, ["g", "j"], "the one with members stays, and the one that commits");
}

// Fails if offsets of a group that nobody uses any more are kept for ever, or go while it is in use.
#[test]
fn offsets_of_an_empty_group_expire() {
    let mut groups = Groups::new(GroupSettings::default());
    let week = 7 * 86_400;
    let (id, generation) = alone(&mut groups, &member("a", &["range"]), at(0));
    commit(&mut groups, &is(&id, generation), 5, at(0));
    groups.sweep(at(2 * week));
    assert_eq!(committed(&groups), Some(5), "it has members");
    groups.leave("g", &[is(&id, -1)], at(2 * week));

    groups.sweep(at(3 * week - 1));
    assert_eq!(committed(&groups), Some(5), "the week counts from when the last one left");
    groups.sweep(at(3 * week));

    assert_eq!(groups.list().count(), 0);
}

// Fails if a group in use can be deleted under its members' hands.
#[test]
fn only_groups_without_members_are_deleted() {
    let mut groups = Groups::new(GroupSettings::default());
    let (id, _) = alone(&mut groups, &member("a", &["range"]), at(0));

    assert_eq!(groups.delete("g", at(1)), ErrorCode::NON_EMPTY_GROUP);
    groups.leave("g", &[is(&id, -1)], at(1));
    assert_eq!(groups.delete("g", at(2)), ErrorCode::NONE);

    assert_eq!(groups.delete("g", at(3)), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(state(&groups), "Dead");
}

// Whatever members do in whatever order, nothing panics, answers come, and the bytes counted on the way are those that
// are there: when all is forgotten, none is left. Fails if an account drifts or a passage is missing.
#[test]
fn any_order_of_events_ends_with_an_empty_account() {
    let settings = GroupSettings { max_members: 4, max_bytes: 20_000, ..GroupSettings::default() };
    for seed in 0..300_u64 {
        let mut groups = Groups::new(settings);
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut second = 0;
        let mut known: Vec<String> = vec![String::new()];
        for step in 0..200_u64 {
            second += draw(4);
            let now = at(second);
            let id = known[usize::try_from(draw(known.len() as u64)).unwrap()].clone();
            let generation = i32::try_from(draw(6)).unwrap() - 1;
            match draw(7) {
                0..=2 => {
                    let mut join = with_id(&member("m", &["range"]), &id);
                    join.fresh = format!("{step}");
                    join.needs_known_id = draw(2) == 0;
                    join.instance_id = (draw(3) == 0).then(|| format!("i{}", draw(2)));
                    if let Outcome::Now(JoinAnswer { member_id, .. }) = groups.join("g", &join, now) {
                        known.push(member_id.to_string());
                    }
                }
                3 => {
                    let _answer: Outcome<SyncAnswer> =
                        groups.sync("g", &sync_of(&id, generation, &[(&id, "all")]), now);
                }
                4 => {
                    let _codes = groups.leave("g", &[is(&id, -1)], now);
                }
                5 => {
                    let _code = commit(&mut groups, &is(&id, generation), 1, now);
                }
                _ => groups.tick(now),
            }
        }
        // All sessions, gatherings and ids end within ten minutes and a bit.
        for minute in 1..20 {
            groups.tick(at(second + minute * 60));
        }
        assert_eq!(groups.list().map(|group| group.members).sum::<usize>(), 0, "seed {seed}");
        groups.sweep(at(second + 30 * 86_400));
        assert_eq!((groups.list().count(), groups.bytes()), (0, 0), "seed {seed}");
        assert_eq!(groups.next_deadline(), Instant::NEVER);
    }
}
