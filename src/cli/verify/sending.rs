//! Sends the numbered records, and arms the faults on the way.
//!
//! **Why explicit partitions.** Records take turns, so that every partition has every fault's neighbours, and the order
//! within one is the order of the numbers. Neighbours: `ledger` keeps what the producer said. Not here: judging it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::signals::Signals;
use crate::cli::verify::door::{Armed, FaultDoor};
use crate::cli::verify::ledger::Ledger;
use crate::cli::verify::schedule::{Planned, Schedule};
use crate::lab::{clock, tasks};
use crate::producer::{Producer, TopicHandle};
use crate::record::Record;

/// What is sent.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Begins every value, so that other runs' records are not ours.
    pub run_id: String,
    /// Where.
    pub topic: String,
    /// Its partitions.
    pub partitions: i32,
    /// How many records.
    pub num_records: u32,
    /// Records a second.
    pub throughput: u32,
    /// Whether each acknowledgement is printed.
    pub prints_acks: bool,
    /// Whether a success means that a broker has the record.
    pub is_confirmed: bool,
}

/// What was sent and said, and which faults acted.
#[derive(Debug)]
pub struct Sent {
    /// The records.
    pub ledger: Ledger,
    /// The seed of the faults.
    pub seed: u64,
    /// The faults that were armed, and whether they acted.
    pub faults: Vec<(Planned, bool)>,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether a signal ended it.
    pub is_cut: bool,
    /// Batches that were sent again.
    pub batches_retried: u64,
}

impl Sending {
    /// Sends everything and waits for every outcome.
    ///
    /// # Errors
    ///
    /// If there is no topic, a fault is refused, or stdout is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a fault armed.
    pub async fn run(
        self,
        producer: &Producer,
        door: &FaultDoor,
        schedule: Schedule,
        signals: &mut Signals,
    ) -> Result<Sent, Failure> {
        let topic = producer.topic(&self.topic).await?;
        let ledger = Ledger::new(&self.run_id, &self.topic, self.partitions, self.prints_acks);
        ledger.print_event("startup_complete", json!({}))?;
        let ledger = Arc::new(Mutex::new(ledger));
        let began = clock::now();
        let mut armed = Vec::new();
        let all = async {
            self.send_all(&topic, door, &schedule, (&ledger, &mut armed)).await?;
            drop(producer.flush().await);
            Ok::<(), Failure>(())
        };
        let is_cut = tokio::select! {
            sent = all => {
                sent?;
                false
            }
            () = signals.next() => true,
        };
        if is_cut {
            eprintln!(
                "facteur: stopping: waiting for what was accepted, then the audit (a second Ctrl-C stops at once)."
            );
        }
        tokio::select! {
            _report = producer.close(STOP_PATIENCE) => {}
            () = signals.next() => return Err(Failure::new(Exit::Interrupted, "stopped at once; nothing was audited")),
        }
        let mut faults = Vec::new();
        for (planned, armed) in armed {
            faults.push((planned, door.has_fired(&armed).await?));
        }
        let elapsed = clock::now().since(began);
        let ledger = std::mem::replace(&mut *lock(&ledger), Ledger::new("", "", 1, false));
        if let Some(failure) = ledger.broken {
            return Err(failure);
        }
        ledger.print_event("shutdown_complete", json!({}))?;
        ledger.print_event("tool_data", self.tool_data(&ledger, elapsed))?;
        let batches_retried = producer.statistics().batches_retried;
        Ok(Sent { ledger, seed: schedule.seed, faults, elapsed, is_cut, batches_retried })
    }

    async fn send_all(
        &self,
        topic: &TopicHandle,
        door: &FaultDoor,
        schedule: &Schedule,
        (ledger, armed): (&Arc<Mutex<Ledger>>, &mut Vec<(Planned, Armed)>),
    ) -> Result<(), Failure> {
        let began = clock::now();
        let mut faults = schedule.faults.iter().enumerate().peekable();
        for number in 0..self.num_records {
            while let Some((index, planned)) = faults.next_if(|(_, planned)| planned.at_record <= number) {
                if let Some(one) = door.arm(index, planned.kind, &self.topic, &self.run_id).await? {
                    armed.push((*planned, one));
                }
            }
            let due = Duration::from_secs_f64(f64::from(number) / f64::from(self.throughput.max(1)));
            let ahead = due.saturating_sub(clock::now().since(began));
            if ahead >= Duration::from_millis(1) {
                tasks::sleep(ahead).await;
            }
            self.send_one(topic, ledger, number).await;
            if lock(ledger).broken.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn send_one(&self, topic: &TopicHandle, ledger: &Arc<Mutex<Ledger>>, number: u32) {
        let partition = {
            let mut ledger = lock(ledger);
            ledger.begin();
            ledger.partition_of(number)
        };
        let value = format!("{}.{number}", self.run_id);
        let record = Record {
            topic: "",
            partition: Some(partition),
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
            timestamp_ms: None,
        };
        let is_confirmed = self.is_confirmed;
        let told = Arc::clone(ledger);
        let callback = move |outcome| lock(&told).tell(number, &outcome, is_confirmed);
        if let Err(error) = topic.send_with_callback(record, callback).await {
            lock(ledger).tell(number, &Err(error), is_confirmed);
        }
    }

    fn tool_data(&self, ledger: &Ledger, elapsed: Duration) -> serde_json::Value {
        let acknowledged = ledger.acknowledged();
        #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = acknowledged as f64 / elapsed.as_secs_f64().max(1e-9);
        json!({"sent": ledger.len(), "acked": acknowledged, "target_throughput": self.throughput, "avg_throughput": rate})
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const STOP_PATIENCE: Duration = Duration::from_secs(5);
