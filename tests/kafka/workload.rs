//! Drives a producer and keeps the history: what was sent, in which order, and what the producer told of it.
//!
//! **Why explicit partitions.** A lane is one partition; naming it makes the order of `send` per lane known without
//! asking the partitioner. Each value begins with the record's id, so that the log can be read without a side channel.
//! Neighbours: [`crate::oracle`] judges the history. Not here: faults; whoever calls [`under`] brings them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use facteur::{Delivery, Outcome, Producer, Record};

use crate::cluster::Cluster;
use crate::oracle::{RecordId, Sent, Told};
use crate::reader::digest;
use crate::relay::Relay;

/// The lanes of every fault run.
pub const LANES: i32 = 6;
/// Longer than the producer's delivery timeout: whatever has no outcome by then is stuck.
const OUTCOME_PATIENCE: Duration = Duration::from_secs(150);

/// How much is sent, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// At least so many records, in all.
    pub minimum: u32,
    /// Records between two pauses of a millisecond, chosen so that the load lasts about as long as the faults do.
    pub burst: u32,
}

/// What a run brought, for the oracle and for the report.
#[derive(Debug, Default)]
pub struct History {
    pub sent: Vec<Sent>,
    /// Acknowledged records whose batch was handed to a connection more than once.
    pub retried: u64,
    /// Acknowledged records of which the broker said that it had them already.
    pub recognised: u64,
}

/// A producer for the cluster: directly, or through `relays` (node id, relay).
pub fn producer(cluster: &Cluster, relays: &[(i32, Relay)], settings: &[(&str, &str)]) -> Producer {
    let addresses = cluster.addresses();
    let map: Vec<String> = relays
        .iter()
        .filter_map(|(id, relay)| {
            addresses.get(id).map(|address| format!("{address}=127.0.0.1:{}", relay.port))
        })
        .collect();
    let bootstrap = if relays.is_empty() {
        cluster.bootstrap()
    } else {
        relays.iter().map(|(_, relay)| format!("127.0.0.1:{}", relay.port)).collect::<Vec<_>>().join(",")
    };
    let map = map.join(",");
    let own = [("facteur.address.map", map.as_str())];
    let all: Vec<_> = own.iter().chain(settings).copied().collect();
    producer_at(&bootstrap, &all)
}

/// A producer that begins at these addresses.
pub fn producer_at(bootstrap: &str, settings: &[(&str, &str)]) -> Producer {
    let own = [("bootstrap.servers", bootstrap)];
    let all = own.iter().chain(settings).copied();
    Producer::from_properties(all).expect("these settings are valid")
}

/// Sends to all lanes until `faults` has returned and at least `load.minimum` records were sent, then waits for every
/// outcome. `faults` is given the phase to set when an incident begins.
pub fn under(producer: &Producer, topic: &str, load: Load, faults: impl FnOnce(&AtomicU16)) -> History {
    let phase = AtomicU16::new(0);
    let is_over = AtomicBool::new(false);
    let pending = thread::scope(|scope| {
        let sender = scope.spawn(|| send_all(producer, topic, load, &phase, &is_over));
        {
            // Also when `faults` panics: otherwise the scope would wait for a sender that never ends.
            let _over = SetOnDrop(&is_over);
            faults(&phase);
        }
        sender.join().expect("the sending thread does not panic")
    });
    collect(producer, pending)
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn send_all(
    producer: &Producer,
    topic: &str,
    load: Load,
    phase: &AtomicU16,
    is_over: &AtomicBool,
) -> Vec<(Sent, Option<Delivery>)> {
    let mut pending = Vec::new();
    let mut count: u32 = 0;
    loop {
        let is_quiet = is_over.load(Ordering::SeqCst);
        if is_quiet && count >= load.minimum {
            return pending;
        }
        for _ in 0..load.burst {
            let lane = i32::try_from(count % LANES.unsigned_abs()).expect("a lane is small");
            let index = count / LANES.unsigned_abs();
            pending.push(send_one(producer, topic, (lane, index), phase.load(Ordering::SeqCst)));
            count += 1;
        }
        if !is_quiet {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Records sent by hand, lane by lane, and their history.
#[derive(Default)]
pub struct Stream {
    next: BTreeMap<i32, u32>,
    pending: Vec<(Sent, Option<Delivery>)>,
}

impl Stream {
    /// Sends `count` records to a lane.
    pub fn send(&mut self, producer: &Producer, topic: &str, lane: i32, count: u32) {
        let next = self.next.entry(lane).or_default();
        for _ in 0..count {
            self.pending.push(send_one(producer, topic, (lane, *next), 0));
            *next += 1;
        }
    }

    /// How many records of a lane are acknowledged by now.
    pub fn acknowledged(&self, lane: i32) -> usize {
        let of_lane = self.pending.iter().filter(|(sent, _)| sent.lane == lane);
        of_lane
            .filter(|(_, delivery)| {
                delivery.as_ref().is_some_and(|it| matches!(it.try_result(), Some(Ok(_))))
            })
            .count()
    }

    /// Waits for every outcome.
    pub fn finish(self, producer: &Producer) -> History {
        collect(producer, self.pending)
    }
}

fn send_one(
    producer: &Producer,
    topic: &str,
    (lane, index): (i32, u32),
    phase: u16,
) -> (Sent, Option<Delivery>) {
    let id = u64::from(lane.unsigned_abs()) << 32 | u64::from(index);
    let key = format!("key-{}", index % 97);
    let value = format!("{id:016x} lane {lane} index {index} {:.<60}", "");
    let timestamp_ms = now_ms();
    let record = Record::to(topic)
        .partition(lane)
        .key(key.as_bytes())
        .value(value.as_bytes())
        .timestamp_ms(timestamp_ms);
    let digest = digest(record.key, record.value, timestamp_ms);
    let sent = Sent { id: RecordId(id), lane, index, digest, phase, told: Told::Refused };
    match producer.send_blocking(record) {
        Ok(delivery) => (Sent { told: Told::Nothing, ..sent }, Some(delivery)),
        Err(_) => (sent, None),
    }
}

/// Waits for what is still open and writes down what was told.
fn collect(producer: &Producer, pending: Vec<(Sent, Option<Delivery>)>) -> History {
    producer.flush_blocking().expect("flush ends when every record has an outcome");
    let mut history = History::default();
    let mut first_failure = None;
    for (mut sent, delivery) in pending {
        if let Some(mut delivery) = delivery {
            match delivery.wait_timeout(OUTCOME_PATIENCE) {
                None => {}
                Some(Ok(report)) => {
                    sent.told = Told::Acknowledged(report.offset());
                    history.retried += u64::from(report.details().attempts > 1);
                    history.recognised += u64::from(report.details().deduplicated == Some(true));
                }
                Some(Err(error)) => {
                    sent.told = match error.outcome() {
                        Outcome::Rejected => Told::Rejected,
                        Outcome::Unknown => Told::Unknown,
                    };
                    first_failure.get_or_insert(error);
                }
            }
        }
        history.sent.push(sent);
    }
    if let Some(error) = first_failure {
        println!("the first record that was not acknowledged: {error}");
    }
    history
}

/// The wall clock, as records carry it.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("the clock is before the year 292 million")
}

/// Records per fault run: `KAFKA_RECORDS`, or 200,000.
pub fn minimum_records() -> u32 {
    let asked = std::env::var("KAFKA_RECORDS").ok();
    asked.map_or(200_000, |text| text.parse().expect("KAFKA_RECORDS is a number"))
}
