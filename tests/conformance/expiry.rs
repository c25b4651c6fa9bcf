//! Expiry, and what stays unresolved (E1 to E15). Sequences left behind by an expired batch are ours, not Java's: see
//! D-5 and D-6.

use std::time::Duration;

use facteur::Cause;
use facteur::accumulator::partition_queue::QueueStatus;
use facteur::engine::Event;
use facteur::identifiers::LaneId;

use super::peer::{PRODUCE, Reply, produce_answer};
use super::world::World;

/// Answers every request with `code` for so long.
fn answer_with_code_for(world: &mut World, code: i16, millis: u64) {
    for _ in 0..millis / 50 {
        while let Some(request) = world.requests.pop_front() {
            world.code(&request, code);
        }
        world.advance(50);
    }
}

// E1: never sent, so certainly not in the log, and no sequence was used up.
#[test]
fn e1_a_batch_that_was_never_sent_is_rejected_and_leaves_no_gap() {
    let mut world = World::with(&[], 1, &[-1]);
    let first = world.send(0, "a");
    world.advance(10_000);
    assert!(matches!(world.rejected(first), Cause::DeliveryTimeout { .. }));

    world.move_leader(0, 1, 1);
    world.advance(2_000);
    let second = world.send(0, "b");
    let request = world.request();
    assert_eq!(request.stamp(), (0, 0));
    world.ok(&request, 0);
    world.assert_acknowledged(second, Some(0));
    world.assert_at_rest();
}

// E2, otherwise than Java (D-5): sent, in doubt, expired. The caller hears "unknown"; the same bytes stay at the head and
// are resent, and new batches wait behind.
#[test]
fn e2_an_expired_batch_in_doubt_stays_at_the_head_and_new_batches_wait() {
    let mut world = World::new();
    let first = world.send(0, "a");
    let bytes = world.requests[0].batch().bytes.clone();
    answer_with_code_for(&mut world, 7, 10_050);
    assert!(matches!(world.unknown(first), Cause::DeliveryTimeout { .. }));

    world.send(0, "b");
    world.advance(900);
    assert_eq!(world.requests.len(), 1);
    assert_eq!(world.requests[0].batch().bytes, bytes);
}

// E3: the lost one's later sibling was acknowledged behind an open gate: that proves the lost one present (D-4, [OUT-3]). Java
// clears its mark and reports a timeout; ours reports the truth, without an offset.
#[test]
fn e3_a_later_acknowledgement_proves_the_expired_batch_present() {
    let mut world = World::new();
    world.open_gate(0);
    let (first, second) = (world.send(0, "a"), world.send(0, "b"));
    let (one, two) = (world.request(), world.request());
    world.code(&one, 7);
    world.ok(&two, 2);
    world.assert_acknowledged(second, Some(2));
    answer_with_code_for(&mut world, 7, 10_050);

    world.assert_acknowledged(first, None);
    answer_with_code_for(&mut world, 7, 1_000);
    let third = world.send(0, "c");
    let request = world.request();
    assert_eq!(request.stamp(), (0, 3), "no bump");
    world.ok(&request, 3);
    world.assert_acknowledged(third, Some(3));
    world.assert_at_rest();
}

// E4, otherwise than Java (D-5): after the lost batch was abandoned the rest goes out under a new epoch.
#[test]
fn e4_what_waited_behind_an_abandoned_batch_goes_out_under_a_new_epoch() {
    let mut world = World::with(&[("facteur.late.resolution.ms", "1000")], 1, &[1]);
    let first = world.send(0, "a");
    answer_with_code_for(&mut world, 7, 9_900);
    let (second, third) = (world.send(0, "b"), world.send(0, "c"));
    answer_with_code_for(&mut world, 7, 1_050);
    assert!(matches!(world.unknown(first), Cause::DeliveryTimeout { .. }));
    let mut values = Vec::new();
    for _ in 0..40 {
        while let Some(request) = world.requests.pop_front() {
            if request.value() == "a" {
                world.code(&request, 7);
                continue;
            }
            assert_eq!(request.stamp(), (1, i32::try_from(values.len()).expect("few")));
            values.push(request.value().to_owned());
            world.ok(&request, 10 + i64::try_from(values.len()).expect("few"));
        }
        world.advance(50);
    }

    assert_eq!(values, ["b", "c"]);
    world.assert_acknowledged(second, Some(11));
    world.assert_acknowledged(third, Some(12));
    world.assert_at_rest();
}

