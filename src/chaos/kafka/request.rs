//! Reading requests: the head of each, and the topics of those that a toxic may hit.
//!
//! ```text
//!  offset  size  field            read
//!  0       4     length           always; the rest of the frame
//!  4       2     API key          always
//!  6       2     version          always
//!  8       4     correlation id   always
//!  12      2+n   client id        always; 16-bit length even in flexible requests (KIP-482)
//!  …             tags, transactional id, acks   of Produce: acks=0 has no answer
//!  …             topics           only if a toxic may hit the request
//! ```
//!
//! **Why so little.** A Produce request is mostly records, which pass through; nothing here depends on their size.
//! Neighbours: [`super::session`] cuts frames by [`parse_head`]. Not here: answers.

use std::sync::Arc;

use bytes::Bytes;

use crate::chaos::kafka::api;
use crate::chaos::kafka::proxy::KafkaProxy;
use crate::wire::WireError;
use crate::wire::reader::Reader;

/// The beginning of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHead {
    /// The whole frame, its length prefix included.
    pub(crate) frame_bytes: usize,
    pub(crate) api: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<Arc<str>>,
    /// Not for Produce with acks=0.
    pub(crate) expects_answer: bool,
}

/// What the bytes at hand say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadOutcome {
    /// The head needs at least this many bytes from the beginning of the frame.
    NeedsMore(usize),
    /// Here it is.
    Complete(RequestHead),
    /// This cannot be a Kafka request, in words.
    NotKafka(String),
}

/// Reads the head of the frame that begins with `bytes`. Never asks for more than [`MAX_HEAD_BYTES`], nor for more than
/// the frame has.
pub(crate) fn parse_head(bytes: &Bytes) -> HeadOutcome {
    let mut prefix = [0; PREFIX_BYTES];
    let arrived = bytes.iter().take(PREFIX_BYTES);
    prefix.iter_mut().zip(arrived).for_each(|(into, byte)| *into = *byte);
    // The high byte comes first, so what cannot be a length is known at once: a text protocol's first line must not wait
    // for a fourth byte that may never come.
    let length = i32::from_be_bytes(prefix);
    let Some(length) = usize::try_from(length).ok().filter(|length| length <= LENGTHS.end()) else {
        return HeadOutcome::NotKafka(format!("a frame of {length} bytes is no Kafka request"));
    };
    if bytes.len() < PREFIX_BYTES {
        return HeadOutcome::NeedsMore(PREFIX_BYTES);
    }
    if !LENGTHS.contains(&length) {
        return HeadOutcome::NotKafka(format!("a frame of {length} bytes is no Kafka request"));
    }
    let frame_bytes = length.saturating_add(PREFIX_BYTES);
    let at_hand = bytes.len().min(frame_bytes).min(MAX_HEAD_BYTES);
    let mut reader = Reader::new("request header", bytes.slice(PREFIX_BYTES..at_hand));
    match read_head(&mut reader, frame_bytes) {
        Ok(head) => check(head),
        Err(error) => {
            // Cut short only because not everything has arrived yet?
            let most = frame_bytes.min(MAX_HEAD_BYTES);
            match missing_bytes(&error).map(|missing| at_hand.saturating_add(missing)) {
                Some(wanted) if wanted <= most => HeadOutcome::NeedsMore(wanted),
                Some(_) | None => HeadOutcome::NotKafka(error.to_string()),
            }
        }
    }
}

/// How many bytes more would help; `None` if none would.
pub(crate) fn missing_bytes(error: &WireError) -> Option<usize> {
    match error {
        WireError::Truncated { needed, left, .. } => Some(needed.saturating_sub(*left).max(1)),
        WireError::BadCount { count, .. } if *count > 0 => Some(1),
        WireError::BadCount { .. }
        | WireError::FrameTooLarge { .. }
        | WireError::NegativeLength { .. }
        | WireError::BadVarint { .. }
        | WireError::BadUtf8 { .. }
        | WireError::UnexpectedNull { .. }
        | WireError::UnsupportedVersion { .. }
        | WireError::BadMagic { .. }
        | WireError::BadCrc { .. }
        | WireError::Codec { .. }
        | WireError::Protocol(_) => None,
    }
}

