//! Rows of the fault matrix about the producer id: no broker gives one out (B34, B35), or the brokers may have forgotten it.

use facteur::Cause;

use super::brokers::{Brokers, warm};
use super::peer::{INIT_PRODUCER_ID, PRODUCE};
use super::world::World;

// B34: InitProducerId is answered with every code that passes, its connection ends, and its node refuses. Sends are
// buffered. Fails if one of them ends the producer, or if the tries are a storm.
#[test]
fn b34_a_producer_id_is_asked_for_until_there_is_one() {
    for code in [7, 14, 15, 51, 16, -1] {
        let mut world = World::cold(&[], 1, &[1]);
        let mut brokers = Brokers::default();
        world.cluster.init_error = code;
        world.want_topic("t");
        world.advance(1);
        let record = world.send(0, "a");
        world.advance(4_000);
        let asked = world.count(INIT_PRODUCER_ID);
        assert!((3..45).contains(&asked), "code {code}: {asked} in four seconds");
        world.cluster.init_error = 0;
        brokers.settle(&mut world, 2_500);
        world.assert_acknowledged(record, Some(0));
        let sent = world.history.iter().find(|request| request.api == PRODUCE).expect("sent");
        assert_eq!(sent.stamp(), (0, 0), "code {code}: no epoch was burnt");
        world.assert_at_rest();
    }

    let mut world = World::cold(&[], 2, &[2]);
    let mut brokers = Brokers::default();
    world.hold_control = true;
    world.want_topic("t");
    world.run();
    for _ in 0..3 {
        let connections: Vec<_> = world.connections.keys().copied().collect();
        connections.into_iter().for_each(|connection| world.cut(connection));
        world.unreachable.insert(1);
        world.advance(400);
        world.unreachable.clear();
        world.advance(400);
    }
    world.hold_control = false;
    let connections: Vec<_> = world.connections.keys().copied().collect();
    connections.into_iter().for_each(|connection| world.cut(connection));
    world.advance(2_500);
    let record = world.send(0, "a");
    brokers.settle(&mut world, 2_500);
    world.assert_acknowledged(record, Some(0));
}

// B35: no producer id for longer than the records have time. They were never sent: rejected, and the next one works.
#[test]
fn b35_without_a_producer_id_records_are_rejected_at_their_deadline() {
    let mut world = World::cold(&[], 1, &[1]);
    let mut brokers = Brokers::default();
    world.cluster.init_error = 15;
    world.want_topic("t");
    world.advance(1);
    let record = world.send(0, "a");
    world.advance(10_100);
    assert!(matches!(world.rejected(record), Cause::DeliveryTimeout { .. }));
    world.cluster.init_error = 0;
    world.advance(2_500);
    let next = world.send(0, "b");
    brokers.settle(&mut world, 1_000);

    world.assert_acknowledged(next, Some(0));
    assert_eq!(brokers.values(0), ["b"]);
}

// D-8, D-17. A lane is silent for longer than brokers remember a producer, on a connection that others keep open: to the
// broker it is as new as after a restart, so one batch goes ahead again. Fails if two are on their way: the second could be
// accepted and the first refused for ever.
#[test]
fn d8_the_gate_closes_again_after_half_a_day_of_silence() {
    let (mut world, _) = warm(&[("connections.max.idle.ms", "-1")], 1, &[1]);
    for _ in 0..13 * 60 {
        world.advance(60_000);
    }
    let records = ["a", "b"].map(|value| world.send(0, value));
    let first = world.request();
    assert!(world.requests.is_empty(), "only the first is on its way");
    world.ok(&first, 1);
    let second = world.request();
    world.ok(&second, 2);
    world.assert_acknowledged(records[0], Some(1));
    world.assert_acknowledged(records[1], Some(2));

    let more = ["c", "d"].map(|value| world.send(0, value));
    for offset in 3..=4 {
        let request = world.request();
        assert_eq!(world.requests.len(), if offset == 3 { 1 } else { 0 }, "both are on their way");
        world.ok(&request, offset);
    }
    more.into_iter().zip(3..).for_each(|(record, offset)| world.assert_acknowledged(record, Some(offset)));
}
