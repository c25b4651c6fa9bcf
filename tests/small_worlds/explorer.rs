//! Walks every tape of choices, depth first, by running again from the beginning.
//!
//! **Why replay.** The engine need not be copied, and a breach comes with the choices that lead to it. A run asks
//! [`Choices::choose`] at each fork; the explorer answers with the prefix that it is at, then with the first branch of
//! everything new, and after the run turns the last fork that has a branch left (the "exhaustigen" idea of
//! `TigerBeetle`).
//!
//! **Why states may be remembered.** Most interleavings differ in the order of things that do not touch each other, and
//! meet again. A run hands over a fingerprint of *everything* on which its future and the oracle's questions depend; at
//! one that was walked to its end before, the run stops, and what was found behind it is counted again. It is sound as
//! far as the fingerprint is complete, which a test shows by walking small worlds both ways, and as 128 bits of hash do
//! not collide.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher as _;

/// Whether states are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    None,
    States,
}

/// What a walk found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Different tapes of choices, each from the beginning to the end.
    pub interleavings: u128,
    /// Runs that it took.
    pub runs: u64,
    /// Different states at which there was a choice.
    pub states: usize,
    /// The longest tape.
    pub longest: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interleavings, runs, states, longest } = self;
        write!(
            f,
            "{interleavings} interleavings, {runs} runs, {states} states, at most {longest} choices each"
        )
    }
}

/// The run is at a state that was walked before, and need not go on.
#[derive(Debug, Clone, Copy)]
pub struct SeenBefore;

/// A fork on the present tape.
struct Fork {
    branches: usize,
    taken: usize,
    fingerprint: u128,
    /// Interleavings found behind it so far.
    found: u128,
}

/// The tape that one run reads.
pub struct Choices<'a> {
    forks: &'a mut Vec<Fork>,
    walked: &'a BTreeMap<u128, u128>,
    at: usize,
    seen: Option<u128>,
}

impl Choices<'_> {
    /// Which of `branches` to take. `state` writes down everything that matters from here on; it is asked only at forks
    /// that this run is the first to reach.
    pub fn choose(
        &mut self,
        branches: usize,
        state: impl FnOnce(&mut Fingerprint),
    ) -> Result<usize, SeenBefore> {
        assert!(branches > 0, "there is always something to choose");
        if branches == 1 {
            return Ok(0);
        }
        if let Some(fork) = self.forks.get(self.at) {
            self.at += 1;
            assert_eq!(fork.branches, branches, "the same choices lead to the same forks");
            return Ok(fork.taken);
        }
        let mut fingerprint = Fingerprint::new();
        state(&mut fingerprint);
        let fingerprint = fingerprint.value();
        if let Some(found) = self.walked.get(&fingerprint) {
            self.seen = Some(*found);
            return Err(SeenBefore);
        }
        self.forks.push(Fork { branches, taken: 0, fingerprint, found: 0 });
        self.at += 1;
        Ok(0)
    }

    /// The choices so far: a breach is told with them.
    pub fn tape(&self) -> Vec<usize> {
        self.forks[..self.at].iter().map(|fork| fork.taken).collect()
    }
}

pub struct Explorer {
    memory: Memory,
    forks: Vec<Fork>,
    walked: BTreeMap<u128, u128>,
    report: Report,
}

impl Explorer {
    pub fn new(memory: Memory) -> Self {
        Self { memory, forks: Vec::new(), walked: BTreeMap::new(), report: Report::default() }
    }

    /// Runs `play` once for each tape.
    pub fn walk(mut self, play: impl Fn(&mut Choices<'_>) -> Result<(), SeenBefore>) -> Report {
        loop {
            let mut choices = Choices { forks: &mut self.forks, walked: &self.walked, at: 0, seen: None };
            let found = match play(&mut choices) {
                Ok(()) => 1,
                Err(SeenBefore) => choices.seen.expect("a run stops where somebody has been"),
            };
            self.report.runs += 1;
            self.report.longest = self.report.longest.max(self.forks.len());
            if !self.turn(found) {
                return self.report;
            }
        }
    }

    /// Books what the last run found and turns the last fork that has a branch left; false if there is none.
    fn turn(&mut self, mut found: u128) -> bool {
        while let Some(fork) = self.forks.last_mut() {
            fork.found += found;
            fork.taken += 1;
            if fork.taken < fork.branches {
                return true;
            }
            found = fork.found;
            self.report.states += 1;
            if self.memory == Memory::States {
                self.walked.insert(fork.fingerprint, fork.found);
            }
            self.forks.pop();
        }
        self.report.interleavings = found;
        false
    }
}

/// A hash of a state, fed with words.
pub struct Fingerprint {
    one: std::hash::DefaultHasher,
    other: std::hash::DefaultHasher,
}

impl Fingerprint {
    fn new() -> Self {
        let mut other = std::hash::DefaultHasher::new();
        // Another beginning, hence another 64 bits.
        other.write_u8(1);
        Self { one: std::hash::DefaultHasher::new(), other }
    }

    fn value(&self) -> u128 {
        u128::from(self.one.finish()) << 64 | u128::from(self.other.finish())
    }
}

impl fmt::Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.one.write(text.as_bytes());
        self.other.write(text.as_bytes());
        Ok(())
    }
}
