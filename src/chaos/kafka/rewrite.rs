//! Rewriting answers: other addresses, lower versions, and every other byte as it was.
//!
//! | answer | where its addresses stand | where the reading stops |
//! |---|---|---|
//! | `Metadata` 0-13 | brokers, right behind the throttle time | behind the brokers |
//! | `FindCoordinator` 0-6 | one coordinator; from 4 on one per key | at the end |
//! | `DescribeCluster` 0-2 | brokers | behind the brokers |
//! | `Produce` 10-13 | tagged field 0 at the end (KIP-951) | at the end |
//! | `Fetch` 16-18 | the same | at the end |
//! | `ApiVersions` 0-4 | none; newest versions are lowered | behind the list |
//!
//! **Why splices and not decode and encode.** What is not understood must come out as it went in: unknown tagged fields,
//! racks, a newer Kafka's additions. So a cursor finds the places, and only those are replaced, with the lengths around
//! them: the frame's, and the tagged field's. Everywhere the host and the port stand side by side behind the node's id.
//!
//! Neighbours: [`super::session`] hands over whole answers; [`super::fetch_answer`] deals with those that are too large
//! to hold. Not here: which address replaces which ([`super::proxy::Advertiser`]).

use std::ops::Range;

use bytes::Bytes;

use crate::chaos::kafka::api::{self, Ceiling};
use crate::chaos::kafka::proxy::{AdvertisedBroker, KafkaProxy};
use crate::config::HostPort;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::reader::Reader;
use crate::wire::varint::put_unsigned_varint;
use crate::wire::writer::Writer;

/// Whether answers to such requests may have to be changed, so that they are needed whole.
pub(crate) fn may_change(api: i16, version: i16) -> bool {
    match api {
        api::METADATA | api::FIND_COORDINATOR | api::DESCRIBE_CLUSTER | api::API_VERSIONS => true,
        api::PRODUCE => version >= 10,
        api::FETCH => version >= FIRST_FETCH_WITH_ENDPOINTS,
        _ => false,
    }
}

/// The whole frame of an answer (length prefix included) as the client may see it.
///
/// # Errors
/// [`WireError`] if the answer cannot be read to where its addresses end.
pub(crate) fn rewrite(api: i16, version: i16, frame: &Bytes, proxy: &KafkaProxy) -> Result<Bytes, WireError> {
    let mut reader = Reader::new("response", frame.clone());
    // Length and correlation id.
    reader.skip(8)?;
    let mut reader = reader.flexible(api::has_flexible_response_header(api, version));
    reader.skip_tags()?;
    let splices = match api {
        api::API_VERSIONS => lower_versions(reader, version)?,
        _ => {
            let found = find_places(&mut reader, api, version)?;
            if api == api::METADATA {
                learn_topics(&mut reader, version, proxy);
            }
            readdress(&found, api, proxy)
        }
    };
    Ok(apply(frame, splices))
}

/// Where an address stands.
#[derive(Debug, Clone)]
struct Place {
    broker: AdvertisedBroker,
    /// Host and port.
    range: Range<usize>,
    is_flexible: bool,
}

/// The addresses of an answer, and the tagged field around them if there is one.
#[derive(Debug, Default)]
struct Found {
    places: Vec<Place>,
    /// The bytes of the field's size, and the size.
    wrapping: Option<(Range<usize>, usize)>,
}

/// A replacement: these bytes give way to those.
#[derive(Debug)]
struct Splice {
    range: Range<usize>,
    with: Vec<u8>,
}

fn find_places(reader: &mut Reader, api: i16, version: i16) -> Result<Found, WireError> {
    let mut found = Found::default();
    match api {
        api::METADATA => {
            if version >= 3 {
                reader.skip(4)?;
            }
            found.places = brokers(reader, |reader| {
                if version >= 1 {
                    reader.nullable_string()?;
                }
                reader.skip_tags()
            })?;
        }
        api::DESCRIBE_CLUSTER => {
            // throttle time, error code
            reader.skip(6)?;
            reader.nullable_string()?;
            if version >= 1 {
                reader.skip(1)?;
            }
            reader.string()?;
            reader.skip(4)?;
            found.places = brokers(reader, |reader| {
                reader.nullable_string()?;
                if version >= 2 {
                    reader.skip(1)?;
                }
                reader.skip_tags()
            })?;
        }
        api::FIND_COORDINATOR => found.places = coordinators(reader, version)?,
        api::PRODUCE => {
            skip_produce_answer(reader, version)?;
            found = node_endpoints(reader)?;
        }
        api::FETCH => {
            skip_fetch_answer(reader)?;
            found = node_endpoints(reader)?;
        }
        _ => {}
    }
    Ok(found)
}

