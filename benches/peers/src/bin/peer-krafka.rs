//! krafka: `enqueue`, and the handles awaited behind a window.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use facteur_peers::{Client, Next, Options, Outcome, Tally, Timed, WORKERS, Work, serve};
use krafka::producer::{Acks, DeliveryHandle, Producer};
use krafka::{Compression, Kafka, Record};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Handles that a thread holds before it awaits the oldest.
const WINDOW: usize = 20_000;

struct Krafka {
    producer: Producer,
    topics: Vec<String>,
    runtime: Runtime,
    /// The tasks that await timed records.
    waiting: Mutex<Vec<JoinHandle<()>>>,
}

impl Krafka {
    async fn enqueue(&self, next: Next<'_>) -> Outcome<DeliveryHandle> {
        let mut record = Record::new(&*self.topics[next.topic], Bytes::copy_from_slice(next.value));
        if let Some(key) = next.key {
            record = record.key(Bytes::copy_from_slice(key));
        }
        Ok(self.producer.enqueue(record).await?)
    }
}

impl Client for Krafka {
    fn send(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        self.runtime.block_on(async {
            let mut pending: VecDeque<DeliveryHandle> = VecDeque::with_capacity(WINDOW);
            for _ in 0..records {
                if pending.len() == WINDOW
                    && let Some(oldest) = pending.pop_front()
                {
                    tally.count(oldest.await.is_ok());
                }
                pending.push_back(self.enqueue(work.next()).await?);
            }
            for handle in pending {
                tally.count(handle.await.is_ok());
            }
            Ok(())
        })
    }

    fn send_timed(&self, work: &mut Work, record: usize, timed: &Arc<Timed>) -> Outcome<()> {
        let handle = self.runtime.block_on(self.enqueue(work.next()))?;
        let timed = Arc::clone(timed);
        let task = self.runtime.spawn(async move { timed.ended(record, handle.await.is_ok()) });
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        Ok(())
    }

    async fn one_by_one(&self, work: &mut Work, records: u64, tally: &Arc<Tally>) -> Outcome<()> {
        for _ in 0..records {
            let handle = self.enqueue(work.next()).await?;
            tally.count(handle.await.is_ok());
        }
        Ok(())
    }

    fn runtime(&self) -> Outcome<&Runtime> {
        Ok(&self.runtime)
    }

    fn flush(&self, _: &Arc<Tally>) -> Outcome<()> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.runtime.block_on(async {
            self.producer.flush().await?;
            for task in waiting {
                task.await?;
            }
            Ok(())
        })
    }
}

fn compression(codec: &str) -> Outcome<Compression> {
    Ok(match codec {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => return Err(format!("codec={codec}: it is none of none, gzip, snappy, lz4, zstd").into()),
    })
}

fn main() -> Outcome<()> {
    let options = Options::from_arguments()?;
    let batch_bytes = if options.is_own_best { 131_072 } else { options.batch_bytes };
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let producer = runtime.block_on(async {
        let kafka = Kafka::builder(&*options.bootstrap).connect().await?;
        let producer = kafka
            .producer()
            .acks(Acks::All)
            .idempotent(true)
            .linger(Duration::from_millis(options.linger_ms))
            .batch_size(batch_bytes)
            .buffer_memory(options.buffer_bytes)
            .compression(compression(&options.codec)?)
            .build()
            .await?;
        Outcome::Ok(producer)
    })?;
    let client = Krafka { producer, topics: options.topics.clone(), runtime, waiting: Mutex::default() };
    serve("krafka 0.28.1", &options, client)
}
