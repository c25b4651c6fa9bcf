//! The simulation: `SEEDS=A..B cargo test --release --test simulation -- --nocapture`. See `docs/simulation.md`.
//!
//! | variable | meaning |
//! |---|---|
//! | `SEEDS=A..B` | run these seeds, each twice, and report |
//! | `SEED=N` | run one; with `TRACE=1` tell its story |
//! | `TAPE=file` | run a recorded tape; `TRACE=1` as well |
//! | `THREADS=n` | on so many threads instead of all cores |
//! | `FAILURES=n` | stop after so many failures (default 10) |
//! | `SHRINK=1` | make the first failures small and keep their tapes in `tests/simulation/regressions/` |
//! | `ONCE=1` | each seed once, uncompared: for profiles, never for the record |
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::needless_pass_by_value,
    dead_code,
    missing_docs,
    unnameable_types,
    reason = "all of this is test code, most of it outside of test functions"
)]

#[path = "simulation/cluster/tests/mod.rs"]
mod cluster_tests;
#[path = "oracle/mod.rs"]
mod oracle;
#[path = "simulation/mod.rs"]
mod simulation;

/// Plain `cargo test` runs these: a few seconds in debug.
const QUICK_SEEDS: std::ops::Range<u64> = 0..60;

// The contract of `spec/reliability.md` 3.1, over as many worlds as there is time for. Fails with the seed, the breaches
// and the command that shows the run again.
#[test]
fn every_seed_keeps_the_promises() {
    let failed = simulation::command::run(QUICK_SEEDS);

    assert_eq!(failed, 0, "promises were broken, see above");
}

// Tapes that once failed, each with its story in its first lines. Fails if one of them fails again.
#[test]
fn tapes_that_once_failed_keep_the_promises() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/regressions");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of regressions")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tape"))
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let result = simulation::runner::run_tape(simulation::tape::Tape::read(&text), false);

        assert!(result.breaches.is_empty(), "{}: {:?}", file.display(), result.breaches);
    }
}

// Every choice at its tamest is a run as well: one lane, no fault, everything acknowledged. Fails if zero is not tame.
#[test]
fn a_tape_of_zeros_is_a_run_without_faults() {
    let result = simulation::runner::run_tape(simulation::tape::Tape::recorded(Vec::new()), false);

    assert!(result.breaches.is_empty(), "{:?}", result.breaches);
    assert!(result.stats.counts.accepted > 0, "{:?}", result.stats.counts);
    assert_eq!(result.stats.counts.accepted, result.stats.counts.acknowledged);
}
