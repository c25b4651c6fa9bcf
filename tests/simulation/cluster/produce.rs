//! Produce on a leader: checks, duplicate check, append, and the wait for the in-sync set.
//!
//! ```text
//!   53, 21 for all ─▶ topic and partition (100, 3) ─▶ leader? (6 and a hint) ─▶ armed refusal ─▶ batch valid? (87, 2, 10, 32)
//!     ─▶ disk (56) ─▶ ISR ≥ min, if acks=all (19) ─▶ producer table: duplicate, 45, 47 … ─▶ append
//!     ─▶ acks=all waits (E07: a duplicate too) until the high watermark passes ─▶ 0, or 20 if the ISR is short by now
//!        ended by: leadership lost 6 · topic deleted 3 · disk 56 · request timeout 7
//! ```
//!
//! **Why it looks instead of being told.** A wait is judged by the state of its replica after each event, so no event can
//! forget to tell it. Neighbours: [`super::serving`] calls, [`super::checks`] compares duplicates. Not here: bytes.

use bytes::Bytes;
use facteur::broker::producer_state_manager::{BatchIdentity, Verdict};
use facteur::error::ErrorCode;
use facteur::time::Instant;

use super::replica::Entry;
use super::wire::{AskedTopic, BATCH_HEADER_BYTES, BatchHead, Item, ProduceRequest};
use super::{Cluster, Turn};

/// `message.timestamp.after.max.ms` of a 4.x broker.
const MAX_AHEAD_MS: i64 = 3_600_000;

/// What one partition of a request will be answered.
#[derive(Debug, Clone, Copy)]
pub struct PartAnswer {
    pub code: i16,
    pub base_offset: i64,
    pub append_time_ms: i64,
    pub log_start: i64,
    /// The record at fault (KIP-467).
    pub culprit: Option<i32>,
    /// Leader and epoch of the hint.
    pub hint: Option<(i32, i32)>,
    /// What it waits for.
    pub wait: Option<Wait>,
}

/// A wait for the in-sync set.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    pub part: usize,
    /// The high watermark that is needed.
    pub required: i64,
}

impl PartAnswer {
    pub const fn error(code: i16) -> Self {
        Self {
            code,
            base_offset: -1,
            append_time_ms: -1,
            log_start: -1,
            culprit: None,
            hint: None,
            wait: None,
        }
    }

    pub const fn refused(code: ErrorCode) -> Self {
        Self::error(code.0)
    }
}

impl Cluster {
    /// A code for all partitions, in Kafka's order.
    pub(super) fn refusal_of_all(request: &ProduceRequest) -> Option<i16> {
        let transactional =
            |item: &Item| item.head.is_some_and(|head| head.magic == 2 && head.attributes & 0x10 != 0);
        if request.items.iter().any(transactional) {
            return Some(53);
        }
        (!matches!(request.acks, -1..=1)).then_some(21)
    }

    /// One partition of a request, up to its append.
    pub(super) fn produce_one(
        &mut self,
        node: usize,
        (asked, version): (&AskedTopic, i16),
        item: &Item,
        acks: i16,
        turn: &mut Turn<'_>,
    ) -> PartAnswer {
        let part = match self.find_part(node, asked, version, item.partition) {
            Ok(part) => part,
            Err(code) => return PartAnswer::error(code),
        };
        if let Some(answer) = self.not_leader(node, part, turn) {
            return answer;
        }
        if let Some(code) = self.armed.refusal(node, self.parts[part].topic) {
            let mut answer = PartAnswer::error(code);
            answer.hint = (code == 6).then(|| self.hint(node, part, turn)).flatten();
            return answer;
        }
        let head = match self.validate(item, turn.now) {
            Ok(head) => head,
            Err(code) => return PartAnswer::error(code),
        };
        if self.armed.take_culprit() {
            let culprit = turn.tape.below(u64::from(head.count.unsigned_abs())) as i32;
            return PartAnswer { culprit: Some(culprit), ..PartAnswer::error(87) };
        }
        if self.nodes[node].disk_full_until > turn.now {
            return PartAnswer::error(56);
        }
        let view = self.nodes[node].views[part].expect("it leads");
        if acks == -1 && view.isr_size() < self.min_isr(part) {
            return PartAnswer::error(self.replication_error(19));
        }
        let mut answer = self.judge(node, part, &head, &item.records, turn);
        if answer.code == ErrorCode::DUPLICATE_SEQUENCE_NUMBER.0 && acks == -1 {
            // 46 says "I have it": what this broker has must be kept before it may say so (D14). Which batch it was is
            // not remembered, so all that is in the log is waited for.
            answer.wait = Some(Wait { part, required: self.parts[part].replicas[node].end() });
        } else if answer.code == 0 && acks == -1 {
            let required = answer.base_offset + i64::from(head.last_offset_delta) + 1;
            answer.wait = Some(Wait { part, required });
        } else if answer.code == 0 {
            let end = answer.base_offset + i64::from(head.last_offset_delta) + 1;
            let acked = &mut self.parts[part].acked_alone;
            *acked = (*acked).max(end);
        }
        answer
    }

