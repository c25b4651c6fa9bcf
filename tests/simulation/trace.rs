//! What happened, as a hash; and with `TRACE=1` as a story.
//!
//! **Why a hash of everything.** Every run is made twice and compared: a difference means that something in the core
//! depends on more than the tape, and a failure could not be repeated. Two chains of multiplications see every event,
//! action and byte; no text is made unless somebody reads it.
//!
//! Neighbours: everybody notes into it. Not here: what is worth telling.

use facteur::engine::Event;
use facteur::time::Instant;

use super::context::Context;

/// The hash so far, and the lines if they are wanted.
#[derive(Debug)]
pub struct Trace {
    first: u64,
    second: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub fn new(is_told: bool) -> Self {
        Self { first: 0x243f_6a88_85a3_08d3, second: 0x1319_8a2e_0370_7344, lines: is_told.then(Vec::new) }
    }

    /// Something happened; what, by numbers.
    pub fn note(&mut self, what: u64, one: u64, two: u64) {
        self.mix(what);
        self.mix(one);
        self.mix(two);
    }

    /// Bytes that were sent or received.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.mix(u64::from(*byte));
        }
        self.mix(bytes.len() as u64);
    }

    /// A line of the story.
    pub fn say(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            let micros = now.as_nanos() / 1000;
            lines.push(format!("{:>4}.{:06} {}", micros / 1_000_000, micros % 1_000_000, line()));
        }
    }

    /// The last lines, each on a line of its own: for who will not come to the end.
    pub fn last(&self, lines: usize) -> String {
        let all = self.lines.as_deref().unwrap_or_default();
        all[all.len().saturating_sub(lines)..].iter().flat_map(|line| ["\n", line]).collect()
    }

    pub const fn is_told(&self) -> bool {
        self.lines.is_some()
    }

    pub const fn hash(&self) -> u128 {
        ((self.first as u128) << 64) | self.second as u128
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }

    #[inline]
    const fn mix(&mut self, word: u64) {
        self.first = (self.first ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        self.second = (self.second.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
}

/// An event on its way to an engine.
pub fn note_event(cx: &mut Context, event: &Event) {
    match event {
        Event::Connected { connection } => cx.trace.note(10, connection.0, 0),
        Event::Disconnected { connection, .. } => cx.trace.note(11, connection.0, 0),
        Event::WriteProgress { connection } => cx.trace.note(12, connection.0, 0),
        Event::Written { connection, correlation_id } => {
            cx.trace.note(13, connection.0, u64::from(correlation_id.cast_unsigned()));
        }
        Event::Received { connection, frame } => {
            cx.trace.note(14, connection.0, frame.len() as u64);
            cx.trace.bytes(frame);
        }
        _ => cx.trace.note(15, 0, 0),
    }
    let now = cx.now;
    cx.trace.say(now, || match event {
        Event::Received { connection, frame } => format!("{connection:?} received {} bytes", frame.len()),
        other => format!("{other:?}"),
    });
}
