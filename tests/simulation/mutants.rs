//! The mutants: each rule is broken in turn, and some seed must show it (D-68).
//!
//! **Why.** A simulation that finds nothing is either run on a perfect engine or blind. With a rule broken the engine is
//! certainly not perfect, so here only blindness is left. Run by `scripts/mutants.sh`, which writes `docs/mutants.md`.
//!
//! | variable | meaning |
//! |---|---|
//! | `MUTANTS=K1,K5` | these alone |
//! | `BUDGET=n` | at most so many seeds until one must have shown it (default 20,000) |
//! | `REPETITIONS=n` | from so many places of the seed space, for a median (default 9) |
//! | `MARK_SEEDS=n` | so many seeds for the marks (default 3,000) |
//!
//! Neighbours: `facteur::mutants` has the switches and the marks, `runner` makes the runs. Not here: what each mutant
//! breaks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use facteur::mutants::{self, Mark, Mutant, Nudge};

use super::runner::{Options, run_seed};
use super::tape::{Draw as _, Tape};
use crate::oracle::{Breach, Check};

/// Repetitions begin so far apart that none sees another's seeds.
const STRIDE: u64 = 1_000_000;
/// The rules whose mutants one thread cannot show, and where they are shown (D-68).
const ELSEWHERE: [Mutant; 3] = [Mutant::K11, Mutant::K13, Mutant::K14];
/// Marks that no seed needs to hit, each with the scenario of `tests/conformance` that does.
const BY_SCENARIO: [(Mark, &str); 0] = [];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn wanted() -> Vec<Mutant> {
    let all = Mutant::ALL.iter().copied().filter(|mutant| !ELSEWHERE.contains(mutant));
    match std::env::var("MUTANTS") {
        Ok(names) => {
            names.split(',').map(|name| Mutant::named(name.trim()).expect("a mutant's name")).collect()
        }
        Err(_) => all.collect(),
    }
}

/// A mutant's end.
#[derive(Debug, Clone)]
struct Caught {
    /// How many seeds it took.
    seeds: u64,
    /// The checks that complained, and the rule that each names, if it names one.
    checks: Vec<String>,
    text: String,
}

/// Every third seed is nudged, by a tape of its own: the run's own choices stay what they are. Says how.
fn nudge(seed: u64) -> Option<Nudge> {
    if seed % 3 != 2 {
        mutants::set_hook(None);
        return None;
    }
    let mut tape = Tape::of_seed(seed ^ 0x006e_7564_6765, false);
    let kind = Nudge::ALL[usize::try_from(tape.below(Nudge::ALL.len() as u64)).expect("few")];
    let per_mille = match kind {
        // Asked of every batch at every look: seldom is often enough.
        Nudge::ExpireEarly => 1,
        Nudge::DropRefresh | Nudge::StickyAgain => 100,
        Nudge::TinyBuffer | Nudge::SplitBatch | Nudge::ShortWrite | Nudge::ShuffleReady => 500,
    };
    // Neighbours expire together, as they do when they were accepted together.
    let most_at_once = if kind == Nudge::ExpireEarly { 6 } else { 1 };
    let mut left = 0_u64;
    mutants::set_hook(Some(Box::new(move |asked| {
        if asked != kind {
            return false;
        }
        if left == 0 && tape.chance(per_mille) {
            left = most_at_once;
        }
        let is_nudged = left > 0;
        left -= u64::from(is_nudged);
        is_nudged
    })));
    Some(kind)
}

/// One seed under a mutant, or none; its breaches.
fn run(mutant: Option<Mutant>, seed: u64) -> Vec<Breach> {
    mutants::switch_on(mutant);
    let nudged = nudge(seed);
    let mut breaches = run_seed(seed, &Options { once: true }).breaches;
    mutants::set_hook(None);
    mutants::switch_on(None);
    if nudged == Some(Nudge::ExpireEarly) {
        // Whoever is told too early is told "unknown" where patience would have brought more.
        breaches.retain(|breach| !matches!(breach.check, Check::Q14 | Check::Q17));
    }
    breaches
}

/// Q11 is said of several rules, and its texts begin with the one that is meant.
fn label(breach: &Breach) -> String {
    let rule = breach.text.split(':').next().filter(|word| word.starts_with('K') && word.len() <= 3);
    rule.map_or_else(|| format!("{:?}", breach.check), |rule| format!("{:?} ({rule})", breach.check))
}

/// Runs seeds under `mutant` until one complains that does not complain of the unbroken engine.
fn hunt(mutant: Option<Mutant>, from: u64, most: u64) -> Option<Caught> {
    for seeds in 1..=most {
        let seed = from + seeds - 1;
        let breaches = run(mutant, seed);
        if let Some(first) = breaches.first()
            && (mutant.is_none() || run(None, seed).is_empty())
        {
            // "and 12 more" names no rule.
            let told = breaches.iter().filter(|breach| !breach.text.starts_with("and "));
            let mut checks: Vec<String> = told.map(label).collect();
            checks.sort_unstable();
            checks.dedup();
            return Some(Caught { seeds, checks, text: format!("seed {seed}: {first}") });
        }
    }
    None
}

