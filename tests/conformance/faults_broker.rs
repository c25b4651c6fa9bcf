//! Rows of the fault matrix about brokers and the cluster (B01 to B53), each with a look into the log at the end.

use facteur::Cause;
use facteur::engine::Observation;

use super::brokers::{Brokers, warm};
use super::peer::{INIT_PRODUCER_ID, METADATA, PRODUCE, Reply, Request};
use super::world::World;

/// For so long every request is refused with `code` without being processed.
fn refuse(world: &mut World, code: i16, millis: u64) {
    for _ in 0..millis / 50 {
        while let Some(request) = world.requests.pop_front() {
            world.code(&request, code);
        }
        world.advance(50);
    }
}

// B01: the broker appended, lost its leadership and says 6 without a hint. Fails if 6 counts as "not written": the batch
// would get another name and be stored twice at the new leader.
#[test]
fn b01_not_leader_after_the_append_is_doubt_and_ends_in_one_copy() {
    let (mut world, mut brokers) = warm(&[], 2, &[1]);
    let record = world.send(0, "a");
    let request = world.request();
    world.move_leader(0, 2, 1);
    brokers.lie(&mut world, &request, 6);
    assert!(
        world
            .observations
            .iter()
            .any(|told| matches!(told, Observation::BatchRetried { in_doubt: true, .. }))
    );
    brokers.settle(&mut world, 2_000);

    world.assert_acknowledged(record, Some(1));
    let last = world.history.iter().rfind(|request| request.api == PRODUCE).expect("resent");
    assert_eq!((last.node, last.stamp()), (2, (0, 1)));
    assert_eq!(last.batch().bytes, request.batch().bytes);
    assert_eq!(brokers.values(0), ["gate", "a"]);
    world.assert_at_rest();
}

// B03: hints that lead nowhere: they are ignored, and 6 is as 6 without a hint. Fails by a hot loop.
#[test]
fn b03_hints_that_lead_nowhere_cause_no_hot_loop() {
    let (mut world, mut brokers) = warm(&[], 2, &[1]);
    let record = world.send(0, "a");
    let before = world.count(PRODUCE);
    for _ in 0..300 {
        while let Some(request) = world.requests.pop_front() {
            let batch = request.batch();
            let hints = [(1, 0), (-7, 9), (i32::MIN, 9), (99, 9), (2, -1), (2, i32::MIN)];
            let hint = hints[world.count(PRODUCE) % hints.len()];
            let reply = Reply::to(batch, 6, -1).leader(hint.0, hint.1);
            world.answer_with(&request, &[reply], 0, &[(-7, "hostile"), (5, "")]);
        }
        world.advance(10);
    }
    let sent = world.count(PRODUCE) - before;
    assert!(sent < 25, "{sent} attempts in three seconds");
    brokers.settle(&mut world, 2_000);

    world.assert_acknowledged(record, Some(1));
    assert_eq!(brokers.values(0), ["gate", "a"]);
}

/// Leader 1 has five batches on their way; leadership moves to 2 at the given moment.
fn five_in_flight() -> (World, Brokers, Vec<usize>, Vec<Request>) {
    let (mut world, brokers) = warm(&[], 2, &[1]);
    let records: Vec<usize> =
        ["a", "b", "c", "d", "e"].into_iter().map(|value| world.send(0, value)).collect();
    let requests: Vec<Request> = world.requests.drain(..).collect();
    assert_eq!(requests.len(), 5);
    (world, brokers, records, requests)
}

// B06: a clean move with five on their way: two were stored before it, three come too late. Fails if a batch overtakes, is
// stored twice, or is sent to the new leader while the old one still owes answers (K8).
#[test]
fn b06_a_clean_leader_move_with_five_in_flight_keeps_order_and_number() {
    let (mut world, mut brokers, records, requests) = five_in_flight();
    brokers.store(&requests[0]);
    let second = brokers.store(&requests[1]);
    world.move_leader(0, 2, 1);
    world.want_topic("t");
    world.advance(500);
    assert!(world.requests.is_empty(), "the old leader still owes answers");
    brokers.lie(&mut world, &requests[0], 6);
    world.answer(&requests[1], &second);
    for request in &requests[2..] {
        world.code(request, 6);
    }
    brokers.settle(&mut world, 3_000);

    assert_eq!(brokers.values(0), ["gate", "a", "b", "c", "d", "e"]);
    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(world.engine.stats().epoch_bumps, 0);
    world.assert_at_rest();
}

