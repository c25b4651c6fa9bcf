//! A log that went back: records that were acknowledged later lie before records that were acknowledged earlier.
//!
//! **Why.** After an unclean election the new leader's log may end before offsets that were acknowledged: the cluster has
//! lost records, and no producer can prevent that. But the one that watches its acknowledgements can see it (B10), where
//! no broker tells. Only with idempotence: without it, retries may change places by themselves.
//!
//! Neighbours: `produce_response` asks with every success. Not here: doing something about it; the records that are gone
//! were told as acknowledged, and that was true.

use crate::engine::lane::Lane;
use crate::engine::{Engine, Observation};
use crate::identifiers::{BatchNumber, LaneId};

/// The youngest acknowledged part of a batch, and the offset after its last record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogEnd {
    batch: (BatchNumber, u32),
    next_offset: i64,
}

impl LogEnd {
    /// The end so far, if `batch` was sent after it and yet lies before it.
    fn is_behind(self, batch: (BatchNumber, u32), base_offset: i64) -> bool {
        batch > self.batch && base_offset < self.next_offset
    }
}

impl Engine {
    /// A batch was acknowledged at an offset.
    pub(super) fn watch_offset(&mut self, lane: LaneId, place: usize, base_offset: Option<i64>) {
        let Some(base_offset) = base_offset.filter(|_| self.producer_id.is_enabled()) else { return };
        let state: &mut Lane = &mut self.lanes[lane.index()];
        let batch = &state.window[place].batch;
        let (number, records) = ((batch.number, batch.first_record), i64::from(batch.record_count()));
        let before = state.log_end;
        if before.is_none_or(|before| number > before.batch) {
            state.log_end = Some(LogEnd { batch: number, next_offset: base_offset.saturating_add(records) });
        }
        let Some(before) = before.filter(|before| before.is_behind(number, base_offset)) else { return };
        self.stats.offset_regressions += 1;
        if self.is_observed {
            let batch = self.batch_name(lane, place);
            let expected = before.next_offset;
            self.observe(|| Observation::OffsetRegression { batch, base_offset, expected });
        }
    }
}
