//! Refusals, lies, silence, hints and answers that no honest broker gives: each as a producer would see it.

use facteur::identifiers::TopicId;
use facteur::wire::WireError;
use facteur::wire::api::produce::{self, PartitionAnswer};
use facteur::wire::frame::peek_correlation_id;

use super::support::{Batch, P, Stage};
use crate::simulation::cluster::{BadHint, ClusterFault, ClusterPlan, Effect, MetadataSpoiler, Spoiler};

fn hint(answer: &PartitionAnswer) -> Option<(i32, i32)> {
    answer.current_leader.map(|(leader, epoch)| (leader.0, epoch))
}

// A refusal comes before the append, a lie after it; both answer the same. Fails if one is the other.
#[test]
fn a_refusal_leaves_nothing_and_a_lie_leaves_everything() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Refuse { node: 1, topic: Some(0), code: 7, times: 1 });
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (7, -1));
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    stage.fault(&ClusterFault::Lie { code: 7, times: 1 });
    assert_eq!(stage.produce(1, 1, Batch::of(5, 5)), (7, -1));
    assert_eq!(stage.produce(1, 1, Batch::of(5, 5)), (0, 5), "it was there");
    assert_eq!(stage.ids_in_the_end().len(), 10);
}

// A refusal for another node or topic waits for it. Fails if anybody gets it.
#[test]
fn a_refusal_waits_for_its_node_and_topic() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Refuse { node: 2, topic: None, code: 29, times: 1 });
    stage.fault(&ClusterFault::Refuse { node: 0, topic: Some(5), code: 29, times: 1 });

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
}

// B29: one record is named, and nothing is appended. Fails if the index is none of the batch's, or the batch is there.
#[test]
fn a_culprit_is_named() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::InvalidRecord { times: 1 });
    let id = stage.send(1, 1, Batch::of(0, 5));
    let answer = stage.answer(id).expect("an answer");
    assert_eq!((answer.error.0, answer.record_errors), (87, vec![(0, None)]));

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
}

// B41, Tansu's manner: an epoch that the cluster has not given is refused, also by a broker that was killed since. Fails
// if a restart forgets what was given.
#[test]
fn an_epoch_that_was_not_given_is_refused() {
    let personality = facteur::broker::Personality::NoLocalEpochBump;
    let mut stage = Stage::of(&ClusterPlan { personality, ..ClusterPlan::default() }.topic("t", 1));
    assert_eq!(stage.init_producer_id(2), (4000, 0));
    let batch = Batch { producer_id: 4000, ..Batch::of(0, 5) };
    assert_eq!(stage.produce(1, 1, batch), (0, 0));
    assert_eq!(stage.produce(1, 1, batch.epoch(1).id(10)), (47, -1));
    stage.fault(&ClusterFault::Kill { node: 1 });
    stage.fault(&ClusterFault::Restart { node: 1 });
    stage.pass(10_000);
    let leader = stage.cluster.leader(P).expect("a leader");

    assert_eq!(stage.produce(leader, 5, batch.epoch(1).id(20)), (47, -1));
    assert_eq!(stage.produce(leader, 5, batch), (0, 0), "and the retry is known");
}

// kfake's manner: a bump in one partition fences the others. Fails if partitions are apart.
#[test]
fn one_personality_keeps_epochs_by_id() {
    let personality = facteur::broker::Personality::EpochGlobalPerId;
    let mut stage = Stage::of(
        &ClusterPlan { personality, brokers: 1, min_isr: 1, ..ClusterPlan::default() }
            .topic("t", 1)
            .topic("u", 1),
    );
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    stage.send_to("u", 1, 2, Batch::of(0, 5).epoch(1).id(10));

    assert_eq!(stage.produce(1, 1, Batch::of(5, 5)), (47, -1));
}

// B33-B35: InitProducerId is refused so often, then given. Fails if an id is given twice.
#[test]
fn producer_ids_can_be_refused() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::InitRefused { code: 15, times: 1 });
    assert_eq!(stage.init_producer_id(1), (-1, -1));
    assert_eq!(stage.init_producer_id(1), (4000, 0));
    assert_eq!(stage.init_producer_id(3), (4001, 0));
}

