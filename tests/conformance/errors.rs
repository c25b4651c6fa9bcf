//! Producer ids and what error codes do (S1 to S12).

use facteur::Cause;

use super::peer::{INIT_PRODUCER_ID, PRODUCE, Reply};
use super::world::World;

// S1: a batch without identity must not leave. Fails if Produce is sent before InitProducerId was answered.
#[test]
fn s1_nothing_is_produced_before_the_producer_id_is_known() {
    let mut world = World::cold(&[], 1, &[1]);
    world.cluster.init_error = 14;
    world.want_topic("t");
    world.advance(1);
    let record = world.send(0, "v");
    world.advance(300);

    assert!(world.count(INIT_PRODUCER_ID) >= 2);
    assert_eq!(world.count(PRODUCE), 0);

    world.cluster.init_error = 0;
    world.advance(2000);
    let request = world.request();
    assert_eq!(request.batch().view.producer_id, 1000);
    assert_eq!(request.stamp(), (0, 0));
    world.ok(&request, 5);
    world.assert_acknowledged(record, Some(5));
}

// S2: the node that was asked for an id goes away. Fails if the user hears of it, or if nobody is asked again.
#[test]
fn s2_an_unanswered_init_producer_id_is_asked_again() {
    let mut world = World::cold(&[], 2, &[2]);
    world.want_topic("t");
    world.hold_control = true;
    world.run();
    let mut world = {
        // The first control requests are lost with their connection.
        let connection = world.requests.front().map(|request| request.connection);
        if let Some(connection) = connection {
            world.cut(connection);
        }
        world.hold_control = false;
        world
    };
    world.advance(3000);
    let record = world.send(0, "v");

    let request = world.request();
    world.ok(&request, 0);
    world.assert_acknowledged(record, Some(0));
}

// S3: no right to an id. The batch fails; repairing the ACL heals the producer without a restart (D-24).
#[test]
fn s3_a_refused_producer_id_fails_what_is_queued_and_heals() {
    let mut world = World::cold(&[], 1, &[1]);
    world.cluster.init_error = 31;
    world.want_topic("t");
    world.advance(1);
    let first = world.send(0, "a");
    world.advance(5000);
    world.assert_rejected_with(first, 31);

    world.cluster.init_error = 0;
    world.advance(2000);
    let second = world.send(0, "b");
    world.advance(2000);
    let request = world.request();
    world.ok(&request, 0);

    world.assert_acknowledged(second, Some(0));
}

// S4, otherwise than Java (D-24): Java's producer is dead after 31 on Produce; ours refuses what is pending and goes on.
#[test]
fn s4_a_refused_produce_fails_what_is_pending_and_the_next_send_starts_again() {
    let mut world = World::new();
    let first = world.send(0, "a");
    let request = world.request();
    world.code(&request, 31);
    world.assert_rejected_with(first, 31);

    world.advance(3000);
    let second = world.send(0, "b");
    let request = world.request();
    assert_eq!(request.stamp().1, 0, "the rejected batch's sequence is not reused under its identity");
    world.ok(&request, 0);

    world.assert_acknowledged(second, Some(0));
}

// S5, otherwise than Java (D-24): 35 is no more final than 31; 43 concerns its batch alone.
#[test]
fn s5_unsupported_version_has_an_exit_and_unsupported_format_fails_one_batch() {
    let mut world = World::new();
    let first = world.send(0, "a");
    let request = world.request();
    world.code(&request, 35);
    world.assert_rejected_with(first, 35);
    world.advance(3000);

    let second = world.send(0, "b");
    let request = world.request();
    world.code(&request, 43);
    world.assert_rejected_with(second, 43);

    let third = world.send(0, "c");
    world.advance(500);
    let request = world.request();
    world.ok(&request, 0);
    world.assert_acknowledged(third, Some(0));
}

