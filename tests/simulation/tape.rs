//! The tape: every choice of a run, in the order in which it was made.
//!
//! **Why a tape and not a generator.** A run is a pure function of its tape, so a failing run can be kept, replayed and
//! made smaller without knowing what the choices mean: values are cut out, set to zero or halved, and the run is tried
//! again. For that, zero must always be the tamest choice (no delay, no fault, the first of a list) and a tape that ends
//! early must go on with zeros.
//!
//! Neighbours: everything in the simulation draws from it through [`Draw`]; `shrink` makes tapes smaller. Not here: what
//! is drawn.

/// Where choices come from. Zero is the tamest.
pub trait Draw {
    /// A number below `n`; 0 if `n` is 0 or 1.
    fn below(&mut self, n: u64) -> u64;

    /// True with a probability of `per_mille` in 1000; never on a tape of zeros.
    fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) >= 1000_u64.saturating_sub(per_mille)
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// One of `choices`; the first is the tamest.
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T
    where
        Self: Sized,
    {
        let place = self.below(choices.len() as u64);
        choices[usize::try_from(place).expect("a place in a list")]
    }
}

/// Where the next choice comes from.
#[derive(Debug, Clone)]
enum Source {
    /// `SplitMix64`: the whole state is one word, which is all that a simulation needs.
    Seed(u64),
    Recorded(Vec<u64>),
}

/// The choices of one run.
#[derive(Debug, Clone)]
pub struct Tape {
    source: Source,
    position: usize,
    /// What was chosen so far, if it is kept.
    record: Option<Vec<u64>>,
    size: Size,
    kinds: usize,
}

/// How long a run is, and how much is sent in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A tenth of the load and of the time.
    Small,
    /// What a seed means.
    Usual,
    /// What a seed meant when the tape was recorded.
    Long,
}

/// A line of a tape's file.
pub const SMALL: &str = "# a small world";
/// Another one.
pub const LONG: &str = "# a long run";
/// Before the number of kinds of faults that could be drawn when the tape was recorded.
pub const KINDS: &str = "# kinds of faults: ";
/// So many there were before that was written down.
const FIRST_KINDS: usize = 42;

impl Tape {
    /// The endless tape of a seed. With `keep`, what is chosen can be read afterwards.
    #[must_use]
    pub fn of_seed(seed: u64, keep: bool) -> Self {
        let record = keep.then(Vec::new);
        Self { source: Source::Seed(seed), position: 0, record, size: Size::Usual, kinds: usize::MAX }
    }

    /// A tape that was recorded before; zeros follow its end.
    #[must_use]
    pub const fn recorded(choices: Vec<u64>) -> Self {
        let record = Some(Vec::new());
        Self { source: Source::Recorded(choices), position: 0, record, size: Size::Usual, kinds: usize::MAX }
    }

    /// The same choices in a world with a tenth of the load and of the time: for who wants many runs, not long ones.
    #[must_use]
    pub const fn small(mut self) -> Self {
        self.size = Size::Small;
        self
    }

    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// So many kinds of faults may be drawn, the first ones: a kind that is added at the end of the list leaves old tapes what
    /// they were.
    #[must_use]
    pub const fn kinds(&self) -> usize {
        self.kinds
    }

    /// How many choices were made.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// What was chosen, if it was kept.
    #[must_use]
    pub fn into_record(self) -> Vec<u64> {
        self.record.unwrap_or_default()
    }

    /// A tape as a file: numbers, with `#` before what is for people.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let choices = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(str::split_whitespace)
            .map(|number| number.parse().expect("a number on the tape"))
            .collect();
        let kinds = text.lines().find_map(|line| line.strip_prefix(KINDS)?.parse().ok());
        let mut tape = Self::recorded(choices);
        tape.kinds = kinds.unwrap_or(FIRST_KINDS);
        for line in text.lines() {
            match line {
                SMALL => tape.size = Size::Small,
                LONG => tape.size = Size::Long,
                _ => {}
            }
        }
        tape
    }
}

impl Draw for Tape {
    fn below(&mut self, n: u64) -> u64 {
        let choice = match &mut self.source {
            Source::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^= z >> 31;
                u64::try_from((u128::from(z) * u128::from(n)) >> 64).expect("below n")
            }
            Source::Recorded(choices) => choices.get(self.position).map_or(0, |choice| choice % n.max(1)),
        };
        self.position += 1;
        if let Some(record) = &mut self.record {
            record.push(choice);
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shrinking relies on it: what was recorded is what replays. Fails if a draw is not recorded or read back otherwise.
    #[test]
    fn a_recorded_tape_makes_the_same_choices() {
        let mut first = Tape::of_seed(7, true);
        let chosen: Vec<u64> = (1..50).map(|n| first.below(n)).collect();
        let mut again = Tape::recorded(first.into_record());

        assert_eq!((1..50).map(|n| again.below(n)).collect::<Vec<_>>(), chosen);
        assert!(chosen.iter().any(|choice| *choice > 0));
    }

    // A tape that was cut goes on with the tamest choices. Fails if its end is an error, or a chance comes true there.
    #[test]
    fn after_its_end_a_tape_is_tame() {
        let mut tape = Tape::recorded(vec![5]);

        assert_eq!(tape.below(10), 5);
        assert_eq!(tape.below(10), 0);
        assert!(!tape.chance(999));
    }
}
