//! [`super::StickyState`] for many threads: one relaxed load to read it, one atomic exchange per append.
//!
//! **Why it exists.** Every keyless record asks for the sticky partition and reports its bytes. Partition and bytes fit
//! into one word, so no lock is needed, and a switch cannot be done twice: the exchange that carries it has one winner.
//!
//! Neighbours: [`super::sticky`] has the rules. Not here: sharding by thread (D-51), which is having several of these.

use std::sync::atomic::{AtomicU64, Ordering};

use super::sticky::{SwitchPoint, is_due};

/// The word that means that no partition is chosen: no partition is negative.
const NONE: u64 = u64::MAX;

/// The sticky partition (upper half) and the bytes produced to it (lower half).
#[derive(Debug)]
pub struct SharedSticky {
    word: AtomicU64,
}

impl Default for SharedSticky {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedSticky {
    /// No partition chosen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { word: AtomicU64::new(NONE) }
    }

    /// The sticky partition, if there is one: one relaxed load.
    #[must_use]
    pub fn current(&self) -> Option<i32> {
        unpack(self.word.load(Ordering::Relaxed)).map(|(partition, _)| partition)
    }

    /// The sticky partition; the first caller's choice holds for all.
    pub fn choose(&self, first: impl FnOnce() -> i32) -> i32 {
        if let Some(partition) = self.current() {
            return partition;
        }
        let partition = first().max(0);
        match self.word.compare_exchange(NONE, pack(partition, 0), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => partition,
            Err(word) => unpack(word).map_or(partition, |(partition, _)| partition),
        }
    }

    /// Moves on from this partition, if it is still the sticky one.
    pub fn leave(&self, partition: i32, next: i32) {
        let _moved_by_another = self.word.try_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let (current, _) = unpack(word)?;
            (current == partition).then(|| pack(next.max(0), 0))
        });
    }

    /// As [`super::StickyState::record_appended`]; `next` is called only at a switch. Returns the new partition to the one
    /// caller whose switch it was.
    pub fn record_appended(
        &self,
        partition: i32,
        bytes: usize,
        point: SwitchPoint,
        batch_size: usize,
        next: impl FnOnce() -> i32,
    ) -> Option<i32> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let mut next = Some(next);
        // The choice is made once, however often the exchange must be repeated.
        let mut chosen = None;
        let mut switched_to = None;
        let update = self.word.try_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            switched_to = None;
            let (current, produced) = unpack(word)?;
            if current != partition {
                return None;
            }
            let produced = produced.saturating_add(bytes);
            if !is_due(usize::try_from(produced).unwrap_or(usize::MAX), point, batch_size) {
                return Some(pack(current, produced));
            }
            chosen = chosen.or_else(|| next.take().map(|next| next().max(0)));
            switched_to = chosen;
            chosen.map(|partition| pack(partition, 0))
        });
        update.ok().and(switched_to)
    }
}

fn pack(partition: i32, produced: u32) -> u64 {
    (u64::from(partition.cast_unsigned()) << 32) | u64::from(produced)
}

fn unpack(word: u64) -> Option<(i32, u32)> {
    if word == NONE {
        return None;
    }
    let partition = i32::try_from(word >> 32).ok()?;
    let produced = u32::try_from(word & 0xffff_ffff).ok()?;
    Some((partition, produced))
}
