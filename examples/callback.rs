//! Many sends, with a callback each. Callbacks run on a thread of their own, those of one partition in send order.
//!
//! Start a broker (`facteur broker`), then `cargo run --example callback`.

use std::sync::mpsc::channel;
use std::time::Duration;

use facteur::{Producer, ProducerConfig, Record};

#[tokio::main]
async fn main() -> Result<(), facteur::Error> {
    let producer = Producer::new(ProducerConfig::builder("localhost:9092").build()?)?;
    let (told, outcomes) = channel();
    for number in 0..1000_u32 {
        let (value, told) = (number.to_string(), told.clone());
        let record = Record::to("numbers").value(value.as_bytes());
        // Keep callbacks short: they share one thread. This one hands the outcome over.
        let callback = move |outcome| drop(told.send((number, outcome)));
        producer.send_with_callback(record, callback).await?;
    }
    drop(told);
    producer.flush().await?;
    producer.close(Duration::from_secs(5)).await;

    // Ends when the last callback has run, which may be a moment after the flush.
    let mut delivered = 0;
    for (number, outcome) in outcomes {
        match outcome {
            Ok(_report) => delivered += 1,
            // Sending again is safe only if the record is certainly not in the log.
            Err(error) => {
                eprintln!("{number}: {error} (safe to send again: {})", !error.may_have_been_written());
            }
        }
    }
    eprintln!("{delivered} delivered");
    Ok(())
}