fn read_head(reader: &mut Reader, frame_bytes: usize) -> Result<RequestHead, WireError> {
    let api = reader.i16()?;
    let version = reader.i16()?;
    let correlation_id = reader.i32()?;
    let client_id = reader.nullable_string()?.map(Arc::from);
    let mut head = RequestHead { frame_bytes, api, version, correlation_id, client_id, expects_answer: true };
    if api == api::PRODUCE {
        let mut body = reader.clone().flexible(api::is_flexible(api, version));
        body.skip_tags()?;
        if version >= 3 {
            body.nullable_string()?;
        }
        head.expects_answer = body.i16()? != 0;
    }
    Ok(head)
}

/// Strict: only what some Kafka client could have meant.
fn check(head: RequestHead) -> HeadOutcome {
    let is_plausible = api::name(head.api).is_some()
        && (0..=api::HIGHEST_PLAUSIBLE_VERSION).contains(&head.version)
        && head.client_id.as_ref().is_none_or(|id| !id.chars().any(char::is_control));
    if is_plausible {
        HeadOutcome::Complete(head)
    } else {
        HeadOutcome::NotKafka(format!(
            "{} version {} is no known request",
            api::describe(head.api),
            head.version
        ))
    }
}

/// A cursor behind the request header of a whole frame.
pub(crate) fn body_of(frame: &Bytes, head: &RequestHead) -> Result<Reader, WireError> {
    let mut reader = Reader::new("request", frame.clone());
    // Length, API key, version, correlation id.
    reader.skip(12)?;
    reader.nullable_string()?;
    let mut reader = reader.flexible(api::is_flexible(head.api, head.version));
    reader.skip_tags()?;
    Ok(reader)
}

/// The topics that a whole request names, as far as they can be read; ids are looked up.
pub(crate) fn topics(frame: &Bytes, head: &RequestHead, proxy: &KafkaProxy) -> Vec<Arc<str>> {
    let read = || -> Result<Vec<TopicRef>, WireError> {
        let reader = &mut body_of(frame, head)?;
        match head.api {
            api::PRODUCE => produce_topics(reader, head.version),
            api::FETCH => fetch_topics(reader, head.version),
            api::LIST_OFFSETS => list_offsets_topics(reader, head.version),
            api::METADATA => metadata_topics(reader, head.version),
            api::CREATE_TOPICS => create_topics_topics(reader),
            api::DELETE_TOPICS => delete_topics_topics(reader, head.version),
            _ => Ok(Vec::new()),
        }
    };
    // A request that cannot be read has no topics; the broker will refuse it.
    let found = read().unwrap_or_default();
    found
        .into_iter()
        .filter_map(|topic| match topic {
            TopicRef::Name(name) => Some(name.into()),
            TopicRef::Id(id) => proxy.topic_name(&id),
        })
        .collect()
}

#[derive(Debug)]
enum TopicRef {
    Name(String),
    Id([u8; 16]),
}

fn name_or_id(reader: &mut Reader, has_id: bool) -> Result<TopicRef, WireError> {
    if has_id { reader.uuid().map(TopicRef::Id) } else { reader.string().map(TopicRef::Name) }
}

fn produce_topics(reader: &mut Reader, version: i16) -> Result<Vec<TopicRef>, WireError> {
    if version >= 3 {
        reader.nullable_string()?;
    }
    // acks, timeout
    reader.skip(6)?;
    reader.array_of(4, |reader| {
        let topic = name_or_id(reader, version >= 13)?;
        reader.array_of(4, |reader| {
            reader.i32()?;
            reader.nullable_bytes()?;
            reader.skip_tags()
        })?;
        reader.skip_tags()?;
        Ok(topic)
    })
}

fn fetch_topics(reader: &mut Reader, version: i16) -> Result<Vec<TopicRef>, WireError> {
    skip_fetch_head(reader, version)?;
    reader.array_of(4, |reader| {
        let topic = name_or_id(reader, version >= 13)?;
        reader.array_of(16, |reader| skip_fetch_partition(reader, version).map(drop))?;
        reader.skip_tags()?;
        Ok(topic)
    })
}

