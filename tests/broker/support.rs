//! A cluster without a server: no socket, and a clock of the test's own.

use facteur::broker::BrokerConfig;
use facteur::broker::cluster::{Cluster, Now, Written};
use facteur::broker::log_validator::{Rules, single_batch, validate};
use facteur::broker::topic_config::TopicConfig;
use facteur::time::Instant;

use crate::batch::{Batch, Pair};

pub const START_MS: i64 = 1_800_000_000_000;

pub fn at(ms: i64) -> Now {
    Now { instant: Instant::from_millis(ms.unsigned_abs()), wall_ms: START_MS + ms }
}

pub fn cluster(config: &BrokerConfig) -> Cluster {
    Cluster::new(config.cluster_settings(), at(0), 42)
}

pub fn write(cluster: &mut Cluster, topic: &str, batch: &Batch, now: Now) -> Written {
    let bytes = batch.bytes().into();
    let view = single_batch(Some(&bytes)).unwrap();
    let config = &cluster.topic(topic).unwrap().config;
    let rules = Rules { produce_version: 9, topic: config, now_ms: now.wall_ms };
    let valid = validate(&view, &bytes, &rules).unwrap();
    cluster.write(topic, 0, &valid, now).unwrap()
}

pub fn offset(written: Written) -> i64 {
    match written {
        Written::At { base_offset, .. } => base_offset,
        Written::Refused { code, .. } => panic!("refused with {code}"),
    }
}

/// A topic of one partition with these settings.
pub fn create(cluster: &mut Cluster, topic: &str, settings: &[(&str, &str)]) {
    let pairs: Vec<(String, Option<String>)> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    cluster.create_topic(topic, 1, TopicConfig::from_pairs(&pairs).unwrap(), at(0)).unwrap();
}

/// What a consumer reads from the beginning: offset, key and value. Fails if a checksum does not fit.
pub fn read(cluster: &Cluster, topic: &str) -> Vec<(i64, Pair)> {
    let mut found = Vec::new();
    for batch in cluster.batches(topic, 0) {
        let view = facteur::wire::record_batch_reader::BatchView::parse(&batch.bytes).unwrap();
        view.check_crc().unwrap();
        assert_eq!(view.base_offset, batch.base_offset);
        for record in batch.records().unwrap() {
            let pair = (record.key.map(|key| key.to_vec()), record.value.map(|value| value.to_vec()));
            found.push((batch.base_offset + i64::from(record.offset_delta), pair));
        }
    }
    found
}

/// The same as text, `offset key=value`; `∅` is null.
pub fn table(cluster: &Cluster, topic: &str) -> Vec<String> {
    let text = |bytes: Option<Vec<u8>>| {
        bytes.map_or_else(|| "∅".to_owned(), |bytes| String::from_utf8(bytes).unwrap())
    };
    read(cluster, topic)
        .into_iter()
        .map(|(offset, (key, value))| format!("{offset} {}={}", text(key), text(value)))
        .collect()
}
