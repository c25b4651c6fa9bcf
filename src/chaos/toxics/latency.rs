//! `latency`: each chunk leaves a while after it arrived, in order.
//!
//! **Why by age.** A chunk that waited behind another one has already spent part of its delay, so a standing latency
//! slows every answer by the same time and does not pile up. Throughput is limited only by what may wait:
//! [`MOST_CHUNKS`] and [`MOST_BYTES`]. Not here: reordering; jitter larger than the mean only means no delay.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt as _;

use super::stage::{Behaviour, Context, Item, Next};
use crate::chaos::toxic::{ByteToxic, LatencyAttributes};
use crate::time::Instant;

/// Chunks that may wait, as in Toxiproxy.
pub const MOST_CHUNKS: usize = 1024;
/// Bytes that may wait; Toxiproxy has no such bound.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The state.
#[derive(Debug)]
pub struct Latency {
    attributes: LatencyAttributes,
    /// When the first chunk of the queue leaves; drawn when it becomes the first.
    due: Option<Instant>,
}

impl Latency {
    /// Nothing waits yet.
    #[must_use]
    pub const fn new(attributes: LatencyAttributes) -> Self {
        Self { attributes, due: None }
    }

    fn delay(&self, context: &mut Context<'_>) -> Duration {
        let LatencyAttributes { latency_ms, jitter_ms } = self.attributes;
        let jitter_ms = i64::try_from(jitter_ms).unwrap_or(i64::MAX / 4);
        let offset_ms = if jitter_ms == 0 { 0 } else { context.random.random_range(-jitter_ms..jitter_ms) };
        let wanted_ms = i64::try_from(latency_ms).unwrap_or(i64::MAX / 4).saturating_add(offset_ms);
        Duration::from_millis(u64::try_from(wanted_ms).unwrap_or(0))
    }
}

impl Behaviour for Latency {
    fn has_room(&self, input: &VecDeque<Item>) -> bool {
        input.len() < MOST_CHUNKS && waiting_bytes(input) < MOST_BYTES
    }

    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next {
        let Some(Item::Chunk(first)) = input.front() else {
            return input.pop_front().map_or(Next::Idle, Next::Item);
        };
        let (arrived, length) = (first.at, first.bytes.len());
        let due = match self.due {
            Some(due) => due,
            None => {
                let delay = self.delay(context);
                context.tell_often(length, || format!("held back for {} ms", delay.as_millis()));
                *self.due.insert(arrived + delay)
            }
        };
        if context.now < due {
            return Next::Wait(due);
        }
        self.due = None;
        match input.pop_front() {
            Some(Item::Chunk(mut chunk)) => {
                chunk.at = due;
                Next::Item(Item::Chunk(chunk))
            }
            Some(item) => Next::Item(item),
            None => Next::Idle,
        }
    }

    fn change(&mut self, toxic: &ByteToxic, now: Instant) {
        if let ByteToxic::Latency(attributes) = toxic {
            self.attributes = *attributes;
            // The chunk whose time runs is let go, as in Toxiproxy; those behind it get the new delay.
            if self.due.is_some() {
                self.due = Some(now);
            }
        }
    }
}

fn waiting_bytes(input: &VecDeque<Item>) -> usize {
    // Short queues only: with MOST_CHUNKS chunks this is still a fraction of what a system call costs.
    input.iter().map(|item| if let Item::Chunk(chunk) = item { chunk.bytes.len() } else { 0 }).sum()
}
