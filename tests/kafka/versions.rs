//! Each Produce version that a broker speaks is spoken to it, and what it stores is the same.
//!
//! **Why a cap.** A producer takes the highest version both know; older ones would only ever run in the field. The relay
//! lowers what the broker offers, and counts what was then sent. Neighbours: [`crate::relay`].

use crate::cluster::{Cluster, Setup};
use crate::oracle::judge;
use crate::reader::Log;
use crate::relay::Relay;
use crate::workload::{LANES, Load, producer, under};

const LOAD: Load = Load { minimum: 1_200, burst: 60 };

// Produce 3 to 12 by name and 13 by topic id, on one broker. Fails if a version is encoded or its answer read wrongly.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn produce_3_to_13_are_spoken_on_4_4_0() {
    each_version(Setup { version: "4.4.0", nodes: 1 }, 3..=13);
}

// The versions of the oldest broker that is promised.
#[test]
#[ignore = "needs a real Kafka, Java and kcat: run scripts/test-kafka.sh"]
fn produce_3_to_9_are_spoken_on_2_8_2() {
    each_version(Setup { version: "2.8.2", nodes: 1 }, 3..=9);
}

fn each_version(setup: Setup, versions: std::ops::RangeInclusive<i16>) {
    let cluster = Cluster::start(setup);
    for version in versions {
        let topic = format!("produce-{version}");
        cluster.create_topic(&topic, LANES, &[]);
        let relays: Vec<(i32, Relay)> = cluster
            .addresses()
            .into_iter()
            .map(|(id, address)| (id, Relay::start(address, Some(version))))
            .collect();
        let producer = producer(&cluster, &relays, &[("compression.type", "lz4")]);

        let history = under(&producer, &topic, LOAD, |_| {});

        let total = judge(&history.sent, &Log::fetch(&cluster, &topic, LANES).logged()).total;
        println!("{} Produce {version}: {total}", setup.version);
        assert!(total.is_clean() && total.acknowledged == total.sent, "Produce {version}: {total}");
        let spoken =
            relays.iter().flat_map(|(_, relay)| relay.produce_versions().into_keys()).collect::<Vec<_>>();
        assert_eq!(spoken, vec![version], "only the capped version was spoken");
    }
}
