//! From the bytes of a request to the bytes of an answer: one file per API.
//!
//! **Why requests are decoded by hand.** A decoder that reserves memory by the counts on the wire can be brought down by
//! twenty bytes. Every field here is read by [`Reader`], which checks counts against the bytes that are left, and each
//! request has a limit of elements besides.
//!
//! ```text
//!   decode(frame) ──▶ Request ──▶ handle(cluster, request) ──▶ Handled { reply, delay, …, events }
//!     (no lock)                      (the lock is held)              │
//!                                                                    └ Reply::Wait: a Fetch without data, a member
//!                                                                      of a group without the others; ask again
//! ```
//!
//! Neighbours: [`super::server`] calls [`decode`] and [`handle`]; [`super::cluster`] is what is worked on; armed
//! [`super::faults`] are applied here, once, for every API. Not here: sockets and waiting.

pub mod admin;
pub mod answer;
pub mod api_versions;
pub mod create_topics;
pub mod delete_topics;
pub mod fetch;
pub mod groups;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod produce;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

pub use answer::Answer;

use self::answer::AnswerWriter;
use super::cluster::{Cluster, Now};
use super::events::{BrokerEvent, EventKind, RequestName};
use super::faults::FaultAction;
use crate::config::HostPort;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, VersionRange};
use crate::wire::reader::Reader;

/// Elements of arrays in one request, all arrays together.
const MAX_ELEMENTS: usize = 200_000;

/// The versions that this broker advertises, before caps; [`VersionRange::NONE`] for what it does not serve, which
/// closes the connection as Kafka does. Groups and administration have tables of their own. Produce 0 to 2 are
/// advertised and refused: librdkafka turns compression off unless version 0 is there (KAFKA-18659).
#[must_use]
pub fn advertised_range(api: ApiKey) -> VersionRange {
    let all = ADVERTISED.iter().chain(groups::ADVERTISED).chain(admin::ADVERTISED);
    all.copied().find(|(known, _)| *known == api).map_or(VersionRange::NONE, |(_, range)| range)
}

/// The versions at which an API may be capped: those that are served, so that a cap leaves something to use.
#[must_use]
pub fn cap_range(api: ApiKey) -> VersionRange {
    let VersionRange { min, max } = advertised_range(api);
    let lowest = if api == ApiKey::Produce { FIRST_SERVED_PRODUCE } else { min };
    VersionRange { min: lowest, max }
}

/// What is served here, see [`advertised_range`].
const ADVERTISED: &[(ApiKey, VersionRange)] = &[
    (ApiKey::Produce, VersionRange { min: 0, max: 11 }),
    (ApiKey::Fetch, VersionRange { min: 4, max: 12 }),
    (ApiKey::ListOffsets, VersionRange { min: 1, max: 7 }),
    (ApiKey::Metadata, VersionRange { min: 0, max: 12 }),
    (ApiKey::ApiVersions, VersionRange { min: 0, max: 4 }),
    (ApiKey::CreateTopics, VersionRange { min: 2, max: 7 }),
    (ApiKey::DeleteTopics, VersionRange { min: 1, max: 5 }),
    (ApiKey::InitProducerId, VersionRange { min: 0, max: 5 }),
];

/// The first Produce version that is served.
const FIRST_SERVED_PRODUCE: i16 = 3;

/// A request's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API.
    pub api: ApiKey,
    /// Which version of it.
    pub version: i16,
    /// Repeated in the answer.
    pub correlation_id: i32,
    /// What the client calls itself; empty if it does not say.
    pub client_id: String,
}

/// A decoded request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its header.
    pub header: RequestHeader,
    body: Body,
}

/// The body, by API.
#[derive(Debug, Clone)]
enum Body {
    Produce(produce::ProduceRequest),
    Fetch(fetch::FetchRequest),
    ListOffsets(list_offsets::ListOffsetsRequest),
    Metadata(metadata::MetadataRequest),
    ApiVersions(api_versions::ApiVersionsRequest),
    CreateTopics(create_topics::CreateTopicsRequest),
    DeleteTopics(delete_topics::DeleteTopicsRequest),
    InitProducerId(init_producer_id::InitProducerIdRequest),
    Group(groups::GroupRequest),
    Admin(admin::AdminRequest),
}

