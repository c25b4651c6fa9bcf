//! Bad input and hostile peers: a clear error, and nothing accepted is lost.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use facteur::broker::{Fault, FaultAction};
use facteur::{Error, Outcome, Producer, ProducerConfig, Record, TrySendError};

use super::support::{PATIENCE, broker, producer, trace, values};

// C4: a topic that does not exist is waited for, then named, with what the cluster says.
#[tokio::test]
async fn an_unknown_topic_is_named_after_max_block() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("max.block.ms", "300")]);

    let error = producer.send(Record::to("nowhere").value(b"v")).await.expect_err("no such topic");

    let text = error.to_string();
    assert!(matches!(error, Error::TopicNotAvailable { .. }), "{text}");
    assert!(text.contains("nowhere") && text.contains("UNKNOWN_TOPIC_OR_PARTITION"), "{text}");
    assert_eq!(
        producer.try_send(Record::to("nowhere").value(b"v")).expect_err("not there"),
        TrySendError::NotReady
    );
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C5, C6, C7 and the record's own faults: told at once, naming value and limit.
#[tokio::test]
async fn impossible_records_are_refused_with_the_limit() {
    let broker = broker(2).await;
    let producer = producer(&broker, &[("max.block.ms", "200"), ("max.request.size", "10000")]);
    let large = vec![b'x'; 20_000];

    let cases: [(Record<'_>, &str); 6] = [
        (Record::to("a b").value(b"v"), "invalid topic name \"a b\""),
        (Record::to("").value(b"v"), "invalid topic name"),
        (Record::to("t").partition(7).value(b"v"), "has 2 partitions, 0 to 1; partition 7"),
        (Record::to("t").partition(-1).value(b"v"), "negative"),
        (Record::to("t").timestamp_ms(-5).value(b"v"), "negative"),
        (Record::to("t").value(&large), "max.request.size=10000"),
    ];
    for (record, expected) in cases {
        let error = producer.send(record).await.expect_err(expected);
        assert!(error.to_string().contains(expected), "{error} should say {expected}");
        assert_eq!(error.outcome(), Outcome::Rejected);
    }

    assert!(matches!(producer.try_send(Record::to("t").value(&large)), Err(TrySendError::TooLarge(_))));
    producer.send_and_wait(Record::to("t").value(b"still works")).await.expect("delivered");
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// A full buffer refuses, and what was accepted before arrives when the broker answers again.
#[tokio::test]
async fn a_full_buffer_refuses_and_loses_nothing() {
    let broker = broker(1).await;
    let producer = producer(
        &broker,
        &[
            ("buffer.memory", "65536"),
            ("batch.size", "16384"),
            ("max.block.ms", "100"),
            ("max.request.size", "32768"),
        ],
    );
    producer.send_and_wait(Record::to("t").value(b"warm")).await.expect("delivered");
    broker.faults().arm(Fault::new(0, FaultAction::DelayAnswer(Duration::from_millis(600))));
    let value = vec![b'v'; 1000];
    let mut accepted = Vec::new();

    let refused = loop {
        match producer.send(Record::to("t").value(&value)).await {
            Ok(delivery) => accepted.push(delivery),
            Err(error) => break error,
        }
        assert!(accepted.len() < 200, "64 KiB hold no 200 records of 1 kB");
    };

    assert!(matches!(refused, Error::BufferFull { buffer_memory_bytes: 65_536, .. }), "{refused}");
    assert_eq!(producer.try_send(Record::to("t").value(&value)).expect_err("full"), TrySendError::Full);
    let count = accepted.len();
    for delivery in accepted {
        delivery.await.expect("accepted, so delivered");
    }
    assert_eq!(values(&broker, 0).len(), count + 1);
    let statistics = producer.statistics();
    assert_eq!(
        statistics.buffer_available_bytes, statistics.buffer_total_bytes,
        "[MEM-1] everything came back"
    );
    producer.close(PATIENCE).await;
    broker.stop().await;
}

// C9: a closed producer says so at once, and closing twice is fine.
#[tokio::test]
async fn a_closed_producer_refuses_at_once() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[]);
    let pending = producer.send(Record::to("t").value(b"v")).await.expect("accepted");

    let first = producer.close(PATIENCE).await;
    let second = producer.close(PATIENCE).await;

    assert_eq!((first.acknowledged, second.acknowledged), (1, 0));
    pending.await.expect("delivered by the close");
    assert_eq!(producer.send(Record::to("t").value(b"late")).await.expect_err("closed"), Error::Closed);
    assert_eq!(producer.send(Record::to("new").value(b"late")).await.expect_err("closed"), Error::Closed);
    assert!(matches!(
        producer.try_send(Record::to("t").value(b"late")),
        Err(TrySendError::Failed(Error::Closed))
    ));
    assert_eq!(producer.ready(PATIENCE).await.expect_err("closed"), Error::Closed);
    broker.stop().await;
}