// E5: without late resolution (Java's way) the lane is reset at the deadline.
#[test]
fn e5_without_late_resolution_the_lane_is_reset_at_the_deadline() {
    let mut world = World::with(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
    let first = world.send(0, "a");
    answer_with_code_for(&mut world, 7, 10_050);
    assert!(matches!(world.unknown(first), Cause::DeliveryTimeout { .. }));
    answer_with_code_for(&mut world, 7, 1_050);
    assert!(world.requests.is_empty());

    let second = world.send(0, "b");
    let request = world.request();
    assert_eq!(request.stamp(), (1, 0));
    world.ok(&request, 0);
    world.assert_acknowledged(second, Some(0));
    world.assert_at_rest();
}

// E7, otherwise than Java (K16): the answer and the deadline come in the same turn. Java tells a timeout; ours reads
// sockets before it looks at the clock, so the record is acknowledged. Memory comes back once: the account asserts it.
#[test]
fn e7_an_answer_in_the_turn_of_the_deadline_wins() {
    let mut world = World::with(&[("request.timeout.ms", "9000")], 1, &[1]);
    let record = world.send(0, "a");
    world.advance(8_000);
    let request = world.request();
    world.code(&request, 19);
    world.advance(1_000);
    let request = world.request();
    world.now = world.now + Duration::from_millis(1_000);
    world.ok(&request, 4);

    world.assert_acknowledged(record, Some(4));
    world.assert_at_rest();
}

// E7, one moment later: the record is unknown, the late answer changes nothing for the caller, and the lane goes on.
#[test]
fn e7_an_answer_after_the_deadline_is_a_late_acknowledgement() {
    let mut world = World::with(&[("request.timeout.ms", "9000")], 1, &[1]);
    let record = world.send(0, "a");
    world.advance(8_000);
    let request = world.request();
    world.code(&request, 7);
    world.advance(2_001);
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    assert!(world.reserved_bytes() > 0);
    let request = world.request();
    world.ok(&request, 4);

    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    assert_eq!(world.engine.stats().late_acknowledgements, 1);
    assert_eq!(world.reserved_bytes(), 0);
    let next = world.send(0, "b");
    let request = world.request();
    assert_eq!(request.stamp(), (0, 1), "no reset was needed");
    world.ok(&request, 5);
    world.assert_acknowledged(next, Some(5));
    world.assert_at_rest();
}

/// A batch of three records whose only attempt is on its way when its time is over.
fn expired_in_flight() -> (World, [usize; 3], super::peer::Request) {
    let properties = [("request.timeout.ms", "9000"), ("batch.size", "16384")];
    let mut world = World::with(&properties, 1, &[-1]);
    let records = ["a", "b", "c"].map(|value| world.append("t", 0, value));
    world.run();
    world.advance(8_000);
    world.move_leader(0, 1, 1);
    world.advance(1_500);
    let request = world.request();
    world.advance(1_000);
    for record in records {
        assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    }
    (world, records, request)
}

// E8: expired on its way, then "too large". Fails if it is cut and sent again, or told a second time.
#[test]
fn e8_an_expired_batch_is_not_cut() {
    let (mut world, _, request) = expired_in_flight();
    let before = world.count(PRODUCE);
    world.code(&request, 10);
    world.advance(6_000);

    assert_eq!(world.count(PRODUCE), before);
    assert_eq!(world.engine.stats().batches_split, 0);
    world.assert_at_rest();
}

// E8, with record errors: the callers know already. Fails if a culprit is told a second time.
#[test]
fn e8_record_errors_of_an_expired_batch_are_not_told_again() {
    let (mut world, _, request) = expired_in_flight();
    let before = world.count(PRODUCE);
    world.answer(&request, &[Reply::to(request.batch(), 87, -1).culprit(1, Some("bad"))]);
    world.advance(6_000);

    assert_eq!(world.count(PRODUCE), before);
    world.assert_at_rest();
}

// E9, otherwise than Java (D-5, [OUT-4]): Java does not retry after expiry; ours resends for `facteur.late.resolution.ms`.
#[test]
fn e9_an_expired_batch_with_a_retriable_answer_is_resent_until_late_resolution_ends() {
    let (mut world, _, request) = expired_in_flight();
    world.code(&request, 7);
    world.advance(500);
    let again = world.request();
    assert_eq!(again.batch().bytes, request.batch().bytes);
    answer_with_code_for(&mut world, 7, 100);
    world.code(&again, 7);
    answer_with_code_for(&mut world, 7, 6_000);

    assert_eq!(world.engine.stats().batches_abandoned, 1);
    assert_eq!(world.reserved_bytes(), 0);
}

// E10: both lanes' batches are over at the same time.
#[test]
fn e10_batches_of_two_lanes_expire_together() {
    let mut world = World::with(&[], 1, &[-1, -1]);
    let records = [world.send(0, "a"), world.send(1, "b")];
    world.advance(10_000);
    for record in records {
        assert!(matches!(world.rejected(record), Cause::DeliveryTimeout { .. }));
    }
}

// E11: the longest possible timeout. Fails by overflow, or if it counts as over.
#[test]
fn e11_the_longest_delivery_timeout_does_not_overflow() {
    let mut world = World::with(&[("delivery.timeout.ms", "2147483647")], 1, &[-1]);
    let record = world.send(0, "a");
    world.advance(600_000);
    world.assert_pending(record);
    world.move_leader(0, 1, 1);
    world.advance(2_000);
    let request = world.requests.pop_back().expect("sent at last");
    world.ok(&request, 0);
    world.assert_acknowledged(record, Some(0));
}

// E12: only the old one is over. Fails if the young one goes with it, or if the engine would sleep past its time.
#[test]
fn e12_only_the_old_batch_of_a_queue_expires() {
    let mut world = World::with(&[], 1, &[-1]);
    let old = world.send(0, "a");
    world.advance(4_000);
    let young = world.send(0, "b");
    world.advance(6_000);
    assert!(matches!(world.rejected(old), Cause::DeliveryTimeout { .. }));
    world.assert_pending(young);
    assert!(world.until_next().expect("a timer") <= Duration::from_millis(4_000));
    world.advance(3_999);
    world.assert_pending(young);
    world.advance(1);
    assert!(matches!(world.rejected(young), Cause::DeliveryTimeout { .. }));
}

// E12: the old batch is still with the codec when its time is over. Fails if the engine asks for its expiry again and
// again without rest (the I/O thread would spin).
#[test]
fn e12_a_batch_still_in_the_codec_expires_when_it_comes_out() {
    let mut world = World::with(&[("compression.type", "gzip")], 1, &[1]);
    world.delay_sealing = true;
    let record = world.send(0, "a");
    world.advance(11_000);
    world.assert_pending(record);
    world.run_codec();

    assert!(matches!(world.rejected(record), Cause::DeliveryTimeout { .. }));
}

// E12: the next batch is full while the one before it is still with the codec. Found by the soak. Fails if the engine asks
// for it again and again without rest until the codec is done.
#[test]
fn e12_a_full_batch_behind_one_in_the_codec_is_not_asked_for_in_a_circle() {
    let mut world = World::with(&[("compression.type", "gzip"), ("batch.size", "200")], 1, &[1]);
    world.open_gate(0);
    world.delay_sealing = true;
    let first = world.send(0, "a");
    let second = world.send(0, &"b".repeat(4_000));
    world.advance(100);
    world.assert_pending(second);
    world.delay_sealing = false;
    world.run_codec();
    for (record, offset) in [(first, 1), (second, 2)] {
        let request = world.request();
        world.ok(&request, offset);
        world.assert_acknowledged(record, Some(offset));
    }
    world.assert_at_rest();
}

// E14: time is monotonic by contract; a clock that jumps back is a defect of the runtime, caught at once.
#[test]
#[should_panic(expected = "time went backwards")]
fn e14_time_that_goes_backwards_is_refused() {
    let mut world = World::new();
    world.advance(10);
    let earlier = world.now - Duration::from_millis(5);
    world.engine.handle(earlier, Event::BatchOpened { lane: LaneId(0), status: QueueStatus::default() });
}

// E15: the batch expires while the socket still reads its bytes (the class of CVE-2026-35554). Fails if they change or if
// their memory counts as free.
#[test]
fn e15_the_bytes_of_an_expired_batch_stay_intact_under_the_socket() {
    let mut world =
        World::with(&[("facteur.late.resolution.ms", "0"), ("delivery.timeout.ms", "2000")], 1, &[1]);
    world.keep_frames = true;
    world.hold_writes_of_produce = true;
    let record = world.send(0, &"payload ".repeat(50));
    let request = world.request();
    let before = world.frames.last().expect("a frame").concat();
    world.advance(700);
    world.event(Event::WriteProgress { connection: request.connection });
    world.advance(700);
    world.event(Event::WriteProgress { connection: request.connection });
    world.advance(700);
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    world.send(0, &"other ".repeat(50));

    assert!(world.reserved_bytes() > 0);
    assert_eq!(world.frames.last().expect("a frame").concat(), before);
    world.cut(request.connection);
    world.advance(3_000);
    assert!(world.reserved_bytes() > 0, "the frame holds the memory");
    world.frames.clear();
    assert_eq!(world.reserved_bytes(), 0);
}

// D-17: doubt older than 12 h is given up, however long the delivery timeout is: the broker forgets.
#[test]
fn d17_a_batch_in_doubt_is_not_resent_after_twelve_hours() {
    let properties = [
        ("delivery.timeout.ms", "172800000"),
        ("retry.backoff.max.ms", "600000"),
        ("request.timeout.ms", "1000000"),
    ];
    let mut world = World::with(&properties, 1, &[1]);
    let record = world.send(0, "a");
    for _ in 0..(12 * 6 + 3) {
        while let Some(request) = world.requests.pop_front() {
            let frame = produce_answer(&request, &[Reply::to(request.batch(), 7, -1)], 0, &[]);
            world.receive(request.connection, frame);
        }
        world.advance(600_000);
    }
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    assert!(world.requests.is_empty());
}
