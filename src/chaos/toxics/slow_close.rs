//! `slow_close`: data passes, the end of the stream is held back.
//!
//! **Why.** A client must not take a half-closed socket for a good one. Not here: anything about data.

use std::collections::VecDeque;
use std::time::Duration;

use super::stage::{Behaviour, Context, Item, Next};
use crate::chaos::toxic::{ByteToxic, SlowCloseAttributes};
use crate::time::Instant;

/// The state.
#[derive(Debug)]
pub struct SlowClose {
    attributes: SlowCloseAttributes,
    due: Option<Instant>,
}

impl SlowClose {
    /// Nothing ended yet.
    #[must_use]
    pub const fn new(attributes: SlowCloseAttributes) -> Self {
        Self { attributes, due: None }
    }
}

impl Behaviour for SlowClose {
    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next {
        if input.front() != Some(&Item::End) {
            return input.pop_front().map_or(Next::Idle, Next::Item);
        }
        let delay_ms = self.attributes.delay_ms;
        let due = match self.due {
            Some(due) => due,
            None => {
                context.tell(0, format!("the end of the stream is held back for {delay_ms} ms"));
                *self.due.insert(context.now + Duration::from_millis(delay_ms))
            }
        };
        if context.now < due {
            return Next::Wait(due);
        }
        input.pop_front().map_or(Next::Idle, Next::Item)
    }

    fn change(&mut self, toxic: &ByteToxic, _now: Instant) {
        if let ByteToxic::SlowClose(attributes) = toxic {
            self.attributes = *attributes;
            // An end that waits begins to wait again.
            self.due = None;
        }
    }
}
