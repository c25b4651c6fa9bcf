//! confluent-kafka, Java's client in Rust: its borrowed send, outcomes by callback.

use std::collections::HashMap;
use std::sync::Arc;

use confluent_kafka::common::KafkaFuture;
use confluent_kafka::common::serialization::ByteArraySerializer;
use confluent_kafka::producer::{
    Callback, KafkaProducer, Producer, ProducerConfig, ProducerRecord, RecordMetadata, callback,
};
use facteur_peers::{Client, Next, Options, Outcome, Tally, Timed, WORKERS, Work, serve};
use tokio::runtime::{Builder, Runtime};

struct Confluent {
    producer: KafkaProducer<Vec<u8>, Vec<u8>>,
    topics: Vec<String>,
    runtime: Runtime,
}

impl Confluent {
    async fn send_one(
        &self,
        next: Next<'_>,
        callback: Option<Box<dyn Callback>>,
    ) -> Outcome<KafkaFuture<RecordMetadata>> {
        let record = ProducerRecord::with_key(self.topics[next.topic].clone(), next.key, Some(next.value));
        Ok(KafkaProducer::send(&self.producer, record, callback).await?)
    }
}

impl Client for Confluent {
    fn send(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        self.runtime.block_on(async {
            for _ in 0..records {
                let tally = Arc::clone(tally);
                let callback = callback::new(move |_, error| tally.count(error.is_none()));
                drop(self.send_one(work.next(), Some(Box::new(callback))).await?);
            }
            Ok(())
        })
    }

    fn send_timed(&self, work: &mut Work, record: usize, timed: &Arc<Timed>) -> Outcome<()> {
        let timed = Arc::clone(timed);
        let callback = callback::new(move |_, error| timed.ended(record, error.is_none()));
        drop(self.runtime.block_on(self.send_one(work.next(), Some(Box::new(callback))))?);
        Ok(())
    }

    async fn one_by_one(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        for _ in 0..records {
            let future = self.send_one(work.next(), None).await?;
            tally.count(future.get().await.is_ok());
        }
        Ok(())
    }

    fn runtime(&self) -> Outcome<&Runtime> {
        Ok(&self.runtime)
    }

    fn flush(&self, _: &Arc<Tally>) -> Outcome<()> {
        Ok(self.runtime.block_on(Producer::flush(&self.producer))?)
    }
}

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let batch_bytes = if options.is_own_best { 131_072 } else { options.batch_bytes };
    let properties: HashMap<String, String> = [
        ("bootstrap.servers", options.bootstrap.clone()),
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("linger.ms", options.linger_ms.to_string()),
        ("batch.size", batch_bytes.to_string()),
        ("buffer.memory", options.buffer_bytes.to_string()),
        ("compression.type", options.codec.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    // Two worker threads: the client's sender is one task beside the sending thread.
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let entered = runtime.enter();
    let producer = KafkaProducer::new(
        ProducerConfig::new(&properties)?,
        ByteArraySerializer::default(),
        ByteArraySerializer::default(),
    )?;
    drop(entered);
    serve("confluent-kafka 1.0.0", &options, Confluent { producer, topics: options.topics.clone(), runtime })
}
