//! Answers that the injector gives in the broker's name: an error code in the place where the API has it.
//!
//! | API | versions | the code stands |
//! |---|---|---|
//! | `Produce` | 3-13 | at every partition of the request |
//! | `Fetch` | 4-18 | at every partition; at the top for session errors, or if no partition is named (from 7 on) |
//! | `ListOffsets` | 1-10 | at every partition |
//! | `Metadata` | 0-13 | at every topic that is named; at the top for "all topics" (13 only) |
//! | `CreateTopics` | 2-7 | at every topic |
//! | `FindCoordinator` | 0-6 | at the top; at every key from 4 on |
//! | `InitProducerId` | 0-6 | at the top |
//!
//! **Why per API.** Clients decide what to do by *where* the code stands: a code at the wrong place is an answer that
//! cannot be read. Where a version has no place for it, there is no answer and the request goes its normal way.
//!
//! Neighbours: [`super::session`] sends it; [`super::toxic`] refuses what cannot be answered. Not here: what a client
//! makes of it.

use bytes::Bytes;

use crate::chaos::kafka::api;
use crate::chaos::kafka::proxy::AdvertisedBroker;
use crate::chaos::kafka::request::{
    RequestHead, body_of, skip_fetch_head, skip_fetch_partition, skip_list_offsets_partition, skip_new_topic,
};
use crate::wire::WireError;
use crate::wire::reader::Reader;
use crate::wire::writer::Writer;

/// The APIs that can be answered.
pub const ANSWERABLE: [i16; 7] = [
    api::PRODUCE,
    api::FETCH,
    api::LIST_OFFSETS,
    api::METADATA,
    api::FIND_COORDINATOR,
    api::CREATE_TOPICS,
    api::INIT_PRODUCER_ID,
];

/// Whether requests of this API can be answered.
#[must_use]
pub fn can_answer(api: i16) -> bool {
    ANSWERABLE.contains(&api)
}

/// A whole frame that answers this request with `code`; `None` if its version has no place for one. `brokers` are named
/// in Metadata answers, which clients ignore when they are empty.
///
/// # Errors
/// [`WireError`] if the request cannot be read.
pub(crate) fn build(
    frame: &Bytes,
    head: &RequestHead,
    code: i16,
    brokers: &[AdvertisedBroker],
) -> Result<Option<Bytes>, WireError> {
    let version = head.version;
    let (min, max) = versions(head.api);
    if !(min..=max).contains(&version) {
        return Ok(None);
    }
    let reader = &mut body_of(frame, head)?;
    let mut writer = Writer::bare(api::is_flexible(head.api, version));
    let has_place = match head.api {
        api::PRODUCE => produce(reader, &mut writer, version, code)?,
        api::FETCH => fetch(reader, &mut writer, version, code)?,
        api::LIST_OFFSETS => list_offsets(reader, &mut writer, version, code)?,
        api::METADATA => metadata(reader, &mut writer, version, code, brokers)?,
        api::FIND_COORDINATOR => find_coordinator(reader, &mut writer, version, code)?,
        api::CREATE_TOPICS => create_topics(reader, &mut writer, version, code)?,
        api::INIT_PRODUCER_ID => {
            init_producer_id(&mut writer, version, code);
            true
        }
        _ => false,
    };
    Ok(has_place.then(|| framed(head, &writer.into_bytes())))
}

/// `ApiVersions` in version 0 with error 35 and our own range: what a broker says to a version that it does not know.
pub(crate) fn unsupported_api_versions(head: &RequestHead, highest: i16) -> Bytes {
    let mut writer = Writer::bare(false);
    writer.i16(35);
    writer.length(Some(1));
    writer.i16(api::API_VERSIONS);
    writer.i16(0);
    writer.i16(highest);
    framed(head, &writer.into_bytes())
}

fn framed(head: &RequestHead, body: &[u8]) -> Bytes {
    let mut frame = vec![0; 4];
    frame.extend_from_slice(&head.correlation_id.to_be_bytes());
    if api::has_flexible_response_header(head.api, head.version) {
        frame.push(0);
    }
    frame.extend_from_slice(body);
    let length = i32::try_from(frame.len().saturating_sub(4)).unwrap_or(i32::MAX);
    if let Some(prefix) = frame.first_chunk_mut::<4>() {
        *prefix = length.to_be_bytes();
    }
    Bytes::from(frame)
}

