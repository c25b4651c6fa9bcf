//! Peers that answer late, stop reading, or vanish (N26, N39, N10, D-3).

use std::time::Duration;

use super::network::{FalseNetwork, Wire};
use super::peer::Peer;
use super::{deliver, pause, producer, values};
use crate::broker::faults::{Fault, FaultAction};
use crate::error::Outcome;
use crate::record::Record;
use crate::runtime::environment::Environment;

const PRODUCE: i16 = 0;

// K11, N26 (the mutant that D-68 leaves to a test): the answer comes after `request.timeout.ms`. The connection was closed
// by then, so the late answer is never read, and the retry goes over another one; it is recognised, and its offset is the
// first one's. Fails if a timed-out connection is used again: the late answer would be taken for the retry's, or the number
// of connections would not grow.
#[tokio::test(start_paused = true)]
async fn k11_n26_a_timed_out_request_closes_its_connection_and_the_late_answer_is_never_read() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    let producer = producer(&network, &[]);
    deliver(&producer, &values(1)).await;
    let dialled = network.dialled().len();
    let late = Duration::from_millis(1500);
    peer.arm(Fault::new(PRODUCE, FaultAction::DelayAnswer(late)));

    let begun = Environment::paused_now();
    let report = producer.send_and_wait(Record::to("t").value(b"late")).await.expect("delivered");

    let waited = begun.elapsed();
    assert_eq!(report.offset(), Some(1), "the first copy's offset");
    assert_eq!(report.details().attempts, 2);
    assert!(waited >= Duration::from_secs(1) && waited < late, "told by the retry, after {waited:?}");
    assert_eq!(network.dialled().len(), dialled + 1, "the connection was closed and one more opened");
    // When the late answer comes, nobody is there, and nothing changes.
    pause(Duration::from_secs(2)).await;
    assert_eq!(peer.log(), ["value 0", "late"]);
    assert_eq!(producer.statistics().records_acknowledged, 2);
    assert_eq!(network.dialled().len(), dialled + 1);
}

// N39: the broker stops reading: its window closes after 512 bytes, in the middle of a frame. A write that makes no
// progress ends the connection after `request.timeout.ms`; the broker cannot have had the whole request, so nothing is in
// doubt, and memory stays within the buffer. When it reads again, everything arrives once and in order.
#[tokio::test(start_paused = true)]
async fn n39_a_peer_that_does_not_read_stalls_nothing_for_ever() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    network.wire(Wire { window: 512, ..Wire::default() });
    let producer = producer(
        &network,
        &[("buffer.memory", "65536"), ("delivery.timeout.ms", "60000"), ("max.block.ms", "500")],
    );
    deliver(&producer, &values(1)).await;
    peer.reads(false);

    let value = [b'v'; 2000];
    let mut deliveries = Vec::new();
    let mut refused = 0;
    for _ in 0..60 {
        match producer.try_send(Record::to("t").value(&value)) {
            Ok(delivery) => deliveries.push(delivery),
            Err(_full) => refused += 1,
        }
        pause(Duration::from_millis(100)).await;
    }
    assert!(refused > 10, "the buffer is the bound: {refused} were refused");
    assert!(network.dialled().len() >= 3, "a stalled connection is given up");
    peer.reads(true);

    let accepted = deliveries.len();
    for (offset, delivery) in (1..).zip(deliveries) {
        assert_eq!(delivery.await.expect("delivered").offset(), Some(offset));
    }
    assert_eq!(peer.log().len(), 1 + accepted);
}

// D-3: whether a record may be in the log depends on whether the system took its last byte. Here `retries=0`, so that the
// first attempt is the last: a request of which a part went out ends rejected, one that went out whole ends unknown.
#[tokio::test(start_paused = true)]
async fn d3_a_part_of_a_request_is_no_doubt_and_the_whole_is() {
    for (window, expected) in [(512, Outcome::Rejected), (64 * 1024, Outcome::Unknown)] {
        let peer = Peer::new();
        let network = FalseNetwork::of(&peer);
        network.wire(Wire { window, ..Wire::default() });
        let producer = producer(&network, &[("delivery.timeout.ms", "3000")]);
        deliver(&producer, &values(1)).await;
        peer.reads(false);

        let error =
            producer.send_and_wait(Record::to("t").value(&[b'v'; 4000])).await.expect_err("nobody reads");

        assert_eq!(error.outcome(), expected, "window {window}: {error}");
        assert_eq!(peer.log(), ["value 0"]);
    }
}
