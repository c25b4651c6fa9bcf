//! Sequences and their order (S20 to S42).

use facteur::Cause;

use super::peer::{INIT_PRODUCER_ID, PRODUCE, Reply};
use super::world::World;

// S20: sequences count records. Fails if they count batches.
#[test]
fn s20_sequences_count_records_not_batches() {
    let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
    world.append("t", 0, "a");
    world.append("t", 0, "b");
    world.run();
    let request = world.request();
    assert_eq!((request.stamp(), request.batch().values.len()), ((0, 0), 2));
    world.ok(&request, 0);

    world.send(0, "c");
    let request = world.request();
    assert_eq!(request.stamp(), (0, 2));
    world.ok(&request, 2);
    world.send(0, "d");
    assert_eq!(world.waiting(), [(0, 3)]);
}

// S21: two on their way, answered in order.
#[test]
fn s21_two_in_flight_are_acknowledged_in_order() {
    let mut world = World::new();
    world.open_gate(0);
    let (first, second) = (world.send(0, "a"), world.send(0, "b"));
    let (one, two) = (world.request(), world.request());
    world.ok(&one, 1);
    world.assert_acknowledged(first, Some(1));
    world.assert_pending(second);
    world.ok(&two, 2);
    world.assert_acknowledged(second, Some(2));
    world.assert_at_rest();
}

// S22: while the head is unresolved nothing new goes out behind it. Fails if the fourth overtakes.
#[test]
fn s22_after_a_failure_nothing_new_is_sent_before_the_head_is_acknowledged() {
    let mut world = World::new();
    world.open_gate(0);
    for value in ["a", "b", "c"] {
        world.send(0, value);
    }
    let requests = [world.request(), world.request(), world.request()];
    world.code(&requests[0], 19);
    world.send(0, "d");
    assert!(world.requests.is_empty());
    world.code(&requests[1], 45);
    world.code(&requests[2], 45);

    world.advance(500);
    assert_eq!(world.waiting(), [(0, 1)], "the head alone");
}

// S23, otherwise than Java (D-9): Java resends one at a time; ours sends the head alone and, once it is acknowledged, the
// rest at once. No bump, same bytes.
#[test]
fn s23_what_came_back_out_of_order_follows_the_head_unchanged() {
    let mut world = World::new();
    world.open_gate(0);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let requests = [world.request(), world.request(), world.request()];
    world.code(&requests[0], 19);
    world.code(&requests[1], 45);
    world.code(&requests[2], 45);
    world.advance(500);
    let head = world.request();
    assert!(world.requests.is_empty());
    world.ok(&head, 1);

    let (one, two) = (world.request(), world.request());
    assert_eq!(one.batch().bytes, requests[1].batch().bytes);
    assert_eq!(two.batch().bytes, requests[2].batch().bytes);
    world.ok(&one, 2);
    world.ok(&two, 3);
    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(world.engine.stats().epoch_bumps, 0);
    world.assert_at_rest();
}

// S24: a connection breaks under two batches. Answers of one lane never come from two connections here (K8), so the
// scenario's disorder is that of the break. Fails if the second goes first, or beside the first.
#[test]
fn s24_after_a_break_the_first_goes_alone_and_the_second_follows() {
    let mut world = World::new();
    world.open_gate(0);
    world.send(0, "a");
    world.send(0, "b");
    let connection = world.requests[0].connection;
    world.cut(connection);
    world.advance(500);

    assert_eq!(world.waiting(), [(0, 1)]);
    let request = world.request();
    world.ok(&request, 1);
    assert_eq!(world.waiting(), [(0, 2)]);
}

// S25: the second was acknowledged before the first. The first's retry keeps its sequence, and a duplicate is a success.
#[test]
fn s25_the_first_is_resent_with_its_sequence_after_the_second_succeeded() {
    for code in [0, 46] {
        let mut world = World::new();
        world.open_gate(0);
        let (first, second) = (world.send(0, "a"), world.send(0, "b"));
        let (one, two) = (world.request(), world.request());
        world.code(&one, 7);
        world.ok(&two, 2);
        world.assert_acknowledged(second, Some(2));
        world.advance(500);
        let retry = world.request();
        assert_eq!(retry.stamp(), (0, 1));
        world.answer(&retry, &[Reply::to(retry.batch(), code, if code == 0 { 1 } else { -1 })]);

        world.assert_acknowledged(first, (code == 0).then_some(1));
        let next = world.send(0, "c");
        let request = world.request();
        assert_eq!(request.stamp(), (0, 3));
        world.ok(&request, 3);
        world.assert_acknowledged(next, Some(3));
    }
}