/// What surrounds a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext<'a> {
    /// What clients of this listener are told (per-listener advertised address).
    pub advertised: &'a HostPort,
    /// Where the client is, if that is known.
    pub peer: Option<IpAddr>,
    /// The time.
    pub now: Now,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// Send this.
    Answer(Answer),
    /// Send nothing, read on: `acks=0`.
    Silence,
    /// Nothing to answer yet; ask again.
    Wait(Pending),
    /// Close the connection, for this reason.
    Close(String),
}

/// A request that waits for something, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// A Fetch that waits for data: to be asked again after each append, and at its deadline.
    Fetch(Box<fetch::PendingFetch>),
    /// A join or sync that waits for other members: to be asked again when [`super::groups::Groups::changes`] has moved.
    Group(Box<groups::PendingGroup>),
}

/// A reply with what the server has to do about it.
#[derive(Debug)]
pub struct Handled {
    /// What to send, if anything.
    pub reply: Reply,
    /// Wait this long before the reply is sent (a fault).
    pub delay: Option<Duration>,
    /// Drop the answer and close the connection (a fault).
    pub loses_answer: bool,
    /// What happened, in order.
    pub events: Vec<BrokerEvent>,
}

/// Reads the header and the body of a frame (without its length prefix).
///
/// # Errors
/// The reply to give instead: error 35 for an unknown version of `ApiVersions`, a refusal for Produce 0 to 2, and
/// otherwise to close the connection, as Kafka does.
pub fn decode(frame: &Bytes, caps: &BTreeMap<i16, i16>) -> Result<Request, Reply> {
    let mut reader = Reader::new("request", frame.clone());
    let header = match decode_header(&mut reader, caps) {
        Ok(Ok(header)) => header,
        Ok(Err(reply)) => return Err(reply),
        Err(error) => return Err(Reply::Close(format!("the header of a request cannot be read: {error}"))),
    };
    let mut body =
        Reader::new(header.api.name(), rest(&mut reader)).flexible(header.api.is_flexible(header.version));
    let mut fields = RequestReader { reader: &mut body, elements_left: MAX_ELEMENTS };
    let version = header.version;
    let decoded = match header.api {
        ApiKey::Produce => produce::decode(&mut fields, version).map(Body::Produce),
        ApiKey::Fetch => fetch::decode(&mut fields, version).map(Body::Fetch),
        ApiKey::ListOffsets => list_offsets::decode(&mut fields, version).map(Body::ListOffsets),
        ApiKey::Metadata => metadata::decode(&mut fields, version).map(Body::Metadata),
        ApiKey::ApiVersions => api_versions::decode(&mut fields, version).map(Body::ApiVersions),
        ApiKey::CreateTopics => create_topics::decode(&mut fields, version).map(Body::CreateTopics),
        ApiKey::DeleteTopics => delete_topics::decode(&mut fields, version).map(Body::DeleteTopics),
        ApiKey::InitProducerId => init_producer_id::decode(&mut fields, version).map(Body::InitProducerId),
        ApiKey::FindCoordinator
        | ApiKey::JoinGroup
        | ApiKey::SyncGroup
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::OffsetCommit
        | ApiKey::OffsetFetch
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteGroups => groups::decode(&mut fields, header.api, version).map(Body::Group),
        ApiKey::DeleteRecords
        | ApiKey::OffsetForLeaderEpoch
        | ApiKey::DescribeConfigs
        | ApiKey::IncrementalAlterConfigs
        | ApiKey::CreatePartitions
        | ApiKey::DescribeCluster
        | ApiKey::DescribeProducers
        | ApiKey::DescribeLogDirs
        | ApiKey::DescribeTopicPartitions => admin::decode(&mut fields, header.api, version).map(Body::Admin),
    };
    match decoded {
        Ok(body) => Ok(Request { header, body }),
        Err(error) => Err(Reply::Close(format!("a request cannot be read: {error}"))),
    }
}

