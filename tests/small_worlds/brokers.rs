//! The brokers: one log per lane, shared by whoever leads it, and the embedded broker's own table of producers.

use facteur::broker::personality::Personality;
use facteur::broker::producer_state_manager::{BatchIdentity, LogNumber, ProducerStateManager, Verdict};

use crate::oracle::wire::{Answer, Stamp};
use crate::oracle::{FinalLog, Found, Lane, RecordId};
use crate::peer::{PeerBatch, Reply};

const LOG: LogNumber = LogNumber(0);

/// How the broker treats a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    Honest,
    /// `NOT_ENOUGH_REPLICAS` (19): refused before anything is appended.
    Refused,
    /// `INVALID_RECORD` (87): refused for good, nothing appended.
    Invalid,
    /// `REQUEST_TIMED_OUT` (7): appended, and answered with an error all the same.
    Doubtful,
}

#[derive(Debug)]
struct Log {
    values: Vec<String>,
    producers: ProducerStateManager,
    /// Every batch that was appended, by its stamp: a duplicate must have the same records.
    appended: Vec<(Stamp, Vec<String>)>,
}

#[derive(Debug)]
pub struct Brokers {
    logs: Vec<Log>,
}

impl Brokers {
    pub fn new(lanes: usize) -> Self {
        let empty = || Log {
            values: Vec::new(),
            producers: ProducerStateManager::new(Personality::ApacheBefore45, 100),
            appended: Vec::new(),
        };
        Self { logs: std::iter::repeat_with(empty).take(lanes).collect() }
    }

    /// A batch reaches the broker; `leads` says whether it is the partition's leader.
    pub fn append(&mut self, batch: &PeerBatch, leads: bool, treatment: Treatment) -> Reply {
        if !leads {
            return Reply::to(batch, 6, -1);
        }
        match treatment {
            Treatment::Refused => Reply::to(batch, 19, -1),
            Treatment::Invalid => Reply::to(batch, 87, -1),
            Treatment::Honest => self.append_as_leader(batch),
            Treatment::Doubtful => {
                let reply = self.append_as_leader(batch);
                if reply.code == 0 { Reply::to(batch, 7, -1) } else { reply }
            }
        }
    }

    fn append_as_leader(&mut self, batch: &PeerBatch) -> Reply {
        let log = &mut self.logs[usize::try_from(batch.partition).expect("a partition")];
        let view = &batch.view;
        let identity = BatchIdentity {
            producer_id: view.producer_id,
            epoch: view.producer_epoch,
            base_sequence: view.base_sequence,
            last_offset_delta: view.record_count - 1,
            max_timestamp_ms: 0,
        };
        match log.producers.check(LOG, &identity, !log.values.is_empty()) {
            Verdict::Append => {
                let offset = i64::try_from(log.values.len()).expect("a small log");
                log.values.extend(batch.values.iter().cloned());
                log.producers.record(LOG, &identity, offset);
                log.appended.push((stamp_of(batch), batch.values.clone()));
                Reply::to(batch, 0, offset)
            }
            Verdict::Duplicate { first_offset, .. } => {
                let known = log
                    .appended
                    .iter()
                    .any(|(stamp, values)| *stamp == stamp_of(batch) && *values == batch.values);
                assert!(known, "deduplication swallowed other records: {:?}", batch.values);
                Reply::to(batch, 0, first_offset)
            }
            Verdict::Refuse { code, .. } => Reply::to(batch, code.0, -1),
        }
    }

    pub fn final_log(&self) -> FinalLog {
        let mut found = FinalLog::new();
        for (lane, log) in (0..).map(Lane).zip(&self.logs) {
            for (offset, value) in (0..).zip(&log.values) {
                let id = RecordId(value.split(' ').next().and_then(|id| id.parse().ok()).unwrap_or(u64::MAX));
                found.found(lane, Found { offset, id, content: content(value) });
            }
        }
        found
    }
}

pub fn stamp_of(batch: &PeerBatch) -> Stamp {
    Stamp {
        producer_id: batch.view.producer_id,
        epoch: batch.view.producer_epoch,
        base_sequence: batch.view.base_sequence,
        record_count: batch.view.record_count,
    }
}

/// A hash of a record's value.
pub fn content(value: &str) -> u64 {
    value.bytes().fold(14_695_981_039_346_656_037, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    })
}

/// What a code says about the log (`spec/reliability.md` 3.2).
pub const fn answer_of(code: i16) -> Answer {
    match code {
        0 => Answer::Success,
        3 | 6 | 7 | 20 | 56 | -1 => Answer::Indeterminate,
        _ => Answer::Definite,
    }
}
