//! The bytes of one read, handed on in as few pieces as possible.
//!
//! **Why.** A read may hold fifty small requests that all pass. Handing on each by itself would cost fifty writes; so
//! what passes is a growing run, cut only where something else happens. Neighbours: [`super::session`]. Not here: frames.

use bytes::Bytes;

use crate::chaos::kafka::session::KafkaStep;

/// What is left of one read; its first `run` bytes are decided to pass.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Bytes,
    run: usize,
    step: fn(Bytes) -> KafkaStep,
}

impl Chunk {
    pub(crate) const fn new(bytes: Bytes, step: fn(Bytes) -> KafkaStep) -> Self {
        Self { bytes, run: 0, step }
    }

    pub(crate) const fn is_used_up(&self) -> bool {
        self.run >= self.bytes.len()
    }

    /// What nothing is decided about yet.
    pub(crate) fn rest(&self) -> Bytes {
        self.bytes.slice(self.run.min(self.bytes.len())..)
    }

    /// Lets up to `count` bytes pass; how many there were.
    pub(crate) fn pass(&mut self, count: usize) -> usize {
        let size = count.min(self.bytes.len().saturating_sub(self.run));
        self.run = self.run.saturating_add(size);
        size
    }

    /// Takes up to `count` bytes out; what passes before them is handed on first.
    pub(crate) fn take(&mut self, count: usize, steps: &mut Vec<KafkaStep>) -> Bytes {
        self.flush(steps);
        let size = count.min(self.bytes.len());
        self.bytes.split_to(size)
    }

    /// Hands on what passes.
    pub(crate) fn flush(&mut self, steps: &mut Vec<KafkaStep>) {
        if self.run > 0 {
            let run = self.run.min(self.bytes.len());
            self.run = 0;
            steps.push((self.step)(self.bytes.split_to(run)));
        }
    }
}