// B07: the old leader is alone and does not know it yet: it appends, cannot replicate, times out (7), and is truncated
// later. Only the new leader's log counts. Fails if a record is missing there, or out of order.
#[test]
fn b07_what_a_deposed_leader_appended_is_written_again_at_the_new_one() {
    let (mut world, mut truth, records, requests) = five_in_flight();
    let mut deposed = Brokers::default();
    world.move_leader(0, 2, 1);
    for request in &requests {
        // Its log ends at "gate" like the new leader's; what it appends now will be cut off.
        deposed.store(request);
    }
    for request in &requests {
        world.code(request, 7);
    }
    world.want_topic("t");
    truth.settle(&mut world, 4_000);

    assert_eq!(truth.values(0), ["gate", "a", "b", "c", "d", "e"]);
    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    world.assert_at_rest();
}

// B08: the new leader has lost the producer state, or never had it, and takes any first sequence. Fails if two batches are
// sent to it before it acknowledged one: the second could be taken first.
#[test]
fn b08_a_leader_without_producer_state_gets_one_batch_first() {
    let (mut world, _, records, requests) = five_in_flight();
    world.move_leader(0, 2, 1);
    for request in &requests {
        world.code(request, 6);
    }
    world.advance(1_500);
    let mut blank = Brokers::default();
    assert_eq!(world.waiting(), [(0, 1)], "the gate is armed again");
    let head = world.request();
    assert_eq!(head.node, 2);
    // The head is refused once more: whoever comes behind it would open the log in its place.
    world.code(&head, 6);
    world.advance(1_000);
    assert_eq!(world.waiting(), [(0, 1)]);
    blank.settle(&mut world, 2_000);

    assert_eq!(blank.values(0), ["a", "b", "c", "d", "e"]);
    for (record, offset) in records.into_iter().zip(0..) {
        world.assert_acknowledged(record, Some(offset));
    }
}

// B09, the headline: a fresh partition answers 6 to the first batch and would take the second, with a sequence that is not
// 0, as its first. Fails if the log begins in the middle.
#[test]
fn b09_the_first_batch_hole_is_closed_by_the_gate() {
    let mut world = World::with(&[], 1, &[1]);
    let mut brokers = Brokers::default();
    let records = ["a", "b", "c", "d"].map(|value| world.send(0, value));
    let first = world.request();
    world.code(&first, 6);
    // A broker that takes whatever comes next: with two on their way this would be "b".
    brokers.settle(&mut world, 2_000);

    assert_eq!(brokers.values(0), ["a", "b", "c", "d"]);
    for (record, offset) in records.into_iter().zip(0..) {
        world.assert_acknowledged(record, Some(offset));
    }
    world.assert_at_rest();
}

// B11: too few replicas for three seconds; nothing is appended. Fails if the record ends before they are back.
#[test]
fn b11_too_few_replicas_are_waited_for() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b"].map(|value| world.send(0, value));
    refuse(&mut world, 19, 3_000);
    brokers.settle(&mut world, 2_000);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b"]);
    assert_eq!(world.engine.stats().epoch_bumps, 0);
    world.assert_at_rest();
}

// B12: appended, and then too few replicas: 20. Fails if the batch is given another name: it would be there twice.
#[test]
fn b12_too_few_replicas_after_the_append_end_in_one_copy() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b"].map(|value| world.send(0, value));
    for _ in 0..40 {
        while let Some(request) = world.requests.pop_front() {
            brokers.lie(&mut world, &request, 20);
        }
        world.advance(50);
    }
    brokers.settle(&mut world, 2_000);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b"]);
    world.assert_at_rest();
}

// B13: 20 once, then 19 until the time is over. 19 is certain of its own attempt only. Fails if the caller hears
// "rejected": the record is in the log.
#[test]
fn b13_doubt_outlives_any_number_of_certain_refusals() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let record = world.send(0, "a");
    let request = world.request();
    brokers.lie(&mut world, &request, 20);
    refuse(&mut world, 19, 10_500);
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    brokers.settle(&mut world, 2_000);

    assert_eq!(brokers.values(0), ["gate", "a"]);
    assert_eq!(world.engine.stats().late_acknowledgements, 1);
    world.assert_at_rest();
}

