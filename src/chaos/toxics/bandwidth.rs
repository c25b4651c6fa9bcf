//! `bandwidth`: at most so many kilobytes a second.
//!
//! **Why slices.** A chunk worth more than 100 ms is cut, so that a slow line is slow all the time and not silent for
//! seconds. Rate 0 lets nothing pass, ever, as in Toxiproxy. Not here: bursts; there are none.

use std::collections::VecDeque;
use std::time::Duration;

use super::stage::{Behaviour, Chunk, Context, Item, Next};
use crate::chaos::toxic::{BandwidthAttributes, ByteToxic};
use crate::time::Instant;

const SLICE_MS: u64 = 100;

/// The state.
#[derive(Debug)]
pub struct Bandwidth {
    attributes: BandwidthAttributes,
    current: Option<Chunk>,
    /// When the current slice has gone through; drawn up when it begins.
    due: Option<Instant>,
    /// When the line is free again.
    free_at: Instant,
}

impl Bandwidth {
    /// A free line.
    #[must_use]
    pub const fn new(attributes: BandwidthAttributes) -> Self {
        Self { attributes, current: None, due: None, free_at: Instant::ZERO }
    }

    /// One KB/s is one byte a millisecond.
    fn slice_bytes(&self, whole: usize) -> usize {
        let most = self.attributes.rate_kb_per_s.saturating_mul(SLICE_MS);
        whole.min(usize::try_from(most).unwrap_or(usize::MAX))
    }
}

impl Behaviour for Bandwidth {
    fn has_room(&self, input: &VecDeque<Item>) -> bool {
        input.is_empty() && self.current.is_none()
    }

    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next {
        if self.current.is_none() {
            match input.pop_front() {
                Some(Item::Chunk(chunk)) => self.current = Some(chunk),
                Some(end) => return Next::Item(end),
                None => return Next::Idle,
            }
        }
        let Some(chunk) = &self.current else { return Next::Idle };
        let (arrived, length) = (chunk.at, chunk.bytes.len());
        let rate = self.attributes.rate_kb_per_s;
        if rate == 0 {
            context.tell_often(length, || "rate 0: nothing passes".to_owned());
            return Next::Wait(Instant::NEVER);
        }
        let slice = self.slice_bytes(length);
        let due = *self.due.get_or_insert_with(|| {
            // A line that was late by a timer's error makes up for it; an idle one does not save up.
            let begins = self.free_at.max(arrived);
            let nanos = u64::try_from(slice).unwrap_or(u64::MAX).saturating_mul(1_000_000) / rate;
            begins + Duration::from_nanos(nanos)
        });
        if context.now < due {
            context.tell_often(length, || format!("slowed to {rate} KB/s"));
            return Next::Wait(due);
        }
        (self.free_at, self.due) = (due, None);
        let Some(mut chunk) = self.current.take() else { return Next::Idle };
        let sent = Chunk { bytes: chunk.bytes.split_to(slice), at: chunk.at.max(due) };
        if !chunk.bytes.is_empty() {
            self.current = Some(chunk);
        }
        Next::Item(Item::Chunk(sent))
    }

    fn change(&mut self, toxic: &ByteToxic, now: Instant) {
        if let ByteToxic::Bandwidth(attributes) = toxic {
            self.attributes = *attributes;
            self.due = None;
            self.free_at = now;
        }
    }

    fn held(&mut self) -> Vec<Item> {
        self.current.take().map(Item::Chunk).into_iter().collect()
    }
}
