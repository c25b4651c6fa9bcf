//! Our producer and the embedded broker with the Kafka-mode proxy between them: the course's experiment, and every fault
//! that knows Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a panic is the report, and one of them measures time"
)]

#[path = "chaos_kafka/network.rs"]
mod network;

use std::net::SocketAddr;
use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig};
use facteur::chaos::definition::Protocol;
use facteur::chaos::events::{ChaosEvent, ChaosEventKind};
use facteur::chaos::view::{NewProxy, NewToxic, ProxyChange};
use facteur::chaos::{Injector, InjectorOptions};
use facteur::cli::client::Client;
use facteur::{DeliveryReport, Outcome, Producer, ProducerConfig, Record};
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Long enough for a busy machine; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker with a topic `t` of three partitions, and the proxy `kafka` in front of it.
struct Path {
    broker: Broker,
    injector: Injector,
    proxy: SocketAddr,
    events: broadcast::Receiver<ChaosEvent>,
}

impl Path {
    async fn new() -> Self {
        Self::with(Protocol::Auto).await
    }

    async fn with(protocol: Protocol) -> Self {
        let config = BrokerConfig {
            topics: vec![("t".to_owned(), 3)],
            auto_create_topics: false,
            ..BrokerConfig::default()
        };
        let broker = Broker::start(config).await.expect("a free port");
        let injector = Injector::new(InjectorOptions::default());
        let mut wanted = NewProxy::new("kafka", "127.0.0.1:0", broker.bootstrap().to_string());
        wanted.protocol = protocol;
        let view = injector.create(wanted).await.unwrap().value;
        let events = injector.subscribe();
        Self { broker, injector, proxy: view.listen.parse().unwrap(), events }
    }

    /// A producer that was told of the proxy alone, with its connections open.
    async fn producer(&self, properties: &[(&str, &str)]) -> Producer {
        let producer = producer(&self.proxy.to_string(), properties);
        self.warm(&producer).await;
        producer
    }

    /// A warm connection: the first send would otherwise meet the fault before it meets the broker.
    async fn warm(&self, producer: &Producer) {
        let report = producer.send_and_wait(to_partition_1(b"warm")).await.expect("a first send");
        assert_eq!(report.partition(), 1);
    }

    fn arm(&self, type_name: &str, attributes: &Value) {
        let attributes = attributes.as_object().expect("an object").clone();
        self.injector.add_toxic("kafka", &NewToxic::new(type_name, attributes)).unwrap();
    }

    fn fired(&self, toxic: &str) -> Value {
        self.injector.toxic("kafka", toxic).unwrap().attributes["fired"].clone()
    }

    /// How often a value is in the log.
    fn copies(&self, value: &str) -> usize {
        (0..3)
            .flat_map(|partition| self.broker.log("t", partition))
            .map(|batch| {
                let text = String::from_utf8_lossy(&batch.bytes).into_owned();
                text.matches(value).count()
            })
            .sum()
    }