// B07: a leader that is cut off from the other nodes still names itself, and it is the only one that the producer is connected
// to. Whether it answers 7 or says nothing, the others must be asked too. Fails if it is asked again and again until the
// deadline, as it was.
#[test]
fn b07_a_deposed_leader_that_names_itself_is_not_the_only_one_asked() {
    for is_silent in [false, true] {
        let (mut world, mut brokers) = warm(&[], 3, &[1]);
        world.stale.insert(1, world.cluster.clone());
        world.move_leader(0, 2, 1);
        let record = world.send(0, "a");
        for _ in 0..100 {
            while let Some(request) = world.requests.pop_front() {
                match (request.node, is_silent) {
                    (1, false) => world.code(&request, 7),
                    (1, true) => {}
                    _ => brokers.serve(&mut world, &request),
                }
            }
            world.advance(50);
        }

        world.assert_acknowledged(record, Some(1));
        assert_eq!(brokers.values(0), ["gate", "a"], "silent: {is_silent}");
        world.assert_at_rest();
    }
}

// B10: an unclean election cut away what was acknowledged; the next batch lands below it. That the cluster has lost records is
// told: nobody else can see it. Fails if it goes unnoticed, or if an old copy's offset, told late, or a topic that was
// created anew is taken for it.
#[test]
fn b10_a_log_that_went_back_is_told() {
    let (mut world, _) = warm(&[], 1, &[1]);
    let [older, younger] = ["a", "b"].map(|value| world.send(0, value));
    let [first, second] = [world.request(), world.request()];
    world.code(&first, 7);
    world.ok(&second, 101);
    world.advance(1_000);
    let again = world.request();
    world.ok(&again, 100);
    world.assert_acknowledged(younger, Some(101));
    world.assert_acknowledged(older, Some(100));
    assert_eq!(world.engine.stats().offset_regressions, 0, "an older batch was told later");

    let record = world.send(0, "c");
    let request = world.request();
    world.ok(&request, 40);
    world.assert_acknowledged(record, Some(40));
    assert_eq!(world.engine.stats().offset_regressions, 1);
    assert!(
        world
            .observations
            .iter()
            .any(|told| matches!(told, Observation::OffsetRegression { base_offset: 40, expected: 102, .. }))
    );

    world.cluster.topics.get_mut("t").expect("t").id = [9; 16];
    world.want_topic("t");
    world.advance(2_000);
    let record = world.send(0, "e");
    let request = world.request();
    world.ok(&request, 0);
    world.assert_acknowledged(record, Some(0));
    assert_eq!(world.engine.stats().offset_regressions, 1, "it is another log");
}

// B14, B15, B16: the broker timed out (7), its disk failed (56), or it does not know what happened (-1), each time with the
// batch appended or not, and with batches behind it. Fails if any of them is taken for an answer about the log.
#[test]
fn b14_codes_that_say_nothing_about_the_log_end_in_one_copy() {
    for (code, is_appended) in [(7, true), (7, false), (56, true), (56, false), (-1, true), (-1, false)] {
        let (mut world, mut brokers) = warm(&[], 1, &[1]);
        let records = ["a", "b", "c"].map(|value| world.send(0, value));
        let requests = [world.request(), world.request(), world.request()];
        if is_appended {
            brokers.lie(&mut world, &requests[0], code);
        } else {
            world.code(&requests[0], code);
        }
        for request in &requests[1..] {
            brokers.serve(&mut world, request);
        }
        brokers.settle(&mut world, 2_000);

        for (record, offset) in records.into_iter().zip(1..) {
            world.assert_acknowledged(record, Some(offset));
        }
        assert_eq!(brokers.values(0), ["gate", "a", "b", "c"], "code {code}, appended: {is_appended}");
        assert_eq!(world.engine.stats().epoch_bumps, 0, "nobody was stamped anew");
        world.assert_at_rest();
    }
}

// B15 to the end: the disk stays full. Fails if the record is told to be rejected while an attempt may have been appended.
#[test]
fn b15_a_disk_that_stays_full_leaves_the_record_unknown() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let record = world.send(0, "a");
    refuse(&mut world, 56, 10_500);
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    assert!(world.count(METADATA) > 3, "56 asks who leads now");
    brokers.settle(&mut world, 2_000);
    assert_eq!(brokers.values(0), ["gate", "a"], "zero or one: here the late resend landed");
}

// B17: a broker that lags behind does not know the topic for a moment. Fails if records are rejected for it, or if the lane
// begins anew.
#[test]
fn b17_a_broker_that_does_not_know_the_topic_yet_is_asked_again() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b"].map(|value| world.send(0, value));
    let topic = world.cluster.topics.remove("t").expect("t");
    refuse(&mut world, 3, 2_000);
    world.cluster.topics.insert("t".to_owned(), topic);
    brokers.settle(&mut world, 3_000);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b"]);
    world.assert_at_rest();
}