// Swallowed: appended, and the connection is mute for ever; another one is not. Fails if it is answered.
#[test]
fn a_swallowed_answer_never_comes() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Swallow { times: 1 });
    let lost = stage.send(1, 1, Batch::of(0, 5));
    stage.pass(30_000);
    let behind = stage.send(1, 1, Batch::of(5, 5));
    stage.pass(30_000);
    assert_eq!((stage.answer(lost), stage.answer(behind)), (None, None));

    assert_eq!(stage.produce(1, 2, Batch::of(0, 5)), (0, 0));
    assert_eq!(stage.ids_in_the_end().len(), 5);
}

// B03: each kind of useless hint is told as it is meant. Fails by kind.
#[test]
fn hints_can_be_useless() {
    let expected = [
        (BadHint::Itself, Some((2, 1))),
        (BadHint::Unknown, Some((99, 1))),
        (BadHint::Foreign, Some((99, 1))),
        (BadHint::Negative, None),
        (BadHint::Stale, Some((1, -1))),
    ];
    for (kind, told) in expected {
        let mut stage = Stage::new();
        stage.fault(&ClusterFault::BadHint { kind, times: 1 });
        let id = stage.send(2, 1, Batch::of(0, 5));
        let answer = stage.answer(id).expect("an answer");
        assert_eq!((answer.error.0, hint(&answer)), (6, told), "{kind:?}");

        let id = stage.send(2, 1, Batch::of(0, 5));
        assert_eq!(hint(&stage.answer(id).expect("an answer")), Some((1, 0)), "honest again after {kind:?}");
    }
}

// B04: two brokers name each other, each time in a newer epoch. Fails if either takes the batch or the epochs stand still.
#[test]
fn brokers_can_name_each_other() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::PingPong { at: P, ms: 1000 });
    let told: Vec<_> = [1, 2, 1]
        .into_iter()
        .map(|node| {
            let id = stage.send(node, 1, Batch::of(0, 5));
            hint(&stage.answer(id).expect("an answer"))
        })
        .collect();
    assert_eq!(told, [Some((2, 1)), Some((3, 2)), Some((2, 3))]);

    stage.pass(1000);
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
}

/// The answer to one batch under a spoiler, as frames.
fn spoiled(kind: Spoiler) -> (Stage, Vec<bytes::Bytes>) {
    let mut stage = Stage::new();
    stage.produce(1, 1, Batch::of(0, 5));
    stage.effects.clear();
    stage.fault(&ClusterFault::HostileAnswer { kind, times: 1 });
    stage.send(1, 1, Batch::of(5, 5));
    stage.pass(100);
    let frames = stage.effects.iter().filter_map(|effect| match effect {
        Effect::Answer { frame, .. } => Some(frame.clone()),
        Effect::Close { .. } => None,
    });
    let frames = frames.collect();
    (stage, frames)
}

fn partitions(frame: &bytes::Bytes) -> Result<Vec<(i32, i16, i64)>, WireError> {
    let answer = produce::decode_response(12, &frame.slice(5..))?;
    let told = answer.partitions.iter().map(|told| (told.partition, told.error.0, told.base_offset));
    Ok(told.collect())
}

// N27, N29, B49: each kind of answer that no honest broker gives. Fails by kind.
#[test]
fn answers_can_be_spoiled() {
    let (_, frames) = spoiled(Spoiler::UnknownCorrelation);
    assert!(peek_correlation_id(&frames[0]).unwrap() > 1000);
    let (_, frames) = spoiled(Spoiler::Twice);
    assert_eq!((frames.len(), frames[0] == frames[1]), (2, true));
    let (_, frames) = spoiled(Spoiler::CutShort);
    assert!(partitions(&frames[0]).is_err());
    assert_eq!(partitions(&spoiled(Spoiler::Omits).1[0]).unwrap(), []);
    assert_eq!(partitions(&spoiled(Spoiler::Adds).1[0]).unwrap(), [(7777, 0, 5), (0, 0, 5)]);
    assert_eq!(partitions(&spoiled(Spoiler::Repeats).1[0]).unwrap(), [(0, 0, 5), (0, 87, -1)]);
    let (stage, frames) = spoiled(Spoiler::OffsetZero);
    assert_eq!(partitions(&frames[0]).unwrap(), [(0, 0, 0)]);
    assert!(stage.cluster.lied_about_offsets());
    let (stage, frames) = spoiled(Spoiler::OffsetNone);
    assert_eq!(partitions(&frames[0]).unwrap(), [(0, 0, -1)]);
    assert!(!stage.cluster.lied_about_offsets(), "no offset is no lie");
}