    /// The next fault that a toxic caused.
    async fn next_fault(&mut self) -> ChaosEvent {
        let next = async {
            loop {
                let event = self.events.recv().await.expect("an event");
                if matches!(event.kind, ChaosEventKind::FaultFired { .. }) {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a fault in time")
    }

    async fn stop(self, producers: &[Producer]) {
        for producer in producers {
            producer.close(Duration::from_secs(5)).await;
        }
        self.injector.stop().await;
        self.broker.stop().await;
    }
}

fn producer(bootstrap: &str, properties: &[(&str, &str)]) -> Producer {
    let mut builder = ProducerConfig::builder(bootstrap);
    let all = [
        ("request.timeout.ms", "5000"),
        ("delivery.timeout.ms", "15000"),
        ("max.block.ms", "5000"),
        ("linger.ms", "0"),
        ("retry.backoff.ms", "10"),
        ("reconnect.backoff.ms", "10"),
        ("facteur.late.resolution.ms", "2000"),
    ];
    for (name, value) in all.iter().chain(properties) {
        builder = builder.property(name, value);
    }
    Producer::new(builder.build().expect("valid settings")).expect("a producer")
}

fn to_partition_1(value: &[u8]) -> Record<'_> {
    Record::to("t").partition(1).value(value)
}

async fn send(producer: &Producer, value: &str) -> DeliveryReport {
    producer.send_and_wait(to_partition_1(value.as_bytes())).await.expect("delivered")
}

const PLAIN: &[(&str, &str)] = &[("enable.idempotence", "false"), ("acks", "1"), ("client.id", "plain")];
const IDEMPOTENT: &[(&str, &str)] = &[("enable.idempotence", "true"), ("client.id", "idempotent")];

// Module 02's sentence: a lost acknowledgement stores a plain record twice and an idempotent one once. Fails if the fault
// hits another client's answer (D-61), or if it is not told who was hit.
#[tokio::test]
async fn a_lost_answer_stores_a_plain_record_twice_and_an_idempotent_one_once() {
    let mut path = Path::new().await;
    let plain = path.producer(PLAIN).await;
    let idempotent = path.producer(IDEMPOTENT).await;
    for (producer, client, value, copies) in
        [(&plain, "plain", "value-of-plain", 2), (&idempotent, "idempotent", "value-of-idempotent", 1)]
    {
        path.arm("drop_response", &json!({"api": "Produce", "topic": "t", "clientId": client}));

        let report = send(producer, value).await;

        assert_eq!(report.details().attempts, 2, "{client}");
        assert_eq!(path.copies(value), copies, "{client}");
        assert_eq!(path.fired("drop_response_downstream"), json!(1));
        let event = path.next_fault().await;
        let request = event.request.as_ref().expect("the request");
        assert_eq!((request.api_key, request.client_id.as_deref()), (0, Some(client)));
        assert_eq!(request.topics.iter().map(|topic| &**topic).collect::<Vec<_>>(), ["t"]);
        let connection = event.connection.expect("the connection");
        assert_eq!((event.proxy.as_deref(), connection.listener), (Some("kafka"), path.proxy));
        assert_eq!(connection.server.map(|server| server.port()), Some(path.broker.bootstrap().port));
        path.injector.remove_toxic("kafka", "drop_response_downstream").unwrap();
    }
    path.stop(&[plain, idempotent]).await;
}

// The course's bug: after the first Metadata answer every client dialled the broker itself. Fails if any address but the
// proxy's is told, or if a producer still gets through while the proxy is down.
#[tokio::test]
async fn no_client_leaves_the_faulty_path() {
    let path = Path::new().await;
    let mut client = Client::connect(&path.proxy.to_string(), PATIENCE).await.unwrap();
    let metadata = client.metadata(None).await.unwrap();
    let told: Vec<String> =
        metadata.brokers.iter().map(|broker| format!("{}:{}", broker.host, broker.port)).collect();
    assert_eq!(told, [path.proxy.to_string()]);

    let settings = [PLAIN, &[("delivery.timeout.ms", "1000"), ("request.timeout.ms", "500")]].concat();
    let plain = path.producer(&settings).await;
    let down = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    path.injector.update("kafka", &down).await.unwrap();
    let lost = plain.send_and_wait(to_partition_1(b"while down")).await.expect_err("nobody can be reached");
    assert_eq!(path.copies("while down"), 0, "{lost}");

    let up = ProxyChange { enabled: Some(true), ..ProxyChange::default() };
    path.injector.update("kafka", &up).await.unwrap();
    send(&plain, "once more").await;
    assert_eq!(path.copies("once more"), 1);
    path.stop(&[plain]).await;
}

// An error that can be retried: the injector says it, the broker saw nothing, so one copy even from a plain producer.
#[tokio::test]
async fn an_injected_error_is_retried_and_stores_nothing_itself() {
    let path = Path::new().await;
    let plain = path.producer(PLAIN).await;
    path.arm("error_response", &json!({"api": "Produce", "code": "NOT_LEADER_OR_FOLLOWER"}));

    let report = send(&plain, "after-an-error").await;

    assert_eq!(report.details().attempts, 2);
    assert_eq!(path.copies("after-an-error"), 1);
    assert_eq!(path.fired("error_response_downstream"), json!(1));
    path.stop(&[plain]).await;
}

// An error that cannot be retried reaches the caller as what it is, and the record is certainly not in the log.
#[tokio::test]
async fn an_injected_refusal_reaches_the_caller() {
    let path = Path::new().await;
    let idempotent = path.producer(IDEMPOTENT).await;
    path.arm("error_response", &json!({"api": "Produce", "code": 29}));

    let refused = idempotent.send_and_wait(to_partition_1(b"refused")).await.expect_err("29 is final");

    assert_eq!(refused.outcome(), Outcome::Rejected, "{refused}");
    assert!(refused.to_string().contains("TOPIC_AUTHORIZATION_FAILED"), "{refused}");
    assert_eq!(path.copies("refused"), 0);
    send(&idempotent, "afterwards").await;
    assert_eq!(path.copies("afterwards"), 1);
    path.stop(&[idempotent]).await;
}

// A network that repeats: the client sees one success either way; only the broker's memory of sequences helps.
#[tokio::test]
async fn a_repeated_request_is_stored_twice_unless_it_is_numbered() {
    let path = Path::new().await;
    for (settings, value, copies) in [(PLAIN, "repeated-plain", 2), (IDEMPOTENT, "repeated-idempotent", 1)] {
        let producer = path.producer(settings).await;
        path.arm("duplicate_request", &json!({"api": "Produce"}));

        let report = send(&producer, value).await;
        // The second answer is not taken for this one's.
        send(&producer, "next").await;

        assert_eq!(report.details().attempts, 1);
        assert_eq!(path.copies(value), copies, "{value}");
        path.injector.remove_toxic("kafka", "duplicate_request_downstream").unwrap();
        producer.close(Duration::from_secs(5)).await;
    }
    path.stop(&[]).await;
}

// The request arrives whole, then the connection ends: what a broker that dies just after the append looks like.
#[tokio::test]
async fn a_connection_closed_behind_a_request_is_a_lost_answer() {
    let path = Path::new().await;
    for (settings, value, copies) in [(PLAIN, "closed-plain", 2), (IDEMPOTENT, "closed-idempotent", 1)] {
        let producer = path.producer(settings).await;
        path.arm("close_after_request", &json!({"api": "Produce"}));

        let report = send(&producer, value).await;

        assert_eq!(report.details().attempts, 2);
        assert_eq!(path.copies(value), copies, "{value}");
        path.injector.remove_toxic("kafka", "close_after_request_downstream").unwrap();
        producer.close(Duration::from_secs(5)).await;
    }
    path.stop(&[]).await;
}

// A late answer: within the request timeout it is only late; beyond it the client asks again.
#[tokio::test]
async fn a_late_answer_is_waited_for_up_to_the_request_timeout() {
    let path = Path::new().await;
    let patient = path.producer(PLAIN).await;
    path.arm("delay_response", &json!({"api": "Produce", "delay": 300, "count": 1}));
    let begin = tokio::time::Instant::now();
    let report = send(&patient, "late").await;
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!((report.details().attempts, path.copies("late")), (1, 1));
    path.injector.remove_toxic("kafka", "delay_response_downstream").unwrap();

    let hasty = path.producer(&[PLAIN, &[("request.timeout.ms", "400")]].concat()).await;
    path.arm("delay_response", &json!({"api": "Produce", "delay": 60_000, "count": 1}));
    let report = send(&hasty, "too-late").await;
    assert_eq!((report.details().attempts, path.copies("too-late")), (2, 2));
    path.stop(&[patient, hasty]).await;
}

// For an outside Kafka whose answers nobody rewrites: the map sends the advertised address to the proxy when dialling
// (KAFKA_ADDRESS_MAP). Here the proxy knows bytes only. Fails if the producer ever dials the broker itself.
#[tokio::test]
async fn an_address_map_keeps_a_producer_on_the_path_at_dial_time() {
    let path = Path::with(Protocol::Tcp).await;
    let mut client = Client::connect(&path.proxy.to_string(), PATIENCE).await.unwrap();
    let broker = path.broker.bootstrap();
    let told = client.metadata(None).await.unwrap().brokers;
    assert_eq!(told.first().map(|told| told.port), Some(broker.port), "nothing is rewritten");

    let map = format!("{broker}={}", path.proxy);
    let settings = [
        PLAIN,
        &[("facteur.address.map", &map), ("delivery.timeout.ms", "1000"), ("request.timeout.ms", "500")],
    ]
    .concat();
    let mapped = producer(&broker.to_string(), &settings);
    path.warm(&mapped).await;
    let down = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    path.injector.update("kafka", &down).await.unwrap();
    let lost = mapped.send_and_wait(to_partition_1(b"while down")).await.expect_err("the path is down");
    assert_eq!(path.copies("while down"), 0, "{lost}");

    // A producer without the map leaves the path after the first answer: the course's bug, as a counter-proof.
    let up = ProxyChange { enabled: Some(true), ..ProxyChange::default() };
    path.injector.update("kafka", &up).await.unwrap();
    let bypassing = path.producer(PLAIN).await;
    path.injector.update("kafka", &down).await.unwrap();
    send(&bypassing, "bypassed").await;
    assert_eq!(path.copies("bypassed"), 1);
    path.stop(&[mapped, bypassing]).await;
}

// A filter that could never match would make an experiment prove nothing; and faults that know Kafka need a proxy that
// does.
#[tokio::test]
async fn toxics_that_cannot_work_are_refused() {
    let path = Path::new().await;
    let bad = NewToxic::new("drop_response", json!({"api": "Prodduce"}).as_object().unwrap().clone());
    let refused = path.injector.add_toxic("kafka", &bad).unwrap_err();
    assert!(refused.to_string().contains("Prodduce"), "{refused}");
    path.stop(&[]).await;

    let bytes_only = Path::with(Protocol::Tcp).await;
    let good = NewToxic::new("drop_response", json!({}).as_object().unwrap().clone());
    let refused = bytes_only.injector.add_toxic("kafka", &good).unwrap_err();
    assert!(refused.to_string().contains("tcp"), "{refused}");
    bytes_only.stop(&[]).await;
}