// B18, as D-28 reads it: the topic is gone for good. A record that was never sent is rejected at its deadline; one that was
// *answered* 3 is in doubt, because brokers answer 3 after an append too.
#[test]
fn b18_a_topic_that_is_gone_rejects_what_was_never_sent_only() {
    let (mut world, brokers) = warm(&[], 1, &[1]);
    let answered = world.send(0, "a");
    let request = world.request();
    world.cluster.topics.clear();
    world.code(&request, 3);
    world.unreachable.insert(1);
    world.cut(request.connection);
    let never = world.send(0, "b");
    world.advance(10_500);

    assert!(matches!(world.unknown(answered), Cause::DeliveryTimeout { .. }));
    assert!(matches!(world.rejected(never), Cause::DeliveryTimeout { .. }));
    assert_eq!(brokers.values(0), ["gate"]);
}

// B21: partitions were added, and a broker that lags behind leaves the new ones out again. Fails if what waits for them is
// given up at once.
#[test]
fn b21_partitions_that_a_lagging_broker_omits_are_parked() {
    let (mut world, mut brokers) = warm(&[], 1, &[1, 1]);
    world.cluster.topics.get_mut("t").expect("t").partitions.truncate(1);
    world.want_topic("t");
    world.advance(300);
    let record = world.send(1, "a");
    brokers.settle(&mut world, 1_000);
    world.cluster.topics.get_mut("t").expect("t").partitions.push((1, 0));
    world.want_topic("t");
    brokers.settle(&mut world, 2_000);

    world.assert_acknowledged(record, Some(1));
    assert_eq!(brokers.values(1), ["gate", "a"]);
}

// B24: every broker is replaced; the old ids lead nowhere and the names of the seeds lead to the new ones. Fails if the
// producer needs a restart.
#[test]
fn b24_a_cluster_that_moved_house_is_found_through_the_seeds() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "60000")], 3, &[2, 3]);
    let records = [world.send(0, "a"), world.send(1, "a")];
    let connections: Vec<_> = world.connections.keys().copied().collect();
    world.unreachable.extend([2, 3]);
    world.cluster.nodes = vec![7, 8];
    world.move_leader(0, 7, 1);
    world.move_leader(1, 8, 1);
    connections.into_iter().for_each(|connection| world.cut(connection));
    brokers.settle(&mut world, 10_000);

    for record in records {
        world.assert_acknowledged(record, Some(1));
    }
    world.assert_at_rest();
}

// B27: too large, said of a retry whose first attempt may be in the log. Fails if it is cut: the parts would stand beside
// the whole.
#[test]
fn b27_a_batch_in_doubt_is_not_cut() {
    let mut world = World::with(&[("batch.size", "16384")], 1, &[1]);
    let mut brokers = Brokers::default();
    let records = ["a", "b"].map(|value| world.append("t", 0, value));
    world.run();
    let request = world.request();
    brokers.lie(&mut world, &request, 7);
    world.advance(500);
    let retry = world.request();
    world.code(&retry, 10);
    brokers.settle(&mut world, 3_000);

    for record in records {
        assert!(matches!(world.unknown(record), Cause::Broker { .. }));
    }
    assert_eq!(brokers.values(0), ["a", "b"]);
    assert_eq!(world.engine.stats().batches_split, 0);
}

// B30: refusals that no resend cures, of a batch that is certainly not in the log. Fails if they are retried, or if what
// follows is held up.
#[test]
fn b30_refusals_for_good_reject_their_batch_and_nothing_else() {
    for code in [17, 21, 32, 43, 44, 76, 42, 54] {
        let (mut world, mut brokers) = warm(&[], 1, &[1]);
        let refused = world.send(0, "a");
        let request = world.request();
        world.answer(&request, &[Reply::to(request.batch(), code, -1).message("because")]);
        match world.rejected(refused) {
            Cause::Broker { message, .. } => assert_eq!(&*message, "because", "code {code}"),
            other => panic!("{other:?}"),
        }
        let next = world.send(0, "b");
        brokers.settle(&mut world, 1_000);
        world.assert_acknowledged(next, Some(1));
        assert_eq!(brokers.values(0), ["gate", "b"]);
        world.assert_at_rest();
    }
}

// B37: the broker has lost what it knew of the producer: 45 for a head that was never in doubt. Fails if it is resent for
// ever under the dead name, or if nobody is told.
#[test]
fn b37_lost_producer_state_is_told_and_begins_a_new_epoch() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b"].map(|value| world.send(0, value));
    refuse(&mut world, 45, 50);
    brokers.settle(&mut world, 2_000);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b"]);
    let resets =
        world.observations.iter().filter(|told| matches!(told, Observation::LaneReset { .. })).count();
    assert_eq!(resets, 1);
    world.assert_at_rest();
}

