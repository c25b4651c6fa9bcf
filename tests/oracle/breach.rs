//! What a check says when it finds something: which check, which record, and a sentence.
//!
//! **Why a cap on words.** A run that loses everything has a hundred thousand breaches; a few of them tell the story,
//! the counts tell the size.

use std::fmt;

use super::history::RecordId;

/// Sentences kept per check; more are only counted.
const SENTENCES_PER_CHECK: u32 = 8;

/// The checks of `spec/reliability.md` 3.3, with Jepsen's names where they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    Q1,
    Q2,
    Q3,
    Q4,
    Q5,
    Q6,
    Q7,
    Q8,
    Q9,
    Q10,
    Q11,
    Q12,
    Q13,
    Q14,
    Q15,
    Q16,
    Q17,
    Q18,
}

impl Check {
    pub const ALL: [Self; 18] = [
        Self::Q1,
        Self::Q2,
        Self::Q3,
        Self::Q4,
        Self::Q5,
        Self::Q6,
        Self::Q7,
        Self::Q8,
        Self::Q9,
        Self::Q10,
        Self::Q11,
        Self::Q12,
        Self::Q13,
        Self::Q14,
        Self::Q15,
        Self::Q16,
        Self::Q17,
        Self::Q18,
    ];

    /// The anomaly's name.
    #[must_use]
    pub const fn anomaly(self) -> &'static str {
        match self {
            Self::Q1 => "lost-write",
            Self::Q2 => "duplicate",
            Self::Q3 => "phantom",
            Self::Q4 => "nonmonotonic-send",
            Self::Q5 => "wrong-offset",
            Self::Q6 => "inconsistent-offset",
            Self::Q7 => "corruption",
            Self::Q8 => "silent-gap",
            Self::Q9 => "premature-ack",
            Self::Q10 => "identity-reuse",
            Self::Q11 => "window",
            Self::Q12 => "callback-count",
            Self::Q13 => "stuck",
            Self::Q14 => "no-progress",
            Self::Q15 => "leak",
            Self::Q16 => "storm",
            Self::Q17 => "doubt-quality",
            Self::Q18 => "panic",
        }
    }

    pub(super) const fn place(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} {}", self.anomaly())
    }
}

/// One thing that may never happen, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub check: Check,
    pub text: String,
}

impl Breach {
    #[must_use]
    pub fn new(check: Check, text: impl Into<String>) -> Self {
        Self { check, text: text.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.text)
    }
}

/// Where the checks put what they find.
#[derive(Debug, Default)]
pub struct Findings {
    pub(super) counts: [u32; Check::ALL.len()],
    pub(super) breaches: Vec<Breach>,
    /// Which record each finding was about, for the report by phase.
    pub(super) records: Vec<(Check, RecordId)>,
}

impl Findings {
    /// A finding about one record; `text` is asked only while there is room for sentences.
    pub fn about(&mut self, check: Check, id: RecordId, text: impl FnOnce() -> String) {
        self.records.push((check, id));
        self.add(check, text);
    }

    /// A finding about a run, a lane, a log.
    pub fn add(&mut self, check: Check, text: impl FnOnce() -> String) {
        let count = &mut self.counts[check.place()];
        *count += 1;
        if *count <= SENTENCES_PER_CHECK {
            self.breaches.push(Breach { check, text: text() });
        }
    }

    #[must_use]
    pub fn into_breaches(mut self) -> Vec<Breach> {
        for check in Check::ALL {
            let count = self.counts[check.place()];
            if count > SENTENCES_PER_CHECK {
                let text = format!("and {} more", count - SENTENCES_PER_CHECK);
                self.breaches.push(Breach { check, text });
            }
        }
        self.breaches
    }
}
