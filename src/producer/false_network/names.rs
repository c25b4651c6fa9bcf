//! Names and addresses: black holes, refusals, names that fail or move (N22, N23, N34, B24).

use std::time::Duration;

use super::network::{FalseNetwork, Host, address};
use super::peer::Peer;
use super::{deliver, pause, producer, values};
use crate::record::Record;
use crate::runtime::environment::Environment;

// N22: the first address swallows every packet. The attempt ends by its own timeout, which grows and does not wait for the
// kernel's minutes, and the next attempt begins at the next address. Fails if the same address is tried for ever.
#[tokio::test(start_paused = true)]
async fn n22_a_black_hole_costs_one_setup_timeout_and_the_next_address_is_tried() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    network.host(address(9), Host::Swallows);
    network.name("one.invalid", &[address(9), address(1)]);
    let producer = producer(&network, &[]);

    let begun = Environment::paused_now();
    deliver(&producer, &values(1)).await;

    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    assert!(network.dialled().iter().any(|(_, to)| *to == address(9)), "the hole was tried");
    assert_eq!(peer.log(), ["value 0"]);
}

// N22: nothing but black holes: each attempt waits for its timeout and then for the backoff; both grow and are bounded, so
// an hour costs a bounded number of attempts, and a send says why it failed.
#[tokio::test(start_paused = true)]
async fn n22_black_holes_alone_are_tried_at_a_bounded_pace() {
    let network = FalseNetwork::of(&Peer::new());
    network.host(address(1), Host::Swallows);
    let producer = producer(&network, &[]);

    let error = producer.send(Record::to("t").value(b"v")).await.expect_err("nobody there");
    pause(Duration::from_secs(60)).await;

    assert!(error.to_string().contains("no connection to one.invalid:9092 within"), "{error}");
    let dialled = network.dialled().len();
    assert!((20..=90).contains(&dialled), "{dialled} attempts in a minute");
}

// N23: the name does not resolve for a while, then gives a stale address first and a good one second. No send is lost to
// it; the dialer goes through all addresses within an attempt.
#[tokio::test(start_paused = true)]
async fn n23_a_name_that_fails_and_then_has_stale_addresses_is_got_over() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    network.name("one.invalid", &[]);
    let producer = producer(&network, &[("max.block.ms", "10000")]);
    let healing = async {
        pause(Duration::from_secs(3)).await;
        network.name("one.invalid", &[address(7), address(8), address(1)]);
    };

    let sent = values(1);
    let (offsets, ()) = tokio::join!(deliver(&producer, &sent), healing);

    assert_eq!(offsets, [Some(0)]);
    assert!((3..=40).contains(&network.resolved()), "{} look-ups in three seconds", network.resolved());
}

// N23: the name never resolves. The send ends at `max.block.ms` and says so.
#[tokio::test(start_paused = true)]
async fn n23_a_name_that_never_resolves_is_told_at_max_block() {
    let network = FalseNetwork::of(&Peer::new());
    network.name("one.invalid", &[]);
    let producer = producer(&network, &[]);

    let begun = Environment::paused_now();
    let error = producer.send(Record::to("t").value(b"v")).await.expect_err("no such name");

    assert_eq!(begun.elapsed().as_secs(), 2);
    assert!(error.to_string().contains("does not resolve"), "{error}");
}

// N34: all connections die together, again and again, for a minute. Each comes back, at the pace of the backoff and not of
// the processor; everything sent meanwhile arrives once.
#[tokio::test(start_paused = true)]
async fn n34_a_storm_of_resets_is_answered_at_a_bounded_pace() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    let producer = producer(&network, &[("delivery.timeout.ms", "30000")]);
    deliver(&producer, &values(1)).await;
    let storm = async {
        for _ in 0..600 {
            network.reset_all();
            pause(Duration::from_millis(100)).await;
        }
    };
    let sending = async {
        for index in 0..300 {
            let value = index.to_string();
            producer.send_and_wait(Record::to("t").value(value.as_bytes())).await.expect("delivered");
            pause(Duration::from_millis(100)).await;
        }
    };

    tokio::join!(storm, sending);

    let expected: Vec<String> =
        ["value 0".to_owned()].into_iter().chain((0..300).map(|index| index.to_string())).collect();
    assert_eq!(peer.log(), expected);
    let dialled = network.dialled().len();
    // 600 resets; a backoff of 50 ms to a second lies between two attempts at one broker, bootstrap or not.
    assert!(dialled <= 1300, "{dialled} connections in a minute");
    assert!(network.open() <= 4, "{} connections are open", network.open());
}

// N34: nobody listens for ten minutes: refused at once, each time. The pace of the attempts is the backoff's.
#[tokio::test(start_paused = true)]
async fn n34_refusals_are_answered_at_the_pace_of_the_backoff() {
    let network = FalseNetwork::of(&Peer::new());
    network.host(address(1), Host::Refuses);
    let producer = producer(&network, &[]);
    let _error = producer.send(Record::to("t").value(b"v")).await.expect_err("nobody there");

    pause(Duration::from_secs(600)).await;

    let dialled = network.dialled().len();
    assert!((400..=1000).contains(&dialled), "{dialled} attempts in ten minutes");
}

// B24: every broker that the metadata names is gone, and the bootstrap name leads to others now. The producer asks it
// again (KIP-899) and what it holds is delivered.
#[tokio::test(start_paused = true)]
async fn b24_all_brokers_replaced_are_found_again_by_the_bootstrap_name() {
    let old = Peer::new().moved_to("old.invalid");
    let network = FalseNetwork::of(&old);
    network.host(address(2), Host::Serves(old.clone()));
    network.name("old.invalid", &[address(2)]);
    let producer = producer(&network, &[("delivery.timeout.ms", "60000")]);
    deliver(&producer, &values(1)).await;

    let new = old.moved_to("new.invalid");
    network.host(address(2), Host::Refuses);
    network.host(address(1), Host::Serves(new.clone()));
    network.host(address(3), Host::Serves(new.clone()));
    network.name("new.invalid", &[address(3)]);
    network.reset_all();

    let report = producer.send_and_wait(Record::to("t").value(b"after")).await.expect("delivered");

    assert_eq!(report.offset(), Some(1));
    assert_eq!(new.log(), ["value 0", "after"]);
}
