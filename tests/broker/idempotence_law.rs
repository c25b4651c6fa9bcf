//! f(f(x)) = f(x): the definition of idempotence, as the course gives it (section 3.1), held against the broker.

use facteur::broker::BrokerConfig;
use facteur::broker::cluster::{Cluster, Written};
use proptest::prelude::*;

use crate::batch::Batch;
use crate::support::{START_MS, at, cluster, create, write};

/// Everything that a consumer could tell apart.
fn log(cluster: &Cluster) -> (i64, Vec<bytes::Bytes>) {
    let batches = cluster.batches("t", 0).into_iter().map(|batch| batch.bytes).collect();
    (cluster.partition("t", 0).unwrap().log.end_offset(), batches)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // Sends some batches, some of them several times, as a producer does whose answers get lost: each replay of one of
    // the last five leaves the log as it was, byte for byte, and is answered with the offset of the first time. Replays
    // older than that are refused and change nothing either. Fails as soon as one copy too many is stored.
    #[test]
    fn idempotence_law(
        sizes in proptest::collection::vec(1_u32..6, 1..12),
        replays in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..4), 0..12),
        first in prop_oneof![Just(0_i32), Just(i32::MAX - 5), Just(1_000)],
    ) {
        let mut cluster = cluster(&BrokerConfig::default());
        create(&mut cluster, "t", &[]);
        let mut sent: Vec<(Batch, i64)> = Vec::new();
        let mut sequence = i64::from(first);
        for (index, records) in sizes.iter().enumerate() {
            let folded = i32::try_from(sequence % (1 << 31)).unwrap();
            let batch = Batch::of(7, 0, folded, *records).at(START_MS);
            let Written::At { base_offset, .. } = write(&mut cluster, "t", &batch, at(0)) else {
                panic!("batch {index} continues the sequence")
            };
            sent.push((batch, base_offset));
            sequence += i64::from(*records);

            let before = log(&cluster);
            for (which, times) in replays.get(index).iter().copied() {
                let which = which.index(sent.len());
                let (batch, base_offset) = sent[which].clone();
                for _ in 0..*times {
                    let answer = write(&mut cluster, "t", &batch, at(1));
                    prop_assert_eq!(log(&cluster), before.clone(), "a replay changed the log");
                    let is_remembered = sent.len() - which <= 5;
                    match answer {
                        Written::At { base_offset: again, .. } => prop_assert_eq!(again, base_offset),
                        Written::Refused { code, .. } => {
                            prop_assert!(!is_remembered, "batch {} of {} was forgotten", which, sent.len());
                            prop_assert_eq!(code.0, 45);
                        }
                    }
                }
            }
        }
    }
}

// The same function without a producer id is not idempotent: each replay is one more copy. This is the lab's other half.
#[test]
fn without_a_producer_id_the_law_does_not_hold() {
    let mut cluster = cluster(&BrokerConfig::default());
    create(&mut cluster, "t", &[]);
    let batch = Batch::plain(1).at(START_MS);
    for copies in 1..4 {
        write(&mut cluster, "t", &batch, at(0));
        assert_eq!(log(&cluster).0, copies);
    }
}
