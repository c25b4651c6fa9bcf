//! The values that `perf` sends.
//!
//! **Why not one random byte at a time.** Making a megabyte of random letters per record would be what is measured;
//! values are cut from a block of letters made once. Neighbours: `session` asks for the next one. Not here: keys, which
//! Kafka's tool does not send either.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::cli::exit::Failure;

/// Where the values come from.
#[derive(Debug, Clone)]
pub struct Payloads {
    source: Source,
}

/// The values of one run, the same ones in every run.
#[derive(Debug)]
pub struct Values {
    source: Source,
    random: StdRng,
}

#[derive(Debug, Clone)]
enum Source {
    /// Cuts of this size from a block of random capital letters, as in Kafka's tool.
    Random { block: Bytes, size: usize },
    /// Lines of a file, drawn at random.
    File { lines: Arc<[Bytes]> },
    /// 0, 1, 2 …
    Counting,
}

impl Payloads {
    /// Random letters.
    pub fn random(size: u32) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut random = StdRng::seed_from_u64(SEED);
        let letters = (0..size.saturating_add(BLOCK_BYTES))
            .map(|_| random.random_range(b'A'..=b'Z'))
            .collect::<Vec<u8>>();
        Self { source: Source::Random { block: letters.into(), size } }
    }

    /// Numbers, counting up.
    pub fn counting() -> Self {
        Self { source: Source::Counting }
    }

    /// Values of a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or holds no value.
    pub fn from_file(path: &Path, delimiter: &str) -> Result<Self, Failure> {
        let shown = path.display();
        let content: Bytes = std::fs::read(path)
            .map_err(|error| {
                Failure::usage(format!("cannot read the payload file {shown}: {error}. Nothing was sent"))
            })?
            .into();
        let delimiter = delimiter.replace("\\n", "\n").replace("\\t", "\t").into_bytes();
        let lines = split(&content, &delimiter);
        if lines.is_empty() {
            return Err(Failure::usage(format!("the payload file {shown} holds no value. Nothing was sent")));
        }
        Ok(Self { source: Source::File { lines: lines.into() } })
    }

    /// From the first one.
    pub fn values(&self) -> Values {
        Values { source: self.source.clone(), random: StdRng::seed_from_u64(SEED) }
    }
}

impl Values {
    /// The value of record `index`.
    pub fn next(&mut self, index: u64) -> Bytes {
        match &self.source {
            Source::Random { block, size } => {
                let start = self.random.random_range(0..=block.len().saturating_sub(*size));
                block.slice(start..start.saturating_add(*size))
            }
            Source::File { lines } => {
                let at = self.random.random_range(0..lines.len());
                lines.get(at).cloned().unwrap_or_default()
            }
            Source::Counting => index.to_string().into(),
        }
    }
}

/// The parts of `content` between delimiters; empty ones are left out, as in Kafka's tool.
fn split(content: &Bytes, delimiter: &[u8]) -> Vec<Bytes> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    while !delimiter.is_empty() && at < content.len() {
        if content.get(at..).is_some_and(|rest| rest.starts_with(delimiter)) {
            parts.push(content.slice(begin..at));
            at += delimiter.len();
            begin = at;
        } else {
            at += 1;
        }
    }
    parts.push(content.slice(begin.min(content.len())..));
    parts.retain(|part| !part.is_empty());
    parts
}

/// The same values in every run, so that runs can be compared.
const SEED: u64 = 0;
/// How many places a value can begin at; enough that neighbours differ and codecs see real text.
const BLOCK_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    // The file's own lines come, never an empty one; any delimiter, also at the end.
    #[test]
    fn values_of_a_file_are_its_parts() {
        let parts = split(&Bytes::from_static(b"a--b----c--"), b"--");

        assert_eq!(parts, ["a", "b", "c"].map(Bytes::from));
        assert_eq!(split(&Bytes::from_static(b"one"), b"\n"), [Bytes::from("one")]);
        assert!(split(&Bytes::new(), b"\n").is_empty());
    }

    // Letters of the size that was asked for, and not the same ones each time: a codec would make them nothing.
    #[test]
    fn random_values_have_their_size_and_differ() {
        let mut values = Payloads::random(100).values();
        let (first, second) = (values.next(0), values.next(1));

        assert_eq!((first.len(), second.len()), (100, 100));
        assert!(first != second && first.iter().all(u8::is_ascii_uppercase));
        assert_eq!(Payloads::counting().values().next(7), "7");
    }
}
