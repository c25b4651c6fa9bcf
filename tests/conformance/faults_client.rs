//! Rows of the fault matrix about the client's own process (C01 to C34), as far as virtual time can show them.

use std::collections::VecDeque;
use std::time::Duration;

use facteur::accumulator::buffer_memory::BufferMemory;
use facteur::engine::Event;
use facteur::sequence::Sequence;
use facteur::{Cause, ErrorCode};

use super::brokers::{Brokers, warm};
use super::peer::{INIT_PRODUCER_ID, METADATA, PRODUCE, Request, produce_answer};
use super::world::World;

// C01: memory is used up. Waiters are served in the order in which they came, as records leave; one whose time is over
// leaves the queue and holds up nobody. Fails if a newcomer overtakes, or if the engine lets batches linger meanwhile.
#[test]
fn c01_waiters_for_memory_are_served_in_order_as_records_leave() {
    let properties = [("linger.ms", "60000"), ("delivery.timeout.ms", "200000"), ("batch.size", "16384")];
    let (mut world, mut brokers) = {
        let world = World::with(&properties, 1, &[1]);
        (world, Brokers::default())
    };
    let mut memory = BufferMemory::new(4_096);
    let size = 2_048;
    let mut accepted = Vec::new();
    for value in ["a", "b"] {
        assert!(memory.try_reserve(size));
        accepted.push(world.send(0, value));
    }
    assert!(world.requests.is_empty(), "both linger");
    let waiters: Vec<_> = ["c", "d", "e"].into_iter().map(|value| (memory.wait(size), value)).collect();
    assert!(!memory.try_reserve(1), "newcomers do not overtake");
    world.event(Event::MemoryPressure { waiting: true });
    assert_eq!(world.requests.len(), 1, "pressure ends lingering");

    // The second waiter's `max.block.ms` is over.
    assert!(memory.cancel(waiters[1].0));
    let mut order = Vec::new();
    for _ in 0..10 {
        brokers.settle(&mut world, 50);
        for record in accepted.drain(..) {
            world.acknowledged(record);
            memory.release(size);
        }
        while let Some(served) = memory.serve_next() {
            let (_, value) = waiters.iter().find(|(id, _)| *id == served).expect("one of them");
            order.push(*value);
            accepted.push(world.send(0, value));
        }
    }
    assert_eq!(order, ["c", "e"]);
    assert_eq!(memory.available_bytes(), memory.total_bytes());
    assert_eq!(brokers.values(0), ["a", "b", "c", "e"]);
    world.assert_at_rest();
}

/// A producer whose lane begins at `first`, its requests answered by `step`.
fn primed(first: u64) -> World {
    let mut world = World::cold(&[("batch.size", "16384")], 1, &[1]);
    world.engine.prime_sequences(Sequence::new(first));
    world.want_topic("t");
    world.advance(1);
    world
}

fn three(world: &mut World, values: [&str; 3]) -> [usize; 3] {
    let records = values.map(|value| world.append("t", 0, value));
    world.run();
    records
}

// C11, G10: a batch ends at, begins at, or straddles 2147483647, and its acknowledgement is lost. Fails if the next
// sequence is not the one that brokers expect (2147483647 is followed by 0), or if the resend is not recognised.
#[test]
fn c11_sequences_wrap_at_the_end_of_in_and_behind_a_batch() {
    let last = u64::try_from(i32::MAX).expect("positive");
    for (first, stamps) in [
        (last - 2, [i32::MAX - 2, 0, 3]),
        (last - 1, [i32::MAX - 1, 1, 4]),
        (last, [i32::MAX, 2, 5]),
        (last - 5, [i32::MAX - 5, i32::MAX - 2, 0]),
    ] {
        let mut world = primed(first);
        let mut brokers = Brokers::default();
        let mut records = Vec::new();
        let batches = [["a", "b", "c"], ["d", "e", "f"], ["g", "h", "i"]];
        for (values, stamp) in batches.into_iter().zip(stamps) {
            records.extend(three(&mut world, values));
            let request = world.request();
            assert_eq!(request.stamp(), (0, stamp), "lane begins at {first}");
            brokers.store(&request);
            world.cut(request.connection);
            brokers.settle(&mut world, 1_500);
        }

        for (record, offset) in records.into_iter().zip(0..) {
            world.assert_acknowledged(record, Some(offset));
        }
        assert_eq!(brokers.values(0).concat(), "abcdefghi");
        assert_eq!(world.engine.stats().epoch_bumps, 0);
        world.assert_at_rest();
    }
}