// S26: the first is too large and alone in its batch. It is rejected, and the lane is reset (D-6), where Java renumbers
// what is in flight: ours waits for the second's answer before it stamps anew.
#[test]
fn s26_a_rejected_batch_resets_the_lane_after_its_followers_were_answered() {
    let mut world = World::new();
    world.open_gate(0);
    let (first, second) = (world.send(0, "a"), world.send(0, "b"));
    let (one, two) = (world.request(), world.request());
    world.code(&one, 10);
    world.assert_rejected_with(first, 10);
    world.advance(100);
    assert!(world.requests.is_empty(), "nothing is stamped before the answer");
    world.code(&two, 45);
    world.advance(500);

    let again = world.request();
    assert_eq!(again.stamp(), (1, 0));
    world.ok(&again, 1);
    world.assert_acknowledged(second, Some(1));
    world.assert_at_rest();
}

// S27: everything before it was acknowledged, and still 45: the broker has lost its state. A new epoch, from 0.
#[test]
fn s27_out_of_order_at_a_clean_head_starts_a_new_epoch() {
    let mut world = World::new();
    world.open_gate(0);
    let record = world.send(0, "a");
    let request = world.request();
    assert_eq!(request.stamp(), (0, 1));
    world.code(&request, 45);
    world.advance(500);
    let request = world.request();
    assert_eq!(request.stamp(), (1, 0));
    assert_eq!(request.value(), "a");
    world.ok(&request, 1);

    world.assert_acknowledged(record, Some(1));
    world.send(0, "b");
    assert_eq!(world.waiting(), [(1, 1)]);
}

// S28, otherwise than Java (D-2): Java's idle partition follows the bump at its next send; ours keeps its identity.
#[test]
fn s28_a_healthy_lane_keeps_its_epoch_when_another_bumps() {
    let mut world = World::with(&[], 1, &[1, 1]);
    world.open_gate(0);
    world.open_gate(1);
    world.send(0, "a");
    let request = world.request();
    world.code(&request, 45);
    world.advance(500);
    let request = world.request();
    assert_eq!(request.stamp(), (1, 0));
    world.ok(&request, 1);

    world.send(1, "b");
    assert_eq!(world.waiting(), [(0, 1)]);
}

// S29, otherwise than Java (D-2): the other lane's batch is on its way during the bump. Its retry and what follows stay
// at epoch 0; nothing waits.
#[test]
fn s29_a_lane_with_a_batch_in_flight_is_not_touched_by_anothers_bump() {
    let mut world = World::with(&[], 2, &[1, 2]);
    world.open_gate(0);
    world.open_gate(1);
    let held_record = world.send(1, "b");
    let held = world.request();
    world.send(0, "a");
    let request = world.request();
    world.code(&request, 45);
    world.advance(500);
    let request = world.request();
    assert_eq!(request.stamp(), (1, 0));
    world.ok(&request, 1);

    world.code(&held, 6);
    world.advance(500);
    let retry = world.request();
    assert_eq!(retry.stamp(), (0, 1));
    world.ok(&retry, 1);
    world.assert_acknowledged(held_record, Some(1));
    world.send(1, "c");
    assert_eq!(world.waiting(), [(0, 2)]);
}

// S31: the epochs are used up (D-7: at 32,000, not at 32,767). A new id is asked for, and the batch goes out under it.
#[test]
fn s31_used_up_epochs_lead_to_a_new_producer_id() {
    let mut world = World::cold(&[], 1, &[1]);
    world.cluster.producer_epoch = 32_000;
    world.want_topic("t");
    world.advance(1);
    world.open_gate(0);
    let record = world.send(0, "a");
    let request = world.request();
    assert_eq!(request.stamp(), (32_000, 1));
    world.code(&request, 45);
    world.advance(500);

    let request = world.request();
    assert_eq!((request.batch().view.producer_id, request.stamp()), (1001, (0, 0)));
    world.ok(&request, 1);
    world.assert_acknowledged(record, Some(1));
}

// S32: a disconnect needs no bump. Fails if one is made and the last epochs are wasted.
#[test]
fn s32_a_disconnect_at_the_last_epoch_resets_nothing() {
    let mut world = World::cold(&[], 1, &[1]);
    world.cluster.producer_epoch = 32_767;
    world.want_topic("t");
    world.advance(1);
    let record = world.send(0, "a");
    let request = world.request();
    world.cut(request.connection);
    world.advance(500);
    let request = world.request();

    assert_eq!((request.batch().view.producer_id, request.stamp()), (1000, (32_767, 0)));
    world.ok(&request, 0);
    world.assert_acknowledged(record, Some(0));
    assert_eq!(world.count(INIT_PRODUCER_ID), 1);
}