/// All `work` on all cores; each piece's result at its place.
fn on_all_cores<T: Send, R: Send>(work: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R>
where
    T: Sync,
{
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let threads = number("THREADS", std::thread::available_parallelism().map_or(1, usize::from) as u64);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = work.get(place) else { return };
                    let result = run(piece);
                    done.lock().expect("nobody panics here").insert(place, result);
                }
            });
        }
    });
    done.into_inner().expect("nobody panics here").into_values().collect()
}

/// Panics are findings here (Q18), not news.
fn quietly<R>(run: impl FnOnce() -> R) -> R {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = run();
    std::panic::set_hook(hook);
    result
}

fn row(mutant: Mutant, found: &[Option<Caught>], budget: u64) -> String {
    let mut seeds: Vec<u64> =
        found.iter().map(|caught| caught.as_ref().map_or(budget + 1, |caught| caught.seeds)).collect();
    seeds.sort_unstable();
    let mut checks: BTreeMap<&str, usize> = BTreeMap::new();
    for check in found.iter().flatten().flat_map(|caught| &caught.checks) {
        *checks.entry(check).or_default() += 1;
    }
    let mut by: Vec<(usize, &str)> = checks.into_iter().map(|(check, count)| (count, check)).collect();
    by.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    let by: Vec<String> = by.iter().map(|(count, check)| format!("{check} {count}")).collect();
    let survived = found.iter().filter(|caught| caught.is_none()).count();
    let verdict = match survived {
        0 => "caught".to_owned(),
        some => format!("**survived {some} of {}**", found.len()),
    };
    format!(
        "| {} | simulation | {verdict} | {} | {} | {} | {} |",
        mutant.name(),
        by.join(", "),
        seeds[0],
        seeds[seeds.len() / 2],
        seeds[seeds.len() - 1]
    )
}

// D-68: thirteen rules and both proofs of D-4. Fails with the names of those that no seed of the budget has shown.
#[test]
fn every_simulated_mutant_is_caught() {
    let (budget, repetitions) = (number("BUDGET", 20_000), number("REPETITIONS", 9));
    let mutants = wanted();
    let work: Vec<(Mutant, u64)> = mutants
        .iter()
        .flat_map(|mutant| (0..repetitions).map(move |repetition| (*mutant, repetition * STRIDE)))
        .collect();
    let found = quietly(|| on_all_cores(&work, |(mutant, from)| hunt(Some(*mutant), *from, budget)));
    let mut survivors = Vec::new();
    for (mutant, found) in mutants.iter().zip(found.chunks(usize::try_from(repetitions).expect("few"))) {
        println!("{}", row(*mutant, found, budget));
        for caught in found.iter().flatten().take(1) {
            println!("  e.g. {} {}", mutant.name(), caught.text);
        }
        if found.iter().any(Option::is_none) {
            survivors.push(mutant.name());
        }
    }
    assert!(survivors.is_empty(), "not caught within {budget} seeds: {survivors:?}");
}

// The other half: a check that always complains would catch every mutant. Fails if an unbroken engine, nudged or not,
// breaks a promise.
#[test]
fn without_a_mutant_nothing_is_found() {
    let seeds = number("CONTROL_SEEDS", 2_000);
    let pieces: Vec<u64> = (0..8).collect();
    let found =
        quietly(|| on_all_cores(&pieces, |piece| hunt(None, 500_000_000 + piece * STRIDE, seeds / 8)));
    let found: Vec<&str> = found.iter().flatten().map(|caught| &*caught.text).collect();
    assert!(found.is_empty(), "an unbroken engine was blamed: {found:#?}");
}

// A rare branch that no run takes is a branch that nothing checks. Fails with the marks that no seed has hit.
#[test]
fn every_mark_is_hit() {
    let seeds = number("MARK_SEEDS", 3_000);
    let next = AtomicU64::new(0);
    let pieces: Vec<u64> = (0..8).collect();
    let counts = on_all_cores(&pieces, |_| {
        let mut counts: BTreeMap<Mark, u64> = BTreeMap::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return counts;
            }
            nudge(seed);
            run_seed(seed, &Options { once: true });
            for mark in mutants::take_marks() {
                *counts.entry(mark).or_default() += 1;
            }
        }
    });
    let mut never = Vec::new();
    for mark in Mark::ALL {
        let count: u64 = counts.iter().filter_map(|counts| counts.get(mark)).sum();
        let scenario = BY_SCENARIO.iter().find(|(known, _)| known == mark).map(|(_, scenario)| *scenario);
        println!("| {} | {count} | {} |", mark.name(), scenario.unwrap_or(""));
        if count == 0 && scenario.is_none() {
            never.push(mark.name());
        }
    }
    assert!(never.is_empty(), "no seed of {seeds} has hit {never:?}");
}
