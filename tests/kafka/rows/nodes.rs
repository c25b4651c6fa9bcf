//! Rows B05, B11, B15, B35 and B46: nodes that are gone, frozen, or have no disk left.
//!
//! B45 is `faults::leader_killed_five_times_…`, N32 `faults::node_frozen_past_the_request_timeout_…`. Neighbours:
//! [`super::cluster_changes`] for leaders that move in order. Not here: many such faults in a row; [`crate::storm`].

use std::fs;
use std::thread;
use std::time::Duration;

use facteur::engine::Observation;
use facteur::{ErrorCode, Record};

use super::Row;
use crate::cluster::wait_until;
use crate::nemesis::{await_given_up, fill, lane_on};
use crate::shared;
use crate::workload::producer_at;

// B05. The only replica is gone: nobody leads. Fails if the records are given up before their time, or if the partition
// that still has a leader waits with them.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b05_a_partition_without_a_leader_is_waited_for_on_4_4_0() {
    let mut shared = shared::lock();
    let (cluster, wire) = shared.parts();
    // One replica, so min.insync.replicas of two would never be met.
    cluster.create_topic_on("b05", &[2], &[("min.insync.replicas", "1")]);
    cluster.await_leader("b05", 0);
    let bootstrap = wire.bootstrap.clone();
    let mut row = Row::on(shared, "b05", 1, (&bootstrap, &[]));
    row.deliver(0, 5);
    row.cluster().kill(2);
    row.send(0, 20);
    wait_until("nobody to lead", || {
        row.cluster().partition("b05", 0).is_some_and(|found| found.leader_id.0 < 0)
    });
    row.keep_sending(Duration::from_secs(1));
    row.cluster().restart(2);
    wait_until("it to be led again", || row.cluster().leader("b05", 0) == Some(2));

    let seen_nobody = row.count(|it| matches!(it, Observation::LeaderChanged { leader: None, .. }));
    assert!(seen_nobody > 0, "the producer learnt that nobody leads");
    row.end_acknowledged();
}

// B11. All three replicas are wanted and one dies. What was appended before Kafka noticed cannot be acknowledged, what
// comes later is refused as "too few replicas" (19). Fails if a record is given up, or the first ones are stored again
// when the replica is back.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b11_too_few_replicas_are_waited_for_on_4_4_0() {
    let mut row = Row::with("b11", 1, &[("min.insync.replicas", "3")], &[]);
    row.deliver(0, 10);
    let leader = row.cluster().await_leader("b11", 0);
    let follower = row.cluster().ids().into_iter().find(|id| *id != leader).expect("there are followers");
    row.cluster().kill(follower);
    row.send(0, 10);
    row.await_answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    row.send(0, 10);

    let ended = row.end_acknowledged();
    assert_eq!(ended.log.records.len(), 30);
    assert_eq!(ended.statistics.lane_resets, 0);
}

// B15. The leader's disk is full: it gives the log up and another takes over. Fails if a record is lost between the two,
// or told as stored by the one that could not store it.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b15_a_full_disk_hands_the_partition_to_another_node_on_4_4_0() {
    let mut row = Row::with("b15", 4, &[], &[]);
    let Some((node, dir)) = row.cluster().small_disk.clone() else {
        println!("SKIPPED: b15: mounting a memory file system is not permitted on this machine");
        return;
    };
    let lane = lane_on(&dir, "b15", 4);
    row.cluster().move_leader("b15", lane, node);
    row.deliver(lane, 20);
    let ballast = dir.join("ballast");
    fill(&ballast);
    // Until a page is full the file system still takes bytes.
    for _ in 0..40 {
        row.send(lane, 50);
        thread::sleep(Duration::from_millis(20));
    }
    await_given_up(row.cluster(), "b15", lane);
    row.send(lane, 20);
    let storage_errors = row.answers(ErrorCode::KAFKA_STORAGE_ERROR);
    fs::remove_file(&ballast).expect("the ballast goes");
    row.cluster().kill(node);

    let ended = row.end_acknowledged();
    println!(
        "b15: answered KAFKA_STORAGE_ERROR {storage_errors} times, {} in all",
        ended.answers(ErrorCode::KAFKA_STORAGE_ERROR)
    );
    assert!(ended.count(|it| matches!(it, Observation::LeaderChanged { .. })) > 0);
}

// B35. Two of three nodes are frozen, so nobody gives producer ids. Fails if a new producer gives up, or if the frozen
// nodes' return is not noticed.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b35_without_a_controller_a_new_producer_waits_on_4_4_0() {
    let mut row = Row::begin("b35", &[]);
    row.deliver(0, 5);
    let leader = row.cluster().await_leader("b35", 0);
    let others: Vec<i32> = row.cluster().ids().into_iter().filter(|id| *id != leader).collect();
    for id in &others {
        row.cluster().freeze(*id);
    }
    // The brokers themselves: the injector's one address would lead to whichever is the first, frozen or not.
    let bootstrap = row.cluster().bootstrap();
    let new = producer_at(&bootstrap, &[("request.timeout.ms", "1500"), ("delivery.timeout.ms", "60000")]);
    row.send(0, 10);
    let waiting = thread::spawn(move || {
        let outcome = new.send_and_wait_blocking(Record::to("b35-late").partition(0).value(b"late"));
        (outcome, new)
    });
    thread::sleep(Duration::from_secs(3));
    for id in &others {
        row.cluster().thaw(*id);
    }
    row.cluster().create_topic("b35-late", 1, &[]);

    let (outcome, new) = waiting.join().expect("it ends");
    outcome.expect("and the record is stored when there is a controller again");
    new.close_blocking(Duration::from_secs(5));
    row.end_acknowledged();
}

// B46. All nodes die at once and come back at their addresses. Fails if a record is given up or repeated, or if the
// producer knows nobody any more.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn b46_a_whole_cluster_that_dies_and_returns_takes_up_where_it_was_on_4_4_0() {
    let mut row = Row::with("b46", 3, &[], &[]);
    row.keep_sending(Duration::from_millis(300));
    for id in row.cluster().ids() {
        row.cluster().kill(id);
    }
    row.keep_sending(Duration::from_secs(2));
    let ids = row.cluster().ids();
    row.cluster().restart_all(&ids);
    row.cluster().await_acquaintance();

    let ended = row.end_acknowledged();
    assert!(ended.history.retried > 0);
}
