//! What the fuzzers run, as a library, so that each target's binary is three lines.
//!
//! **Why apart from the binaries.** `tests/hostile.rs` includes the same modules by path and runs them over the seeds and
//! over everything that was ever found, without libFuzzer and without C++. Neighbours: `fuzz_targets/` calls
//! [`targets`]; `scripts/fuzz.sh` runs them. Not here: seeds, which `tests/hostile/seeds.rs` writes.

#[allow(dead_code, reason = "the part that `engine_tape` uses")]
#[path = "../../tests/oracle/mod.rs"]
mod oracle;
#[allow(dead_code, reason = "the part that `engine_tape` uses")]
#[path = "../../tests/simulation/mod.rs"]
mod simulation;
pub mod targets;
