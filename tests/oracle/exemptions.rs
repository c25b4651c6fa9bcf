//! What happened to the logs that no producer can make good, and which records it excuses from what.
//!
//! **Why by record and not by run.** One unclean election must not switch the oracle off: what it cut away is excused
//! from being there, and nothing else. Each excuse has its decision.

use super::history::{Entry, History, Lane, RecordId};

/// Records that were acknowledged, perhaps, and cut off: an unclean election, an `acks=1` leader that died, a disk.
#[derive(Debug, Clone, Copy)]
struct Cut {
    lane: Lane,
    at_ns: u64,
    end_offset: i64,
}

/// While the broker does not know a producer that it should know, duplicates and order are nobody's promise (D-17).
#[derive(Debug, Clone, Copy)]
struct Fog {
    lane: Lane,
    from_ns: u64,
    to_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Recreation {
    lane: Lane,
    at_ns: u64,
}

/// The excuses of a run.
#[derive(Debug, Default)]
pub struct Exemptions {
    cuts: Vec<Cut>,
    fogs: Vec<Fog>,
    recreations: Vec<Recreation>,
    keeps_former_lives: bool,
    deserve_refusal: Vec<RecordId>,
    given_up_as_set: Vec<RecordId>,
    believed_a_lie: Vec<RecordId>,
}

impl Exemptions {
    /// A lane's log was cut off at `end_offset` although records above it may have been acknowledged. To be called at
    /// the moment of the cut: what is accepted later is promised again.
    pub fn cut_off(&mut self, lane: Lane, end_offset: i64, at_ns: u64) {
        self.cuts.push(Cut { lane, at_ns, end_offset });
    }

    /// An unclean election cut off the end of a lane's log, which was not acknowledged: nothing that was promised is lost, but
    /// what the broker knew of its producers.
    pub fn tail_cut_off(&mut self, lane: Lane, at_ns: u64) {
        self.cut_off(lane, i64::MAX, at_ns);
    }

    /// The broker forgot the lane's producers, from this moment on (D-17: by record time; or a fault made it).
    pub fn forgot_producers(&mut self, lane: Lane, at_ns: u64) {
        self.fogs.push(Fog { lane, from_ns: at_ns, to_ns: u64::MAX });
    }

    /// The lane's topic was deleted and made anew (D-40, B20).
    pub fn recreated(&mut self, lane: Lane, at_ns: u64) {
        self.recreations.push(Recreation { lane, at_ns });
    }

    /// The final log has the deleted logs as well, life by life: then nothing excuses their records from being there.
    pub const fn former_lives_are_kept(&mut self) {
        self.keeps_former_lives = true;
    }

    /// The record is refused by every broker (too large, invalid, not authorised): no progress is owed (Q14).
    pub fn deserves_refusal(&mut self, id: RecordId) {
        note(&mut self.deserve_refusal, id);
    }

    /// The user has said how often to send (`retries`, D-14) or how long to wait (`close(timeout)`, D-22), and that was used
    /// up: the record has its outcome, but no progress is owed (Q14).
    pub fn given_up_as_set(&mut self, id: RecordId) {
        note(&mut self.given_up_as_set, id);
    }

    /// A broker invented a leader epoch above the true one. Without topic ids the truth then looks like a topic that was made
    /// anew (B22, D-40), and what is in doubt by then stays so: no progress is owed (Q14).
    pub fn believed_a_lie(&mut self, id: RecordId) {
        note(&mut self.believed_a_lie, id);
    }

    /// Whether an acknowledged record may be missing, or elsewhere than told.
    pub(super) fn may_be_missing(
        &self,
        history: &History,
        entry: &Entry,
        offset: Option<i64>,
        start_offset: i64,
    ) -> bool {
        start_offset > offset.unwrap_or(0)
            || self.cuts.iter().any(|cut| {
                cut.lane == entry.lane
                    && entry.accepted_ns <= cut.at_ns
                    && offset.is_none_or(|offset| offset >= cut.end_offset)
            })
            || (offset.is_none() && self.is_proven_by_a_forgetful_broker(history, entry))
            || (!self.keeps_former_lives && self.spans_recreation(entry))
    }

