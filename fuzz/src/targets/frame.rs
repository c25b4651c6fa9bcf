//! A stream of frames from a stranger, cut anywhere: the same frames and the same refusal as if it had come at once.

use bytes::{Bytes, BytesMut};
use facteur::wire::frame::{
    cut_frame, decode_response_header, parse_frame_length, peek_correlation_id, put_request_header,
};

use super::tape::Tape;

/// Cuts the stream as it comes in these pieces, again and again.
fn frames_of(stream: &[u8], pieces: &[usize], limit: usize) -> (Vec<Bytes>, Option<String>, usize) {
    let (mut frames, mut buffer) = (Vec::new(), BytesMut::new());
    let (mut rest, mut place) = (stream, 0);
    loop {
        loop {
            match cut_frame(&mut buffer, limit) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error.to_string()), 0),
            }
        }
        if rest.is_empty() {
            return (frames, None, buffer.len());
        }
        let (piece, later) = rest.split_at(pieces[place % pieces.len()].min(rest.len()));
        buffer.extend_from_slice(piece);
        assert!(buffer.capacity() <= 2 * stream.len() + 64, "{} bytes are reserved", buffer.capacity());
        (rest, place) = (later, place + 1);
    }
}

/// The same, written once more in the plainest way.
fn expected(stream: &[u8], limit: usize) -> (Vec<&[u8]>, bool) {
    let (mut frames, mut rest) = (Vec::new(), stream);
    while let Some((prefix, later)) = rest.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*prefix);
        if length < 0 || usize::try_from(length).is_ok_and(|length| length > limit) {
            return (frames, true);
        }
        let length = usize::try_from(length).expect("not negative");
        if later.len() < length {
            break;
        }
        frames.push(&later[..length]);
        rest = &later[length..];
    }
    (frames, false)
}

fn headers(frame: &Bytes) {
    let Ok(correlation_id) = peek_correlation_id(frame) else { return };
    for is_flexible in [false, true] {
        if let Ok(body) = decode_response_header(frame.clone(), correlation_id, is_flexible) {
            assert!(body.len() + 4 <= frame.len());
        }
        let other = correlation_id.wrapping_add(1);
        assert!(decode_response_header(frame.clone(), other, is_flexible).is_err(), "another's answer");
    }
}

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let limit = tape.pick(&[0, 16, 1 << 10, 1 << 20]);
    let count = 1 + tape.below(8);
    let pieces: Vec<usize> = (0..count).map(|_| 1 + usize::from(tape.byte())).collect();
    let stream = tape.rest();

    let whole = frames_of(stream, &[usize::MAX], limit);
    assert_eq!(frames_of(stream, &pieces, limit), whole, "cut into {pieces:?}");
    assert_eq!(frames_of(stream, &[1], limit), whole, "cut into bytes");
    let (frames, is_refused) = expected(stream, limit);
    assert_eq!((whole.0.len(), whole.1.is_some()), (frames.len(), is_refused));
    for (ours, theirs) in whole.0.iter().zip(&frames) {
        assert_eq!(&ours[..], *theirs);
        headers(ours);
    }
    if let Some(prefix) = stream.first_chunk::<4>() {
        assert!(parse_frame_length(*prefix, limit).is_err() || i32::from_be_bytes(*prefix) >= 0);
    }
    let mut header = Vec::new();
    put_request_header(
        &mut header,
        facteur::wire::api::ApiKey::Metadata,
        9,
        1,
        &String::from_utf8_lossy(stream),
    );
    assert!(header.len() <= 32_767 + 11);
}
