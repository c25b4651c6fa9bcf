//! A broker on a free port, a producer for it, and a look into the log.

use std::sync::Once;
use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig};
use facteur::wire::record_batch_reader::BatchView;
use facteur::{Producer, ProducerConfig};

/// Events on stderr when `RUST_LOG` is set.
pub fn trace() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("RUST_LOG").is_some() {
            tracing_subscriber::fmt()
                .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
                .init();
        }
    });
}

/// A broker with one topic `t`.
pub async fn broker(partitions: i32) -> Broker {
    trace();
    let config = BrokerConfig {
        topics: vec![("t".to_owned(), partitions)],
        auto_create_topics: false,
        ..BrokerConfig::default()
    };
    Broker::start(config).await.expect("a free port")
}

/// A producer with lab-scale timeouts and these properties on top.
pub fn producer(broker: &Broker, properties: &[(&str, &str)]) -> Producer {
    let mut builder = ProducerConfig::builder(&broker.bootstrap().to_string());
    let mut all = vec![
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "8000"),
        ("max.block.ms", "2000"),
        ("linger.ms", "5"),
        ("facteur.late.resolution.ms", "2000"),
    ];
    all.extend_from_slice(properties);
    for (name, value) in all {
        builder = builder.property(name, value);
    }
    Producer::new(builder.build().expect("valid settings")).expect("a producer")
}

/// The values of a partition's log, in order.
pub fn values(broker: &Broker, partition: i32) -> Vec<String> {
    let mut values = Vec::new();
    for batch in broker.log("t", partition) {
        for record in
            BatchView::parse(&batch.bytes).expect("a batch").records(&Default::default()).expect("readable")
        {
            let value = record.expect("readable").value.unwrap_or_default();
            values.push(String::from_utf8_lossy(&value).into_owned());
        }
    }
    values
}

/// Long enough for anything that is going to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
