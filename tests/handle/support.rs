//! A broker, a producer for it, a look into the log, and what must hold when everything is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use facteur::broker::{Broker, BrokerConfig};
use facteur::wire::record_batch_reader::BatchView;
use facteur::{Producer, ProducerConfig, ProducerConfigBuilder};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A broker with one topic `t` of two partitions.
pub async fn broker() -> Broker {
    let config = BrokerConfig {
        topics: vec![("t".to_owned(), 2)],
        auto_create_topics: false,
        ..BrokerConfig::default()
    };
    Broker::start(config).await.expect("a free port")
}

/// Lab-scale settings with these on top.
pub fn settings(broker: &Broker, properties: &[(&str, &str)]) -> ProducerConfigBuilder {
    let mut builder = ProducerConfig::builder(&broker.bootstrap().to_string());
    let usual = [
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "8000"),
        ("max.block.ms", "4000"),
        ("retry.backoff.ms", "5"),
        ("linger.ms", "1"),
    ];
    for (name, value) in usual.iter().chain(properties) {
        builder = builder.property(name, value);
    }
    builder
}

pub fn producer(broker: &Broker, properties: &[(&str, &str)]) -> Producer {
    Producer::new(settings(broker, properties).build().expect("valid settings")).expect("a producer")
}

/// How often each value is in the log of `t`.
pub fn copies(broker: &Broker) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for batch in (0..2).flat_map(|partition| broker.log("t", partition)) {
        let view = BatchView::parse(&batch.bytes).expect("a batch");
        for record in view.records(&Default::default()).expect("readable") {
            let value = record.expect("readable").value.unwrap_or_default();
            *copies.entry(String::from_utf8_lossy(&value).into_owned()).or_insert(0) += 1;
        }
    }
    copies
}

/// [OUT-5], MEM: every accepted record has exactly one outcome, and every permit is back. The memory of what was on a
/// thread of its own, or in a socket, may come a moment later.
pub fn assert_nothing_leaked(producer: &Producer, what: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let now = producer.statistics();
        let ended = now.records_acknowledged + now.records_rejected + now.records_unknown;
        if ended == now.records_accepted && now.buffer_available_bytes == now.buffer_total_bytes {
            return;
        }
        assert!(Instant::now() < until, "{what}: {now:?}");
        std::thread::yield_now();
    }
}