// B53: a throttled answer says so, and the connection is not read until its time is over. Fails if it is.
#[test]
fn a_throttled_connection_is_muted() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Throttle { ms: 5000, times: 1 });
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    let next = stage.send(1, 1, Batch::of(5, 5));
    stage.pass(4900);
    assert_eq!(stage.answer(next), None);
    stage.pass(200);
    assert!(stage.answer(next).is_some());
}

// B19, B22, B23: what metadata may tell that is of no use. Fails by kind.
#[test]
fn metadata_can_be_useless() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::TopicHidden { topic: 0, ms: 1000 });
    assert_eq!(stage.metadata(1), None, "hidden");
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0), "and served all the same");
    stage.pass(1000);
    assert_eq!(stage.metadata(1), Some((Some(1), Some(0))));
    stage.fault(&ClusterFault::BrokenMetadata { kind: MetadataSpoiler::NoPartitions, times: 1 });
    assert_eq!(stage.metadata(1), None, "no partitions");

    stage.fault(&ClusterFault::MoveLeader { at: P });
    stage.pass(1000);
    stage.fault(&ClusterFault::RegressMetadata { node: 3, ms: 1000 });
    assert_eq!(stage.metadata(3), Some((Some(1), Some(0))), "older than what it told before");
    stage.fault(&ClusterFault::StaleMetadata { node: 2, ms: 5000 });
    stage.fault(&ClusterFault::MoveLeader { at: P });
    stage.pass(2000);
    assert_eq!(stage.metadata(3), Some((Some(1), Some(2))));
    assert_eq!(stage.metadata(2), Some((Some(2), Some(1))), "it believes to lead still");
    stage.pass(5000);
    assert_eq!(stage.metadata(2), Some((Some(1), Some(2))));
}

// B20, B21: another topic of the same name, and more partitions. Fails if the old log or its producers are in the new one.
#[test]
fn a_recreated_topic_is_another_topic() {
    let mut stage = Stage::new();
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));

    stage.fault(&ClusterFault::TopicRecreated { topic: 0 });
    stage.pass(1000);

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0), "nobody knows the producer");
    assert_eq!(stage.cluster.former_contents()[0].found.len(), 5);
    assert_eq!(stage.cluster.losses()[0].why, "topic deleted");
    stage.version = 13;
    let id = stage.send(1, 1, Batch::of(5, 5));
    assert_eq!(
        stage.answer(id).expect("an answer").error.0,
        100,
        "the zero id is no topic's: {:?}",
        TopicId::ZERO
    );
    stage.fault(&ClusterFault::PartitionsAdded { topic: 0 });
    stage.pass(1000);
    assert_eq!(stage.cluster.contents().len(), 3);
}

// B15: a full disk refuses with 56, its waits end so, and others lead. Fails if it takes the batch.
#[test]
fn a_full_disk_answers_56_and_others_lead() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::ShrinkIsr { at: P, ms: 1000 });
    let waiting = stage.send(1, 1, Batch::of(0, 5));
    stage.fault(&ClusterFault::DiskFull { node: 1, ms: 30_000 });
    assert_eq!(stage.answer(waiting).expect("an answer").error.0, 56);
    assert_eq!(stage.produce(1, 2, Batch::of(0, 5)), (56, -1));

    stage.pass(20_000);

    assert_eq!(stage.cluster.leader(P), Some(2));
    assert_eq!(stage.produce(2, 3, Batch::of(0, 5)), (0, 0));
    assert_eq!(stage.ids_in_the_end().len(), 5);
}