fn decode_header(
    reader: &mut Reader,
    caps: &BTreeMap<i16, i16>,
) -> Result<Result<RequestHeader, Reply>, WireError> {
    let code = reader.i16()?;
    let version = reader.i16()?;
    let correlation_id = reader.i32()?;
    let Some(api) = ApiKey::from_code(code) else {
        return Ok(Err(Reply::Close(format!("API key {code} is not served"))));
    };
    if !api_versions::served_range(api, caps).contains(version) {
        let header = RequestHeader { api, version: 0, correlation_id, client_id: String::new() };
        return Ok(Err(if api == ApiKey::ApiVersions {
            // KIP-511: the client must learn the range, so that it can ask again.
            Reply::Answer(api_versions::unsupported(&header))
        } else {
            Reply::Close(format!("{} request version {version} is not served", api.name()))
        }));
    }
    // The client id is a plain string with a 16-bit length in every version of the header.
    let client_id = reader.nullable_string()?.unwrap_or_default();
    if api.is_flexible(version) {
        let mut tail = reader.clone().flexible(true);
        tail.skip_tags()?;
        *reader = tail;
    }
    Ok(Ok(RequestHeader { api, version, correlation_id, client_id }))
}

fn rest(reader: &mut Reader) -> Bytes {
    reader.take(reader.remaining()).unwrap_or_default()
}

/// Does what a request asks for, unless a fault is armed for it.
pub fn handle(cluster: &mut Cluster, request: &Request, context: &RequestContext<'_>) -> Handled {
    let header = &request.header;
    let topics = request.body.topics();
    let fault = cluster.faults.next(header.api.code(), &topics, &header.client_id);
    if let Some(action) = fault {
        let kind = EventKind::FaultFired { what: action.describe() };
        let event = BrokerEvent::new(kind, context.now.wall_ms);
        let first = topics.first().map(|topic| std::sync::Arc::from(*topic));
        cluster.note(match &first {
            Some(topic) => event.on(topic, None),
            None => event,
        });
    }
    let mut delay = None;
    let mut loses_answer = false;
    let reply = match fault {
        Some(FaultAction::CloseBeforeProcessing) => Reply::Close("a fault closed the connection".to_owned()),
        Some(FaultAction::AnswerError(code)) => refuse(request, code),
        Some(FaultAction::AnswerErrorAfterProcessing(code)) => {
            let _processed = process(cluster, request, context);
            refuse(request, code)
        }
        Some(FaultAction::LoseAnswer) => {
            loses_answer = true;
            process(cluster, request, context)
        }
        Some(FaultAction::DelayAnswer(duration)) => {
            delay = Some(duration);
            process(cluster, request, context)
        }
        None => process(cluster, request, context),
    };
    let mut events = cluster.take_events();
    if !events.is_empty() {
        let client_id = std::sync::Arc::from(header.client_id.as_str());
        let name = RequestName { client_id, correlation_id: header.correlation_id };
        events.iter_mut().for_each(|event| event.request = Some(name.clone()));
    }
    Handled { reply, delay, loses_answer, events }
}

fn process(cluster: &mut Cluster, request: &Request, context: &RequestContext<'_>) -> Reply {
    let header = &request.header;
    match &request.body {
        Body::Produce(_) if header.version < FIRST_SERVED_PRODUCE => {
            refuse(request, ErrorCode::UNSUPPORTED_VERSION)
        }
        Body::Produce(body) => produce::handle(cluster, header, body, context),
        Body::Fetch(body) => fetch::handle(cluster, header, body, context),
        Body::ListOffsets(body) => Reply::Answer(list_offsets::handle(cluster, header, body)),
        Body::Metadata(body) => Reply::Answer(metadata::handle(cluster, header, body, context)),
        Body::ApiVersions(body) => Reply::Answer(api_versions::handle(cluster, header, body)),
        Body::CreateTopics(body) => Reply::Answer(create_topics::handle(cluster, header, body, context)),
        Body::DeleteTopics(body) => Reply::Answer(delete_topics::handle(cluster, header, body, context)),
        Body::InitProducerId(body) => Reply::Answer(init_producer_id::handle(cluster, header, body, context)),
        Body::Group(body) => groups::handle(cluster, header, body, context),
        Body::Admin(body) => admin::handle(cluster, header, body, context),
    }
}

