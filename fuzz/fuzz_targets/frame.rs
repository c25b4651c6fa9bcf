//! A length prefix and a response header from a stranger: refused or understood, never more memory than was sent.
#![no_main]

use bytes::Bytes;
use facteur::wire::frame::{decode_response_header, parse_frame_length, peek_correlation_id};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(prefix) = data.first_chunk::<4>()
        && let Ok(size) = parse_frame_length(*prefix, 1 << 20)
    {
        assert!(size <= 1 << 20);
    }
    let frame = Bytes::copy_from_slice(data);
    if let Ok(correlation_id) = peek_correlation_id(&frame) {
        for is_flexible in [false, true] {
            let _body = decode_response_header(frame.clone(), correlation_id, is_flexible);
        }
    }
});