// B40: the epoch is not valid any more (47): the head may be in the log under it, the next is certainly not. Fails if the
// doubtful one is stamped anew (a second copy), or the clean one is given up.
#[test]
fn b40_an_invalid_epoch_makes_doubt_unknown_and_restamps_what_is_clean() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let doubtful = world.send(0, "a");
    let request = world.request();
    brokers.lie(&mut world, &request, 7);
    let clean = world.send(0, "b");
    world.advance(500);
    let retry = world.request();
    world.code(&retry, 47);
    assert!(matches!(world.unknown(doubtful), Cause::Broker { .. }));
    brokers.settle(&mut world, 2_000);

    world.assert_acknowledged(clean, Some(2));
    assert_eq!(brokers.values(0), ["gate", "a", "b"]);
    assert_eq!(world.count(INIT_PRODUCER_ID), 2, "a fresh id");
    world.assert_at_rest();
}

// B46: the whole cluster is down for 30 seconds and comes back at the same addresses. Fails if anything inside its
// deadline is lost, doubled, or later than the bound L.
#[test]
fn b46_a_cluster_that_was_down_for_thirty_seconds_gets_everything_once() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "120000")], 3, &[1, 2, 3]);
    let mut records: Vec<usize> = (0..3).map(|partition| world.send(partition, "0")).collect();
    let stored = world.request();
    brokers.store(&stored);
    world.unreachable.extend([1, 2, 3]);
    let connections: Vec<_> = world.connections.keys().copied().collect();
    connections.into_iter().for_each(|connection| world.cut(connection));
    for turn in 1..30 {
        records.extend((0..3).map(|partition| world.send(partition, &turn.to_string())));
        world.advance(1_000);
    }
    world.unreachable.clear();
    brokers.settle(&mut world, 5_000);

    for record in records {
        assert!(world.acknowledged(record).base_offset.is_some());
    }
    for partition in 0..3 {
        let expected: Vec<String> = (0..30).map(|turn| turn.to_string()).collect();
        assert_eq!(brokers.values(partition)[1..], expected);
    }
    world.assert_at_rest();
}

// B51: each acknowledgement takes 20 seconds, on a connection that is alive. Fails if the window grows past five, or if the
// slow broker is taken for a dead one and everything is sent again and again (D-43: the clock runs for the oldest request).
#[test]
fn b51_slow_acknowledgements_keep_the_window_at_five() {
    let properties = [("request.timeout.ms", "30000"), ("delivery.timeout.ms", "600000")];
    let (mut world, mut brokers) = warm(&properties, 1, &[1]);
    let records: Vec<usize> = (0..12).map(|turn| world.send(0, &turn.to_string())).collect();
    let dials = world.dials;
    for _ in 0..12 {
        assert!(world.requests.len() <= 5);
        world.advance(20_000);
        let request = world.request();
        brokers.serve(&mut world, &request);
    }

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(world.count(PRODUCE), 13, "each batch went out once");
    assert_eq!(world.dials, dials);
    world.assert_at_rest();
}

// B53: throttled, moved and short of replicas, all at once. Fails if the three cures get in each other's way.
#[test]
fn b53_throttling_a_move_and_missing_replicas_together_end_in_one_copy() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "60000")], 2, &[1]);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let requests = [world.request(), world.request(), world.request()];
    brokers.store(&requests[0]);
    world.answer_with(&requests[0], &[Reply::to(requests[0].batch(), 20, -1)], 700, &[]);
    world.code(&requests[1], 45);
    world.move_leader(0, 2, 1);
    world.code(&requests[2], 6);
    refuse(&mut world, 19, 2_000);
    brokers.settle(&mut world, 3_000);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b", "c"]);
    world.assert_at_rest();
}

// B49: success with an offset that makes no sense ("spurious zero"). The record is in the log; the figure is passed on as
// it came, -1 as none, and nothing is ordered by it.
#[test]
fn b49_offsets_that_make_no_sense_do_not_disturb_the_order() {
    let (mut world, _) = warm(&[], 1, &[1]);
    for (told, expected) in [(0, Some(0)), (-1, None), (0, Some(0)), (7, Some(7))] {
        let record = world.send(0, "a");
        let request = world.request();
        world.ok(&request, told);
        world.assert_acknowledged(record, expected);
    }
    world.send(0, "b");
    assert_eq!(world.waiting(), [(0, 5)]);
}
