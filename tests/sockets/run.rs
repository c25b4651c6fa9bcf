//! One run: load, faults, healing, canaries, rest, verdict.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::oracle::{Conditions, Leaks, Timeouts, Verdict, judge, recheck};
use crate::path::{Path, open_sockets};
use crate::plan::Kind;
use crate::workload::{Desk, LANES, flow, send};

/// What a busy machine may add to any time.
const SLACK: Duration = Duration::from_secs(8);
/// Peace between two faults.
const PAUSE_MS: std::ops::Range<u64> = 10..100;

pub struct Run {
    pub seed: u64,
    pub faults: Vec<Kind>,
    /// Beyond the harness's own.
    pub settings: &'static [(&'static str, &'static str)],
}

impl Run {
    /// Judged by the whole contract, whatever the settings.
    pub async fn play(self) -> Verdict {
        let sockets_before = open_sockets();
        let path = Path::new().await;
        let producer = path.producer(self.settings);
        let timeouts = Timeouts::of(producer.config(), Duration::from_secs(1)).with_slack(SLACK);
        let (desk, notes) = Desk::new();
        let is_over = Arc::new(AtomicBool::new(false));
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let flow = flow(producer.clone(), desk.clone(), lane, Arc::clone(&is_over));
                tokio::spawn(flow)
            })
            .collect();

        self.faults(&path).await;
        let healed_ns = desk.now();
        is_over.store(true, Ordering::SeqCst);
        for lane in lanes {
            lane.await.expect("a lane's sender does not panic");
        }
        for lane in 0..LANES {
            send(&producer, &desk, lane, true).await;
        }
        producer.flush().await.expect("flush is called on no callback thread");
        let mut leaks = Leaks::new();
        wait_until("late resolution to end and memory to come back", || {
            let statistics = producer.statistics();
            // The counters are published once a turn of the driver: behind what deliveries tell.
            statistics.buffer_available_bytes == statistics.buffer_total_bytes
                && statistics.requests_in_flight == 0
        })
        .await;
        let statistics = producer.statistics();
        let missing = statistics.buffer_total_bytes - statistics.buffer_available_bytes;
        leaks.at_rest("bytes of buffer.memory", missing);
        leaks.at_rest("requests in flight", statistics.requests_in_flight);
        producer.close(Duration::from_secs(10)).await;
        drop(producer);
        println!(
            "batches sent {}, sent again {}, recognised by the broker {}; lane resets {}; connections opened {}",
            statistics.batches_sent,
            statistics.batches_retried,
            statistics.batches_deduplicated,
            statistics.lane_resets,
            statistics.connections_opened
        );

        let log = path.read();
        path.injector.reset().await.unwrap();
        // Nothing can be on its way for longer than the longest delay that was made.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let later = path.read();
        path.stop().await;
        wait_until("sockets to be closed", || open_sockets() <= sockets_before).await;
        leaks.level("open sockets", sockets_before, open_sockets());

        let ended_ns = desk.now();
        let mut history = notes.into_history();
        history.healed(healed_ns);
        history.ended(ended_ns);
        let conditions = Conditions::whole_contract().with_timeouts(timeouts);
        let mut verdict = judge(&history, &log, &conditions, Some(&leaks));
        if later.record_count() != log.record_count() {
            verdict.breaches.extend(recheck(&history, &later, &conditions));
        }
        verdict
    }

    /// Every fault of the plan, in an order drawn from the seed.
    async fn faults(&self, path: &Path) {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut faults = self.faults.clone();
        faults.shuffle(&mut random);
        tokio::time::sleep(Duration::from_millis(300)).await;
        for kind in faults {
            kind.happen(path, random.random()).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(PAUSE_MS))).await;
        }
        path.broker.faults().clear_all();
        path.injector.reset().await.unwrap();
    }
}

/// A number from the environment.
pub fn number_from(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Waits for a condition; whoever asked for it sees by the verdict if it never came.
async fn wait_until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("waited in vain for {what}");
}
