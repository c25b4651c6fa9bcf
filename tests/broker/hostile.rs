//! Bytes of someone who means harm or is no Kafka client at all: E01, E02, E03, E06.

use std::time::Duration;

use facteur::broker::{Broker, BrokerConfig};
use facteur::wire::api::ApiKey;

use crate::batch::{Batch, Lie};
use crate::client::{Client, broker_with};

async fn is_closed_by(broker: &Broker, bytes: &[u8]) -> bool {
    let mut client = Client::connect(&broker.bootstrap()).await;
    client.send_raw(bytes).await;
    client.receive().await.is_none()
}

// E01: a length is a claim; nothing is allocated for it.
#[tokio::test]
async fn e01_impossible_frame_lengths_close_the_connection() {
    let broker = broker_with(&[]).await;
    for length in [i32::MAX, -1, i32::MIN, 100 * 1024 * 1024 + 1] {
        assert!(is_closed_by(&broker, &length.to_be_bytes()).await, "{length}");
    }
    assert!(is_closed_by(&broker, b"GET / HTTP/1.1\r\n\r\n").await);
    assert!(is_closed_by(&broker, &[0, 0, 0, 0]).await, "an empty frame has no header");
}

// E02: every array of every request, with a count of 2^31 - 1 and nothing behind it.
#[tokio::test]
async fn e02_impossible_counts_close_the_connection() {
    let broker = broker_with(&[]).await;
    for api in ApiKey::ALL {
        for version in 0..=12_i16 {
            for lead in 0..24_usize {
                let mut writer = facteur::wire::writer::Writer::request(api, version, 1, "hostile");
                writer.raw(&vec![0; lead]);
                writer.raw(&[0x7f, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff]);
                let mut client = Client::connect(&broker.bootstrap()).await;
                client.send_raw(&writer.finish()).await;
                client.send_end().await;
                // Whatever it is read as, the broker answers or closes, and lives.
                while client.receive().await.is_some() {
                    assert!(api_can_be_read(api, version), "{api:?} {version} {lead}");
                }
            }
        }
    }
    assert_eq!(Client::connect(&broker.bootstrap()).await.create_topic("alive", &[]).await, 0);
}

/// Whether the broker serves the version at all; those that it does may read the bytes as something.
fn api_can_be_read(api: ApiKey, version: i16) -> bool {
    matches!(api, ApiKey::ApiVersions) || facteur::broker::handlers::advertised_range(api).contains(version)
}

// E03: a payload that unpacks to far more than it may is refused, not unpacked.
#[tokio::test]
async fn e03_a_decompression_bomb_is_refused() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let bomb = Batch::plain(1).sized(80 * 1024 * 1024).compressed(facteur::Compression::Zstd(3)).bytes();
    assert!(bomb.len() < 1_000_000, "{} bytes", bomb.len());

    assert_eq!(client.produce("orders", &bomb).await.unwrap().code, 2);

    assert_eq!(broker.high_watermark("orders", 0), Some(0));
}

// A snappy header may claim 4 GiB in five bytes; other codecs meet noise.
#[tokio::test]
async fn e03_payloads_that_are_not_their_codec_are_refused() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    for codec in 1..=4_u8 {
        let attributes: &'static [u8] = Box::leak(Box::new([0, codec]));
        let noise = Batch::plain(3).sized(100).lie(Lie::Header(21, attributes)).bytes();
        let code = client.produce("orders", &noise).await.unwrap().code;
        assert_eq!(code, 2, "codec {codec}");
    }
    assert_eq!(broker.high_watermark("orders", 0), Some(0));
}

// E06: silent and half-sent connections end, and there are never more than the limit.
#[tokio::test]
async fn e06_idle_and_surplus_connections_are_closed() {
    let config = BrokerConfig {
        max_connections: 2,
        max_idle: Duration::from_millis(200),
        frame_timeout: Duration::from_millis(200),
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).await.unwrap();
    let mut silent = Client::connect(&broker.bootstrap()).await;
    let mut half = Client::connect(&broker.bootstrap()).await;
    half.send_raw(&[0, 0, 0, 10, 1]).await;
    let mut surplus = Client::connect(&broker.bootstrap()).await;

    assert_eq!(surplus.receive().await, None);
    assert_eq!(silent.receive().await, None);
    assert_eq!(half.receive().await, None);
}

// N16: a Produce request is cut after k bytes, for every k, and the connection ends. Fails if a part of a frame is acted on,
// or if the whole one is not.
#[tokio::test]
async fn n16_a_produce_request_cut_anywhere_is_not_acted_on() {
    let broker = broker_with(&[("orders", 1)]).await;
    let records = Batch::of(1, 0, 0, 3).bytes();
    let mut writer = facteur::wire::writer::Writer::request(ApiKey::Produce, 7, 1, "cut");
    writer.nullable_string(None);
    writer.i16(-1);
    writer.i32(5_000);
    writer.array_of(&[0], |writer, partition| {
        writer.string("orders");
        writer.array_of(&[*partition], |writer, partition| {
            writer.i32(*partition);
            writer.length(Some(records.len()));
            writer.raw(&records);
        });
    });
    let whole = writer.finish();
    for length in 0..=whole.len() {
        assert_eq!(broker.log("orders", 0).len(), 0, "cut after {} bytes", length.saturating_sub(1));
        let mut client = Client::connect(&broker.bootstrap()).await;
        client.send_raw(&whole[..length]).await;
        client.send_end().await;
        let is_answered = client.receive().await.is_some();
        assert_eq!(is_answered, length == whole.len(), "cut after {length} bytes");
    }
    assert_eq!(broker.log("orders", 0).len(), 1);
}