const fn versions(api: i16) -> (i16, i16) {
    match api {
        api::PRODUCE => (3, 13),
        api::FETCH => (4, 18),
        api::LIST_OFFSETS => (1, 10),
        api::METADATA => (0, 13),
        api::CREATE_TOPICS => (2, 7),
        _ => (0, 6),
    }
}

/// An array of the request turned into one of the answer, element by element.
fn for_each(
    reader: &mut Reader,
    writer: &mut Writer,
    min_bytes: usize,
    mut element: impl FnMut(&mut Reader, &mut Writer) -> Result<(), WireError>,
) -> Result<usize, WireError> {
    let count = reader.array_count(min_bytes)?;
    writer.length(Some(count));
    for _ in 0..count {
        element(reader, writer)?;
    }
    Ok(count)
}

/// A topic's name or id goes from the request into the answer.
fn copy_topic(reader: &mut Reader, writer: &mut Writer, has_id: bool) -> Result<(), WireError> {
    if has_id {
        writer.raw(&reader.uuid()?);
    } else {
        writer.string(&reader.string()?);
    }
    Ok(())
}

fn produce(reader: &mut Reader, writer: &mut Writer, version: i16, code: i16) -> Result<bool, WireError> {
    reader.nullable_string()?;
    reader.skip(6)?;
    for_each(reader, writer, 4, |reader, writer| {
        copy_topic(reader, writer, version >= 13)?;
        for_each(reader, writer, 4, |reader, writer| {
            writer.i32(reader.i32()?);
            reader.nullable_bytes()?;
            reader.skip_tags()?;
            writer.i16(code);
            writer.i64(-1);
            writer.i64(-1);
            if version >= 5 {
                writer.i64(-1);
            }
            if version >= 8 {
                writer.length(Some(0));
                writer.nullable_string(Some(MESSAGE));
            }
            writer.no_tags();
            Ok(())
        })?;
        reader.skip_tags()?;
        writer.no_tags();
        Ok(())
    })?;
    writer.i32(0);
    writer.no_tags();
    Ok(true)
}

fn fetch(reader: &mut Reader, writer: &mut Writer, version: i16, code: i16) -> Result<bool, WireError> {
    skip_fetch_head(reader, version)?;
    let mut topics = Writer::bare(writer.is_flexible());
    let is_about_session = matches!(code, 70 | 71 | 106);
    let count = for_each(reader, &mut topics, 4, |reader, writer| {
        copy_topic(reader, writer, version >= 13)?;
        for_each(reader, writer, 16, |reader, writer| {
            writer.i32(skip_fetch_partition(reader, version)?);
            writer.i16(code);
            // High watermark and last stable offset.
            writer.i64(-1);
            writer.i64(-1);
            if version >= 5 {
                writer.i64(-1);
            }
            writer.length(None);
            if version >= 11 {
                writer.i32(-1);
            }
            writer.length(Some(0));
            writer.no_tags();
            Ok(())
        })?;
        reader.skip_tags()?;
        writer.no_tags();
        Ok(())
    })?;
    let is_at_top = is_about_session || count == 0;
    if is_at_top && version < 7 {
        return Ok(false);
    }
    writer.i32(0);
    if version >= 7 {
        writer.i16(if is_at_top { code } else { 0 });
        writer.i32(0);
    }
    if is_at_top {
        writer.length(Some(0));
    } else {
        writer.raw(&topics.into_bytes());
    }
    writer.no_tags();
    Ok(true)
}

fn list_offsets(
    reader: &mut Reader,
    writer: &mut Writer,
    version: i16,
    code: i16,
) -> Result<bool, WireError> {
    reader.skip(if version >= 2 { 5 } else { 4 })?;
    if version >= 2 {
        writer.i32(0);
    }
    for_each(reader, writer, 4, |reader, writer| {
        copy_topic(reader, writer, false)?;
        for_each(reader, writer, 12, |reader, writer| {
            writer.i32(skip_list_offsets_partition(reader, version)?);
            writer.i16(code);
            writer.i64(-1);
            writer.i64(-1);
            if version >= 4 {
                writer.i32(-1);
            }
            writer.no_tags();
            Ok(())
        })?;
        reader.skip_tags()?;
        writer.no_tags();
        Ok(())
    })?;
    writer.no_tags();
    Ok(true)
}