// C05, [OUT-5]: dropping the last handle resolves what is pending; nobody waits for ever.
#[tokio::test]
async fn dropping_the_producer_resolves_what_is_pending() {
    let broker = broker(1).await;
    let producer = producer(&broker, &[("linger.ms", "60000"), ("delivery.timeout.ms", "120000")]);
    producer.topic("t").await.expect("known");
    let pending = producer.send(Record::to("t").value(b"v")).await.expect("accepted");

    drop(producer);

    let error = pending.await.expect_err("never sent");
    assert_eq!(error.outcome(), Outcome::Rejected, "{error}");
    assert!(values(&broker, 0).is_empty());
    broker.stop().await;
}

// Nobody listens there: the error names the address and what happened.
#[tokio::test]
async fn a_bootstrap_server_that_refuses_is_named() {
    trace();
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    for (servers, expected) in [
        (format!("127.0.0.1:{}", free.port()), free.to_string()),
        ("no-such-host.invalid:9092".to_owned(), "does not resolve".to_owned()),
    ] {
        let config =
            ProducerConfig::builder(&servers).property("max.block.ms", "300").build().expect("valid");
        let producer = Producer::new(config).expect("starts all the same");

        let ready = producer.ready(Duration::from_millis(300)).await.expect_err("nobody there");
        let send = producer.send(Record::to("t").value(b"v")).await.expect_err("nobody there");

        assert!(ready.to_string().contains(&expected), "{ready} should contain {expected}");
        assert!(send.to_string().contains(&expected), "{send} should contain {expected}");
        producer.close(PATIENCE).await;
    }
}

// N28: a peer that is no broker. Each is told what it seems to be, and nothing is allocated by its claims.
#[test]
fn a_peer_that_is_no_broker_is_recognised() {
    trace();
    let cases: [(&'static [u8], &str); 7] = [
        (b"", "request.timeout.ms=100"),
        // ApiVersions that claims two thousand million entries in a few bytes.
        (b"\x00\x00\x00\x0b\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x07", "ApiVersions"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "TLS"),
        (b"\x7f\xff\xff\xff lots", "2147483647"),
        (b"\xff\xff\xff\xff lots", "-1"),
        (b"\x00\x00\x00\x04\x00\x00\x30\x39", "12345"),
    ];
    for (answer, expected) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let is_over = Arc::new(AtomicBool::new(false));
        let peer_is_over = Arc::clone(&is_over);
        let peer = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                if peer_is_over.load(Ordering::Relaxed) {
                    return;
                }
                let mut request = [0; 64];
                let _read = stream.read(&mut request);
                let _written = stream.write_all(answer);
                let _rest = stream.read(&mut request);
            }
        });
        let config = ProducerConfig::builder(&address.to_string())
            .property("request.timeout.ms", "100")
            .build()
            .expect("valid");
        let producer = Producer::new(config).expect("starts");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");

        let mut told = String::new();
        for _ in 0..100 {
            if told.contains(expected) {
                break;
            }
            let error = runtime.block_on(producer.ready(Duration::from_millis(50))).expect_err("no broker");
            told = error.to_string();
        }

        assert!(told.contains(expected), "{told} should contain {expected}");
        producer.close_blocking(PATIENCE);
        is_over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(address));
        peer.join().expect("the peer ends");
    }
}
