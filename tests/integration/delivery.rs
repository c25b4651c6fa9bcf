//! Records arrive: once, in order, by every way of sending.

use facteur::Record;

use super::support::{PATIENCE, broker, producer, values};

// The first thing anybody tries. Fails if anything between `send` and the log is broken.
#[tokio::test]
async fn a_record_is_delivered_and_its_offset_told() {
    let broker = broker(3).await;
    let producer = producer(&broker, &[]);

    let report = producer.send_and_wait(Record::to("t").key(b"k").value(b"v")).await.expect("delivered");

    assert_eq!(report.topic(), "t");
    assert_eq!(report.offset(), Some(0));
    assert_eq!(values(&broker, report.partition()), ["v"]);
    producer.close(PATIENCE).await;
    broker.stop().await;
}
