//! librdkafka by rdkafka: `ThreadedProducer`, outcomes by delivery callback, and a sleep when its queue is full; tasks by
//! `FutureProducer`.

use std::sync::Arc;
use std::time::Duration;

use facteur_peers::{Client, Next, Options, Outcome, Tally, Timed, WORKERS, Work, serve};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{
    BaseRecord, FutureProducer, FutureRecord, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::util::Timeout;
use tokio::runtime::{Builder, Runtime};

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

/// Each has a thread that polls; only the one that is needed is there.
enum Way {
    Callbacks(ThreadedProducer<Outcomes>),
    Tasks(FutureProducer),
}

struct Librdkafka {
    way: Way,
    topics: Vec<String>,
    runtime: Runtime,
}

impl Librdkafka {
    fn send_one(&self, next: Next<'_>, ticket: Ticket) -> Outcome<()> {
        let Way::Callbacks(producer) = &self.way else { return Err("started for tasks".into()) };
        let mut record =
            BaseRecord::<[u8], [u8], Box<Ticket>>::with_opaque_to(&self.topics[next.topic], Box::new(ticket))
                .payload(next.value);
        if let Some(key) = next.key {
            record = record.key(key);
        }
        loop {
            match producer.send(record) {
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

    async fn one_by_one(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        let Way::Tasks(producer) = &self.way else { return Err("not started for tasks".into()) };
        for _ in 0..records {
            let next = work.next();
            let mut record = FutureRecord::<[u8], [u8]>::to(&self.topics[next.topic]).payload(next.value);
            if let Some(key) = next.key {
                record = record.key(key);
            }
            tally.count(producer.send(record, Timeout::Never).await.is_ok());
        }
        Ok(())
    }

    fn runtime(&self) -> Outcome<&Runtime> {
        Ok(&self.runtime)
    }

    fn flush(&self, _: &Arc<Tally>) -> Outcome<()> {
        let patience = Duration::from_secs(120);
        match &self.way {
            Way::Callbacks(producer) => producer.flush(patience)?,
            Way::Tasks(producer) => producer.flush(patience)?,
        }
        Ok(())
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
    let (way, runtime) = match options.tasks {
        0 => (Way::Callbacks(config.create_with_context(Outcomes)?), Builder::new_current_thread().build()?),
        _ => (
            Way::Tasks(config.create()?),
            // `FutureProducer` sleeps by the runtime's clock when its queue is full.
            Builder::new_multi_thread().worker_threads(WORKERS).enable_time().build()?,
        ),
    };
    let (_, version) = rdkafka::util::get_rdkafka_version();
    let client = Librdkafka { way, topics: options.topics.clone(), runtime };
    serve(&format!("librdkafka {version}"), &options, client)
}
