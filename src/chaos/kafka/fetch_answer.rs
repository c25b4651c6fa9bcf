//! A large Fetch answer, version 16 to 18, on its way through: records untouched, no address learnt from it.
//!
//! **Why not rewritten.** The addresses stand behind the records, and the frame's length stands in front of them: to
//! change an address the whole answer would have to be held. Instead the tagged field with the addresses gets a number
//! that no Kafka uses (127), byte for byte in the same place. Clients skip fields that they do not know, and ask
//! Metadata for the new leader, whose answer is rewritten. Answers up to a quarter of a megabyte are held and rewritten
//! exactly; an answer with new leaders has few records as a rule.
//!
//! ```text
//!   Head ──topics──▶ Topic ──partitions──▶ Partition ──records pass──▶ PartitionEnd ─┐
//!    │                ▲ └──────────────────────▲──────────── more partitions ─────────┤
//!    │                └──────────────── more topics ──────────── TopicEnd ◀───────────┘
//!    └──▶ End (tagged fields) ──▶ Done
//! ```
//!
//! Neighbours: [`super::session`] feeds it, [`super::rewrite`] deals with the small ones. Not here: versions below 16,
//! which carry no address and pass unread.

use bytes::Bytes;

use crate::chaos::kafka::request::missing_bytes;
use crate::chaos::kafka::rewrite::skip_fetched_partition;
use crate::wire::WireError;
use crate::wire::reader::Reader;

/// Reads along.
#[derive(Debug)]
pub(crate) struct FetchAnswer {
    stage: Stage,
    topics_left: u32,
    partitions_left: u32,
    /// Bytes of records that pass unread.
    passing: usize,
    /// A piece whose end has not arrived.
    carry: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Topic,
    Partition,
    PartitionEnd,
    TopicEnd,
    End,
    Done,
}

impl FetchAnswer {
    /// At the beginning of the frame, its length prefix included.
    pub(crate) const fn new() -> Self {
        Self { stage: Stage::Head, topics_left: 0, partitions_left: 0, passing: 0, carry: Vec::new() }
    }

    /// Takes the next bytes of the frame and hands out what may go on.
    ///
    /// # Errors
    /// [`WireError`] if this is no such answer.
    pub(crate) fn feed(&mut self, bytes: Bytes, mut pass: impl FnMut(Bytes)) -> Result<(), WireError> {
        let mut bytes = if self.carry.is_empty() {
            bytes
        } else {
            let mut whole = std::mem::take(&mut self.carry);
            whole.extend_from_slice(&bytes);
            Bytes::from(whole)
        };
        while !bytes.is_empty() {
            if self.passing > 0 || self.stage == Stage::Done {
                let size =
                    if self.stage == Stage::Done { bytes.len() } else { self.passing.min(bytes.len()) };
                self.passing = self.passing.saturating_sub(size);
                pass(bytes.split_to(size));
                continue;
            }
            let mut reader = Reader::new("Fetch response", bytes.clone()).flexible(true);
            match self.read_piece(&mut reader) {
                Ok(None) => pass(bytes.split_to(reader.position())),
                Ok(Some(changed)) => {
                    drop(bytes.split_to(reader.position()));
                    pass(changed);
                }
                Err(error) if missing_bytes(&error).is_some() && bytes.len() < MAX_PIECE_BYTES => {
                    self.carry = bytes.to_vec();
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One piece, whole or not at all; what is to stand in its place, if it must not stay.
    fn read_piece(&mut self, reader: &mut Reader) -> Result<Option<Bytes>, WireError> {
        match self.stage {
            Stage::Head => {
                // Length, correlation id; the header's tags; throttle time, error code, session id.
                reader.skip(8)?;
                reader.skip_tags()?;
                reader.skip(10)?;
                // Not checked against the bytes at hand: the rest has not arrived. Each topic is read before it counts.
                self.topics_left = reader.unsigned_varint()?.saturating_sub(1);
                self.stage = self.next_topic();
            }
            Stage::Topic => {
                reader.skip(16)?;
                self.partitions_left = reader.unsigned_varint()?.saturating_sub(1);
                self.topics_left = self.topics_left.saturating_sub(1);
                self.stage = self.next_partition();
            }
            Stage::Partition => {
                skip_fetched_partition(reader)?;
                let records = reader.unsigned_varint()?.saturating_sub(1);
                self.passing = records as usize;
                self.partitions_left = self.partitions_left.saturating_sub(1);
                self.stage = Stage::PartitionEnd;
            }
            Stage::PartitionEnd => {
                reader.skip_tags()?;
                self.stage = self.next_partition();
            }
            Stage::TopicEnd => {
                reader.skip_tags()?;
                self.stage = self.next_topic();
            }
            Stage::End => {
                let changed = without_endpoints(reader)?;
                self.stage = Stage::Done;
                return Ok(changed);
            }
            Stage::Done => {}
        }
        Ok(None)
    }

    const fn next_topic(&self) -> Stage {
        if self.topics_left == 0 { Stage::End } else { Stage::Topic }
    }

    const fn next_partition(&self) -> Stage {
        if self.partitions_left == 0 { Stage::TopicEnd } else { Stage::Partition }
    }
}

/// The tagged fields at the end, with field 0 renamed; `None` if there is no field 0.
fn without_endpoints(reader: &mut Reader) -> Result<Option<Bytes>, WireError> {
    let mut start = reader.clone();
    let begin = reader.position();
    let count = reader.unsigned_varint()?;
    let mut at = None;
    for _ in 0..count {
        let position = reader.position().saturating_sub(begin);
        if reader.unsigned_varint()? == 0 {
            at = Some(position);
        }
        let size = reader.unsigned_varint()? as usize;
        reader.skip(size)?;
    }
    let Some(at) = at else { return Ok(None) };
    let mut fields = start.take(reader.position().saturating_sub(begin))?.to_vec();
    if let Some(tag) = fields.get_mut(at) {
        *tag = UNUSED_TAG;
    }
    Ok(Some(Bytes::from(fields)))
}

/// A field number of one byte, as 0 is, that no Kafka uses.
const UNUSED_TAG: u8 = 127;
/// The longest piece between records: the aborted transactions of one partition, 17 bytes each.
const MAX_PIECE_BYTES: usize = 1024 * 1024;
