//! Rows of the fault matrix about the network (N03 to N40), each with a look into the log at the end.

use bytes::Bytes;
use facteur::Cause;
use facteur::engine::{Event, Observation};
use facteur::identifiers::ConnectionId;

use super::brokers::warm;
use super::peer::{Reply, Request, produce_answer};
use super::world::World;

/// The operating system has taken what it could get; the connection ends.
fn cut_all(world: &mut World) {
    for connection in world.connections.keys().copied().collect::<Vec<ConnectionId>>() {
        world.cut(connection);
    }
}

// N03: every answer is slower than the request timeout, the record's time is not over. Fails if the record is stored
// again, or if the offset told is that of a second copy.
#[test]
fn n03_answers_slower_than_the_request_timeout_end_in_the_first_copys_offset() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let record = world.send(0, "a");
    for _ in 0..4 {
        let request = world.request();
        // Processed; the answer would come after 1.2 seconds, when nobody listens any more.
        brokers.store(&request);
        world.advance(1_000);
        assert!(!world.connections.contains_key(&request.connection), "given up at the request timeout");
        while world.requests.is_empty() {
            world.advance(10);
        }
    }
    let request = world.request();
    brokers.serve(&mut world, &request);

    world.assert_acknowledged(record, Some(1));
    assert_eq!(brokers.values(0), ["gate", "a"]);
    world.assert_at_rest();
}

// N04: no answer comes in the record's whole time. Fails if the caller is told "rejected", if the record is there twice, or
// if what was sent behind it stands before it.
#[test]
fn n04_a_record_without_any_answer_is_unknown_and_what_follows_keeps_its_order() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let doubtful = world.send(0, "a");
    let mut later = None;
    for turn in 0..100 {
        while let Some(request) = world.requests.pop_front() {
            brokers.store(&request);
        }
        if turn == 80 {
            later = Some(world.send(0, "b"));
        }
        world.advance(110);
    }
    assert!(matches!(world.unknown(doubtful), Cause::DeliveryTimeout { .. }));
    brokers.settle(&mut world, 4_000);

    world.assert_acknowledged(later.expect("sent"), Some(2));
    assert_eq!(brokers.values(0), ["gate", "a", "b"]);
    assert_eq!(world.engine.stats().late_acknowledgements, 1);
    world.assert_at_rest();
}

// N06: the broker is gone for longer than anybody waits. What was never written is rejected, what was written once is
// unknown; and neither is there later. Fails if the two are mixed up.
#[test]
fn n06_down_past_the_deadline_rejects_what_was_never_written_and_only_that() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let written = world.send(0, "a");
    let lost = world.request();
    world.unreachable.insert(1);
    world.cut(lost.connection);
    let never = world.send(0, "b");
    world.advance(16_500);
    assert!(matches!(world.unknown(written), Cause::DeliveryTimeout { .. }));
    assert!(matches!(world.rejected(never), Cause::DeliveryTimeout { .. }));

    world.unreachable.clear();
    let after = world.send(0, "c");
    brokers.settle(&mut world, 3_000);
    world.assert_acknowledged(after, Some(1));
    assert_eq!(brokers.values(0), ["gate", "c"], "nobody had the frame of \"a\" and \"b\" never left");
    // The swallowed frame arrives after all: fenced, because the lane went on under a new epoch.
    assert_eq!(brokers.store(&lost)[0].code, 47);
}

// N10: requests are swallowed on the way to the broker. The timeout is the only sign. Fails if nothing is sent again.
#[test]
fn n10_swallowed_requests_are_sent_again_on_a_new_connection() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let swallowed = world.requests[0].connection;
    world.advance(1_000);
    assert!(!world.connections.contains_key(&swallowed));
    brokers.settle(&mut world, 1_500);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b", "c"]);
    world.assert_at_rest();
}

