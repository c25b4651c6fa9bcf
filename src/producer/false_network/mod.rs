//! The driver on a network in memory, on which time is the test's.
//!
//! **Why not sockets.** A byte at a time, a cut at every byte, an hour without a cluster: on loopback these take minutes
//! and never the same way twice. Here the driver that ships runs under tokio's paused time; only the dialer is another
//! (`runtime::dialer::Network`). The peers are the embedded broker's pure handlers, so what is in the log is known.
//!
//! ```text
//!   Producer ── Shared ── Driver<FalseNetwork> ── FalseStream ── duplex ── serve() ── broker::handlers ── Cluster
//!                                                 slices, cuts, stalls      delays, silence
//! ```
//!
//! Neighbours: `network` is the net, `peer` a broker on it. Not here: the engine's decisions, which the simulation has.

mod bytes;
mod defects;
mod names;
mod network;
mod outage;
mod peer;
mod slow;

use std::sync::Arc;
use std::time::Duration;

use self::network::FalseNetwork;
use crate::config::ProducerConfig;
use crate::engine::EngineStats;
use crate::producer::Producer;
use crate::record::Record;
use crate::runtime::driver::Driver;
use crate::runtime::environment::Environment;
use crate::runtime::shared::Shared;

/// Settings of the lab's scale (spec 2): request 1 s, delivery 6 s, block 2 s, reconnect 50 ms to 1 s.
const SETTINGS: &[(&str, &str)] = &[
    ("request.timeout.ms", "1000"),
    ("delivery.timeout.ms", "6000"),
    ("max.block.ms", "2000"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("retry.backoff.ms", "20"),
    ("socket.connection.setup.timeout.ms", "500"),
    ("socket.connection.setup.timeout.max.ms", "1000"),
    ("linger.ms", "0"),
    ("facteur.late.resolution.ms", "2000"),
];

/// A producer whose driver is a task of this test's runtime, on its time.
fn producer(network: &FalseNetwork, settings: &[(&str, &str)]) -> Producer {
    let mut builder = ProducerConfig::builder("one.invalid:9092");
    for (name, value) in SETTINGS.iter().chain(settings) {
        builder = builder.property(name, value);
    }
    let config = Arc::new(builder.build().expect("valid settings"));
    let shared = Shared::with(config, Environment::paused());
    let mut driver = Driver::new(network.clone(), Arc::clone(&shared), Vec::new());
    let told = Arc::clone(&shared);
    let _detached = tokio::spawn(async move {
        let cause = driver.run().await;
        drop(driver);
        told.finish(&cause);
    });
    Producer::of(shared)
}

fn engine(producer: &Producer) -> EngineStats {
    *producer.shared.stats.lock().expect("no panic under it")
}

/// Sends these values to partition 0, each in a batch of its own, and waits for all: their offsets.
async fn deliver(producer: &Producer, values: &[String]) -> Vec<Option<i64>> {
    let mut offsets = Vec::new();
    for value in values {
        let report = producer.send_and_wait(Record::to("t").partition(0).value(value.as_bytes())).await;
        offsets.push(report.unwrap_or_else(|error| panic!("{value}: {error}")).offset());
    }
    offsets
}

fn values(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("value {index}")).collect()
}

async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
