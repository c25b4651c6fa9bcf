//! `slicer`: cuts chunks into small pieces, with a pause after each.
//!
//! **Why.** A reader must cope with a length field that comes one byte at a time. Sizes lie around the average; the
//! validation (1 ≤ average, variation < average) is what keeps a cut from going backwards or without end. Not here:
//! joining pieces.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::stage::{Behaviour, Chunk, Context, Item, Next};
use crate::chaos::toxic::{ByteToxic, SlicerAttributes};
use crate::time::Instant;

/// The state.
#[derive(Debug)]
pub struct Slicer {
    attributes: SlicerAttributes,
    slices: VecDeque<Chunk>,
    /// No slice before this.
    pause: Instant,
}

impl Slicer {
    /// Nothing to cut yet.
    #[must_use]
    pub const fn new(attributes: SlicerAttributes) -> Self {
        Self { attributes, slices: VecDeque::new(), pause: Instant::ZERO }
    }

    fn cut(&mut self, chunk: &Chunk, random: &mut StdRng) {
        let mut waiting = vec![chunk.bytes.clone()];
        while let Some(mut piece) = waiting.pop() {
            match self.cut_at(&piece, random) {
                Some(at) => {
                    let left = piece.split_to(at);
                    waiting.push(piece);
                    waiting.push(left);
                }
                None => self.slices.push_back(Chunk { bytes: piece, at: chunk.at }),
            }
        }
    }

    /// Where a piece is cut: about in the middle; `None` if it is small enough.
    fn cut_at(&self, piece: &Bytes, random: &mut StdRng) -> Option<usize> {
        let SlicerAttributes { average_size, size_variation, .. } = self.attributes;
        if piece.len() <= average_size.saturating_add(size_variation) {
            return None;
        }
        let shift = if size_variation == 0 { 0 } else { random.random_range(0..size_variation * 2) };
        let at = (piece.len() / 2 + shift).saturating_sub(size_variation);
        // The checks of the attributes keep it inside; a cut at either end would never come to an end.
        (at > 0 && at < piece.len()).then_some(at)
    }
}

impl Behaviour for Slicer {
    fn has_room(&self, input: &VecDeque<Item>) -> bool {
        input.is_empty() && self.slices.is_empty()
    }

    fn next(&mut self, input: &mut VecDeque<Item>, context: &mut Context<'_>) -> Next {
        if self.slices.is_empty() {
            match input.pop_front() {
                Some(Item::Chunk(chunk)) => {
                    self.cut(&chunk, context.random);
                    let pieces = self.slices.len();
                    context.tell_often(chunk.bytes.len(), || format!("cut into {pieces} pieces"));
                }
                Some(end) => return Next::Item(end),
                None => return Next::Idle,
            }
        }
        if context.now < self.pause {
            return Next::Wait(self.pause);
        }
        self.pause = context.now + Duration::from_micros(self.attributes.delay_us);
        self.slices.pop_front().map_or(Next::Idle, |slice| Next::Item(Item::Chunk(slice)))
    }

    fn change(&mut self, toxic: &ByteToxic, now: Instant) {
        if let ByteToxic::Slicer(attributes) = toxic {
            self.attributes = *attributes;
            self.pause = now;
        }
    }

    fn held(&mut self) -> Vec<Item> {
        self.slices.drain(..).map(Item::Chunk).collect()
    }
}
