//! Replication, waits, elections and truncation, one story each.

use super::support::{Batch, P, Stage};
use crate::simulation::cluster::{ClusterFault, ClusterPlan};

// The plain way: appended, copied, acknowledged, in all logs. Fails if anything of the machinery does not turn.
#[test]
fn an_append_is_acknowledged_when_all_have_it() {
    let mut stage = Stage::new();
    let id = stage.send(1, 1, Batch::of(0, 5));
    assert_eq!(stage.answer(id), None, "nobody has copied it yet");

    stage.pass(100);

    let answer = stage.answer(id).expect("an answer");
    assert_eq!((answer.error.0, answer.base_offset, answer.log_append_time_ms), (0, 0, -1));
    assert!(stage.cluster.at_ack(0, 0, 4));
    assert!(!stage.cluster.at_ack(0, 0, 5));
    assert_eq!(stage.ids_in_the_end(), [0, 1, 2, 3, 4]);
    assert_eq!(stage.found(), Vec::<&str>::new());
}

// D14, E07: a retry of a batch that still waits must wait with it. Fails if it is answered at once or appended again.
#[test]
fn a_duplicate_joins_the_wait() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::ShrinkIsr { at: P, ms: 1000 });
    let first = stage.send(1, 1, Batch::of(0, 5));
    let again = stage.send(1, 2, Batch::of(0, 5));
    stage.pass(500);
    assert_eq!((stage.answer(first), stage.answer(again)), (None, None));

    stage.pass(1000);

    assert_eq!(stage.answer(first).expect("an answer").base_offset, 0);
    let again = stage.answer(again).expect("an answer");
    assert_eq!((again.error.0, again.base_offset), (0, 0));
    assert_eq!(stage.ids_in_the_end().len(), 5);
}

// D15: with too few in sync nothing is appended. Fails if the batch is in the log after all.
#[test]
fn too_few_in_sync_refuse_before_the_append() {
    let mut stage = Stage::new();
    for node in [2, 3] {
        stage.fault(&ClusterFault::Kill { node });
    }
    stage.pass(10_000);

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (19, -1));

    assert_eq!(stage.ids_in_the_end(), Vec::<usize>::new());
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
}

// D16, B12: the in-sync set shrinks while a batch waits: 20, then 19, then success with its offset. Fails if the retry
// is appended again.
#[test]
fn a_batch_that_was_answered_20_is_known_later() {
    let mut stage = Stage::new();
    for node in [2, 3] {
        stage.fault(&ClusterFault::Pause { node });
    }
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (20, 0));
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (19, -1));
    for node in [2, 3] {
        stage.fault(&ClusterFault::Resume { node });
    }
    stage.pass(5000);

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));

    assert_eq!(stage.ids_in_the_end().len(), 5);
}

// KIP-966: below the minimum the high watermark stands still, so the same wait ends 7. Fails if it ends 20.
#[test]
fn a_newer_broker_lets_the_wait_time_out_instead() {
    let plan = ClusterPlan { high_watermark_needs_min_isr: true, ..ClusterPlan::default() }.topic("t", 1);
    let mut stage = Stage::of(&plan);
    for node in [2, 3] {
        stage.fault(&ClusterFault::Pause { node });
    }

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (7, 0));

    assert_eq!(stage.ids_in_the_end().len(), 5, "it was appended all the same");
}

// B14: the request timeout is the broker's own answer, and the append stays. Fails if it is taken back.
#[test]
fn a_wait_ends_with_the_request_timeout() {
    let mut stage = Stage::new();
    stage.timeout_ms = 1000;
    stage.fault(&ClusterFault::ShrinkIsr { at: P, ms: 2000 });

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (7, 0));

    assert_eq!(stage.ids_in_the_end().len(), 5);
}

// B07: a leader that nobody told of its end accepts what it cannot keep. Fails if it acknowledges, or if what it took
// stays in its log.
#[test]
fn a_deposed_leader_keeps_nothing() {
    let mut stage = Stage::new();
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    stage.fault(&ClusterFault::Isolate { node: 1, ms: 20_000 });
    stage.pass(10_000);
    let lonely = stage.send(1, 1, Batch::of(5, 5));
    assert_eq!(stage.cluster.leader(P), Some(2));
    assert_eq!(stage.produce(2, 2, Batch::of(5, 5).id(100)).0, 0, "the new leader knows the producer");

    stage.pass(20_000);

    assert_eq!(stage.answer(lonely).expect("an answer").error.0, 7);
    assert_eq!(stage.ids_in_the_end(), [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]);
    assert!(stage.cluster.losses().is_empty());
}

// B06: leadership moves while a batch waits: 6, a hint, and the copy at the old leader is cut. Fails if the batch is
// in the log twice after the retry.
#[test]
fn a_clean_move_answers_6_and_names_the_new_leader() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::ShrinkIsr { at: P, ms: 100 });
    let waiting = stage.send(1, 1, Batch::of(0, 5));
    stage.fault(&ClusterFault::MoveLeader { at: P });
    stage.pass(5000);

    let answer = stage.answer(waiting).expect("an answer");
    assert_eq!(answer.error.0, 6);
    assert_eq!(answer.current_leader.map(|(leader, epoch)| (leader.0, epoch)), Some((2, 1)));
    assert_eq!(stage.metadata(3), Some((Some(2), Some(1))));
    assert_eq!(stage.produce(2, 2, Batch::of(0, 5)), (0, 0));
    assert_eq!(stage.ids_in_the_end().len(), 5);
}

// B10: what only the others had is lost, and said. Fails if the loss is not noted, or the table still knows the batch.
#[test]
fn an_unclean_election_loses_and_says_so() {
    let mut stage = Stage::new();
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    stage.fault(&ClusterFault::Kill { node: 3 });
    stage.pass(10_000);
    assert_eq!(stage.produce(1, 1, Batch::of(5, 5)), (0, 5));
    for node in [1, 2] {
        stage.fault(&ClusterFault::Kill { node });
    }
    stage.fault(&ClusterFault::Restart { node: 3 });
    stage.pass(10_000);
    assert_eq!(stage.cluster.leader(P), None, "it was not in sync");

    stage.fault(&ClusterFault::UncleanElection { at: P });
    stage.pass(1000);

    assert_eq!(stage.cluster.losses().len(), 1);
    assert_eq!(stage.cluster.losses()[0].from, 5);
    assert_eq!(stage.ids_in_the_end(), [0, 1, 2, 3, 4]);
    assert_eq!(stage.produce(3, 9, Batch::of(10, 1)), (45, -1), "the table was rewound with the log");
    assert_eq!(stage.produce(3, 9, Batch::of(5, 5)), (0, 5));
}

// B45, E04: the table is read again from the log. Fails if a retry after a restart is appended again.
#[test]
fn a_killed_broker_knows_its_producers_again() {
    let mut stage = Stage::new();
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    for node in 1..=3 {
        stage.fault(&ClusterFault::Kill { node });
    }
    assert!(!stage.cluster.accepts_connections(1));
    for node in 1..=3 {
        stage.fault(&ClusterFault::Restart { node });
    }
    stage.pass(10_000);
    let leader = stage.cluster.leader(P).expect("a leader");

    assert_eq!(stage.produce(leader, 5, Batch::of(0, 5)), (0, 0));

    assert_eq!(stage.ids_in_the_end().len(), 5);
}
