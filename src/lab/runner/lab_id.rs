//! The names of the labs.
//!
//! **Why an enum.** A name comes from a command line or a URL; parsed once, every lab must have texts, steps and a row.
//! Neighbours: [`super::catalogue`] has the texts. Not here: what a lab does.

use std::fmt;
use std::str::FromStr;

/// A lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabId {
    /// 02.0: both APIs answer.
    Start,
    /// 02.1: a synchronous send has partition and offset.
    Sync,
    /// 02.2: an asynchronous send and its status.
    Async,
    /// 02.3: latency through the injector.
    Faults,
    /// 02.4: the key experiment.
    Idempotence,
    /// 02.5: keys and partitions.
    Partitions,
    /// 02.6: compaction.
    Compaction,
    /// What idempotence does not do, and the header that does it.
    IdempotencyKey,
    /// The circuit breaker of the theory's section 4.2.
    Breaker,
    /// Exercise 1: other timeouts.
    Timeouts,
    /// Exercise 2: a fault that swallows everything.
    TimeoutToxic,
    /// Exercise 3: many keys.
    Keys,
}

/// The seven rows of the course's table.
pub const COURSE: [LabId; 7] = [
    LabId::Start,
    LabId::Sync,
    LabId::Async,
    LabId::Faults,
    LabId::Idempotence,
    LabId::Partitions,
    LabId::Compaction,
];

/// The labs beside them.
pub const EXTRAS: [LabId; 5] =
    [LabId::IdempotencyKey, LabId::Breaker, LabId::Timeouts, LabId::TimeoutToxic, LabId::Keys];

impl LabId {
    /// As on the command line and in URLs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "02.0",
            Self::Sync => "02.1",
            Self::Async => "02.2",
            Self::Faults => "02.3",
            Self::Idempotence => "02.4",
            Self::Partitions => "02.5",
            Self::Compaction => "02.6",
            Self::IdempotencyKey => "idempotency-key",
            Self::Breaker => "breaker",
            Self::Timeouts => "exercise-1",
            Self::TimeoutToxic => "exercise-2",
            Self::Keys => "exercise-3",
        }
    }

    /// Every lab, the course's first.
    pub fn all() -> impl Iterator<Item = Self> {
        COURSE.into_iter().chain(EXTRAS)
    }
}

impl fmt::Display for LabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LabId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|lab| lab.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(Self::name).collect();
            format!("there is no lab {text:?}; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A name that one command prints must be one that the other takes; a wrong one is answered with the right ones.
    #[test]
    fn every_lab_is_found_by_its_name_and_no_other() {
        for lab in LabId::all() {
            assert_eq!(lab.name().parse(), Ok(lab));
        }
        assert_eq!(LabId::all().count(), COURSE.len() + EXTRAS.len());
        let error = "02.7".parse::<LabId>().unwrap_err();
        assert!(error.contains("02.6") && error.contains("breaker"), "{error}");
    }
}
