//! What the deduplication table (`tests/dedup/`, run by `tests/dedup.rs`) leaves out: acks, and a retry with other acks.
//!
//! `FACTEUR_KAFKA_BOOTSTRAP=host:port` names a real broker for those tests here that tell their story to one as well.
//! D17 needs the clock and stands in `retention.rs`. Not here: the rows D1 to D20.

use facteur::HostPort;

use crate::batch::{Batch, Lie};
use crate::client::{Client, broker_with};

/// A producer id that no broker has given out.
const ID: i64 = 7_000_000_000;

/// The broker under test: our own, or the one that the environment names.
pub fn real_kafka() -> Option<HostPort> {
    let address = std::env::var("FACTEUR_KAFKA_BOOTSTRAP").ok()?;
    let (host, port) = address.rsplit_once(':').expect("FACTEUR_KAFKA_BOOTSTRAP is host:port");
    Some(HostPort { host: host.to_owned(), port: port.parse().unwrap() })
}

// K9, K10: with one node the high watermark has passed at once, so acks -1, 1 and the retry of either agree.
#[tokio::test]
async fn a_retry_with_other_acks_is_still_recognised() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    let batch = Batch::of(ID, 0, 0, 3).bytes();

    client.send_produce("orders", 0, 1, &batch).await;
    let first = client.produced().await.unwrap();
    let second = client.produce("orders", &batch).await.unwrap();

    assert_eq!((first.code, first.base_offset), (0, 0));
    assert_eq!((second.code, second.base_offset), (0, 0));
    assert_eq!(broker.high_watermark("orders", 0), Some(3));
}

// 8.1 step 4 and step 12: acks out of range is 21 for all; acks=0 is never answered, and an error closes.
#[tokio::test]
async fn acks_zero_is_silent_and_an_error_closes() {
    let broker = broker_with(&[("orders", 1)]).await;
    let mut client = Client::connect(&broker.bootstrap()).await;
    client.send_produce("orders", 0, 2, &Batch::plain(1).bytes()).await;
    assert_eq!(client.produced().await.unwrap().code, 21);

    client.send_produce("orders", 0, 0, &Batch::plain(1).bytes()).await;
    let (_, _, next) = client.list_offset("orders", -1).await;
    assert_eq!(next, 1, "the answer to the next request comes right behind");

    client.send_produce("orders", 0, 0, &Batch::plain(1).lie(Lie::Crc).bytes()).await;
    assert_eq!(client.receive().await, None);
}