    /// Duplicate, refusal, or append.
    fn judge(
        &mut self,
        node: usize,
        part: usize,
        head: &BatchHead,
        records: &Bytes,
        turn: &mut Turn<'_>,
    ) -> PartAnswer {
        let identity = (head.producer_id >= 0).then_some(BatchIdentity {
            producer_id: head.producer_id,
            epoch: head.epoch,
            base_sequence: head.base_sequence,
            last_offset_delta: head.last_offset_delta,
            max_timestamp_ms: head.max_timestamp_ms,
        });
        let log = self.parts[part].log;
        let replica = &mut self.parts[part].replicas[node];
        let mut answer = PartAnswer { code: 0, log_start: replica.log_start, ..PartAnswer::error(0) };
        let was_written = !replica.entries.is_empty();
        let table = &mut self.nodes[node].table;
        match identity.map_or(Verdict::Append, |identity| table.check(log, &identity, was_written)) {
            Verdict::Refuse { code, .. } => return PartAnswer { code: code.0, ..answer },
            Verdict::Duplicate { first_offset, append_time_ms } => {
                self.stats.duplicates += 1;
                self.checks.duplicate(replica.entry_at(first_offset), head, records);
                return PartAnswer { base_offset: first_offset, append_time_ms, ..answer };
            }
            Verdict::Append => {}
        }
        let base = replica.end();
        let end = base + i64::from(head.last_offset_delta) + 1;
        for follower in 0..replica.known_ends.len() {
            if replica.known_ends[follower] == base {
                replica.caught_up_at[follower] = turn.now;
            }
        }
        let leader_epoch = replica.leads.expect("it leads");
        replica.append(Entry { base, end, leader_epoch, bytes: records.clone(), identity }, log, table);
        answer.base_offset = base;
        self.stats.appends += 1;
        self.checks.appended(part, base, records);
        self.advance_high_watermark(part, node);
        self.want_round(part, turn);
        answer
    }

    fn find_part(&self, node: usize, asked: &AskedTopic, version: i16, index: i32) -> Result<usize, i16> {
        let found = if version >= 13 {
            self.topics.iter().find(|topic| topic.id == asked.id).ok_or(100_i16)
        } else {
            self.topics.iter().find(|topic| topic.name.as_bytes() == &asked.name[..]).ok_or(3_i16)
        }?;
        let place =
            usize::try_from(index).ok().and_then(|index| found.parts.get(index)).copied().ok_or(3_i16)?;
        // A broker that has not heard of the partition does not know it.
        self.nodes[node].views[place].map(|_| place).ok_or(3_i16)
    }

    /// 6, if this broker does not believe to lead or two brokers are made to name each other.
    fn not_leader(&mut self, node: usize, part: usize, turn: &mut Turn<'_>) -> Option<PartAnswer> {
        let hint = self.ping_pong(node, part, turn.now);
        if hint.is_none() && self.parts[part].replicas[node].leads.is_some() {
            return None;
        }
        let hint = hint.or_else(|| self.hint(node, part, turn));
        Some(PartAnswer { hint, ..PartAnswer::error(6) })
    }

    /// Header checks, with the codes that were measured (D18).
    fn validate(&self, item: &Item, now: Instant) -> Result<BatchHead, i16> {
        let head = item.head.ok_or(87_i16)?;
        let bytes = &item.records[..];
        if head.magic != 2 || head.size != bytes.len() || bytes.len() < BATCH_HEADER_BYTES {
            return Err(87);
        }
        if head.attributes & 7 > 4 || head.base_offset != 0 {
            return Err(87);
        }
        if bytes.len() > self.plan.max_message_bytes {
            return Err(10);
        }
        if crc32c::crc32c(&bytes[21..]) != head.crc {
            return Err(2);
        }
        let is_counted = head.count > 0 && head.last_offset_delta == head.count - 1;
        let has_sequence = head.producer_id < 0 || head.base_sequence >= 0;
        if !is_counted || !has_sequence || head.attributes & 0x20 != 0 {
            return Err(87);
        }
        if head.attributes & 0x08 != 0 || head.max_timestamp_ms > self.wall_ms(now) + MAX_AHEAD_MS {
            return Err(32);
        }
        Ok(head)
    }

    /// 7, 19 and 20 in this broker's manner.
    pub(super) fn replication_error(&self, code: i16) -> i16 {
        self.plan.personality.answer(ErrorCode(code)).0
    }

    /// What has become of a wait; `None` while it goes on.
    pub(super) fn judge_wait(&self, node: usize, wait: Wait, is_late: bool, now: Instant) -> Option<i16> {
        let part = &self.parts[wait.part];
        if part.is_gone {
            return Some(3);
        }
        if self.nodes[node].disk_full_until > now {
            return Some(56);
        }
        let replica = &part.replicas[node];
        if replica.leads.is_none() {
            return Some(6);
        }
        if replica.high_watermark >= wait.required {
            let isr = self.nodes[node].views[wait.part].map_or(0, |view| view.isr_size());
            return Some(if isr >= self.min_isr(wait.part) { 0 } else { self.replication_error(20) });
        }
        is_late.then(|| self.replication_error(7))
    }
}
