//! Old news of leaders, and topics that were made anew, with and without an id to tell it (B22, D-40).

use facteur::Cause;

use super::peer::{METADATA, PeerTopic, UNLISTED};
use super::world::World;

/// A producer that knows topic `t` at leader epoch 7, from brokers that speak Metadata up to `metadata_max`.
fn at_epoch_seven(properties: &[(&str, &str)], metadata_max: i16) -> World {
    let mut world = World::cold(properties, 2, &[1]);
    world.cluster.metadata_max = metadata_max;
    world.move_leader(0, 1, 7);
    world.want_topic("t");
    world.advance(1);
    world.open_gate(0);
    world
}

// B22: a broker lags behind for a moment. Fails if the lane follows it to the old leader.
#[test]
fn b22_an_older_leader_epoch_is_ignored_until_five_refreshes_agree() {
    for metadata_max in [9, 12] {
        let mut world = at_epoch_seven(&[], metadata_max);
        world.move_leader(0, 2, 6);
        let before = world.count(METADATA);
        world.want_topic("t");
        while world.count(METADATA) < before + 4 {
            world.advance(10);
        }
        world.send(0, "a");
        let request = world.request();
        assert_eq!(request.node, 1, "four are too few");
        world.ok(&request, 1);

        // The right news between them: counting starts again.
        world.move_leader(0, 1, 7);
        world.want_topic("t");
        world.advance(1_500);
        world.move_leader(0, 2, 6);
        world.want_topic("t");
        world.advance(150);
        world.send(0, "b");
        let request = world.request();
        assert_eq!(request.node, 1, "one is too few");
        world.ok(&request, 2);

        world.advance(6_000);
        let record = world.send(0, "c");
        world.advance(300);
        let request = world.request();
        assert_eq!(request.node, 2, "now it is true (Metadata {metadata_max})");
        world.ok(&request, 3);
        world.assert_acknowledged(record, Some(3));
        world.assert_at_rest();
    }
}

// B22: once the news is settled, nothing more is asked. Fails if old news keeps the refreshes going.
#[test]
fn b22_confirmed_old_news_is_not_asked_for_again() {
    let mut world = at_epoch_seven(&[], 9);
    world.move_leader(0, 2, 6);
    world.want_topic("t");
    world.advance(6_000);
    let asked = world.count(METADATA);
    world.advance(60_000);
    assert_eq!(world.count(METADATA), asked);
}

// D-40: no topic ids below Metadata 10. The fall of the leader epoch, confirmed, is the recreation. Fails if the batch in
// doubt goes into the other topic, or the clean one under a name that the lane has used.
#[test]
fn d40_without_topic_ids_a_confirmed_fall_of_the_leader_epoch_is_a_recreation() {
    let mut world = at_epoch_seven(&[], 9);
    let doubtful = world.send(0, "a");
    let request = world.request();
    world.code(&request, 7);
    let clean = world.send(0, "b");
    world.unreachable.insert(1);
    world.cut(request.connection);
    world.move_leader(0, 2, 0);
    world.want_topic("t");
    world.advance(6_000);

    assert_eq!(world.unknown(doubtful), Cause::TopicRecreated);
    let request = world.request();
    assert_eq!((request.node, request.value(), request.stamp()), (2, "b", (1, 0)));
    world.ok(&request, 0);
    world.assert_acknowledged(clean, Some(0));
    world.assert_at_rest();
}

// D-40: below Metadata 9 brokers tell epochs that cannot be relied on. Fails if one of them counts as old news.
#[test]
fn d40_below_metadata_nine_epochs_are_taken_as_absent() {
    let mut world = at_epoch_seven(&[], 8);
    world.move_leader(0, 2, 6);
    world.want_topic("t");
    world.advance(300);
    let record = world.send(0, "a");
    world.advance(300);
    let request = world.request();
    assert_eq!((request.node, request.stamp()), (2, (0, 1)));
    world.ok(&request, 1);
    world.assert_acknowledged(record, Some(1));
}

// D-40: with topic ids the id tells, and an older epoch of the same topic is news about its leader only.
#[test]
fn d40_with_topic_ids_a_fall_of_the_leader_epoch_resets_nothing() {
    let mut world = at_epoch_seven(&[], 12);
    world.move_leader(0, 2, 0);
    world.want_topic("t");
    world.advance(6_000);
    let record = world.send(0, "a");
    world.advance(300);
    let request = world.request();
    assert_eq!((request.node, request.stamp()), (2, (0, 1)));
    world.ok(&request, 1);
    world.assert_acknowledged(record, Some(1));
}

