//! Answers of a hostile broker: the first two bytes choose API and version, the rest is the body.
#![no_main]

use bytes::Bytes;
use facteur::wire::api::{
    api_versions, create_topics, delete_topics, fetch, init_producer_id, list_offsets, metadata, produce,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [api, version, body @ ..] = data else { return };
    let version = i16::from(*version % 14);
    let body = Bytes::copy_from_slice(body);
    match api % 8 {
        0 => drop(produce::decode_response(version, &body)),
        1 => drop(metadata::decode_response(version, body)),
        2 => drop(api_versions::decode_response(version, body)),
        3 => drop(init_producer_id::decode_response(version, body)),
        4 => drop(fetch::decode_response(version, body)),
        5 => drop(list_offsets::decode_response(version, body)),
        6 => drop(create_topics::decode_response(version, body)),
        _ => drop(delete_topics::decode_response(version, body)),
    }
});
