//! Bytes told in words, for `TRACE=1`. Never called without it.

use bytes::Bytes;

use super::network::joined;

/// A request: which API, which version, how long.
pub fn request(pieces: &[Bytes]) -> String {
    let frame = joined(pieces);
    let code = frame.get(..2).map_or(-1, |code| i16::from_be_bytes([code[0], code[1]]));
    let version = frame.get(2..4).map_or(-1, |version| i16::from_be_bytes([version[0], version[1]]));
    let correlation = frame.get(4..8).map_or(-1, |id| i32::from_be_bytes([id[0], id[1], id[2], id[3]]));
    let name = match code {
        0 => "Produce",
        3 => "Metadata",
        18 => "ApiVersions",
        22 => "InitProducerId",
        _ => "?",
    };
    let stamps = if code == 0 { stamps(&frame) } else { String::new() };
    format!("{name} v{version} #{correlation} ({} bytes){stamps}", frame.len())
}

/// Producer id, epoch, first sequence and count of each batch: found by their magic, which is good enough for a story.
fn stamps(frame: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at + 61 <= frame.len() {
        let length = i32::from_be_bytes([frame[at + 8], frame[at + 9], frame[at + 10], frame[at + 11]]);
        let is_batch = frame[at + 16] == 2
            && frame[at..at + 8] == [0; 8]
            && length > 48
            && at + 12 + length as usize <= frame.len()
            && frame[at + 12..at + 16] == [0xff; 4];
        if is_batch {
            let id = i64::from_be_bytes(frame[at + 43..at + 51].try_into().unwrap_or_default());
            let epoch = i16::from_be_bytes([frame[at + 51], frame[at + 52]]);
            let base = i32::from_be_bytes(frame[at + 53..at + 57].try_into().unwrap_or_default());
            let count = i32::from_be_bytes(frame[at + 57..at + 61].try_into().unwrap_or_default());
            text.push_str(&format!(" [{id}/{epoch} {base}+{count}]"));
            at += 12 + length as usize;
        } else {
            at += 1;
        }
    }
    text
}