// N11, the classic: the records are stored and the acknowledgements swallowed. Fails if a second copy is made, or if the
// offset is not the first copy's.
#[test]
fn n11_swallowed_acknowledgements_end_in_one_copy_each() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b", "c", "d", "e"].map(|value| world.send(0, value));
    while let Some(request) = world.requests.pop_front() {
        brokers.store(&request);
    }
    world.advance(1_000);
    brokers.settle(&mut world, 1_500);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b", "c", "d", "e"]);
    assert_eq!(world.engine.stats().epoch_bumps, 0);
    world.assert_at_rest();
}

// N13: the connection is reset when the answer's first byte comes. N33: an idle connection dies under the request. To the
// engine both are one thing: written whole, no answer. Fails by a second copy or a lost one.
#[test]
fn n13_a_reset_at_the_answer_leaves_one_copy() {
    for is_stored in [true, false] {
        let (mut world, mut brokers) = warm(&[], 1, &[1]);
        let records = ["a", "b"].map(|value| world.send(0, value));
        let requests = [world.request(), world.request()];
        if is_stored {
            requests.iter().for_each(|request| drop(brokers.store(request)));
        }
        world.cut(requests[0].connection);
        brokers.settle(&mut world, 1_500);

        for (record, offset) in records.into_iter().zip(1..) {
            world.assert_acknowledged(record, Some(offset));
        }
        assert_eq!(brokers.values(0), ["gate", "a", "b"], "stored before the reset: {is_stored}");
        world.assert_at_rest();
    }
}

/// Cuts the connection when the operating system has taken `taken` bytes of a request of `size`.
fn cut_a_request_after(taken: usize, size: usize) {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    world.hold_writes_of_produce = taken < size;
    let record = world.send(0, "a");
    let request = world.request();
    if taken == size {
        // Whole: the broker acts on it before it learns of the end.
        brokers.store(&request);
    } else if taken > 0 {
        world.event(Event::WriteProgress { connection: request.connection });
    }
    world.hold_writes_of_produce = false;
    world.cut(request.connection);
    brokers.settle(&mut world, 1_500);

    world.assert_acknowledged(record, Some(1));
    assert_eq!(brokers.values(0), ["gate", "a"], "cut after {taken} of {size} bytes");
    let is_in_doubt = world.observations.iter().find_map(|observation| match observation {
        Observation::BatchRetried { in_doubt, .. } => Some(*in_doubt),
        _ => None,
    });
    assert_eq!(is_in_doubt, Some(taken == size), "a frame that is not whole leaves no doubt (D-3)");
    world.assert_at_rest();
}

// N14, N16: a request is cut after k bytes, for every k. Fails if a partial frame counts as perhaps stored, or a whole one
// as certainly not.
#[test]
fn n16_a_request_cut_after_any_number_of_bytes_ends_in_one_copy() {
    let (mut world, _) = warm(&[], 1, &[1]);
    world.keep_frames = true;
    world.send(0, "a");
    let size: usize = world.frames.last().expect("a frame").iter().map(Bytes::len).sum();
    assert!(size > 100);
    for taken in 0..=size {
        cut_a_request_after(taken, size);
    }
}

// N19: the leader is gone without a word, and the cluster elects another. Fails if the lane waits for the dead one for
// ever, or begins anew.
#[test]
fn n19_a_leader_that_vanished_in_silence_is_left_for_the_next_one() {
    let (mut world, mut brokers) = warm(&[], 2, &[1]);
    world.advance(60_000);
    let record = world.send(0, "a");
    let request = world.request();
    assert_eq!(request.node, 1);
    world.unreachable.insert(1);
    world.move_leader(0, 2, 1);
    world.advance(1_000);
    brokers.settle(&mut world, 2_000);

    world.assert_acknowledged(record, Some(1));
    let last = world.history.last().expect("sent");
    assert_eq!((last.node, last.stamp()), (2, (0, 1)));
    assert_eq!(brokers.values(0), ["gate", "a"]);
    world.assert_at_rest();
}

