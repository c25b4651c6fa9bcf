//! Without an async runtime: accept many records, then look at the outcomes.
//!
//! Start a broker (`facteur broker`), then `cargo run --example blocking`.

use facteur::{Producer, ProducerConfig, Record};

fn main() -> Result<(), facteur::Error> {
    let producer = Producer::new(ProducerConfig::builder("localhost:9092").build()?)?;
    let mut deliveries = Vec::new();
    for customer in ["ada", "blaise", "sofia"] {
        let record = Record::to("orders").key(customer.as_bytes()).value(b"1 book");
        deliveries.push(producer.send_blocking(record)?);
    }
    for delivery in deliveries {
        let report = delivery.wait()?;
        eprintln!("{}-{}@{:?}", report.topic(), report.partition(), report.offset());
    }
    Ok(())
}