/// The answer that says `code` wherever the API has a place for one.
fn refuse(request: &Request, code: ErrorCode) -> Reply {
    let header = &request.header;
    Reply::Answer(match &request.body {
        Body::Produce(body) => match produce::refuse(header, body, code) {
            Some(answer) => answer,
            // acks=0: closing the connection is the only signal there is.
            None => return Reply::Close(format!("acks=0 and the answer would be {code}")),
        },
        Body::Fetch(body) => fetch::refuse(header, body, code),
        Body::ListOffsets(body) => list_offsets::refuse(header, body, code),
        Body::Metadata(body) => metadata::refuse(header, body, code),
        Body::ApiVersions(_) => api_versions::refuse(header, code),
        Body::CreateTopics(body) => create_topics::refuse(header, body, code),
        Body::DeleteTopics(body) => delete_topics::refuse(header, body, code),
        Body::InitProducerId(_) => init_producer_id::refuse(header, code),
        Body::Group(body) => groups::refuse(header, body, code),
        Body::Admin(body) => admin::refuse(header, body, code),
    })
}

impl Body {
    /// The topics that the request names, for faults that are limited to one.
    fn topics(&self) -> Vec<&str> {
        match self {
            Self::Produce(body) => body.topics.iter().map(|topic| topic.name.as_str()).collect(),
            Self::Fetch(body) => body.topics.iter().map(|topic| topic.name.as_str()).collect(),
            Self::ListOffsets(body) => body.topics.iter().map(|topic| topic.name.as_str()).collect(),
            Self::Metadata(body) => body.names().collect(),
            Self::CreateTopics(body) => body.topics.iter().map(|topic| topic.name.as_str()).collect(),
            Self::DeleteTopics(body) => body.names.iter().map(String::as_str).collect(),
            Self::Group(body) => body.topics(),
            Self::Admin(body) => body.topics(),
            Self::ApiVersions(_) | Self::InitProducerId(_) => Vec::new(),
        }
    }
}

/// A [`Reader`] with a limit of elements for the whole request.
struct RequestReader<'a> {
    reader: &'a mut Reader,
    elements_left: usize,
}

impl RequestReader<'_> {
    /// An array; null reads as `None`.
    fn nullable_array<T>(
        &mut self,
        min_element_bytes: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<Vec<T>>, WireError> {
        let Some(count) = self.reader.nullable_array_count(min_element_bytes)? else { return Ok(None) };
        let Some(left) = self.elements_left.checked_sub(count) else {
            return Err(WireError::Protocol(format!("more than {MAX_ELEMENTS} elements in one request")));
        };
        self.elements_left = left;
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(read(self)?);
        }
        Ok(Some(elements))
    }

    /// An array; null reads as empty.
    fn array<T>(
        &mut self,
        min_element_bytes: usize,
        read: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        Ok(self.nullable_array(min_element_bytes, read)?.unwrap_or_default())
    }
}

impl std::ops::Deref for RequestReader<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        self.reader
    }
}

impl std::ops::DerefMut for RequestReader<'_> {
    fn deref_mut(&mut self) -> &mut Reader {
        self.reader
    }
}

/// Begins the answer to a request.
fn begin(header: &RequestHeader) -> AnswerWriter {
    AnswerWriter::new(
        header.correlation_id,
        header.api.has_flexible_response_header(header.version),
        header.api.is_flexible(header.version),
    )
}
