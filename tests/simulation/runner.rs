//! Runs by seed: twice each, compared, on all cores.
//!
//! **Why twice.** A run must be a function of its tape and nothing else; a core that read a clock or iterated over a hash
//! map would pass every other check and fail this one. Neighbours: `phases` is a run, `report` adds up, `shrink` makes
//! failures smaller. Not here: reading the environment (`tests/simulation.rs`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use facteur::engine::EngineStats;

use super::context::Counts;
use super::faults::FaultKind;
use super::phases::{self, Purpose};
use super::report::Totals;
use super::swarm::Flavour;
use super::tape::Tape;
use super::world::World;
use crate::oracle::{Breach, Check};

/// How runs are made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Each seed once only: for mutants and for profiles, never for the record.
    pub once: bool,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    pub lanes: u64,
    pub simulated_ms: u64,
    pub counts: Counts,
    pub engine: EngineStats,
    pub faults: Vec<u32>,
    pub is_gentle: bool,
    pub appends: u64,
    pub duplicates: u64,
    pub requests: u64,
    pub steps: u64,
}

impl Stats {
    pub fn of(world: &World) -> Self {
        let mut engine = EngineStats::default();
        for producer in &world.producers {
            let one = producer.engine.stats();
            engine.batches_sent += one.batches_sent;
            engine.batches_retried += one.batches_retried;
            engine.batches_deduplicated += one.batches_deduplicated;
            engine.batches_split += one.batches_split;
            engine.lane_resets += one.lane_resets;
            engine.epoch_bumps += one.epoch_bumps;
            engine.late_acknowledgements += one.late_acknowledgements;
            engine.batches_abandoned += one.batches_abandoned;
            engine.connections_opened += one.connections_opened;
            engine.requests_sent += one.requests_sent;
        }
        let cluster = world.cluster.stats();
        Self {
            lanes: world.plan.lanes() as u64,
            simulated_ms: world.cx.now.as_nanos() / 1_000_000,
            counts: world.cx.counts,
            engine,
            faults: world.faults.to_vec(),
            is_gentle: world.plan.flavour == Flavour::Gentle,
            appends: cluster.appends,
            duplicates: cluster.duplicates,
            requests: cluster.requests,
            steps: world.steps,
        }
    }

    pub fn fault_count(&self) -> u64 {
        self.faults.iter().map(|count| u64::from(*count)).sum()
    }

    pub fn fault_kinds(&self) -> u64 {
        self.faults.iter().filter(|count| **count > 0).count() as u64
    }

    /// Part of what two runs of a seed must agree on.
    pub fn checksum(&self) -> u64 {
        let counts = &self.counts;
        [counts.accepted, counts.acknowledged, counts.rejected, counts.unknown, self.steps, self.appends]
            .iter()
            .fold(7, |sum: u64, value| (sum.rotate_left(9) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct RunResult {
    pub breaches: Vec<Breach>,
    pub stats: Stats,
    pub hash: u128,
    pub tape_length: usize,
    pub lines: Vec<String>,
    pub tape: Vec<u64>,
}

/// One run of a tape, judged; a panic is a breach (Q18).
pub fn run_tape(tape: Tape, is_told: bool) -> RunResult {
    run_for(tape, is_told, Purpose::Verdict)
}

fn run_for(tape: Tape, is_told: bool, purpose: Purpose) -> RunResult {
    catch_unwind(AssertUnwindSafe(|| phases::run(tape, is_told, purpose))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without a message".to_owned());
        RunResult { breaches: vec![Breach::new(Check::Q18, text)], ..RunResult::default() }
    })
}

/// A seed's run, made twice unless the options say otherwise.
pub fn run_seed(seed: u64, options: &Options) -> RunResult {
    let mut first = run_tape(Tape::of_seed(seed, false), false);
    if options.once || !first.breaches.is_empty() {
        return first;
    }
    // Equal hashes: the same verdict, which need not be found twice. A panic leaves no hash, and differs.
    let second = run_for(Tape::of_seed(seed, false), false, Purpose::Comparison);
    if first.hash != second.hash || first.tape_length != second.tape_length {
        let text = format!("two runs of seed {seed} differ: {:032x}, {:032x}", first.hash, second.hash);
        first.breaches.push(Breach::new(Check::Q18, text));
    }
    first
}

/// A seed that failed.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    pub result: RunResult,
}

/// What somebody who waits for many runs wants to hear of.
#[derive(Debug)]
pub enum News<'a> {
    /// Told at once: a run that is ended before its end has lost nothing.
    Failed(&'a Failure),
    /// All seeds below `below` have run, and these are their sums.
    Ran { below: u64, totals: &'a Totals, failures: usize },
}

/// Seeds are handed out in rows of so many, and added up row by row, in order.
const ROW: u64 = 64;

/// What has been run so far.
#[derive(Debug, Default)]
struct Tally {
    totals: Totals,
    failures: Vec<Failure>,
    /// Every seed below this one is in `totals`.
    below: u64,
    /// Rows that are done, behind one that is not.
    waiting: BTreeMap<u64, Totals>,
}

impl Tally {
    fn row_done(&mut self, begin: u64, end: u64, totals: Totals) {
        self.waiting.insert(begin, totals);
        while let Some(totals) = self.waiting.remove(&self.below) {
            self.totals.merge(&totals);
            self.below = (self.below + ROW).min(end);
        }
    }
}

/// Runs `seeds` on `threads` threads and tells the news. Stops at so many failures.
pub fn run_seeds(
    seeds: Range<u64>,
    threads: usize,
    most_failures: usize,
    options: &Options,
    tell: &(dyn Fn(News<'_>) + Sync),
) -> (Totals, Vec<Failure>) {
    let next = AtomicU64::new(seeds.start);
    let tally = Mutex::new(Tally { below: seeds.start, ..Tally::default() });
    let is_enough = AtomicBool::new(false);
    let run_row = |row: Range<u64>| {
        let mut totals = Totals::default();
        for seed in row {
            if is_enough.load(Ordering::Relaxed) {
                break;
            }
            let result = run_seed(seed, options);
            totals.add(&result);
            if !result.breaches.is_empty() {
                let failure = Failure { seed, result };
                tell(News::Failed(&failure));
                let mut tally = tally.lock().expect("nobody panics here");
                tally.failures.push(failure);
                is_enough.fetch_or(tally.failures.len() >= most_failures, Ordering::Relaxed);
            }
        }
        totals
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_enough.load(Ordering::Relaxed) {
                    let begin = next.fetch_add(ROW, Ordering::Relaxed);
                    if begin >= seeds.end {
                        break;
                    }
                    let totals = run_row(begin..(begin + ROW).min(seeds.end));
                    let mut tally = tally.lock().expect("nobody panics here");
                    tally.row_done(begin, seeds.end, totals);
                    let (below, failures) = (tally.below, tally.failures.len());
                    tell(News::Ran { below, totals: &tally.totals, failures });
                }
            });
        }
    });
    let Tally { mut totals, mut failures, waiting, .. } = tally.into_inner().expect("nobody panics here");
    for row in waiting.values() {
        totals.merge(row);
    }
    failures.sort_by_key(|failure| failure.seed);
    (totals, failures)
}

/// Names of fault kinds, in the order of [`Stats::faults`].
pub fn fault_names() -> impl Iterator<Item = &'static str> {
    FaultKind::ALL.iter().map(|kind| kind.name())
}
