//! What the decisions add to Java's list: doubt and its proofs, late resolution, resets, the gate, the window.

use facteur::Cause;
use facteur::engine::Observation;

use super::peer::{Reply, Request};
use super::world::World;

fn answer_with_code_for(world: &mut World, code: i16, millis: u64) {
    for _ in 0..millis / 50 {
        while let Some(request) = world.requests.pop_front() {
            world.code(&request, code);
        }
        world.advance(50);
    }
}

fn three_behind_the_gate() -> (World, [usize; 3], [Request; 3]) {
    let mut world = World::new();
    world.open_gate(0);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let requests = [world.request(), world.request(), world.request()];
    (world, records, requests)
}

// K2, B13: 20 (appended, perhaps), then a refusal that is certain of its own attempt only. Fails if the record is
// rejected: it may be in the log.
#[test]
fn k2_a_later_refusal_does_not_clear_doubt() {
    for code in [29, 10, 87, 44] {
        let mut world = World::new();
        let record = world.send(0, "a");
        let request = world.request();
        world.code(&request, 20);
        world.advance(500);
        let request = world.request();
        world.code(&request, code);
        assert!(matches!(world.unknown(record), Cause::Broker { .. }), "D-13: told at once");
    }

    let mut world = World::with(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
    let record = world.send(0, "a");
    let request = world.request();
    world.code(&request, 20);
    answer_with_code_for(&mut world, 19, 10_500);
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
}

// D-4, present: a later batch was acknowledged behind the open gate, so the earlier one is in the log; the refusal of its
// resend is about the resend.
#[test]
fn d4_a_refused_resend_of_a_batch_proven_present_is_an_acknowledgement() {
    let (mut world, records, requests) = three_behind_the_gate();
    world.code(&requests[0], 7);
    world.ok(&requests[1], 2);
    world.ok(&requests[2], 3);
    world.advance(500);
    let retry = world.request();
    world.code(&retry, 29);

    world.assert_acknowledged(records[0], None);
    world.assert_at_rest();
}

// K5, D-4: the deadline proves "a" present while its resend is on its way over a connection whose gate is closed. The
// caller hears so at once; but the broker still has that resend to answer. Found by the simulation (seeds 56913 and
// 146402): the proof ended the attempt too, and the next batch went out beside it.
#[test]
fn d4_a_proof_of_presence_ends_no_attempt_that_is_on_its_way() {
    let mut world = World::with(&[("retry.backoff.max.ms", "100")], 1, &[1]);
    world.open_gate(0);
    let records = [world.send(0, "a"), world.send(0, "b")];
    let (mut retry, later) = (world.request(), world.request());
    world.code(&retry, 7);
    world.ok(&later, 2);
    for _ in 0..32 {
        world.advance(300);
        retry = world.request();
        world.code(&retry, 7);
    }
    world.cut(retry.connection);
    world.advance(200);
    let resend = world.request();
    world.advance(300);
    world.assert_acknowledged(records[0], None);
    let next = world.send(0, "c");
    assert_eq!(world.waiting(), [], "one batch at a time behind a closed gate");

    world.ok(&resend, 1);
    let request = world.request();
    assert_eq!((request.value(), request.stamp()), ("c", (0, 3)));
    world.ok(&request, 3);
    world.assert_acknowledged(next, Some(3));
    world.assert_at_rest();
}

// D-4, no proof without the gate: the later batch was sent while the gate was closed. (It cannot be on its way beside an
// earlier one; so the case is a first batch that was resent, and the record stays unknown.)
#[test]
fn d4_without_an_open_gate_nothing_is_proven() {
    let mut world = World::new();
    let record = world.send(0, "a");
    let request = world.request();
    world.code(&request, 7);
    world.advance(500);
    let request = world.request();
    world.code(&request, 29);
    assert!(matches!(world.unknown(record), Cause::Broker { .. }));
}

// D-4, absent: the predecessor was refused for good, and the later batches were sent behind it with the gate open and never
// answered. The broker must have refused them: they are clean, and delivered under a new epoch.
#[test]
fn d4_batches_behind_a_certain_refusal_are_proven_absent() {
    let (mut world, records, requests) = three_behind_the_gate();
    world.code(&requests[0], 44);
    world.assert_rejected_with(records[0], 44);
    world.cut(requests[1].connection);
    world.advance(500);
    for (record, sequence) in [(records[1], 0), (records[2], 1)] {
        let request = world.request();
        assert_eq!(request.stamp(), (1, sequence));
        world.ok(&request, i64::from(sequence) + 1);
        world.assert_acknowledged(record, Some(i64::from(sequence) + 1));
    }
    world.assert_at_rest();
}

// D-4, not absent: one of the doubtful attempts got an indeterminate answer. Fails if it counts as absent all the same.
#[test]
fn d4_an_indeterminate_answer_is_no_proof_of_absence() {
    let (mut world, records, requests) = three_behind_the_gate();
    world.code(&requests[0], 44);
    world.code(&requests[1], 7);
    world.code(&requests[2], 45);
    world.advance(500);
    let resend = world.request();
    assert_eq!(resend.stamp(), (0, 2), "in doubt: resent under its own name");
    world.code(&resend, 45);

    assert!(matches!(world.unknown(records[1]), Cause::Broker { .. }));
    world.advance(500);
    let request = world.request();
    assert_eq!((request.stamp(), request.value()), ((1, 0), "c"));
    world.ok(&request, 9);
    world.assert_acknowledged(records[2], Some(9));
    world.assert_at_rest();
}

// D-5: abandoned at the end of late resolution; its memory comes back, the lane is reset, later records go out.
#[test]
fn d5_late_resolution_ends_by_abandoning_and_gives_the_memory_back() {
    let mut world = World::new();
    let record = world.send(0, "a");
    answer_with_code_for(&mut world, 7, 14_000);
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    assert!(world.engine.has_late_resolution() && world.reserved_bytes() > 0);
    answer_with_code_for(&mut world, 7, 1_500);

    assert!(!world.engine.has_late_resolution());
    assert_eq!(world.reserved_bytes(), 0);
    assert_eq!(world.engine.stats().batches_abandoned, 1);
    let next = world.send(0, "b");
    let request = world.request();
    assert_eq!(request.stamp(), (1, 0));
    world.ok(&request, 0);
    world.assert_acknowledged(next, Some(0));
}

// D-5: records that wait behind a late resolution have their own deadlines.
#[test]
fn d5_records_behind_a_late_resolution_expire_by_their_own_deadline() {
    let mut world = World::with(&[("facteur.late.resolution.ms", "60000")], 1, &[1]);
    let first = world.send(0, "a");
    world.advance(500);
    let request = world.request();
    world.code(&request, 7);
    let behind = world.send(0, "b");
    answer_with_code_for(&mut world, 7, 9_700);
    world.unknown(first);
    world.assert_pending(behind);
    answer_with_code_for(&mut world, 7, 700);
    assert!(matches!(world.rejected(behind), Cause::DeliveryTimeout { .. }), "never sent");
}

/// What a cause of a reset does to a clean batch behind the gate: where it goes out again.
fn after_reset(code: i16) -> (i64, (i16, i32)) {
    let mut world = World::new();
    world.open_gate(0);
    let record = world.send(0, "a");
    let request = world.request();
    world.code(&request, code);
    world.advance(500);
    let request = world.request();
    world.ok(&request, 1);
    world.assert_acknowledged(record, Some(1));
    let is_told = |observation: &Observation| matches!(observation, Observation::LaneReset { .. });
    assert_eq!(world.observations.iter().filter(|told| is_told(told)).count(), 1);
    (request.batch().view.producer_id, request.stamp())
}

// D-6: every cause takes the one path: a bump where the id still holds, a new id where it does not.
#[test]
fn d6_each_cause_of_a_reset_restamps_the_clean_batch_from_zero() {
    assert_eq!(after_reset(45), (1000, (1, 0)));
    for code in [47, 49, 59, 90] {
        assert_eq!(after_reset(code), (1001, (0, 0)), "code {code}");
    }
}

// B38, B40, D-13: the identity is lost and the head is in doubt. The head is unknown at once; the rest is clean.
#[test]
fn d13_a_head_in_doubt_that_no_resend_cures_is_unknown_at_once() {
    for code in [45, 47, 59, 29] {
        let mut world = World::new();
        world.open_gate(0);
        let head = world.send(0, "a");
        let request = world.request();
        world.code(&request, 7);
        let behind = world.send(0, "b");
        world.advance(500);
        let request = world.request();
        world.code(&request, code);

        assert!(matches!(world.unknown(head), Cause::Broker { .. }), "code {code}");
        world.advance(500);
        let request = world.request();
        assert_eq!((request.value(), request.stamp().1), ("b", 0));
        world.ok(&request, 5);
        world.assert_acknowledged(behind, Some(5));
    }
}

// D-7: the lane has abandoned a batch at epoch 32,000. A new id would fence nothing, so it bumps inside the old one.
#[test]
fn d7_a_lane_with_an_abandoned_batch_bumps_inside_its_old_id() {
    let mut world = World::cold(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
    world.cluster.producer_epoch = 32_000;
    world.want_topic("t");
    world.advance(1);
    let record = world.send(0, "a");
    answer_with_code_for(&mut world, 7, 11_500);
    world.unknown(record);
    world.send(0, "b");
    let request = world.request();

    assert_eq!((request.batch().view.producer_id, request.stamp()), (1000, (32_001, 0)));
}

// D-7: the last epoch of the id is in use, so a bump could not fence a batch given up: it is resent however little late
// resolution is wanted, and what follows waits behind it. Found by the simulation (seed 23053): the lane moved to a new
// id, and a copy that had been on its way landed behind the new id's records.
#[test]
fn d7_at_the_last_epoch_a_batch_in_doubt_is_resent_instead_of_given_up() {
    let mut world = World::cold(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
    world.cluster.producer_epoch = 32_767;
    world.want_topic("t");
    world.advance(1);
    let record = world.send(0, "a");
    answer_with_code_for(&mut world, 7, 11_500);
    world.unknown(record);
    let next = world.send(0, "b");
    world.advance(1_000);

    let request = world.request();
    assert_eq!(
        (request.batch().view.producer_id, request.stamp(), request.value()),
        (1000, (32_767, 0), "a")
    );
    world.ok(&request, 5);
    world.unknown(record);
    let request = world.request();
    assert_eq!(
        (request.batch().view.producer_id, request.stamp(), request.value()),
        (1000, (32_767, 1), "b")
    );
    world.ok(&request, 6);
    world.assert_acknowledged(next, Some(6));
}

/// A lane that has abandoned a batch under 1000/0 while another lane brought id 1001; its next batch is on its way.
fn abandoned_while_another_lane_has_a_new_id() -> (World, Request) {
    let mut world = World::with(&[("facteur.late.resolution.ms", "0")], 1, &[1, 1]);
    world.open_gate(1);
    world.open_gate(0);
    let record = world.send(0, "a");
    let request = world.request();
    world.code(&request, 7);
    world.send(1, "x");
    let other = world.requests.iter().position(|request| request.batches[0].partition == 1).expect("sent");
    let other = world.requests.remove(other).expect("there");
    world.code(&other, 47);
    for _ in 0..240 {
        while let Some(request) = world.requests.pop_front() {
            let replies: Vec<Reply> = request
                .batches
                .iter()
                .map(|batch| Reply::to(batch, if batch.partition == 0 { 7 } else { 0 }, 1))
                .collect();
            world.answer(&request, &replies);
        }
        world.advance(50);
    }
    world.unknown(record);
    world.send(0, "b");
    let request = world.request();
    (world, request)
}

// D-7: another lane has brought a new id meanwhile. Fails if the abandoned copy could land after records of that id.
#[test]
fn d7_an_abandoned_batch_is_fenced_inside_its_old_id_even_if_a_new_id_is_there() {
    let (_, request) = abandoned_while_another_lane_has_a_new_id();
    assert_eq!((request.batch().view.producer_id, request.stamp()), (1000, (1, 0)));
}

// D-7: the bump that was to fence the abandoned copy carried a batch that the broker refused, so nothing is fenced yet.
// Found by the soak: the lane moved to the new id, and the copy landed behind its records.
#[test]
fn d7_a_refused_batch_fences_nothing() {
    let (mut world, request) = abandoned_while_another_lane_has_a_new_id();
    assert_eq!((request.batch().view.producer_id, request.stamp()), (1000, (1, 0)));
    world.code(&request, 44);
    let record = world.send(0, "c");
    let request = world.request();
    assert_eq!(
        (request.batch().view.producer_id, request.stamp()),
        (1000, (2, 0)),
        "still inside the old id"
    );
    world.ok(&request, 5);
    world.assert_acknowledged(record, Some(5));

    // Now it is fenced, and the next reset may move on.
    world.send(0, "d");
    let request = world.request();
    world.code(&request, 44);
    world.send(0, "e");
    let request = world.request();
    assert_eq!((request.batch().view.producer_id, request.stamp()), (1001, (0, 0)));
}

// D-8, B09: the first batch of a lane alone. The headline hole: the first is refused, the second accepted.
#[test]
fn d8_a_new_lane_has_one_batch_on_its_way_until_the_first_acknowledgement() {
    let mut world = World::new();
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    assert_eq!(world.waiting(), [(0, 0)]);
    let request = world.request();
    world.code(&request, 6);
    world.advance(500);
    assert_eq!(world.waiting(), [(0, 0)]);
    let request = world.request();
    world.ok(&request, 0);
    assert_eq!(world.waiting(), [(0, 1), (0, 2)]);
    for offset in 1..3 {
        let request = world.request();
        world.ok(&request, offset);
    }
    for (record, offset) in records.into_iter().zip(0..) {
        world.assert_acknowledged(record, Some(offset));
    }
}

// D-8: a new connection closes the gate. A broker that was restarted behind it may know nothing.
#[test]
fn d8_a_new_connection_closes_the_gate() {
    let mut world = World::new();
    world.open_gate(0);
    let connection = *world.connections.keys().next_back().expect("one");
    for connection in world.connections.keys().copied().collect::<Vec<_>>() {
        world.cut(connection);
    }
    world.advance(500);
    assert!(!world.connections.contains_key(&connection));
    for value in ["a", "b"] {
        world.send(0, value);
    }
    world.advance(300);
    assert_eq!(world.waiting(), [(0, 1)]);
}

// D-8: a new leader closes the gate.
#[test]
fn d8_a_new_leader_closes_the_gate() {
    let mut world = World::with(&[], 2, &[1]);
    world.open_gate(0);
    world.move_leader(0, 2, 1);
    world.want_topic("t");
    world.advance(500);
    for value in ["a", "b"] {
        world.send(0, value);
    }
    assert_eq!(world.waiting(), [(0, 1)]);
    assert_eq!(world.requests[0].node, 2);
}

// D-8: the same broker leads under a new epoch while a batch is on its way. Its success belongs to the old epoch. Fails if
// it opens the gate for the new one, of which nothing is known.
#[test]
fn d8_a_success_of_an_older_leader_epoch_does_not_open_the_gate() {
    let mut world = World::new();
    world.send(0, "a");
    let request = world.request();
    world.move_leader(0, 1, 1);
    world.want_topic("t");
    world.advance(500);
    world.ok(&request, 0);
    for value in ["b", "c"] {
        world.send(0, value);
    }
    assert_eq!(world.waiting(), [(0, 1)]);
}

// D-8: a reset closes the gate.
#[test]
fn d8_a_reset_closes_the_gate() {
    let (mut world, _, requests) = three_behind_the_gate();
    for request in &requests {
        world.code(request, 59);
    }
    world.advance(500);
    assert_eq!(world.waiting(), [(0, 0)]);
}

// D-9, K6: the window counts acknowledged batches behind an unresolved one. Fails if a sixth goes out: the broker would
// forget the first.
#[test]
fn d9_the_window_of_five_counts_acknowledged_batches_behind_the_head() {
    let mut world = World::new();
    world.open_gate(0);
    for value in ["a", "b", "c", "d", "e", "f", "g"] {
        world.send(0, value);
    }
    let requests: Vec<Request> = std::iter::from_fn(|| world.requests.pop_front()).collect();
    assert_eq!(requests.len(), 5);
    world.code(&requests[0], 7);
    for (request, offset) in requests[1..].iter().zip(2..) {
        world.ok(request, offset);
    }
    world.advance(500);
    assert_eq!(world.waiting(), [(0, 1)], "four acknowledged ones still count");
    let retry = world.request();
    world.ok(&retry, 1);
    assert_eq!(world.waiting(), [(0, 6), (0, 7)]);
}

// D-14: finite retries. Clean ends rejected, in doubt unknown without late resolution; the lane goes on under a new epoch.
#[test]
fn d14_used_up_retries_end_the_batch_and_reset_the_lane() {
    for (code, is_clean) in [(19, true), (7, false)] {
        let mut world = World::with(&[("retries", "2")], 1, &[1]);
        world.open_gate(0);
        let record = world.send(0, "a");
        for _ in 0..3 {
            let request = world.request();
            assert_eq!(request.stamp(), (0, 1));
            world.code(&request, code);
            world.advance(700);
        }
        if is_clean {
            world.assert_rejected_with(record, 19);
        } else {
            assert!(matches!(world.unknown(record), Cause::Broker { .. }));
        }
        let next = world.send(0, "b");
        let request = world.request();
        assert_eq!(request.stamp(), (1, 0));
        world.ok(&request, 1);
        world.assert_acknowledged(next, Some(1));
        world.assert_at_rest();
    }
}

// D-14, B36: 45 behind another costs no retry. Fails if the followers of a slow head run out of retries.
#[test]
fn d14_out_of_order_behind_the_head_costs_no_retry() {
    let mut world = World::with(&[("retries", "2")], 1, &[1]);
    world.open_gate(0);
    let records = ["a", "b"].map(|value| world.send(0, value));
    let (one, two) = (world.request(), world.request());
    world.code(&one, 19);
    world.code(&two, 45);
    world.advance(700);
    let head = world.request();
    world.ok(&head, 1);
    for _ in 0..2 {
        let request = world.request();
        world.code(&request, 19);
        world.advance(700);
    }
    let request = world.request();
    world.ok(&request, 2);
    world.assert_acknowledged(records[1], Some(2));
}

// D-6: a broker that answers 45 to everything. Fails if each round trip eats an epoch.
#[test]
fn d6_a_broker_that_never_accepts_does_not_cause_a_storm_of_epochs() {
    let mut world = World::new();
    world.open_gate(0);
    world.send(0, "a");
    for _ in 0..1_000 {
        while let Some(request) = world.requests.pop_front() {
            world.code(&request, 45);
        }
        world.advance(5);
    }
    assert!(world.engine.stats().epoch_bumps < 20, "{}", world.engine.stats().epoch_bumps);
}

// D-15, B28: 18 is as 10. A single record is rejected, what follows is delivered.
#[test]
fn d15_a_single_record_that_is_too_large_is_rejected_and_the_next_delivered() {
    for code in [10, 18] {
        let mut world = World::new();
        let record = world.send(0, "a");
        let request = world.request();
        world.code(&request, code);
        world.assert_rejected_with(record, code);
        let next = world.send(0, "b");
        let request = world.request();
        assert_eq!(request.stamp(), (1, 0));
        world.ok(&request, 0);
        world.assert_acknowledged(next, Some(0));
    }
}

// D-15: children keep the parent's deadline. Fails if a cut buys time.
#[test]
fn d15_children_of_a_cut_keep_the_parents_deadline() {
    let mut world = World::with(&[("batch.size", "16384"), ("request.timeout.ms", "9000")], 1, &[1]);
    let records = ["a", "b"].map(|value| world.append("t", 0, value));
    world.run();
    world.advance(8_000);
    let request = world.request();
    world.code(&request, 10);
    world.advance(500);
    let child = world.request();
    world.code(&child, 19);
    world.unreachable.insert(1);
    world.cut(child.connection);
    world.advance(1_600);

    for record in records {
        assert!(matches!(world.rejected(record), Cause::DeliveryTimeout { .. }));
    }
}

// D-19: definite codes only, then the deadline: rejected, and the lane is reset because the batch had a sequence.
#[test]
fn d19_definite_answers_until_the_deadline_are_a_rejection() {
    let mut world = World::new();
    let record = world.send(0, "a");
    answer_with_code_for(&mut world, 19, 10_050);
    assert!(matches!(world.rejected(record), Cause::DeliveryTimeout { .. }));
    let next = world.send(0, "b");
    let request = world.request();
    assert_eq!(request.stamp(), (1, 0));
    world.ok(&request, 0);
    world.assert_acknowledged(next, Some(0));
}

// B31: a broker finds the bytes corrupt. Three identical resends, then rejected.
#[test]
fn b31_a_corrupt_batch_is_resent_three_times_and_then_rejected() {
    let mut world = World::new();
    let record = world.send(0, "a");
    let bytes = world.requests[0].batch().bytes.clone();
    for _ in 0..4 {
        let request = world.request();
        assert_eq!(request.batch().bytes, bytes);
        world.code(&request, 2);
        world.advance(900);
    }
    world.assert_rejected_with(record, 2);
}

// B16, D-12: unknown codes say nothing about the log: resent until the deadline, then unknown.
#[test]
fn d12_unknown_codes_are_retried_and_end_unknown() {
    for code in [-1, 999, 13] {
        let mut world = World::with(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
        let record = world.send(0, "a");
        answer_with_code_for(&mut world, code, 10_050);
        assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }), "code {code}");
    }
}