// B08, B43: the table is gone with its snapshot. Fails if the broker still knows the producer.
#[test]
fn forgotten_producers_may_begin_anywhere() {
    let mut stage = Stage::new();
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    stage.fault(&ClusterFault::ForgetProducers { at: P });

    assert_eq!(stage.produce(1, 1, Batch::of(50, 5)), (0, 5));
}

// B44: deleted records leave their producers behind. Fails if the retry is taken for new.
#[test]
fn deleted_records_are_still_known_as_duplicates() {
    let mut stage = Stage::new();
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    stage.fault(&ClusterFault::DeleteRecords { at: P });

    let id = stage.send(1, 1, Batch::of(0, 5));
    let answer = stage.answer(id).expect("an answer");
    assert_eq!((answer.error.0, answer.base_offset, answer.log_start_offset), (0, 0, 5));
    assert_eq!(stage.ids_in_the_end(), Vec::<usize>::new());
}

// `answers_-1_on_replication_error`: 7, 19 and 20 become -1. Fails if their own code goes out.
#[test]
fn one_personality_answers_minus_one_for_replication() {
    let personality = facteur::broker::Personality::UnknownErrorOnReplication;
    let mut stage = Stage::of(&ClusterPlan { personality, ..ClusterPlan::default() }.topic("t", 1));
    for node in [2, 3] {
        stage.fault(&ClusterFault::Pause { node });
    }
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)).0, -1, "20");
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)).0, -1, "19");
}

// B46: a killed broker ends its connections, and whoever still writes to it hears so. Fails if a request is swallowed.
#[test]
fn a_dead_broker_ends_connections() {
    let mut stage = Stage::new();
    stage.produce(1, 1, Batch::of(0, 5));
    stage.effects.clear();
    stage.fault(&ClusterFault::Kill { node: 1 });
    assert_eq!(stage.effects, [Effect::Close { node: 1, connection: 1 }]);

    stage.send(1, 2, Batch::of(5, 5));

    assert_eq!(stage.effects.last(), Some(&Effect::Close { node: 1, connection: 2 }));
}

// B47: brokers of different age offer different versions, and a version that one does not speak ends the connection.
// Fails if the old one takes it.
#[test]
fn brokers_may_speak_different_versions() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Upgrade { node: 2, produce_max: 9, metadata_max: 9 });
    stage.pass(20_000);
    stage.fault(&ClusterFault::MoveLeader { at: P });
    stage.pass(1000);
    assert_eq!(stage.cluster.leader(P), Some(2));
    stage.version = 12;
    stage.effects.clear();
    stage.send(2, 1, Batch::of(0, 5));
    assert_eq!(stage.effects, [Effect::Close { node: 2, connection: 1 }]);

    stage.version = 9;
    assert_eq!(stage.produce(2, 2, Batch::of(0, 5)), (0, 0));
}

// B24: a broker moves, its connections end, and metadata names the new place. Fails if the old name leads nowhere, since
// bootstrap addresses always lead to somebody.
#[test]
fn a_broker_may_move() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::MoveAddress { node: 2 });

    assert_eq!(stage.cluster.host(2), "b2-1");
    assert_eq!((stage.cluster.node_at("b2-1"), stage.cluster.node_at("b2")), (Some(2), Some(2)));
    assert_eq!(stage.cluster.node_at("elsewhere"), None);
}

// `dup_answers_46`: 46 says "I have it", so it must wait for the in-sync set as any success (D14). Fails if a retry is told
// 46 while the batch can still be lost.
#[test]
fn one_personality_says_46_only_of_what_is_kept() {
    let personality = facteur::broker::Personality::DuplicateAnswers46;
    let mut stage = Stage::of(&ClusterPlan { personality, ..ClusterPlan::default() }.topic("t", 1));
    stage.fault(&ClusterFault::ShrinkIsr { at: P, ms: 1000 });
    let first = stage.send(1, 1, Batch::of(0, 5));
    let again = stage.send(1, 2, Batch::of(0, 5));
    stage.pass(500);
    assert_eq!((stage.answer(first), stage.answer(again)), (None, None));

    stage.pass(1000);

    assert_eq!(stage.answer(first).expect("an answer").error.0, 0);
    assert_eq!(stage.answer(again).expect("an answer").error.0, 46);
}
