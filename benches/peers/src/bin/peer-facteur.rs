//! facteur: `try_send`, and waiting only when the buffer is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use facteur::{Producer, ProducerConfig, Record, TopicHandle, TrySendError};
use tokio::runtime::{Builder, Runtime};

use facteur_peers::{Client, Options, Outcome, Tally, Timed, Work, serve};

struct Facteur {
    producer: Producer,
    topic: TopicHandle,
    counted: [AtomicU64; 2],
    /// Waits for `send_with_callback`, which has no blocking form; it runs nothing.
    runtime: Runtime,
}

impl Client for Facteur {
    fn send(&self, work: &mut Work, records: u64, _: &Arc<Tally>) -> Outcome<()> {
        for _ in 0..records {
            let (key, value) = work.next();
            let record = Record::of(value);
            let record = if let Some(key) = key { record.key(key) } else { record };
            match self.topic.try_send(record) {
                // The statistics tell; a dropped delivery costs nothing.
                Ok(_delivery) => {}
                Err(TrySendError::Full) => drop(self.topic.send_blocking(record)?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send_timed(&self, work: &mut Work, record: usize, timed: &Arc<Timed>) -> Outcome<()> {
        let (key, value) = work.next();
        let plain = Record::of(value);
        let keyed = if let Some(key) = key { plain.key(key) } else { plain };
        let timed = Arc::clone(timed);
        // Counted by the statistics, as everything here.
        let sending = self.topic.send_with_callback(keyed, move |_report| timed.watch.stop(record));
        self.runtime.block_on(sending)?;
        Ok(())
    }

    fn flush(&self, tally: &Arc<Tally>) -> Outcome<()> {
        self.producer.flush_blocking()?;
        let now = self.producer.statistics();
        let acknowledged = now.records_acknowledged;
        let failed = now.records_rejected + now.records_unknown;
        let before = [
            self.counted[0].swap(acknowledged, Ordering::Relaxed),
            self.counted[1].swap(failed, Ordering::Relaxed),
        ];
        tally.count_many(acknowledged - before[0], failed - before[1]);
        Ok(())
    }
}

/// The crate's version, by its manifest.
fn version() -> &'static str {
    let manifest = include_str!("../../../../Cargo.toml");
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = \""));
    line.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let batch_bytes = if options.is_own_best { 131_072 } else { options.batch_bytes };
    let config = ProducerConfig::builder(&*options.bootstrap)
        .property("acks", "all")
        .property("linger.ms", &options.linger_ms.to_string())
        .property("batch.size", &batch_bytes.to_string())
        .property("buffer.memory", &options.buffer_bytes.to_string())
        .property("compression.type", &options.codec)
        .build()?;
    let producer = Producer::new(config)?;
    let topic = producer.topic_blocking(&options.topic)?;
    let client = Facteur {
        producer,
        topic,
        counted: Default::default(),
        runtime: Builder::new_current_thread().build()?,
    };
    serve(&format!("facteur {}", version()), &options, client)
}
