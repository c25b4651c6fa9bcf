//! What went wrong in other clients' send paths, told again in virtual time. The table of all of it is `docs/regressions.md`;
//! stories that another test tells already are not here.

use facteur::Cause;

use super::brokers::{Brokers, warm};
use super::peer::{INIT_PRODUCER_ID, METADATA, PRODUCE, Request};
use super::world::World;

// G02 (KAFKA-14034; Redpanda saw the duplicates): a batch fails for good while an *earlier* one is being retried. Java's
// bump rewrote the earlier one, which was in the log already: it was accepted twice. Fails if the batch in doubt is given
// another name before it is resolved.
#[test]
fn g02_a_refusal_behind_a_batch_in_doubt_does_not_rename_the_batch_in_doubt() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let requests = [world.request(), world.request(), world.request()];
    brokers.lie(&mut world, &requests[0], 7);
    world.code(&requests[1], 44);
    world.assert_rejected_with(records[1], 44);
    brokers.serve(&mut world, &requests[2]);
    brokers.settle(&mut world, 2_000);

    let resends: Vec<_> =
        world.history.iter().filter(|request| request.api == PRODUCE).skip(4).map(Request::stamp).collect();
    assert_eq!(resends, [(0, 1), (1, 0)], "first the doubt under its own name, then the new epoch");
    world.assert_acknowledged(records[0], Some(1));
    world.assert_acknowledged(records[2], Some(2));
    assert_eq!(brokers.values(0), ["gate", "a", "c"]);
    world.assert_at_rest();
}

// G07 (KAFKA-13794, three attempts): batches in flight were told apart by their sequence alone, so one of the old epoch was
// taken for one of the new. Here two lanes have the same sequences under two epochs, in one request. Fails if an answer
// ends the other's batch.
#[test]
fn g07_the_same_sequence_under_two_epochs_is_two_batches() {
    let (mut world, mut brokers) = warm(&[], 1, &[1, 1]);
    world.send(0, "x");
    let refused = world.request();
    world.code(&refused, 45);
    brokers.settle(&mut world, 1_000);
    let records = [world.append("t", 0, "a"), world.append("t", 1, "b")];
    world.run();
    let request = world.request();
    let stamps: Vec<_> = request.batches.iter().map(super::peer::PeerBatch::stamp).collect();
    assert!(stamps.contains(&(1, 1)) && stamps.contains(&(0, 1)), "{stamps:?}");
    let mut replies = brokers.store(&request);
    for reply in &mut replies {
        if reply.partition == 1 {
            (reply.code, reply.offset) = (7, -1);
        }
    }
    world.answer(&request, &replies);
    world.assert_acknowledged(records[0], Some(2));
    world.assert_pending(records[1]);
    brokers.settle(&mut world, 1_000);

    world.assert_acknowledged(records[1], Some(1));
    assert_eq!(brokers.values(1), ["gate", "b"]);
    world.assert_at_rest();
}

// G13, G14 (KAFKA-7501, KAFKA-8325): a batch was cut, its parts expired on their way, and the whole, still on a list, was
// freed again with them. Fails if a record hears twice, or if memory comes back twice or not at all (the account asserts).
#[test]
fn g14_parts_of_a_cut_batch_that_expire_give_their_memory_back_once() {
    let properties = [("batch.size", "16384"), ("facteur.late.resolution.ms", "0")];
    let mut world = World::with(&properties, 1, &[1]);
    let records = ["a", "b", "c", "d"].map(|value| world.append("t", 0, value));
    world.run();
    let whole = world.request();
    world.code(&whole, 10);
    world.advance(500);
    assert_eq!(world.engine.stats().batches_split, 1);
    for _ in 0..120 {
        world.requests.clear();
        world.advance(100);
    }

    let told: Vec<bool> = records.iter().map(|record| world.outcomes[*record].is_some()).collect();
    assert_eq!(told, [true; 4]);
    world.unknown(records[0]);
    assert_eq!(world.reserved_bytes(), 0);
    assert!(!world.engine.has_late_resolution());
}

// G15 (KAFKA-9703): cutting a huge compressed batch kept every part's compression buffers, and the process ran out of
// memory. Fails if the peak is more than the whole, its parts and one working copy.
#[test]
fn g15_cutting_a_large_compressed_batch_holds_no_more_than_its_parts() {
    let properties = [("batch.size", "65536"), ("compression.type", "gzip"), ("max.request.size", "1000000")];
    let mut world = World::with(&properties, 1, &[1]);
    let mut random: u32 = 7;
    let records: Vec<usize> = (0..60)
        .map(|_| {
            // Bytes that do not shrink much.
            let value: String = (0..1_000)
                .map(|_| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    char::from(b'!' + u8::try_from((random >> 24) % 90).expect("small"))
                })
                .collect();
            world.append("t", 0, &value)
        })
        .collect();
    world.run();
    let mut peak = world.reserved_bytes();
    let largest = world.requests[0].batch().bytes.len();
    assert!(largest > 40_000, "one large batch: {largest}");
    let before = peak;
    let mut offset = 0;
    for _ in 0..400 {
        while let Some(request) = world.requests.pop_front() {
            if request.batch().bytes.len() > 6_000 {
                world.code(&request, 10);
            } else {
                world.ok(&request, offset);
                offset += i64::try_from(request.batch().values.len()).expect("few");
            }
            peak = peak.max(world.reserved_bytes());
        }
        world.advance(20);
    }

    for record in records {
        world.acknowledged(record);
    }
    assert!(peak <= before + largest, "D-15: at most one batch more; {before} before, {peak} at the peak");
    world.assert_at_rest();
}