// N20: for four seconds requests reach all brokers and no answer comes back. Fails if anything is lost or doubled, or if it
// takes longer than L (about 5 s) after the heal.
#[test]
fn n20_a_one_way_partition_of_four_seconds_heals_within_the_bound() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "30000")], 3, &[1, 2, 3]);
    let mut records = Vec::new();
    for turn in 0..40 {
        records.push((turn % 3, world.send(turn % 3, &format!("{turn}"))));
        while let Some(request) = world.requests.pop_front() {
            brokers.store(&request);
        }
        world.advance(100);
    }
    brokers.settle(&mut world, 5_000);

    for partition in 0..3 {
        let expected: Vec<String> =
            (0..40).filter(|turn| turn % 3 == partition).map(|turn| turn.to_string()).collect();
        assert_eq!(brokers.values(partition)[1..], expected);
    }
    for (partition, record) in records {
        assert!(world.acknowledged(record).base_offset.is_some(), "record {record} of {partition}");
    }
    world.assert_at_rest();
}

// N21: the leader of one partition cannot be reached and metadata goes on naming it. Fails if the lane on the other broker
// waits with it, or if the dialling becomes a storm.
#[test]
fn n21_a_leader_out_of_reach_holds_up_its_own_lanes_only() {
    let (mut world, mut brokers) = warm(&[], 2, &[1, 2]);
    world.unreachable.insert(1);
    cut_all(&mut world);
    world.advance(300);
    let held = world.send(0, "held");
    let dials = world.dials;
    for turn in 0..40 {
        let record = world.send(1, "free");
        let before = world.now;
        for _ in 0..30 {
            if world.outcomes[record].is_some() {
                break;
            }
            brokers.settle(&mut world, 50);
        }
        assert!(world.now.since(before).as_millis() <= 1_200, "turn {turn}: the other lane waits");
        world.advance(100);
    }
    world.assert_pending(held);
    assert!(world.dials - dials < 40, "{} dials in four seconds", world.dials - dials);
    world.unreachable.clear();
    brokers.settle(&mut world, 4_000);

    world.assert_acknowledged(held, Some(1));
    assert_eq!(brokers.values(1).len(), 41);
    world.assert_at_rest();
}

// N24: the bytes of the old connection are processed after the retry on the new one; or between. Fails if the zombie is
// stored as well.
#[test]
fn n24_a_zombie_request_is_recognised_in_either_order() {
    for is_zombie_first in [true, false] {
        let (mut world, mut brokers) = warm(&[], 1, &[1]);
        let records = ["a", "b"].map(|value| world.send(0, value));
        let zombies = [world.request(), world.request()];
        world.cut(zombies[0].connection);
        if is_zombie_first {
            zombies.iter().for_each(|zombie| drop(brokers.store(zombie)));
        }
        brokers.settle(&mut world, 1_500);
        let more = world.send(0, "c");
        brokers.settle(&mut world, 100);
        zombies.iter().for_each(|zombie| drop(brokers.store(zombie)));

        for (record, offset) in records.into_iter().chain([more]).zip(1..) {
            world.assert_acknowledged(record, Some(offset));
        }
        assert_eq!(brokers.values(0), ["gate", "a", "b", "c"], "zombie first: {is_zombie_first}");
    }
}

// N25: the zombie comes after its record ended unknown and the lane went on under a new epoch. Fails if it lands behind the
// later record: that would be out of order.
#[test]
fn n25_a_zombie_of_an_abandoned_batch_never_lands_behind_later_records() {
    for is_zombie_first in [true, false] {
        let (mut world, mut brokers) = warm(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
        let doubtful = world.send(0, "a");
        let zombie = world.request();
        for _ in 0..12 {
            world.requests.clear();
            world.advance(1_000);
        }
        assert!(matches!(world.unknown(doubtful), Cause::DeliveryTimeout { .. }));
        if is_zombie_first {
            assert_eq!(brokers.store(&zombie)[0].code, 0);
        }
        let later = world.send(0, "b");
        brokers.settle(&mut world, 2_500);
        world.acknowledged(later);
        if is_zombie_first {
            assert_eq!(brokers.values(0), ["gate", "a", "b"]);
        } else {
            assert_eq!(brokers.store(&zombie)[0].code, 47, "fenced by the acknowledged epoch");
            assert_eq!(brokers.values(0), ["gate", "b"]);
        }
    }
}

// N26: the answer comes when its request has timed out and the connection is closed. Fails if it completes anything: the
// retry's answer would complete it again.
#[test]
fn n26_an_answer_on_a_closed_connection_completes_nothing() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let record = world.send(0, "a");
    let request = world.request();
    let late = produce_answer(&request, &brokers.store(&request), 0, &[]);
    world.advance(1_000);
    world.receive(request.connection, late.clone());
    world.assert_pending(record);
    brokers.settle(&mut world, 1_500);
    world.receive(request.connection, late);

    world.assert_acknowledged(record, Some(1));
    assert_eq!(brokers.values(0), ["gate", "a"]);
    world.assert_at_rest();
}

