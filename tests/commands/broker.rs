//! Embedded brokers: as a program of its own, or in this process where faults can be armed.

use facteur::broker::{Broker, BrokerConfig, Fault, Listener};
use tokio::runtime::Runtime;

use crate::binary::{Running, facteur};

/// The topic of these tests.
pub const TOPIC: &str = "bhf-transactions";

/// A broker as a program, with [`TOPIC`] in three partitions.
pub fn program() -> (Running, String) {
    let running =
        Running::start(facteur(&["broker", "--kafka-port", "0", "--json", "-t", "bhf-transactions:3"]));
    let address = running.first["kafka"][0].as_str().unwrap().to_owned();
    (running, address)
}

/// A broker in this process.
pub struct InProcess {
    broker: Option<Broker>,
    runtime: Runtime,
    pub address: String,
}

impl InProcess {
    /// With [`TOPIC`] in as many partitions, and a fault.
    pub fn with_fault(partitions: i32, fault: Fault) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener =
            Listener { name: "PLAINTEXT".to_owned(), bind: "127.0.0.1:0".parse().unwrap(), advertised: None };
        let config = BrokerConfig {
            listeners: vec![listener],
            topics: vec![(TOPIC.to_owned(), partitions)],
            ..BrokerConfig::default()
        };
        let broker = runtime.block_on(Broker::start(config)).unwrap();
        let _armed = broker.handle().faults().arm(fault);
        let address = broker.bootstrap().to_string();
        Self { broker: Some(broker), runtime, address }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.stop());
        }
    }
}
