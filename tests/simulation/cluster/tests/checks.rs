//! Each omniscient check, shown a client that breaks the rule and one that does not.

use std::time::Duration;

use super::support::{Batch, Stage};
use crate::simulation::cluster::{ClusterFault, ClusterPlan};

// The duplicate whose bytes are others: a real broker swallows it in silence. Fails if the model does too.
#[test]
fn a_duplicate_with_other_bytes_is_a_silent_loss() {
    let mut stage = Stage::new();
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5).id(1000)), (0, 0), "it is recognised all the same");

    let found = stage.found();
    assert!(found.contains(&"Q1"), "{found:?}");
    assert!(found.contains(&"Q10"), "{found:?}");
}

// K4, K7: one identity and sequence, two contents, even if no broker took either. Fails if nobody notices.
#[test]
fn a_sequence_that_is_used_twice_is_found() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Refuse { node: 0, topic: None, code: 19, times: 2 });
    stage.produce(1, 1, Batch::of(0, 5));
    stage.produce(1, 1, Batch::of(0, 4));

    assert_eq!(stage.found(), ["Q10"]);
}

// K3: the records are in the log, and come again under a new epoch. Fails if it is found only in the final log.
#[test]
fn records_that_come_again_under_another_epoch_are_found() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Lie { code: 7, times: 1 });
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)).0, 7);

    stage.produce(1, 1, Batch::of(0, 5).epoch(1));

    assert_eq!(stage.found(), ["Q10"]);
}

// The other side of K3: a batch that was never appended may have another stamp. Fails if that is blamed.
#[test]
fn records_that_were_refused_may_be_stamped_again() {
    let mut stage = Stage::new();
    stage.fault(&ClusterFault::Refuse { node: 0, topic: None, code: 10, times: 1 });
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)).0, 10);

    assert_eq!(stage.produce(1, 1, Batch::of(0, 5).epoch(1)).0, 0);

    assert_eq!(stage.found(), Vec::<&str>::new());
}

// K5: two batches open on a new connection. Fails if it is not found.
#[test]
fn an_open_second_batch_before_any_success_is_found() {
    let mut stage = Stage::new();
    stage.send(1, 1, Batch::of(0, 5));
    stage.send(1, 1, Batch::of(5, 5));

    assert_eq!(stage.found(), ["Q11"]);
}

// K5 kept: a success came, so more may be open. Fails if that is blamed.
#[test]
fn open_batches_after_a_success_are_well() {
    let mut stage = Stage::new();
    stage.produce(1, 1, Batch::of(0, 5));
    for first in [5, 10, 15, 20, 25] {
        stage.send(1, 1, Batch::of(first, 5));
    }
    stage.pass(1000);

    assert_eq!(stage.found(), Vec::<&str>::new());
    assert_eq!(stage.ids_in_the_end().len(), 30);
}

// Q9: the model looks at its own acknowledgements. A model that answered before the copies are there would be blamed;
// this shows what it looks at. Fails if an offset counts as committed before it is, or not after.
#[test]
fn an_offset_is_committed_when_the_in_sync_set_has_it() {
    let mut stage = Stage::new();
    stage.send(1, 1, Batch::of(0, 5));
    assert!(!stage.cluster.at_ack(0, 0, 0));
    stage.pass(100);
    assert!(stage.cluster.at_ack(0, 0, 4));
    assert!(!stage.cluster.at_ack(0, 0, 5));
}

// A log that was acknowledged by its leader alone may be cut; the model says so. Fails if the loss is silent.
#[test]
fn what_a_leader_alone_acknowledged_and_lost_is_said() {
    let mut stage = Stage::new();
    stage.acks = 1;
    stage.fault(&ClusterFault::Isolate { node: 1, ms: 20_000 });
    assert_eq!(stage.produce(1, 1, Batch::of(0, 5)), (0, 0));
    stage.pass(10_000);
    assert_eq!(stage.produce(2, 2, Batch::of(0, 5).id(500)), (0, 0));
    stage.pass(20_000);

    assert_eq!(stage.ids_in_the_end(), [500, 501, 502, 503, 504]);
    assert_eq!(
        stage.cluster.losses().iter().map(|loss| (loss.from, loss.why)).collect::<Vec<_>>(),
        [(0, "acks=1")]
    );
}

// The client has gone: what it left in the buffer is processed or not, as the plan says, and answered to nobody. Fails
// if an answer goes out, or if the plan makes no difference.
#[test]
fn what_a_gone_client_left_behind_may_land() {
    for (lands, records) in [(true, 10), (false, 5)] {
        let plan = ClusterPlan { processes_after_close: lands, ..ClusterPlan::default() }.topic("t", 1);
        let mut stage = Stage::of(&plan);
        stage.send(1, 1, Batch::of(0, 5));
        stage.send(1, 1, Batch::of(5, 5));
        stage.cluster.connection_ended(1, 1);
        stage.now = stage.now + Duration::from_millis(1);

        assert_eq!(stage.ids_in_the_end().len(), records);
        assert!(stage.effects.is_empty(), "nobody listens");
    }
}

// Two topics have a partition 0 each: their gates are two. Fails if one is taken for the other (it was).
#[test]
fn partitions_of_two_topics_are_two_lanes() {
    let mut stage = Stage::of(&ClusterPlan::default().topic("t", 1).topic("u", 1));
    stage.send(1, 1, Batch::of(0, 5));
    stage.send_to("u", 1, 1, Batch::of(0, 4));
    stage.send_to("u", 1, 1, Batch::of(0, 4));
    assert_eq!(stage.found(), Vec::<&str>::new());

    stage.send_to("u", 1, 1, Batch::of(4, 4));
    assert_eq!(stage.found(), ["Q11"]);
}

// Behind the wrap a retry has a larger sequence than what came after it, and is a retry all the same. Fails if it is
// taken for a new stamp on old records (it was: seed 5174 with a broker that lost answers).
#[test]
fn a_retry_from_before_the_wrap_is_a_retry() {
    let mut stage = Stage::new();
    let ends = [(i32::MAX - 1, 1), (i32::MAX, 2), (0, 3)].map(|(first, id)| Batch::of(first, 1).id(id));
    for batch in ends {
        assert_eq!(stage.produce(1, 1, batch).0, 0);
    }
    assert_eq!(stage.produce(1, 2, ends[1]), (0, 1));
    assert_eq!(stage.found(), Vec::<&str>::new());

    stage.produce(1, 2, ends[1].id(9));
    assert!(stage.found().contains(&"Q10"), "and other bytes under it are found");
}