/// An id, a host, a port; `None` where the answer says that there is nobody (-1, an empty host).
fn place(reader: &mut Reader) -> Result<Option<Place>, WireError> {
    let node_id = reader.i32()?;
    let start = reader.position();
    let host = reader.string()?;
    let port = u16::try_from(reader.i32()?).ok().filter(|port| *port > 0);
    let range = start..reader.position();
    let broker = port.filter(|_| node_id >= 0 && !host.is_empty());
    Ok(broker.map(|port| Place {
        broker: AdvertisedBroker { node_id, address: HostPort { host, port } },
        range,
        is_flexible: reader.is_flexible(),
    }))
}

fn brokers(
    reader: &mut Reader,
    mut skip_rest: impl FnMut(&mut Reader) -> Result<(), WireError>,
) -> Result<Vec<Place>, WireError> {
    let places = reader.array_of(MIN_BROKER_BYTES, |reader| {
        let place = place(reader)?;
        skip_rest(reader)?;
        Ok(place)
    })?;
    Ok(places.into_iter().flatten().collect())
}

fn coordinators(reader: &mut Reader, version: i16) -> Result<Vec<Place>, WireError> {
    if version >= 1 {
        reader.skip(4)?;
    }
    if version >= 4 {
        let places = reader.array_of(MIN_BROKER_BYTES, |reader| {
            reader.string()?;
            let place = place(reader)?;
            reader.skip(2)?;
            reader.nullable_string()?;
            reader.skip_tags()?;
            Ok(place)
        })?;
        return Ok(places.into_iter().flatten().collect());
    }
    reader.skip(2)?;
    if version >= 1 {
        reader.nullable_string()?;
    }
    Ok(place(reader)?.into_iter().collect())
}

fn skip_produce_answer(reader: &mut Reader, version: i16) -> Result<(), WireError> {
    reader.array_of(3, |reader| {
        if version >= 13 {
            reader.skip(16)?;
        } else {
            reader.string()?;
        }
        reader.array_of(30, |reader| {
            // partition, error code, base offset, append time, log start offset
            reader.skip(30)?;
            reader.array_of(5, |reader| {
                reader.skip(4)?;
                reader.nullable_string()?;
                reader.skip_tags()
            })?;
            reader.nullable_string()?;
            reader.skip_tags()
        })?;
        reader.skip_tags()
    })?;
    reader.skip(4)
}

fn skip_fetch_answer(reader: &mut Reader) -> Result<(), WireError> {
    // throttle time, error code, session id
    reader.skip(10)?;
    reader.array_of(18, |reader| {
        reader.skip(16)?;
        reader.array_of(37, |reader| {
            skip_fetched_partition(reader)?;
            reader.nullable_bytes()?;
            reader.skip_tags()
        })?;
        reader.skip_tags()
    })?;
    Ok(())
}

/// A partition of a Fetch answer, versions 16 to 18, up to its records.
pub(crate) fn skip_fetched_partition(reader: &mut Reader) -> Result<(), WireError> {
    // partition, error code, high watermark, last stable offset, log start offset
    reader.skip(30)?;
    reader.nullable_array_of(17, |reader| {
        reader.skip(16)?;
        reader.skip_tags()
    })?;
    // preferred read replica
    reader.skip(4)
}

/// The tagged fields at the end of a Produce or Fetch answer; field 0 holds the addresses.
fn node_endpoints(reader: &mut Reader) -> Result<Found, WireError> {
    let mut found = Found::default();
    let count = reader.unsigned_varint()?;
    for _ in 0..count {
        let tag = reader.unsigned_varint()?;
        let start = reader.position();
        let size = reader.unsigned_varint()? as usize;
        let content = reader.position();
        if tag != 0 {
            reader.skip(size)?;
            continue;
        }
        found.wrapping = Some((start..content, size));
        found.places = brokers(reader, |reader| {
            reader.nullable_string()?;
            reader.skip_tags()
        })?;
        let consumed = reader.position().saturating_sub(content);
        let rest = size.checked_sub(consumed).ok_or_else(|| {
            WireError::Protocol(format!("node endpoints of {consumed} bytes in a field of {size}"))
        })?;
        reader.skip(rest)?;
    }
    Ok(found)
}

