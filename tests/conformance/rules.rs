//! Scenarios for rules that only a broken engine shows: each fails under one mutant that no other scenario notices
//! (`scripts/mutants.sh`).

use facteur::Cause;

use super::world::World;

// K8: the gate of a lane is closed, its first batch is unanswered at the old leader, and the lane has moved. Fails if the
// second goes to the new leader meanwhile: a leader without state accepts any first sequence, and the first would then come
// behind it.
#[test]
fn k8_a_moved_lane_waits_for_the_answer_to_its_first_batch() {
    let mut world = World::with(&[], 2, &[1]);
    let first = world.send(0, "a");
    let second = world.send(0, "b");
    let held = world.request();
    world.move_leader(0, 2, 1);
    world.want_topic("t");
    world.advance(500);
    assert!(world.requests.is_empty(), "sent beside the first: {:?}", world.waiting());

    // Certainly not in the log, so the first may still become the first.
    world.code(&held, 19);
    world.advance(500);
    for (record, value) in [(first, "a"), (second, "b")] {
        let request = world.request();
        assert_eq!((request.node, request.value()), (2, value));
        world.ok(&request, 0);
        world.assert_acknowledged(record, Some(0));
    }
    world.assert_at_rest();
}

// K15: after a reset a clean batch waits for a connection that does not come, and expires. It had no sequence yet, so it
// leaves no hole. Fails if it was named when it was put back in line: the next record then has a sequence that skips one, or
// another epoch.
#[test]
fn k15_a_batch_that_never_left_leaves_no_hole() {
    let mut world = World::with(&[("retry.backoff.ms", "300")], 1, &[1]);
    world.open_gate(0);
    let (refused, waits) = (world.send(0, "a"), world.send(0, "b"));
    let requests = [world.request(), world.request()];
    world.code(&requests[0], 44);
    // Clean, and with a backoff.
    world.code(&requests[1], 19);
    world.assert_rejected_with(refused, 44);
    world.unreachable.insert(1);
    world.cut(requests[0].connection);
    world.advance(11_000);
    assert!(matches!(world.rejected(waits), Cause::DeliveryTimeout { .. }));

    world.unreachable.clear();
    let next = world.send(0, "c");
    world.advance(3_000);
    let request = world.request();
    assert_eq!((request.stamp(), request.value()), ((1, 0), "c"));
    world.ok(&request, 1);
    world.assert_acknowledged(next, Some(1));
}

// D-4, present: what proves a batch is an acknowledgement *behind* it. Three expire together: the first has one behind it
// and is acknowledged, the third has only ones before it. Fails if the third is taken to be in the log: it never arrived.
#[test]
fn d4_an_acknowledgement_before_a_batch_proves_nothing() {
    let mut world = World::with(&[("delivery.timeout.ms", "2000")], 1, &[1]);
    world.open_gate(0);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let requests = [world.request(), world.request(), world.request()];
    world.code(&requests[0], 7);
    world.ok(&requests[1], 2);
    world.unreachable.insert(1);
    world.cut(requests[2].connection);
    world.advance(2_500);

    world.assert_acknowledged(records[0], None);
    world.assert_acknowledged(records[1], Some(2));
    assert!(matches!(world.unknown(records[2]), Cause::DeliveryTimeout { .. }));
}
