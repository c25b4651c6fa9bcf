//! What `produce` reads: files or stdin, line by line, as bytes.
//!
//! **Why all files are opened first.** A name that is mistyped should be said before half of the records are sent.
//! Neighbours: [`crate::cli::produce`]. Not here: sending.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use crate::cli::exit::Failure;
use crate::cli::line_format::LineFormat;

/// Something with lines.
pub struct Input {
    name: String,
    reader: BufReader<Box<dyn Read + Send>>,
    line_number: u64,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("line_number", &self.line_number)
            .finish_non_exhaustive()
    }
}

/// Where a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which input, from 0.
    pub input: usize,
    /// Which line, from 1.
    pub line: u64,
}

/// How a line becomes a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineRules {
    /// How a line is built; before everything else about keys.
    pub format: Option<LineFormat>,
    /// Between key and value; a line without it has no key.
    pub key_delimiter: Option<Vec<u8>>,
    /// The key of lines that have none of their own.
    pub fixed_key: Option<Vec<u8>>,
    /// Whether empty values are null.
    pub empty_is_null: bool,
    /// Whether a carriage return before the line end belongs to it.
    pub strips_carriage_return: bool,
}

/// A record's key and value.
pub type KeyAndValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Opens every input; `-` is stdin, and so is an empty list. The second value is their size in all, if it is known.
///
/// # Errors
///
/// Usage, naming the first file that cannot be read.
pub fn open_all(paths: &[PathBuf]) -> Result<(Vec<Input>, Option<u64>), Failure> {
    let standard_input = [PathBuf::from("-")];
    let paths = if paths.is_empty() { &standard_input } else { paths };
    let mut inputs = Vec::with_capacity(paths.len());
    let mut total_bytes = Some(0_u64);
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input::new("stdin".to_owned(), Box::new(io::stdin())));
            total_bytes = None;
            continue;
        }
        let name = path.display().to_string();
        let unreadable = |error: io::Error| {
            Failure::usage(format!(
                "{name:?} cannot be read: {error}. Nothing was sent. Check the name and the permissions"
            ))
        };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::usage(format!(
                "{name:?} is a directory; expected a file with one record per line. Nothing was sent"
            )));
        }
        // A named pipe has no length worth showing.
        total_bytes =
            total_bytes.filter(|_| metadata.is_file()).map(|bytes| bytes.saturating_add(metadata.len()));
        inputs.push(Input::new(name, Box::new(file)));
    }
    Ok((inputs, total_bytes))
}

impl Input {
    /// Lines of a reader.
    pub fn new(name: String, reader: Box<dyn Read + Send>) -> Self {
        Self { name, reader: BufReader::with_capacity(READ_BUFFER_BYTES, reader), line_number: 0 }
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the line read last, from 1.
    pub const fn line_number(&self) -> u64 {
        self.line_number
    }

    /// Reads the next line into `line`, without its line end; `false` at the end. A last line needs no line end.
    ///
    /// # Errors
    ///
    /// Usage, naming the place: the input cannot be read on, or a line is longer than any record may be.
    pub fn next_line(&mut self, line: &mut Vec<u8>, rules: &LineRules) -> Result<bool, Failure> {
        line.clear();
        let limit = LONGEST_LINE_BYTES + 1;
        let read = (&mut self.reader).take(limit).read_until(b'\n', line).map_err(|error| {
            let next = self.line_number + 1;
            Failure::usage(format!(
                "{}, line {next}: cannot be read: {error}. The lines before it were sent",
                self.name
            ))
        })?;
        if read == 0 {
            return Ok(false);
        }
        self.line_number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
            if rules.strips_carriage_return && line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if u64::try_from(read).is_ok_and(|read| read >= limit) {
            return Err(Failure::usage(format!(
                "{}, line {}: longer than {LONGEST_LINE_BYTES} bytes. The lines before it were sent; is this a text file?",
                self.name, self.line_number
            )));
        }
        Ok(true)
    }
}

impl LineRules {
    /// Key and value of a line; `None` if it is not of the format.
    pub fn split<'a>(&'a self, line: &'a [u8]) -> Option<KeyAndValue<'a>> {
        let (key, value) = if let Some(format) = &self.format {
            format.split(line)?
        } else {
            match self.key_delimiter.as_deref().and_then(|delimiter| split_once(line, delimiter)) {
                Some((key, value)) => (Some(key), value),
                None => (self.fixed_key.as_deref(), line),
            }
        };
        Some((key, (!self.empty_is_null || !value.is_empty()).then_some(value)))
    }
}

fn split_once<'a>(line: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = line.windows(delimiter.len().max(1)).position(|window| window == delimiter)?;
    Some((line.get(..at)?, line.get(at + delimiter.len()..)?))
}

const READ_BUFFER_BYTES: usize = 256 * 1024;
const LONGEST_LINE_BYTES: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static [u8], rules: &LineRules) -> Vec<Vec<u8>> {
        let mut input = Input::new("test".into(), Box::new(text));
        let (mut line, mut all) = (Vec::new(), Vec::new());
        while input.next_line(&mut line, rules).unwrap() {
            all.push(line.clone());
        }
        all
    }

    // Every byte counts: a last line without an end, an empty line, a carriage return, bytes that are no UTF-8.
    #[test]
    fn lines_are_bytes_and_none_is_lost() {
        let keep = LineRules::default();
        assert_eq!(lines(b"a\r\n\nb\xff", &keep), [b"a\r".to_vec(), b"".to_vec(), b"b\xff".to_vec()]);
        assert_eq!(lines(b"", &keep), Vec::<Vec<u8>>::new());

        let strip = LineRules { strips_carriage_return: true, ..LineRules::default() };
        assert_eq!(lines(b"a\r\nb\r", &strip), [b"a".to_vec(), b"b\r".to_vec()]);
    }

    // kcat's habits: the first delimiter counts, a line without one has no key, -Z makes empty values null.
    #[test]
    fn keys_are_split_at_the_first_delimiter() {
        let rules = LineRules { key_delimiter: Some(b"::".to_vec()), ..LineRules::default() };
        assert_eq!(rules.split(b"k::v::w"), Some((Some(&b"k"[..]), Some(&b"v::w"[..]))));
        assert_eq!(rules.split(b"no key"), Some((None, Some(&b"no key"[..]))));
        assert_eq!(rules.split(b"k::"), Some((Some(&b"k"[..]), Some(&b""[..]))));

        let null = LineRules { empty_is_null: true, ..rules };
        assert_eq!(null.split(b"k::"), Some((Some(&b"k"[..]), None)));
    }
}