// N32: the broker stands still for 20 seconds, then works off everything that its sockets hold. Fails if the paused
// requests are stored beside their retries.
#[test]
fn n32_a_broker_that_was_paused_works_off_its_zombies_without_a_second_copy() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "60000")], 1, &[1]);
    let records = ["a", "b", "c"].map(|value| world.send(0, value));
    let mut held: Vec<Request> = Vec::new();
    for _ in 0..200 {
        held.extend(world.requests.drain(..));
        world.advance(100);
    }
    held.extend(world.requests.drain(..));
    assert!(held.len() > 6, "retried while it was paused: {}", held.len());
    // Connections are worked off in any order, the requests of one in its own.
    held.reverse();
    held.sort_by_key(|request| std::cmp::Reverse(request.connection));
    for request in &held {
        let replies = brokers.store(request);
        if world.connections.contains_key(&request.connection) {
            world.answer(request, &replies);
        }
    }
    brokers.settle(&mut world, 3_000);

    for record in records {
        world.acknowledged(record);
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b", "c"]);
    world.assert_at_rest();
}

// N34: all connections die at once and nobody can be reached for half a minute. Fails if the dialling is a storm, or if all
// nodes are dialled in step (no jitter).
#[test]
fn n34_when_all_connections_die_the_dialling_is_bounded() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "120000")], 3, &[1, 2, 3]);
    world.unreachable.extend([1, 2, 3]);
    cut_all(&mut world);
    let records = [0, 1, 2].map(|partition| world.send(partition, "a"));
    let dials = world.dials;
    world.advance(30_000);
    let dialled = world.dials - dials;
    assert!((30..400).contains(&dialled), "{dialled} dials in 30 seconds to three brokers");
    world.unreachable.clear();
    brokers.settle(&mut world, 4_000);

    for record in records {
        world.assert_acknowledged(record, Some(1));
    }
    world.assert_at_rest();
}

// N37: a flipped bit on the way to the broker that TCP did not see. The broker's checksum does, and says 2. Fails if the
// batch is built anew, or given up at once.
#[test]
fn n37_a_batch_damaged_on_the_way_is_sent_again_byte_for_byte() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let record = world.send(0, "a");
    let first = world.request();
    world.code(&first, 2);
    world.advance(900);
    let second = world.request();
    assert_eq!(first.batch().bytes, second.batch().bytes);
    world.code(&second, 2);
    world.advance(900);
    let third = world.request();
    assert_eq!(first.batch().bytes, third.batch().bytes);
    brokers.serve(&mut world, &third);

    world.assert_acknowledged(record, Some(1));
    assert_eq!(brokers.values(0), ["gate", "a"]);
    world.assert_at_rest();
}

