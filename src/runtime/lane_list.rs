//! A topic's lanes by partition: read by every send without a lock, a reference count or an atomic exchange.
//!
//! **Why its own type.** A partition's lane is for ever, and partitions are only ever added, so the list needs no
//! snapshots: what has been published never changes. Each addition hangs a piece behind the last; there are as many
//! pieces as there were additions, one in nearly every case.
//!
//! Neighbours: [`super::topics`] has one per topic, `driver` adds to it. Not here: which partitions have a leader.

use std::sync::{Arc, OnceLock};

use crate::runtime::lanes::Lane;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LaneList {
    first: OnceLock<Box<Piece>>,
}

#[derive(Debug)]
struct Piece {
    /// The partition of its first lane.
    from: usize,
    lanes: Vec<Arc<Lane>>,
    next: OnceLock<Box<Self>>,
}

impl LaneList {
    /// How many partitions there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let mut piece = self.first.get();
        let mut len = 0;
        while let Some(some) = piece {
            len = some.from + some.lanes.len();
            piece = some.next.get();
        }
        len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    /// The lane of a partition.
    #[inline]
    pub(crate) fn get(&self, partition: i32) -> Option<&Arc<Lane>> {
        let partition = usize::try_from(partition).ok()?;
        let mut piece = self.first.get()?;
        loop {
            if let Some(lane) = piece.lanes.get(partition - piece.from) {
                return Some(lane);
            }
            piece = piece.next.get()?;
        }
    }

    /// All of them, by partition.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Lane>> {
        let mut piece = self.first.get();
        std::iter::from_fn(move || {
            let this = piece?;
            piece = this.next.get();
            Some(this)
        })
        .flat_map(|piece| &piece.lanes)
    }

    /// Adds what is beyond the lanes that are known. One writer: the driver.
    pub(crate) fn extend_to(&self, lanes: &[Arc<Lane>]) {
        let from = self.len();
        let Some(added) = lanes.get(from..).filter(|added| !added.is_empty()) else { return };
        let added = Box::new(Piece { from, lanes: added.to_vec(), next: OnceLock::new() });
        let mut place = &self.first;
        while let Some(piece) = place.get() {
            place = &piece.next;
        }
        let was_taken = place.set(added).is_err();
        debug_assert!(!was_taken, "only the driver adds lanes to a topic");
    }
}
