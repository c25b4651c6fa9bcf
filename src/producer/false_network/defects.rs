//! Defects of our own in a connection's task, as a wire that makes it panic.
//!
//! **Why.** Nothing there is known to panic; but a defect in one connection may cost that connection, not the producer.
//! Not here: a defect of the driver, which stops the producer and tells every record so (`producer/tests.rs`).

use std::time::Duration;

use super::network::{FalseNetwork, Wire};
use super::peer::Peer;
use super::{deliver, pause, producer, values};
use crate::runtime::environment::Environment;

// A connection's task panics while it reads an answer, a second one while it writes. Each must end as a lost connection
// does: the engine dials again at once and the records are delivered, once. Fails if the engine never learns of the end:
// then it waits for an answer that nobody reads, until the request's time is over.
#[tokio::test(start_paused = true)]
async fn a_panic_of_a_connections_task_is_a_lost_connection() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    let producer = producer(&network, &[("request.timeout.ms", "5000")]);
    deliver(&producer, &values(1)).await;
    let wires = [
        Wire { cut_down_after: Some(20), is_defect: true, ..Wire::default() },
        Wire { cut_up_after: Some(20), is_defect: true, ..Wire::default() },
    ];
    for (place, wire) in wires.into_iter().enumerate() {
        network.wire(wire);
        network.reset_all();
        let dialled = network.dialled().len();
        let waiting = tokio::spawn({
            let producer = producer.clone();
            async move { deliver(&producer, &values(1)).await }
        });
        let begun = Environment::paused_now();
        while network.dialled().len() < dialled + 2 {
            pause(Duration::from_millis(10)).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "dialled again after {:?}", begun.elapsed());
        network.wire(Wire::default());

        let offset = i64::try_from(place).expect("small") + 1;
        assert_eq!(waiting.await.expect("no record is lost"), [Some(offset)]);
    }
}