// S6: no right to write the topic, no identity. Fails if it is retried.
#[test]
fn s6_a_topic_authorization_failure_is_not_retried() {
    let mut world = World::with(&[("enable.idempotence", "false")], 1, &[1]);
    let record = world.send(0, "v");
    let request = world.request();
    world.code(&request, 29);

    world.assert_rejected_with(record, 29);
    world.advance(5000);
    assert_eq!(world.count(PRODUCE), 1);
}

// S7: one retry. Otherwise than Java in the second half (D-14): the frame was written twice and never answered, so
// the record is unknown, where Java reports a network error that hides the doubt.
#[test]
fn s7_one_retry_survives_one_disconnect_and_two_leave_the_record_unknown() {
    let mut world = World::with(&[("retries", "1")], 1, &[1]);
    let first = world.send(0, "a");
    let request = world.request();
    world.cut(request.connection);
    world.advance(500);
    let request = world.request();
    assert_eq!(request.stamp(), (0, 0));
    world.ok(&request, 0);
    world.assert_acknowledged(first, Some(0));

    let second = world.send(0, "b");
    for _ in 0..2 {
        world.advance(500);
        let request = world.request();
        world.cut(request.connection);
    }

    assert_eq!(world.unknown(second), Cause::Network);
}

// S8: trouble in one lane, new producer id; the other lane's batch is on its way. Fails if its retry is restamped.
#[test]
fn s8_a_retry_keeps_the_old_producer_id_when_another_lane_gets_a_new_one() {
    let mut world = World::with(&[], 2, &[1, 2]);
    let first = world.send(0, "a");
    let held = world.request();
    let second = world.send(1, "b");
    let refused = world.request();
    world.code(&refused, 47);
    world.advance(500);
    let renewed = world.request();
    assert_eq!(renewed.batch().view.producer_id, 1001);
    world.ok(&renewed, 0);
    world.assert_acknowledged(second, Some(0));

    world.code(&held, 7);
    world.advance(500);
    let retry = world.request();

    assert_eq!(retry.batch().view.producer_id, 1000);
    assert_eq!(retry.batch().bytes, held.batch().bytes);
    world.ok(&retry, 9);
    world.assert_acknowledged(first, Some(9));
}

// S9: the whole producer is refused while another batch is on its way. Its late answer comes; `World` fails on a
// second outcome.
#[test]
fn s9_a_late_answer_after_a_fatal_error_changes_nothing() {
    let mut world = World::with(&[], 2, &[1, 2]);
    let first = world.send(0, "a");
    let held = world.request();
    let second = world.send(1, "b");
    let refused = world.request();
    world.code(&refused, 31);
    world.assert_rejected_with(second, 31);
    assert!(matches!(world.unknown(first), Cause::Broker { .. }), "on its way: nobody knows");

    world.ok(&held, 3);
    world.advance(1000);

    assert!(matches!(world.unknown(first), Cause::Broker { .. }));
}

// S10, otherwise than Java (D-16): Java fails the whole batch; ours rejects the named records and sends the rest again,
// through a reset, in order.
#[test]
fn s10_named_culprits_are_rejected_and_their_batch_mates_delivered() {
    let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
    let records = ["a", "b", "c"].map(|value| world.append("t", 0, value));
    world.run();
    let request = world.request();
    assert_eq!(request.batch().values, ["a", "b", "c"]);
    let reply = Reply::to(request.batch(), 87, -1).message("the batch").culprit(1, Some("bad key"));
    world.answer(&request, &[reply]);

    match world.rejected(records[1]) {
        Cause::Broker { message, .. } => assert_eq!(&*message, "bad key"),
        other => panic!("{other:?}"),
    }
    world.advance(500);
    let mut values = Vec::new();
    let mut offset = 0;
    while !world.requests.is_empty() {
        let request = world.request();
        assert_eq!(request.stamp(), (1, i32::try_from(values.len()).expect("few")), "a new epoch, from 0");
        values.extend(request.batch().values.clone());
        world.ok(&request, offset);
        offset += 1;
        world.advance(100);
    }
    assert_eq!(values, ["a", "c"]);
    world.assert_acknowledged(records[0], Some(0));
    world.assert_acknowledged(records[2], Some(1));
}

