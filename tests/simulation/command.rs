//! The runner's command: environment in, last lines out.
//!
//! **Why not in the test itself.** A crate without a test harness (the fuzzer, a profile) runs the same command. Neighbours:
//! `tests/simulation.rs` documents the variables and calls it. Not here: what a run is.

use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use super::report;
use super::runner::{Failure, News, Options, RunResult, run_seeds, run_tape};
use super::shrink;
use super::tape::Tape;

/// Shrinking takes thousands of runs: the first failures are enough.
const MOST_SHRUNK: usize = 3;
/// A long run says how far it is, with the sums of all seeds up to there: ended early, it has lost a minute.
const BETWEEN_NEWS: Duration = Duration::from_secs(60);

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn range(text: &str) -> Range<u64> {
    let (from, to) = text.split_once("..").expect("SEEDS is A..B");
    from.parse().expect("SEEDS is A..B")..to.parse().expect("SEEDS is A..B")
}

/// Processor time of this process so far, all threads together.
fn busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn revision() -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default().trim().to_owned()
}

/// One run, told; how many promises it broke.
fn tell(result: &RunResult) -> usize {
    for line in &result.lines {
        println!("{line}");
    }
    println!("choices {}, trace {:032x}", result.tape_length, result.hash);
    println!("{:?}", result.stats);
    for breach in &result.breaches {
        println!("BREACH {breach}");
    }
    result.breaches.len()
}

/// The failure's tape, made small and written where the regressions are: to be named and explained by whoever fixes it.
fn shrink_and_keep(failure: &Failure) {
    let Some(small) = shrink::shrink(failure.seed) else {
        println!("  seed {} does not fail again by its tape", failure.seed);
        return;
    };
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned());
    let file = format!("{folder}/tests/simulation/regressions/seed-{}.tape", failure.seed);
    let text = small.text(failure.seed);
    match std::fs::write(&file, text) {
        Ok(()) => println!("  shrunk from {} to {} choices: TAPE={file}", small.was, small.choices.len()),
        Err(error) => println!("  shrunk to {} choices, but {file}: {error}", small.choices.len()),
    }
}

/// Does what the environment asks for, by default the seeds of `quick`; how many runs or promises failed.
pub fn run(quick: Range<u64>) -> usize {
    let is_told = variable("TRACE").is_some();
    if let Some(file) = variable("TAPE") {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        return tell(&run_tape(Tape::read(&text), is_told));
    }
    if let Some(seed) = number("SEED") {
        return tell(&run_tape(Tape::of_seed(seed, true), is_told));
    }
    let seeds = variable("SEEDS").map_or(quick, |text| range(&text));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = number("THREADS").map_or(cores, |threads| threads as usize);
    let most = number("FAILURES").unwrap_or(10) as usize;
    #[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "measured outside of the runs")]
    let begun = std::time::Instant::now();
    let busy_before = busy();
    let options = Options { once: variable("ONCE").is_some() };
    let revision = revision();
    let last_told = Mutex::new(Duration::ZERO);
    let tell = |news: News<'_>| match news {
        News::Failed(failure) => println!("{}", report::failure(failure, &revision)),
        News::Ran { below, totals, failures } => {
            let mut last_told = last_told.lock().expect("nobody panics here");
            if begun.elapsed() >= *last_told + BETWEEN_NEWS {
                *last_told = begun.elapsed();
                let sum = totals.sum(failures, begun.elapsed(), busy() - busy_before);
                println!("SO FAR {}..{below} of {}..{}: {sum}", seeds.start, seeds.start, seeds.end);
            }
        }
    };
    let (totals, failures) = run_seeds(seeds.clone(), threads, most, &options, &tell);
    if variable("SHRINK").is_some() {
        failures.iter().take(MOST_SHRUNK).for_each(shrink_and_keep);
    }
    println!("{}", totals.report(failures.len(), begun.elapsed(), busy() - busy_before));
    failures.len()
}
