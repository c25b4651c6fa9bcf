//! The fault injector in front of a real Kafka: its addresses, its newest versions, its leaders that move.
//!
//! **Why.** The embedded broker answers what we taught it; Kafka 4.4 answers with versions and fields of its own, three
//! nodes advertise three addresses, and a new leader is named in the answer to a Produce request (KIP-951). No client may
//! leave the path by any of them. Neighbours: `tests/chaos_kafka.rs` shows the same, and every fault, on the embedded
//! broker. Not here: load.

use std::time::Duration;

use facteur::chaos::view::{NewProxy, NewToxic, ProxyChange};
use facteur::chaos::{Injector, InjectorOptions};
use facteur::{Producer, ProducerConfig, Record};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::cluster::Cluster;
use crate::reader::Log;
use crate::shared;

const TOPIC: &str = "through-the-injector";

fn producer(bootstrap: &str, is_idempotent: bool, delivery_timeout_ms: &str) -> Producer {
    let is_idempotent = if is_idempotent { "true" } else { "false" };
    let mut builder = ProducerConfig::builder(bootstrap);
    for (name, value) in [
        ("enable.idempotence", is_idempotent),
        ("acks", "all"),
        ("client.id", is_idempotent),
        ("request.timeout.ms", "2000"),
        ("delivery.timeout.ms", delivery_timeout_ms),
        ("linger.ms", "0"),
    ] {
        builder = builder.property(name, value);
    }
    Producer::new(builder.build().expect("valid settings")).expect("a producer")
}

fn send(producer: &Producer, value: &str) -> Result<(), facteur::Error> {
    producer.send_and_wait_blocking(Record::to(TOPIC).partition(0).value(value.as_bytes())).map(drop)
}

fn copies(cluster: &Cluster, value: &str) -> usize {
    let log = Log::fetch(cluster, TOPIC, 1);
    log.records.iter().filter(|record| record.value.as_deref() == Some(value.as_bytes())).count()
}

// The course's sentence on a real Kafka, and then: a leader that dies, and a proxy that goes down. Fails if an answer of
// Kafka's cannot be read, if a record has another number of copies, or if a producer still gets through a proxy that is
// down, for then it had learnt an address of its own.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn no_client_leaves_the_injector_on_4_4_0_with_three_nodes() {
    let mut shared = shared::lock();
    let (cluster, _) = shared.parts();
    cluster.create_topic(TOPIC, 1, &[]);
    cluster.await_full_isr(TOPIC, 1);
    let runtime = Runtime::new().expect("a runtime");
    let injector = Injector::new(InjectorOptions::default());
    let wanted = NewProxy::new("kafka", "127.0.0.1:0", cluster.bootstrap());
    let view = runtime.block_on(injector.create(wanted)).expect("a proxy").value;

    let plain = producer(&view.listen, false, "60000");
    let idempotent = producer(&view.listen, true, "60000");
    for (producer, value, expected) in [(&plain, "plain", 2), (&idempotent, "idempotent", 1)] {
        send(producer, &format!("warm-{value}")).expect("delivered");
        let filter = json!({"api": "Produce", "topic": TOPIC});
        let toxic = NewToxic::new("drop_response", filter.as_object().expect("an object").clone());
        runtime.block_on(async { injector.add_toxic("kafka", &toxic) }).expect("armed");
        send(producer, value).expect("delivered");
        assert_eq!(copies(cluster, value), expected, "{value}");
        let toxic = "drop_response_downstream";
        assert_eq!(injector.toxic("kafka", toxic).expect("there").attributes["fired"], json!(1));
        runtime.block_on(async { injector.remove_toxic("kafka", toxic) }).expect("removed");
    }
    assert_eq!(injector.proxies().len(), 4, "one proxy, and a listener for each node");

    let leader = cluster.await_leader(TOPIC, 0);
    cluster.kill(leader);
    cluster.await_other_leader(TOPIC, 0, leader);
    send(&plain, "after the leader's death").expect("delivered by the next one");
    cluster.restart(leader);
    cluster.await_full_isr(TOPIC, 1);

    let hasty = producer(&view.listen, true, "3000");
    send(&hasty, "before the end").expect("delivered");
    let down = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    runtime.block_on(injector.update("kafka", &down)).expect("down");
    let lost = send(&hasty, "while down").expect_err("nobody can be reached");
    assert_eq!(copies(cluster, "while down"), 0, "{lost}");

    for producer in [plain, idempotent, hasty] {
        producer.close_blocking(Duration::from_secs(5));
    }
    runtime.block_on(injector.stop());
}
