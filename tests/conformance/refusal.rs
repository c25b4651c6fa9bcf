//! Refusals of the whole producer, and how soon it tries again (D-24).

use super::peer::PRODUCE;
use super::world::World;

/// One lane's batch is refused with `code`, then another lane of the same producer sends.
fn another_lane_waits_after(properties: &[(&str, &str)], code: i16) {
    let mut world = World::with(properties, 1, &[1, 1]);
    for partition in [0, 1] {
        world.open_gate(partition);
    }
    let refused = world.send(0, "a");
    let request = world.request();
    world.code(&request, code);
    world.assert_rejected_with(refused, code);

    let produced = world.count(PRODUCE);
    let others = [0, 1].map(|partition| world.send(partition, "b"));
    world.advance(700);
    assert_eq!(world.count(PRODUCE), produced, "code {code}: no faster than the reconnect backoff");
    world.advance(1_000);
    assert!(world.count(PRODUCE) > produced, "code {code}: the state has an exit");
    while let Some(request) = world.requests.pop_front() {
        world.ok(&request, 5);
    }
    for record in others {
        world.assert_acknowledged(record, Some(5));
    }
    world.assert_at_rest();
}

// D-24: the refusal is about the producer, so a lane that still has an identity waits as well. Fails if it hammers a broker
// that refuses everything, once per round trip.
#[test]
fn d24_after_a_refusal_of_the_producer_every_lane_waits_for_the_reconnect_backoff() {
    for code in [31, 35, 53, 58] {
        another_lane_waits_after(&[], code);
    }
}

// D-24 and D-25: without idempotence there is no producer id to ask for, and so nothing that would slow it down by itself.
#[test]
fn d24_a_refused_producer_without_idempotence_waits_as_well() {
    another_lane_waits_after(&[("enable.idempotence", "false")], 31);
}

// D-24: a broker that refuses for ever, and a caller that sends for ever. Fails if each send makes a round trip.
#[test]
fn d24_a_broker_that_refuses_for_ever_is_not_hammered() {
    let mut world = World::with(&[], 1, &[1]);
    for _ in 0..1_000 {
        world.send(0, "a");
        while let Some(request) = world.requests.pop_front() {
            world.code(&request, 31);
        }
        world.advance(10);
    }
    let produced = world.count(PRODUCE);
    assert!((5..15).contains(&produced), "{produced} requests in 10 seconds");
}

// B32: no right to write one topic. Its batches are refused one by one, the other partitions go on, and when the ACL is
// repaired the next record arrives. Fails if a restart is needed, or if the refusal is retried.
#[test]
fn b32_a_topic_without_authorization_heals_when_the_acl_is_repaired() {
    let (mut world, mut brokers) = super::brokers::warm(&[], 1, &[1, 1]);
    for _ in 0..3 {
        let refused = world.send(0, "refused");
        let request = world.request();
        world.code(&request, 29);
        world.assert_rejected_with(refused, 29);
        let other = world.send(1, "other");
        brokers.settle(&mut world, 500);
        world.acknowledged(other);
    }
    let produced = world.count(PRODUCE);
    world.advance(5_000);
    assert_eq!(world.count(PRODUCE), produced, "nothing is retried");
    let after = world.send(0, "after");
    brokers.settle(&mut world, 500);

    world.assert_acknowledged(after, Some(1));
    assert_eq!(brokers.values(0), ["gate", "after"]);
    world.assert_at_rest();
}

// B48: a broker from before InitProducerId. Fails if the record waits for its deadline without a word, or goes out without an
// identity: idempotence would be off in silence.
#[test]
fn b48_a_broker_too_old_for_idempotence_is_named_at_the_first_record() {
    let mut world = World::cold(&[], 1, &[1]);
    world.cluster.knows_init_producer_id = false;
    world.want_topic("t");
    world.advance(1);
    let record = world.send(0, "a");
    world.advance(3_000);
    assert_eq!(world.count(PRODUCE), 0);
    let text = world.rejected(record).to_string();
    assert!(text.contains("InitProducerId") && text.contains("0.11"), "{text}");
}
