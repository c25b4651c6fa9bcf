//! Many sends, with a callback each, and one flush. Callbacks of one partition run in send order.
//!
//! Start a broker (`facteur broker`), then `cargo run --example callback`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use facteur::{Producer, ProducerConfig, Record};

#[tokio::main]
async fn main() -> Result<(), facteur::Error> {
    let producer = Producer::new(ProducerConfig::builder("localhost:9092").build()?)?;
    let delivered = Arc::new(AtomicU64::new(0));
    for number in 0..1000_u32 {
        let (value, delivered) = (number.to_string(), Arc::clone(&delivered));
        let record = Record::to("numbers").value(value.as_bytes());
        let callback = move |outcome: Result<facteur::DeliveryReport, facteur::Error>| {
            if let Err(error) = outcome {
                // Sending again is safe only if the record is certainly not in the log.
                eprintln!("{number}: {error} (safe to send again: {})", !error.may_have_been_written());
            } else {
                delivered.fetch_add(1, Ordering::Relaxed);
            }
        };
        producer.send_with_callback(record, callback).await?;
    }
    producer.flush().await?;
    let report = producer.close(Duration::from_secs(5)).await;
    eprintln!("{} delivered; at the end {report:?}", delivered.load(Ordering::Relaxed));
    Ok(())
}