// C12, D-7: the epoch is the last there is and one lane needs another. Fails if it wraps to 0 under the same id, or if the
// other lane is stopped or stamped anew with it.
#[test]
fn c12_a_used_up_epoch_leads_to_a_new_id_and_other_lanes_go_on() {
    let mut world = World::cold(&[], 2, &[1, 2]);
    let mut brokers = Brokers::default();
    world.cluster.producer_epoch = i16::MAX;
    world.want_topic("t");
    world.advance(1);
    for partition in 0..2 {
        world.send(partition, "gate");
        brokers.settle(&mut world, 50);
    }
    let moved = world.send(0, "a");
    let request = world.request();
    world.code(&request, 45);
    let other = world.send(1, "b");
    let healthy = world.request();
    assert_eq!((healthy.batch().view.producer_id, healthy.stamp()), (1000, (i16::MAX, 1)));
    brokers.serve(&mut world, &healthy);
    world.assert_acknowledged(other, Some(1));
    brokers.settle(&mut world, 1_500);

    world.assert_acknowledged(moved, Some(1));
    let last = world.history.iter().rfind(|request| request.api == PRODUCE).expect("sent");
    assert_eq!((last.batch().view.producer_id, last.stamp()), (1001, (0, 0)));
    assert_eq!(world.count(INIT_PRODUCER_ID), 2);
    let after = world.send(1, "c");
    let request = world.request();
    assert_eq!(request.batch().view.producer_id, 1000, "a healthy lane keeps its identity (D-2)");
    brokers.serve(&mut world, &request);
    world.assert_acknowledged(after, Some(2));
    world.assert_at_rest();
}

fn five_in_flight() -> (World, Brokers, Vec<usize>, Vec<Request>) {
    let (mut world, brokers) = warm(&[], 1, &[1]);
    let records = ["a", "b", "c", "d", "e"].into_iter().map(|value| world.send(0, value)).collect();
    let requests: Vec<Request> = world.requests.drain(..).collect();
    assert_eq!(requests.len(), 5);
    (world, brokers, records, requests)
}

// C13: five on their way, the first fails for a moment, the others are out of order by that. Fails if anybody is given
// another name, or comes in another order. G79: one that was appended meanwhile gets the next sequence, not none.
#[test]
fn c13_four_behind_a_failed_first_follow_it_in_order_without_a_bump() {
    let (mut world, mut brokers, mut records, requests) = five_in_flight();
    world.code(&requests[0], 19);
    for request in &requests[1..] {
        brokers.serve(&mut world, request);
    }
    records.push(world.send(0, "f"));
    brokers.settle(&mut world, 2_000);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    assert_eq!(brokers.values(0), ["gate", "a", "b", "c", "d", "e", "f"]);
    assert_eq!(world.history.iter().rfind(|request| request.api == PRODUCE).expect("sent").stamp(), (0, 6));
    assert_eq!(world.engine.stats().epoch_bumps, 0);
    world.assert_at_rest();
}

// C14, G01: five on their way, the first is refused for good. Fails if the others are stamped anew before they were
// answered, or if one that may be in the log is stamped anew at all.
#[test]
fn c14_four_behind_a_rejected_first_are_answered_before_they_are_stamped_anew() {
    let (mut world, mut brokers, records, requests) = five_in_flight();
    world.code(&requests[0], 44);
    world.assert_rejected_with(records[0], 44);
    for request in &requests[1..4] {
        brokers.serve(&mut world, request);
        world.advance(50);
        assert!(world.requests.is_empty(), "the last is not answered yet");
    }
    brokers.serve(&mut world, &requests[4]);
    brokers.settle(&mut world, 2_000);

    assert_eq!(brokers.values(0), ["gate", "b", "c", "d", "e"]);
    for (record, offset) in records[1..].iter().zip(1..) {
        world.assert_acknowledged(*record, Some(offset));
    }
    assert_eq!(world.engine.stats().epoch_bumps, 1);
    world.assert_at_rest();
}

