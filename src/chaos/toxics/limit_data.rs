//! `limit_data`: passes exactly so many bytes of a connection, then closes it.
//!
//! **Why exactly.** Cutting an answer after every possible byte is how a client's reader is proven. The count survives
//! changes of the toxic; 0 closes on the first chunk. Not here: cutting by Kafka frame.

use std::collections::VecDeque;

use super::stage::{Behaviour, Context, Item, Next};
use crate::chaos::toxic::{ByteToxic, LimitDataAttributes};
use crate::time::Instant;

/// The state.
#[derive(Debug)]
pub struct LimitData {
    attributes: LimitDataAttributes,
    passed_bytes: u64,
    is_closing: bool,
}

impl LimitData {
    /// Nothing has passed yet.
    #[must_use]
    pub const fn new(attributes: LimitDataAttributes) -> Self {
        Self { attributes, passed_bytes: 0, is_closing: false }
    }
}

impl Behaviour for LimitData {
    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next {
        if self.is_closing {
            return Next::Item(Item::End);
        }
        let mut chunk = match input.pop_front() {
            Some(Item::Chunk(chunk)) => chunk,
            Some(end) => return Next::Item(end),
            None => return Next::Idle,
        };
        let left = self.attributes.bytes.saturating_sub(self.passed_bytes);
        let length = u64::try_from(chunk.bytes.len()).unwrap_or(u64::MAX);
        if length < left {
            self.passed_bytes += length;
            return Next::Item(Item::Chunk(chunk));
        }
        self.passed_bytes += left;
        self.is_closing = true;
        let lost = length - left;
        context.tell(
            usize::try_from(lost).unwrap_or(usize::MAX),
            format!("closed after {} bytes; {lost} more had arrived", self.passed_bytes),
        );
        if left == 0 {
            return Next::Item(Item::End);
        }
        chunk.bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        Next::Item(Item::Chunk(chunk))
    }

    fn change(&mut self, toxic: &ByteToxic, _now: Instant) {
        if let ByteToxic::LimitData(attributes) = toxic {
            self.attributes = *attributes;
        }
    }
}