// G16 (KAFKA-7709): the batches on their way of several partitions expired in one pass, which changed the map that the pass
// went over. Fails by a panic, or if a partition is left out.
#[test]
fn g16_batches_on_their_way_in_many_partitions_expire_in_one_pass() {
    let leaders: Vec<i32> = (0..40).map(|index| index % 2 + 1).collect();
    let properties = [
        ("request.timeout.ms", "9000"),
        ("delivery.timeout.ms", "10000"),
        ("facteur.late.resolution.ms", "0"),
    ];
    let (mut world, _) = warm(&properties, 2, &leaders);
    let mut records = Vec::new();
    for partition in 0..40 {
        records.extend([world.append("t", partition, "a"), world.append("t", partition, "b")]);
    }
    world.run();
    world.advance(9_999);
    records.iter().for_each(|record| world.assert_pending(*record));
    world.advance(1);

    for record in &records {
        assert!(world.outcomes[*record].is_some(), "record {record} was left out");
    }
    world.requests.clear();
    world.advance(20_000);
    assert_eq!(world.reserved_bytes(), 0);
    assert!(world.engine.stats().lane_resets >= 40, "each lane is reset once");
}

// G28 (KAFKA-10520): one bootstrap broker, one request in flight, and the metadata request waited behind it: nobody ever
// polled again. Fails if Produce waits for Metadata, or Metadata for Produce (D-10 does not count it).
#[test]
fn g28_metadata_does_not_wait_for_produce_nor_produce_for_metadata() {
    let (mut world, mut brokers) = warm(&[("max.in.flight.requests.per.connection", "1")], 1, &[1]);
    world.advance(2_000);
    let record = world.send(0, "a");
    let produce = world.request();
    let asked = world.count(METADATA);
    world.want_topic("another");
    assert_eq!(world.count(METADATA), asked + 1, "asked while Produce is open");
    world.hold_control = true;
    world.want_topic("a third");
    brokers.serve(&mut world, &produce);
    world.assert_acknowledged(record, Some(1));
    world.advance(400);
    let next = world.send(0, "b");
    let sent = world
        .requests
        .iter()
        .find(|request| request.api == PRODUCE)
        .cloned()
        .expect("sent while Metadata is open");
    assert_eq!(sent.stamp(), (0, 2));
    // Its answer never comes: the timeout clears the way, and all goes on.
    world.hold_control = false;
    world.advance(1_000);
    world.requests.clear();
    brokers.settle(&mut world, 3_000);

    world.assert_acknowledged(next, Some(2));
    assert_eq!(brokers.values(0), ["gate", "a", "b"]);
}

// G37 (zio-kafka #1737): an overloaded broker stores everything and answers too late, again and again; the client ended in
// a circle of "out of order". Fails if the lane does not come out of it as soon as one answer is in time.
#[test]
fn g37_a_broker_that_answers_everything_too_late_causes_no_circle() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "120000")], 1, &[1]);
    let mut records: Vec<usize> = (0..5).map(|turn| world.send(0, &turn.to_string())).collect();
    for turn in 5..30 {
        // Works off what it was sent, in order, a second and a half late.
        let late: Vec<Request> = world.requests.drain(..).collect();
        world.advance(1_500);
        late.iter().for_each(|request| drop(brokers.store(request)));
        records.push(world.send(0, &turn.to_string()));
    }
    brokers.settle(&mut world, 3_000);

    let expected: Vec<String> = (0..30).map(|turn| turn.to_string()).collect();
    assert_eq!(brokers.values(0)[1..], expected);
    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(world.engine.stats().epoch_bumps, 0);
    world.assert_at_rest();
}