// C15, G65: the time of a batch on its way is over, with others behind it. The lane is drained, then goes on. Fails if a
// later record takes the expired one's sequence, or overtakes it.
#[test]
fn c15_a_lane_whose_head_expired_on_its_way_is_drained_and_goes_on_in_order() {
    for is_stored in [true, false] {
        let (mut world, mut brokers) = warm(&[("facteur.late.resolution.ms", "0")], 1, &[1]);
        let doubtful = world.send(0, "a");
        for _ in 0..100 {
            while let Some(request) = world.requests.pop_front() {
                if is_stored {
                    brokers.store(&request);
                }
            }
            if world.now.as_nanos() > 9_000_000_000 && world.outcomes.len() == 2 {
                world.send(0, "b");
            }
            world.advance(110);
        }
        assert!(matches!(world.unknown(doubtful), Cause::DeliveryTimeout { .. }));
        brokers.settle(&mut world, 4_000);

        let expected: &[&str] = if is_stored { &["gate", "a", "b"] } else { &["gate", "b"] };
        assert_eq!(brokers.values(0), expected);
        world.acknowledged(2);
        world.assert_at_rest();
    }
}

// C17: the time is over while the batch backs off behind an attempt that said nothing. Fails if "not on its way" is taken
// for "not in the log".
#[test]
fn c17_a_deadline_during_the_backoff_of_a_doubtful_batch_is_unknown() {
    let properties =
        [("retry.backoff.ms", "3000"), ("retry.backoff.max.ms", "3000"), ("delivery.timeout.ms", "2000")];
    let (mut world, mut brokers) = warm(&properties, 1, &[1]);
    let record = world.send(0, "a");
    let request = world.request();
    brokers.lie(&mut world, &request, 20);
    world.advance(2_000);
    assert!(world.requests.is_empty(), "it still backs off");
    assert!(matches!(world.unknown(record), Cause::DeliveryTimeout { .. }));
    brokers.settle(&mut world, 4_000);

    assert_eq!(brokers.values(0), ["gate", "a"]);
    assert_eq!(world.engine.stats().late_acknowledgements, 1);
    world.assert_at_rest();
}

// C20: the wall clock jumps by an hour, back and forth. Fails if anything expires, lingers or backs off by it: only the
// records' own timestamps may change.
#[test]
fn c20_a_jump_of_the_wall_clock_moves_timestamps_and_nothing_else() {
    let (mut world, mut brokers) = warm(&[], 1, &[1]);
    let mut records = Vec::new();
    for jump_ms in [3_600_000, -7_200_000, 3_600_000] {
        let before = world.wall_ms;
        records.push(world.send(0, "before"));
        world.wall_ms += jump_ms;
        world.advance(500);
        records.push(world.send(0, "after"));
        let (one, two) = (world.request(), world.request());
        assert_eq!(one.batch().view.base_timestamp_ms, before);
        assert_eq!(two.batch().view.base_timestamp_ms, before + jump_ms);
        brokers.serve(&mut world, &one);
        brokers.serve(&mut world, &two);
    }

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    world.assert_at_rest();
}