// S33: closed without patience while the new id is asked for. What was never sent under any identity is rejected.
#[test]
fn s33_a_forced_close_during_the_change_of_ids_rejects_what_waits() {
    let mut world = World::cold(&[], 1, &[1]);
    world.cluster.producer_epoch = 32_000;
    world.want_topic("t");
    world.advance(1);
    world.open_gate(0);
    let record = world.send(0, "a");
    let request = world.request();
    world.cluster.init_error = 14;
    world.code(&request, 45);
    world.advance(300);
    world.engine.shut_down(world.now, &Cause::Closed);
    world.run();

    assert_eq!(world.rejected(record), Cause::Closed);
}

// S34, otherwise than Java (D-6): Java resends under the same identity when the broker does not say where its log
// starts. 59 says that the id is not known; a clean batch is stamped anew under a new id.
#[test]
fn s34_unknown_producer_id_without_log_start_takes_a_new_id() {
    unknown_producer_id(-1);
}

// S35, otherwise than Java (D-6): truncated away or not, one path. Java bumps the epoch here.
#[test]
fn s35_unknown_producer_id_after_truncation_takes_a_new_id() {
    unknown_producer_id(1010);
}

// S36, otherwise than Java (D-6): not explained by truncation: the same path.
#[test]
fn s36_unknown_producer_id_without_truncation_takes_a_new_id() {
    unknown_producer_id(0);
}

fn unknown_producer_id(log_start: i64) {
    let mut world = World::new();
    world.open_gate(0);
    let record = world.send(0, "a");
    let request = world.request();
    let mut reply = Reply::to(request.batch(), 59, -1);
    reply.log_start = log_start;
    world.answer(&request, &[reply]);
    world.assert_pending(record);
    world.advance(500);
    let request = world.request();
    assert_eq!((request.batch().view.producer_id, request.stamp()), (1001, (0, 0)));
    world.ok(&request, 1);
    world.assert_acknowledged(record, Some(1));
    world.assert_at_rest();
}

// S37: both come back with 59. One new id, not two; in Java one bump.
#[test]
fn s37_two_unknown_producer_ids_lead_to_one_new_id() {
    let mut world = World::new();
    world.open_gate(0);
    let records = ["a", "b"].map(|value| world.send(0, value));
    let (one, two) = (world.request(), world.request());
    world.code(&one, 59);
    world.code(&two, 59);
    world.advance(500);

    for (record, sequence) in records.into_iter().zip(0..) {
        let request = world.request();
        assert_eq!((request.batch().view.producer_id, request.stamp()), (1001, (0, sequence)));
        world.ok(&request, i64::from(sequence) + 1);
        world.assert_acknowledged(record, Some(i64::from(sequence) + 1));
    }
    assert_eq!(world.count(INIT_PRODUCER_ID), 2);
}

// S38, otherwise than Java (D-15): Java's children take the parent's sequences; ours go out under a new epoch.
#[test]
fn s38_a_batch_too_large_is_cut_and_each_record_gets_its_own_offset() {
    let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
    let records = ["a", "b"].map(|value| world.append("t", 0, value));
    world.run();
    let request = world.request();
    assert_eq!(request.batch().values, ["a", "b"]);
    world.code(&request, 10);
    world.advance(500);

    for (record, sequence) in records.into_iter().zip(0..) {
        let request = world.request();
        assert_eq!(request.stamp(), (1, sequence));
        world.ok(&request, i64::from(sequence));
        world.advance(500);
        world.assert_acknowledged(record, Some(i64::from(sequence)));
    }
    assert_eq!(world.engine.stats().batches_split, 1);
    world.assert_at_rest();
}

// S38: a small record before a large one. Fails if the cut leaves both in one child: it would be cut for ever.
#[test]
fn s38_a_cut_makes_every_child_smaller_than_its_parent() {
    let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
    let small = world.append("t", 0, "s");
    let large = world.append("t", 0, &"l".repeat(5000));
    world.run();
    let request = world.request();
    world.code(&request, 10);
    world.advance(500);

    for (record, offset) in [(small, 0), (large, 1)] {
        let request = world.request();
        assert_eq!(request.batch().values.len(), 1);
        world.ok(&request, offset);
        world.advance(500);
        world.assert_acknowledged(record, Some(offset));
    }
}

