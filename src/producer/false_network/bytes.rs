//! Bytes that come one at a time, and connections that end at each of them (N15 to N18, D-3).

use std::time::Duration;

use super::network::{FalseNetwork, Wire};
use super::peer::Peer;
use super::{deliver, engine, producer, values};
use crate::record::Record;

const PRODUCE: i16 = 0;

// N17: every read and every write moves one byte. Nothing else may differ: the same offsets, one copy each, no retry, no
// second connection. Fails if a frame's length, or a piece of it, is taken for whole when it came in parts.
#[tokio::test(start_paused = true)]
async fn n17_one_byte_slices_both_ways_change_nothing() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    network.wire(Wire { slice: 1, ..Wire::default() });
    let producer = producer(&network, &[]);
    let sent = values(20);

    let offsets = deliver(&producer, &sent).await;

    assert_eq!(offsets, (0..20).map(Some).collect::<Vec<_>>());
    assert_eq!(peer.log(), sent);
    let unsliced = {
        let network = FalseNetwork::of(&Peer::new());
        let producer = super::producer(&network, &[]);
        deliver(&producer, &sent).await;
        (network.dialled().len(), engine(&producer).batches_sent, engine(&producer).batches_retried)
    };
    let engine = engine(&producer);
    assert_eq!((network.dialled().len(), engine.batches_sent, engine.batches_retried), unsliced);
}

// N18: one byte each 5 ms, so that a request needs longer than `request.timeout.ms` to go out. A request that still drains
// is not timed out (N07), so it arrives; the driver sleeps between bytes. Fails by a loop of reconnects, or a busy one:
// paused time would then never move and the test never end.
#[tokio::test(start_paused = true)]
async fn n18_a_trickle_arrives_without_a_reconnect() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    let producer = producer(
        &network,
        &[("request.timeout.ms", "1500"), ("delivery.timeout.ms", "60000"), ("max.block.ms", "60000")],
    );
    let warm = producer.send_and_wait(Record::to("t").value(b"warm")).await.expect("delivered");
    assert_eq!(warm.offset(), Some(0));
    network.wire(Wire { slice: 1, delay: Duration::from_millis(5), ..Wire::default() });
    network.reset_all();
    let value = "x".repeat(600);
    let dialled = network.dialled().len();

    let offsets = deliver(&producer, std::slice::from_ref(&value)).await;

    assert_eq!(offsets, [Some(1)]);
    assert_eq!(peer.log(), ["warm".to_owned(), value]);
    let dialled = network.dialled().len() - dialled;
    assert!(dialled <= 2, "{dialled} connections for one record");
}

/// Delivers two records while each connection is cut at one byte further than the one before, in one direction; a cut
/// comes at every byte of what a connection ever carries. At the end the log has each record once and in order.
async fn cut_at_every_byte(wire: impl Fn(usize) -> Wire) -> usize {
    let mut cuts = 0;
    let mut whole = 0;
    for after in 1.. {
        let peer = Peer::new();
        let network = FalseNetwork::of(&peer);
        let producer = producer(&network, &[("max.block.ms", "10000")]);
        network.wire(wire(after));
        let sent = values(2);
        let mut deliveries = Vec::new();
        let heals = {
            let network = network.clone();
            async move {
                // The first connection is cut; those after it are whole.
                while network.dialled().is_empty() {
                    super::pause(Duration::from_millis(1)).await;
                }
                network.wire(Wire::default());
            }
        };
        let sends = async {
            for value in &sent {
                let record = Record::to("t").partition(0).value(value.as_bytes());
                deliveries.push(producer.send(record).await.expect("accepted"));
                // In a batch of its own.
                super::pause(Duration::from_millis(1)).await;
            }
        };
        tokio::join!(heals, sends);
        for (offset, delivery) in (0..).zip(deliveries) {
            let report = delivery.await.unwrap_or_else(|error| panic!("cut after {after} bytes: {error}"));
            assert_eq!(report.offset(), Some(offset), "cut after {after} bytes");
        }
        assert_eq!(peer.log(), sent, "cut after {after} bytes");
        cuts += network.cut();
        // Several in a row without a cut: the connection never carries so much.
        whole = if network.cut() == 0 { whole + 1 } else { 0 };
        if whole == 3 {
            assert!(peer.answered(PRODUCE) >= 1);
            return cuts;
        }
        assert!(after < 5000, "a connection carries more than anybody thought");
    }
    cuts
}

// N16: the connection is cut after k bytes of what we send, for every k: handshake, metadata, producer id, Produce. A part
// of a request is never processed and never half believed: one copy each, in order, the original offsets.
#[tokio::test(start_paused = true)]
async fn n16_a_cut_at_every_byte_of_our_requests_costs_nothing() {
    let cuts = cut_at_every_byte(|after| Wire { cut_up_after: Some(after), ..Wire::default() }).await;

    assert!(cuts > 200, "only {cuts} cuts: the test shows little");
}

// N15: the same for the answers, where the log may have the record already. Fails if a part of an answer is parsed, if the
// retry is not recognised, or if its offset is not the first one's.
#[tokio::test(start_paused = true)]
async fn n15_a_cut_at_every_byte_of_the_answers_costs_nothing() {
    let cuts = cut_at_every_byte(|after| Wire { cut_down_after: Some(after), ..Wire::default() }).await;

    assert!(cuts > 200, "only {cuts} cuts: the test shows little");
}