// N38: every single bit of an answer is flipped. Kafka's answers carry no checksum, so a flip inside a code or an offset
// reads as another answer; what names the request, the topic or the partition must be noticed. Fails by a panic, by an
// outcome that came from an answer to somebody else, or by a retry with other bytes.
#[test]
fn n38_no_single_flipped_bit_in_an_answer_does_harm_where_it_can_be_seen() {
    // Correlation id, tags, topics, name, partitions, index: they say whom the answer is for.
    const NAMING_BYTES: usize = 4 + 1 + 1 + 2 + 1 + 4;
    let whole = {
        let mut world = World::new();
        world.send(0, "probe");
        let request = world.request();
        produce_answer(&request, &[Reply::to(request.batch(), 0, 1)], 0, &[])
    };
    for bit in 0..whole.len() * 8 {
        let (mut world, mut brokers) = warm(&[], 1, &[1]);
        let record = world.send(0, "a");
        let request = world.request();
        let mut bytes = produce_answer(&request, &brokers.store(&request), 0, &[]).to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        world.receive(request.connection, Bytes::from(bytes));
        if world.outcomes[record].is_some() {
            assert!(bit / 8 >= NAMING_BYTES, "bit {bit}: an answer for somebody else was believed");
            continue;
        }
        brokers.settle(&mut world, 2_500);
        if bit / 8 < NAMING_BYTES {
            world.assert_acknowledged(record, Some(1));
        }
        assert!(world.outcomes[record].is_some(), "bit {bit}: no outcome");
        let copies = brokers.values(0).iter().filter(|value| *value == "a").count();
        assert!(copies <= 1, "bit {bit}: {copies} copies");
    }
}

// N40: links are cut one after the other and come back in another order. Fails if a lane does not come back, or in the
// wrong order.
#[test]
fn n40_links_cut_one_by_one_and_restored_in_another_order_lose_nothing() {
    let (mut world, mut brokers) = warm(&[("delivery.timeout.ms", "60000")], 3, &[1, 2, 3]);
    let mut records = Vec::new();
    for (turn, (down, up)) in
        [(Some(1), None), (Some(2), None), (Some(3), None), (None, Some(2)), (None, Some(3)), (None, Some(1))]
            .into_iter()
            .enumerate()
    {
        if let Some(node) = down {
            world.unreachable.insert(node);
            let connections: Vec<_> =
                world.connections.iter().filter(|(_, to)| **to == node).map(|(id, _)| *id).collect();
            connections.into_iter().for_each(|connection| world.cut(connection));
        }
        if let Some(node) = up {
            world.unreachable.remove(&node);
        }
        for partition in 0..3 {
            records.push(world.send(partition, &format!("{turn}")));
        }
        brokers.settle(&mut world, 1_000);
    }
    brokers.settle(&mut world, 4_000);

    for record in records {
        world.acknowledged(record);
    }
    for partition in 0..3 {
        assert_eq!(brokers.values(partition), ["gate", "0", "1", "2", "3", "4", "5"]);
    }
    world.assert_at_rest();
}

// N22: a node takes no notice of connection attempts. Fails if an attempt waits for ever, if each gets the same time although
// the ones before were too short, or if the next one begins at the same address of the name.
#[test]
fn n22_silent_connection_attempts_get_more_time_each_and_end() {
    let properties = [
        ("socket.connection.setup.timeout.ms", "1000"),
        ("socket.connection.setup.timeout.max.ms", "8000"),
        ("delivery.timeout.ms", "600000"),
    ];
    let (mut world, mut brokers) = warm(&properties, 2, &[1, 2]);
    world.silent.insert(1);
    cut_all(&mut world);
    let record = world.send(0, "a");
    let other = world.send(1, "b");
    let before = world.attempts.len();
    for _ in 0..1_200 {
        brokers.settle(&mut world, 50);
    }
    world.assert_acknowledged(other, Some(1));
    world.assert_pending(record);
    let attempts: Vec<_> = world.attempts[before..].iter().filter(|(attempt, _)| *attempt > 0).collect();
    assert!((3..30).contains(&attempts.len()), "{attempts:?}");
    for pair in attempts.windows(2) {
        assert_eq!(pair[1].0, pair[0].0 + 1, "the number rotates a name's addresses: {attempts:?}");
    }
    assert!(attempts[2].1.as_millis() > 2_500, "{attempts:?}");
    assert!(attempts.iter().all(|(_, timeout)| timeout.as_millis() <= 9_600), "{attempts:?}");
    world.silent.clear();
    for _ in 0..600 {
        brokers.settle(&mut world, 50);
    }

    world.assert_acknowledged(record, Some(1));
    world.assert_at_rest();
}