// S39: what was cut once should not be cut again and again. With us the growth limit of the lane is halved (D-32) rather
// than a ratio raised. Fails if later batches grow as large as before.
#[test]
fn s39_after_a_cut_batches_grow_less() {
    let properties =
        [("batch.size", "1000"), ("facteur.batch.growth.enable", "true"), ("max.request.size", "20000")];
    let mut world = World::with(&properties, 1, &[1]);
    let value = "v".repeat(500);
    world.send(0, "gate");
    let gate = world.request();
    for _ in 0..60 {
        world.send(0, &value);
    }
    world.ok(&gate, 0);
    let grown = world.request();
    assert!(grown.batch().bytes.len() > 10_000, "the batch grew while the gate was closed");
    world.code(&grown, 10);
    let mut offset = 1;
    for _ in 0..200 {
        while let Some(request) = world.requests.pop_front() {
            world.ok(&request, offset);
            offset += i64::try_from(request.batch().values.len()).expect("few");
        }
        world.advance(50);
    }
    world.send(0, &value);
    let held = world.request();
    for _ in 0..60 {
        world.send(0, &value);
    }
    world.advance(1);
    world.ok(&held, offset);
    let mut largest = 0;
    for _ in 0..50 {
        while let Some(request) = world.requests.pop_front() {
            largest = largest.max(request.batch().bytes.len());
            world.ok(&request, offset);
        }
        world.advance(50);
    }
    assert!(largest < 11_000, "{largest}");
    world.assert_at_rest();
}

// S40: one in flight, and the leader moves. Fails if the second goes to the new leader before the first is answered:
// it could land first (KAFKA-10520).
#[test]
fn s40_with_one_in_flight_a_moved_lane_waits_for_the_old_answer() {
    let mut world = World::with(&[("max.in.flight.requests.per.connection", "1")], 2, &[1]);
    let first = world.send(0, "a");
    let second = world.send(0, "b");
    let held = world.request();
    world.move_leader(0, 2, 1);
    world.want_topic("t");
    world.advance(500);
    assert!(world.requests.is_empty());

    world.ok(&held, 0);
    world.assert_acknowledged(first, Some(0));
    world.advance(500);
    let request = world.request();
    assert_eq!((request.node, request.stamp()), (2, (0, 1)));
    world.ok(&request, 1);
    world.assert_acknowledged(second, Some(1));
}

// S41: no idempotence, one in flight, and the first expires on its way. Fails if the lane forgets that the attempt is
// still open and sends the second, to the new leader, before the first's connection has ended.
#[test]
fn s41_an_expired_batch_in_flight_mutes_its_lane_until_it_is_answered() {
    let properties = [
        ("enable.idempotence", "false"),
        ("max.in.flight.requests.per.connection", "1"),
        ("delivery.timeout.ms", "2000"),
        ("request.timeout.ms", "1900"),
    ];
    let mut world = World::with(&properties, 2, &[1]);
    // Two retries bring the batch to its deadline in the middle of an attempt.
    let first = world.send(0, "a");
    let request = world.request();
    world.advance(1500);
    world.code(&request, 19);
    world.advance(300);
    let held = world.request();
    let second = world.send(0, "b");
    world.move_leader(0, 2, 1);
    world.want_topic("t");
    world.advance(600);
    assert!(matches!(world.unknown(first), Cause::DeliveryTimeout { .. }));
    assert!(world.requests.is_empty(), "muted");

    world.ok(&held, 0);
    world.advance(100);
    let request = world.request();
    assert_eq!((request.node, request.value()), (2, "b"));
    world.ok(&request, 1);
    world.assert_acknowledged(second, Some(1));
}

// S42: several lanes of one answer need a new epoch. One bump serves them all.
#[test]
fn s42_lanes_that_are_reset_together_share_one_bump() {
    let mut world = World::with(&[], 1, &[1, 1, 1]);
    for partition in 0..3 {
        world.open_gate(partition);
    }
    for partition in 0..3 {
        world.append("t", partition, "v");
    }
    world.run();
    let mut refused = Vec::new();
    while let Some(request) = world.requests.pop_front() {
        refused.push(request);
    }
    for request in &refused {
        world.code(request, 45);
    }
    world.advance(500);

    let stamps = world.waiting();
    assert_eq!(stamps, [(1, 0); 3]);
    assert_eq!(world.engine.stats().epoch_bumps, 1);
    assert!(world.count(PRODUCE) > 3);
}
