//! librdkafka by rdkafka: `ThreadedProducer`, outcomes by delivery callback, and a poll when its queue is full.

use std::sync::Arc;
use std::time::Duration;

use facteur_peers::{Client, Options, Outcome, Tally, Timed, Work, serve};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

struct Outcomes;

/// Where a record's outcome goes.
enum Ticket {
    Counted(Arc<Tally>),
    Timed(Arc<Timed>, usize),
}

impl ClientContext for Outcomes {}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Self::DeliveryOpaque) {
        match *ticket {
            Ticket::Counted(tally) => tally.count(result.is_ok()),
            Ticket::Timed(timed, record) => timed.ended(record, result.is_ok()),
        }
    }
}

struct Librdkafka {
    producer: ThreadedProducer<Outcomes>,
    topic: String,
}

impl Librdkafka {
    fn send_one(&self, (key, value): (Option<&[u8]>, &[u8]), ticket: Ticket) -> Outcome<()> {
        let mut record = BaseRecord::<[u8], [u8], Box<Ticket>>::with_opaque_to(&self.topic, Box::new(ticket))
            .payload(value);
        if let Some(key) = key {
            record = record.key(key);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}

impl Client for Librdkafka {
    fn send(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        for _ in 0..records {
            self.send_one(work.next(), Ticket::Counted(Arc::clone(tally)))?;
        }
        Ok(())
    }

    fn send_timed(&self, work: &mut Work, record: usize, timed: &Arc<Timed>) -> Outcome<()> {
        self.send_one(work.next(), Ticket::Timed(Arc::clone(timed), record))
    }

    fn flush(&self, _: &Arc<Tally>) -> Outcome<()> {
        Ok(self.producer.flush(Duration::from_secs(120))?)
    }
}

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.bootstrap)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", options.linger_ms.to_string())
        .set("compression.type", &options.codec)
        .set("queue.buffering.max.kbytes", (options.buffer_bytes / 1024).to_string())
        .set("queue.buffering.max.messages", "0");
    if !options.is_own_best {
        config.set("batch.size", options.batch_bytes.to_string()).set("batch.num.messages", "1000000");
    }
    let producer = config.create_with_context(Outcomes)?;
    let (_, version) = rdkafka::util::get_rdkafka_version();
    serve(&format!("librdkafka {version}"), &options, Librdkafka { producer, topic: options.topic.clone() })
}
