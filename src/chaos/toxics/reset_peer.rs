//! `reset_peer`: both sides see a reset (RST) instead of an end.
//!
//! **Why always a real one.** In Toxiproxy the reset depends on the toxic being there when the connection begins, and
//! comes even where toxicity said no. Here it comes whenever the toxic is active, and never otherwise. The time runs from
//! the first chunk, which is lost, or with `"on": "accept"` from the beginning. Not here: setting the socket option.

use std::collections::VecDeque;
use std::time::Duration;

use super::stage::{Behaviour, Context, Item, Next};
use crate::chaos::toxic::{ByteToxic, ResetOn, ResetPeerAttributes};
use crate::time::Instant;

/// The state.
#[derive(Debug)]
pub struct ResetPeer {
    attributes: ResetPeerAttributes,
    due: Option<Instant>,
    /// What set it off. Kept until then, so that a removal in time loses nothing.
    held: Option<Item>,
}

impl ResetPeer {
    /// Not set off yet.
    #[must_use]
    pub const fn new(attributes: ResetPeerAttributes) -> Self {
        Self { attributes, due: None, held: None }
    }
}

impl Behaviour for ResetPeer {
    fn has_room(&self, input: &VecDeque<Item>) -> bool {
        input.is_empty() && self.held.is_none()
    }

    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next {
        let wait = Duration::from_millis(self.attributes.timeout_ms);
        if self.attributes.on == ResetOn::Accept && self.due.is_none() {
            self.due = Some(context.now + wait);
        }
        if self.held.is_none() {
            self.held = input.pop_front();
        }
        if self.held.is_some() && self.due.is_none() {
            self.due = Some(context.now + wait);
        }
        match self.due {
            None => Next::Idle,
            Some(due) if context.now < due => Next::Wait(due),
            Some(_) => {
                let lost = if let Some(Item::Chunk(chunk)) = &self.held { chunk.bytes.len() } else { 0 };
                context.tell(lost, "both sides are reset (RST)");
                Next::Item(Item::Reset)
            }
        }
    }

    fn change(&mut self, toxic: &ByteToxic, _now: Instant) {
        if let ByteToxic::ResetPeer(attributes) = toxic {
            self.attributes = *attributes;
            self.due = None;
        }
    }

    fn held(&mut self) -> Vec<Item> {
        self.held.take().into_iter().collect()
    }
}
