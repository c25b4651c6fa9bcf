//! Q15's evidence: what was held before the run and at its end, when nothing is on its way any more.

/// One thing that must come back to where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub name: &'static str,
    pub before: u64,
    pub after: u64,
}

/// Buffer bytes, permits, requests in flight, timers, tasks, sockets: whatever the venue can count.
#[derive(Debug, Clone, Default)]
pub struct Leaks {
    pub(super) levels: Vec<Level>,
}

impl Leaks {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn level(&mut self, name: &'static str, before: u64, after: u64) {
        self.levels.push(Level { name, before, after });
    }

    /// Something that must be 0 at rest.
    pub fn at_rest(&mut self, name: &'static str, left: u64) {
        self.level(name, 0, left);
    }
}
