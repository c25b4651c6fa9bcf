//! Keyed records land where the Java client puts them.
//!
//! **Why with the real one.** A table of hashes shows that a hash is right; that Java's producer sends the key there is
//! shown by Java's producer. Neighbours: [`crate::consoles`] runs it.

use std::collections::BTreeMap;

use facteur::Record;

use crate::cluster::{Cluster, Setup};
use crate::consoles::console_producer;
use crate::reader::Log;
use crate::workload::producer;

const PARTITIONS: i32 = 7;

// Two topics alike, one written by Java and one by us. Fails if a single key of a thousand is elsewhere: then consumers
// that rely on co-partitioning break without an error.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn keyed_records_land_where_java_puts_them_on_4_4_0() {
    let cluster = Cluster::start(Setup { version: "4.4.0", nodes: 1 });
    let mut keys: Vec<String> = (0..1_000).map(|i| format!("customer-{i}")).collect();
    // Lengths around the hash's four-byte blocks, and bytes above 127, whose sign matters to it.
    keys.extend(["", "a", "ab", "abc", "abcd", "abcde", "é", "ключ", "鍵", "🔑🔑"].map(str::to_owned));
    for topic in ["keys-java", "keys-facteur"] {
        cluster.create_topic(topic, PARTITIONS, &[]);
    }

    console_producer(&cluster, "keys-java", &keys);
    let producer = producer(&cluster, &[], &[]);
    let deliveries: Vec<_> = keys
        .iter()
        .map(|key| Record::to("keys-facteur").key(key.as_bytes()).value(key.as_bytes()))
        .map(|record| producer.send_blocking(record).expect("the record is accepted"))
        .collect();
    for delivery in deliveries {
        delivery.wait().expect("the record is acknowledged");
    }

    let (java, ours) = (places(&cluster, "keys-java"), places(&cluster, "keys-facteur"));
    assert_eq!(java.len(), keys.len());
    assert_eq!(ours, java);
    println!("{} keys land where Java puts them", keys.len());
}

/// Where each key is.
fn places(cluster: &Cluster, topic: &str) -> BTreeMap<Vec<u8>, i32> {
    let log = Log::fetch(cluster, topic, PARTITIONS);
    log.records
        .iter()
        .map(|record| (record.key.as_deref().unwrap_or_default().to_vec(), record.partition))
        .collect()
}
