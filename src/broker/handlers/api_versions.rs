//! ApiVersions (18): which versions of which API this broker speaks.
//!
//! **Why it never closes.** A client begins with its highest version, which the broker may not know. The broker must
//! answer 35 in the form of version 0, and lists the range of this one API, so that the client can ask again (KIP-511).
//!
//! Neighbours: [`super::advertised_range`] has the table; the caps come from the configuration. Not here: features.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::{RequestHeader, RequestReader, advertised_range, begin};
use crate::broker::cluster::Cluster;
use crate::error::ErrorCode;
use crate::wire::WireError;
use crate::wire::api::{ApiKey, VersionRange};

/// The request, from version 3 on with the client's software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiVersionsRequest {
    software: Option<(String, String)>,
}

/// The versions served: those advertised, up to the cap.
pub(super) fn served_range(api: ApiKey, caps: &BTreeMap<i16, i16>) -> VersionRange {
    let range = advertised_range(api);
    let cap = caps.get(&api.code()).copied().unwrap_or(i16::MAX);
    VersionRange { min: range.min, max: range.max.min(cap) }
}

pub(super) fn decode(reader: &mut RequestReader<'_>, version: i16) -> Result<ApiVersionsRequest, WireError> {
    if version < 3 {
        return Ok(ApiVersionsRequest { software: None });
    }
    let software = (reader.string()?, reader.string()?);
    reader.skip_tags()?;
    Ok(ApiVersionsRequest { software: Some(software) })
}

pub(super) fn handle(cluster: &Cluster, header: &RequestHeader, request: &ApiVersionsRequest) -> Answer {
    let is_legal = |(name, version): &(String, String)| is_software_word(name) && is_software_word(version);
    if !request.software.as_ref().is_none_or(is_legal) {
        return refuse(header, ErrorCode::INVALID_REQUEST);
    }
    let caps = &cluster.settings().caps;
    let ranges: Vec<(i16, VersionRange)> = ApiKey::ALL
        .into_iter()
        .map(|api| (api.code(), served_range(api, caps)))
        .filter(|(_, range)| !range.is_empty())
        .collect();
    encode(header, ErrorCode::NONE, &ranges)
}

/// The answer to a version that this broker does not know: in the form of version 0, with the range of this API.
pub(super) fn unsupported(header: &RequestHeader) -> Answer {
    let own = (ApiKey::ApiVersions.code(), advertised_range(ApiKey::ApiVersions));
    encode(header, ErrorCode::UNSUPPORTED_VERSION, &[own])
}

pub(super) fn refuse(header: &RequestHeader, code: ErrorCode) -> Answer {
    encode(header, code, &[])
}

fn encode(header: &RequestHeader, code: ErrorCode, ranges: &[(i16, VersionRange)]) -> Answer {
    let mut answer = begin(header);
    answer.i16(code.0);
    answer.array(ranges, |answer, (code, range)| {
        answer.i16(*code);
        answer.i16(range.min);
        answer.i16(range.max);
        answer.no_tags();
    });
    if header.version >= 1 {
        answer.i32(0);
    }
    answer.no_tags();
    answer.finish()
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_software_word(word: &str) -> bool {
    let ends_well = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    ends_well(word.bytes().next())
        && ends_well(word.bytes().next_back())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}