/// Everything before the topics of a Fetch request.
pub(crate) fn skip_fetch_head(reader: &mut Reader, version: i16) -> Result<(), WireError> {
    let replica = if version <= 14 { 4 } else { 0 };
    let max_bytes = if version >= 3 { 4 } else { 0 };
    let isolation = if version >= 4 { 1 } else { 0 };
    let session = if version >= 7 { 8 } else { 0 };
    // max wait and min bytes always
    reader.skip(replica + 8 + max_bytes + isolation + session)
}

/// A partition of a Fetch request: its number.
pub(crate) fn skip_fetch_partition(reader: &mut Reader, version: i16) -> Result<i32, WireError> {
    let partition = reader.i32()?;
    let leader_epoch = if version >= 9 { 4 } else { 0 };
    let last_fetched_epoch = if version >= 12 { 4 } else { 0 };
    let log_start = if version >= 5 { 8 } else { 0 };
    // the offset before, the byte limit behind
    reader.skip(leader_epoch + 8 + last_fetched_epoch + log_start + 4)?;
    reader.skip_tags()?;
    Ok(partition)
}

fn list_offsets_topics(reader: &mut Reader, version: i16) -> Result<Vec<TopicRef>, WireError> {
    reader.skip(if version >= 2 { 5 } else { 4 })?;
    reader.array_of(4, |reader| {
        let topic = reader.string().map(TopicRef::Name)?;
        reader.array_of(12, |reader| skip_list_offsets_partition(reader, version).map(drop))?;
        reader.skip_tags()?;
        Ok(topic)
    })
}

/// A partition of a `ListOffsets` request: its number.
pub(crate) fn skip_list_offsets_partition(reader: &mut Reader, version: i16) -> Result<i32, WireError> {
    let partition = reader.i32()?;
    let leader_epoch = if version >= 4 { 4 } else { 0 };
    let max_offsets = if version == 0 { 4 } else { 0 };
    reader.skip(leader_epoch + 8 + max_offsets)?;
    reader.skip_tags()?;
    Ok(partition)
}

fn metadata_topics(reader: &mut Reader, version: i16) -> Result<Vec<TopicRef>, WireError> {
    reader.nullable_array_of(2, |reader| {
        let id = if version >= 10 { Some(reader.uuid()?) } else { None };
        let name = if version >= 10 { reader.nullable_string()? } else { Some(reader.string()?) };
        reader.skip_tags()?;
        Ok(name.map_or_else(|| TopicRef::Id(id.unwrap_or_default()), TopicRef::Name))
    })
}

fn create_topics_topics(reader: &mut Reader) -> Result<Vec<TopicRef>, WireError> {
    reader.array_of(12, |reader| {
        let topic = reader.string().map(TopicRef::Name)?;
        skip_new_topic(reader)?;
        Ok(topic)
    })
}

/// What follows a new topic's name in a `CreateTopics` request.
pub(crate) fn skip_new_topic(reader: &mut Reader) -> Result<(), WireError> {
    // partitions, replication factor
    reader.skip(6)?;
    reader.array_of(5, |reader| {
        reader.i32()?;
        reader.array_of(4, Reader::i32)?;
        reader.skip_tags()
    })?;
    reader.array_of(2, |reader| {
        reader.string()?;
        reader.nullable_string()?;
        reader.skip_tags()
    })?;
    reader.skip_tags()
}

fn delete_topics_topics(reader: &mut Reader, version: i16) -> Result<Vec<TopicRef>, WireError> {
    if version <= 5 {
        return reader.array_of(1, |reader| reader.string().map(TopicRef::Name));
    }
    reader.array_of(17, |reader| {
        let name = reader.nullable_string()?;
        let id = reader.uuid()?;
        reader.skip_tags()?;
        Ok(name.map_or(TopicRef::Id(id), TopicRef::Name))
    })
}

/// The length prefix.
pub(crate) const PREFIX_BYTES: usize = 4;
/// The longest head: a client id and a transactional id of the old dialect's longest, and their framing.
pub(crate) const MAX_HEAD_BYTES: usize = 72 * 1024;
/// What a length prefix may say: API key, version, correlation id and a null client id at least; at most what a broker
/// takes (`socket.request.max.bytes`).
pub(crate) const LENGTHS: std::ops::RangeInclusive<usize> = 10..=104_857_600;
