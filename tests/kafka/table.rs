//! The deduplication table on five brokers: embedded, model, 4.4.0, 3.9.2, 2.8.2 (D-72).
//!
//! **Why in one test.** The table is one claim: these brokers answer the same. Each broker is checked against the rows,
//! the whole is printed, and `docs/conformance.md` must say the same. Neighbours: `tests/dedup` has rows and venues;
//! `tests/dedup.rs` runs our own two on every `cargo test`. Not here: what a producer makes of the answers.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig, Personality};

use crate::cluster::{Cluster, Setup, wait_until};
use crate::dedup::model::Model;
use crate::dedup::replicated::{self, Followers, ModelFollowers};
use crate::dedup::socket::{Link, SocketBroker};
use crate::dedup::table::{Table, assert_documented};
use crate::dedup::{Answer, Outcome, Venue, assert_conforms, run_all};

// The whole table. Fails by row and broker, and when docs/conformance.md says otherwise.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn five_brokers_answer_as_the_table_says_on_4_4_0_and_on_3_9_2_and_on_2_8_2() {
    let mut columns = vec![
        (Venue::Embedded, embedded(), Vec::new()),
        (Venue::Model, run_all(&mut Model::of_one_node()), replicated::run(&mut ModelFollowers::new())),
    ];
    // scripts/test-kafka.sh may be told to leave versions out.
    let wanted = std::env::var("KAFKA_VERSIONS").unwrap_or_default();
    for venue in [Venue::Kafka440, Venue::Kafka392, Venue::Kafka282] {
        if wanted.is_empty() || wanted.split_whitespace().any(|version| version == venue.name()) {
            let followers = if venue == Venue::Kafka440 { three_nodes() } else { Vec::new() };
            columns.push((venue, real(venue), followers));
        }
    }
    let table = Table::new(&columns);
    println!("{}", table.lines().join("\n"));
    for (venue, single, followers) in &columns {
        assert_conforms(*venue, single);
        for ((id, story), outcome) in replicated::NAMES.iter().zip(followers) {
            assert_eq!(outcome.wrong, None, "{}: {id} {story}: it did {}", venue.name(), outcome.text);
        }
    }
    assert_documented(&table);
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn embedded() -> Vec<Outcome> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let start = |personality| {
        let config = BrokerConfig { personality, ..BrokerConfig::default() };
        runtime.block_on(Broker::start(config)).expect("the embedded broker starts")
    };
    let (broker, since_45) = (start(Personality::default()), start(Personality::Apache45));
    let (at, at_45) = (loopback(broker.bootstrap().port), loopback(since_45.bootstrap().port));
    // It looks for old producers every ten seconds.
    let expire = |topic: &str| {
        wait_until("the embedded broker to forget old producers", || broker.producers(topic, 0).is_empty());
    };
    let outcomes = run_all(&mut SocketBroker::new(Venue::Embedded, at, Some(at_45), Some(expire)));
    runtime.block_on(broker.stop());
    runtime.block_on(since_45.stop());
    outcomes
}

/// One node. It forgets old producers when it reads its snapshot at an orderly restart.
fn real(venue: Venue) -> Vec<Outcome> {
    let cluster = RefCell::new(Cluster::start(Setup { version: venue.name(), nodes: 1 }));
    let (id, port) = cluster.borrow().ports().into_iter().next().expect("one node");
    let expire = |_: &str| {
        let mut cluster = cluster.borrow_mut();
        cluster.stop(id);
        cluster.restart(id);
    };
    run_all(&mut SocketBroker::new(venue, loopback(port), None, Some(expire)))
}

/// Three nodes of 4.4.0; followers are held by SIGSTOP.
fn three_nodes() -> Vec<Outcome> {
    let cluster = Cluster::start(Setup { version: Venue::Kafka440.name(), nodes: 3 });
    replicated::run(&mut ThreeNodes { cluster, topics: 0, leader: 0, held: Vec::new(), links: Vec::new() })
}

struct ThreeNodes {
    cluster: Cluster,
    topics: u32,
    leader: i32,
    held: Vec<i32>,
    links: Vec<Link>,
}

impl ThreeNodes {
    fn topic(&self) -> String {
        format!("followers-{}", self.topics)
    }

    fn in_sync(&self) -> usize {
        crate::cluster::in_sync(self.cluster.addresses()[&self.leader], &self.topic(), 0)
    }
}

impl Followers for ThreeNodes {
    fn venue(&self) -> Venue {
        Venue::Kafka440
    }

    fn fresh_topic(&mut self, min_isr: i32) {
        self.topics += 1;
        let topic = self.topic();
        self.cluster.create_topic(&topic, 1, &[("min.insync.replicas", &min_isr.to_string())]);
        self.leader = self.cluster.await_leader(&topic, 0);
        let address = self.cluster.addresses()[&self.leader];
        self.links = vec![Link::open(address), Link::open(address)];
        wait_until("the partition to be served", || self.links[0].end(&topic).0 == 0);
    }

    fn hold(&mut self, count: usize) {
        let followers = self.cluster.ports().into_keys().filter(|id| *id != self.leader);
        self.held = followers.take(count).collect();
        for id in &self.held {
            self.cluster.freeze(*id);
        }
    }

    fn release(&mut self) {
        for id in std::mem::take(&mut self.held) {
            self.cluster.thaw(id);
        }
        self.await_in_sync(3);
    }

    fn await_in_sync(&mut self, count: usize) {
        wait_until(&format!("{count} copies to be in sync"), || self.in_sync() == count);
        // A node tells others what the controller decided before it obeys itself, and nothing shows when it does.
        std::thread::sleep(Duration::from_millis(300));
    }

    fn send(&mut self, connection: usize, timeout_ms: i32, records: &[u8]) {
        let topic = self.topic();
        self.links[connection].send_produce(&topic, (-1, timeout_ms), records);
    }

    fn receive(&mut self, connection: usize) -> Answer {
        self.links[connection].produced()
    }

    fn is_silent(&mut self, connection: usize) -> bool {
        self.links[connection].is_silent_for(Duration::from_millis(500))
    }

    fn end(&mut self) -> i64 {
        let topic = self.topic();
        self.links[0].end(&topic).1
    }
}
