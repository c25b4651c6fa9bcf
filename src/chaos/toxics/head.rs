//! What has arrived for a direction and was not taken in by its first stage yet.
//!
//! **Why a hold.** The Kafka half may say that what follows towards the client waits a while; order is kept, so
//! everything behind it waits as well. Neighbours: `connection` fills it, [`super::chain`] empties it. Not here: toxics.

use std::collections::VecDeque;
use std::time::Duration;

use super::stage::{Item, Next};
use crate::time::Instant;

/// Bytes that may wait here while a hold lasts. Without a hold one read at a time waits.
pub const MOST_BYTES: usize = 1024 * 1024;

/// A queue with a hold.
#[derive(Debug, Default)]
pub struct Head {
    items: VecDeque<(Instant, Item)>,
    /// What is pushed from now on does not leave before this.
    hold: Instant,
    bytes: usize,
}

impl Head {
    /// Takes something in.
    pub fn push(&mut self, item: Item) {
        if let Item::Chunk(chunk) = &item {
            self.bytes += chunk.bytes.len();
        }
        self.items.push_back((self.hold, item));
    }

    /// What is pushed from now on waits this long.
    pub fn hold(&mut self, now: Instant, delay: Duration) {
        self.hold = self.hold.max(now + delay);
    }

    /// What leaves now.
    pub fn next(&mut self, now: Instant) -> Next {
        match self.items.front() {
            None => Next::Idle,
            Some((due, _)) if now < *due => Next::Wait(*due),
            Some(_) => {
                let item = self.items.pop_front().map(|(_, item)| item);
                if let Some(Item::Chunk(chunk)) = &item {
                    self.bytes = self.bytes.saturating_sub(chunk.bytes.len());
                }
                item.map_or(Next::Idle, Next::Item)
            }
        }
    }

    /// Whether the source may be read.
    #[must_use]
    pub fn has_room(&self, now: Instant) -> bool {
        self.items.front().is_none_or(|(due, _)| now < *due && self.bytes < MOST_BYTES)
    }
}