// G66 (franz-go #1217): the broker's "timed out" counted as "not produced"; the caller gave up, and the *next* record got
// the same sequence: the broker took it for the first one and swallowed it. Fails if a number that may be in the log is
// used again.
#[test]
fn g66_the_sequence_of_a_record_in_doubt_is_never_used_for_another() {
    let (mut world, mut brokers) = warm(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
    let given_up = world.send(0, "a");
    for _ in 0..210 {
        while let Some(request) = world.requests.pop_front() {
            brokers.lie(&mut world, &request, 7);
        }
        world.advance(50);
    }
    assert!(matches!(world.unknown(given_up), Cause::DeliveryTimeout { .. }));
    let next = world.send(0, "b");
    brokers.settle(&mut world, 1_000);

    world.assert_acknowledged(next, Some(2));
    assert_eq!(brokers.values(0), ["gate", "a", "b"], "the log compares bytes: nothing was swallowed");
    world.assert_at_rest();
}

// G67 (franz-go f29fb7f0): the partition moved, and the new leader answered before the old one. Fails if the lane sends to
// the new one while the old one owes answers (K8). Without idempotence nothing else holds it back: there is no gate.
#[test]
fn g67_nothing_goes_to_the_new_leader_before_the_old_one_has_answered_or_is_gone() {
    for (is_answered, idempotence) in [(true, "true"), (false, "true"), (true, "false"), (false, "false")] {
        let (mut world, mut brokers) = warm(&[("enable.idempotence", idempotence)], 2, &[1]);
        let records = ["a", "b"].map(|value| world.send(0, value));
        let requests = [world.request(), world.request()];
        world.move_leader(0, 2, 1);
        world.want_topic("t");
        world.advance(400);
        let third = world.send(0, "c");
        assert!(world.requests.is_empty(), "both are still owed");
        brokers.serve(&mut world, &requests[0]);
        assert!(world.requests.is_empty(), "one is still owed");
        if is_answered {
            brokers.serve(&mut world, &requests[1]);
        } else {
            world.cut(requests[1].connection);
        }
        brokers.settle(&mut world, 2_000);

        for (record, offset) in records.into_iter().chain([third]).zip(1..) {
            world.assert_acknowledged(record, Some(offset));
        }
        assert_eq!(brokers.values(0), ["gate", "a", "b", "c"], "answered: {is_answered}");
        assert_eq!(world.history.last().expect("sent").node, 2);
        world.assert_at_rest();
    }
}

// G70 (franz-go 45ec9cfb), K15: the identity was read, then changed, then used. A first batch waits for its connection while
// another lane loses the id. Fails if it goes out under the id that was current when it was queued.
#[test]
fn g70_a_waiting_batch_takes_the_identity_of_the_moment_it_is_sent() {
    let mut world = World::with(&[], 2, &[1, 2]);
    let mut brokers = Brokers::default();
    world.unreachable.insert(2);
    for connection in
        world.connections.iter().filter(|(_, to)| **to == 2).map(|(id, _)| *id).collect::<Vec<_>>()
    {
        world.cut(connection);
    }
    let waiting = world.send(1, "waiting");
    world.send(0, "refused");
    let request = world.request();
    world.code(&request, 47);
    brokers.settle(&mut world, 1_000);
    assert_eq!(world.count(INIT_PRODUCER_ID), 2);
    world.unreachable.clear();
    brokers.settle(&mut world, 3_000);

    world.assert_acknowledged(waiting, Some(0));
    let sent =
        world.history.iter().find(|request| request.api == PRODUCE && request.node == 2).expect("sent");
    assert_eq!((sent.batch().view.producer_id, sent.stamp()), (1001, (0, 0)));
    world.assert_at_rest();
}

// G77 (franz-go c469f3da): the number in flight was kept in eight bits and wrapped with a large setting. Fails if the 256th
// request is lost from the count: more would go out than allowed, or the lane would never drain.
#[test]
fn g77_hundreds_of_requests_in_flight_are_counted_right() {
    let properties =
        [("max.in.flight.requests.per.connection", "300"), ("enable.idempotence", "false"), ("acks", "1")];
    let mut world = World::with(&properties, 1, &[1]);
    let records: Vec<usize> = (0..700).map(|turn| world.send(0, &turn.to_string())).collect();
    assert_eq!(world.requests.len(), 300);
    assert_eq!(world.engine.stats().requests_in_flight, 300);
    let mut offset = 0;
    while let Some(request) = world.requests.pop_front() {
        world.ok(&request, offset);
        offset += 1;
        assert!(world.requests.len() <= 300);
    }

    for (record, offset) in records.into_iter().zip(0..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(world.engine.stats().requests_in_flight, 0);
    world.assert_at_rest();
}

// G81 (fluss-rust #447): the answer to batch n was lost, n+1 to n+4 were acknowledged, and more followed: the retry of n was
// too old for the broker's memory of five and ended in "out of order" for ever. Fails if the window lets a sixth go out.
#[test]
fn g81_a_lost_answer_is_resolved_before_the_broker_forgets_its_batch() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records: Vec<usize> = (0..20).map(|turn| world.send(0, &turn.to_string())).collect();
    let first = world.request();
    brokers.store(&first);
    // A broker's answer to the first is 7, although it is stored; the others are served, as many as come.
    world.code(&first, 7);
    while let Some(request) = world.requests.pop_front() {
        brokers.serve(&mut world, &request);
    }
    assert_eq!(brokers.values(0).len(), 6, "no sixth before the first is resolved");
    brokers.settle(&mut world, 2_000);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(world.engine.stats().epoch_bumps, 0);
    world.assert_at_rest();
}