fn metadata(
    reader: &mut Reader,
    writer: &mut Writer,
    version: i16,
    code: i16,
    brokers: &[AdvertisedBroker],
) -> Result<bool, WireError> {
    let named = reader.nullable_array_of(2, |reader| {
        let id = if version >= 10 { reader.uuid()? } else { [0; 16] };
        let name = if version >= 10 { reader.nullable_string()? } else { Some(reader.string()?) };
        reader.skip_tags()?;
        Ok((id, name))
    })?;
    if named.is_empty() && version < 13 {
        return Ok(false);
    }
    if version >= 3 {
        writer.i32(0);
    }
    writer.array_of(brokers, |writer, broker| {
        writer.i32(broker.node_id);
        writer.string(&broker.address.host);
        writer.i32(i32::from(broker.address.port));
        if version >= 1 {
            writer.nullable_string(None);
        }
        writer.no_tags();
    });
    if version >= 2 {
        writer.nullable_string(None);
    }
    if version >= 1 {
        writer.i32(-1);
    }
    writer.array_of(&named, |writer, (id, name)| {
        writer.i16(code);
        if version >= 12 {
            writer.nullable_string(name.as_deref());
        } else {
            writer.string(name.as_deref().unwrap_or_default());
        }
        if version >= 10 {
            writer.raw(id);
        }
        if version >= 1 {
            writer.bool(false);
        }
        writer.length(Some(0));
        if version >= 8 {
            writer.i32(NOT_ASKED);
        }
        writer.no_tags();
    });
    if (8..=10).contains(&version) {
        writer.i32(NOT_ASKED);
    }
    if version >= 13 {
        writer.i16(if named.is_empty() { code } else { 0 });
    }
    writer.no_tags();
    Ok(true)
}

fn find_coordinator(
    reader: &mut Reader,
    writer: &mut Writer,
    version: i16,
    code: i16,
) -> Result<bool, WireError> {
    if version >= 1 {
        writer.i32(0);
    }
    if version >= 4 {
        reader.skip(1)?;
        for_each(reader, writer, 1, |reader, writer| {
            writer.string(&reader.string()?);
            nobody(writer);
            writer.i16(code);
            writer.nullable_string(Some(MESSAGE));
            writer.no_tags();
            Ok(())
        })?;
        writer.no_tags();
        return Ok(true);
    }
    writer.i16(code);
    if version >= 1 {
        writer.nullable_string(Some(MESSAGE));
    }
    nobody(writer);
    writer.no_tags();
    Ok(true)
}

/// No node, no host, no port.
fn nobody(writer: &mut Writer) {
    writer.i32(-1);
    writer.string("");
    writer.i32(-1);
}

fn create_topics(
    reader: &mut Reader,
    writer: &mut Writer,
    version: i16,
    code: i16,
) -> Result<bool, WireError> {
    writer.i32(0);
    for_each(reader, writer, 12, |reader, writer| {
        copy_topic(reader, writer, false)?;
        skip_new_topic(reader)?;
        if version >= 7 {
            writer.raw(&[0; 16]);
        }
        writer.i16(code);
        writer.nullable_string(Some(MESSAGE));
        if version >= 5 {
            writer.i32(-1);
            writer.i16(-1);
            writer.length(Some(0));
        }
        writer.no_tags();
        Ok(())
    })?;
    writer.no_tags();
    Ok(true)
}

fn init_producer_id(writer: &mut Writer, version: i16, code: i16) {
    writer.i32(0);
    writer.i16(code);
    writer.i64(-1);
    writer.i16(-1);
    if version >= 6 {
        writer.i64(-1);
        writer.i16(-1);
    }
    writer.no_tags();
}

/// What stands where an answer has words.
const MESSAGE: &str = "injected by the toxic error_response";
/// Authorised operations that nobody asked for.
const NOT_ASKED: i32 = i32::MIN;
