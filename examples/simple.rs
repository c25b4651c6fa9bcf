//! The first send. Start a broker (`facteur broker`), then `cargo run --example simple`.

use facteur::{Producer, ProducerConfig, Record};

#[tokio::main]
async fn main() -> Result<(), facteur::Error> {
    let producer = Producer::new(ProducerConfig::builder("localhost:9092").build()?)?;
    let report = producer.send_and_wait(Record::to("greetings").key(b"fr").value(b"bonjour")).await?;
    // With acks=0 nobody tells the offset.
    let offset = report.offset().map_or_else(|| "unknown".to_owned(), |offset| offset.to_string());
    eprintln!("written to {}, partition {}, offset {offset}", report.topic(), report.partition());
    Ok(())
}