// C21, C22, K16: the process stood still for ten minutes, its sockets hold the answers, and every timer is due. Fails if the
// timers are looked at first: all would be "unknown".
#[test]
fn c21_after_a_long_sleep_sockets_are_read_before_anything_expires() {
    let (mut world, mut brokers, records, requests) = five_in_flight();
    world.now = world.now + Duration::from_secs(600);
    let answers: Vec<Event> = requests
        .iter()
        .map(|request| Event::Received {
            connection: request.connection,
            frame: produce_answer(request, &brokers.store(request), 0, &[]),
        })
        .collect();
    world.events(answers);

    for (record, offset) in records.into_iter().zip(1..) {
        world.assert_acknowledged(record, Some(offset));
    }
    world.advance(2_000);
    let next = world.send(0, "f");
    brokers.settle(&mut world, 2_000);
    world.assert_acknowledged(next, Some(6));
    world.assert_at_rest();
}

// C23: sends to ten thousand topics that do not exist. Fails if each costs a request.
#[test]
fn c23_a_storm_of_unknown_topics_is_asked_for_in_few_requests() {
    let mut world = World::new();
    world.advance(2_000);
    let before = world.count(METADATA);
    for topic in 0..10_000 {
        world.event(Event::TopicWanted { topic: format!("missing-{topic}").into() });
        if topic % 100 == 0 {
            world.advance(10);
        }
    }
    world.advance(4_000);
    let asked = world.count(METADATA) - before;
    // The first at once, then no more than one per backoff (100 ms, growing).
    assert!((2..60).contains(&asked), "{asked} requests in five seconds");
}

// C23, M3: an application sends to one new topic after the other. Each is asked for at once, as Java does; fails if the second name
// waits for `retry.backoff.ms` because the first has just been asked for, or if there is no end to it.
#[test]
fn c23_names_one_after_the_other_are_each_asked_for_at_once() {
    let mut world = World::new();
    world.advance(5_000);
    for number in 0..10 {
        let before = world.count(METADATA);
        world.want_topic(&format!("t{number}"));
        assert_eq!(world.count(METADATA), before + 1, "name {number} waits");
        world.advance(5);
    }
    let before = world.count(METADATA);
    for number in 10..100 {
        world.want_topic(&format!("t{number}"));
        world.advance(5);
    }
    let asked = world.count(METADATA) - before;
    assert!((3..=10).contains(&asked), "{asked} requests in 450 ms, after ten in 50");
}

// D-44, seed 20120516: a request would carry a batch that did not shrink beside one of zstd, and the broker is too old for zstd.
// Fails if the innocent one is refused with the other: it was in doubt there, and ended so.
#[test]
fn d44_what_an_old_broker_can_read_is_sent_beside_what_it_cannot() {
    let properties = [("compression.type", "zstd"), ("batch.size", "16384")];
    let mut world = World::cold(&properties, 1, &[1, 1]);
    world.cluster.produce_max = 3;
    world.want_topic("t");
    world.advance(1);
    let refused = world.append("t", 0, &"v".repeat(2_000));
    let innocent = world.append("t", 1, "a");
    world.run();

    assert!(matches!(world.rejected(refused), Cause::Broker { code: ErrorCode(76), .. }));
    let request = world.request();
    assert_eq!(request.version, 3);
    world.ok(&request, 0);
    world.assert_acknowledged(innocent, Some(0));
    world.assert_at_rest();
}

// C24, G26: the edges of lingering and batch size, with empty keys and values. Fails by a loop, or by a record that waits
// for a batch that can never be full.
#[test]
fn c24_edge_values_of_linger_and_batch_size_deliver_everything() {
    for batch_size in ["0", "1", "2", "2147483647"] {
        for linger in ["0", "1", "9000"] {
            let mut world = World::with(&[("batch.size", batch_size), ("linger.ms", linger)], 1, &[1]);
            let mut brokers = Brokers::default();
            let records = ["", "a", ""].map(|value| world.send(0, value));
            let linger_ms: u64 = linger.parse().expect("a number");
            brokers.settle(&mut world, linger_ms + 200);
            for (record, offset) in records.into_iter().zip(0..) {
                world.assert_acknowledged(record, Some(offset));
            }
            assert_eq!(brokers.values(0), ["", "a", ""], "batch.size {batch_size}, linger {linger}");
            world.assert_at_rest();
        }
    }
}

