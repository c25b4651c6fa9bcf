//! Rows N21, B07, B17 and B21: links cut below TCP, between brokers and to the client.
//!
//! They need the namespaces of `scripts/kafka-net.sh`; without these each says SKIPPED and its name. These producers dial
//! the brokers themselves, not the injector, which would hide a dead link behind a live one. Neighbours:
//! [`crate::net`]. Not here: load with cuts at random; [`crate::storm`].

use std::time::Duration;

use facteur::ErrorCode;
use facteur::engine::Observation;

use super::Row;
use crate::cluster::wait_until;
use crate::net::{End, Net};
use crate::shared::{self, Shared};

/// The cluster and its links; `None`, and a word, where links cannot be cut.
fn with_links(name: &str) -> Option<(Shared, Net)> {
    let mut shared = shared::lock();
    let net = shared.parts().0.net.clone();
    if net.is_none() {
        println!("SKIPPED: {name}: network namespaces are not permitted on this machine");
    }
    net.map(|net| (shared, net))
}

/// Cuts a node off from the other nodes; the client still reaches it.
fn isolate(shared: &mut Shared, net: &Net, node: i32) {
    let (cluster, _) = shared.parts();
    for other in cluster.ids().into_iter().filter(|id| *id != node) {
        net.cut_both(End::Node(node), End::Node(other));
    }
    cluster.node(node).is_apart = true;
}

// N21. The client cannot reach one leader, which all others still name. Fails if the other partitions wait with it, or if
// its own records are given up or sent elsewhere.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn n21_an_unreachable_leader_holds_up_nobody_else_on_4_4_0() {
    let Some((mut shared, net)) = with_links("n21") else { return };
    let (cluster, _) = shared.parts();
    cluster.create_topic("n21", 3, &[]);
    for lane in 0..3 {
        cluster.move_leader("n21", lane, lane + 1);
    }
    let bootstrap = cluster.bootstrap();
    let mut row = Row::on(shared, "n21", 3, (&bootstrap, &[]));
    for lane in 0..3 {
        row.deliver(lane, 5);
    }

    net.cut_both(End::Client, End::Node(1));
    for lane in 0..3 {
        row.send(lane, 50);
    }
    wait_until("the other partitions to go on", || {
        row.stream.acknowledged(1) == 55 && row.stream.acknowledged(2) == 55
    });
    let stuck = row.stream.acknowledged(0);
    row.keep_sending(Duration::from_millis(2_500));
    assert!(stuck < 55 && row.stream.acknowledged(0) == stuck, "nobody reaches node 1");

    let ended = row.end_acknowledged();
    assert_eq!(ended.statistics.lane_resets, 0, "no lane gave up its identity");
}

// B07. A leader is cut off from the other nodes and does not know it: it takes records that it cannot replicate, another
// is elected, and what the first took is cut away when it returns. Fails if one of these was told as stored, or if the
// same records, sent again to the new leader, end up twice.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b07_what_a_deposed_leader_took_is_stored_once_by_the_next_on_4_4_0() {
    let Some((mut shared, net)) = with_links("b07") else { return };
    let (cluster, _) = shared.parts();
    cluster.create_topic("b07", 1, &[]);
    let old = cluster.await_leader("b07", 0);
    let bootstrap = cluster.bootstrap();
    let mut row = Row::on(shared, "b07", 1, (&bootstrap, &[]));
    row.deliver(0, 20);

    isolate(&mut row.shared, &net, old);
    let before = size_on(&mut row, old);
    row.send(0, 20);
    wait_until("the deposed leader to take records", || size_on(&mut row, old) > before);
    assert_eq!(row.stream.acknowledged(0), 20, "what cannot be replicated is not acknowledged");
    let new = row.cluster().await_other_leader("b07", 0, old);
    row.send(0, 20);
    wait_until("the next leader to acknowledge", || row.stream.acknowledged(0) == 60);
    println!(
        "b07: node {old} took {} bytes that are cut away; node {new} leads",
        size_on(&mut row, old) - before
    );

    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 60);
}

fn size_on(row: &mut Row, node: i32) -> u64 {
    let segments = row.cluster().segments(node, "b07", 0);
    segments.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum()
}

// B17. The only broker that the producer knows has not heard of the topic yet: it is behind. Fails if its "unknown topic"
// is taken for the truth before `max.block.ms`.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b17_a_lagging_brokers_unknown_topic_is_waited_out_on_4_4_0() {
    let Some((mut shared, net)) = with_links("b17") else { return };
    isolate(&mut shared, &net, 3);
    let (cluster, _) = shared.parts();
    cluster.create_topic_on("b17", &[1, 2, 3], &[]);
    let bootstrap = cluster.addresses()[&3].to_string();
    let mut row = Row::on(shared, "b17", 1, (&bootstrap, &[("facteur.allow.auto.create.topics", "false")]));

    let mender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1_500));
        net.mend_all(3);
    });
    row.send(0, 20);
    mender.join().expect("the links are mended");

    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 20);
}

// B21. Partitions are added, and the only broker that the producer knows has not heard of them. Fails if a record for a
// new partition is refused at once.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b21_a_lagging_broker_that_omits_new_partitions_is_waited_out_on_4_4_0() {
    let Some((mut shared, net)) = with_links("b21") else { return };
    let (cluster, _) = shared.parts();
    cluster.create_topic("b21", 1, &[]);
    cluster.move_leader("b21", 0, 3);
    let bootstrap = cluster.addresses()[&3].to_string();
    let mut row = Row::on(shared, "b21", 3, (&bootstrap, &[("metadata.max.age.ms", "1000")]));
    row.deliver(0, 5);
    isolate(&mut row.shared, &net, 3);
    row.cluster().add_partitions("b21", 3);

    let mender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1_500));
        net.mend_all(3);
    });
    row.send(2, 20);
    mender.join().expect("the links are mended");

    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.iter().filter(|record| record.partition == 2).count(), 20);
    assert_eq!(ended.answers(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), 0);
    assert!(ended.count(|it| matches!(it, Observation::MetadataUpdated { .. })) > 1);
}
