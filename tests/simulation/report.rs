//! What many runs did, added up, and how fast.
//!
//! **Why medians.** A million empty seeds prove nothing (D-71): the report says what half of the seeds had at least.
//! Neighbours: `runner` adds. Not here: judgement.

use std::fmt::Write as _;
use std::time::Duration;

use super::runner::{Failure, RunResult, fault_names};

/// A histogram of small numbers: exact up to its end.
#[derive(Debug, Clone)]
struct Spread {
    counts: Vec<u64>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: vec![0; 4096] }
    }
}

impl Spread {
    fn add(&mut self, value: u64) {
        let last = self.counts.len() - 1;
        self.counts[usize::try_from(value).unwrap_or(last).min(last)] += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    fn median(&self) -> usize {
        let half = self.counts.iter().sum::<u64>() / 2;
        let mut sum = 0;
        self.counts
            .iter()
            .position(|count| {
                sum += count;
                sum > half
            })
            .unwrap_or(0)
    }
}

/// Sums over runs.
#[derive(Debug, Default, Clone)]
pub struct Totals {
    pub seeds: u64,
    pub gentle: u64,
    pub simulated_ms: u64,
    pub accepted: u64,
    pub acknowledged: u64,
    pub rejected: u64,
    pub unknown: u64,
    pub refused: u64,
    /// Everything else by name, in the order of the report.
    rest: [u64; REST.len()],
    faults: Vec<u64>,
    lanes: Spread,
    records: Spread,
    fault_count: Spread,
    fault_kinds: Spread,
    seconds: Spread,
}

const REST: [&str; 22] = [
    "requests",
    "appends",
    "duplicates recognised by brokers",
    "batches",
    "batches retried",
    "batches deduplicated",
    "batches split",
    "lane resets",
    "epoch bumps",
    "late acknowledgements",
    "batches abandoned",
    "connections",
    "zombie requests",
    "partial writes",
    "seals delayed",
    "waits for memory",
    "waits for metadata",
    "waits for progress",
    "sends cancelled",
    "flushes",
    "closes in the middle and at the end",
    "steps",
];

impl Totals {
    pub fn add(&mut self, result: &RunResult) {
        let stats = &result.stats;
        let (counts, engine) = (&stats.counts, &stats.engine);
        self.seeds += 1;
        self.gentle += u64::from(stats.is_gentle);
        self.simulated_ms += stats.simulated_ms;
        self.accepted += counts.accepted;
        self.acknowledged += counts.acknowledged;
        self.rejected += counts.rejected;
        self.unknown += counts.unknown;
        self.refused += counts.refused;
        let rest = [
            stats.requests,
            stats.appends,
            stats.duplicates,
            engine.batches_sent,
            engine.batches_retried,
            engine.batches_deduplicated,
            engine.batches_split,
            engine.lane_resets,
            engine.epoch_bumps,
            engine.late_acknowledgements,
            engine.batches_abandoned,
            engine.connections_opened,
            counts.zombies,
            counts.partial_writes,
            counts.delayed_seals,
            counts.waited_for_memory,
            counts.waited_for_metadata,
            counts.waited_for_progress,
            counts.cancelled,
            counts.flushes,
            counts.closes,
            stats.steps,
        ];
        for (sum, value) in self.rest.iter_mut().zip(rest) {
            *sum += value;
        }
        self.faults.resize(fault_names().count(), 0);
        for (sum, count) in self.faults.iter_mut().zip(&stats.faults) {
            *sum += u64::from(*count);
        }
        self.lanes.add(stats.lanes);
        self.records.add(counts.accepted);
        self.fault_count.add(stats.fault_count());
        self.fault_kinds.add(stats.fault_kinds());
        self.seconds.add(stats.simulated_ms / 1000);
    }

    pub fn merge(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.gentle += other.gentle;
        self.simulated_ms += other.simulated_ms;
        self.accepted += other.accepted;
        self.acknowledged += other.acknowledged;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.refused += other.refused;
        for (sum, value) in self.rest.iter_mut().zip(other.rest) {
            *sum += value;
        }
        self.faults.resize(fault_names().count(), 0);
        for (sum, value) in self.faults.iter_mut().zip(&other.faults) {
            *sum += value;
        }
        self.lanes.merge(&other.lanes);
        self.records.merge(&other.records);
        self.fault_count.merge(&other.fault_count);
        self.fault_kinds.merge(&other.fault_kinds);
        self.seconds.merge(&other.seconds);
    }

    /// The last lines of a run of the runner. `busy` is the processor time that it took on all cores together.
    pub fn report(&self, failures: usize, wall: Duration, busy: Duration) -> String {
        let mut text = String::new();
        let hours = self.simulated_ms as f64 / 3_600_000.0;
        let faults: u64 = self.faults.iter().sum();
        let per_core = self.seeds as f64 / busy.as_secs_f64().max(1e-9);
        let per_second = self.seeds as f64 / wall.as_secs_f64().max(1e-9);
        let _ = writeln!(
            text,
            "seeds {} ({} of them gentle, for Q17), failed {failures}",
            self.seeds, self.gentle
        );
        let _ = writeln!(text, "simulated hours {hours:.1}");
        let _ = writeln!(
            text,
            "records accepted {}, acknowledged {}, rejected {}, unknown {}; refused by send {}",
            self.accepted, self.acknowledged, self.rejected, self.unknown, self.refused
        );
        for (name, value) in REST.iter().zip(self.rest) {
            let _ = write!(text, "{name} {value}; ");
        }
        let _ = writeln!(text);
        let _ = write!(text, "faults {faults}:");
        for (name, count) in fault_names().zip(&self.faults).filter(|(_, count)| **count > 0) {
            let _ = write!(text, " {name} {count}");
        }
        let _ = writeln!(text);
        let _ = writeln!(
            text,
            "medians per seed: lanes {}, records accepted {}, faults {}, kinds of faults {}, simulated seconds {}",
            self.lanes.median(),
            self.records.median(),
            self.fault_count.median(),
            self.fault_kinds.median(),
            self.seconds.median()
        );
        let _ = writeln!(
            text,
            "each seed twice, compared; {per_core:.0} seeds per second of one core, {per_second:.0} per second here; \
             wall {:.1} s, processor {:.1} s",
            wall.as_secs_f64(),
            busy.as_secs_f64()
        );
        text + &self.sum(failures, wall, busy)
    }

    /// One line of pairs: those of several runs can be added up.
    pub fn sum(&self, failures: usize, wall: Duration, busy: Duration) -> String {
        format!(
            "SUM seeds={} failed={failures} gentle={} simulated_ms={} accepted={} acknowledged={} rejected={} unknown={} \
             faults={} wall_ms={} busy_ms={}",
            self.seeds,
            self.gentle,
            self.simulated_ms,
            self.accepted,
            self.acknowledged,
            self.rejected,
            self.unknown,
            self.faults.iter().sum::<u64>(),
            wall.as_millis(),
            busy.as_millis()
        )
    }
}

/// What to know of a failure, and how to see it again.
pub fn failure(failure: &Failure, revision: &str) -> String {
    let result = &failure.result;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "SEED {} FAILED: tape of {} choices, trace {:032x}, revision {revision}",
        failure.seed, result.tape_length, result.hash
    );
    for breach in &result.breaches {
        let _ = writeln!(text, "  {breach}");
    }
    let _ = write!(
        text,
        "  again: SEED={} TRACE=1 cargo test --release --test simulation -- --nocapture",
        failure.seed
    );
    text
}