// C27, G62: whatever made the resend necessary, it carries the same bytes: same records, same compression, same checksum.
// Fails if a batch is built anew from its records: another size is not recognised as a duplicate.
#[test]
fn c27_every_kind_of_retry_repeats_the_bytes() {
    for cause in ["cut", "silence", "7", "19", "6", "2"] {
        let mut world = World::with(&[("batch.size", "16384"), ("compression.type", "zstd")], 1, &[1]);
        let mut brokers = Brokers::default();
        let value = "value ".repeat(40);
        let records = [&*value, "b", &value].map(|value| world.append("t", 0, value));
        world.run();
        let request = world.request();
        match cause {
            "cut" => world.cut(request.connection),
            "silence" => world.advance(1_000),
            code => world.code(&request, code.parse().expect("a code")),
        }
        // What comes later must not join the batch, nor change how it is built.
        let later = world.send(0, "later");
        while world.requests.is_empty() {
            world.advance(10);
        }
        let retry = world.request();
        assert_eq!(retry.batch().bytes, request.batch().bytes, "{cause}");
        brokers.serve(&mut world, &retry);
        brokers.settle(&mut world, 1_000);

        for (record, offset) in records.into_iter().chain([later]).zip(0..) {
            world.assert_acknowledged(record, Some(offset));
        }
        world.assert_at_rest();
    }
}

// C29: nobody can be reached for an hour, and the caller goes on trying to send. Fails if memory grows past what was
// allowed, if a record stays without an outcome, or if the producer does not come back by itself.
#[test]
fn c29_an_hour_without_a_cluster_keeps_memory_within_its_bound() {
    const BUFFER: usize = 64 * 1024;
    let properties = [("buffer.memory", "65536"), ("max.request.size", "16384"), ("batch.size", "4096")];
    let (mut world, mut brokers) = warm(&properties, 1, &[1]);
    world.unreachable.insert(1);
    let connections: Vec<_> = world.connections.keys().copied().collect();
    connections.into_iter().for_each(|connection| world.cut(connection));
    let mut pending: VecDeque<usize> = VecDeque::new();
    let (mut accepted, mut refused, mut most_pending) = (0, 0, 0);
    for _ in 0..3_600 {
        for _ in 0..20 {
            // As `try_send`: a segment is reserved if there is room for it, and otherwise the record is given back.
            if world.reserved_bytes() + 8_192 > BUFFER {
                refused += 1;
                continue;
            }
            pending.push_back(world.send(0, &"x".repeat(500)));
            accepted += 1;
        }
        assert!(world.reserved_bytes() <= BUFFER, "{} bytes", world.reserved_bytes());
        world.advance(1_000);
        while pending.front().is_some_and(|record| world.outcomes[*record].is_some()) {
            pending.pop_front();
        }
        most_pending = most_pending.max(pending.len());
    }
    assert!(accepted > 10_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
    assert!(most_pending < 250, "{most_pending} records without an outcome at once");
    world.unreachable.clear();
    brokers.settle(&mut world, 5_000);
    for record in pending {
        world.acknowledged(record);
    }
    let after = world.send(0, "after");
    brokers.settle(&mut world, 100);
    world.acknowledged(after);
    world.assert_at_rest();
}

// C33: two producers write to one partition. Fails if the broker takes one's batch for the other's.
#[test]
fn c33_two_producers_of_one_partition_do_not_know_each_other() {
    let mut brokers = Brokers::default();
    let mut worlds = [World::cold(&[], 1, &[1]), World::cold(&[], 1, &[1])];
    worlds[1].cluster.producer_id = 2_000;
    for world in &mut worlds {
        world.want_topic("t");
        world.advance(1);
    }
    for turn in 0..5 {
        for (world, name) in worlds.iter_mut().zip(["one", "two"]) {
            let record = world.send(0, &format!("{name} {turn}"));
            let request = world.request();
            brokers.store(&request);
            world.cut(request.connection);
            brokers.settle(world, 1_500);
            world.acknowledged(record);
        }
    }
    assert_eq!(brokers.values(0).len(), 10, "once each");
}
