//! An outage of ten minutes, and everything after it (C22, L).

use std::time::Duration;

use super::network::{FalseNetwork, Host, address};
use super::peer::Peer;
use super::{deliver, pause, producer, values};
use crate::error::Outcome;
use crate::record::Record;
use crate::runtime::environment::Environment;

/// The outage lasts this long: a minute, ten with `FACTEUR_OUTAGE_SECONDS=600` (25 s of real time in debug, since the
/// driver publishes the clock every millisecond while a batch is open).
fn outage_seconds() -> usize {
    std::env::var("FACTEUR_OUTAGE_SECONDS").map_or(60, |text| text.parse().expect("seconds"))
}

// The figure: the whole cluster is gone for minutes while the application goes on sending. What is still inside
// its deadline when it comes back is delivered within L (spec 3.4: longest backoff + setup timeout + 2 request timeouts +
// refresh; here 1 + 1 + 2 + 1 = 5 s); what was not is rejected, since it never left; memory stays inside `buffer.memory`,
// and is all back at the end.
#[tokio::test(start_paused = true)]
async fn a_long_outage_ends_within_l() {
    const BUFFER: u64 = 256 * 1024;
    let records = outage_seconds() * 10;
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    let settings = [("delivery.timeout.ms", "20000"), ("buffer.memory", "262144")];
    let producer = producer(&network, &settings);
    deliver(&producer, &values(1)).await;
    network.host(address(1), Host::Refuses);
    network.reset_all();

    let mut deliveries = Vec::new();
    let mut refused = 0;
    for index in 0..records {
        let value = index.to_string();
        match producer.try_send(Record::to("t").value(value.as_bytes())) {
            Ok(delivery) => deliveries.push((value, delivery)),
            Err(_full) => refused += 1,
        }
        pause(Duration::from_millis(100)).await;
    }
    let held = producer.statistics();
    assert!(held.buffer_available_bytes <= BUFFER);
    network.host(address(1), Host::Serves(peer.clone()));
    let healed = Environment::paused_now();

    let mut delivered = vec!["value 0".to_owned()];
    let mut rejected = 0;
    for (value, delivery) in deliveries {
        match delivery.await {
            Ok(_) => delivered.push(value),
            Err(error) => {
                assert_eq!(error.outcome(), Outcome::Rejected, "{value} never left: {error}");
                rejected += 1;
            }
        }
    }
    let after = healed.elapsed();

    assert!(after <= Duration::from_secs(5), "L is 5 s, it took {after:?}");
    assert_eq!(peer.log(), delivered, "what was delivered is there, once and in order");
    assert!(
        delivered.len() > 100 && rejected > records / 2,
        "{} delivered, {rejected} rejected, {refused} refused",
        delivered.len()
    );
    let statistics = producer.statistics();
    assert_eq!(statistics.buffer_available_bytes, BUFFER, "every permit is back");
    assert_eq!(statistics.records_unknown, 0);
}

// C22: the I/O thread stands still for five seconds (its machine was busy) while an answer waits in the socket. The answer
// is read before the clock is asked, so the request was not late. Fails if timers come before sockets (K16).
#[tokio::test(start_paused = true)]
async fn c22_a_stall_of_the_io_thread_makes_no_answer_late() {
    let peer = Peer::new();
    let network = FalseNetwork::of(&peer);
    let producer = producer(&network, &[("delivery.timeout.ms", "4000")]);
    deliver(&producer, &values(1)).await;
    let delivery = producer.send(Record::to("t").value(b"v")).await.expect("accepted");
    // Let the request go out and its answer come back, then let five seconds pass in one step before anybody runs.
    while peer.answered(0) < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(5)).await;

    let report = delivery.await.expect("the answer was there");

    assert_eq!((report.offset(), report.details().attempts), (Some(1), 1));
}