fn readdress(found: &Found, api: i16, proxy: &KafkaProxy) -> Vec<Splice> {
    let brokers: Vec<AdvertisedBroker> = found.places.iter().map(|place| place.broker.clone()).collect();
    if brokers.is_empty() {
        return Vec::new();
    }
    let addresses = proxy.addresses_for(&brokers);
    let mut splices = Vec::with_capacity(found.places.len().saturating_add(1));
    let (mut removed, mut added) = (0_usize, 0_usize);
    for (place, address) in found.places.iter().zip(&addresses) {
        let mut writer = Writer::bare(place.is_flexible);
        writer.string(&address.host);
        writer.i32(i32::from(address.port));
        removed = removed.saturating_add(place.range.len());
        added = added.saturating_add(writer.len());
        splices.push(Splice { range: place.range.clone(), with: writer.into_bytes() });
    }
    if let Some((range, size)) = &found.wrapping {
        let size = size.saturating_add(added).saturating_sub(removed);
        splices.insert(0, Splice { range: range.clone(), with: varint(size) });
    }
    if api == api::METADATA {
        let told = brokers.iter().zip(addresses);
        let told = told.map(|(broker, address)| AdvertisedBroker { node_id: broker.node_id, address });
        proxy.learn_brokers(told.collect());
    }
    splices
}

/// The list of APIs without what the injector cannot rewrite. Error 35 comes in version 0's dialect.
fn lower_versions(mut reader: Reader, version: i16) -> Result<Vec<Splice>, WireError> {
    let error = ErrorCode(reader.i16()?);
    if error == ErrorCode::UNSUPPORTED_VERSION && reader.remaining() == 0 {
        return Ok(Vec::new());
    }
    let is_flexible = error != ErrorCode::UNSUPPORTED_VERSION && api::is_flexible(api::API_VERSIONS, version);
    let mut reader = reader.flexible(is_flexible);
    let start = reader.position();
    let count = reader.array_count(6)?;
    let counted = start..reader.position();
    let mut splices = Vec::new();
    let mut kept = 0_usize;
    for _ in 0..count {
        let begin = reader.position();
        let (key, min) = (reader.i16()?, reader.i16()?);
        let at = reader.position();
        let max = reader.i16()?;
        reader.skip_tags()?;
        let highest = match api::ceiling(key) {
            Ceiling::Open => max,
            Ceiling::Version(highest) => max.min(highest),
            Ceiling::Hidden => -1,
        };
        if highest < min {
            splices.push(Splice { range: begin..reader.position(), with: Vec::new() });
            continue;
        }
        kept = kept.saturating_add(1);
        if highest < max {
            splices.push(Splice { range: at..at.saturating_add(2), with: highest.to_be_bytes().to_vec() });
        }
    }
    let mut writer = Writer::bare(is_flexible);
    writer.length(Some(kept));
    splices.insert(0, Splice { range: counted, with: writer.into_bytes() });
    Ok(splices)
}

/// Which id is which topic's: read behind the brokers of a Metadata answer, as far as it can be read.
fn learn_topics(reader: &mut Reader, version: i16, proxy: &KafkaProxy) {
    if version < 10 {
        return;
    }
    let mut read = || -> Result<(), WireError> {
        // cluster id, controller
        reader.nullable_string()?;
        reader.skip(4)?;
        reader.array_of(21, |reader| {
            let error = reader.i16()?;
            let name = reader.nullable_string()?;
            let id = reader.uuid()?;
            reader.skip(1)?;
            reader.array_of(14, |reader| {
                // error code, partition, leader, leader epoch
                reader.skip(14)?;
                for _ in 0..3 {
                    reader.array_of(4, Reader::i32)?;
                }
                reader.skip_tags()
            })?;
            reader.skip(4)?;
            reader.skip_tags()?;
            if let (0, Some(name)) = (error, name) {
                proxy.learn_topic(id, &name);
            }
            Ok(())
        })?;
        Ok(())
    };
    // What cannot be read is not learnt; the client will say what it thinks of such an answer.
    drop(read());
}

/// The frame with the replacements made, and its length put right.
fn apply(frame: &Bytes, splices: Vec<Splice>) -> Bytes {
    if splices.is_empty() {
        return frame.clone();
    }
    let mut out = Vec::with_capacity(frame.len().saturating_add(64));
    let mut at = 0;
    for splice in splices {
        out.extend_from_slice(frame.get(at..splice.range.start).unwrap_or_default());
        out.extend_from_slice(&splice.with);
        at = splice.range.end;
    }
    out.extend_from_slice(frame.get(at..).unwrap_or_default());
    let length = i32::try_from(out.len().saturating_sub(4)).unwrap_or(i32::MAX);
    if let Some(prefix) = out.first_chunk_mut::<4>() {
        *prefix = length.to_be_bytes();
    }
    Bytes::from(out)
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5);
    put_unsigned_varint(&mut bytes, u32::try_from(value).unwrap_or(u32::MAX));
    bytes
}

/// From this version on a Fetch answer may name the new leader's address (KIP-951).
pub(crate) const FIRST_FETCH_WITH_ENDPOINTS: i16 = 16;
/// An id, an empty host, a port.
const MIN_BROKER_BYTES: usize = 9;
