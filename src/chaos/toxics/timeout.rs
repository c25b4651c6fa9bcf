//! `timeout`: swallows everything, and closes after a silence.
//!
//! **Why its removal closes.** Bytes are missing from the stream, so nothing sensible could follow; that is also what
//! makes the course's lost acknowledgement certain: the answer is gone, and the client sees a closed socket at once. The
//! time runs from the last chunk, so a peer that goes on talking is never closed. 0 never closes. Not here: a deadline.

use std::collections::VecDeque;
use std::time::Duration;

use super::stage::{Behaviour, Context, Item, Next, Removal};
use crate::chaos::toxic::{ByteToxic, TimeoutAttributes};
use crate::time::Instant;

/// The state.
#[derive(Debug)]
pub struct Timeout {
    attributes: TimeoutAttributes,
    due: Option<Instant>,
}

impl Timeout {
    /// The silence begins when it is asked first.
    #[must_use]
    pub const fn new(attributes: TimeoutAttributes) -> Self {
        Self { attributes, due: None }
    }

    fn begin_silence(&mut self, now: Instant) {
        let timeout_ms = self.attributes.timeout_ms;
        self.due = (timeout_ms > 0).then(|| now + Duration::from_millis(timeout_ms));
    }
}

impl Behaviour for Timeout {
    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next {
        if self.due.is_none() {
            self.begin_silence(context.now);
        }
        while let Some(item) = input.pop_front() {
            let Item::Chunk(chunk) = item else { return Next::Item(item) };
            context.tell_often(chunk.bytes.len(), || "swallowed".to_owned());
            self.begin_silence(context.now);
        }
        match self.due {
            None => Next::Idle,
            Some(due) if context.now < due => Next::Wait(due),
            Some(_) => {
                context.tell(0, format!("closed after {} ms without data", self.attributes.timeout_ms));
                Next::Item(Item::End)
            }
        }
    }

    fn change(&mut self, toxic: &ByteToxic, now: Instant) {
        if let ByteToxic::Timeout(attributes) = toxic {
            self.attributes = *attributes;
            self.begin_silence(now);
        }
    }

    fn removal(&self) -> Removal {
        Removal::Close
    }
}