// D-40 and D-25: without sequences doubt is doubt all the same. Fails if the batch in doubt is resent by name into the new
// topic.
#[test]
fn d40_without_idempotence_nothing_in_doubt_goes_into_the_new_topic() {
    let mut world = World::with(&[("acks", "1"), ("enable.idempotence", "false")], 1, &[1]);
    let doubtful = world.send(0, "a");
    let request = world.request();
    let anew = PeerTopic { id: [9; 16], error: 0, partitions: vec![(1, 0)] };
    world.cluster.topics.insert("t".to_owned(), anew);
    world.code(&request, 7);
    world.want_topic("t");
    world.advance(1_500);

    assert_eq!(world.unknown(doubtful), Cause::TopicRecreated);
    let next = world.send(0, "b");
    world.advance(500);
    let request = world.request();
    assert_eq!(request.value(), "b");
    world.ok(&request, 0);
    world.assert_acknowledged(next, Some(0));
    world.assert_at_rest();
}

// D-40, B20: the topic is another one under the same name. What is in doubt must not be resent into it; what is clean goes
// there under a new identity.
#[test]
fn d40_a_recreated_topic_gets_nothing_that_was_in_doubt() {
    let mut world = World::new();
    world.open_gate(0);
    let doubtful = world.send(0, "a");
    let request = world.request();
    world
        .cluster
        .topics
        .insert("t".to_owned(), PeerTopic { id: [9; 16], error: 0, partitions: vec![(1, 0)] });
    world.code(&request, 7);
    let clean = world.send(0, "b");
    world.want_topic("t");
    world.advance(900);

    assert_eq!(world.unknown(doubtful), Cause::TopicRecreated);
    let request = world.request();
    assert_eq!((request.value(), request.stamp()), ("b", (1, 0)));
    world.ok(&request, 0);
    world.assert_acknowledged(clean, Some(0));
    world.assert_at_rest();
}

// D-40: the topic is made anew while a batch is on its way. Its answer decides, whether it names the topic or the old
// id; then the lane is reset.
#[test]
fn d40_a_batch_on_its_way_during_a_recreation_waits_for_its_answer() {
    for produce_max in [12, 13] {
        on_its_way_during_a_recreation(produce_max);
    }
}

fn on_its_way_during_a_recreation(produce_max: i16) {
    let mut world = World::cold(&[], 1, &[1]);
    world.cluster.produce_max = produce_max;
    world.want_topic("t");
    world.advance(1);
    world.open_gate(0);
    let record = world.send(0, "a");
    let request = world.request();
    world
        .cluster
        .topics
        .insert("t".to_owned(), PeerTopic { id: [9; 16], error: 0, partitions: vec![(1, 0)] });
    world.want_topic("t");
    world.advance(500);
    world.assert_pending(record);
    world.ok(&request, 1);
    world.assert_acknowledged(record, Some(1));
    world.send(0, "b");
    assert_eq!(world.waiting(), [(1, 0)]);
}

// B23: after a recreation a broker that lags behind lists the partition without a leader, and then leaves it out. A record
// waits for it. Found by the simulation (seed 64642): an answer that left the partition out counted as complete, nobody
// asked again, and the record waited for the next refresh by age.
#[test]
fn b23_a_partition_that_the_answer_leaves_out_is_asked_for_again() {
    let mut world = World::with(&[], 1, &[1, 1]);
    let record = world.send(1, "a");
    let request = world.request();
    world.move_leader(1, -1, 1);
    world.code(&request, 6);
    world.advance(300);
    world.move_leader(1, UNLISTED, 1);
    world.advance(3_000);
    let asked = world.count(METADATA);
    world.advance(2_000);
    assert!((1..=4).contains(&(world.count(METADATA) - asked)), "asked, and not in a hurry");

    world.move_leader(1, 1, 2);
    world.advance(1_500);
    let request = world.request();
    world.ok(&request, 0);
    world.assert_acknowledged(record, Some(0));

    // Nobody waits for it any more: left out or not, it is no reason to ask.
    world.move_leader(1, UNLISTED, 2);
    world.advance(500);
    let asked = world.count(METADATA);
    world.advance(10_000);
    assert_eq!(world.count(METADATA), asked);
}
