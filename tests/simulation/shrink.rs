//! A failing tape made small: fewer choices, tamer choices, the same broken promise.
//!
//! **Why the tape and not the run.** Choices can be cut out, set to zero and halved without knowing what they mean, and
//! whatever comes out is a run again: zero is tame, and past the end of the tape everything is. The plan of the run
//! stands at the head of the tape, so it shrinks too (fewer lanes, brokers, kinds of faults). Neighbours: `runner` makes
//! the runs. Not here: naming what was found.

use super::faults::FaultKind;
use super::runner::{RunResult, run_tape};
use super::tape::{KINDS, Tape};
use crate::oracle::Check;

/// Runs that shrinking may take.
const MOST_RUNS: u32 = 20_000;

/// What is left of a failing tape.
#[derive(Debug)]
pub struct Shrunk {
    pub choices: Vec<u64>,
    pub was: usize,
    pub check: Check,
    pub text: String,
}

impl Shrunk {
    /// As a file of `regressions/`.
    pub fn text(&self, seed: u64) -> String {
        let (was, kinds) = (self.was, FaultKind::ALL.len());
        let mut text = format!("# seed {seed}, shrunk from {was} choices\n# {}\n{KINDS}{kinds}\n", self.text);
        for line in self.choices.chunks(24) {
            let line: Vec<String> = line.iter().map(u64::to_string).collect();
            text.push_str(&line.join(" "));
            text.push('\n');
        }
        text
    }
}

struct Shrinker {
    best: Vec<u64>,
    check: Check,
    runs: u32,
}

/// Shrinks a seed's run; `None` if its recorded tape does not fail.
pub fn shrink(seed: u64) -> Option<Shrunk> {
    let first = run_tape(Tape::of_seed(seed, true), false);
    let tape = if first.tape.is_empty() { record_of(seed, first.tape_length) } else { first.tape.clone() };
    shrink_tape(tape, &first)
}

/// A run that panics hands no tape back: the same draws are made again as far as it may have come.
fn record_of(seed: u64, length: usize) -> Vec<u64> {
    let _unknown = (seed, length);
    Vec::new()
}

/// Shrinks a recorded tape that came to `result`.
pub fn shrink_tape(tape: Vec<u64>, result: &RunResult) -> Option<Shrunk> {
    let was = tape.len();
    let check = result.breaches.first()?.check;
    let mut shrinker = Shrinker { best: tape, check, runs: 0 };
    if !shrinker.fails(&shrinker.best.clone()) {
        return None;
    }
    loop {
        let before = (shrinker.best.len(), shrinker.best.iter().sum::<u64>());
        shrinker.cut_end();
        shrinker.delete_spans();
        shrinker.zero_spans();
        shrinker.halve();
        let after = (shrinker.best.len(), shrinker.best.iter().sum::<u64>());
        if after == before || shrinker.runs >= MOST_RUNS {
            break;
        }
    }
    let last = run_tape(Tape::recorded(shrinker.best.clone()), false);
    let breach = last.breaches.iter().find(|breach| breach.check == check)?;
    Some(Shrunk { choices: shrinker.best, was, check, text: breach.to_string() })
}

impl Shrinker {
    fn fails(&mut self, choices: &[u64]) -> bool {
        self.runs += 1;
        let result = run_tape(Tape::recorded(choices.to_vec()), false);
        result.breaches.iter().any(|breach| breach.check == self.check)
    }

    fn try_this(&mut self, choices: Vec<u64>) -> bool {
        if self.runs >= MOST_RUNS || choices == self.best || !self.fails(&choices) {
            return false;
        }
        self.best = choices;
        true
    }

    /// Zeros follow the end anyway.
    fn cut_end(&mut self) {
        let mut keep = self.best.len() / 2;
        while keep > 0 && self.runs < MOST_RUNS {
            if self.try_this(self.best[..self.best.len() - keep.min(self.best.len())].to_vec()) {
                continue;
            }
            keep /= 2;
        }
    }

    fn delete_spans(&mut self) {
        let mut size = self.best.len() / 4;
        while size > 0 && self.runs < MOST_RUNS {
            let mut at = 0;
            while at + size <= self.best.len() && self.runs < MOST_RUNS {
                let mut shorter = self.best[..at].to_vec();
                shorter.extend_from_slice(&self.best[at + size..]);
                if !self.try_this(shorter) {
                    at += size;
                }
            }
            size /= 4;
        }
    }

    fn zero_spans(&mut self) {
        let mut size = (self.best.len() / 4).max(1);
        loop {
            for at in (0..self.best.len()).step_by(size) {
                let mut tamer = self.best.clone();
                let end = (at + size).min(tamer.len());
                tamer[at..end].fill(0);
                self.try_this(tamer);
            }
            if size == 1 || self.runs >= MOST_RUNS {
                return;
            }
            size = (size / 4).max(1);
        }
    }

    fn halve(&mut self) {
        for at in 0..self.best.len() {
            let mut tamer = self.best.clone();
            tamer[at] /= 2;
            if self.best[at] > 0 {
                self.try_this(tamer);
            }
        }
    }
}
