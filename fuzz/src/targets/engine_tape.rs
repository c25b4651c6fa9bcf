//! The fuzzer's bytes as a run of the simulation: engine and accumulator in virtual time, among faults, judged by the
//! oracle. Any broken promise is a finding.
//!
//! Input: choices, one after the other, each an unsigned LEB128 number; most choices are small and take one byte, so that
//! a byte put in or taken out moves the rest of the run by one choice. Past the end every choice is zero, the tamest.
//!
//! **Why beside the seeds.** Seeds draw worlds blindly; a fuzzer keeps a tape that reached code that no other did, and goes
//! on from there. The worlds are small ones, with a tenth of the load and of the time: a fuzzer lives on many runs. To read a finding, let it write its tape and tell that one's story:
//!
//! ```text
//! FACTEUR_TAPE=/tmp/found.tape cargo +nightly fuzz run engine_tape fuzz/artifacts/engine_tape/crash-…
//! TAPE=/tmp/found.tape TRACE=1 cargo test --test simulation every_seed -- --nocapture
//! ```
//!
//! Neighbours: `tests/simulation` is the world, included by path at the root of whoever runs this. Not here: comparing
//! two runs of a tape, which the seeds do.

use std::fmt::Write as _;

use crate::simulation::runner;
use crate::simulation::tape::{KINDS, SMALL, Tape};

/// More than the longest run that a seed draws.
const MOST_CHOICES: usize = 1 << 14;

/// What the bytes choose.
pub fn choices(data: &[u8]) -> Vec<u64> {
    let mut choices = Vec::with_capacity(data.len().min(MOST_CHOICES));
    let (mut choice, mut shift) = (0_u64, 0_u32);
    for byte in data {
        choice |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            choices.push(choice);
            (choice, shift) = (0, 0);
            if choices.len() == MOST_CHOICES {
                return choices;
            }
        }
    }
    if shift > 0 {
        choices.push(choice);
    }
    choices
}

/// The bytes that choose this: a recorded tape as a seed.
pub fn bytes(choices: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(choices.len() * 2);
    for choice in choices {
        let mut rest = *choice;
        while rest >= 0x80 {
            bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        bytes.push(rest.to_le_bytes()[0]);
    }
    bytes
}

/// As the simulation reads it from a file.
fn text(choices: &[u64]) -> String {
    let mut text = format!("# found by engine_tape\n{SMALL}\n{KINDS}{}\n", usize::MAX);
    for line in choices.chunks(24) {
        for choice in line {
            let _never = write!(text, "{choice} ");
        }
        text.push('\n');
    }
    text
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let choices = choices(data);
    if let Some(file) = std::env::var_os("FACTEUR_TAPE") {
        std::fs::write(file, text(&choices)).expect("FACTEUR_TAPE is a file that can be written");
    }
    let result = runner::run_tape(Tape::recorded(choices.clone()).small(), false);
    if !result.breaches.is_empty() {
        panic!("a run of {} choices broke: {:?}", choices.len(), result.breaches);
    }
    let counts = result.stats.counts;
    let told = counts.acknowledged + counts.rejected + counts.unknown;
    assert_eq!(told, counts.accepted, "records without an outcome");
}
