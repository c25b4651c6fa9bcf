//! Broker, injector and producer, and what is open between them.

use std::net::SocketAddr;

use facteur::broker::{Broker, BrokerConfig};
use facteur::chaos::definition::Protocol;
use facteur::chaos::view::NewProxy;
use facteur::chaos::{Injector, InjectorOptions};
use facteur::wire::record_batch_reader::BatchView;
use facteur::{Producer, ProducerConfig};

use crate::oracle::{FinalLog, Found, Lane};
use crate::workload::{LANES, TOPIC, content, id_of};

/// The name of the only proxy.
pub const PROXY: &str = "kafka";

/// Short, so that many faults fit in seconds; each fault is over long before a record's time is.
const SETTINGS: &[(&str, &str)] = &[
    ("request.timeout.ms", "400"),
    ("delivery.timeout.ms", "30000"),
    ("max.block.ms", "30000"),
    ("linger.ms", "2"),
    ("batch.size", "600"),
    ("retry.backoff.ms", "20"),
    ("retry.backoff.max.ms", "200"),
    ("reconnect.backoff.ms", "20"),
    ("reconnect.backoff.max.ms", "200"),
    ("socket.connection.setup.timeout.ms", "500"),
    ("socket.connection.setup.timeout.max.ms", "1000"),
    ("facteur.late.resolution.ms", "2000"),
];

pub struct Path {
    pub broker: Broker,
    pub injector: Injector,
    proxy: SocketAddr,
}

impl Path {
    pub async fn new() -> Self {
        let config = BrokerConfig {
            topics: vec![(TOPIC.to_owned(), i32::try_from(LANES).unwrap())],
            auto_create_topics: false,
            ..BrokerConfig::default()
        };
        let broker = Broker::start(config).await.expect("a free port");
        let injector = Injector::new(InjectorOptions::default());
        let mut wanted = NewProxy::new(PROXY, "127.0.0.1:0", broker.bootstrap().to_string());
        wanted.protocol = Protocol::Auto;
        let proxy = injector.create(wanted).await.unwrap().value.listen.parse().unwrap();
        Self { broker, injector, proxy }
    }

    pub fn producer(&self, settings: &[(&str, &str)]) -> Producer {
        let mut builder = ProducerConfig::builder(&self.proxy.to_string());
        for (name, value) in SETTINGS.iter().chain(settings) {
            builder = builder.property(name, value);
        }
        Producer::new(builder.build().expect("valid settings")).expect("a producer")
    }

    /// Every record of every lane, read out of the broker's memory.
    pub fn read(&self) -> FinalLog {
        let mut log = FinalLog::new();
        for lane in 0..LANES {
            for batch in self.broker.log(TOPIC, i32::try_from(lane).unwrap()) {
                let view = BatchView::parse(&batch.bytes).expect("a batch");
                for (offset, record) in (batch.base_offset..).zip(view.records(&Default::default()).unwrap())
                {
                    let value = record.unwrap().value.unwrap_or_default();
                    log.found(Lane(lane), Found { offset, id: id_of(&value), content: content(&value) });
                }
            }
        }
        log
    }

    pub async fn stop(self) {
        self.injector.stop().await;
        self.broker.stop().await;
    }
}

/// Sockets that this process has open; 0 where the system does not tell.
pub fn open_sockets() -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return 0 };
    let is_socket = |entry: &std::fs::DirEntry| {
        std::fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    };
    entries.flatten().filter(is_socket).count() as u64
}