    /// Told without an offset, so proven by a later sequence (D-4): but the lane had been cut off, nothing that was sent since
    /// had been acknowledged when the record came, and a broker that has forgotten a producer takes any sequence for the
    /// first. Unclean elections lose what is acknowledged; this is their other way.
    fn is_proven_by_a_forgetful_broker(&self, history: &History, entry: &Entry) -> bool {
        let is_of = |cut: &&Cut| cut.lane == entry.lane && cut.at_ns <= entry.told_ns;
        self.cuts.iter().filter(is_of).any(|cut| {
            !history.records().any(|(_, other)| {
                other.lane == entry.lane
                    && other.accepted_ns > cut.at_ns
                    && other.told_ns <= entry.accepted_ns
                    && other.told.is_some_and(super::Told::is_acknowledged)
            })
        })
    }

    pub(super) fn spans_recreation(&self, entry: &Entry) -> bool {
        let is_of = |gone: &Recreation| gone.lane == entry.lane && entry.accepted_ns <= gone.at_ns;
        self.recreations.iter().any(is_of)
    }

    /// Whether the lane's topic was deleted and made anew before `at_ns`.
    pub(super) fn was_recreated(&self, lane: Lane, at_ns: u64) -> bool {
        self.recreations.iter().any(|gone| gone.lane == lane && gone.at_ns <= at_ns)
    }

    pub(super) fn is_bound_to_be_refused(&self, id: RecordId) -> bool {
        !self.deserve_refusal.is_empty() && self.deserve_refusal.binary_search(&id).is_ok()
    }

    pub(super) fn has_believed_a_lie(&self, id: RecordId) -> bool {
        !self.believed_a_lie.is_empty() && self.believed_a_lie.binary_search(&id).is_ok()
    }

    pub(super) fn was_given_up_as_set(&self, id: RecordId) -> bool {
        !self.given_up_as_set.is_empty() && self.given_up_as_set.binary_search(&id).is_ok()
    }

    /// Whether nothing sent to the lane since it was cut off had been acknowledged before this record was told: then the
    /// broker's memory of the producer was cut off too, a sequence does not fit (45), and what is in doubt by then stays so
    /// (D-13).
    pub(super) fn is_first_since_cut(&self, history: &History, entry: &Entry) -> bool {
        let is_of = |cut: &&Cut| cut.lane == entry.lane && cut.at_ns <= entry.told_ns;
        let Some(cut_ns) = self.cuts.iter().filter(is_of).map(|cut| cut.at_ns).max() else { return false };
        !history.records().any(|(_, other)| {
            other.lane == entry.lane
                && other.accepted_ns > cut_ns
                && other.told_ns < entry.told_ns
                && other.told.is_some_and(super::Told::is_acknowledged)
        })
    }

    /// Whether the record was on its way while the broker did not know its producer.
    pub(super) fn is_in_fog(&self, entry: &Entry) -> bool {
        self.fogs.iter().any(|fog| {
            let told_ns = if entry.told.is_some() { entry.told_ns } else { u64::MAX };
            fog.lane == entry.lane && entry.accepted_ns <= fog.to_ns && told_ns >= fog.from_ns
        })
    }

    /// Where the fogs end: at the first acknowledgement of a record that was accepted after the broker forgot, for then
    /// it knows the producer again. `None` if there is no fog.
    pub(super) fn clear(&self, history: &History) -> Option<Self> {
        if self.fogs.is_empty() {
            return None;
        }
        let end_of = |fog: &Fog| {
            let after = history.records().map(|(_, entry)| entry).filter(|entry| {
                entry.lane == fog.lane
                    && entry.accepted_ns > fog.from_ns
                    && entry.told.is_some_and(super::Told::is_acknowledged)
            });
            after.map(|entry| entry.told_ns).min().unwrap_or(u64::MAX)
        };
        let fogs = self.fogs.iter().map(|fog| Fog { to_ns: end_of(fog), ..*fog }).collect();
        Some(Self { fogs, ..Self::default() })
    }
}

/// Into its place in a sorted list.
fn note(list: &mut Vec<RecordId>, id: RecordId) {
    if let Err(place) = list.binary_search(&id) {
        list.insert(place, id);
    }
}
