//! facteur: `try_send`, and waiting only when the buffer is full; tasks by `send_and_wait`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use facteur::{Producer, ProducerConfig, Record, TopicHandle, TrySendError};
use tokio::runtime::{Builder, Runtime};

use facteur_peers::{Client, Next, Options, Outcome, Tally, Timed, WORKERS, Work, serve};

struct Facteur {
    producer: Producer,
    /// By the workload's number of a topic.
    topics: Vec<TopicHandle>,
    counted: [AtomicU64; 2],
    /// Runs the tasks. Without them it only waits for `send_with_callback`, which has no blocking form.
    runtime: Runtime,
}

fn record<'a>(next: &Next<'a>) -> Record<'a> {
    let record = Record::of(next.value);
    if let Some(key) = next.key { record.key(key) } else { record }
}

impl Client for Facteur {
    fn send(&self, work: &mut Work, records: u64, _: &Arc<Tally>) -> Outcome<()> {
        for _ in 0..records {
            let next = work.next();
            let topic = &self.topics[next.topic];
            match topic.try_send(record(&next)) {
                // The statistics tell; a dropped delivery costs nothing.
                Ok(_) => {}
                Err(TrySendError::Full) => drop(topic.send_blocking(record(&next))?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send_timed(&self, work: &mut Work, record: usize, timed: &Arc<Timed>) -> Outcome<()> {
        let next = work.next();
        let timed = Arc::clone(timed);
        // Counted by the statistics, as everything here.
        let sending = self.topics[next.topic]
            .send_with_callback(self::record(&next), move |_report| timed.watch.stop(record));
        self.runtime.block_on(sending)?;
        Ok(())
    }

    async fn one_by_one(&self, work: &mut Work, records: u64, _: &Arc<Tally>) -> Outcome<()> {
        for _ in 0..records {
            let next = work.next();
            self.topics[next.topic].send_and_wait(record(&next)).await?;
        }
        Ok(())
    }

    fn runtime(&self) -> Outcome<&Runtime> {
        Ok(&self.runtime)
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

/// All at once: ten thousand in turn would be as many round trips.
fn topics(runtime: &Runtime, producer: &Producer, names: &[String]) -> Outcome<Vec<TopicHandle>> {
    runtime.block_on(async {
        let ask = |name: &String| {
            let (producer, name) = (producer.clone(), name.clone());
            tokio::spawn(async move { producer.topic(&name).await })
        };
        let asked: Vec<_> = names.iter().map(ask).collect();
        let mut topics = Vec::with_capacity(names.len());
        for topic in asked {
            topics.push(topic.await??);
        }
        Ok(topics)
    })
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
    let runtime = match options.tasks {
        0 => Builder::new_current_thread().build()?,
        _ => Builder::new_multi_thread().worker_threads(WORKERS).build()?,
    };
    let topics = topics(&runtime, &producer, &options.topics)?;
    let client = Facteur { producer, topics, counted: Default::default(), runtime };
    serve(&format!("facteur {}", version()), &options, client)
}
