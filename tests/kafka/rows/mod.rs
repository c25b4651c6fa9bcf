//! Rows of the fault matrix on a real Kafka: one test for each row that names it and can be made on one.
//!
//! **Why once more, after the simulation.** The simulation answers as we read Kafka's source; here Kafka answers. Each
//! test makes the row's fault, shows by the producer's observations that it happened, heals, reads the log and lets the
//! oracle judge. All share one cluster, each has a topic of its own. `docs/kafka-rows.md` lists every row with its test,
//! or why there is none. Neighbours: [`crate::storm`] for all at once. Not here: rows of other venues.

mod answers;
mod cluster_changes;
mod links;
mod network;
mod nodes;
mod records;
mod wrap;

use std::time::{Duration, Instant};

use facteur::engine::Observation;

use facteur::{ErrorCode, Observations, Observed, Producer, ProducerConfig};

use crate::cluster::Cluster;
use crate::oracle::{Tally, Told, judge};
use crate::reader::Log;
use crate::shared::{self, Shared};
use crate::wire::Wire;
use crate::workload::{History, Stream};

/// Lab scale: a fault outlasts a request and no record.
const SETTINGS: &[(&str, &str)] = &[
    ("request.timeout.ms", "2000"),
    ("delivery.timeout.ms", "60000"),
    ("linger.ms", "0"),
    ("acks", "all"),
    ("reconnect.backoff.max.ms", "500"),
    ("socket.connection.setup.timeout.ms", "1000"),
    ("socket.connection.setup.timeout.max.ms", "2000"),
];

/// One row's topic on the shared cluster, a producer that is watched, and what was sent.
struct Row {
    shared: Shared,
    topic: &'static str,
    lanes: i32,
    producer: Producer,
    sink: Observations,
    seen: Vec<Observed>,
    stream: Stream,
}

impl Row {
    /// A fresh topic with one partition, reached through the injector.
    fn begin(topic: &'static str, settings: &[(&str, &str)]) -> Self {
        Self::with(topic, 1, &[], settings)
    }

    /// A fresh topic, reached through the injector.
    fn with(
        topic: &'static str,
        lanes: i32,
        configs: &[(&'static str, &str)],
        settings: &[(&str, &str)],
    ) -> Self {
        let mut shared = shared::lock();
        let (cluster, wire) = shared.parts();
        cluster.create_topic(topic, lanes, configs);
        let bootstrap = wire.bootstrap.clone();
        Self::on(shared, topic, lanes, (&bootstrap, settings))
    }

    /// A topic that is there or will be, reached at these addresses.
    fn on(
        shared: Shared,
        topic: &'static str,
        lanes: i32,
        (bootstrap, settings): (&str, &[(&str, &str)]),
    ) -> Self {
        let mut builder = ProducerConfig::builder(bootstrap);
        for &(name, value) in SETTINGS.iter().chain(settings) {
            builder = builder.property(name, value);
        }
        let sink = Observations::with_capacity(200_000);
        let config = builder.build().expect("these settings are valid");
        let producer = Producer::builder(config).observer(sink.clone()).build().expect("a producer");
        Self { shared, topic, lanes, producer, sink, seen: Vec::new(), stream: Stream::default() }
    }

    fn cluster(&mut self) -> &mut Cluster {
        self.shared.parts().0
    }

    fn wire(&mut self) -> &Wire {
        self.shared.parts().1
    }

    /// Sends without waiting.
    fn send(&mut self, lane: i32, count: u32) {
        self.stream.send(&self.producer, self.topic, lane, count);
    }

    /// Sends one record at a time, so that each travels in a batch of its own.
    fn send_apart(&mut self, lane: i32, count: u32) {
        for _ in 0..count {
            self.send(lane, 1);
            std::thread::sleep(Duration::from_millis(4));
        }
    }

    /// Sends, and waits for the outcomes.
    fn deliver(&mut self, lane: i32, count: u32) {
        self.send(lane, count);
        self.producer.flush_blocking().expect("flush ends");
    }

    /// Keeps sending to all lanes for a while.
    fn keep_sending(&mut self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            for lane in 0..self.lanes {
                self.send(lane, 1);
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Everything that the producer told so far.
    fn seen(&mut self) -> &[Observed] {
        self.seen.extend(self.sink.take());
        assert_eq!(self.sink.lost(), 0, "the sink is large enough");
        &self.seen
    }

    /// How often brokers answered with this code.
    fn answers(&mut self, wanted: ErrorCode) -> usize {
        self.count(|it| matches!(it, Observation::BatchAnswered { code, .. } if *code == wanted))
    }

    fn count(&mut self, is_meant: impl Fn(&Observation) -> bool) -> usize {
        self.seen().iter().filter(|observed| is_meant(&observed.observation)).count()
    }

    /// Waits until a broker has answered with this code.
    fn await_answer(&mut self, wanted: ErrorCode) {
        let begun = Instant::now();
        while self.answers(wanted) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no broker answered {wanted}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Heals, waits for all outcomes, reads the log and judges: nothing that may never happen has happened.
    fn end(mut self) -> Ended {
        let (topic, lanes) = (self.topic, self.lanes);
        let (cluster, wire) = self.shared.parts();
        wire.clear();
        cluster.heal();
        cluster.await_full_isr(topic, lanes);
        let history = self.stream.finish(&self.producer);
        let statistics = self.producer.statistics();
        self.producer.close_blocking(Duration::from_secs(5));
        let log = Log::fetch(cluster, topic, lanes);
        let total = judge(&history.sent, &log.logged()).total;
        println!("{topic}: {total}");
        assert!(total.is_clean(), "{topic}: {total}");
        assert_eq!(statistics.offset_regressions, 0, "{topic}: no log went back");
        self.seen.extend(self.sink.take());
        Ended { history, log, seen: self.seen, statistics }
    }

    /// Heals, reads the log and judges, where the cluster itself has lost records.
    fn end_after_loss(mut self) -> (Tally, facteur::Statistics) {
        let (topic, lanes) = (self.topic, self.lanes);
        let (cluster, _) = self.shared.parts();
        cluster.heal();
        cluster.await_full_isr(topic, lanes);
        let history = self.stream.finish(&self.producer);
        let total = judge(&history.sent, &Log::fetch(cluster, topic, lanes).logged()).total;
        (total, self.producer.statistics())
    }

    /// As [`Self::end`], and every record must have been acknowledged.
    fn end_acknowledged(self) -> Ended {
        let topic = self.topic;
        let ended = self.end();
        let is_acknowledged = |told| matches!(told, Told::Acknowledged(_));
        let others: Vec<_> =
            ended.history.sent.iter().filter(|sent| !is_acknowledged(sent.told)).take(3).collect();
        assert!(
            others.is_empty(),
            "{topic}: the fault was shorter than the delivery timeout, yet: {others:?}"
        );
        ended
    }
}

/// What remains when a row is over.
struct Ended {
    history: History,
    log: Log,
    seen: Vec<Observed>,
    statistics: facteur::Statistics,
}

impl Ended {
    fn count(&self, is_meant: impl Fn(&Observation) -> bool) -> usize {
        self.seen.iter().filter(|observed| is_meant(&observed.observation)).count()
    }

    fn answers(&self, wanted: ErrorCode) -> usize {
        self.count(|it| matches!(it, Observation::BatchAnswered { code, .. } if *code == wanted))
    }
}