// S10, second half: several culprits, each with its own text or the batch's.
#[test]
fn s10_two_named_culprits_are_both_rejected() {
    let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
    let records = ["a", "b", "c"].map(|value| world.append("t", 0, value));
    world.run();
    let request = world.request();
    let reply = Reply::to(request.batch(), 87, -1).message("whole").culprit(2, None).culprit(0, Some("own"));
    world.answer(&request, &[reply]);

    let texts = [records[0], records[2]].map(|record| match world.rejected(record) {
        Cause::Broker { message, .. } => message,
        other => panic!("{other:?}"),
    });
    assert_eq!(texts.map(|text| text.to_string()), ["own", "whole"]);
    world.assert_pending(records[1]);
    world.advance(500);
    let request = world.request();
    world.ok(&request, 4);
    world.assert_acknowledged(records[1], Some(4));
}

// D-16: indexes that make no sense say nothing about single records. Fails if one is believed, or memory is read by it.
#[test]
fn d16_culprits_out_of_range_reject_the_whole_batch() {
    for index in [3, -1, i32::MAX] {
        let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
        let records = ["a", "b", "c"].map(|value| world.append("t", 0, value));
        world.run();
        let request = world.request();
        let reply = Reply::to(request.batch(), 87, -1).culprit(0, None).culprit(index, None);
        world.answer(&request, &[reply]);
        for record in records {
            world.assert_rejected_with(record, 87);
        }
    }
}

// S11: the broker's own words, or the code's name if it has none.
#[test]
fn s11_the_brokers_text_is_told_or_the_codes_name() {
    let mut world = World::new();
    let first = world.send(0, "a");
    let request = world.request();
    world.answer(&request, &[Reply::to(request.batch(), 44, -1).message("too rude")]);
    assert_eq!(world.rejected(first).to_string(), "POLICY_VIOLATION (44): too rude");

    let second = world.send(0, "b");
    world.advance(500);
    let request = world.request();
    world.code(&request, 44);
    assert_eq!(world.rejected(second).to_string(), "POLICY_VIOLATION (44)");
}

// S12: 46 for a batch whose later sibling was acknowledged: it is in the log, its offset is not known.
#[test]
fn s12_duplicate_sequence_is_a_success_without_offset() {
    let mut world = World::new();
    world.open_gate(0);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let requests = [world.request(), world.request(), world.request()];
    world.ok(&requests[0], 1);
    world.code(&requests[1], 7);
    world.ok(&requests[2], 3);
    world.advance(500);
    let retry = world.request();
    assert_eq!(retry.stamp(), (0, 2));
    world.code(&retry, 46);

    let news = world.acknowledged(records[1]);
    assert_eq!((news.base_offset, news.deduplicated), (None, Some(true)));
    world.assert_acknowledged(records[2], Some(3));
    let next = world.send(0, "d");
    let request = world.request();
    assert_eq!(request.stamp(), (0, 4));
    world.ok(&request, 4);
    world.assert_acknowledged(next, Some(4));
    world.assert_at_rest();
}

// B41: a broker that accepts no epoch but those that it has given out: the bump after a refusal is answered 47 or 90. Fails
// if the lane bumps again and again inside the id, or if the clean batch is given up.
#[test]
fn b41_a_broker_that_refuses_the_bump_leads_to_a_new_id() {
    for code in [47, 90] {
        let mut world = World::new();
        world.open_gate(0);
        let refused = world.send(0, "refused");
        let request = world.request();
        world.code(&request, 44);
        world.assert_rejected_with(refused, 44);
        let next = world.send(0, "next");
        let bumped = world.request();
        assert_eq!((bumped.batch().view.producer_id, bumped.stamp()), (1000, (1, 0)));
        world.code(&bumped, code);
        world.advance(1_000);
        let request = world.request();
        assert_eq!((request.batch().view.producer_id, request.stamp()), (1001, (0, 0)), "code {code}");
        world.ok(&request, 1);
        world.assert_acknowledged(next, Some(1));
        world.assert_at_rest();
    }
}
